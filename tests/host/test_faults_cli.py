"""`mobi sweep` and `mobi storm`: what they try, that they find what is wrong, and how they say it.

A host that forgets to undo stands for "wrong": the tools must see money that is gone.
"""

import re

import pytest

from host_tools.acquirer.books import Books
from host_tools.bench import storm
from host_tools.bench.bench import WrongUse
from host_tools.bench.sweep import STORIES, BadPlan, Cut, Size, Sweep, SweepError, run_all
from tests.programs import mobi


@pytest.fixture
def forgetful(monkeypatch):
    """An acquirer that says that it has reversed, and has not."""
    write = Books.set_transaction

    def forget(self, db, number, **news):
        if news.get("state") != "reversed":
            write(self, db, number, **news)

    monkeypatch.setattr(Books, "set_transaction", forget)


# -- plans and cuts as text ------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["power:3:torn", "power:0:clean", "power:12:weak1", "line:217"])
def test_a_cut_is_what_its_text_says(text):
    assert str(Cut.parse(text)) == text


@pytest.mark.parametrize("text", ["power:3", "power:x:torn", "line:-1", "line:5:torn", "", "tea"])
def test_what_is_no_cut_is_told_with_what_is(text):
    with pytest.raises(BadPlan, match="power:N"):
        Cut.parse(text)


def test_every_operation_and_every_frame_has_its_cuts():
    size = Size(flash_ops=20, frame_ends=(10, 30))
    assert [cut.at for cut in size.cuts(power=False)] == [0, 5, 10, 20]
    assert len(size.cuts(power=False, every_byte=True)) == 30
    assert len(size.cuts(line=False)) == 40
    thinned = size.cuts(line=False, how=("weak1",), thin=10)
    assert [cut.at for cut in thinned] == [*range(8), 10]


def test_a_plan_is_what_its_line_says_and_comes_from_its_seed():
    plan = storm.plan(7, 200)
    assert plan == storm.plan(7, 200) != storm.plan(8, 200)
    assert storm.parse(storm.text(plan)) == plan
    deeds = {step.do.partition(":")[0] for step in plan}
    assert deeds == {"sale", "void-last", "void", "refund", "balance", "settle", "wait", "keys",
                     "swipe"}
    faults = {fault.partition(":")[0] for step in plan for fault in step.fault.split("+")}
    assert faults == {"", "power", "line", "noise", "drop", "delay", "twice", "host", "paper",
                      "touch", "card"}


@pytest.mark.parametrize("line", [
    "sale", "sale:x:good", "sale:100:nobody", "settle:now", "dance", "void", "refund:1",
    "sunshine+settle", "power:1+settle", "host:grim+settle", "noise:2+settle", "drop:tea+settle",
    "delay:reply+settle", "wait:-5", "keys:HELP", "keys:", "swipe:nobody", "touch:1+settle",
    "touch:-1:5+settle", "card:1:nobody+settle", "noise:0.1+sunshine+settle",
])
def test_a_plan_that_nobody_can_play_is_refused_with_what_can_be_said(line):
    with pytest.raises(BadPlan, match=r"sale:AMOUNT:CARD|power:N"):
        storm.parse(line)


def test_a_way_to_cut_that_does_not_exist_is_refused(bench):
    with pytest.raises(WrongUse, match="weak1"):
        bench.power_cut(at_flash_op=1, torn="half")


# -- on the command line ---------------------------------------------------------------------------


def test_sweep_prints_what_became_of_each_cut(capsys):
    code, out, _ = mobi(capsys, "sweep", "sale", "--power", "--jobs", "1")
    assert code == 0
    assert re.search(r"sale: a sale; \d+ flash operations and \d+ frames, cut in \d+ ways", out)
    assert re.search(r"power:1:clean to power:1:torn\s+sale reversed\s+sale reversed\s+good", out)
    assert re.search(r"sale: \d+ cuts, 0 broken", out)
    looked = re.search(r"(\d+) screens and (\d+) slips looked at, (\d+) claims", out)
    assert all(int(number) > 20 for number in looked.groups())


def test_several_processes_find_the_same():
    cuts = [Cut("line", at) for at in (0, 10, 100, 200)]
    alone = list(run_all("sale", cuts, jobs=1))
    assert list(run_all("sale", cuts, jobs=2)) == alone
    assert [result.here for result in alone] == ["nothing", "nothing", *2 * ["sale reversed"]]


def test_sweep_finds_money_that_is_gone_and_says_how_to_see_it_again(capsys, forgetful):
    code, out, _ = mobi(capsys, "sweep", "sale", "--power", "--jobs", "1")
    assert code == 1 and "undone: sale" in out
    again = re.search(r"replay: mobi (sweep sale .*)", out)[1].split()
    code, out, _ = mobi(capsys, *again)
    assert code == 1 and "undone: sale" in out and "1 cuts, 1 broken" in out


def test_storm_tells_its_steps_and_the_sum(capsys):
    code, out, _ = mobi(capsys, "storm", "--plan", "drop:reply+sale:1250:good void-last settle")
    assert code == 0
    assert re.search(r"09:\d\d:\d\d  drop:reply\+sale:1250:good  good", out)
    assert "3 steps, 2 transactions, 0 power cuts" in out and "the money is right" in out


def test_storm_days_go_on_from_the_seed(capsys):
    code, out, _ = mobi(capsys, "storm", "--seed", "5", "--days", "2", "--steps", "4")
    assert code == 0 and [line[:7] for line in out.splitlines()] == [
        "seed 5:", "seed 6:", "2 days:"]


def test_storm_shortens_what_fails_to_a_line_that_fails_again(capsys, forgetful):
    plan = "sale:300:good balance:good power:1:torn+sale:500:good settle"
    code, _, err = mobi(capsys, "storm", "--plan", plan)
    assert code == 1 and "undone: sale" in err
    line = re.search(r'replay: mobi storm --seed 1 --plan "(.*)"', err)[1]
    assert line == "power:1:torn+sale:500:good"
    code, _, err = mobi(capsys, "storm", "--plan", line)
    assert code == 1 and "undone: sale" in err


@pytest.mark.parametrize(("arguments", "wanted"), [
    (["sweep", "lunch"], "void-last"),
    (["sweep", "sale", "--only", "tea"], "power:N"),
    (["sweep", "sale", "--only", "power:99:torn"], "ended before the cut"),
    (["sweep", "sale", "--power", "--line"], "not allowed with"),
    (["sweep", "sale", "--board", "arduino"], "unix"),
    (["sweep", "sale", "--jobs", "0"], "from 1 on"),
    (["sweep"], "STORY"),
    (["storm", "--plan", "dance"], "sale:AMOUNT:CARD"),
    (["storm", "--days", "none"], "from 1 on"),
    (["storm", "--board", "arduino"], "unix"),
])
def test_wrong_use_is_explained(capsys, arguments, wanted):
    code, out, err = mobi(capsys, *arguments)
    assert code in (1, 2) and wanted in out + err and "Traceback" not in err


# -- in the tests of others ------------------------------------------------------------------------


def test_the_fixture_runs_every_cut_of_a_story_of_ones_own(sweep):
    results = sweep(lambda bench: bench.choose("版本"), line=False, language="zh")
    assert all(not result.wrong for result in results)


def test_check_names_what_ends_badly(forgetful):
    with pytest.raises(SweepError, match=r"1 of 1 cuts end badly\npower:1:torn: .*undone"):
        Sweep(STORIES["sale"]).check([Cut("power", 1, "torn")])
