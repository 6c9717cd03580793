"""Refund (退货): prompts, sums that never exceed the sale, no blind repeat, bad input."""

import pytest

from host_tools.bench import stories
from tests.e2e.kit import (
    CARD,
    SUPERVISOR,
    ended_well,
    enter,
    signed_on,
    snapshot,
    spent,
    states,
)


def today(b):
    return f"{b.clock.now:%m%d}"


def to_rrn(b, card=CARD):
    b.press("REFUND")
    enter(b, SUPERVISOR)
    b.swipe(card)
    b.press("ENTER")


def test_prompts_come_in_the_order_of_the_trade(b):
    sale = stories.sale(b, 5000)
    b.choose("退货")
    assert b.shows("主管密码")
    enter(b, SUPERVISOR)
    assert b.shows("请刷卡")
    b.swipe(CARD)
    assert b.shows("622202****0128")
    b.press("ENTER")
    assert b.shows("原参考号")
    enter(b, sale.rrn)
    assert b.shows("原交易日期")
    enter(b, today(b))
    assert b.shows("退货金额")
    enter(b, "2000")
    assert b.shows("20.00")
    assert b.shows("取消修改")
    b.press("CANCEL")
    assert b.shows("退货金额") and b.shows("20.00")
    b.press("CLEAR")
    enter(b, "1500")
    b.press("ENTER")
    b.wait_for("交易成功")
    b.to_idle()
    refund = b.journal()[-1]
    assert (refund.kind, refund.amount, refund.state) == ("refund", 1500, "approved")
    assert (refund.original_rrn, refund.original_date) == (sale.rrn, today(b))
    assert spent(b) == 3500 and b.journal()[0].state == "refunded"
    slip = b.receipts()[2]
    assert sale.rrn in slip and "RMB -15.00" in slip and "退货" in slip
    ended_well(b)


def test_partial_refunds_never_sum_to_more_than_was_paid(b):
    sale = stories.sale(b, 5000)
    stories.refund(b, sale.rrn, today(b), 2000)
    stories.refund(b, sale.rrn, today(b), 2500)
    before = snapshot(b)
    to_rrn(b)
    enter(b, sale.rrn)
    enter(b, today(b))
    enter(b, "501")
    assert b.shows("超退货额度") and b.shows("原交易可退5.00")
    b.to_idle()
    assert snapshot(b) == before
    stories.refund(b, sale.rrn, today(b), 500)
    assert spent(b) == 0
    ended_well(b)


def test_the_sum_holds_over_several_batches(b):
    sale = stories.sale(b, 5000)
    stories.settle(b)
    stories.refund(b, sale.rrn, today(b), 3000)
    stories.settle(b)
    before = snapshot(b)
    to_rrn(b)
    enter(b, sale.rrn)
    enter(b, today(b))
    enter(b, "2001")
    assert b.shows("超退货额度") and b.shows("原交易可退20.00"), b.screen()
    b.to_idle()
    assert snapshot(b) == before
    stories.refund(b, sale.rrn, today(b), 2000)
    assert spent(b) == 0
    b.host.ledger().check()


def test_a_sale_this_terminal_does_not_have_is_the_hosts_to_judge(make_bench):
    from host_tools.acquirer import Acquirer

    host = Acquirer(seed=1)
    first = signed_on(make_bench(host=host))
    second = signed_on(make_bench(host=host))
    sale = stories.sale(first, 5000)
    stories.refund(second, sale.rrn, today(second), 2000)
    to_rrn(second)
    enter(second, sale.rrn)
    enter(second, today(second))
    enter(second, "3001")
    second.press("ENTER")
    second.wait_for("61")  # more than is left
    second.to_idle()
    assert states(second) == [("refund", "approved"), ("refund", "declined")]
    host.ledger().check()


def test_another_card_is_refused_before_anything_is_sent(b):
    sale = stories.sale(b, 5000)
    for settled in (False, True):
        if settled:
            stories.settle(b)
        before = snapshot(b)
        to_rrn(b, "second")
        enter(b, sale.rrn)
        assert b.shows("卡号不匹配")
        b.to_idle()
        assert snapshot(b) == before


def test_a_voided_sale_is_not_refunded(b):
    sale = stories.sale(b, 5000)
    stories.void_last(b)
    before = snapshot(b)
    to_rrn(b)
    enter(b, sale.rrn)
    enter(b, today(b))
    enter(b, "100")
    assert b.shows("该交易已撤销")
    b.to_idle()
    assert snapshot(b) == before


def test_the_terminals_own_limit(make_bench):
    b = signed_on(make_bench(settings={"refund_limit": 1000}))
    sale = stories.sale(b, 5000)
    before = snapshot(b)
    to_rrn(b)
    enter(b, sale.rrn)
    enter(b, today(b))
    enter(b, "1001")
    assert b.shows("超退货额度") and b.shows("10.00")
    b.to_idle()
    assert snapshot(b) == before


@pytest.mark.parametrize("date", ["0000", "1301", "0230", "0431", "1232", "9999"])
def test_there_is_no_such_date(b, date):
    to_rrn(b)
    enter(b, "632600000001")
    enter(b, date)
    assert b.shows("日期错误")
    b.press("ENTER")
    assert b.shows("原交易日期")


@pytest.mark.parametrize("date", ["0229", "0131", "0430", "1231"])
def test_there_is_such_a_date(b, date):
    to_rrn(b)
    enter(b, "632600000001")
    enter(b, date)
    assert b.shows("退货金额")


def test_a_short_reference_number_is_not_taken(b):
    to_rrn(b)
    enter(b, "12345678901")
    assert b.shows("原参考号")


def test_wrong_details_are_refused_by_the_host(b):
    sale = stories.sale(b, 5000)
    to_rrn(b)
    enter(b, sale.rrn)
    enter(b, "1121")
    enter(b, "100")
    b.press("ENTER")
    b.wait_for("无原始交易")
    b.to_idle()
    assert states(b)[-1] == ("refund", "declined") and spent(b) == 5000
    ended_well(b)


def test_a_refund_without_answer_is_unknown_and_never_repeated_blindly(b):
    sale = stories.sale(b, 5000)
    b.line.drop_next("reply")
    stories.refund(b, sale.rrn, today(b), 1000, wait=False)
    b.clock.advance(62)
    assert b.shows("退货结果未知") and b.shows("勿重做")
    b.to_idle()
    assert states(b)[-1] == ("refund", "unknown") and b.shows("未完成交易: 1")
    before = snapshot(b)
    to_rrn(b)
    enter(b, sale.rrn)
    assert b.shows("结果未知") and b.shows(f"{b.journal()[-1].trace:06d}")
    b.to_idle()
    assert snapshot(b) == before
    stories.sale(b, 700)  # no reversal is sent for it
    assert states(b)[-2:] == [("refund", "unknown"), ("sale", "approved")]
    assert not [e for e in b.trace() if "reversal" in e.operation]


@pytest.mark.parametrize(("rule", "field"), [
    ({"wrong_mac": True}, "MAC wrong"),
    ({"wrong_field": (4, "000000000999")}, "F4: 1000 <> 999"),
    ({"wrong_field": (41, "00000009")}, "F41: 00000001 <> 00000009"),
    ({"wrong_field": (39, "10")}, "F39: 00 <> 10"),
], ids=str)
def test_after_a_reply_that_cannot_be_trusted_it_is_unknown_too(b, rule, field):
    sale = stories.sale(b, 5000)
    b.host.rule("refund", **rule)
    stories.refund(b, sale.rrn, today(b), 1000, wait=False)
    b.wait_for("勿重做")
    assert field.replace(" ", "") in "".join(b.read()).replace(" ", "")
    b.clock.advance(200)
    assert states(b)[-1] == ("refund", "unknown")
    b.sign_on()
    stories.sale(b, 700)
    assert not [e for e in b.trace() if "reversal" in e.operation]


def test_a_sale_whose_refund_is_unknown_is_not_voided(b):
    # The money may be back already: nobody is paid twice.
    sale = stories.sale(b, 5000)
    b.line.drop_next("reply")
    stories.refund(b, sale.rrn, today(b), 5000, wait=False)
    b.clock.advance(62)
    b.to_idle()
    before = snapshot(b)
    b.press("VOID")
    enter(b, SUPERVISOR)
    enter(b, str(sale.trace))
    assert b.shows("结果未知,请先处理") and b.shows(f"{b.journal()[-1].trace:06d}")
    b.to_idle()
    assert snapshot(b) == before


def test_refunds_and_voids_are_not_refunded(b):
    sale = stories.sale(b, 5000)
    refund = stories.refund(b, sale.rrn, today(b), 1000)
    stories.sale(b, 700)
    void = stories.void_last(b)
    for txn in (refund, void):
        stories.refund(b, txn.rrn, today(b), 500, wait=False)
        b.wait_for("原交易无效")
        b.to_idle()
    assert spent(b) == 4000
    ended_well(b)
