"""What the terminal reminds of by itself: settling, in time."""

import pytest

from host_tools.bench import stories
from tests.e2e.kit import ended_well, signed_on


def next_morning(b):
    """It was off over night; the operator logs in."""
    b.power_cut()
    b.clock.advance(20 * 3600)
    b.power_on()
    b.type("01")
    b.press("ENTER")
    b.type("0000")
    b.press("ENTER")


@pytest.fixture
def b(bench):
    """A terminal with a sale of yesterday."""
    signed_on(bench)
    stories.sale(bench, 1000)
    next_morning(bench)
    return bench


def test_yesterdays_sales_are_pointed_out_once_and_on_the_idle_screen(b):
    b.wait_for("有往日交易未结算")
    b.press("CANCEL")
    b.to_idle()
    assert b.shows("请结算昨日交易")
    stories.sale(b, 2000)  # selling goes on
    b.clock.advance(120)
    assert b.shows("确认=菜单") and b.shows("请结算昨日交易")  # nobody is asked again today
    stories.settle(b)
    assert not b.shows("请结算")
    ended_well(b)


def test_enter_settles(b):
    b.wait_for("有往日交易未结算")
    b.press("ENTER")
    b.wait_for("是否批结算")
    b.press("ENTER", "ENTER")
    b.wait_for("打印交易明细", 300)
    b.press("CANCEL")
    b.to_idle()
    assert b.host.ledger().discrepancies == [] and b.journal()[0].state == "settled"


def test_nobody_there_is_no_answer(b):
    b.wait_for("有往日交易未结算")
    b.clock.advance(61)
    b.to_idle()
    assert b.shows("请结算昨日交易") and b.journal()[0].state == "approved"


def test_a_batch_that_is_nearly_full_says_so_on_the_idle_screen(make_bench):
    b = signed_on(make_bench(settings={"batch_limit": 10}))
    for amount in range(100, 1000, 100):
        assert not b.shows("存储将满")
        stories.sale(b, amount)
    assert b.shows("存储将满")
