"""Reversal (冲正): by which replies, with which reason, when, how often, and what comes after."""

import pytest

from host_tools.bench import invariants, stories, wiring
from host_tools.journal import decode
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
    spent,
    started,
    states,
    word,
)


def cut_off(b, amount=500):
    """A sale that the host has booked and whose reply is lost; ends on the idle screen."""
    b.line.drop_next("reply")
    stories.sale(b, amount, wait=False)
    b.clock.advance(62)
    b.to_idle()
    assert b.journal()[-1].state == "reversal_due"
    return b.journal()[-1]


def reversals(b):
    return [e for e in b.trace() if e.operation.endswith("-reversal") and e.direction == ">"]


# -- what is journalled before the first byte leaves ---------------------------------------------


def test_the_intent_is_durable_before_the_first_byte_leaves(b):
    seen = []
    send = b.line.from_terminal

    def watched(data):
        image = bytes(b.rig.flash[wiring.JOURNAL].mem)
        seen.append((bytes(data), [t.state for t in decode(image).transactions]))
        send(data)

    b.line.from_terminal = watched
    stories.sale(b, 500)
    sale = bytes.fromhex("0200") + bytes.fromhex("70")  # message type and bitmap with field 2
    first = next(state for data, state in seen if sale in data)
    assert first == ["pending"]


def test_a_reversal_is_durable_before_it_leaves(b):
    cut_off(b)
    seen = []
    send = b.line.from_terminal

    def watched(data):
        image = bytes(b.rig.flash[wiring.JOURNAL].mem)
        if bytes.fromhex("0400") in data:
            seen.append(decode(image).transactions[0].attempts)
        send(data)

    b.line.from_terminal = watched
    stories.sale(b, 700)
    assert seen == [1]


# -- reasons and contents ------------------------------------------------------------------------


@pytest.mark.parametrize(("rule", "reason", "code", "field"), [
    ({"drop": True}, "98", "L1", ""),
    ({"delay": 90}, "98", "L1", ""),
    ({"wrong_mac": True}, "A0", "L3", "MAC wrong"),
    ({"no_mac": True}, "A0", "L3", "MAC missing"),
    ({"wrong_field": (0, "0230")}, "06", "L4", "F0: 0210 <> 0230"),
    ({"wrong_field": (3, "200000")}, "06", "L4", "F3: 000000 <> 200000"),
    ({"wrong_field": (4, "000000000501")}, "06", "L4", "F4: 500 <> 501"),
    ({"wrong_field": (4, None)}, "06", "L4", "F4: 500 <> -"),
    ({"wrong_field": (11, "999999")}, "06", "L4", "F11: 000002 <> 999999"),
    ({"wrong_field": (11, None)}, "06", "L4", "F11: 000002 <> -"),
    ({"wrong_field": (39, None)}, "06", "L4", "F39"),
    ({"wrong_field": (41, "00000009")}, "06", "L4", "F41: 00000001 <> 00000009"),
    ({"wrong_field": (42, "999999999999999")}, "06", "L4", "F42: 123456789012345"),
], ids=str)
def test_every_check_of_a_reply_names_what_differed(b, rule, reason, code, field):
    b.host.rule("sale", **rule)
    started(b, 500)
    enter(b, PIN)
    b.wait_until(lambda: b.shows(code), timeout=70)
    if field:
        assert field.replace(" ", "") in "".join(b.read()).replace(" ", ""), b.screen()
    b.to_idle() if reason != "A0" else b.wait_for("按任意键签到", timeout=300)
    assert (b.journal()[0].state, b.journal()[0].reason) == ("reversal_due", reason)
    assert spent(b) == 500
    if reason == "A0":
        # New keys first: with the old ones the reversal's own MAC would be doubted as well.
        assert not reversals(b)
        b.sign_on()
    stories.sale(b, 700)
    (reversal,) = reversals(b)
    assert reversal.fields["39"] == reason
    assert reversal.fields["11"] == "000002" and reversal.fields["60"][2:8] == "000001"
    for absent in ("35", "36", "52", "53", "14", "37"):
        assert absent not in reversal.fields
    assert states(b) == [("sale", "reversed"), ("sale", "approved")]
    assert spent(b) == 700
    ended_well(b)


@pytest.mark.pico
def test_a_garbled_reply_is_reversed(b):
    b.host.rule("sale", garble=True)
    stories.sale(b, 500, wait=False)
    b.clock.advance(70)
    b.clock.advance(150)
    if b.shows("按任意键签到"):
        b.sign_on()
    stories.sale(b, 700)
    assert states(b)[0] == ("sale", "reversed") and spent(b) == 700
    ended_well(b)


def test_a_refusal_needs_no_mac_and_no_reversal(b):
    b.host.rule("sale", code="51", no_mac=True)
    stories.sale(b, 500, wait=False)
    b.wait_for("余额不足")
    b.to_idle()
    stories.sale(b, 700)
    assert states(b) == [("sale", "declined"), ("sale", "approved")] and not reversals(b)
    ended_well(b)


def test_the_reversal_of_a_doubted_reply_repeats_its_authorisation_code(b):
    b.host.rule("sale", wrong_mac=True)
    stories.sale(b, 500, wait=False)
    b.wait_for("按任意键签到", timeout=300)
    b.sign_on()
    stories.sale(b, 700)
    assert reversals(b)[0].fields["38"] == b.host.ledger().find(2).auth


def test_a_void_without_answer_is_reversed_and_the_sale_stands_again(b):
    sale = stories.sale(b, 500)
    b.line.drop_next("reply")
    b.press("LAST")
    enter(b, SUPERVISOR)
    stories.void_goes_on(b)
    b.clock.advance(62)
    b.to_idle()
    assert states(b) == [("sale", "approved"), ("void", "reversal_due")]
    assert b.host.ledger().find(sale.trace).state == "voided"
    invariants.check(b)
    stories.sale(b, 700)
    (reversal,) = reversals(b)
    void = b.journal()[1]
    assert reversal.fields["61"] == f"{void.batch:06d}{void.trace:06d}"
    assert reversal.fields["3"] == "200000" and reversal.fields["60"][:2] == "23"
    assert states(b)[:2] == [("sale", "approved"), ("void", "reversed")]
    assert b.host.ledger().find(sale.trace).state == "approved" and spent(b) == 1200
    stories.void(b, sale.trace)  # and may be voided after all
    assert spent(b) == 700
    ended_well(b)


@pytest.mark.parametrize(("rule", "reason", "field"), [
    ({"no_mac": True}, "A0", "MAC missing"),
    ({"wrong_field": (4, "000000000499")}, "06", "F4: 500 <> 499"),
    ({"wrong_field": (39, "10")}, "06", "F39: 00 <> 10"),  # half a void is none
], ids=str)
def test_the_reply_to_a_void_is_checked_like_that_to_a_sale(b, rule, reason, field):
    stories.sale(b, 500)
    b.host.rule("void", **rule)
    b.press("LAST")
    enter(b, SUPERVISOR)
    stories.void_goes_on(b)
    b.wait_for("可能已撤销")
    assert field.replace(" ", "") in "".join(b.read()).replace(" ", "")
    b.to_idle() if reason != "A0" else b.wait_for("按任意键签到", timeout=300)
    if reason == "A0":
        b.sign_on()
    stories.sale(b, 700)
    assert [e.fields["39"] for e in reversals(b)] == [reason]
    assert states(b) == [("sale", "approved"), ("void", "reversed"), ("sale", "approved")]
    assert spent(b) == 1200
    ended_well(b)


def test_an_approval_that_cannot_be_kept_is_not_shown_and_is_reversed(b):
    # Rule 2: the outcome is durable first. Here the flash dies while the host thinks.
    b.host.rule("sale", delay=5)
    started(b, 500)
    enter(b, PIN)
    b.clock.advance(2)
    journal = b.rig.flash[wiring.JOURNAL]
    journal.faults = {sector: "program error" for sector in range(journal.sectors)}
    b.wait_for("流水存储器失效")
    b.to_idle()
    assert states(b) == [("sale", "pending")] and b.receipts() == []
    b.choose("消费")
    assert b.shows("流水存储器失效")  # nothing more is sold without a journal
    journal.faults = {}
    b.power_cut()
    back_on(b)
    stories.sale(b, 700)
    assert states(b) == [("sale", "reversed"), ("sale", "approved")] and spent(b) == 700
    ended_well(b, cuts=1)


def test_a_partly_approved_sale_is_reversed_in_whole(b):
    b.host.rule("sale", partial=300, drop=True)
    stories.sale(b, 500, wait=False)
    b.clock.advance(62)
    b.to_idle()
    assert spent(b) == 300
    stories.sale(b, 700)
    assert spent(b) == 700
    ended_well(b)


# -- when ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("flow", ["sale", "void", "refund", "balance", "settle", "sign_off"])
def test_it_goes_out_before_any_other_financial_message(b, flow):
    first = stories.sale(b, 400)
    cut_off(b)
    if flow == "sale":
        stories.sale(b, 700)
    elif flow == "void":
        stories.void(b, first.trace)
    elif flow == "refund":
        stories.refund(b, first.rrn, f"{b.clock.now:%m%d}", 100)
    elif flow == "balance":
        b.choose("余额查询")
        b.swipe(CARD)
        b.press("ENTER")
        enter(b, PIN)
        b.wait_for("可用余额")
    elif flow == "settle":
        stories.settle(b)
    else:
        b.choose("签退")
        b.press("ENTER")
        b.wait_for("签退成功")
    sent = [e.operation for e in b.trace() if e.direction == ">"]
    assert sent.index("sale-reversal") == 3  # sign-on, two sales, and then at once
    assert b.journal()[1].state == "reversed"
    ended_well(b)


@pytest.mark.parametrize("code", ["00", "25", "12"])
def test_what_closes_it(b, code):
    cut_off(b)
    if code != "00":
        b.host.rule("reversal", code=code)
    stories.sale(b, 700)
    assert states(b) == [("sale", "unproven" if code == "12" else "reversed"), ("sale", "approved")]
    assert b.journal()[0].code == code and len(reversals(b)) == 1
    b.clock.advance(1)
    reports = [e.verdict for e in b.trace() if e.operation == "status" and e.direction == ">"]
    # 12 proves nothing: the acquirer is asked to compare.
    assert reports == (["taken: reversal 000002 of batch 000001 closed by 12: compare it"]
                       if code == "12" else [])


@pytest.mark.parametrize("code", ["25", "12"])
@pytest.mark.parametrize("flaw", ["no_mac", "wrong_mac"])
def test_a_closing_answer_that_nobody_vouches_for_closes_nothing(b, code, flaw):
    cut_off(b)
    b.host.rule("reversal", **{flaw: True, "code": code})
    stories.sale(b, 700, wait=False)
    b.wait_for("按任意键签到", timeout=300)
    assert states(b) == [("sale", "reversal_due")] and spent(b) == 500
    b.sign_on()
    stories.sale(b, 700)  # the host's own answer has a MAC
    assert states(b) == [("sale", "reversed"), ("sale", "approved")] and spent(b) == 700
    ended_well(b)


def test_a_host_that_never_puts_a_mac_into_a_refusal_can_be_told_so(make_bench):
    b = signed_on(make_bench(settings={"closing_mac": 0}))
    b.host.rule("sale", drop_request=True)
    stories.sale(b, 500, wait=False)
    b.clock.advance(62)
    b.to_idle()
    b.host.rule("reversal", no_mac=True)  # 25, for it never had the sale
    stories.sale(b, 700)
    assert states(b) == [("sale", "reversed"), ("sale", "approved")]
    b.line.drop_next("reply")
    stories.sale(b, 800, wait=False)
    b.clock.advance(62)
    b.to_idle()
    b.host.rule("reversal", no_mac=True)  # 00 proves something: never without
    stories.sale(b, 900, wait=False)
    b.wait_for("按任意键签到", timeout=300)
    assert states(b)[-1] == ("sale", "reversal_due")


def unproven(b, amount=500):
    """A reversal that the host closes by 12 while it holds the charge; ends on the idle screen."""
    txn = cut_off(b, amount)
    b.host.rule("reversal", code="12")
    b.choose("未完成交易")
    b.press("ENTER", "ENTER")
    pick(b, "立即冲正")
    b.wait_for("冲正待核对")
    b.to_idle()
    assert states(b)[-1] == ("sale", "unproven") and spent(b) == amount
    return txn


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_reversal_closed_by_12_is_not_called_done(make_bench, language):
    b = signed_on(make_bench(language=language, settings={"status_query": 0}))
    cut_off(b, 500)
    b.host.rule("reversal", code="12")
    b.clock.advance(301)
    assert b.shows(word(b, "state_unproven")) and b.shows("000002 5.00"), b.screen()
    b.press("ENTER")  # the customer's slip
    b.to_idle()
    (slip,) = b.receipts()
    said = " ".join(slip.split())
    assert word(b, "reversal_slip") in slip and word(b, "there_sale_unsure") in slip
    assert word(b, "state_unproven") in slip and word(b, "there_taken_back") not in said
    assert b.shows(word(b, "badge"))  # it is a case
    b.choose(word(b, "unfinished"))
    assert b.shows(word(b, "state_unproven"))
    b.press("ENTER")
    text = " ".join(b.read())
    for lie in ("没有扣款", "款项未动", "可以重做", "othing charged", "Do it again"):
        assert lie not in text
    assert word(b, "there_sale_unsure") in text
    b.to_idle()
    stories.sale(b, 700)  # it does not stand in the way
    assert states(b) == [("sale", "unproven"), ("sale", "approved")] and spent(b) == 1200
    b.choose(word(b, "settle"))
    b.press("ENTER")
    assert b.shows(word(b, "totals"))
    assert any(word(b, "left_out") in row for row in b.read())  # one is in none of the sums
    b.press("ENTER")
    b.wait_for(word(b, "print_details").split("?")[0], timeout=60)
    b.press("CANCEL")
    b.to_idle()
    slip = next(slip for slip in b.receipts() if word(b, "totals_slip") in slip)
    assert word(b, "not_in_net") in slip and "000002" in slip
    assert word(b, "state_unproven") in slip
    b.power_cut()
    back_on(b)
    assert b.shows(word(b, "badge"))  # settled and switched off: still a case
    invariants.check(b)


def test_the_host_is_asked_about_what_12_did_not_prove(b):
    b.host.rule("sale", code="51", drop=True)  # refused there, and the refusal got lost
    stories.sale(b, 500, wait=False)
    b.clock.advance(62)
    b.to_idle()
    stories.sale(b, 700)  # the reversal is answered 12, the query 25
    assert states(b) == [("sale", "reversed"), ("sale", "approved")]
    assert b.journal()[0].code == "25" and [e for e in b.trace() if e.operation == "query"]
    b.to_idle()
    assert not b.shows("未完成") and spent(b) == 700
    ended_well(b)


def test_a_supervisor_closes_it_when_the_acquirer_has_looked(make_bench):
    b = signed_on(make_bench(settings={"status_query": 0}))
    unproven(b)
    b.choose("未完成交易")
    b.press("ENTER", "ENTER")
    pick(b, "核对后结案")
    enter(b, SUPERVISOR)
    b.press("1")
    assert b.shows("5.00") and b.shows("622202****0128")
    b.press("ENTER")
    b.wait_for("已核对并记录")
    b.to_idle()
    assert not b.shows("未完成")
    assert states(b) == [("sale", "reversed")] and b.journal()[0].code == "BH"
    assert desk.notes(b, "C")[-1] == "compare 00 6"


def test_what_is_not_proven_and_stands_may_be_accepted(b):
    unproven(b)
    b.choose("未完成交易")
    b.press("ENTER", "ENTER")
    pick(b, "查询主机")
    b.wait_for("已入账")
    b.press("ENTER", "1")
    b.wait_for("交易成功")
    b.to_idle()
    assert states(b) == [("sale", "approved")] and spent(b) == 500
    ended_well(b)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_what_was_reversed_by_itself_is_told_once_and_has_a_slip(make_bench, language):
    b = signed_on(make_bench(language=language))
    cut_off(b, 500)
    b.clock.advance(301)
    back = word(b, "there_taken_back")
    assert b.shows("000002 5.00") and b.shows(back) and b.shows(word(b, "enter_prints_slip"))
    b.clock.advance(3600)
    assert b.shows(back)  # nobody has read it yet
    b.press("ENTER")
    b.wait_until(lambda: b.receipts() and b.shows(word(b, "idle_keys")), 60)
    (slip,) = b.receipts()
    for name in ("reversal_slip", "there_taken_back", "slip_sale"):
        assert word(b, name) in slip, slip
    assert "000002" in slip and "5.00" in slip and "622202*********0128" in slip
    b.clock.advance(200)
    assert not b.shows(back) and desk.notes(b, "C")[-1] == "back"
    ended_well(b)


def test_a_customer_at_the_counter_does_not_wait_for_the_message(b):
    cut_off(b, 500)
    b.clock.advance(301)
    assert b.shows("已扣款,已退回")
    stories.sale(b, 700)  # a swipe begins a sale as ever
    b.wait_until(lambda: b.shows("确认=菜单"), 60)
    assert states(b) == [("sale", "reversed"), ("sale", "approved")]


def test_what_the_host_never_had_needs_no_slip(b):
    b.line.drop_next("request")
    stories.sale(b, 500, wait=False)
    b.clock.advance(62)
    b.to_idle()
    b.clock.advance(301)
    assert b.shows("000002 5.00") and b.shows("没有扣款") and not b.shows("凭单")
    b.press("ENTER")
    assert b.shows("确认=菜单") and not b.receipts()
    ended_well(b)


def test_a_void_that_failed_is_looked_at_after_its_batch_was_settled(b):
    stories.sale(b, 500)
    b.line.drop_next("reply")
    b.press("LAST")
    enter(b, SUPERVISOR)
    stories.void_goes_on(b)
    b.clock.advance(62)
    b.to_idle()
    stories.settle(b)  # sends the reversal first
    assert states(b) == [("sale", "settled"), ("void", "reversed")]
    b.choose("按凭证号查询")
    enter(b, str(b.journal()[1].trace))
    b.press("ENTER")
    assert "没撤销,消费有效" in b.read()
    b.press("ENTER")
    pick(b, "为何没有其它")
    assert "原交易不存在" in "".join(b.read())
    b.to_idle()
    ended_well(b)


def test_a_void_that_failed_does_not_call_the_sale_standing_once_it_is_voided(b):
    stories.sale(b, 500)
    b.line.drop_next("request")
    b.press("LAST")
    enter(b, SUPERVISOR)
    stories.void_goes_on(b)
    b.clock.advance(62)
    b.to_idle()
    stories.void_last(b)  # the first one is reversed before it
    assert states(b)[1:] == [("void", "reversed"), ("void", "approved")]
    b.choose("按凭证号查询")
    enter(b, str(b.journal()[1].trace))
    b.press("ENTER")
    text = "".join(b.read())
    assert "已另行撤销" in text and "有效" not in text
    ended_well(b)


def test_any_other_code_does_not_close_it(b):
    cut_off(b)
    b.host.rule("reversal", code="96", times=None)
    stories.sale(b, 700, wait=False)
    b.wait_for("本次交易未发送", timeout=200)
    assert b.journal()[0].attempts == 3 and len(reversals(b)) == 3
    assert {e.fields["11"] for e in reversals(b)} == {"000002"}


def test_a_line_that_is_down_costs_no_try(b):
    cut_off(b)
    b.line.cut()
    for _ in range(5):
        stories.sale(b, 700, wait=False)
        b.wait_for("线路不通")
        b.to_idle()
    assert b.journal()[0].attempts == 0 and len(b.journal()) == 1
    b.line.restore()
    stories.sale(b, 700)
    ended_well(b)


def test_mac_trouble_of_the_reversal_itself_forces_a_sign_on(b):
    cut_off(b)
    b.host.rule("reversal", wrong_mac=True)
    stories.sale(b, 700, wait=False)
    b.wait_for("请先签到,再冲正")
    assert b.journal()[0].state == "reversal_due" and len(reversals(b)) == 1
    b.wait_for("按任意键签到")
    b.sign_on()
    stories.sale(b, 700)
    assert len(reversals(b)) == 2 and states(b)[0] == ("sale", "reversed")
    ended_well(b)


def test_a_host_that_doubts_our_mac_forces_a_sign_on(b):
    cut_off(b)
    b.host.rule("reversal", code="A0", demand=3)
    stories.sale(b, 700, wait=False)
    b.wait_for("请先签到,再冲正")
    b.wait_for("按任意键签到")
    b.sign_on()
    stories.sale(b, 700)
    ended_well(b)


# -- all tries have failed -------------------------------------------------------------------------


def blocked(b):
    txn = cut_off(b)
    b.host.rule("reversal", drop_request=True, times=3)
    stories.sale(b, 700, wait=False)
    b.wait_for("本次交易未发送", timeout=300)
    b.to_idle()
    return txn


def test_after_the_last_try_it_is_kept_and_blocks_and_a_fault_slip_comes_out(b):
    txn = blocked(b)
    (slip,) = b.receipts()
    for wanted in ("故障报告单", "非凭证联", f"{txn.trace:06d}", "5.00", "622202*********0128"):
        assert wanted in slip
    assert b.journal()[0].attempts == 3 and b.shows("未完成交易: 1")
    for flow in ("消费", "撤销", "退货", "余额查询", "结算"):
        b.choose(flow)
        assert b.shows("冲正未成功"), (flow, b.screen())
        b.to_idle()
    assert len(reversals(b)) == 0  # the host has not seen a single one
    b.power_cut()
    b.power_on()
    b.sign_on()
    b.choose("消费")
    assert b.shows("冲正未成功")  # the block survives


def test_a_fault_slip_that_never_came_out_is_offered_at_log_in(b):
    cut_off(b)
    b.rig.paper.runs_out_after(3)
    b.host.rule("reversal", drop_request=True, times=3)
    stories.sale(b, 700, wait=False)
    b.wait_for("打印机缺纸", timeout=300)
    b.power_cut()
    b.rig.load_paper()
    b.power_on()
    assert "slip" not in desk.notes(b, "C")
    enter(b, "01")
    enter(b, "0000")
    b.wait_for("故障报告单未打印")
    assert b.shows("000002 5.00")
    b.press("ENTER")
    b.to_idle()
    assert "故障报告单" in b.receipts()[-1] and desk.notes(b, "C")[-1] == "slip"
    b.power_cut()
    b.power_on()
    enter(b, "01")
    enter(b, "0000")
    b.wait_for("未完成交易: 1")  # the idle screen: nothing was asked
    assert sum("非凭证联" in slip for slip in b.receipts()) == 2  # one of them torn off by the cut


def test_one_more_try_by_hand_unblocks(b):
    blocked(b)
    b.choose("未完成交易")
    b.press("ENTER", "ENTER")
    b.wait_for("立即冲正")
    pick(b, "立即冲正")
    b.wait_for("冲正成功")
    b.to_idle()
    stories.sale(b, 700)
    ended_well(b)


def test_the_supervisor_may_release_it_with_a_reason_after_the_slip(b):
    blocked(b)
    b.choose("未完成交易")
    b.press("ENTER", "ENTER")
    pick(b, "人工解除")
    enter(b, "000000")
    assert b.shows("密码错")
    b.press("CANCEL")
    enter(b, SUPERVISOR)
    assert b.shows("银行确认已处理") and b.shows("转银行人工处理")
    b.press("2")
    assert b.shows("5.00") and b.shows("622202****0128")
    b.press("ENTER")
    b.wait_for("已解除并记录")
    b.to_idle()
    txn = b.journal()[0]
    assert (txn.state, txn.supervisor, txn.note) == ("released", 0, 9)
    assert len(b.receipts()) == 2 and "故障报告单" in b.receipts()[1]
    assert not b.shows("未完成")
    stories.sale(b, 700)
    assert states(b) == [("sale", "released"), ("sale", "approved")]
    invariants.check(b, rest=True)


def test_it_is_not_released_while_the_line_is_up_and_tries_are_left(b):
    cut_off(b)
    b.choose("未完成交易")
    b.press("ENTER", "ENTER")
    pick(b, "为何没有其它")
    assert "请先冲正" in "".join(b.read()).replace(" ", "")


# -- by itself ---------------------------------------------------------------------------------


def test_an_idle_terminal_tries_by_itself(b):
    cut_off(b)
    b.choose("未完成交易")
    b.press("ENTER")
    text = "".join(b.read())
    b.to_idle()
    at = text[text.index("下次冲正") :]
    assert ":" in at[:12]
    b.clock.advance(301)
    assert states(b) == [("sale", "reversed")] and spent(b) == 0
    assert not b.shows("未完成")
    ended_well(b)


def test_it_tries_again_and_again_and_unblocks_itself(b):
    cut_off(b)
    b.host.rule("reversal", drop_request=True, times=5)
    b.clock.advance(5 * 420)
    assert b.journal()[0].attempts >= 4
    assert sum("故障报告单" in slip for slip in b.receipts()) == 1
    b.clock.advance(3 * 420)
    assert states(b) == [("sale", "reversed")]
    stories.sale(b, 700)
    ended_well(b)


def test_it_does_not_try_where_that_is_switched_off(make_bench):
    b = signed_on(make_bench(settings={"reversal_minutes": 0}))
    cut_off(b)
    b.clock.advance(1000)
    assert b.journal()[0].state == "reversal_due" and not reversals(b)


def test_a_dead_line_stops_the_tries_quietly(b):
    cut_off(b)
    b.line.cut()
    b.clock.advance(1000)
    assert b.shows("请刷卡") and b.journal()[0].attempts == 0
    b.line.restore()
    b.clock.advance(320)
    assert states(b) == [("sale", "reversed")]


# -- late, twice, after -------------------------------------------------------------------------


def test_a_reply_that_comes_late_is_kept_out(b):
    b.line.delay_next("reply", 65)  # after the timeout, while the terminal is at something else
    stories.sale(b, 500, wait=False)
    b.clock.advance(62)
    b.to_idle()
    b.clock.advance(20)
    assert b.journal()[0].state == "reversal_due"
    stories.sale(b, 700)
    assert states(b) == [("sale", "reversed"), ("sale", "approved")]
    ended_well(b)


def test_an_approval_after_the_reversal_is_kept_out(b):
    b.host.rule("sale", approve_after_reversal=True)
    stories.sale(b, 500, wait=False)
    b.clock.advance(62)
    b.to_idle()
    stories.sale(b, 700)
    assert states(b) == [("sale", "reversed"), ("sale", "approved")] and spent(b) == 700
    ended_well(b)


def test_replies_that_come_twice_change_nothing(b):
    b.host.rule("any", duplicate=True, times=None)
    sale = stories.sale(b, 500)
    stories.void(b, sale.trace)
    stories.sale(b, 700)
    assert spent(b) == 700
    ended_well(b)


def test_a_request_that_comes_late_is_refused_after_its_reversal(b):
    b.line.delay_next("request", 100)
    stories.sale(b, 500, wait=False)
    b.clock.advance(62)
    b.to_idle()
    stories.sale(b, 700)  # the reversal comes first: 25, and the host remembers
    b.clock.advance(60)
    assert states(b) == [("sale", "reversed"), ("sale", "approved")] and spent(b) == 700
    assert b.journal()[0].code == "25"
    ended_well(b)


def test_the_next_sale_to_the_same_card_after_a_reversal_is_charged_once(b):
    cut_off(b, 500)
    stories.sale(b, 500)
    assert spent(b) == 500
    ended_well(b)
