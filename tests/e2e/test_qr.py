"""Payment codes (扫码付款): sale, void and refund without a card, at both ends and on paper."""

import pytest

from host_tools.acquirer.cards import TEST_CARDS, payment_code
from host_tools.bench import stories
from tests.e2e.kit import (
    CARD,
    SUPERVISOR,
    ended_well,
    enter,
    snapshot,
    spent,
    states,
)

WALLETS = {card.name: card for card in TEST_CARDS}
CODE = payment_code(WALLETS["good"], 1)
OTHER = payment_code(WALLETS["good"], 2)


def today(b):
    return f"{b.clock.now:%m%d}"


def requests(b, operation):
    return [e for e in b.trace() if e.operation == operation and e.direction == ">"]


def refund_by_code(b, rrn, amount):
    """扫码退货 up to its result."""
    b.choose("扫码退货")
    for digits in (SUPERVISOR, rrn, today(b), str(amount), ""):
        enter(b, digits)


def void(b, trace):
    """Void a sale by code: nothing to swipe, no PIN."""
    b.press("VOID")
    for digits in (SUPERVISOR, str(trace), ""):
        enter(b, digits)
    b.wait_for("交易成功")
    b.to_idle()


def test_a_scan_on_the_idle_screen_begins_a_sale(b):
    b.scan(CODE)
    assert b.shows("付款码") and b.shows("629990****0012")
    b.press("ENTER")
    assert b.shows("请输入金额")
    enter(b, "1500")
    b.wait_for("交易成功")  # no PIN is asked for
    b.wait_for("请撕纸")
    b.to_idle()
    (txn,) = b.journal()
    assert (txn.kind, txn.state, txn.entry, txn.amount) == ("sale", "approved", "032", 1500)
    assert not txn.has_pan and spent(b) == 1500
    slip = b.receipts()[0]
    assert "629990********0012 /Q" in slip and "15.00" in slip and CODE not in b.paper()
    ended_well(b)


@pytest.mark.parametrize("way", ["menu", "keyed", "card prompt"])
def test_other_ways_to_give_the_code(b, way):
    b.choose("消费" if way == "card prompt" else "扫码付款")
    if way == "keyed":
        b.type("12345")
        b.press("CLEAR")
        enter(b, CODE)
    else:
        b.scan(CODE)
    b.press("ENTER")
    enter(b, "1500")
    b.wait_for("交易成功")
    b.to_idle()
    assert b.journal()[0].entry == "032" and spent(b) == 1500
    ended_well(b)


def test_the_code_is_in_no_flash_no_log_and_no_trace(b):
    b.line.drop_next("reply")
    stories.sale_by_code(b, 1500, CODE, wait=False)
    b.clock.advance(62)
    b.to_idle()
    for nor in b.rig.flash:
        assert CODE.encode() not in bytes(nor.mem)
        assert bytes.fromhex(CODE) not in bytes(nor.mem)
    if b.log.exists():
        assert CODE.encode() not in b.log.read_bytes()
    assert CODE not in "\n".join(entry.text() for entry in b.trace())


def test_the_message_has_the_code_and_no_card(b):
    stories.sale_by_code(b, 1500, CODE)
    (request,) = requests(b, "sale")
    assert request.fields["22"].startswith("032") and "62" in request.fields
    assert not {"2", "14", "35", "52", "53", "26"} & set(request.fields)


@pytest.mark.parametrize("text", ["12345", "1" * 17, "2" * 19, "https://pay.example/x"])
def test_what_is_no_payment_code_is_refused_at_the_counter(b, text):
    b.scan(text)
    assert b.shows("不是付款码")
    b.scan(CODE)  # the next scan is taken at once
    assert b.shows("629990****0012")
    b.to_idle()
    assert b.journal() == [] and not requests(b, "sale")


def test_a_code_is_good_for_one_payment(b):
    stories.sale_by_code(b, 1500, CODE)
    stories.sale_by_code(b, 1600, CODE, wait=False)
    b.wait_until(lambda: b.journal()[-1].state == "declined")
    b.press("ENTER")
    assert b.shows("重新扫码")
    b.press("2")
    b.scan(OTHER)
    b.press("ENTER")
    b.wait_for("交易成功")  # the amount was not keyed again
    b.to_idle()
    assert [t.amount for t in b.journal()] == [1500, 1600, 1600] and spent(b) == 3100
    ended_well(b)


def test_a_wallet_with_too_little_leads_on_to_a_card(b):
    stories.sale_by_code(b, 5000, payment_code(WALLETS["low"], 1), wait=False)
    b.wait_for("余额不足")
    b.press("ENTER")
    assert b.shows("应付 50.00") and b.shows("1换卡") and b.shows("2重新扫码")
    b.press("1")
    b.swipe(CARD)
    b.press("ENTER")
    enter(b, "123456")
    b.wait_for("交易成功")
    b.to_idle()
    assert states(b) == [("sale", "declined"), ("sale", "approved")] and spent(b) == 5000
    ended_well(b)


def test_it_is_voided_without_card_and_pin(b):
    sale = stories.sale_by_code(b, 1500, CODE)
    void(b, sale.trace)
    assert states(b) == [("sale", "voided"), ("void", "approved")] and spent(b) == 0
    (request,) = requests(b, "void")
    assert request.fields["22"].startswith("032")
    assert not {"2", "35", "52", "62"} & set(request.fields)
    assert b.journal()[1].supervisor == 0
    ended_well(b)


def test_it_is_refunded_by_reference_number_in_parts(b):
    sale = stories.sale_by_code(b, 5000, CODE)
    stories.settle(b)
    for amount in (2000, 3000):
        refund_by_code(b, sale.rrn, amount)
        b.wait_for("交易成功")
        b.to_idle()
    assert [t.state for t in b.journal()][-2:] == ["approved", "approved"] and spent(b) == 0
    before = snapshot(b)
    b.choose("扫码退货")
    for digits in (SUPERVISOR, sale.rrn, today(b), "1"):
        enter(b, digits)
    assert b.shows("超退货额度")
    b.to_idle()
    assert snapshot(b) == before
    ended_well(b)


def test_card_and_code_are_not_mixed_up(b):
    by_code = stories.sale_by_code(b, 5000, CODE)
    by_card = stories.sale(b, 6000)
    before = snapshot(b)
    b.choose("扫码退货")
    enter(b, SUPERVISOR)
    enter(b, by_card.rrn)
    assert b.shows("原交易是刷卡")
    b.to_idle()
    b.press("REFUND")
    enter(b, SUPERVISOR)
    b.swipe(CARD)
    b.press("ENTER")
    enter(b, by_code.rrn)
    assert b.shows("原交易是扫码")
    b.to_idle()
    assert snapshot(b) == before


def test_without_an_answer_it_is_reversed(b):
    b.line.drop_next("reply")
    stories.sale_by_code(b, 1500, CODE, wait=False)
    b.clock.advance(62)
    b.to_idle()
    assert states(b) == [("sale", "reversal_due")] and spent(b) == 1500
    stories.sale(b, 700)
    (request,) = requests(b, "sale-reversal")
    assert request.fields["22"].startswith("032") and not {"2", "62"} & set(request.fields)
    assert states(b) == [("sale", "reversed"), ("sale", "approved")] and spent(b) == 700
    ended_well(b)


def test_a_void_of_it_without_an_answer_lets_it_stand_again(b):
    sale = stories.sale_by_code(b, 1500, CODE)
    b.line.drop_next("reply")
    b.press("VOID")
    for digits in (SUPERVISOR, str(sale.trace), ""):
        enter(b, digits)
    b.clock.advance(62)
    b.to_idle()
    stories.sale(b, 700)
    assert states(b)[:2] == [("sale", "approved"), ("void", "reversed")] and spent(b) == 2200
    void(b, sale.trace)
    assert spent(b) == 700
    ended_well(b)


def test_the_batch_agrees_and_can_be_uploaded(b):
    sale = stories.sale_by_code(b, 5000, CODE)
    stories.sale(b, 6000)
    void(b, stories.sale_by_code(b, 1500, OTHER).trace)
    refund_by_code(b, sale.rrn, 1000)
    b.wait_for("交易成功")
    b.to_idle()
    b.host.rule("settlement", verdict="2")  # "not equal": everything is sent up
    stories.settle(b)
    assert requests(b, "upload") and requests(b, "upload-refund")
    ledger = b.host.ledger()
    ledger.check()
    assert ledger.discrepancies == [] and spent(b) == 10000
