"""Sign-on and batches, settlement, batch upload, and what becomes of differences."""

import pytest

from host_tools.acquirer import TestCard
from host_tools.acquirer.cards import luhn_digit
from tests.host.acquirer_kit import CARDS, GOOD, Bank


def day(bank: Bank):
    """Two sales, one voided, one refunded in part, one declined, one reversed: done requests."""
    first, answer = bank.sold(100_00)
    second, _ = bank.sold(20_00, card=CARDS["second"])
    bank.send(bank.pos.void(second))
    void = bank.pos.last
    bank.send(bank.pos.refund(30_00, answer.get("37"), "1122"))
    refund = bank.pos.last
    bank.send(bank.pos.sale(5_00, CARDS["empty"]))
    undone, _ = bank.sold(7_00)
    bank.send(bank.pos.reversal(undone))
    bank.send(bank.pos.balance())
    return first, second, void, refund


def verdict(answer) -> str:
    assert len(answer.get("48")) == 62 and not answer.get("39")
    return answer.get("48")[30] + answer.get("48")[61]


def test_a_balanced_day():
    bank = Bank()
    day(bank)
    answer = bank.send(bank.pos.settle(120_00, 2, 50_00, 2))
    assert verdict(answer) == "11"
    assert answer.get("48")[:30] == "000000012000002000000005000002"
    assert bank.code(bank.pos.end(True, 0)) == "00"
    ledger = bank.ledger()
    assert ledger.batches["00000001", 1] == ("11", True)
    assert not ledger.discrepancies and ledger.balance("suspense") == 0
    assert [item.state for item in ledger.transactions] == [
        "refunded", "voided", "settled", "settled", "declined", "reversed", "approved"]
    assert bank.code(bank.pos.sale(1_00)) == "77", "the batch is closed"
    bank.pos.batch = 2
    assert bank.code(bank.pos.sale(1_00)) == "00"


@pytest.mark.parametrize("totals", [
    (120_01, 2, 50_00, 2), (120_00, 3, 50_00, 2), (120_00, 2, 50_01, 2), (120_00, 2, 50_00, 1),
    (0, 0, 0, 0)])
def test_any_difference_in_totals_is_seen(totals):
    bank = Bank()
    day(bank)
    assert verdict(bank.send(bank.pos.settle(*totals))) == "21"


def test_totals_may_be_compared_again_and_the_last_verdict_counts():
    bank = Bank()
    day(bank)
    assert verdict(bank.send(bank.pos.settle(1, 1, 0, 0))) == "21"
    bank.sold(1_00)
    assert verdict(bank.send(bank.pos.settle(121_00, 3, 50_00, 2))) == "11"
    assert bank.ledger().batches["00000001", 1] == ("11", False)


def test_a_complete_upload_leaves_no_difference():
    bank = Bank()
    first, second, void, refund = day(bank)
    assert verdict(bank.send(bank.pos.settle(0, 0, 0, 0))) == "21"
    details = [(done.trace, done.card.pan, done.amount) for done in (first, second, void)]
    assert bank.code(bank.pos.upload(details[:2])) == "00"
    assert bank.code(bank.pos.upload(details[:2])) == "00", "sent again"
    assert bank.code(bank.pos.upload(details[2:])) == "00"
    assert bank.code(bank.pos.upload_refund(refund)) == "00"
    assert bank.code(bank.pos.end(False, 4)) == "00"
    assert not bank.ledger().discrepancies
    assert bank.ledger().batches["00000001", 1] == ("21", True)


def test_a_refund_uploaded_with_a_new_trace_is_recognised():
    bank = Bank()
    first, second, void, refund = day(bank)
    bank.send(bank.pos.settle(0, 0, 0, 0))
    bank.send(bank.pos.upload([(d.trace, d.card.pan, d.amount) for d in (first, second, void)]))
    bank.send(bank.pos.upload_refund(refund, trace=900))
    bank.send(bank.pos.end(False, 4))
    assert not bank.ledger().discrepancies


def test_differences_are_listed_and_booked_where_they_are_seen():
    bank = Bank(notices=True)
    first, second, void, refund = day(bank)
    bank.send(bank.pos.settle(0, 0, 0, 0))
    merchant = bank.ledger().balance("merchant")
    bank.send(bank.pos.upload([
        (first.trace, GOOD.pan, 101_00),  # another amount
        (second.trace, GOOD.pan, 20_00),  # another card
        (700, GOOD.pan, 9_00),  # never booked
        (refund.trace + 1, CARDS["empty"].pan, 5_00)]))  # declined here
    assert bank.code(bank.pos.end(False, 4)) == "00"
    ledger = bank.ledger()
    found = {(item.trace, item.what, item.claimed, item.booked) for item in ledger.discrepancies}
    assert found == {
        (first.trace, "amount", 101_00, 100_00), (second.trace, "card", 20_00, 20_00),
        (700, "not-booked", 9_00, 0), (refund.trace + 1, "not-booked", 5_00, 0),
        (void.trace, "not-claimed", 0, -20_00), (refund.trace, "not-claimed", 0, -30_00)}
    # The terminal claims 1.00 + 9.00 + 5.00 + 20.00 + 30.00 more than was booked.
    assert ledger.balance("suspense") == 65_00
    assert ledger.balance("merchant") == merchant, "nobody is paid on a claim"
    events = [event for _, event in bank.host.waiting_notices()]
    assert [e["event"] for e in events][-2:] == ["settled", "risk"]
    assert len(events[-1]["differences"]) == 6


def test_everything_missing_is_a_difference():
    bank = Bank()
    sale, _ = bank.sold(1_00)
    bank.send(bank.pos.settle(0, 0, 0, 0))
    bank.send(bank.pos.end(False, 0))
    (item,) = bank.ledger().discrepancies
    assert (item.trace, item.what) == (sale.trace, "not-claimed")
    assert bank.ledger().balance("suspense") == -1_00


def test_foreign_cards_are_counted_apart():
    partial = "400000000000012"
    visa = TestCard("visa", partial + luhn_digit(partial), organisation="VIS")
    bank = Bank()
    bank.host.add_cards([visa])
    bank.sold(3_00)
    foreign, _ = bank.sold(4_00, card=visa)
    message = bank.pos.settle(
        3_00, 1, 0, 0, f48="0000000003000010000000000000000" + "0000000004000010000000000000000")
    assert verdict(bank.send(message)) == "11"
    assert verdict(bank.send(bank.pos.settle(3_00, 1, 0, 0))) == "12"
    assert verdict(bank.send(bank.pos.settle(7_00, 2, 0, 0))) == "22"
    bank.send(bank.pos.settle(3_00, 1, 0, 0))
    # Only the group that differed is uploaded; the other one is not missing.
    bank.send(bank.pos.upload([(foreign.trace, visa.pan, 4_00)]))
    bank.send(bank.pos.end(False, 1))
    assert not bank.ledger().discrepancies


def test_an_end_that_was_not_answered_may_be_sent_again():
    bank = Bank()
    bank.sold(1_00)
    bank.send(bank.pos.settle(1_00, 1, 0, 0))
    assert [bank.code(bank.pos.end(True, 0)) for _ in range(2)] == ["00", "00"]
    assert verdict(bank.send(bank.pos.settle(1_00, 1, 0, 0))) == "11", "the old batch still adds up"
    assert bank.code(bank.pos.upload([(2, GOOD.pan, 1_00)])) == "00", "too late, but harmless"
    assert not bank.ledger().discrepancies


@pytest.mark.parametrize("fields", [
    {"f48": "0" * 61}, {"f48": ""}, {"f48": "1"}])
def test_a_settlement_without_totals_is_refused(fields):
    bank = Bank()
    assert bank.send(bank.pos.settle(0, 0, 0, 0, **fields)).get("39") == "30"


@pytest.mark.parametrize("f48", ["", "01", "02" + "0" * 40, "01" + "0" * 41, "00" * 20])
def test_damaged_details_are_refused(f48):
    bank = Bank()
    assert bank.code(bank.pos.upload([], f48=f48)) == "30"


def test_a_settlement_of_an_unknown_batch_is_an_error():
    bank = Bank()
    bank.sold(1_00)
    bank.pos.batch = 7
    assert verdict(bank.send(bank.pos.settle(1_00, 1, 0, 0))) == "33"
    assert bank.code(bank.pos.upload([(2, GOOD.pan, 1_00)])) == "77"
    assert bank.code(bank.pos.end(True, 0)) == "77"
    bank.pos.batch = 1
    assert verdict(bank.send(bank.pos.settle(1_00, 1, 0, 0))) == "11"


def test_nothing_of_a_settled_batch_can_be_voided_or_reversed_but_refunded():
    bank = Bank()
    sale, answer = bank.sold(1_00)
    bank.send(bank.pos.settle(1_00, 1, 0, 0))
    bank.send(bank.pos.end(True, 0))
    bank.pos.batch = 2
    assert bank.code(bank.pos.void(sale)) == "12"
    assert bank.code(bank.pos.reversal(sale)) == "12"
    assert bank.code(bank.pos.refund(1_00, answer.get("37"), "1122")) == "00"
    assert bank.ledger().transactions[0].state == "refunded"


# Which batch


def test_a_host_with_empty_books_takes_the_terminals_batch():
    bank = Bank(signed_on=False)
    bank.pos.batch = 41
    assert bank.sign_on(bank.pos).batch == 41
    assert bank.code(bank.pos.sale(1_00)) == "00"


def test_a_host_with_open_transactions_keeps_its_batch():
    bank = Bank()
    bank.sold(1_00)
    bank.pos.batch = 41
    assert bank.sign_on(bank.pos).batch == 1
    bank.pos.batch = 0
    assert bank.sign_on(bank.pos).batch == 1


def test_a_settled_batch_number_is_not_taken_again():
    bank = Bank()
    bank.sold(1_00)
    bank.send(bank.pos.settle(1_00, 1, 0, 0))
    bank.send(bank.pos.end(True, 0))
    bank.pos.batch = 1
    assert bank.sign_on(bank.pos).batch == 2


def test_the_next_batch_closes_a_balanced_one_whose_end_was_never_sent():
    bank = Bank()
    bank.sold(1_00)
    bank.send(bank.pos.settle(1_00, 1, 0, 0))
    bank.pos.batch = 2
    assert bank.sign_on(bank.pos).batch == 2
    assert bank.ledger().transactions[0].state == "settled"
    bank.sold(1_00)
    bank.send(bank.pos.settle(9_99, 1, 0, 0))
    bank.pos.batch = 3
    assert bank.sign_on(bank.pos).batch == 2, "not an unbalanced one"


def test_batch_999999_is_followed_by_1():
    bank = Bank(signed_on=False)
    bank.pos.batch = 999_999
    bank.sign_on(bank.pos)
    bank.sold(1_00)
    bank.send(bank.pos.settle(1_00, 1, 0, 0))
    bank.send(bank.pos.end(True, 0))
    assert bank.sign_on(bank.pos).batch == 1


def test_every_sign_on_brings_new_keys_and_the_seed_repeats_them():
    first, second = Bank(signed_on=False), Bank(signed_on=False)
    keys = [bank.sign_on(bank.pos).get("62") for bank in (first, second) for _ in range(2)]
    assert keys[0] != keys[1] and keys[:2] == keys[2:]
    from host_tools.acquirer import Acquirer

    free = [Acquirer(), Acquirer()]
    texts = {bank.handle(first.pos.sign_on(), first.now)[0].message[-40:] for bank in free}
    assert len(texts) == 2


def test_a_sign_on_with_unknown_keys_is_refused():
    bank = Bank()
    assert bank.code(bank.pos.sign_on("005")) == "40"
    assert bank.code(bank.pos.sale(1_00)) == "00", "the old keys stay"


def test_totals_are_looked_at_again_when_a_balanced_batch_shall_end():
    bank = Bank()
    _, answer = bank.sold(100_00)
    assert verdict(bank.send(bank.pos.settle(100_00, 1, 0, 0))) == "11"
    # A refund that was on its way is booked now: the batch is not what was compared.
    assert bank.code(bank.pos.refund(10_00, answer.get("37"), "1122")) == "00"
    assert bank.code(bank.pos.end(True, 1)) == "95", "closed over other totals"
    assert "never compared" not in bank.why() and bank.ledger().batches["00000001", 1][1] is False
    assert verdict(bank.send(bank.pos.settle(100_00, 1, 10_00, 1))) == "11"
    assert bank.code(bank.pos.end(True, 2)) == "00"
    assert bank.code(bank.pos.end(True, 2)) == "00", "the same end again"
    assert bank.ledger().batches["00000001", 1] == ("11", True)
    assert not bank.ledger().discrepancies


def test_a_balanced_end_without_a_balanced_comparison_is_refused():
    bank = Bank()
    bank.sold(100_00)
    assert bank.code(bank.pos.end(True, 1)) == "95" and "never compared" in bank.why()
    assert verdict(bank.send(bank.pos.settle(1, 1, 0, 0))) == "21"
    assert bank.code(bank.pos.end(True, 1)) == "95"


def test_what_changes_during_an_upload_is_a_difference():
    bank = Bank()
    sale, answer = bank.sold(100_00)
    assert verdict(bank.send(bank.pos.settle(100_00, 1, 0, 0))) == "11"
    bank.send(bank.pos.refund(10_00, answer.get("37"), "1122"))
    assert bank.code(bank.pos.upload([(sale.trace, GOOD.pan, 100_00)])) == "00"
    assert bank.code(bank.pos.end(False, 1)) == "00"
    assert [(d.what, d.booked) for d in bank.ledger().discrepancies] == [("not-claimed", -10_00)]


def test_a_terminal_that_counts_anew_gets_a_new_batch():
    bank = Bank(notices=True)
    for _ in range(3):
        bank.sold(50_00)
    old = bank.pos.last
    replaced = type(bank.pos)()
    answer = bank.sign_on(replaced)
    assert answer.get("60")[2:8] == "000002" and replaced.batch == 2
    bank.pos = replaced
    for _ in range(3):  # the same traces as before
        bank.sold(50_00)
    # The reply of the last one is lost: its reversal takes back that one, not the old one.
    assert replaced.last.trace == old.trace
    assert bank.code(replaced.reversal(replaced.last)) == "00"
    ledger = bank.ledger()
    assert ledger.find(old.trace, batch=1).state == "settled"
    assert ledger.find(old.trace, batch=2).state == "reversed"
    assert ledger.balance("merchant") == 250_00
    assert ledger.batches["00000001", 1] == ("22", True)
    told = [event for _, event in bank.host.waiting_notices() if event["event"] == "risk"]
    assert [(event["reason"], event["closed_batch"]) for event in told] == [
        ("terminal counts anew", 1)]


def test_a_terminal_that_counts_on_keeps_its_batch_over_the_wrap_of_the_trace():
    bank = Bank()
    bank.pos.trace = 999_997
    assert bank.sign_on(bank.pos).batch == 1
    for _ in range(4):
        bank.sold(1_00)
    assert bank.pos.trace < 10
    assert bank.sign_on(bank.pos).batch == 1
    assert bank.sign_on(bank.pos).batch == 1
