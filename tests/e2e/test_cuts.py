"""Power and line cut at every place of every story there is, and days of random faults.

The stories of `mobi sweep` and some more. Each run ends with a sale and a settlement; what must
hold then is in `host_tools.bench.invariants`.
"""

import pytest

from host_tools.bench import stories, storm
from host_tools.bench.nor import MODES
from host_tools.bench.sweep import STORIES, Story, Sweep

LEAN = {"settings": {"copies": 1, "ask_reason": 0}}
# Behind the writes of a settlement the terminal erases for a minute; every 20th of those will do.
THIN = 20


def declined_sale(b):
    b.host.rule("sale", code="51")
    stories.sale(b, 500, wait=False)
    b.to_idle()


def corrected_amount(b):
    b.choose("金额有误")
    for digits in (stories.SUPERVISOR, "600"):
        b.type(digits)
        b.press("ENTER")
    stories.void_goes_on(b)
    b.wait_for("交易成功")
    b.wait_for("卡号")
    b.press("ENTER")
    b.type(stories.PIN)
    b.press("ENTER")
    b.wait_for("交易成功")
    b.to_idle()


MORE = {
    "declined sale": Story("a sale that is declined", declined_sale),
    "payment code": Story("a sale by payment code",
                          lambda b: stories.sale_by_code(b, 500, "629990120000000012")),
    "correction": Story("a wrong amount put right", corrected_amount,
                        lambda b: stories.sale(b, 500)),
    "reversal in settlement": Story("a reversal before a settlement", stories.settle,
                                    lambda b: (stories.sale(b, 500), stories.lost_sale(b, 3000))),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["sale", "void-last", "refund", "reversal", "settlement"])
def test_cut_at_every_write_and_every_frame(sweep, name):
    story = STORIES[name]
    results = sweep(story.act, story.prepare, thin=THIN, **LEAN)
    assert len(results) > 10
    if name == "sale":  # every way a sale can end has been seen, and no other
        assert {result.here for result in results} == {
            "nothing", "sale approved", "sale reversed"}


# MicroPython with the driver that the board we ship has; the other one in this process, where
# `test_branch` and `test_recorded_day` show the same bytes.
@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("unit", "board"), [(1, "inprocess"), (256, "unix")])
@pytest.mark.parametrize("name", [*STORIES, *MORE])
def test_cut_at_every_write_in_every_way(name, unit, board):
    story = STORIES.get(name) or MORE[name]
    sweep = Sweep(story, unit=unit, journal_kib=64, board=board, **LEAN)
    sweep.check(sweep.measure().cuts(line=False, how=("clean", "torn", *MODES[1:])))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ["sale", "void-last", "refund", "reversal"])
def test_cut_at_every_byte(name):
    sweep = Sweep(STORIES[name], board="inprocess", **LEAN)
    sweep.check(sweep.measure().cuts(power=False, every_byte=True))


def test_a_day_in_a_storm():
    storm.run(storm.plan(seed=3, steps=12), seed=3)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(100, 120))
def test_many_days_in_a_storm(seed):
    storm.run(storm.plan(seed, steps=40), seed)
