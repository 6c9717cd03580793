"""Whole terminals through keys and pixels: the plain trading day. Money checked at both ends."""

import pytest

from host_tools.bench import stories

CARD = stories.CARD


def merchant(bench):
    ledger = bench.host.ledger()
    ledger.check()
    return ledger.balance("merchant")


def test_sign_on_brings_the_idle_screen(bench):
    bench.power_on()
    assert bench.shows("操作员号")
    bench.sign_on(operator="01", password="0000")
    assert bench.shows("请刷卡")


@pytest.mark.pico
def test_a_sale_is_journalled_booked_and_printed_twice(b):
    before = b.host.ledger().balance(CARD)
    txn = stories.sale(b, 12345)
    assert (txn.kind, txn.amount, txn.state) == ("sale", 12345, "approved")
    assert txn.masked_pan == "622202*********0128"
    assert merchant(b) > 0 and b.host.ledger().balance(CARD) == before - 12345
    booked = b.host.ledger().find(txn.trace)
    assert (booked.amount, booked.rrn, booked.state) == (12345, txn.rrn, "approved")
    slips = b.rig.paper.receipts
    assert len(slips) == 2
    for slip in slips:
        assert "123.45" in slip and txn.rrn in slip and "622202*********0128" in slip
        assert CARD not in slip
    assert "商户存根" in slips[0] and "签名" in slips[0]
    assert "持卡人存根" in slips[1] and "签名" not in slips[1]


def test_void_last_gives_the_money_back(b):
    before = b.host.ledger().balance(CARD)
    sale = stories.sale(b, 5000)
    void = stories.void_last(b)
    assert (void.kind, void.amount, void.original_trace) == ("void", 5000, sale.trace)
    assert [t.state for t in b.journal()[-2:]] == ["voided", "approved"]
    assert b.host.ledger().balance(CARD) == before
    b.host.ledger().check()


def test_void_by_voucher_number_takes_the_older_one(b):
    first = stories.sale(b, 1000)
    second = stories.sale(b, 2000)
    stories.void(b, first.trace)
    states = {t.trace: t.state for t in b.journal()}
    assert states[first.trace] == "voided" and states[second.trace] == "approved"


@pytest.mark.pico
def test_refund_after_settlement(b):
    sale = stories.sale(b, 8000)
    stories.settle(b)
    refund = stories.refund(b, sale.rrn, f"{b.clock.now:%m%d}", 3000)
    assert (refund.kind, refund.state, refund.amount) == ("refund", "approved", 3000)
    assert b.host.ledger().balance(CARD) == 1_000_000 - 5000
    b.host.ledger().check()


def test_settlement_closes_the_batch_on_both_sides(b):
    stories.sale(b, 1000)
    stories.sale(b, 2000)
    batch = b.journal()[-1].batch
    stories.settle(b)
    assert all(t.state == "settled" for t in b.journal() if t.batch == batch)
    assert "对账平" in b.paper() and "30.00" in b.paper()
    after = stories.sale(b, 500)
    assert after.batch == batch + 1
