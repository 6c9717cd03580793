"""Every message of the terminal, read and answered with `pyiso8583` and `cryptography`."""

import warnings
from datetime import datetime

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from host_tools.acquirer import STANDARD_CARD, TEST_TERMINAL, TEST_TMK, Acquirer
from mobi import transactions as tx
from mobi.acquiring import codes, security
from mobi.acquiring.messages import TABLE, BadMac, BadMessage, Composer, Rejected
from tests.host.iso_oracle import ENVELOPE, decode, encode

PAN = "6222021234567890128"
MAK = bytes.fromhex("0123456789ABCDEF")
NAMES = [row[0] for row in TABLE]
MONEY = ("sale", "void", "refund", "sale_reversal", "void_reversal")
WITH_MAC = ("balance", "status_query", *MONEY)


class Setup:
    tid = "00000001"
    mid = "123456789012345"
    tpdu = bytes.fromhex("6000030000")
    reader = 2
    request_time = 1
    closing_mac = 1


class Keys:
    pik = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    mak = MAK


class Totals:
    debit_amount, debit_count, credit_amount, credit_count = 123456, 7, 3456, 2


def sample(kind=tx.SALE):
    txn = tx.Transaction(kind)
    txn.trace, txn.batch, txn.amount, txn.operator = 17, 3, 12345, 1
    txn.pan, txn.entry = PAN, "021"
    txn.track2 = PAN + "=30121011234567"
    txn.pin_block = bytes.fromhex("2A084C604973D4AE")
    txn.original_trace, txn.original_batch = 12, 3
    txn.original_rrn, txn.original_date, txn.original_auth = "112233445566", "1121", "654321"
    txn.auth, txn.reason = "123456", "98"
    txn.totals, txn.packet, txn.count, txn.balanced = Totals, [txn] * 2, 500, False
    txn.report = b"limit: sale"
    return txn


def des(key, block):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Cipher(TripleDES((key * 3)[:24]), modes.ECB()).encryptor().update(block)


def mac(body, key=MAK):
    """CUP ECB over MTI to the field before 64, as hex of its 8 letters."""
    padded = body + bytes(-len(body) % 8)
    folded = bytes(8)
    for at in range(0, len(padded), 8):
        folded = bytes(a ^ b for a, b in zip(folded, padded[at : at + 8], strict=True))
    text = folded.hex().upper().encode()
    once = bytes(a ^ b for a, b in zip(des(key, text[:8]), text[8:], strict=True))
    return des(key, once).hex().upper().encode()[:8]


def with_mac(values, key=MAK):
    message = encode({**values, "64": "00" * 8})
    return message[:-8] + mac(message[11:-8], key)


CARD = {
    "2": PAN, "4": "000000012345", "11": "000017", "22": "021", "25": "00", "26": "12",
    "35": PAN + "D30121011234567", "41": "00000001", "42": "123456789012345", "49": "156",
    "52": "2A084C604973D4AE", "53": "2600000000000000",
}
STORED = {key: value for key, value in CARD.items() if key not in ("26", "35", "52", "53")}
BARE = {"11": "000017", "41": "00000001", "42": "123456789012345"}
DETAIL = "00" + "000017" + "0" + PAN + "000000012345"
EXPECTED = {
    "sign_on": {**BARE, "t": "0800", "60": "00000003003", "63": b"01 ".hex()},
    "sign_off": {**BARE, "t": "0820", "60": "00000003002", "63": b"01 ".hex()},
    "echo": {**BARE, "t": "0820", "60": "00000003301"},
    "parameters": {**BARE, "t": "0800", "60": "00000003360"},
    "status": {**BARE, "t": "0820", "60": "00000003362", "62": b"limit: sale".hex()},
    "status_query": {**BARE, "t": "0820", "60": "00000003364", "61": "000003000012"},
    "balance": {**{k: v for k, v in CARD.items() if k != "4"}, "t": "0200", "3": "310000",
                "60": "0100000300020"},
    "sale": {**CARD, "t": "0200", "3": "000000", "60": "22000003000201000"},
    "void": {**CARD, "t": "0200", "3": "200000", "37": "112233445566", "38": "654321",
             "60": "23000003000200000", "61": "000003000012"},
    "refund": {**CARD, "t": "0220", "3": "200000", "37": "112233445566",
               "60": "25000003000200000", "61": "0000030000121121", "63": b"000".hex()},
    "sale_reversal": {**STORED, "t": "0400", "3": "000000", "38": "123456", "39": "98",
                      "60": "22000003000201000"},
    "void_reversal": {**STORED, "t": "0400", "3": "200000", "38": "654321", "39": "98",
                      "60": "23000003000200000", "61": "000003000017"},
    "settlement": {**BARE, "t": "0500", "49": "156", "60": "00000003201", "63": b"01 ".hex(),
                   "48": "000000123456007000000003456002" + "0" * 32},
    "batch_upload": {**BARE, "t": "0320", "60": "00000003201", "48": "02" + DETAIL * 2},
    "batch_refund": {**STORED, "t": "0320", "3": "200000", "37": "112233445566",
                     "60": "25000003000200000", "61": "0000030000121121", "63": b"000".hex()},
    "batch_end": {**BARE, "t": "0320", "60": "00000003202", "48": "0500"},
}


@pytest.mark.parametrize("name", NAMES)
def test_request_as_the_library_reads_it(name):
    data = bytes(Composer(Setup, Keys).build(name, sample()))
    assert data[:11] == ENVELOPE
    found = decode(data)
    if name in WITH_MAC:
        assert bytes.fromhex(found.pop("64")) == mac(data[11:-8])
    assert found == {k: v.upper() for k, v in EXPECTED[name].items()}


def reply_values(name, code="00"):
    """A good reply's fields."""
    sent = EXPECTED[name]
    values = {key: sent[key] for key in ("3", "4", "11", "41", "42") if key in sent}
    values |= {"t": f"{sent['t'][:2]}{int(sent['t'][2]) + 1}0", "12": "101112", "13": "1122",
               "32": "48021000", "37": "000000000777"}
    if name != "settlement":
        values["39"] = code
    else:
        values["48"] = sent["48"][:30] + "1" + "0" * 31
    if name in ("sale", "void", "refund", "balance"):
        values |= {"15": "1123", "44": (b"01020000".ljust(11) + b"48021000".ljust(11)).hex(),
                   "63": ("CUP" + "发卡行").encode("gbk").hex()}
    if name in ("sale", "void"):
        values["38"] = "A12345"
    if name == "balance":
        values["54"] = b"1002156C000000123456".hex()
    if name == "sign_on":
        values |= {"60": "00000004003", "62": bytes(range(40)).hex()}
    return values


def answer(name, values, key=MAK):
    return with_mac(values, key) if name in WITH_MAC else encode(values)


@pytest.mark.parametrize("name", NAMES)
def test_reply_of_the_library_is_understood(name):
    composer, txn = Composer(Setup, Keys), sample()
    reply = composer.read(name, txn, answer(name, reply_values(name)))
    assert reply.code == ("" if name == "settlement" else "00")
    assert reply.host_time == "1122101112" and reply.rrn == "000000000777"
    assert reply.acquirer == "48021000"
    if name in ("sale", "void", "refund"):
        assert (txn.code, txn.rrn, txn.settle_date) == ("00", "000000000777", "1123")
        assert txn.host_text.decode("gbk") == "CUP发卡行"
        assert txn.institutions[:11] == b"01020000   "
    else:
        assert txn.rrn == ("000000000777" if name == "balance" else "")
    assert txn.auth == {"sale": "A12345", "void": "A12345"}.get(
        name, "" if name in ("refund", "balance") else "123456")
    if name == "balance":
        assert txn.balance == 123456
    if name == "sign_on":
        assert reply.keys == bytes(range(40)) and reply.batch == 4
    if name == "settlement":
        assert reply.verdict == 1


def problem(name, data):
    try:
        Composer(Setup, Keys).read(name, sample(), data)
    except Rejected as error:
        return error.field
    except BadMac as error:
        return "missing" if error.missing else "mac"
    except BadMessage as error:
        return f"{error.field} {error.reason}"
    return None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key, value, field", [
    ("t", "0200", 0), ("11", "000018", 11), ("41", "00000002", 41), ("42", "1" * 15, 42),
])
def test_a_reply_to_something_else_is_rejected_by_the_field(name, key, value, field):
    if key == "11" and name in ("echo", "parameters", "status"):
        field = None
    assert problem(name, answer(name, {**reply_values(name), key: value})) == field


@pytest.mark.parametrize("name", MONEY)
@pytest.mark.parametrize("code", ["00", "11", "A2", "A4", "A5", "A6"])
def test_any_approval_must_carry_the_amount_and_the_mac(name, code):
    values = reply_values(name, code)
    assert problem(name, answer(name, values)) is None
    assert problem(name, answer(name, {**values, "4": "000000012344"})) == 4
    del values["4"]
    assert problem(name, answer(name, values)) == 4
    values = reply_values(name, code)
    assert problem(name, answer(name, values, bytes(8))) == "mac"
    assert problem(name, encode(values)) == "missing"


@pytest.mark.parametrize("name", WITH_MAC)
@pytest.mark.parametrize("code", ["05", "51", "55", "94", "96", "98", "A0", "Z9", "25", "12"])
def test_a_refusal_may_lack_amount_and_mac_but_not_lie_about_them(name, code):
    values = reply_values(name, code)
    values.pop("4", None)
    # The answers to a status query and to a reversal that are acted on are no mere refusals.
    sure = code == "25" if name == "status_query" else name.endswith("reversal") and code in (
        "25", "12")
    assert problem(name, encode(values)) == ("missing" if sure else None)
    assert problem(name, answer(name, values)) is None
    assert problem(name, answer(name, values, bytes(8))) == "mac"


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(NAMES), st.text("0123456789", min_size=13, max_size=19),
    st.integers(1, 10**12 - 1), st.integers(1, 999999), st.integers(1, 999999),
    st.integers(0, 99), st.text("0123456789", max_size=17),
)
def test_any_values_survive_the_way_to_the_library(name, pan, amount, trace, batch, op, track):
    txn = sample()
    txn.pan, txn.amount, txn.trace, txn.batch, txn.operator = pan, amount, trace, batch, op
    txn.track2 = f"{pan}={track}"
    found = decode(bytes(Composer(Setup, Keys).build(name, txn)))
    assert int(found["11"]) == trace and int(found["60"][2:8]) == batch
    if "2" in found:
        assert found["2"] == pan
    if "4" in found:
        assert int(found["4"]) == amount
    if "35" in found:
        assert found["35"] == f"{pan}D{track}"
    if "63" in EXPECTED[name] and EXPECTED[name]["63"] == b"01 ".hex():
        assert bytes.fromhex(found["63"]) == f"{op:02d} ".encode()
    if name == "batch_upload":
        assert found["48"][10:30].lstrip("0") == pan.lstrip("0")


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(NAMES), st.data())
def test_a_damaged_reply_is_refused_by_name(name, data):
    good = answer(name, reply_values(name))
    wrong = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        wrong[data.draw(st.integers(0, len(wrong) - 1))] = data.draw(st.integers(0, 255))
    assume(wrong != good)
    found = problem(name, wrong)
    if found is None and name in WITH_MAC:
        # The MAC covers all but TPDU and header; without field 64 only a refusal is believed.
        assert wrong[11:] == good[11:] or not codes.is_approved(decode(wrong)["39"])


# -- a day with the bench's acquirer ---------------------------------------------------------------


class Day:
    """The composer against the acquirer of host_tools, which shares no code with it."""

    def __init__(self):
        self.acquirer = Acquirer("sqlite://", seed=1)
        self.keys = type("WorkingKeys", (), {"pik": None, "mak": None})()
        setup = type("Identity", (), {
            "tid": TEST_TERMINAL.terminal, "mid": TEST_TERMINAL.merchant, "tpdu": ENVELOPE[:5],
            "reader": 2, "request_time": 1, "closing_mac": 1})()
        self.composer = Composer(setup, self.keys)
        self.trace, self.batch = 0, 1

    def new(self, kind, amount=0, pin=True):
        txn = tx.Transaction(kind)
        self.trace += 1
        txn.trace, txn.batch, txn.operator, txn.amount = self.trace, self.batch, 1, amount
        if kind:
            card = STANDARD_CARD
            txn.pan, txn.track2 = card.pan, f"{card.pan}={card.expiry}101123"
            txn.entry = "022"
            if pin:
                txn.pin_block = security.pin_block(card.pin, card.pan, self.keys.pik)
                txn.entry = "021"
        return txn

    def ask(self, name, txn):
        request = bytes(self.composer.build(name, txn))
        answers = self.acquirer.handle(request, datetime(2026, 11, 22, 12, 0, 0))
        return self.composer.read(name, txn, answers[0].message)


def test_a_whole_day_with_the_acquirer():
    day = Day()
    reply = day.ask("sign_on", day.new(0))
    assert reply.code == "00"
    day.keys.pik, day.keys.mak = security.unwrap(TEST_TMK, reply.keys)
    day.batch = reply.batch
    sale = day.new(tx.SALE, 10000)
    assert day.ask("sale", sale).code == "00" and sale.rrn and sale.auth
    void = day.new(tx.VOID, 10000)
    void.original_trace, void.original_batch = sale.trace, sale.batch
    void.original_rrn, void.original_auth = sale.rrn, sale.auth
    assert day.ask("void", void).code == "00"
    void.reason = "98"
    assert day.ask("void_reversal", void).code == "00"
    refund = day.new(tx.REFUND, 4000, pin=False)
    refund.original_rrn, refund.original_date = sale.rrn, "1122"
    assert day.ask("refund", refund).code == "00"
    gone = day.new(tx.SALE, 777)
    gone.reason = "98"
    assert day.ask("sale_reversal", gone).code == "25"
    assert day.ask("sale", gone).code == "22"
    balance = day.new(tx.BALANCE)
    assert day.ask("balance", balance).code == "00" and balance.balance == (
        STANDARD_CARD.balance - 6000)
    query = day.new(0)
    query.original_batch, query.original_trace = day.batch, sale.trace
    reply = day.ask("status_query", query)
    assert reply.code == "00" and reply.rrn == sale.rrn and reply.auth == sale.auth
    for name in ("echo", "parameters"):
        assert day.ask(name, day.new(0)).code == "00"
    report = day.new(0)
    report.report = b"limit: sale"
    assert day.ask("status", report).code == "00"
    total = day.new(0)
    total.totals = type("T", (), {"debit_amount": 10000, "debit_count": 1,
                                  "credit_amount": 4000, "credit_count": 1})
    assert day.ask("settlement", total).verdict == 1
    total.totals.debit_amount += 1
    total.trace += 100
    assert day.ask("settlement", total).verdict == 2
    upload = day.new(0)
    upload.packet = [sale]
    assert day.ask("batch_upload", upload).code == "00"
    assert day.ask("batch_refund", refund).code == "00"
    end = day.new(0)
    end.count, end.balanced = 2, False
    assert day.ask("batch_end", end).code == "00"
    assert day.ask("sign_off", day.new(0)).code == "00"
    day.acquirer.ledger().check()
