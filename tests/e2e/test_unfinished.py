"""未完成交易: badge, list, what each state offers and why not more, each way to an end."""

import re

import pytest

from host_tools.bench import invariants, stories
from mobi.flows import steps
from mobi.ui import strings
from tests.e2e import desk
from tests.e2e.kit import (
    CARD,
    PIN,
    SUPERVISOR,
    back_on,
    ended_well,
    enter,
    pick,
    signed_on,
    snapshot,
    spent,
    started,
    states,
)


@pytest.fixture
def b(bench):
    return signed_on(bench)


def lost(b, story, what="reply"):
    """``story(b)`` makes a request whose ``what`` gets lost; ends on the idle screen."""
    b.line.drop_next(what)
    story(b)
    b.clock.advance(62)
    b.to_idle()
    return b.journal()[-1]


def lost_sale(b, amount=500, what="reply"):
    return lost(b, lambda b: stories.sale(b, amount, wait=False), what)


def lost_void(b, what="reply"):
    def story(b):
        b.press("LAST")
        enter(b, SUPERVISOR)
        stories.void_goes_on(b)

    return lost(b, story, what)


def lost_refund(b, sale, amount=100, what="reply"):
    today = f"{b.clock.now:%m%d}"
    return lost(b, lambda b: stories.refund(b, sale.rrn, today, amount, wait=False), what)


def case(b):
    """Open the newest case: its first page."""
    b.choose("未完成交易")
    b.press("ENTER")


def case_steps(b):
    case(b)
    b.press("ENTER")


def query(b):
    case_steps(b)
    pick(b, "查询主机")


def text(b):
    """The whole text of the screen, without spaces."""
    return "".join(b.read()).replace(" ", "")


def notes(b):
    return desk.notes(b, "C")


# -- the badge and the list ------------------------------------------------------------------------


def test_badge_and_list_tell_what_is_open(b):
    sale = stories.sale(b, 5000)
    assert not b.shows("未完成交易")
    lost_refund(b, sale, 3000)
    lost_sale(b, 700)
    assert b.shows("未完成交易: 2")
    b.choose("未完成交易")
    at = f"{b.journal()[1].time:%H:%M}"
    assert b.screen()[0].endswith("1/2") and b.shows(at) and b.shows("30.00")
    assert b.shows("622202****0128") and b.shows("退货") and b.shows("结果未知")
    b.press("DOWN")
    assert b.screen()[0].endswith("2/2") and b.shows("7.00")
    assert b.shows("消费") and b.shows("待冲正")
    b.press("DOWN")
    assert b.screen()[0].endswith("1/2")


def test_what_is_open_since_another_day_is_listed_with_its_date(b):
    lost_sale(b)
    day = f"{b.clock.now:%m-%d}"
    b.power_cut()
    b.clock.advance(24 * 3600)
    back_on(b)
    b.choose("签到")  # the host tells the date
    b.to_idle()
    b.choose("未完成交易")
    assert b.shows(day) and not b.shows(":")


def test_the_case_opens_by_itself_while_everybody_is_there(b):
    b.line.drop_next("reply")
    stories.sale(b, 500, wait=False)
    b.wait_for("超时无应答")
    said = text(b)
    for words in ("可能已扣款", "勿重刷同一笔", "告知顾客:若已扣款会退回", "网络或系统"):
        assert words in said
    b.press("ENTER")
    said = text(b)
    for wanted in ("待冲正", "消费5.00", "622202****0128", "现在应做:勿重刷", "告知顾客:若已扣款",
                   "本机所知:已发送", "主机情况:可能已扣款", "超时无应答", "下次冲正"):
        assert wanted in said, wanted
    b.press("ENTER")
    assert b.shows("1查询主机")


def test_the_case_names_the_field_that_differed(b):
    b.host.rule("sale", wrong_field=(4, "000000000501"))
    stories.sale(b, 500, wait=False)
    b.wait_for("应答与请求不符")
    b.to_idle()
    case(b)
    assert "不符之处:F4:500<>501" in text(b)


def test_a_power_cut_is_a_cause_of_its_own(b):
    b.host.rule("sale", drop=True)
    started(b, 500)
    enter(b, PIN)
    b.clock.advance(5)
    b.power_cut()
    b.power_on()
    b.sign_on()
    assert b.shows("未完成交易: 1")
    case(b)
    said = text(b)
    assert "交易中断电" in said and "终端设备" in said and "不符之处" not in said


def test_an_earlier_fault_is_not_taken_for_the_cause(b):
    b.host.rule("sale", wrong_field=(4, "000000000501"))
    stories.sale(b, 500, wait=False)
    b.to_idle()
    stories.sale(b, 600)
    lost_sale(b, 700)
    case(b)
    assert "不符之处" not in text(b)


# -- what is offered -------------------------------------------------------------------------------


def menu_entries(b):
    """All entries of the menu that is open."""
    found = []
    for _ in range(16):
        for row in b.screen()[1:]:
            if row and row[1:] not in found:
                found.append(row[1:])
        b.press("DOWN")
    return found


def label(step):
    return strings.lookup(step, strings.CHINESE)


def offered_by(b, trace):
    """Labels of the steps of a transaction, and the reasons for the others, from its record."""
    b.choose("按凭证号查询")
    enter(b, str(trace))
    b.press("ENTER", "ENTER")
    entries = menu_entries(b)
    pick(b, "为何没有其它")
    said = "\n".join(b.read()[1:])
    reasons = dict(re.findall(r"^\* (.*?)\n(.*?)(?=\n\*|\Z)", said.replace("\n\n", "\n"),
                              re.MULTILINE | re.DOTALL))
    b.to_idle()
    assert entries.pop() == "为何没有其它"
    return entries, reasons


def test_every_state_offers_what_its_table_says_and_why_not_the_rest(b):
    stories.sale(b, 1000)
    stories.void_last(b)
    refunded = stories.sale(b, 1100)
    stories.refund(b, refunded.rrn, f"{b.clock.now:%m%d}", 1100)
    stories.sale(b, 1200)
    b.host.rule("sale", code="51")
    stories.sale(b, 1300, wait=False)
    b.to_idle()
    lost_sale(b, 1400)
    stories.sale(b, 1500)  # reverses it
    lost_refund(b, b.journal()[-1])
    lost_sale(b, 1600)
    seen = set()
    for txn in b.journal():
        if (txn.kind, txn.state) in seen:
            continue
        seen.add((txn.kind, txn.state))
        entries, reasons = offered_by(b, txn.trace)
        named = {label(step): set(wanted) for step, wanted, _ in steps.TABLE}
        assert set(entries) | set(reasons) == set(named), txn
        assert not set(entries) & set(reasons) and all(reasons.values()), txn
        number = next(n for n, name in steps.tx.STATE_NAMES.items() if name == txn.state)
        for name in entries:
            assert number in named[name], (str(txn), name)
        for name in ("重做此笔", "改扫码付款"):
            if txn.state not in ("declined", "reversed"):
                assert reasons[name].replace("\n", "") == "可能已办成,重做会重复", (txn, name)
    assert {state for _, state in seen} == {
        "approved", "voided", "refunded", "declined", "reversed", "reversal_due", "unknown"}
    invariants.check(b)


def test_why_a_step_is_not_offered(make_bench):
    b = signed_on(make_bench(settings={"status_query": 0, "reversal_minutes": 0,
                                       "payment_codes": 0, "void_minutes": 1}))
    sale = stories.sale(b, 500)
    lost_sale(b, 600)
    b.clock.advance(10)
    _, reasons = offered_by(b, b.journal()[-1].trace)
    assert reasons["查询主机"] == "主机不支持查询"
    assert reasons["等待自动冲正"].replace("\n", "") == "自动冲正未开或未签到"
    assert reasons["人工解除"].replace("\n", "") == "线路正常,请先冲正"
    assert "已过撤销时限" in offered_by(b, sale.trace)[1]["撤销此笔"]
    b.host.rule("sale", code="51")
    stories.sale(b, 700, wait=False)
    b.to_idle()
    entries, reasons = offered_by(b, b.journal()[-1].trace)
    assert "重做此笔" in entries and reasons["改扫码付款"] == "暂不支持此交易"


def test_a_refusal_that_leaves_a_doubt_is_not_simply_made_again(b):
    b.host.rule("sale", code="98")
    stories.sale(b, 700, wait=False)
    b.to_idle()
    _, reasons = offered_by(b, b.journal()[-1].trace)
    assert "先查询或致电" in reasons["重做此笔"]


# -- finding out the truth -------------------------------------------------------------------------


def test_a_late_approval_is_accepted_printed_and_marked(b):
    txn = lost_sale(b, 7700)
    query(b)
    b.wait_for("已入账,顾客已付")
    assert "77.00" in text(b) and b.shows(b.host.ledger().find(txn.trace).rrn)
    b.press("ENTER")
    assert b.shows("1接受,算已付款") and b.shows("2冲正,退还顾客")
    b.press("1")
    b.wait_for("交易成功")
    b.wait_for("请撕纸")
    b.to_idle()
    (txn,) = b.journal()
    there = b.host.ledger().find(txn.trace)
    assert (txn.state, txn.rrn, txn.auth) == ("approved", there.rrn, there.auth)
    slip = b.receipts()[0]
    assert "迟到结果" in slip and "77.00" in slip and there.rrn in slip
    assert not b.shows("未完成") and spent(b) == 7700
    assert "query 00" in notes(b) and "accept 00" in notes(b)
    ended_well(b)
    stories.void_last(b)  # and it is like any other sale
    assert spent(b) == 0
    ended_well(b)


def test_a_late_approval_is_reversed_where_nobody_waited(b):
    lost_sale(b, 7700)
    query(b)
    b.wait_for("已入账")
    b.press("ENTER", "2")
    b.wait_for("冲正成功")
    assert b.shows("已扣款,已退回")
    b.to_idle()
    assert states(b) == [("sale", "reversed")] and spent(b) == 0
    (slip,) = b.receipts()
    assert "冲正凭单" in slip and "77.00" in slip and "已扣款,已退回" in slip
    ended_well(b)


def test_what_the_host_never_had_is_closed(b):
    txn = lost_sale(b, what="request")
    query(b)
    b.wait_for("主机没有此交易")
    assert b.shows("没有扣款")
    b.to_idle()
    assert states(b) == [("sale", "reversed")] and spent(b) == 0
    assert b.journal()[0].code == "25" and "close 25" in notes(b)
    stories.sale(b, 600)
    assert not [e for e in b.trace() if "reversal" in e.operation and e.direction == ">"]
    assert b.host.ledger().find(txn.trace) is None or spent(b) == 600
    ended_well(b)


def test_what_the_host_has_undone_is_closed(b):
    # The reversal went through, its answer did not come back.
    lost_sale(b, 500)
    b.host.rule("reversal", drop=True)
    case_steps(b)
    pick(b, "立即冲正")
    b.wait_for("本次冲正未成功", timeout=90)
    b.to_idle()
    query(b)
    b.wait_for("主机已撤销此交易")
    b.to_idle()
    assert states(b) == [("sale", "reversed")] and spent(b) == 0
    ended_well(b)


def test_a_late_approval_in_part_is_taken_in_part(b):
    b.host.rule("sale", partial=300, drop=True)
    stories.sale(b, 500, wait=False)
    b.clock.advance(62)
    b.to_idle()
    query(b)
    b.wait_for("已入账")
    assert "3.00" in text(b)
    b.press("ENTER", "1")
    b.wait_for("仅部分批准")
    b.press("ENTER")
    b.to_idle()
    assert b.journal()[0].approved_amount == 300 and spent(b) == 300
    ended_well(b)


def test_another_amount_at_the_host_is_not_accepted(b):
    lost_sale(b, 500)
    b.host.rule("query", wrong_field=(4, "000000000501"))
    query(b)
    b.wait_for("主机金额不同: 5.01")
    b.to_idle()
    assert states(b) == [("sale", "reversal_due")]


def test_a_void_without_an_answer_is_found_out_too(b):
    stories.sale(b, 500)
    lost_void(b)
    case(b)
    said = text(b)
    for wanted in ("勿重做撤销", "主机情况:可能已撤销", "告知顾客:正在核实撤销"):
        assert wanted in said
    b.to_idle()
    query(b)
    b.wait_for("已撤销,款退顾客")
    b.press("ENTER")
    assert b.shows("1接受,算已撤销") and b.shows("2冲正,恢复消费")
    b.press("1")
    b.wait_for("交易成功")
    b.to_idle()
    assert states(b) == [("sale", "voided"), ("void", "approved")] and spent(b) == 0
    ended_well(b)


def test_a_void_that_never_arrived_can_be_made_again_from_its_case(b):
    stories.sale(b, 500)
    lost_void(b, "request")
    query(b)
    b.wait_for("主机没有此交易")
    assert b.shows("没撤销,消费有效")
    b.press("ENTER")
    pick(b, "重做此笔")
    enter(b, SUPERVISOR)
    stories.void_goes_on(b)
    b.wait_for("交易成功")
    b.to_idle()
    assert states(b) == [("sale", "voided"), ("void", "reversed"), ("void", "approved")]
    assert spent(b) == 0
    ended_well(b)


def test_an_unknown_refund_that_was_made_is_accepted(b):
    sale = stories.sale(b, 5000)
    lost_refund(b, sale, 2000)
    case(b)
    said = text(b)
    assert "勿重做退货" in said and "主机情况:可能已退货" in said and "告知顾客:正在核实" in said
    b.to_idle()
    query(b)
    b.wait_for("已退货")
    b.press("ENTER")
    assert b.shows("1接受,算已退货") and not b.shows("2")
    b.press("1")
    b.wait_for("交易成功")
    b.to_idle()
    assert states(b) == [("sale", "refunded"), ("refund", "approved")] and spent(b) == 3000
    assert "迟到结果" in b.receipts()[-1]
    ended_well(b)


def test_an_unknown_refund_that_never_arrived_can_be_made_again(b):
    sale = stories.sale(b, 5000)
    lost_refund(b, sale, 2000, "request")
    query(b)
    b.wait_for("主机没有此交易")
    assert b.shows("没有退款")
    b.press("ENTER")
    pick(b, "重做此笔")
    for digits in (SUPERVISOR, "", sale.rrn, f"{b.clock.now:%m%d}", "2000", ""):
        if b.shows("请刷卡"):
            b.swipe(CARD)
        enter(b, digits)
    b.wait_for("交易成功")
    b.to_idle()
    assert states(b) == [("sale", "refunded"), ("refund", "absent"), ("refund", "approved")]
    assert spent(b) == 3000
    ended_well(b)


@pytest.mark.parametrize("kind", ["sale", "refund"])
def test_a_host_that_knows_no_queries_leaves_the_case_as_it_is(b, kind):
    if kind == "sale":
        lost_sale(b)
    else:
        lost_refund(b, stories.sale(b, 5000))
    b.host.rule("query", code="40")
    before = states(b)
    query(b)
    b.wait_for("主机不支持查询")
    assert b.shows("请做冲正" if kind == "sale" else "请结算时核对")
    b.to_idle()
    assert states(b) == before and "query 40" in notes(b)


@pytest.mark.parametrize("code", ["00", "22", "25"])
@pytest.mark.parametrize("flaw", ["no_mac", "wrong_mac"])
def test_an_answer_that_nobody_vouches_for_is_not_believed(b, code, flaw):
    lost_sale(b, 500)
    b.host.rule("query", **({flaw: True} if code == "00" else {flaw: True, "code": code}))
    query(b)
    b.wait_for("应答校验错")
    b.wait_for("按任意键签到", timeout=200)  # new keys first
    assert states(b) == [("sale", "reversal_due")] and notes(b) == ["open L1"]
    b.sign_on()
    stories.sale(b, 700)
    assert states(b) == [("sale", "reversed"), ("sale", "approved")]
    ended_well(b)


def test_a_query_that_gets_no_answer_changes_nothing(b):
    lost_sale(b)
    b.host.rule("query", drop=True)
    query(b)
    b.wait_for("超时无应答", timeout=90)
    b.to_idle()
    b.line.cut()
    query(b)
    b.wait_for("线路不通")
    b.to_idle()
    b.line.restore()
    assert states(b) == [("sale", "reversal_due")]


# -- undoing it, doing it again, paying otherwise ---------------------------------------------


def test_after_a_reversal_by_hand_it_is_sold_again_without_keying_the_amount(b):
    lost_sale(b, 12345)
    case_steps(b)
    pick(b, "立即冲正")
    b.wait_for("冲正成功")
    b.press("ENTER")
    pick(b, "重做此笔")
    b.swipe("second")
    b.press("ENTER")
    assert b.shows("请输入密码") and b.shows("123.45")
    enter(b, PIN)
    b.wait_for("交易成功")
    b.to_idle()
    assert states(b) == [("sale", "reversed"), ("sale", "approved")]
    assert spent(b) == 0 and spent(b, "second") == 12345
    ended_well(b)


def test_after_a_reversal_it_is_paid_by_code(b):
    lost_sale(b, 12345)
    case_steps(b)
    pick(b, "立即冲正")
    b.wait_for("冲正成功")
    b.press("ENTER")
    pick(b, "改扫码付款")
    b.scan("629990120000000012")
    b.press("ENTER")
    b.wait_for("交易成功")
    b.to_idle()
    assert b.journal()[-1].amount == 12345 and b.journal()[-1].entry == "032"
    assert spent(b) == 12345
    ended_well(b)


def test_waiting_tells_when_and_it_happens_then(b):
    lost_sale(b)
    case_steps(b)
    pick(b, "等待自动冲正")
    said = text(b)
    hour, minute = re.search(r"下次冲正(\d\d):(\d\d)", said).groups()
    assert "无需操作" in said
    b.to_idle()
    at = b.clock.now.replace(hour=int(hour), minute=int(minute), second=0)
    b.clock.advance((at - b.clock.now).total_seconds() - 5)
    assert states(b) == [("sale", "reversal_due")]
    b.clock.advance(70)
    assert states(b) == [("sale", "reversed")] and spent(b) == 0 and not b.shows("未完成")
    ended_well(b)


def test_the_supervisor_closes_an_unknown_refund_with_a_reason_of_his_own(b):
    sale = stories.sale(b, 5000)
    refund = lost_refund(b, sale, 2000)
    # Not before the host was asked, as it can be.
    assert offered_by(b, refund.trace)[1]["人工解除"].replace("\n", "") == "线路正常,请先查询主机"
    b.host.rule("query", code="40")
    query(b)
    b.wait_for("主机不支持查询")
    b.press("ENTER")
    pick(b, "人工解除")
    enter(b, SUPERVISOR)
    pick(b, "输入原因编号")
    enter(b, "05")  # below 10 are the lists' own
    assert b.shows("输入原因编号")
    b.press("CLEAR")
    enter(b, "4711")
    for wanted in ("20.00", "622202****0128", "确认=本机结案"):
        assert b.shows(wanted)
    before = snapshot(b)
    b.press("CANCEL")  # second thoughts
    assert snapshot(b) == before
    pick(b, "人工解除")
    enter(b, SUPERVISOR)
    pick(b, "输入原因编号")
    enter(b, "4711")
    b.press("ENTER")
    b.wait_for("已解除并记录")
    b.to_idle()
    assert states(b)[-1] == ("refund", "released") and not b.shows("未完成")
    assert "release 00 4711" in notes(b)
    slip = b.receipts()[-1]
    assert "故障报告单" in slip and f"{refund.trace:06d}" in slip and "结果未确认" in slip


# -- who, when, why --------------------------------------------------------------------------------


def test_the_case_keeps_its_history_and_prints_it(b):
    lost_sale(b)
    b.host.rule("reversal", code="96")
    case_steps(b)
    pick(b, "立即冲正")
    b.wait_for("本次冲正未成功")
    b.press("ENTER")
    b.host.rule("query", code="40")
    pick(b, "查询主机")
    b.wait_for("主机不支持查询")
    b.press("ENTER")
    pick(b, "联系客服")
    said = text(b)
    for wanted in ("95516", "工单号", "请备好", "123456789012345", "00000001", "000002",
                   "5.00", "622202****0128"):
        assert wanted in said, wanted
    b.press("ENTER")
    enter(b, "20261122")
    pick(b, "打故障报告单")
    b.wait_until(lambda: b.shows("1查询主机"))
    pick(b, "处理记录")
    said = text(b)
    slip = b.receipts()[-1].replace("\n", "").replace(" ", "")
    for wanted in ("发起", "立案:超时无应答", "冲正未成1中心系统异常", "查询主机:不支持此交易",
                   "已致电,工单号20261122"):
        assert wanted in said and wanted in slip, wanted
    assert "原因在:网络或系统" in slip and "已打故障报告单" in said
    b.to_idle()
    stories.sale(b, 700)
    assert notes(b)[-1] == "close 00"
    assert [note.split(" ")[0] for note in notes(b)] == [
        "open", "try", "query", "call", "slip", "close"]
    ended_well(b)


def test_a_call_without_a_case_number_is_noted_as_well(b):
    lost_sale(b)
    case_steps(b)
    pick(b, "联系客服")
    b.press("ENTER", "ENTER")
    assert "call -" in notes(b)


def test_the_history_of_a_void_tells_who_and_why(b):
    stories.sale(b, 500)
    b.press("LAST")
    enter(b, SUPERVISOR)
    stories.void_goes_on(b)
    b.wait_for("原因")
    b.press("2")
    b.to_idle()
    b.choose("交易明细")
    b.press("ENTER", "ENTER", "ENTER")
    pick(b, "处理记录")
    assert "原因:00顾客要求" in text(b)


# -- from any record to what may be done about it --------------------------------------------------


def record_steps(b, trace):
    """From the record of a transaction in the query menu to its steps."""
    b.choose("按凭证号查询")
    enter(b, str(trace))
    b.press("ENTER", "ENTER")


def test_a_sale_is_voided_from_its_record(b):
    sale = stories.sale(b, 500)
    stories.sale(b, 600)
    record_steps(b, sale.trace)
    pick(b, "撤销此笔")
    enter(b, SUPERVISOR)
    assert b.shows(f"消费 {sale.trace:06d}") and b.shows("5.00")
    stories.void_goes_on(b)
    b.wait_for("交易成功")
    b.to_idle()
    assert states(b)[0] == ("sale", "voided") and spent(b) == 600
    ended_well(b)


def test_a_settled_sale_leads_to_its_refund_with_all_that_is_to_be_keyed(b):
    sale = stories.sale(b, 5000)
    stories.settle(b)
    record_steps(b, sale.trace)
    entries = menu_entries(b)
    assert "撤销此笔" not in entries and "退货办法" in entries
    pick(b, "退货办法")
    said = text(b)
    assert sale.rrn in said and f"{b.clock.now:%m%d}" in said and "可退50.00" in said
    b.press("ENTER")
    enter(b, SUPERVISOR)
    b.swipe(CARD)
    for digits in ("", sale.rrn, f"{b.clock.now:%m%d}", "5000", ""):
        enter(b, digits)
    b.wait_for("交易成功")
    b.to_idle()
    assert spent(b) == 0
    _, reasons = offered_by(b, sale.trace)
    assert reasons["退货办法"] == "已全部退货"
    ended_well(b)


def test_a_released_one_keeps_its_slip_and_its_history(b):
    lost_sale(b)
    b.line.cut()
    case_steps(b)
    pick(b, "立即冲正")  # in vain; the line is known to be down then
    b.wait_for("线路不通")
    b.press("ENTER")
    pick(b, "人工解除")
    enter(b, SUPERVISOR)
    b.press("1", "ENTER")
    b.wait_for("已解除并记录")
    b.to_idle()
    txn = b.journal()[-1]
    entries, reasons = offered_by(b, txn.trace)
    assert {"打故障报告单", "联系客服", "处理记录", "交易详情"} == set(entries)
    assert reasons["查询主机"] == "结果已明确"
    record_steps(b, txn.trace)
    pick(b, "处理记录")
    assert "人工解除:00银行确认已处理" in text(b)
