"""Refunds without an answer at settlement: a card never gets its money twice, nobody is told more
than the closed batch proves."""

import pytest

from host_tools.bench import stories
from tests.e2e import desk
from tests.e2e.desk import log_in
from tests.e2e.kit import ended_well, pick, press_until, spent
from tests.e2e.test_settle import agree, begin, operations


def sold_and_refunding(b, what="request", seconds=0.0):
    """A sale of 80.00 and a refund of 10.00 of it that gets no answer: its request (or reply) is
    lost, or comes ``seconds`` late."""
    sale = stories.sale(b, 8000)
    if seconds:
        b.line.delay_next(what, seconds)
    else:
        b.line.drop_next(what)
    stories.refund(b, sale.rrn, f"{b.clock.now:%m%d}", 1000, wait=False)
    b.wait_until(lambda: b.journal()[-1].state == "unknown", 120, "no answer")
    b.to_idle()
    return sale


def refunds(b):
    """分 the host has refunded."""
    return sum(t.amount for t in b.host.ledger().transactions
               if t.kind == "refund" and t.state in ("approved", "settled"))


def settled(b):
    """Over the totals to the end of the settlement, whatever it says on the way."""
    begin(b)
    to_the_end(b)


def to_the_end(b):
    b.wait_until(lambda: b.shows("打印交易明细?") or b.shows("Print details?"), timeout=200)
    b.press("CANCEL")
    b.to_idle()


def test_a_refund_that_is_still_on_its_way_is_not_absent_while_the_batch_is_open(make_bench):
    # (a) its request is delayed by 90 s; the totals are compared before it comes.
    b = make_bench()
    b.power_on()
    b.sign_on()
    sold_and_refunding(b, "request", 90)
    b.host.rule("upload-end", delay=40)
    begin(b)
    b.wait_until(lambda: operations(b)[-1] == "upload-end", timeout=60)
    assert b.journal()[-1].state == "unknown", "nothing is proven before the batch is closed"
    to_the_end(b)
    assert refunds(b) in (0, 1000)
    state = b.journal()[-1].state
    assert state == ("settled" if refunds(b) else "absent"), state
    b.clock.advance(120)  # a request that comes now is refused: the batch is closed
    assert state == ("settled" if refunds(b) else "absent"), state
    agree(b)


@pytest.mark.parametrize("at", range(8))
def test_power_fails_while_it_is_on_its_way(make_bench, at):
    b = make_bench()
    b.power_on()
    b.sign_on()
    sale = sold_and_refunding(b, "request", 90)
    b.power_cut(at_flash_op=at)
    begin(b)
    b.wait_until(lambda: not b.powered or b.shows("打印交易明细?"), timeout=200)
    if b.powered:
        b.press("CANCEL")
    else:
        b.clock.advance(100)  # it arrives meanwhile
        b.power_on()
        log_in(b)
        for _ in range(6):
            if b.shows("按任意键") or b.shows("结算单未打印"):
                b.press("CANCEL" if b.shows("结算单") else "ENTER")
            b.clock.advance(5)
            if b.shows("打印交易明细?"):
                b.press("CANCEL")
    b.to_idle()
    refund = b.journal()[-1]
    if refund.state == "absent":
        # Only then may it be done again.
        assert refunds(b) == 0
        stories.refund(b, sale.rrn, f"{b.clock.now:%m%d}", 1000)
    elif refund.state == "unknown":
        settled(b)
    b.clock.advance(200)
    assert refunds(b) == 1000
    assert spent(b) == 7000


@pytest.mark.parametrize("lost", ["drop", "drop_request"])
def test_the_end_goes_unanswered_once_and_the_refund_comes_meanwhile(make_bench, lost):
    # (b) the totals agreed without it; it is booked before the end is asked for again.
    b = make_bench(settings={"reply_seconds": 10})
    b.power_on()
    b.sign_on()
    sold_and_refunding(b, "request", 40)
    b.host.rule("upload-end", **{lost: True})
    begin(b)
    b.wait_for("按任意键继续", timeout=100)
    b.clock.advance(60)
    b.press("ENTER")
    to_the_end(b)
    slip = next(slip for slip in reversed(b.rig.paper.receipts) if "结算总计单" in slip)
    state = b.journal()[-1].state
    if refunds(b):
        assert state == "settled" and "退货 REFUND      1         10.00" in slip, slip
    else:
        assert state == "absent" and "退货 REFUND      0          0.00" in slip, slip
    assert "对账平" in slip
    agree(b)


def test_totals_that_contradict_the_verdict_prove_nothing(make_bench):
    # (c) the host says 不平, and its 0510 repeats the terminal's totals.
    b = make_bench()
    b.power_on()
    b.sign_on()
    sale = sold_and_refunding(b, "reply")
    ours = f"{8000:012d}001{0:012d}0002" + "0" * 30 + "1"
    b.host.rule("settlement", wrong_field=(48, ours), times=None)
    begin(b)
    b.wait_for("对账不平", timeout=100)
    assert b.shows("未计入退货1笔") or b.shows("退货")
    to_the_end(b)
    assert b.journal()[-1].state == "unknown" and b.shows("未完成交易: 1")
    slip = next(slip for slip in reversed(b.rig.paper.receipts) if "结算总计单" in slip)
    assert "对账不平" in slip and "退货未知" in slip and "10.00" in slip and "未计入合计" in slip
    # It is not done again blindly; the host knows it.
    b.press("REFUND")
    b.type(stories.SUPERVISOR)
    b.press("ENTER")
    b.swipe(stories.CARD)
    b.press("ENTER")
    b.type(sale.rrn)
    b.press("ENTER")
    assert b.shows("结果未知")
    b.to_idle()
    b.host.clear_rules()
    b.choose("未完成交易")
    b.press("ENTER")
    press_until(b, "DOWN", "查询", most=12)
    b.to_idle()
    assert refunds(b) == 1000


def test_a_status_query_under_a_mac_is_proof_while_the_batch_is_open(make_bench):
    b = make_bench()
    b.power_on()
    b.sign_on()
    sold_and_refunding(b, "request")
    b.choose("未完成交易")
    b.press("ENTER", "ENTER")
    b.press("1")  # query
    b.wait_for("没有", timeout=30)
    b.to_idle()
    assert b.journal()[-1].state == "absent" and refunds(b) == 0
    settled(b)
    ended_well(b)


@pytest.mark.parametrize("language, left, verdict", [
    ("zh", "未计入退货1笔", "对账不平"), ("en", "Unknown ref. 1", "Totals differ")])
def test_what_was_left_out_is_said_with_the_totals_and_at_the_end(
        make_bench, language, left, verdict):
    b = make_bench(language=language)
    b.power_on()
    b.sign_on()
    sold_and_refunding(b, "reply")
    b.host.rule("settlement", verdict="2", wrong_field=(48, "0" * 30 + "2" + "0" * 30 + "1"),
                times=None)
    b.choose(stories.text(b, "settle"))
    b.press("ENTER")
    rows = desk.everything(b)
    assert left in rows and "10.00" in rows, rows
    b.press("ENTER")
    b.wait_for(verdict, timeout=100)
    assert b.shows(left), b.screen()
    assert not b.shows("结算成功")
    to_the_end(b)
    assert b.journal()[-1].state == "unknown"


def test_a_refund_given_up_on_is_not_taken_for_another_one(make_bench):
    # Two refunds of one amount; a person gives up on the one that is booked. The totals show one
    # refund more: which of the two it is cannot be told.
    b = make_bench()
    b.power_on()
    b.sign_on()
    first = sold_and_refunding(b, "reply")
    b.line.cut()
    b.choose("未完成交易")
    b.press("ENTER")
    press_until(b, "ENTER", "查询主机", most=12)
    pick(b, "查询主机")
    b.wait_for("线路不通", timeout=30)
    press_until(b, "ENTER", "查询主机", most=12)
    pick(b, "人工解除")
    desk.key_in(b, "123456")
    b.press("1")
    press_until(b, "ENTER", "正在打印", "已解除")
    b.to_idle()
    assert b.journal()[-1].state == "released"
    b.line.restore()
    sale = stories.sale(b, 8000)
    assert sale.rrn != first.rrn
    b.line.drop_next("request")
    stories.refund(b, sale.rrn, f"{b.clock.now:%m%d}", 1000, wait=False)
    b.wait_until(lambda: b.journal()[-1].state == "unknown", 120, "no answer")
    b.to_idle()
    settled(b)
    assert [t.state for t in b.journal() if t.kind == "refund"] == ["released", "unknown"]
    assert refunds(b) == 1000


def test_a_code_95_in_place_of_totals_leads_to_the_upload(make_bench):
    b = make_bench()
    b.power_on()
    b.sign_on()
    stories.sale(b, 8000)
    b.host.rule("settlement", code="95")
    begin(b)
    b.wait_for("对账不平", timeout=60)
    to_the_end(b)
    assert operations(b)[-3:] == ["settlement", "upload", "upload-end"]
    agree(b)
