"""Payment codes (扫码付款) at the acquirer: each good for one payment, undone without a card."""

import pytest

from host_tools.acquirer.cards import is_payment_code, payment_code
from tests.host.acquirer_kit import CARDS, GOOD, Bank

NO_CARD = {"f2": "", "f35": "", "f22": "032"}


def coded(code: str) -> dict[str, str]:
    return {**NO_CARD, "f62": code.encode().hex().upper()}


def paid(bank: Bank, amount: int, serial: int = 1):
    answer = bank.send(bank.pos.sale(amount, pin="", **coded(payment_code(GOOD, serial))))
    assert answer is not None and answer.get("39") == "00", bank.why()
    return bank.pos.last, answer


def test_a_code_pays_from_the_wallet_and_only_once():
    bank = Bank()
    code = payment_code(GOOD, 7)
    assert len(code) == 18 and is_payment_code(code) and not is_payment_code(code[:-1] + "x")
    paid(bank, 500, 7)
    assert bank.ledger().balance("good") == GOOD.balance - 500
    assert bank.ledger().transactions[-1].masked_pan == code[:6] + "********" + code[-4:]
    assert bank.code(bank.pos.sale(500, pin="", **coded(code))) == "14"
    assert "has been used" in bank.why()
    assert bank.ledger().balance("good") == GOOD.balance - 500


def test_the_codes_of_all_wallets_differ():
    codes = {payment_code(card, 1) for card in CARDS.values()}
    assert len(codes) == len(CARDS)


@pytest.mark.parametrize("code", ["", "123", "629990120000000010", "6" * 18, "1" * 18])
def test_what_is_no_test_wallets_code_is_refused(code):
    bank = Bank()
    assert bank.code(bank.pos.sale(500, pin="", **coded(code))) == ("14" if code else "30")
    assert bank.ledger().balance("good") == GOOD.balance


def test_the_wallets_card_still_decides():
    bank = Bank()
    assert bank.code(bank.pos.sale(5000, pin="", **coded(payment_code(CARDS["low"])))) == "51"
    assert bank.code(bank.pos.sale(5000, pin="", **coded(payment_code(CARDS["lost"])))) == "41"


def test_a_void_needs_no_card_and_must_name_a_sale_by_code():
    bank = Bank()
    done, answer = paid(bank, 500)
    rrn = answer.get("37")
    assert bank.code(bank.pos.void(done, rrn)) == "14"  # with a card in hand
    assert bank.code(bank.pos.void(done, rrn, amount=400, **NO_CARD)) == "64"
    assert bank.code(bank.pos.void(done, rrn, **NO_CARD)) == "00"
    assert bank.ledger().balance("good") == GOOD.balance
    assert bank.code(bank.pos.void(done, rrn, **NO_CARD)) == "22"
    card, answer = bank.sold(700)
    assert bank.code(bank.pos.void(card, answer.get("37"), **NO_CARD)) == "14"


def test_refunds_go_back_to_the_wallet_up_to_the_amount():
    bank = Bank()
    _, answer = paid(bank, 500)
    rrn = answer.get("37")
    assert bank.code(bank.pos.refund(300, rrn, "1122", **NO_CARD)) == "00"
    assert bank.code(bank.pos.refund(300, rrn, "1122", **NO_CARD)) == "61"
    assert bank.code(bank.pos.refund(200, rrn, "1122")) == "14"
    assert bank.code(bank.pos.refund(200, rrn, "1122", **NO_CARD)) == "00"
    assert bank.ledger().balance("good") == GOOD.balance


def test_a_reversal_frees_nothing_of_the_code():
    bank = Bank()
    done, _ = paid(bank, 500)
    assert bank.code(bank.pos.reversal(done)) == "00"
    assert bank.ledger().balance("good") == GOOD.balance
    assert bank.code(bank.pos.sale(500, pin="", **coded(payment_code(GOOD)))) == "14"


def test_a_batch_with_codes_is_uploaded_without_differences():
    bank = Bank()
    done, _ = paid(bank, 500)
    card, _ = bank.sold(700)
    bank.send(bank.pos.settle(1, 1, 0, 0))  # wrong on purpose
    details = [(done.trace, "", 500), (card.trace, GOOD.pan, 700)]
    assert bank.code(bank.pos.upload(details)) == "00"
    assert bank.code(bank.pos.end(False, 2)) == "00"
    assert bank.ledger().discrepancies == []


def test_codes_do_not_rest():
    bank = Bank()
    code = payment_code(GOOD, 3)
    paid(bank, 500, 3)
    assert code not in bank.host.trace_text()
    with bank.host._books.view() as db:
        dump = "".join(db.connection.iterdump())
    assert code not in dump and code[:6] + "*" * 8 in dump
