"""A cut in a copy of the running bench ends as the same cut in a telling from the start."""

import os
from contextlib import suppress

import pytest

from host_tools.bench import Bench, Timeout, branch, stories
from host_tools.bench.nor import MODES
from host_tools.bench.sweep import STORIES, Cut, Story, Sweep, SweepError

LEAN = {"settings": {"copies": 1, "ask_reason": 0}, "journal_kib": 64}
HOW = ("clean", "torn", *MODES[1:])


def both(sweep, cuts):
    """The results from copies, and those from the start; a copy must not be one of the latter."""
    asked = []
    alone = sweep.run
    sweep.run = lambda cut: asked.append(cut) or alone(cut)
    copied = sweep.run_all(cuts)
    return copied, [alone(cut) for cut in cuts], asked


@pytest.mark.parametrize(("name", "unit"), [("sale", 256), ("reversal", 1), ("settlement", 256)])
def test_power_cuts_end_as_from_the_start(name, unit):
    sweep = Sweep(STORIES[name], unit=unit, **LEAN)
    cuts = sweep.measure().cuts(line=False, how=HOW)
    copied, alone, asked = both(sweep, cuts[:: len(cuts) // 6])
    assert not asked
    assert copied == alone
    assert len({result.here for result in copied}) > 1


def test_line_cuts_in_the_bench_s_process_end_as_from_the_start():
    sweep = Sweep(STORIES["void-last"], board="inprocess", **LEAN)
    cuts = sweep.measure().cuts(every_byte=True)
    copied, alone, asked = both(sweep, cuts[:: len(cuts) // 10])
    assert not asked
    assert {cut.kind for cut in cuts} == {"power", "line"}
    assert copied == alone
    # And as MicroPython has it.
    sample = [result for result in copied if result.cut.kind == "line"][::4]
    elsewhere = Sweep(STORIES["void-last"], **LEAN)
    assert [elsewhere.run(result.cut) for result in sample] == sample


def test_copies_at_a_time_do_not_disturb_each_other():
    sweep = Sweep(STORIES["sale"], **LEAN)
    cuts = sweep.measure().cuts()[::3]
    assert sweep.run_all(cuts, jobs=3) == sweep.run_all(cuts)


def test_a_story_with_cuts_of_its_own_is_told_from_the_start():
    def act(b):
        b.power_cut()
        b.power_on()
        stories.recover(b)
        stories.sale(b, 500)

    copied, alone, asked = both(Sweep(Story("power fails anyway", act), **LEAN),
                                [Cut("power", 0, "clean"), Cut("power", 2, "torn")])
    assert copied == alone
    assert len(asked) == 2
    assert all("replay" in "".join(result.wrong) for result in copied)


def test_what_is_wrong_in_a_copy_is_told(monkeypatch):
    # A host that forgets what it booked.
    from host_tools.bench import invariants

    monkeypatch.setattr(invariants, "violations", lambda *args: ["booked: nothing"])
    sweep = Sweep(STORIES["sale"], **LEAN)
    with pytest.raises(SweepError, match=r"power:1:clean.*booked: nothing"):
        sweep.check([Cut("power", 1, "clean"), Cut("power", 2, "clean")])


@pytest.mark.parametrize("end", [lambda: os._exit(3), lambda: 1 // 0])
def test_a_copy_without_a_result_is_an_error(end, capsys):
    original = os.getpid()

    def act(b):
        try:
            stories.sale(b, 500)
        finally:
            if os.getpid() != original:
                end()

    with pytest.raises(branch.CopyFailed, match=r"power:1:clean: (.|\n)*(ZeroDivision|status)"):
        Sweep(Story("a story that dies", act), **LEAN).run_all(
            [Cut("power", 1, "clean"), Cut("power", 2, "clean")])


def test_a_copy_leaves_nothing_and_takes_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sweep = Sweep(STORIES["sale"], **LEAN)
    sweep.run_all(sweep.measure().cuts(line=False, how=HOW)[:14])
    assert list(tmp_path.iterdir()) == []


def test_what_leaves_the_chips_alike_is_run_once(tmp_path):
    ran = tmp_path / "ran"

    def ended(bench, cut):
        with ran.open("a") as file:
            file.write(f"{cut}\n")
        return stories.recover(bench)

    names = [Cut("power", 2, "clean"), Cut("power", 2, "none"), Cut("power", 2, "full")]
    def a_sale(bench):
        with suppress(Timeout):  # in the copies
            stories.sale(bench, 500)

    with Bench(**LEAN) as bench:
        bench.power_on()
        bench.sign_on()
        found = branch.results(bench, names, lambda: a_sale(bench), ended)
    assert set(found) == set(names)
    assert ran.read_text().split() == ["power:2:clean", "power:2:full"]




def test_only_a_bench_with_a_world_of_its_own_is_copied():
    with Bench() as alone, Bench(host=alone.host) as other:
        assert branch.can(alone, "power") and not branch.can(alone, "line")
        assert not branch.can(other, "power")
