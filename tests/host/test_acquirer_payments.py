"""Balance, sale, void, refund, reversal: every rule of the host, and the money behind it."""

from datetime import datetime

import pytest

from tests.host.acquirer_kit import CARDS, GOOD, MERCHANT, Bank

OPENING = GOOD.balance


def test_a_sale_moves_money_from_the_card_to_the_merchant():
    bank = Bank()
    _, answer = bank.sold(12_34)
    ledger = bank.ledger()
    assert ledger.balance(GOOD.pan) == OPENING - 12_34
    assert ledger.balance("merchant") == ledger.balance(f"merchant:{MERCHANT}") == 12_34
    (item,) = ledger.transactions
    assert (item.kind, item.state, item.amount, item.code) == ("sale", "approved", 12_34, "00")
    assert (item.terminal, item.batch, item.trace) == ("00000001", 1, 2)
    assert item.masked_pan == "622202*********0128"
    assert item.rrn == answer.get("37") and item.auth == answer.get("38")
    assert answer.get("4") == "000000001234" and answer.get("2") == GOOD.pan
    assert answer.get("15") == "1122" and answer.get("12") + answer.get("13") == "0900001122"


def test_the_fee_is_booked_with_the_sale_and_goes_back_with_the_void():
    from host_tools.acquirer import Policy

    bank = Bank(policy=Policy(fee_bp=60))
    sale, _ = bank.sold(100_00)
    bank.sold(83)  # 0.498 分: rounds to nothing
    bank.sold(84)  # 0.504 分: rounds to one
    assert bank.ledger().balance("fee") == 60 + 0 + 1
    assert bank.ledger().balance("merchant") == 100_00 - 60 + 83 + 84 - 1
    assert bank.code(bank.pos.void(sale)) == "00"
    assert bank.ledger().balance("fee") == 1


@pytest.mark.parametrize("back", [False, True])
def test_a_refund_gives_the_fee_back_only_where_the_policy_says_so(back):
    from host_tools.acquirer import Policy

    bank = Bank(policy=Policy(fee_bp=60, refund_returns_fee=back))
    _, answer = bank.sold(100_00)
    assert bank.code(bank.pos.refund(50_00, answer.get("37"), "1122")) == "00"
    assert bank.ledger().balance("fee") == (30 if back else 60)
    assert bank.ledger().balance(GOOD.pan) == OPENING - 50_00


@pytest.mark.parametrize("name,amount,code", [
    ("good", 1, "00"), ("good", OPENING, "00"), ("good", OPENING + 1, "51"), ("good", 0, "13"),
    ("low", 10_00, "00"), ("low", 10_01, "51"), ("empty", 1, "51"), ("expired", 1, "54"),
    ("limited", 100_00, "00"), ("limited", 100_01, "61"), ("short", 5, "00"),
    ("rich", 99_999_999_99, "00"),
    *[(card.name, 1, card.code) for card in CARDS.values() if card.code],
])
def test_every_test_card_answers_as_its_table_says(name, amount, code):
    bank = Bank()
    card = CARDS[name]
    assert bank.code(bank.pos.sale(amount, card, pin=card.pin)) == code, bank.why()
    moved = amount if code == "00" else 0
    assert bank.ledger().balance(card.pan) == card.balance - moved
    assert bank.states() == [("sale", "approved" if moved else "declined")]


def test_balance_shows_the_card_and_moves_nothing():
    bank = Bank()
    bank.sold(1_00)
    answer = bank.send(bank.pos.balance())
    assert answer.get("54") == f"1002156C{OPENING - 1_00:012d}"
    assert bank.states()[-1] == ("balance", "approved")
    assert bank.ledger().balance("merchant") == 1_00


def test_cards_that_are_not_test_cards_are_refused_and_never_shown():
    bank = Bank()
    real = "6225880137706868"
    for fields in ({"f2": real, "f35": f"{real}D30121010000"}, {"f2": real, "f35": ""}):
        assert bank.code(bank.pos.sale(100, pin="", **fields)) == "14"
    assert real not in bank.host.trace_text() and "622588******6868" in bank.host.trace_text()
    assert bank.code(bank.pos.sale(100, f2="6222021234567890110")) == "14"  # not the track's
    unlisted = "6222021234567890995"
    assert bank.code(bank.pos.sale(100, pin="", f2=unlisted, f35="")) == "14"
    assert bank.ledger().balance("merchant") == 0


@pytest.mark.parametrize("track,fields,code", [
    (False, {}, "00"), (False, {"f14": ""}, "00"), (False, {"f14": "3011"}, "54"),
    (True, {"f35": f"{GOOD.pan}D30111010000"}, "54"),
    (True, {"f35": f"{GOOD.pan}3012"}, "30"), (True, {"f35": "12345D3012"}, "30"),
    (True, {"f2": ""}, "00"), (False, {"f2": ""}, "30"),
    (False, {"f49": "840"}, "A1"), (False, {"f49": ""}, "30"), (False, {"f4": ""}, "30"),
    (False, {"f3": "190000"}, "40"), (False, {"f60": "30000001000600"}, "40"),
    (False, {"f11": "000000"}, "30"),
])
def test_card_data_and_fields_are_checked(track, fields, code):
    bank = Bank()
    assert bank.code(bank.pos.sale(100, track=track, **fields)) == code, bank.why()
    assert bank.ledger().balance("merchant") == (100 if code == "00" else 0)


def test_a_card_is_good_to_the_end_of_its_month():
    bank = Bank()
    bank.now = datetime(2030, 12, 31, 23, 59)
    assert bank.code(bank.pos.sale(100)) == "00"
    bank.later(minutes=1)
    bank.pos.trace += 1
    assert bank.code(bank.pos.sale(100)) == "54"


def test_three_wrong_pins_block_the_card_until_tomorrow():
    bank = Bank()
    codes = [bank.code(bank.pos.sale(100, pin=pin))
             for pin in ("111111", "222222", "333333", "123456")]
    assert codes == ["55", "55", "38", "38"]
    assert bank.code(bank.pos.balance(pin="123456")) == "38"
    assert bank.code(bank.pos.sale(100, CARDS["second"])) == "00"
    bank.later(days=1)
    assert bank.code(bank.pos.sale(100, pin="111111")) == "55"
    assert bank.code(bank.pos.sale(100)) == "00"
    codes = [bank.code(bank.pos.sale(100, pin=pin)) for pin in ("1111", "2222", "123456")]
    assert codes == ["55", "55", "00"], "a right PIN in between starts the count again"


def test_pin_blocks_that_are_none_and_pins_that_are_missing():
    bank = Bank()
    assert bank.code(bank.pos.sale(100, f52="0123456789ABCDEF")) == "99"
    assert bank.code(bank.pos.sale(100, f53="2000000000000000")) == "99"  # not 3DES
    assert bank.code(bank.pos.sale(100, f52="", f53="")) == "30"  # field 22 promises a PIN
    assert bank.code(bank.pos.sale(100, pin="")) == "00"
    assert bank.code(bank.pos.sale(100, CARDS["pin-needed"], pin="")) == "55"
    assert bank.code(bank.pos.sale(100, CARDS["other-pin"], pin="0000")) == "00"
    # A PIN block made for another card does not open with this one's number.
    assert bank.code(bank.pos.sale(100, CARDS["second"], f2=GOOD.pan,
                                   f35=f"{GOOD.pan}D30121010000")) in ("99", "55")


@pytest.mark.parametrize("kind", ["001", "003", "004"])
def test_every_kind_of_sign_on_gives_keys_that_work(kind):
    bank = Bank(signed_on=False)
    answer = bank.sign_on(bank.pos, kind)
    assert len(bytes.fromhex(answer.get("62"))) == {"001": 24, "003": 40, "004": 60}[kind]
    bank.sold(100)
    assert bank.code(bank.pos.sale(100, pin="000000")) == "55"


def test_a_track_encrypted_with_the_track_key_is_read():
    from host_tools.acquirer import security

    bank = Bank(signed_on=False)
    bank.sign_on(bank.pos, "004")
    clear = f"{GOOD.pan}D30121010000"
    packed = clear + "0" * (len(clear) % 2)
    hidden = security.encryptor(bank.pos._tdk).update(bytes.fromhex(packed[-18:-2])).hex().upper()
    track = (packed[:-18] + hidden + packed[-2:])[:len(clear)]
    assert bank.code(bank.pos.sale(100, pin="", f35=track, f53="0610000000000000")) == "00"
    bank.sign_on(bank.pos, "003")
    assert bank.code(bank.pos.sale(100, pin="", f35=track, f53="0610000000000000")) == "99"


def test_unknown_terminals_and_merchants_are_refused_without_a_mac():
    bank = Bank()
    answer = bank.send(bank.pos.sale(100, f41="99999999"))
    assert answer.get("39") == "97" and not answer.get("64")
    assert bank.code(bank.pos.sale(100, f42="999999999999999")) == "03"
    assert bank.code(bank.pos.manage("0820", "301", f41="99999999")) == "97"


def test_without_a_sign_on_nothing_moves_and_the_header_asks_for_one():
    bank = Bank(signed_on=False)
    raw = bank.host.handle(bank.pos.sale(100), bank.now)[0].message
    from host_tools.acquirer.codec import decode

    assert decode(raw).get("39") == "99" and raw[7] & 0x0F == 3
    bank.sign_on(bank.pos)
    bank.sold(100)
    assert bank.code(bank.pos.manage("0820", "002")) == "00"
    assert bank.code(bank.pos.sale(100)) == "99"
    assert bank.ledger().balance("merchant") == 100


def test_a_wrong_a_missing_and_an_old_mac_are_told_apart():
    bank = Bank()
    message = bytearray(bank.pos.sale(100))
    message[-1] ^= 1
    answer = bank.send(bytes(message))
    assert answer.get("39") == "A0" and not answer.get("64")
    assert "should be" in bank.why()
    old = bank.pos.keys
    bank.sign_on(bank.pos)
    new, bank.pos.keys = bank.pos.keys, old
    assert bank.code(bank.pos.sale(100)) == "A0"
    assert "sign-on before" in bank.why()
    bank.pos.keys = None
    assert bank.code(bank.pos.sale(100, pin="")) == "A0" and "missing" in bank.why()
    bank.pos.keys = new
    assert bank.code(bank.pos.sale(100)) == "00"
    assert bank.ledger().balance("merchant") == 100


def test_another_batch_is_refused():
    bank = Bank()
    bank.pos.batch = 2
    assert bank.code(bank.pos.sale(100)) == "77"
    bank.pos.batch = 1
    assert bank.code(bank.pos.sale(100)) == "00"


# Repeats


def test_the_same_request_again_gets_the_same_answer_and_books_nothing():
    bank = Bank()
    message = bank.pos.sale(100)
    first, second = bank.send(message), bank.send(message)
    assert first.fields == second.fields
    assert bank.ledger().balance("merchant") == 100 and len(bank.states()) == 1
    refused = bank.pos.sale(100, CARDS["empty"])
    first, second = bank.send(refused), bank.send(refused)
    assert first.fields == second.fields and first.get("39") == "51"
    shown = bank.pos.balance()
    assert bank.send(shown).get("54") == bank.send(shown).get("54") != ""


def test_a_wrong_pin_repeated_by_the_network_counts_once():
    bank = Bank()
    message = bank.pos.sale(100, pin="000000")
    assert {bank.code(message) for _ in range(5)} == {"55"}
    assert bank.code(bank.pos.sale(100)) == "00"


def test_a_trace_used_for_something_else_is_refused_with_94():
    bank = Bank()
    bank.sold(100)
    bank.pos.trace -= 1
    assert bank.code(bank.pos.sale(200)) == "94"
    bank.pos.trace -= 1
    assert bank.code(bank.pos.balance()) == "94"
    # The same sale built again after a new sign-on is a new request, not a repeat.
    bank.sign_on(bank.pos)
    bank.pos.trace = 2
    assert bank.code(bank.pos.sale(100)) == "94"
    assert bank.ledger().balance("merchant") == 100
    other = bank.terminal("00000002")
    other.trace = 2
    assert bank.code(other.sale(200)) == "00", "another terminal has its own traces"


def test_every_answer_names_its_own_booking():
    bank = Bank()
    sale, sold = bank.sold(100)
    voided = bank.send(bank.pos.void(sale))
    undone = bank.send(bank.pos.reversal(bank.pos.last))
    void = bank.pos.last
    refunded = bank.send(bank.pos.refund(40, sold.get("37"), "1122"))
    shown = bank.send(bank.pos.balance())
    rows = bank.ledger().transactions
    for row, answer, amount in zip(rows, (sold, voided, refunded, shown), (100, 100, 40, None),
                                   strict=True):
        assert answer.get("37") == row.rrn != "" != row.auth
        assert answer.get("38") == (row.auth if row.kind in ("sale", "void") else "")
        assert answer.get("4") == ("" if amount is None else f"{amount:012d}")
    again = bank.send(bank.pos.reversal(void))
    assert undone.get("37") == again.get("37") == voided.get("37")
    assert sold.get("44") == "01020000   48021000   " and sold.get("63") == "CUP"
    assert len({row.rrn for row in rows}) == len(rows)


# Void


def test_a_void_takes_the_sale_back():
    bank = Bank()
    sale, answer = bank.sold(100)
    reply = bank.send(bank.pos.void(sale, answer.get("37"), answer.get("38"), pin="123456"))
    assert reply.get("39") == "00" and reply.get("4") == "000000000100"
    assert bank.states() == [("sale", "voided"), ("void", "approved")]
    ledger = bank.ledger()
    assert ledger.balance(GOOD.pan) == OPENING and ledger.balance("merchant") == 0
    assert ledger.transactions[1].original_trace == sale.trace
    assert ledger.transactions[1].original_rrn == answer.get("37")


def test_a_void_is_refused_unless_it_fits_the_sale():
    bank = Bank()
    sale, answer = bank.sold(100)
    rrn = answer.get("37")
    void = bank.pos.void
    assert bank.code(void(sale, amount=99)) == "64"
    assert bank.code(void(sale, card=CARDS["second"])) == "14"
    assert bank.code(void(sale, f61="000001000999")) == "25"
    assert bank.code(void(sale, f61="000009000002")) == "25"
    assert bank.code(void(sale, f61="0000010000")) == "30"
    assert bank.code(void(sale, rrn="632699999999")) == "25"
    assert bank.code(void(sale, rrn, auth="000000")) == "25"
    assert bank.code(void(sale, pin="999999")) == "55"
    assert bank.states().count(("void", "declined")) == 7  # the damaged one leaves no trace
    assert bank.code(void(sale, rrn)) == "00"
    done = bank.pos.last
    assert bank.code(void(sale, rrn)) == "22", "not twice"
    assert bank.code(void(done)) == "12", "a void cannot be voided"
    assert bank.ledger().balance("merchant") == 0


def test_what_was_never_a_good_sale_cannot_be_voided():
    bank = Bank()
    bank.send(bank.pos.sale(100, CARDS["empty"]))
    declined = bank.pos.last
    assert bank.code(bank.pos.void(declined)) == "12"
    bank.send(bank.pos.balance())
    assert bank.code(bank.pos.void(bank.pos.last, amount=1)) == "12"
    sale, _ = bank.sold(100)
    bank.send(bank.pos.reversal(sale))
    assert bank.code(bank.pos.void(sale)) == "22"
    lost = bank.pos.sale(100)
    assert lost and bank.code(bank.pos.reversal(bank.pos.last)) == "25"
    assert bank.code(bank.pos.void(bank.pos.last)) == "25"


def test_another_terminal_cannot_void_and_another_day_neither():
    from host_tools.acquirer import Policy

    bank = Bank()
    sale, answer = bank.sold(100)
    other = bank.terminal("00000002")
    assert bank.code(other.void(sale, answer.get("37"))) == "25"
    bank.later(days=1)
    assert bank.code(bank.pos.void(sale)) == "12"
    relaxed = Bank(policy=Policy(void_cutoff=24))
    sale, _ = relaxed.sold(100)
    relaxed.later(days=1)
    assert relaxed.code(relaxed.pos.void(sale)) == "00"


@pytest.mark.parametrize("cutoff, sold, later, code", [
    (0, 23.9, 0.05, "00"), (0, 23.9, 0.2, "12"), (6, 23.9, 0.2, "00"), (6, 23.9, 6.0, "00"),
    (6, 23.9, 6.2, "12"), (6, 5.9, 0.2, "12"), (6, 6.1, 23.8, "00"), (24, 23.9, 48.0, "00")])
def test_voids_end_at_the_hour_of_the_policy(cutoff, sold, later, code):
    from host_tools.acquirer import Policy

    bank = Bank(policy=Policy(void_cutoff=cutoff))
    bank.later(hours=sold - bank.now.hour)
    sale, _ = bank.sold(100)
    bank.later(hours=later)
    assert bank.code(bank.pos.void(sale)) == code


def test_a_reversal_hits_the_transaction_of_its_own_date_and_time_only():
    bank = Bank()
    sale, _ = bank.sold(50_00, f13="1122", f12="090000")
    # A replaced terminal has used batch and trace again; its request never came.
    twin = {"f13": "1122", "f12": "090001"}
    assert bank.code(bank.pos.reversal(sale, **twin)) == "25"
    assert bank.code(bank.pos.query(sale.batch, sale.trace, **twin)) == "25"
    assert bank.states() == [("sale", "approved")]
    # Whoever gives no time is taken at batch and trace, as the dialect has it.
    own = {"f13": "1122", "f12": "090000"}
    assert bank.code(bank.pos.query(sale.batch, sale.trace, **own)) == "00"
    assert bank.code(bank.pos.query(sale.batch, sale.trace)) == "00"
    assert bank.code(bank.pos.reversal(sale, **own)) == "00"
    assert bank.states() == [("sale", "reversed")]


# Refund


def test_refunds_may_be_repeated_up_to_the_amount_of_the_sale():
    bank = Bank()
    _, answer = bank.sold(100_00)
    rrn = answer.get("37")
    assert bank.code(bank.pos.refund(60_00, rrn, "1122")) == "00"
    assert bank.ledger().transactions[0].state == "refunded"
    assert bank.ledger().transactions[0].refunded == 60_00
    assert bank.ledger().transactions[1].original_rrn == rrn
    assert bank.code(bank.pos.refund(40_01, rrn, "1122")) == "61"
    assert bank.code(bank.pos.refund(40_00, rrn, "1122")) == "00"
    assert bank.code(bank.pos.refund(1, rrn, "1122")) == "22"
    assert bank.ledger().balance(GOOD.pan) == OPENING
    assert bank.ledger().balance("merchant") == 0


def test_a_refund_must_name_its_sale_exactly():
    bank = Bank()
    sale, answer = bank.sold(100)
    rrn = answer.get("37")
    refund = bank.pos.refund
    assert bank.code(refund(100, rrn, "1123")) == "25"
    assert bank.code(refund(100, "632600009999", "1122")) == "25"
    assert bank.code(refund(100, "AB2600000001", "1122")) == "25"
    assert bank.code(refund(100, "999900000001", "1122")) == "25", "number right, day wrong"
    assert bank.code(refund(100, rrn, "1122", CARDS["second"])) == "14"
    assert bank.code(refund(0, rrn, "1122")) == "13"
    assert bank.code(refund(101, rrn, "1122")) == "61"
    assert bank.code(refund(100, rrn, "1122", f61="0" * 12)) == "30"
    assert bank.code(refund(100, rrn, "1122", f61=f"000001{sale.trace + 1:06d}1122")) == "25"
    stranger = bank.terminal("00000009", "999999999999999")
    assert bank.code(stranger.refund(100, rrn, "1122")) == "25"
    assert bank.ledger().balance("merchant") == 100
    assert bank.code(refund(30, rrn, "1122", f61=f"000001{sale.trace:06d}1122")) == "00"
    colleague = bank.terminal("00000002")
    assert bank.code(colleague.refund(70, rrn, "1122")) == "00", "same merchant, other terminal"


def test_what_cannot_be_refunded():
    bank = Bank()
    bank.send(bank.pos.sale(100, CARDS["empty"]))
    declined = bank.ledger().transactions[-1].rrn
    assert bank.code(bank.pos.refund(100, declined, "1122", CARDS["empty"])) == "12"
    sale, answer = bank.sold(100)
    void = bank.send(bank.pos.void(sale))
    assert bank.code(bank.pos.refund(100, answer.get("37"), "1122")) == "22"
    assert bank.code(bank.pos.refund(100, void.get("37"), "1122")) == "12"
    sale, answer = bank.sold(100)
    bank.send(bank.pos.refund(1, answer.get("37"), "1122"))
    assert bank.code(bank.pos.void(sale)) == "22", "a sale with refunds is not voided"
    assert bank.code(bank.pos.reversal(sale)) == "22", "nor reversed"


@pytest.mark.parametrize("days,code", [(1, "00"), (30, "00"), (31, "22")])
def test_refunds_end_after_thirty_days(days, code):
    bank = Bank()
    _, answer = bank.sold(100)
    bank.later(days=days)
    assert bank.code(bank.pos.refund(100, answer.get("37"), "1122")) == code


# Reversal


def test_a_reversal_undoes_a_sale_once_however_often_it_comes():
    bank = Bank()
    sale, _ = bank.sold(100)
    assert [bank.code(bank.pos.reversal(sale)) for _ in range(3)] == ["00", "00", "00"]
    assert bank.states() == [("sale", "reversed")]
    assert bank.ledger().transactions[0].reason == "98"
    assert bank.ledger().balance(GOOD.pan) == OPENING
    assert bank.ledger().balance("merchant") == 0


def test_a_sale_that_comes_after_its_reversal_is_refused_for_ever():
    bank = Bank()
    late = bank.pos.sale(100)
    sale = bank.pos.last
    assert [bank.code(bank.pos.reversal(sale)) for _ in range(2)] == ["25", "25"]
    assert bank.code(late) == "22" and bank.code(late) == "22"
    assert bank.code(bank.pos.reversal(sale)) == "25"
    ledger = bank.ledger()
    assert ledger.balance("merchant") == 0
    assert not ledger.transactions and [item.trace for item in ledger.unseen] == [sale.trace]


def test_a_sale_repeated_after_its_reversal_stays_reversed():
    bank = Bank()
    message = bank.pos.sale(100)
    assert bank.code(message) == "00"
    assert bank.code(bank.pos.reversal(bank.pos.last)) == "00"
    assert bank.code(message) == "22"
    assert bank.ledger().balance("merchant") == 0


def test_the_reversal_of_a_void_lets_the_sale_stand_again():
    bank = Bank()
    sale, _ = bank.sold(100)
    message = bank.pos.void(sale)
    void = bank.pos.last
    assert bank.code(message) == "00"
    assert bank.code(bank.pos.reversal(sale)) == "22", "the sale is voided"
    assert [bank.code(bank.pos.reversal(void)) for _ in range(2)] == ["00", "00"]
    assert bank.states() == [("sale", "approved"), ("void", "reversed")]
    assert bank.ledger().balance("merchant") == 100
    assert bank.code(bank.pos.void(sale)) == "00"
    assert bank.code(bank.pos.reversal(void)) == "00"
    assert bank.ledger().balance("merchant") == 0
    assert bank.states() == [("sale", "voided"), ("void", "reversed"), ("void", "approved")]


def test_a_card_may_be_overdrawn_by_the_reversal_of_a_void():
    bank = Bank()
    low = CARDS["low"]
    sale, _ = bank.sold(10_00, card=low)
    bank.send(bank.pos.void(sale))
    void = bank.pos.last
    bank.sold(10_00, card=low)
    assert bank.code(bank.pos.reversal(void)) == "00", "the customer has spent it meanwhile"
    assert bank.send(bank.pos.balance(low)).get("54") == "1002156D000000001000"
    assert bank.ledger().balance("merchant") == 20_00


def test_a_reversal_must_fit_what_it_undoes():
    bank = Bank()
    sale, _ = bank.sold(100)
    reverse = bank.pos.reversal
    assert bank.code(reverse(sale, f4="000000000101")) == "64"
    assert bank.code(reverse(sale, f2=CARDS["second"].pan)) == "14"
    assert bank.code(reverse(sale, f3="200000", f60="23000001000600",
                             f61=f"000001{sale.trace:06d}")) == "12"
    assert bank.code(reverse(sale, f60="25000001000600", f3="200000")) == "40"
    assert bank.code(reverse(sale, f39="")) == "30"
    assert bank.ledger().balance("merchant") == 100
    assert bank.code(reverse(sale, f2="")) == "00", "the card number may be left out"
    bank.send(bank.pos.sale(100, CARDS["empty"]))
    assert bank.code(reverse(bank.pos.last)) == "12", "it was never approved"
    sale, _ = bank.sold(100)
    bank.send(bank.pos.void(sale))
    void = bank.pos.last
    assert bank.code(reverse(void, f61=f"000001{sale.trace:06d}")) == "30"
    assert bank.code(reverse(void, f61="")) == "30"
    assert bank.ledger().balance("merchant") == 0


def test_a_reversal_needs_the_right_mac_like_everything_else():
    bank = Bank()
    sale, _ = bank.sold(100)
    message = bytearray(bank.pos.reversal(sale))
    message[-1] ^= 1
    assert bank.code(bytes(message)) == "A0"
    assert bank.states() == [("sale", "approved")]
    bank.sign_on(bank.pos)
    assert bank.code(bank.pos.reversal(sale)) == "00", "after a new sign-on, too"


def test_a_reversal_the_next_day_still_works_while_the_batch_is_open():
    bank = Bank()
    sale, _ = bank.sold(100)
    bank.later(days=1)
    assert bank.code(bank.pos.reversal(sale)) == "00"


# Status query


def test_the_status_query_tells_the_truth():
    bank = Bank()
    sale, answer = bank.sold(100)
    found = bank.send(bank.pos.query(1, sale.trace))
    assert [found.get(key) for key in ("39", "37", "38", "4")] == [
        "00", answer.get("37"), answer.get("38"), "000000000100"]
    bank.send(bank.pos.void(sale))
    found = bank.send(bank.pos.query(1, sale.trace))
    assert (found.get("39"), found.get("37")) == ("22", answer.get("37"))
    assert bank.code(bank.pos.query(1, bank.pos.trace - 2)) == "00", "the void itself"
    sale, _ = bank.sold(100)
    bank.send(bank.pos.reversal(sale))
    assert bank.code(bank.pos.query(1, sale.trace)) == "22"
    bank.send(bank.pos.sale(100, CARDS["empty"]))
    assert bank.code(bank.pos.query(1, bank.pos.last.trace)) == "25", "declined: no money moved"
    assert bank.code(bank.pos.query(7, 1)) == "25"


def test_what_the_status_query_did_not_know_is_refused_when_it_comes_late():
    bank = Bank()
    _, answer = bank.sold(100)
    late = bank.pos.refund(50, answer.get("37"), "1122")
    assert bank.code(bank.pos.query(1, bank.pos.last.trace)) == "25"
    assert bank.code(late) == "22"
    assert bank.ledger().balance("merchant") == 100


def test_a_mistyped_status_query_bars_no_later_transaction():
    bank = Bank()
    assert bank.code(bank.pos.query(1, bank.pos.trace + 5)) == "25"
    assert bank.code(bank.pos.query(2, 1)) == "25"
    for _ in range(10):
        bank.sold(1)


def test_a_report_of_the_terminal_reaches_the_notices_without_card_numbers():
    bank = Bank(notices=True)
    text = f"退货过多 {GOOD.pan} 20次".encode("gbk").hex()
    assert bank.code(bank.pos.manage("0820", "362", f62=text)) == "00"
    assert bank.code(bank.pos.manage("0820", "362")) == "00"
    ((_, event),) = bank.host.waiting_notices()
    assert event["event"] == "risk" and event["reason"] == f"退货过多 {GOOD.masked} 20次"


def test_a_host_without_status_query_says_so():
    from host_tools.acquirer import Policy

    bank = Bank(policy=Policy(status_query=False))
    sale, _ = bank.sold(100)
    assert bank.code(bank.pos.query(1, sale.trace)) == "40"
    late = bank.pos.sale(100)
    assert bank.code(bank.pos.query(1, bank.pos.last.trace)) == "40"
    assert bank.code(late) == "00", "it promised nothing"
