"""Void (撤销), void of the last transaction (末笔撤销), a wrong amount, every refusal."""

import pytest

from host_tools.acquirer import Acquirer, Policy
from host_tools.bench import stories
from mobi import settings
from tests.e2e import desk
from tests.e2e.kit import (
    CARD,
    CARDS,
    PIN,
    SUPERVISOR,
    back_on,
    ended_well,
    enter,
    signed_on,
    snapshot,
    spent,
    started,
    states,
)


def test_void_by_voucher_number_step_by_step(b):
    sale = stories.sale(b, 12345)
    b.choose("撤销")
    assert b.shows("主管密码")
    enter(b, SUPERVISOR)
    assert b.shows("原凭证号")
    enter(b, str(sale.trace))
    text = "".join(b.read())
    for wanted in (f"消费 {sale.trace:06d}", "RMB 123.45", "622202****0128", sale.rrn, "确认继续"):
        assert wanted in text
    b.press("ENTER")
    assert b.shows("请刷卡")
    b.swipe(CARD)
    b.press("ENTER")
    assert b.shows("请输入密码") and b.shows("123.45")
    enter(b, PIN)
    b.wait_for("交易成功")
    assert b.shows("已撤销,款退顾客") and not b.shows("不可撤销")
    b.wait_for("请撕纸")
    b.to_idle()
    sale, void = b.journal()
    assert (sale.state, void.state, void.amount) == ("voided", "approved", 12345)
    assert (void.original_trace, void.original_rrn) == (sale.trace, sale.rrn)
    assert void.supervisor == 0 and spent(b) == 0
    slip = b.receipts()[2]
    assert "撤销" in slip and "RMB -123.45" in slip and f"{sale.trace:06d}" in slip
    ended_well(b)


def test_void_last_has_a_key_and_a_menu_entry_and_asks_for_no_voucher(b):
    stories.sale(b, 100)
    newest = stories.sale(b, 200)
    for way in (lambda: b.press("LAST"), lambda: b.choose("末笔撤销")):
        way()
        enter(b, SUPERVISOR)
        assert b.shows(f"{newest.trace:06d}") and b.shows("2.00")
        b.to_idle()
    stories.void_last(b)
    assert states(b) == [("sale", "approved"), ("sale", "voided"), ("void", "approved")]
    ended_well(b)


def test_voucher_numbers_go_on_from_1_after_999999(make_bench):
    b = signed_on(make_bench(settings={"trace": 999998}))
    first, second = stories.sale(b, 500), stories.sale(b, 600)
    assert (first.trace, second.trace) == (999999, 1)
    stories.void(b, 999999)
    stories.void(b, 1)
    assert spent(b) == 0
    ended_well(b)


def test_void_last_never_steps_back_to_an_older_sale(b):
    stories.sale(b, 100)
    stories.sale(b, 200)
    stories.void_last(b)
    before = snapshot(b)
    b.press("LAST")
    assert b.shows("原交易非消费,不能撤销(是撤销)")
    b.to_idle()
    assert snapshot(b) == before


def test_void_last_says_that_a_newer_sale_is_open(b):
    # The sale that got no answer is what the operator means; it is reversed, not voided.
    older = stories.sale(b, 100)
    newer = stories.lost_sale(b, 200)
    b.press("LAST")
    enter(b, SUPERVISOR)
    assert b.shows(f"{newer.trace:06d} 待冲正") and b.shows("先冲正它,再撤销")
    assert b.shows(f"消费 {older.trace:06d}")
    stories.void_goes_on(b)
    b.wait_for("交易成功")
    b.to_idle()
    assert states(b) == [("sale", "voided"), ("sale", "reversed"), ("void", "approved")]
    assert spent(b) == 0
    ended_well(b)


def test_void_last_with_nothing_there(b):
    b.press("LAST")
    assert b.shows("无交易可撤销")


def test_void_last_looks_over_a_declined_sale(b):
    # A refused sale is no transaction that could be the last one: 末笔 is the newest approved.
    first = stories.sale(b, 100)
    b.host.rule("sale", code="51")
    stories.sale(b, 200, wait=False)
    b.to_idle()
    void = stories.void_last(b)
    assert void.original_trace == first.trace
    ended_well(b)


def test_without_card_pin_and_supervisor_where_the_merchant_has_it_so(make_bench):
    b = signed_on(make_bench(settings={"void_card": 0, "void_pin": 0, "void_supervisor": 0}))
    sale = stories.sale(b, 100)
    b.press("VOID")
    assert b.shows("原凭证号")
    enter(b, str(sale.trace))
    b.press("ENTER")
    b.wait_for("交易成功")
    b.to_idle()
    void = b.journal()[-1]
    assert (void.state, void.supervisor, void.entry) == ("approved", None, "012")
    assert spent(b) == 0
    ended_well(b)


def test_another_card_is_refused_before_anything_is_sent(b):
    sale = stories.sale(b, 100)
    b.press("VOID")
    enter(b, SUPERVISOR)
    enter(b, str(sale.trace))
    b.press("ENTER")
    before = snapshot(b)
    b.swipe("second")
    b.press("ENTER")
    assert b.shows("卡号不匹配")
    b.to_idle()
    assert snapshot(b) == before


def test_a_wrong_pin_in_a_void_is_asked_again(b):
    stories.sale(b, 100)
    b.press("LAST")
    enter(b, SUPERVISOR)
    b.press("ENTER")
    b.swipe(CARD)
    b.press("ENTER")
    enter(b, "111111")
    b.wait_for("密码错")
    b.press("CANCEL")
    enter(b, PIN)
    b.wait_for("交易成功")
    b.to_idle()
    assert states(b) == [("sale", "voided"), ("void", "declined"), ("void", "approved")]
    ended_well(b)


def refused(b, trace, text):
    before = snapshot(b)
    b.press("VOID")
    enter(b, SUPERVISOR)
    enter(b, str(trace))
    assert b.shows(text), b.screen()
    b.to_idle()
    assert snapshot(b) == before


def test_what_cannot_be_voided_and_why(b):
    refused(b, 0, "原交易不存在")
    refused(b, 999999, "原交易不存在")
    sale = stories.sale(b, 100)
    refused(b, 1, "原交易不存在")  # the sign-on's number
    stories.void(b, sale.trace)
    void = b.journal()[-1]
    refused(b, sale.trace, "该交易已撤销")
    refused(b, void.trace, "原交易非消费,不能撤销(是撤销)")
    b.host.rule("sale", code="51")
    stories.sale(b, 300, wait=False)
    b.to_idle()
    refused(b, b.journal()[-1].trace, "原交易未成功")
    sale = stories.sale(b, 400)
    refund = stories.refund(b, sale.rrn, f"{b.clock.now:%m%d}", 100)
    refused(b, refund.trace, "原交易非消费,不能撤销(是退货)")
    refused(b, sale.trace, "该交易已退货")
    b.choose("余额查询")
    b.swipe(CARD)
    b.press("ENTER")
    enter(b, PIN)
    b.wait_for("可用余额")
    b.to_idle()
    refused(b, b.journal()[-1].trace, "原交易非消费")
    lost = stories.lost_sale(b, 500)
    refused(b, lost.trace, "原交易未完成")
    ended = stories.sale(b, 600)
    refused(b, b.journal()[-2].trace, "原交易已冲正")
    stories.settle(b)
    refused(b, ended.trace, "已结算,请做退货")


def test_the_host_may_refuse_what_the_terminal_does_not_know(b):
    # Another day, for instance: some acquirers want a refund then.
    stories.sale(b, 100)
    b.host.rule("void", code="12")
    b.press("LAST")
    enter(b, SUPERVISOR)
    stories.void_goes_on(b)
    b.wait_for("原交易无效")
    b.to_idle()
    assert states(b) == [("sale", "approved"), ("void", "declined")] and spent(b) == 100
    ended_well(b)


# -- in time ---------------------------------------------------------------------------------------


def test_the_merchants_window_is_shown_and_kept(make_bench):
    b = signed_on(make_bench(settings={"void_minutes": 10}))
    started(b, 500)
    enter(b, PIN)
    until = f"可撤销至 {b.clock.now.replace(minute=b.clock.now.minute + 10):%H:%M}"
    b.wait_for("交易成功")
    assert b.shows(until)
    b.to_idle()
    assert until in b.receipts()[0].replace("  ", " ")
    first = b.journal()[-1]
    stories.void_last(b)
    stories.sale(b, 600)
    b.clock.advance(620)
    before = snapshot(b)
    b.press("LAST")
    assert b.shows("已过撤销时限")
    assert "请做退货" in "".join(b.read())
    b.to_idle()
    assert snapshot(b) == before and first.trace
    ended_well(b)


# -- a wrong amount --------------------------------------------------------------------------------


def test_a_wrong_amount_is_put_right_in_one_step(b):
    stories.sale(b, 50000)
    b.choose("金额有误")
    enter(b, SUPERVISOR)
    assert b.shows("请输入正确金额")
    enter(b, "5000")
    assert b.shows("RMB 500.00")
    b.press("ENTER")
    b.swipe(CARD)
    b.press("ENTER")
    enter(b, PIN)
    b.wait_for("交易成功")
    b.wait_for("卡号")  # the sale: the card is still known
    assert b.shows("消费")
    b.press("ENTER")
    assert b.shows("50.00") and b.shows("请输入密码")
    enter(b, PIN)
    b.wait_for("交易成功")
    b.to_idle()
    assert [(t.kind, t.amount, t.state) for t in b.journal()] == [
        ("sale", 50000, "voided"), ("void", 50000, "approved"), ("sale", 5000, "approved")]
    assert spent(b) == 5000
    ended_well(b)


@pytest.mark.parametrize("leave", ["CANCEL", "wait", "power"])
def test_a_correction_left_after_its_void_is_a_void(b, leave):
    stories.sale(b, 50000)
    b.choose("金额有误")
    enter(b, SUPERVISOR)
    enter(b, "5000")
    stories.void_goes_on(b)
    b.wait_for("交易成功")
    b.wait_for("卡号")
    if leave == "CANCEL":
        b.press("CANCEL")
    elif leave == "wait":
        b.clock.advance(61)
        assert not b.shows("没有扣款")  # of the sale only it would be true
    else:
        b.power_cut()
        back_on(b)
    b.to_idle()
    assert states(b) == [("sale", "voided"), ("void", "approved")] and spent(b) == 0
    ended_well(b, cuts=leave == "power")


def test_the_same_amount_needs_no_correction(b):
    stories.sale(b, 500)
    before = snapshot(b)
    b.choose("金额有误")
    enter(b, SUPERVISOR)
    enter(b, "500")
    assert b.shows("无需更正")
    b.to_idle()
    assert snapshot(b) == before


# -- why ---------------------------------------------------------------------------------------


def reasons(b):
    from host_tools.bench import wiring
    from host_tools.journal import decode

    journal = decode(bytes(b.rig.flash[wiring.JOURNAL].mem))
    return [note.payload.decode() for note in journal.notes if note.kind == b"C"]


def test_the_reason_is_chosen_from_a_list_or_typed(b):
    stories.sale(b, 100)
    b.press("LAST")
    enter(b, SUPERVISOR)
    stories.void_goes_on(b)
    b.wait_for("原因")
    assert b.shows("金额有误") and b.shows("顾客要求")
    b.press("2")
    stories.sale(b, 200)
    b.press("LAST")
    enter(b, SUPERVISOR)
    stories.void_goes_on(b)
    b.wait_for("原因")
    b.press("5")
    enter(b, "1234")
    stories.sale(b, 300)
    stories.void_last(b)  # nobody says why
    assert reasons(b) == ["reason 00 2", "reason 00 1234", "reason 00 0"]


def test_nobody_is_asked_where_the_merchant_does_not_want_it(make_bench):
    b = signed_on(make_bench(settings={"ask_reason": 0}))
    stories.sale(b, 100)
    stories.void_last(b)
    assert reasons(b) == []


def test_a_void_of_a_card_that_has_expired_meanwhile_still_gives_the_money_back(b):
    # The original is what counts, not the card's state.
    stories.sale(b, 100)
    stories.void_last(b, CARD)
    assert spent(b) == 0 and CARDS["expired"]


# -- the cut-off ----------------------------------------------------------------------------------


def at_clock(b, hour, minute):
    """Let the time pass until then."""
    now = b.clock.now
    then = now.replace(hour=hour, minute=minute, second=0)
    b.clock.advance(((then - now).total_seconds()) % 86400)


@pytest.mark.parametrize("language, promise, refusal, instead", [
    ("zh", "可撤销至 24:00", "已过撤销截止", "请做退货"),
    ("en", "Void until 24:00", "Voids ended", "refund"),
])
def test_what_paper_and_panel_promise_about_a_void_is_kept(
        make_bench, language, promise, refusal, instead):
    b = make_bench(language=language)
    at_clock(b, 23, 30)
    signed_on(b)
    at_clock(b, 23, 56)
    b.swipe(CARD)
    b.press("ENTER")
    enter(b, "1500")
    enter(b, PIN)
    b.wait_for(stories.text(b, "approved"))
    assert b.shows(promise), b.screen()
    stories.finish(b)
    assert promise in b.rig.paper.receipts[-1]
    voided = stories.sale(b, 1600)
    assert stories.void_last(b).original_trace == voided.trace
    at_clock(b, 0, 3)
    b.press("VOID")
    enter(b, SUPERVISOR)
    enter(b, str(b.journal()[0].trace))
    assert b.shows(refusal) and b.shows("00:00"), b.screen()
    assert instead in desk.everything(b)
    b.to_idle()
    # Nothing was sent, and the refund it names is taken.
    assert [e.operation for e in b.trace() if e.direction == ">"].count("void") == 1
    sale = b.journal()[0]
    assert stories.refund(b, sale.rrn, f"{sale.time:%m%d}", 1500).state == "approved"
    ended_well(b)


@pytest.mark.parametrize("cutoff, promise, sold, still, over", [
    (6, "可撤销至 06:00", (23, 56), (5, 50), (6, 5)),
    (24, "结算前可撤销", (23, 56), (9, 0), None),
])
def test_the_cut_off_is_a_parameter_of_both_ends(make_bench, cutoff, promise, sold, still, over):
    host = Acquirer(seed=1, policy=Policy(void_cutoff=cutoff))
    b = make_bench(host=host)
    at_clock(b, 22, 0)
    signed_on(b)
    b.choose("参数下载")  # the host's rule comes with its parameters
    b.to_idle()
    at_clock(b, *sold)
    stories.sale(b, 1500)
    assert promise in b.rig.paper.receipts[-1]
    stories.sale(b, 1700)
    at_clock(b, *still)
    b.to_idle()
    stories.void(b, b.journal()[1].trace)
    if over:
        at_clock(b, *over)
        b.to_idle()
        b.press("VOID")
        enter(b, SUPERVISOR)
        enter(b, str(b.journal()[0].trace))
        assert b.shows("已过撤销截止") and b.shows("06:00"), b.screen()
        b.to_idle()
    assert "12" not in [e.fields.get("39") for e in b.trace() if e.operation == "void"]


def test_the_defaults_of_terminal_and_acquirer_are_the_same():
    assert settings.row("void_cutoff")[2] == Policy().void_cutoff
