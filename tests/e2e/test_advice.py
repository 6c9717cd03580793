"""Cause and advice: every failure says what happened, what is safe, what the customer is told."""

import pytest

from host_tools.bench import stories
from mobi.acquiring import codes
from tests.e2e.kit import (
    CARD,
    PIN,
    SUPERVISOR,
    ended_well,
    enter,
    press_until,
    signed_on,
    snapshot,
    spent,
    started,
    states,
)

# Nothing asks in between: the same card is refused again and again here.
QUIET = {"declines_in_row": 0, "repeat_minutes": 0, "copies": 1}
# One refusal for each advice there is.
REFUSALS = {row[6]: row[0] for row in reversed(codes.TABLE)
            if row[1] != codes.APPROVED and row[0][0] != "L"}


def said(b):
    """The whole text of the screen in one line, without spaces and commas that end a row."""
    return "".join(b.read()).replace(" ", "").replace("，", "")


def about(code):
    """What the screens must say of a sale that was refused with ``code``."""
    doubt = codes.retry(code) == codes.LOOK
    words = (codes.text(code, 0) + ("可能已扣款" if doubt else "没有扣款") + codes.advice(code, 0),
             codes.customer(code, 0), codes.group_text(code, 0))
    return [text.replace(" ", "").replace("，", "") for text in words]


def test_every_advice_is_shown_with_its_cause(make_bench):
    b = signed_on(make_bench(settings=QUIET))
    for code in sorted(REFUSALS.values()):
        b.host.rule("sale", code=code)
        stories.sale(b, 500, wait=False)
        b.wait_for(code)
        text = said(b)
        what, customer, group = about(code)
        assert what in text, (code, text)
        assert "告知顾客:" + customer in text, (code, text)
        assert "原因在:" + group in text and "应答码" + code in text, (code, text)
        press_until(b, "CANCEL", "按任意键签到", "确认=菜单")
        b.sign_on()
    assert {state for _, state in states(b)} == {"declined"} and spent(b) == 0
    ended_well(b)


def test_a_code_nobody_knows_is_a_plain_refusal(b):
    b.host.rule("sale", code="Z9")
    stories.sale(b, 500, wait=False)
    b.wait_for("应答码不明")
    assert "没有扣款应答码报收单机构" in said(b)
    assert states(b) == [("sale", "declined")]


@pytest.mark.parametrize(("kind", "rule", "code", "safe", "customer"), [
    ("void", {"code": "51"}, "51", "没撤销,消费有效应答码报收单机构", "撤销没办成,原付款仍有效"),
    ("void", {"code": "ZZ"}, "ZZ", "没撤销,消费有效应答码报收单机构", "撤销没办成,原付款仍有效"),
    ("void", {"code": "12"}, "12", "本次没撤销,原交易待核对请核对原凭证", "正在核实,请稍候"),
    ("void", {"code": "98"}, "98", "可能已撤销先查询或致电", "正在核实,请稍候"),
    ("void", {"drop": True}, "L1", "可能已撤销勿重做撤销,先查询或冲正", "正在核实撤销,请稍候"),
    ("refund", {"code": "51"}, "51", "没有退款应答码报收单机构", "退货没办成,原付款仍有效"),
    ("refund", {"code": "ZZ"}, "ZZ", "没有退款应答码报收单机构", "退货没办成,原付款仍有效"),
    ("refund", {"code": "25"}, "25", "没有退款请核对原凭证", "退货没办成,原付款仍有效"),
    ("refund", {"drop": True}, "L9", "可能已退货勿重做退货,先查询或结算", "正在核实,请稍候"),
    ("balance", {"code": "91"}, "91", "没有扣款过几分钟再试", "没查到余额,没有扣款"),
    ("balance", {"code": "94"}, "94", "没有扣款过几分钟再试", "没查到余额,没有扣款"),
    ("balance", {"drop": True}, "L1", "没有扣款可以重做", "没查到余额,没有扣款"),
    ("balance", {"wrong_mac": True}, "L3", "没有扣款可以重做", "没查到余额,没有扣款"),
])
def test_voids_refunds_and_balances_have_advice_of_their_own(b, kind, rule, code, safe, customer):
    sale = stories.sale(b, 5000)
    b.host.rule(kind, **rule)
    if kind == "void":
        b.press("LAST")
        enter(b, SUPERVISOR)
        stories.void_goes_on(b)
    elif kind == "refund":
        stories.refund(b, sale.rrn, f"{b.clock.now:%m%d}", 100, wait=False)
    else:
        b.choose("余额查询")
        b.swipe(CARD)
        b.press("ENTER")
        enter(b, PIN)
    b.wait_until(lambda: b.screen()[0].rstrip(" ↓").endswith(code), timeout=90)
    text = said(b)
    assert safe + "告知顾客:" + customer + "原因在:" in text, text


def test_the_line_is_down(b):
    b.line.cut()
    started(b, 500)
    enter(b, PIN)
    b.wait_for("线路不通")
    text = said(b)
    assert "线路不通没有扣款查线路后重试" in text and "告知顾客:线路不通请稍候" in text
    assert "原因在:网络或系统应答码L2" in text
    assert b.journal() == []
    b.line.restore()
    b.to_idle()
    stories.sale(b, 500)
    ended_well(b)


def test_a_card_that_was_misread_is_taken_at_once_the_next_time(b):
    b.swipe(CARD, damage="half")
    assert b.shows("读卡失败") and b.shows("没有扣款") and b.shows("不行换卡")
    b.swipe(CARD)  # nothing had to be pressed
    assert b.shows("622202****0128")
    b.press("CANCEL")
    b.choose("消费")
    b.swipe(CARD, damage="half")
    assert b.shows("读卡失败") and b.shows("没有扣款")
    b.swipe(CARD)
    assert b.shows("622202****0128")


def test_the_misread_notice_goes_away(b):
    b.swipe(CARD, damage="half")
    b.clock.advance(11)
    assert b.shows("确认=菜单")


@pytest.mark.parametrize("prompt", ["card", "amount", "PIN"])
def test_nobody_answered_and_nothing_was_sent(b, prompt):
    before = snapshot(b)
    b.choose("消费")
    if prompt != "card":
        b.swipe(CARD)
        b.press("ENTER")
    if prompt == "PIN":
        enter(b, "500")
    b.clock.advance(61)
    assert b.shows("操作超时") and b.shows("没有扣款") and b.shows("可以重做")
    assert snapshot(b) == before
    b.swipe(CARD)  # the customer is back
    assert b.shows("622202****0128")


def test_nobody_answered_after_it_was_sent_says_nothing_of_the_kind(b):
    b.line.drop_next("reply")
    stories.sale(b, 500, wait=False)
    b.wait_for("L1")  # nobody reads it, nor the case
    b.wait_until(lambda: b.shows("操作超时") or b.shows("确认=菜单"), timeout=200)
    assert b.shows("未完成交易: 1") and not b.shows("操作超时")


def test_no_paper_after_a_sale_says_that_it_is_booked(b):
    b.rig.paper.runs_out_after(0)
    stories.sale(b, 500, wait=False)
    b.wait_for("打印机缺纸")
    text = said(b)
    assert "现在应做:已入账,顾客已付装纸后可补打" in text
    assert "告知顾客:付款成功" in text
    b.rig.load_paper()
    b.press("ENTER")
    b.wait_for("请撕纸")
    b.to_idle()
    assert spent(b) == 500
    ended_well(b)


def test_no_paper_for_a_report_says_nothing_about_money(b):
    stories.sale(b, 500)
    b.rig.paper.runs_out_after(0)
    b.choose("打印汇总")
    b.wait_for("打印机缺纸")
    assert "已记账" not in said(b)


def test_a_full_journal_says_where_to_settle(make_bench):
    b = make_bench(state="batch-full")
    b.swipe(CARD)
    text = said(b)
    assert "存储满,请结算没有扣款请到管理-结算" in text and "终端需结算请稍候" in text
