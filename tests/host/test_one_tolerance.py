"""Two codecs, one tolerance: what the terminal takes the host takes, and the other way round.

The terminal's codec (`mobi.acquiring.iso8583`) and the host's (`host_tools.acquirer.codec`) share
no code. Thousands of mutated messages go through both: the same are refused, in the same field,
and what is taken has the same values. docs/protocol.md, section 8, says what is tolerated.
"""

import random

import pytest

from host_tools import explain
from host_tools.acquirer import codec
from mobi import transactions as tx
from mobi.acquiring.iso8583 import FIELDS, LIMIT, SKIPPED, BadMessage, Message
from mobi.acquiring.messages import BadMac, Composer, Rejected
from tests.host.iso_oracle import encode
from tests.host.test_messages import (
    EXPECTED,
    MAK,
    NAMES,
    WITH_MAC,
    Keys,
    Setup,
    answer,
    reply_values,
    sample,
    with_mac,
)

DOUBLE = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
KINDS = {"balance": tx.BALANCE, "void": tx.VOID, "refund": tx.REFUND, "void_reversal": tx.VOID}
TEXTS = ("37", "38", "39", "41", "42", "49")
TRACKS = ("35", "36")
GBK = ("44", "54", "63")


def of_the_terminal(data):
    """(field it breaks in, fields) as the terminal's codec reads ``data``; None: it does not."""
    message = Message()
    broken = None
    try:
        message.parse(data)
    except BadMessage as error:
        broken = error.field
        if broken <= 1 and error.reason != "trailing":
            return broken, {}
    found = {"t": message.mti}
    for number, *_ in FIELDS:
        key = str(number)
        if not message.has(number):
            continue
        if key in TEXTS:
            found[key] = message.text(number)
        elif key in codec.DIGITS or key in TRACKS:
            found[key] = message.digits(number)
        elif key in GBK:
            found[key] = bytes(message.raw(number)).decode("gbk", "replace")
        else:
            found[key] = bytes(message.raw(number)).hex().upper()
    return broken, found


def of_the_host(data):
    """The same as the host's codec reads it."""
    broken = None
    try:
        fields = codec.decode(data).fields
    except codec.Unanswerable as error:
        return int("second bitmap" in str(error)), {}
    except codec.FormatError as error:
        broken, fields = error.field, error.request.fields
    # The host reads on behind a field with wrong content, so that it can answer 30.
    found = {key: value for key, value in fields.items()
             if value and key != "p" and key not in codec.SKIPPED
             and (key == "t" or not broken or int(key) < broken)}
    for key in TEXTS:
        if key in found:
            found[key] = found[key].rstrip(" ")
    for key in TRACKS:
        if key in found:
            found[key] = found[key].replace("D", "=").lower()
    return broken, found


def both(data):
    """The verdict, after a check that it is one."""
    data = bytes(data)
    terminal, host = of_the_terminal(data), of_the_host(data)
    assert terminal == host, data.hex()
    return terminal


def bits(message, *numbers):
    """``message`` with these bits of its bitmap set; the content is the caller's business."""
    out = bytearray(message)
    for number in numbers:
        out[12 + (number + 7) // 8] |= 0x80 >> (number - 1) % 8
    return out


SAMPLES = [encode(EXPECTED[name]) for name in NAMES] + [
    answer(name, reply_values(name, code)) for name in NAMES for code in ("00", "51")]
REPLY = answer("sale", reply_values("sale"))


def spoiled(chance):
    """A message with one to four mutations, of those that real hosts and real lines make."""
    message = bytearray(chance.choice(SAMPLES))
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(message)) if chance.random() < 0.1 else chance.randrange(
            11, max(12, len(message)))
        kind = chance.randrange(7)
        if kind == 0 and at < len(message):
            message[at] = chance.randrange(256)
        elif kind == 1 and at < len(message):
            message[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            del message[at:at + chance.randint(1, 6)]
        elif kind == 3:
            message[at:at] = chance.randbytes(chance.randint(1, 6))
        elif kind == 4 and len(message) > 20:
            message[:] = bits(message, chance.randint(2, 64))
        elif kind == 5:  # a field that is passed over, with content that fits
            number, _, size = chance.choice(SKIPPED)
            message[:] = bits(message.ljust(21, b"\0"), number)
            message[21:21] = chance.choice((b"\x00\x04abcd", b"\x04abcd", bytes(size)))
        else:
            message += chance.randbytes(chance.choice((1, 2, 500, 1000)))
        if len(message) < 21:
            break
    return bytes(message)


def test_thousands_of_mutated_messages_get_one_verdict():
    chance = random.Random(8583)
    counts = {}
    for _ in range(12_000):
        broken, _ = both(spoiled(chance))
        counts[broken] = counts.get(broken, 0) + 1
    # The mutations reach what they should: hundreds are taken, and nearly every field is refused.
    assert counts[None] > 500, counts
    assert counts[0] > 500 and len(counts) > 40, counts


@pytest.mark.parametrize("field", range(1, 65))
def test_a_field_alone_behind_the_trace(field):
    # Announced and missing, announced with zeros behind it, with ones, with text.
    base = encode({"t": "0210", "11": "000017"})
    for content in (b"", bytes(4), bytes(60), b"\xff" * 60, b"\x99" * 60, b"A" * 60, b"\x12" * 700):
        if field > 11:
            message = bytes(bits(base, field)) + content
        else:
            message = bytes(bits(base, field))[:21] + content + base[21:]
        broken, _ = both(message)
        if field in (1, 28, 29, 30, 31, 34):
            assert broken == field


def replaced(values, **raw):
    """The reply to a sale with the bytes of some fields (``f44=b"..."``, length included) given."""
    head = encode({"t": values["t"]})
    content = {int(key): encode({"t": values["t"], key: value})[len(head):]
               for key, value in values.items() if key != "t"}
    content |= {int(key[1:]): data for key, data in raw.items()}
    return bytes(bits(head, *content)) + b"".join(content[key] for key in sorted(content))


SALE = reply_values("sale")
ODD = bytes.fromhex("19" + "6222021234567890128F")
TOLERATED = {
    "a card number of odd length that ends in F": {"f2": ODD},
    "a filling nibble of field 23 that is no digit": {"f23": bytes.fromhex("F001")},
    "a filling nibble of field 22 that is no digit": {"f22": bytes.fromhex("021F")},
    "GBK in field 44": {"f44": b"\x08" + "中国银行".encode("gbk")},
    "a character cut in two at the end of field 63": {
        "f63": b"\x00\x06" + b"CUP" + "银行".encode("gbk")[:3]},
    "field 57": {"f57": b"\x00\x05hello"},
    "field 58 and 59": {"f58": b"\x00\x02\xff\xff", "f59": b"\x00\x03A1\x00"},
    "fields of the settlement between banks": {
        "f5": bytes(6), "f9": bytes(4), "f16": b"\x11\x22", "f50": b"156"},
    "letters in a number that is passed over": {"f18": b"\xaa\xbb"},
    "track 1": {"f45": b"\x10%B6222^X^3012?..."[:11]},
    "an empty field 63": {"f63": b"\x00\x00"},
}
REFUSED = {
    "field 28": ({"f28": bytes(9)}, 28), "field 34": ({"f34": b"\x02\x12"}, 34),
    "57 longer than the message": ({"f57": b"\x09\x99"}, 57),
    "a length that is no number": ({"f44": b"\x0a" + bytes(10)}, 44),
    "too long": ({"f44": b"\x26" + bytes(26)}, 44),
    "a tab in field 38": ({"f38": b"\tABCDE"}, 38),
    "zeros in field 37": ({"f37": bytes(12)}, 37),
    "a letter in field 4": ({"f4": bytes.fromhex("00000000A000")}, 4),
}


@pytest.mark.parametrize("what", TOLERATED)
def test_what_is_tolerated_both_take(what):
    broken, found = both(replaced(SALE, **TOLERATED[what]))
    assert broken is None and found["39"] == "00" and found["4"] == "000000012345"


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_both_refuse_in_the_same_field(what):
    raw, field = REFUSED[what]
    assert both(replaced(SALE, **raw))[0] == field


def test_the_longest_message_is_the_same():
    assert LIMIT == codec.MAX_MESSAGE
    room = LIMIT - len(replaced(SALE, f57=b"\x00\x00"))
    whole = replaced(SALE, f57=bytes.fromhex(f"{room:04d}") + bytes(room))
    assert len(whole) == LIMIT and both(whole)[0] is None
    assert both(whole + b"\0")[0] == 0
    room += 1
    assert both(replaced(SALE, f57=bytes.fromhex(f"{room:04d}") + bytes(room)))[0] == 0


def test_the_tables_of_both_are_the_same():
    assert codec.SKIPPED == {str(row[0]) for row in SKIPPED}
    for number, _, size in FIELDS:
        assert codec.SPEC[str(number)]["max_len"] == size
    assert {str(row[0]) for row in (*FIELDS, *SKIPPED)} == codec.KNOWN - {"t", "p", "h"}


# -- and whole replies: what the terminal says, `mobi explain` says -------------------------------


def terminal_says(name, reply, double):
    """The field that the terminal names, "mac", or None when it takes the reply."""
    keys = type("K", (Keys,), {"mak": DOUBLE if double else MAK})
    try:
        Composer(Setup, keys).read(name, sample(KINDS.get(name, tx.SALE)), reply)
    except (Rejected, BadMessage) as error:
        return error.field
    except BadMac:
        return "mac"
    return None


def explain_says(name, reply, double):
    """The same of the first difference that `mobi explain` names."""
    request = bytes(Composer(Setup, Keys).build(name, sample(KINDS.get(name, tx.SALE))))
    found = explain.differences(request, reply, DOUBLE if double else MAK)
    return found[0].field if found else None


def odd_reply(chance, name):
    """A reply with other values than a good one has; the MAC is made after that, mostly."""
    values = {**reply_values(name, chance.choice(CODES)), "64": ""}
    if chance.random() < 0.5:
        key = chance.choice(("t", "3", "4", "11", "39", "41", "42", "48", "54", "60", "63"))
        if key != "t" and chance.random() < 0.3:
            values.pop(key, None)
        else:
            values[key] = chance.choice(OTHER_VALUES[key])
    values = {key: value for key, value in values.items() if value}
    if chance.random() < 0.15:
        return encode(values)
    return with_mac(values, chance.choice((MAK, MAK, MAK, DOUBLE, bytes(8))))


CODES = ("00", "00", "00", "10", "11", "12", "22", "25", "51", "94", "99", "A0", "A2", "A6", "Z9",
         "0 ", "  ")
OTHER_VALUES = {
    "t": ("0210", "0410", "0830", "0211", "0200"), "3": ("000000", "200000", "310000"),
    "4": ("000000012345", "000000012344", "000000000000", "000000099999"),
    "11": ("000017", "000018", "000000"), "39": CODES, "41": ("00000001", "00000002", "1       "),
    "42": ("123456789012345", "1" * 15), "60": ("22000003000", "2200", "00000004003"),
    "48": ("0" * 62, "0" * 30 + "1" + "0" * 31, "0" * 30 + "2" + "0" * 30 + "4", "0" * 61, "0012"),
    "54": ("00", b"1002156C000000123456".hex(), b"1002156X000000123456".hex(),
           b"1002156D00000012345A".hex()), "63": (b"CUP".hex(), "FF"),
}


@pytest.mark.parametrize("name", NAMES)
def test_what_the_terminal_says_of_a_reply_explain_says_too(name):
    chance = random.Random(name)
    said = {}
    for turn in range(240):
        reply = odd_reply(chance, name)
        if turn % 3 == 0:  # and some damage, mostly behind the header
            damaged = bytearray(reply)
            for _ in range(chance.randint(1, 3)):
                damaged[chance.randrange(11, len(damaged))] = chance.randrange(256)
            reply = bytes(damaged)
        double = turn % 5 == 0
        verdict = terminal_says(name, reply, double)
        assert explain_says(name, reply, double) == verdict, reply.hex()
        said[verdict] = said.get(verdict, 0) + 1
    assert said[None] > 20 and len(said) > 4, said
    assert ("mac" in said) == (name in WITH_MAC)
