"""The acquirer's bytes: layouts by hand, published vectors, the firmware's messages, garbage."""

import contextlib
import hashlib
import random
from datetime import datetime
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_tools.acquirer import security
from host_tools.acquirer.client import HEADER, TPDU
from host_tools.acquirer.codec import (
    FormatError,
    Unanswerable,
    decode,
    encode,
    envelope,
    mask_pan,
    masked,
)
from mobi import transactions as tx
from mobi.acquiring import security as device_security
from mobi.acquiring.messages import Composer
from tests.host.acquirer_kit import CARDS, GOOD, Bank

KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")


# Vectors


def test_published_vectors():
    assert security.kcv(KEY).hex().upper() == "08D7B4FB"
    block = security.pin_block("123456", GOOD.pan)
    assert block.hex().upper() == "06122662A9876FED"
    assert security.encryptor(KEY).update(block).hex().upper() == "2A084C604973D4AE"
    assert security.pin_of(block, GOOD.pan) == "123456"
    data = bytes.fromhex("0200302004C030C09811000000000000000001000001021000123536373800")
    assert security.fold(data).hex().upper() == "9A03041633F932D0"
    assert security.mac(security.encryptor(KEY[:8]), data) == b"C5FC39DA"
    assert security.mac(security.encryptor(KEY), data) == b"FE0EE8FE"


def test_no_random_key_has_a_wrong_parity_bit():
    for seed in ("a", "b", None):
        for length in (8, 16):
            key = security.random_key(length, seed)
            assert len(key) == length and all(byte.bit_count() % 2 for byte in key)
    assert security.random_key(16, "a") == security.random_key(16, "a")
    assert security.random_key(16, None) != security.random_key(16, None)


@pytest.mark.parametrize("damage", [
    lambda b: bytes([b[0] ^ 0x10]) + b[1:],  # not format 0
    lambda b: bytes([b[0] ^ 0x05]) + b[1:],  # length 3
    lambda b: b[:7] + bytes([b[7] ^ 0x01]),  # fill is not F at its end
    lambda b: b[:4] + bytes([b[4] ^ 0x10]) + b[5:],  # nor at its beginning
    lambda b: b[:1] + bytes([b[1] ^ 0xF0]) + b[2:],  # PIN digit is not decimal
])
def test_a_damaged_pin_block_is_no_pin(damage):
    with pytest.raises(security.PinFormatError):
        security.pin_of(damage(security.pin_block("123456", GOOD.pan)), GOOD.pan)


# Layout


def bcd(digits: str, pad: str = "right") -> str:
    if len(digits) % 2:
        digits = digits + "0" if pad == "right" else "0" + digits
    return digits


def test_a_sale_laid_out_by_hand_is_read():
    text = "".join((
        "6000030000", "603100311000", "0200",
        # 2 3 4 11 14 22 23 25 26 32 | 35 37 38 39 41 42 49 52 53 60 61 63 64
        f"{sum(1 << (64 - n) for n in (2, 3, 4, 11, 22, 23, 25, 26, 35, 41, 42, 49, 52, 53, 60, 64)):016X}",  # noqa: E501
        "19", bcd("6222021234567890128"),
        "000000", "000000012345", "000007",
        "0210",  # field 22 = 021, to the left
        "0001",  # field 23 = 001, to the right
        "00", "12",
        "31", bcd("6222021234567890128D30121010000"),
        b"00000001".hex(), b"123456789012345".hex(), b"156".hex(),
        "0011223344556677", "2600000000000000",
        "0014", "22000001000600", b"FE0EE8FE".hex()))
    request = decode(bytes.fromhex(text))
    assert request.tpdu.hex() == "6000030000" and request.header.hex() == "603100311000"
    want = {
        "t": "0200", "2": "6222021234567890128", "3": "000000", "4": "000000012345",
        "11": "000007", "22": "021", "23": "001", "25": "00", "26": "12",
        "35": "6222021234567890128D30121010000", "41": "00000001", "42": "123456789012345",
        "49": "156", "52": "0011223344556677", "53": "2600000000000000",
        "60": "22000001000600", "64": b"FE0EE8FE".hex().upper()}
    assert {key: request.fields[key] for key in want} == want
    assert set(request.fields) == {*want, "p"}
    assert (request.trace, request.batch, request.amount) == (7, 1, 12345)
    assert encode(want) == request.body


def test_the_sign_on_sample_of_the_trade_is_answered():
    # Message type and bitmap as terminals in the field send them: 11, 41, 42, 60, 62 left out, 63.
    body = ("0800" + "0020000000C00012" + "000001" + b"00000001".hex() + b"123456789012345".hex() +
            "0011" + "000000010030" + "0003" + b"01 ".hex())
    bank = Bank(signed_on=False)
    raw = bank.host.handle(TPDU + HEADER + bytes.fromhex(body), bank.now)[0].message
    assert raw[:11].hex() == "6000000003" + "603100311000", "TPDU turned round, demand 0"
    answer = decode(raw)
    assert answer.get("39") == "00" and answer.mti == "0810"
    assert set(answer.fields) == {"t", "p", *"11 12 13 32 37 39 41 42 60 62".split()}
    assert answer.get("60") == "00000001003"
    keys = bytes.fromhex(answer.get("62"))
    assert len(keys) == 40
    for part, check in ((keys[:16], keys[16:20]), (keys[20:36], keys[36:40])):
        assert security.kcv(security.decryptor(KEY).update(part)) == check


def test_the_reply_turns_the_tpdu_and_sets_the_demand_only():
    request = decode(TPDU + bytes.fromhex("613145223344") + encode({"t": "0820", "11": "000001"}))
    # Terminal status 4 stays, demand 5 becomes 7.
    assert envelope(request, b"", 7).hex() == "6000000003" + "613147223344"


def test_fields_of_each_reply():
    bank = Bank()
    money = "t p 2 3 4 11 12 13 15 25 32 37 38 39 41 42 44 49 60 63 64".split()
    sale = bank.pos.sale(100)
    assert set(bank.send(sale).fields) == set(money)
    answer = bank.send(bank.pos.balance())
    assert set(answer.fields) == set(money) - {"4", "15", "38"} | {"54"}
    _, answer = bank.sold(100)
    refund = bank.send(bank.pos.refund(50, answer.get("37"), bank.now.strftime("%m%d")))
    assert refund.get("39") == "00"
    assert set(refund.fields) == set(money) - {"38"}
    declined = bank.send(bank.pos.sale(100, CARDS["empty"]))
    assert set(declined.fields) == set(money) - {"38", "44", "63"}
    assert declined.get("37") == bank.ledger().transactions[-1].rrn
    reversal = bank.send(bank.pos.reversal(bank.pos.last))
    assert set(reversal.fields) == set(money) - {"38", "44", "63"}
    settle = bank.send(bank.pos.settle(100, 1, 0, 0))
    assert set(settle.fields) == set("t p 11 12 13 15 32 37 41 42 48 60".split())
    end = bank.send(bank.pos.end(True, 0))
    assert set(end.fields) == set("t p 11 12 13 32 37 39 41 42 60".split())


def test_parameters_are_a_list_of_tags():
    bank = Bank()
    data = bytes.fromhex(bank.send(bank.pos.manage("0800", "360")).get("62"))
    lengths = {11: 2, 12: 2, 13: 1, 14: 14, 15: 14, 16: 14, 17: 14, 18: 1, 19: 2, 20: 1, 21: 1,
               22: 40, 23: 1, 24: 1, 25: 1, 26: 4, 27: 2}
    values = {}
    while data:
        tag = int(data[:2])
        values[tag], data = data[2:2 + lengths[tag]], data[2 + lengths[tag]:]
    assert list(values) == sorted(lengths)
    assert values[22].decode("gbk").rstrip() == "末笔测试商户"
    assert values[26] == b"\x87\0\0\0" and values[27] == b"00"


# The firmware's messages, the host's answers: two codecs, two DES, one conversation


@pytest.fixture
def device():
    bank = Bank(signed_on=False)
    setup = SimpleNamespace(tid="00000001", mid="123456789012345", tpdu=TPDU, reader="2",
                            closing_mac=1, request_time=1)
    keys = SimpleNamespace(pik=b"", mak=b"")
    return SimpleNamespace(bank=bank, composer=Composer(setup, keys), keys=keys)


def talk(device, name, txn):
    raw = bytes(device.composer.build(name, txn))
    (answer,) = device.bank.host.handle(raw, device.bank.now)
    return device.composer.read(name, txn, answer.message)


def plain(**values):
    base = {"trace": 1, "batch": 1, "operator": 1, "kind": 0, "time": 0}
    return SimpleNamespace(**{**base, **values})


def transaction(kind, trace, amount=0, pin="123456", track=True):
    txn = tx.Transaction(kind)
    txn.trace, txn.batch, txn.amount = trace, 1, amount
    txn.pan = GOOD.pan
    txn.entry = "021" if pin else "022"
    if track:
        txn.track2 = f"{GOOD.pan}D30121010000"
    return txn


def test_the_firmware_and_the_host_understand_each_other(device):
    reply = talk(device, "sign_on", plain())
    assert reply.code == "00" and reply.batch == 1
    pik, mak = device_security.unwrap(KEY, reply.keys)[:2]
    device.keys.pik, device.keys.mak = bytes(pik), bytes(mak)

    def pin(txn, digits="123456"):
        txn.pin_block = device_security.pin_block(digits, txn.pan, device.keys.pik)
        return txn

    balance = pin(transaction(tx.BALANCE, 2))
    assert talk(device, "balance", balance).balance == GOOD.balance
    sale = pin(transaction(tx.SALE, 3, 12_34))
    reply = talk(device, "sale", sale)
    assert reply.code == "00" and reply.amount == 12_34 and sale.rrn and sale.auth
    wrong = pin(transaction(tx.SALE, 4, 12_34), "000000")
    assert talk(device, "sale", wrong).code == "55"

    void = transaction(tx.VOID, 5, 12_34, pin="")
    void.original_batch, void.original_trace = 1, 3
    void.original_rrn, void.original_auth = sale.rrn, sale.auth
    assert talk(device, "void", void).code == "00"
    void.reason = "98"
    assert talk(device, "void_reversal", void).code == "00"
    query = plain(trace=6, original_batch=1, original_trace=3)
    assert talk(device, "status_query", query).code == "00"
    refund = transaction(tx.REFUND, 7, 2_00, pin="")
    refund.original_rrn, refund.original_date = sale.rrn, "1122"
    assert talk(device, "refund", refund).code == "00"

    undone = pin(transaction(tx.SALE, 8, 5_00))
    talk(device, "sale", undone)
    undone.reason, undone.track2, undone.pin_block = "98", "", None
    assert talk(device, "sale_reversal", undone).code == "00"
    assert talk(device, "echo", plain(trace=0)).code == "00"
    assert talk(device, "parameters", plain(trace=0)).parameters[:2] == b"11"

    totals = SimpleNamespace(debit_amount=12_34, debit_count=1, credit_amount=0, credit_count=0)
    assert talk(device, "settlement", plain(trace=9, totals=totals)).verdict == 2
    assert talk(device, "batch_upload", plain(trace=10, packet=[sale])).code == "00"
    refund.track2 = ""
    assert talk(device, "batch_refund", refund).code == "00"
    assert talk(device, "batch_end", plain(trace=11, count=2, balanced=False)).code == "00"
    assert talk(device, "sign_off", plain(trace=12)).code == "00"
    ledger = device.bank.ledger()
    assert not ledger.discrepancies and ledger.batches["00000001", 1] == ("21", True)
    assert [(t.kind, t.state) for t in ledger.transactions] == [
        ("balance", "approved"), ("sale", "refunded"), ("sale", "declined"),
        ("void", "reversed"), ("refund", "settled"), ("sale", "reversed")]


# Damage


def test_a_message_of_a_foreign_field_is_refused_by_name():
    bank = Bank()
    body = bytes.fromhex(  # field 28 between 11 and 41; field 41 and 42 are never reached
        "0200" + f"{sum(1 << (64 - n) for n in (3, 11, 28, 41, 42, 60)):016X}" + "000000" +
        "000001" + b"C00000100".hex())
    assert bank.host.handle(TPDU + HEADER + body, bank.now) == []
    assert "field 28 is not part" in bank.why()
    body = encode({"t": "0200", "3": "000000", "11": "000001", "41": "00000001",
                   "42": "123456789012345"})
    late = bytearray(body) + b"\x01\x02"
    late[2 + 5] |= 0x01  # field 48 is announced and cut short
    answer = bank.send(TPDU + HEADER + bytes(late))
    assert answer.get("39") == "30" and answer.get("11") == "000001" and not answer.get("64")


@pytest.mark.parametrize("message,why", [
    (b"", "too short"), (b"\x60" * 20, "too short"), (b"\x61" + bytes(40), "TPDU begins"),
    (TPDU + HEADER + bytes.fromhex("02AA") + bytes(8), "not a number"),
    (TPDU + HEADER + bytes.fromhex("0200") + b"\x80" + bytes(15), "second bitmap"),
    (b"\x60" + bytes(2000), "more than any message"),
    (TPDU + HEADER + bytes.fromhex("0210") + bytes(8), "is no request"),
    (TPDU + HEADER + bytes.fromhex("0200") + bytes(8), "field 11 is missing"),
])
def test_what_cannot_be_answered_is_not_answered_and_the_trace_says_why(message, why):
    bank = Bank()
    assert bank.host.handle(message, bank.now) == []
    assert why in bank.why(), bank.why()


def test_fields_that_chip_terminals_add_are_taken_and_hidden():
    bank = Bank()
    extra = {"f36": "996222021234567890128D3012", "f55": "9F2608AABBCCDDEEFF0011", "f59": "A1" * 9}
    assert bank.code(bank.pos.sale(100, pin="", **extra)) == "00"
    for value in extra.values():
        assert value not in bank.host.trace_text()


def test_digits_that_are_none_are_refused_and_not_echoed():
    bank = Bank()
    message = bytearray(bank.pos.sale(100, pin=""))
    at = message.index(bytes.fromhex("000000000100"))
    message[at] = 0xAB
    answer = bank.send(bytes(message))
    assert answer.get("39") == "30" and not answer.get("4")


def test_every_truncation_of_a_sale_is_harmless():
    bank = Bank()
    message = bank.pos.sale(100)
    for length in range(len(message)):
        for answer in bank.answers(message[:length]):
            assert answer.get("39") in ("30", "A0")
    assert not bank.ledger().transactions
    assert bank.code(message) == "00"


def test_no_single_damaged_byte_gets_past_the_mac():
    bank = Bank()
    message = bank.pos.sale(100)
    chance = random.Random(7)
    for at in range(len(TPDU + HEADER), len(message)):
        damaged = bytearray(message)
        damaged[at] ^= chance.randrange(1, 256)
        for answer in bank.answers(bytes(damaged)):
            assert answer.get("39") != "00", f"byte {at}"
    assert bank.ledger().balance("merchant") == 0


BANK = Bank()
SAMPLES = [BANK.pos.sale(100)]
SALE = BANK.pos.last
SAMPLES += [
    BANK.pos.balance(), BANK.pos.void(BANK.pos.last, amount=1),
    BANK.pos.refund(1, "632600000001", "1122"), BANK.pos.settle(1, 1, 0, 0),
    BANK.pos.upload([(1, GOOD.pan, 100)] * 8), BANK.pos.end(False, 8), BANK.pos.query(1, 1),
    BANK.pos.manage("0800", "360"),
]


@settings(max_examples=400)
@given(st.data())
def test_mutated_messages_never_raise_and_never_move_money(data):
    message = bytearray(data.draw(st.sampled_from(SAMPLES)))
    for _ in range(data.draw(st.integers(1, 6))):
        # Not the first eleven: the MAC does not cover TPDU and header.
        at = data.draw(st.integers(11, len(message)))
        what = data.draw(st.sampled_from(("set", "cut", "insert")))
        if what == "set" and at < len(message):
            message[at] = data.draw(st.integers(0, 255))
        elif what == "cut":
            del message[at:at + data.draw(st.integers(1, 20))]
        else:
            message[at:at] = data.draw(st.binary(min_size=1, max_size=9))
    for answer in BANK.host.handle(bytes(message), BANK.now):
        decode(answer.message)
    ledger = BANK.host.ledger()
    ledger.check()
    if bytes(message) in SAMPLES:
        BANK.host.handle(BANK.pos.reversal(SALE), BANK.now)  # mutated back to what it was
    assert BANK.host.ledger().balance("merchant") == 0


@settings(max_examples=200)
@given(st.binary(max_size=400), st.booleans())
def test_random_bytes_never_raise(noise, dressed):
    message = TPDU + HEADER + b"\x02\x00" + noise if dressed else noise
    BANK.host.handle(message, datetime(2026, 11, 22))


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_the_codec_has_two_errors_only(noise):
    with contextlib.suppress(FormatError, Unanswerable):
        decode(TPDU + HEADER + noise)


# What must never be seen


def test_no_secret_reaches_the_trace_the_database_or_a_repr(tmp_path):
    path = tmp_path / "books.sqlite"
    bank = Bank(f"sqlite:///{path}", notices=True)
    sale, answer = bank.sold(100)
    bank.send(bank.pos.sale(100, track=False, pin="000000"))
    bank.send(bank.pos.void(sale))
    bank.send(bank.pos.settle(100, 1, 100, 1))
    bank.send(bank.pos.upload([(sale.trace, GOOD.pan, 100)]))
    bank.send(bank.pos.end(False, 1))
    pik = bank.pos._pik
    secrets = {
        "card number": GOOD.pan, "track": f"{GOOD.pan}D3012", "expiry in track": "D30121",
        "PIN block": sale.fields["52"], "PIK": pik.hex().upper(), "TMK": KEY.hex().upper()}
    texts = {
        "trace": bank.host.trace_text(), "notices": str(bank.host.waiting_notices()),
        "ledger": bank.ledger().text() + repr(bank.ledger().transactions),
        "answers": repr([repr(bank.host._register.card(GOOD.pan)), repr(bank.host._register)]),
        "keys": repr(bank.pos.keys),
        "terminals": repr(bank.host._register.terminals)}
    bank.host.close()
    for file in tmp_path.iterdir():
        raw = file.read_bytes()
        for what, secret in secrets.items():
            for form in (secret.encode(), secret.lower().encode(),
                         bytes.fromhex(secret) if len(secret) % 2 == 0 and "D3" not in secret
                         else secret.encode()):
                assert form not in raw, f"{what} in {file.name}"
    for where, text in texts.items():
        for what, secret in secrets.items():
            assert secret.lower() not in text.lower(), f"{what} in {where}"
    assert hashlib.sha256(pik).digest() not in path.read_bytes()
    assert answer.get("38") in texts["trace"], "what may be seen is seen"


def test_masks():
    assert mask_pan("6222021234567890128") == "622202*********0128"
    assert mask_pan("1234") == "****" and mask_pan("1" * 12) == "*" * 12
    assert mask_pan("1234567890123") == "123456***0123"
    assert masked({"48": "01" + "00000001" + GOOD.pan.rjust(20, "0") + "000000000100"})["48"] == (
        "01 00000001 622202*********0128 000000000100")
    assert masked({"48": "0012"})["48"] == "0012"
    assert GOOD.pan not in masked({"48": "99" + GOOD.pan * 3})["48"]
