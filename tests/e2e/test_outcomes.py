"""What the panel says of money when a message about an old transaction fails, against the books.

The start states hold a transaction that is open here and booked at the acquirer. Whatever becomes
of a query, of a reversal or of the next sale: nobody may be told that nothing was charged.
"""

import pytest

from host_tools.bench import stories
from tests.e2e.kit import ended_well, pick, spent, states, word

# Sentences that would be lies here, in both languages.
LIES = ("没有扣款", "款项未动", "没有退款", "没退款", "没办成", "othing charged", "o money moved",
        "othing refunded", "ot refunded", "no charge", "othing was")
FAULTS = {
    "line cut": None,
    "silent": {"drop": True},
    "never arrives": {"drop_request": True},
    "wrong MAC": {"wrong_mac": True},
    "garbled": {"garble": True},
    "96": {"code": "96"},
    "A0": {"code": "A0"},
    "77": {"code": "77"},
    "40": {"code": "40"},
    "51": {"code": "51"},
    "ZZ": {"code": "ZZ"},
}
STARTS = ("pending-reversal", "late-approval", "refund-unknown")
STEPS = {"query": "step_query", "reversal": "step_reverse"}
CASES = [(start, step, fault, "zh") for start in STARTS for step in STEPS for fault in FAULTS
         if (start, step) != ("refund-unknown", "reversal")]  # a refund is never reversed
CASES += [(start, step, fault, "en") for start, step, fault, _ in CASES
          if fault in ("line cut", "silent", "96", "A0", "40")]


def seen(b):
    """The whole message on the panel in one line, and that it hides nothing behind an edge."""
    text = ("" if b.language == "zh" else " ").join(row for row in b.read() if row)
    return text.replace(",", "").replace("，", "") if b.language == "zh" else text


def plain(b, name):
    text = word(b, name)
    return text.replace(",", "").replace("，", "") if b.language == "zh" else text


def begin(b, fault, rule):
    if FAULTS[fault] is None:
        b.line.cut()
    else:
        b.host.rule(rule, times=None, **FAULTS[fault])


def opened(b):
    b.choose(word(b, "unfinished"))
    b.press("ENTER", "ENTER")


def told(b):
    """The message that ends the step, when it is there."""
    b.wait_until(lambda: b.screen()[0][-1:] == "↓" and b.screen()[1][:1] != "1", timeout=400)
    return seen(b)


@pytest.mark.parametrize(("start", "step", "fault", "language"), CASES)
def test_a_failed_message_about_an_old_transaction(make_bench, start, step, fault, language):
    b = make_bench(state=start, language=language)
    before = states(b)
    sale = next(t for t in b.journal() if t.state in ("reversal_due", "unknown"))
    begin(b, fault, "query" if step == "query" else "reversal")
    opened(b)
    pick(b, word(b, STEPS[step]))
    if step == "query" and fault == "40":
        b.wait_until(lambda: b.shows(plain(b, "host_no_query_sale").split("\n")[0][:16].rstrip()),
                     timeout=100)
        assert not any(lie in seen(b) for lie in LIES), b.screen()
        return
    text = told(b)
    assert not any(lie in text for lie in LIES), text
    kind = "refund" if sale.kind == "refund" else "sale"
    assert plain(b, f"there_{kind}_unsure") in text, text
    assert f"{sale.trace:06d}" in text and f"{sale.amount // 100}.00" in text, text
    safe = "safe_no_refund" if kind == "refund" else "safe_no_sale"
    assert plain(b, safe) in text, text
    # It is open here and booked there, as before.
    assert states(b) == before
    if step == "query" or fault not in ("silent", "wrong MAC", "garbled"):
        assert b.host.ledger().find(sale.trace).state == "approved"


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("fault", ["line cut", "silent", "96"])
@pytest.mark.parametrize("start", ["pending-reversal", "late-approval"])
def test_a_new_sale_that_waits_for_the_old_one(make_bench, start, fault, language):
    b = make_bench(state=start, language=language)
    before = states(b)
    old = b.journal()[-1]
    begin(b, fault, "reversal")
    stories.sale(b, 123, pan=stories.SECOND_CARD, wait=False)
    text = told(b)
    assert plain(b, "new_not_sent") in text and plain(b, "old_not_reversed") in text, text
    assert not any(lie in text for lie in LIES), text
    assert f"{old.trace:06d}" in text and plain(b, "there_sale_unsure") in text
    assert states(b) == before
    if fault != "silent":
        assert b.host.ledger().find(old.trace).state == "approved"
    b.to_idle()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_sign_on_that_fails_says_nothing_of_money(make_bench, language):
    b = make_bench(state="pending-reversal", language=language)
    b.line.cut()
    b.choose(word(b, "sign_on"))
    b.wait_until(lambda: b.shows(word(b, "cause_is")) or b.screen()[0][-1:] == "↓", timeout=60)
    text = seen(b)
    assert not any(lie in text for lie in LIES) and "扣" not in text and "harged" not in text, text


@pytest.mark.parametrize(("code", "zh"), [
    ("96", "过几分钟再试"), ("A0", "请重新签到后再做"), ("77", "请重新签到后再做"),
])
def test_a_host_that_is_ill_is_not_taken_for_one_without_queries(make_bench, code, zh):
    b = make_bench(state="pending-reversal")
    b.host.rule("query", code=code)
    opened(b)
    pick(b, "查询主机")
    text = told(b)
    assert zh in text and f"应答码{code}" in text.replace(" ", "") and "不支持" not in text, text


def test_a_demand_in_the_reply_to_a_reversal_is_obeyed_before_the_next_sale(make_bench):
    b = make_bench(state="pending-reversal")
    b.host.rule("reversal", demand=3)
    stories.sale(b, 700, wait=False)
    b.wait_for("请先签到", timeout=60)
    assert b.shows("本次交易未发送")
    b.wait_for("按任意键签到", timeout=60)
    assert states(b) == [("sale", "reversed")] and spent(b) == 0
    b.sign_on()
    stories.sale(b, 700)
    ended_well(b)


def test_a_demand_in_a_reversal_that_went_by_itself_is_obeyed_at_once(make_bench):
    b = make_bench(state="pending-reversal")
    b.host.rule("reversal", demand=3)
    b.clock.advance(320)
    assert states(b) == [("sale", "reversed")]
    assert b.shows("按任意键签到"), b.screen()


def test_what_was_approved_and_doubted_stands_on_the_slip(make_bench):
    b = make_bench(state="pending-reversal")
    b.host.rule("sale", code="A2")
    stories.sale(b, 700)
    for slip in b.receipts()[-2:]:
        assert "请向发卡行确认" in slip


def test_the_approval_of_a_void_and_a_refund_says_what_was_done(make_bench):
    b = make_bench()
    b.power_on()
    b.sign_on()
    sale = stories.sale(b, 500)
    stories.refund(b, sale.rrn, f"{b.clock.now:%m%d}", 100, wait=False)
    b.wait_for("交易成功")
    assert b.shows("已退货") and not b.shows("不可撤销")
    b.to_idle()
