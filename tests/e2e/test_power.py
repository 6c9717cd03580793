"""Power cuts at the moments a person would name; tests/e2e/test_cuts.py has all the others."""

import pytest

from host_tools.bench import stories
from tests.e2e.kit import (
    PIN,
    SUPERVISOR,
    back_on,
    ended_well,
    enter,
    spent,
    started,
    states,
)

# -- named moments ---------------------------------------------------------------------------------


def sale(b):
    started(b, 500)
    b.type(PIN)


def void(b):
    b.press("LAST")
    enter(b, SUPERVISOR)
    b.press("ENTER")
    b.swipe(stories.CARD)
    b.press("ENTER")
    b.type(PIN)


def until_sent(b, number):
    """Let time pass until so many more card requests have come to the host."""
    seen = len([e for e in b.trace() if e.direction == ">"])
    b.touch("ENTER")
    b.wait_until(lambda: len([e for e in b.trace() if e.direction == ">"]) >= seen + number)


def until_replied(b):
    """Until the reply has arrived at the terminal; the next flash operation is its record."""
    b.power_cut(at_flash_op=1, torn=False)  # 0 is the intent
    b.touch("ENTER")
    b.wait_until(lambda: not b.powered)


def until_journalled(b):
    b.touch("ENTER")
    count = len(b.journal())
    b.wait_until(lambda: len(b.journal()) > count and b.journal()[-1].state == "approved")


def until_printing(b):
    lines = len(b.rig.paper.printed)
    b.touch("ENTER")
    b.wait_until(lambda: len(b.rig.paper.printed) > lines + 6)


MOMENTS = {
    # moment: (how to get there, states after restart and log-in, gone from the card then,
    #          states after the next sale of 7.00)
    "before sending": (lambda b: None, [], 0, []),
    "after sending": (lambda b: until_sent(b, 1), ["reversal_due"], 500, ["reversed"]),
    "after the reply": (until_replied, ["reversal_due"], 500, ["reversed"]),
    "journalled": (until_journalled, ["approved"], 500, ["approved"]),
    "while printing": (until_printing, ["approved"], 500, ["approved"]),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_power_cut_in_a_sale(b, moment):
    act, at_restart, gone, at_end = MOMENTS[moment]
    sale(b)
    act(b)
    b.power_cut()
    back_on(b)
    assert [t.state for t in b.journal()] == at_restart and spent(b) == gone
    assert b.shows("未完成") == ("reversal_due" in at_restart)
    stories.sale(b, 700)
    assert [t.state for t in b.journal()] == [*at_end, "approved"]
    assert spent(b) == 700 + (500 if at_end == ["approved"] else 0)
    ended_well(b, cuts=1)


@pytest.mark.parametrize("moment", MOMENTS)
def test_power_cut_in_a_void(b, moment):
    act, at_restart, gone, at_end = MOMENTS[moment]
    stories.sale(b, 500)
    void(b)
    act(b)
    b.power_cut()
    back_on(b)
    assert [t.state for t in b.journal()[1:]] == at_restart
    assert spent(b) == 500 - gone
    stories.sale(b, 700)
    done = at_end == ["approved"]
    assert states(b)[0] == ("sale", "voided" if done else "approved")
    assert [t.state for t in b.journal()[1:]] == [*at_end, "approved"]
    assert spent(b) == (700 if done else 1200)
    ended_well(b, cuts=1)


def test_what_the_screen_says_is_in_the_journal_already(b):
    sale(b)
    b.touch("ENTER")
    b.wait_until(lambda: b.shows("交易成功"))
    assert states(b) == [("sale", "approved")]


def test_the_terminal_comes_back_and_tells_what_is_open(b):
    sale(b)
    until_sent(b, 1)
    b.power_cut()
    b.power_on()
    assert b.shows("操作员")
    b.sign_on()
    assert b.shows("未完成交易: 1")
    b.choose("未完成交易")
    b.press("ENTER")
    text = "".join(b.read())
    assert "交易中断电" in text and "终端设备" in text


# -- the slip that did not come out ----------------------------------------------------------------


@pytest.mark.pico
@pytest.mark.parametrize("moment", [until_journalled, until_printing])
def test_the_next_log_in_offers_the_slip(b, moment):
    sale(b)
    moment(b)
    b.power_cut()
    b.power_on()
    enter(b, "01")
    enter(b, "0000")
    b.wait_for("上笔签购单未印完")
    assert b.shows("000002 5.00")
    b.press("ENTER")
    b.wait_for("请撕纸")
    b.to_idle()
    slips = b.receipts()[-2:]  # before them may lie what came out before the cut
    assert "商户存根" in slips[0] and "持卡人存根" in slips[1]
    assert b.paper().count("客服电话") == 2
    assert "重打印" not in slips[0] + slips[1]
    b.power_cut()
    b.power_on()
    enter(b, "01")
    enter(b, "0000")
    assert not b.shows("签购单未印完")  # once is enough


def test_nothing_is_offered_when_all_copies_came_out(b):
    stories.sale(b, 500)
    b.power_cut()
    b.power_on()
    enter(b, "01")
    enter(b, "0000")
    b.wait_until(lambda: b.shows("请刷卡") or b.shows("签购单未印完"))
    assert b.shows("请刷卡")
