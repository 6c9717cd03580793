"""The firmware in the bench's own process is the firmware on the unix board, to the byte."""

import gc
import json

import pytest

from host_tools.bench import Bench, Timeout, provisioning, stories
from host_tools.bench.kernel import Kernel
from host_tools.bench.nor import Nor
from host_tools.bench.rig import Rig
from host_tools.bench.unix import UnixBoard

MET = ("i2c", "uart", "flash_read", "flash_program", "flash_erase")


def _met(board, monkeypatch, seed, unit):
    # Everything the terminal did to the world, with its time, through a day with faults.
    done = []

    def recorded(name, call):
        def through(rig, *args):
            shown = [len(arg) if isinstance(arg, (bytearray, memoryview)) else arg for arg in args]
            done.append((rig.kernel.now_us, name, *shown))
            return call(rig, *args)
        return through

    with monkeypatch.context() as patch, Bench(board, seed=seed, unit=unit, journal_kib=64) as b:
        patch.setattr(Nor, "steady", lambda chip, sector: b"")  # every read is asked for
        for name in MET:
            patch.setattr(Rig, name, recorded(name, getattr(Rig, name)))
        b.power_on()
        b.sign_on()
        stories.sale(b, 1000)
        stories.void_last(b)
        stories.lost_sale(b, 700)
        b.power_cut(at_flash_op=1)
        with pytest.raises(Timeout):
            stories.sale(b, 800)
        b.power_on()
        b.sign_on()
        b.to_idle()
        b.line.noise(1e-3)
        stories.sale(b, 850, wait=False)
        b.clock.advance(120)
        b.to_idle()
        b.line.noise(0)
        b.rig.paper.runs_out_after(20)
        stories.sale(b, 900, wait=False)
        b.wait_for("缺纸", timeout=300)
        b.rig.load_paper()
        b.to_idle()
        b.swipe("good", damage="half")
        b.power_cut()
        b.power_on()
        b.sign_on()
        b.to_idle()
        stories.settle(b)
        b.clock.advance(90)  # it tidies up
        assert not b.crashes
        images = [bytes(chip.mem) for chip in b.rig.flash]
        return done, b.clock.seconds, b.paper(), b.screen(), images, [str(t) for t in b.journal()]


@pytest.mark.parametrize(("seed", "unit"), [(1, 256), (2, 1)])
def test_the_same_day_is_the_same_on_both(monkeypatch, seed, unit):
    here = _met("inprocess", monkeypatch, seed, unit)
    there = _met("unix", monkeypatch, seed, unit)
    assert len(here[0]) > 1000
    for mine, theirs in zip(here[0], there[0], strict=True):
        assert mine == theirs
    assert here[1:] == there[1:]


def test_a_firmware_that_dies_is_told_and_restarted_by_the_watchdog(make_bench, monkeypatch):
    b = make_bench(board="inprocess")
    b.power_on()
    board = b.board
    monkeypatch.setattr(board._terminal.screen, "show", None)
    with pytest.raises(Timeout):
        b.press("1")
        b.wait_for("never", timeout=2)
    assert len(b.crashes) == 1 and "ended by itself" in b.crashes[0]
    b.expect_crashes()
    b.wait_until(lambda: "watchdog" in b.rig.events[-1], timeout=20)
    b.wait_for("操作员号")
    assert "task died: terminal" in b.log.read_text(encoding="utf-8")


def test_nothing_is_left_of_a_terminal_that_was_switched_off(make_bench):
    # A coroutine that the collector ends some day would tidy up on a board that has no power.
    b = make_bench(board="inprocess")
    b.power_on()
    b.sign_on()
    b.swipe("good")
    b.power_cut()
    gc.collect()
    b.power_on()
    b.sign_on()
    stories.sale(b, 1000)


def test_two_terminals_know_nothing_of_each_other(make_bench):
    one, two = make_bench(board="inprocess"), make_bench(board="inprocess", language="en")
    for b in (one, two):
        b.power_on()
        b.sign_on()
    stories.sale(one, 1000)
    one.swipe("good")
    stories.sale(two, 2000)
    one.to_idle()
    assert [t.amount for t in one.journal()] == [1000]
    assert [t.amount for t in two.journal()] == [2000]
    assert two.shows("Swipe") and one.shows("请刷卡")


@pytest.mark.parametrize("options", [{}, {"copies": 3, "merchant_name": "咖啡 A", "language": 1}])
def test_provisioning_makes_the_images_that_micropython_makes(tmp_path, options):
    options = {**provisioning.DEFAULTS, **options}
    chips = [Nor(64 * 1024, unit=256), Nor(8 * 1024, unit=256)]
    provisioning.provision(*chips, options)
    kernel = Kernel()
    others = [Nor(64 * 1024, unit=256), Nor(8 * 1024, unit=256)]
    rig = Rig(kernel, *others, seed=0)
    rig.board = board = UnixBoard(kernel, rig, tmp_path / "log")
    given = tmp_path / "options.json"
    told = dict(options, merchant_name=options["merchant_name"].encode("gbk").hex())
    given.write_text(json.dumps(told), encoding="ascii")
    board.power_on("tests/e2e/provision_unix.py", str(given))
    board.run(60_000_000, stop=lambda: board.halted)
    board.power_off()
    assert "provisioned" in (tmp_path / "log").read_text(encoding="utf-8")
    assert [bytes(chip.mem) for chip in chips] == [bytes(chip.mem) for chip in others]
