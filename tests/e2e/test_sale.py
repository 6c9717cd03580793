"""Sale (消费) through keys and pixels: prompts, PIN, approvals of all kinds, refusals."""

import pytest

from host_tools.bench import stories
from host_tools.bench.reader import luhn_digit
from tests.e2e.kit import (
    CARD,
    CARDS,
    PIN,
    ended_well,
    enter,
    signed_on,
    snapshot,
    spent,
    started,
    states,
)


def test_prompts_come_in_the_order_of_the_trade(b):
    b.choose("消费")
    assert b.shows("请刷卡") and b.shows("消费")
    b.swipe(CARD)
    assert b.shows("卡号") and b.shows("622202****0128")
    b.press("ENTER")
    assert b.shows("请输入金额")
    enter(b, "12345")
    assert b.shows("请输入密码") and b.shows("123.45")
    b.type(PIN)
    assert b.shows("******") and not b.shows(PIN)
    b.press("ENTER")
    b.wait_for("交易成功")
    assert b.shows("RMB 123.45") and b.shows("可撤销至 24:00")
    b.wait_for("正在打印")
    b.wait_for("请撕纸")
    b.to_idle()
    assert len(b.receipts()) == 2
    ended_well(b)


def test_a_card_swiped_on_the_idle_screen_begins_a_sale(b):
    b.swipe(CARD)
    assert b.shows("消费") and b.shows("622202****0128")


def test_keys_of_the_amount(b):
    b.swipe(CARD)
    b.press("ENTER")
    b.press("ENTER")  # zero is no amount
    assert b.shows("请输入金额")
    b.type("12")
    b.press("BACK")
    assert b.shows("0.01")
    b.press("CLEAR")
    assert b.shows("0.00")
    b.type("1234567890123")  # nine digits at most
    assert b.shows("1,234,567.89")


def test_without_a_pin_enter_is_enough(b):
    started(b, 500)
    b.press("ENTER")
    b.wait_for("交易成功")
    assert b.journal()[-1].entry == "022"


def test_a_card_number_can_be_keyed(b):
    b.choose("消费")
    assert b.shows("或手输卡号")
    b.type(CARD)
    b.press("ENTER")
    assert b.shows("卡有效期")
    enter(b, "3013")  # month 13
    assert b.shows("日期错误")
    b.press("ENTER")
    enter(b, "3012")
    b.press("ENTER")
    enter(b, "700")
    enter(b, PIN)
    b.wait_for("交易成功")
    b.to_idle()
    assert b.journal()[-1].entry == "011" and spent(b) == 700
    assert "/M" in b.receipts()[0] and CARD not in b.paper()


def test_a_mistyped_card_number_is_found_out(b):
    b.choose("消费")
    b.type(CARD[:-1] + "9")
    b.press("ENTER")
    assert b.shows("卡号错误")


def test_keying_can_be_switched_off(make_bench):
    b = signed_on(make_bench(settings={"manual_pan": 0}))
    b.choose("消费")
    assert not b.shows("手输")
    b.type("6")
    assert b.shows("请刷卡")


@pytest.mark.parametrize("damage", ["lrc", "bit", "half", "noise", "no-start"])
def test_an_unreadable_card_is_asked_for_again(b, damage):
    b.choose("消费")
    b.swipe(CARD, damage=damage)
    assert b.shows("读卡失败")
    b.press("ENTER")
    b.swipe(CARD)
    assert b.shows("622202****0128")


def test_an_unreadable_card_on_the_idle_screen_is_told(b):
    b.swipe(CARD, damage="lrc")
    assert b.shows("读卡失败")
    b.to_idle()
    assert b.journal() == []


@pytest.mark.parametrize(("card", "code", "text"), [
    ("expired", "54", "卡已过期"), ("6222021234567890219", "14", "卡号无效"),
    ("lost", "41", "挂失卡"), ("not-permitted", "57", "此卡不许此交易"),
])
def test_a_refused_card_moves_nothing(b, card, code, text):
    b.swipe(card)
    b.press("ENTER")
    enter(b, "500")
    b.press("ENTER")
    b.wait_for(text)
    assert b.shows(code)
    b.to_idle()
    assert states(b) == [("sale", "declined")]
    assert b.receipts() == []
    ended_well(b)


# -- PIN ---------------------------------------------------------------------------------------


@pytest.mark.pico
def test_a_wrong_pin_is_asked_again_with_a_new_trace(b):
    started(b, 500)
    enter(b, "111111")
    b.wait_for("密码错")
    b.press("CANCEL")
    assert b.shows("请输入密码")
    enter(b, PIN)
    b.wait_for("交易成功")
    b.to_idle()
    first, second = b.journal()
    assert (first.state, second.state) == ("declined", "approved")
    assert second.trace == first.trace + 1 and second.amount == 500
    assert spent(b) == 500
    ended_well(b)


def test_after_three_wrong_pins_it_is_over(b):
    started(b, 500)
    for _ in range(3):
        assert b.shows("请输入密码")
        enter(b, "111111")
        b.wait_until(lambda: not b.shows("请输入密码") and b.screen()[0][-1:] == "↓")
        b.press("CANCEL")
    assert not b.shows("请输入密码") and b.shows("应付 5.00")
    b.to_idle()
    assert [txn.code for txn in b.journal()] == ["55", "55", "38"]
    assert len({txn.trace for txn in b.journal()}) == 3
    ended_well(b)


# -- approvals ---------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["A2", "A4", "A5", "A6"])
def test_a_doubtful_approval_says_whom_to_ask(b, code):
    b.host.rule("sale", code=code)
    started(b, 500)
    enter(b, PIN)
    b.wait_for("交易成功")
    assert b.shows("请向发卡行确认")
    b.to_idle()
    assert b.journal()[-1].state == "approved" and b.journal()[-1].code == code
    assert len(b.receipts()) == 2
    ended_well(b)


def test_a_vip_approval_is_an_approval(b):
    b.host.rule("sale", code="11")
    stories.sale(b, 500)
    ended_well(b)


def test_an_approval_in_part_can_be_accepted(b):
    b.host.rule("sale", partial=300)
    started(b, 500)
    enter(b, PIN)
    b.wait_for("仅部分批准")
    assert b.shows("只批 3.00") and b.shows("尚欠 2.00") and b.shows("取消撤销")
    b.press("ENTER")
    b.wait_for("交易成功")
    assert b.shows("RMB 3.00")
    b.wait_for("应付 2.00")  # the rest can be paid at once
    assert b.shows("换卡") and b.shows("扫码付款")
    b.press("1")
    b.swipe("second")
    b.press("ENTER")
    enter(b, PIN)
    b.wait_for("交易成功")
    b.to_idle()
    assert [(t.amount, t.approved_amount) for t in b.journal()] == [(500, 300), (200, None)]
    assert spent(b) == 300 and spent(b, "second") == 200
    assert "RMB 3.00" in b.receipts()[0] and "RMB 5.00" not in b.receipts()[0]
    ended_well(b)
    stories.void(b, b.journal()[0].trace)
    assert spent(b) == 0
    ended_well(b)


@pytest.mark.parametrize("leave", ["CANCEL", "wait"])
def test_an_approval_in_part_that_is_not_accepted_is_voided(b, leave):
    b.host.rule("sale", partial=300)
    started(b, 500)
    enter(b, PIN)
    b.wait_for("仅部分批准")
    if leave == "wait":
        b.clock.advance(90)
    else:
        b.press("CANCEL")
        b.wait_for("交易成功")
    b.to_idle()
    assert states(b) == [("sale", "voided"), ("void", "approved")]
    assert b.journal()[1].amount == 300 and spent(b) == 0
    ended_well(b)


def test_an_approval_in_part_that_cannot_be_voided_is_told(b):
    b.host.rule("sale", partial=300)
    started(b, 500)
    enter(b, PIN)
    b.wait_for("仅部分批准")
    b.line.cut()
    b.press("CANCEL")
    b.wait_for("仍有效")
    b.line.restore()
    b.to_idle()
    assert states(b) == [("sale", "approved")] and b.receipts() == []
    stories.void_last(b)
    assert spent(b) == 0
    ended_well(b)


def test_an_approval_in_part_is_asked_about_again_after_a_power_cut(b):
    b.host.rule("sale", partial=300)
    started(b, 500)
    enter(b, PIN)
    b.wait_for("仅部分批准")
    b.power_cut()
    b.power_on()
    enter(b, "01")
    enter(b, "0000")
    b.wait_for("仅部分批准")
    b.press("ENTER")
    b.wait_for("交易成功")
    b.to_idle()
    assert spent(b) == 300 and len(b.receipts()) == 2
    ended_well(b)


# -- refusals lead on ---------------------------------------------------------------------------


def test_too_little_money_leads_to_another_card_without_keying_the_amount(b):
    started(b, 99900, CARDS["low"])
    enter(b, PIN)
    b.wait_for("余额不足")
    text = "".join(b.read())
    assert "没有扣款" in text and "告知顾客" in text and "顾客输入或余额" in text
    b.press("ENTER")
    assert b.shows("应付 999.00") and b.shows("换卡") and b.shows("扫码付款")
    b.press("ENTER")
    b.swipe(CARD)
    b.press("ENTER")
    assert b.shows("请输入密码") and b.shows("999.00")
    enter(b, PIN)
    b.wait_for("交易成功")
    b.to_idle()
    assert spent(b) == 99900 and spent(b, "low") == 0
    ended_well(b)


def test_a_refusal_that_may_be_retried_offers_that(b):
    b.host.rule("sale", code="91")
    started(b, 500)
    enter(b, PIN)
    b.wait_for("发卡行异常")
    b.press("CANCEL")
    assert b.shows("重试")
    b.press("CANCEL")
    b.to_idle()
    ended_well(b)


def test_an_unknown_code_is_a_refusal_with_its_code(b):
    b.host.rule("sale", code="Z9")
    started(b, 500)
    enter(b, PIN)
    b.wait_for("应答码不明")
    assert b.shows("Z9")
    b.to_idle()
    assert states(b) == [("sale", "declined")]
    ended_well(b)


# -- the same again ------------------------------------------------------------------------------


def test_the_same_card_and_amount_within_minutes_asks_first(b):
    stories.sale(b, 500)
    started(b, 500)
    assert b.shows("有相同交易") and b.shows("000002 5.00")
    b.press("CANCEL")
    b.to_idle()
    assert spent(b) == 500
    started(b, 500)
    b.press("ENTER")
    assert b.shows("请输入密码")
    enter(b, PIN)
    b.wait_for("交易成功")
    b.to_idle()
    assert spent(b) == 1000
    ended_well(b)


def test_another_amount_or_card_or_a_later_time_does_not_ask(b):
    stories.sale(b, 500)
    started(b, 501)
    assert b.shows("请输入密码")
    b.to_idle()
    started(b, 500, CARDS["second"])
    assert b.shows("请输入密码")
    b.to_idle()
    b.clock.advance(301)
    started(b, 500)
    assert b.shows("请输入密码")


def test_a_voided_sale_may_be_repeated_without_asking(b):
    stories.sale(b, 500)
    stories.void_last(b)
    started(b, 500)
    assert b.shows("请输入密码")


# -- keys at the wrong time ------------------------------------------------------------------------


def test_keys_pressed_while_the_terminal_waits_answer_nothing(b):
    b.host.rule("sale", partial=300, delay=5)
    started(b, 500)
    enter(b, PIN)
    b.press("ENTER", "ENTER")
    b.wait_for("仅部分批准")
    assert snapshot(b)[0] and b.shows("仅部分批准")
    b.clock.advance(2)
    assert b.shows("仅部分批准")


@pytest.mark.parametrize("language, why, then", [
    ("zh", "卡号位数不符", "换卡或换方式付款"), ("en", "Wrong no. length", "Other card/way?")])
@pytest.mark.parametrize("pan", ["622202123456", "62220212345678901284"])
def test_a_card_whose_sale_could_not_be_reversed_is_refused_at_the_swipe(
        make_bench, pan, language, why, then):
    b = signed_on(make_bench(language=language))
    before = snapshot(b)
    b.swipe(pan)
    assert b.shows(why) and b.shows(then), b.screen()
    b.to_idle()
    b.press("1")
    b.swipe(pan)
    assert b.shows(why) and b.shows(then), b.screen()
    b.swipe(CARD)  # another card is taken at once
    assert b.shows("622202****0128")
    b.press("CANCEL")
    b.to_idle()
    assert snapshot(b) == before


@pytest.mark.parametrize("pan", ["6222021234561", "6222021234567890128"])
@pytest.mark.parametrize("keyed", [False, True])
def test_the_shortest_and_the_longest_number_can_be_reversed(b, pan, keyed):
    digits = luhn_digit(pan[:-1])
    pan = pan[:-1] + digits
    b.line.drop_next("reply")
    if keyed:
        b.press("1")
        enter(b, pan)
        enter(b, "3012")
    else:
        b.swipe(pan)
    b.press("ENTER")
    enter(b, "5000")
    enter(b, PIN)
    b.wait_until(lambda: states(b) == [("sale", "reversal_due")], 120, "a reversal")
    b.clock.advance(400)
    assert states(b) == [("sale", "reversed")]
    ended_well(b)


def test_twelve_digits_cannot_be_keyed(b):
    b.press("1")
    enter(b, "622202123456")
    assert b.shows("622202123456") and not b.shows("有效期")
