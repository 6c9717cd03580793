"""TPDU, header and ISO 8583 of the card terminals, written with `pyiso8583`, read by rules of ours.

A message here is TPDU (5 bytes) + header (6 bytes) + ISO 8583, without any length prefix. The
field set is the one Chinese bank card terminals speak: MTI and numbers in BCD, 64 fields only.
Nothing is shared with the terminal's own codec, so that each side checks the other; what both
tolerate in a message they read stands in docs/protocol.md, section 8, and a test compares their
verdicts.

Field values are strings: digits for numeric fields, upper-case hex for binary ones (52, 55, 62,
64 and most of those that are passed over), text for the rest; 44 and 63 are GBK on the wire.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import iso8583

TPDU = 5
HEADER = 6
MAX_MESSAGE = 1024  # bytes: what a frame of the terminal's line holds

Fields = dict[str, str]

# Fields of ISO 8583 that this message set does not use: name, bytes of length in front, longest
# content in bytes (33: in digits). A message may carry them; they are passed over unseen. 28 to 31
# and 34 are missing: hosts do not agree on how they are packed.
_SKIPPED = {
    5: ("settlement amount", 0, 6), 6: ("cardholder amount", 0, 6), 7: ("transmission time", 0, 5),
    8: ("cardholder fee", 0, 4), 9: ("settlement rate", 0, 4), 10: ("cardholder rate", 0, 4),
    16: ("conversion date", 0, 2), 17: ("capture date", 0, 2), 18: ("merchant type", 0, 2),
    19: ("acquirer country", 0, 2), 20: ("card country", 0, 2), 21: ("forwarder country", 0, 2),
    24: ("network", 0, 2), 27: ("code length", 0, 1), 33: ("forwarder", 1, 11),
    40: ("restriction", 0, 3), 43: ("place of the shop", 0, 40), 45: ("track 1", 1, 76),
    46: ("private use", 2, 999), 47: ("private use", 2, 999), 50: ("settlement currency", 0, 3),
    51: ("card's currency", 0, 3), 56: ("private use", 2, 999), 57: ("private use", 2, 999),
    58: ("private use", 2, 999), 59: ("private use", 2, 999),
}


def _spec() -> tuple[dict[str, dict[str, Any]], frozenset[str]]:
    spec: dict[str, dict[str, Any]] = {}
    digits = set()

    def add(key: int | str, desc: str, enc: str, len_type: int, max_len: int, **more: Any) -> None:
        spec[str(key)] = dict(
            data_enc=enc, len_enc="bcd", len_type=len_type, max_len=max_len, desc=desc, **more)

    def bcd(key: int, desc: str, len_type: int, max_len: int, pad: str = "right_pad") -> None:
        # Lengths of numeric fields count digits; an odd last digit is padded with a zero.
        add(key, desc, "b", len_type, max_len, len_count="nibbles", **{pad: "0"})
        digits.add(str(key))

    add("h", "header, handled outside", "b", 0, 0)
    add("t", "message type", "b", 0, 2)
    add("p", "bitmap", "b", 0, 8)
    for number in range(1, 65):
        add(number, "not used", "b", 1, 0)
    for number, (desc, len_type, max_len) in _SKIPPED.items():
        more = {"len_count": "nibbles", "right_pad": "0"} if number == 33 else {}
        add(number, desc, "b", len_type, max_len, **more)
    bcd(2, "card number", 1, 19)
    bcd(3, "processing code", 0, 6)
    bcd(4, "amount", 0, 12)
    bcd(11, "trace", 0, 6)
    bcd(12, "time", 0, 6)
    bcd(13, "date", 0, 4)
    bcd(14, "expiry", 0, 4)
    bcd(15, "settlement date", 0, 4)
    bcd(22, "entry mode", 0, 3)  # left-justified
    bcd(23, "card sequence", 0, 3, pad="left_pad")  # right-justified
    bcd(25, "condition", 0, 2)
    bcd(26, "PIN length", 0, 2)
    bcd(32, "acquirer", 1, 11)
    add(35, "track 2", "b", 1, 37, len_count="nibbles", right_pad="0")
    add(36, "track 3", "b", 2, 104, len_count="nibbles", right_pad="0")
    add(37, "reference number", "ascii", 0, 12)
    add(38, "authorisation code", "ascii", 0, 6)
    add(39, "response code", "ascii", 0, 2)
    add(41, "terminal", "ascii", 0, 8)
    add(42, "merchant", "ascii", 0, 15)
    add(44, "institutions", "gbk", 1, 25)
    bcd(48, "totals or details", 2, 322)
    add(49, "currency", "ascii", 0, 3)
    add(52, "PIN block", "b", 0, 8)
    bcd(53, "security control", 0, 16)
    add(54, "balance", "gbk", 2, 20)
    add(55, "chip data", "b", 2, 255)
    bcd(60, "type, batch, code", 2, 19)
    bcd(61, "original", 2, 29)
    add(62, "keys or parameters", "b", 2, 512)
    add(63, "operator or texts", "gbk", 2, 163)
    add(64, "MAC", "b", 0, 8)
    return spec, frozenset(digits)


SPEC, DIGITS = _spec()
KNOWN = frozenset(key for key, item in SPEC.items() if item["desc"] != "not used")
SKIPPED = frozenset(map(str, _SKIPPED))


class Unanswerable(Exception):
    """So little of the message can be read that nobody can be answered; says what is wrong."""


class FormatError(Exception):
    """The message breaks the format; ``request`` holds what could be read of it. ``field``: where
    it breaks (0: before or behind the fields)."""

    def __init__(self, why: str, request: Request | None = None, field: int = 0):
        super().__init__(why)
        self.request = request
        self.field = field


@dataclass(slots=True)
class Request:
    """A decoded message. ``body`` is the ISO 8583 part as it came (what the MAC covers)."""

    tpdu: bytes
    header: bytes
    body: bytes
    fields: Fields = field(default_factory=dict)

    @property
    def mti(self) -> str:
        return self.fields["t"]

    def get(self, key: str) -> str:
        """The field, or "" when the message does not carry it."""
        return self.fields.get(key, "")

    @property
    def trace(self) -> int:
        """Field 11."""
        return int(self.fields["11"])

    @property
    def stamp(self) -> str:
        """Fields 13 and 12 as MMDDhhmmss: the terminal's time of a transaction; "" if not given."""
        stamp = self.get("13") + self.get("12")
        return stamp if len(stamp) == 10 else ""

    @property
    def batch(self) -> int:
        """Field 60.2."""
        return int(self.fields["60"][2:8])

    @property
    def amount(self) -> int:
        """Field 4 in 分; 0 when there is none."""
        return int(self.fields.get("4", "0"))


def decode(message: bytes) -> Request:
    """Take a message apart.

    Raises ``Unanswerable`` when TPDU, header or message type cannot be read, ``FormatError``
    with the fields read so far when the rest is damaged.
    """
    if len(message) < TPDU + HEADER + 10:
        raise Unanswerable(f"{len(message)} bytes are too short for a message")
    if len(message) > MAX_MESSAGE:
        raise Unanswerable(f"{len(message)} bytes are more than any message has ({MAX_MESSAGE})")
    if message[0] != 0x60:
        raise Unanswerable(f"TPDU begins with {message[0]:02X}, not 60")
    request = Request(
        bytes(message[:TPDU]), bytes(message[TPDU:TPDU + HEADER]), bytes(message[TPDU + HEADER:]))
    request.fields, _, problem = read_body(request.body)
    if "t" not in request.fields:
        assert problem is not None
        raise Unanswerable(problem[1])
    if problem is not None:
        raise FormatError(problem[1], request, problem[0])
    return request


def read_body(body: bytes) -> tuple[Fields, dict[str, bytes], tuple[int, str] | None]:
    """The ISO 8583 part of a message as far as it can be read: its fields, the bytes of each as
    they stand there (length included), and what is wrong with it: the field (0: none of them) and
    a text, or None. A field with wrong content is left out, those behind it are read all the same.
    """
    problem = None
    fields: Fields = {}
    raw: dict[str, bytes] = {}
    digits = body[:2].hex()
    if len(body) < 10:
        return fields, raw, (0, f"{len(body)} bytes are too short for message type and bitmap")
    if not digits.isdecimal():
        return fields, raw, (0, "the message type is not a number")
    if body[2] & 0x80:
        return fields, raw, (1, "a second bitmap is announced; this message set has 64 fields")
    fields["t"], fields["p"] = digits, body[2:10].hex().upper()
    bits = int.from_bytes(body[2:10], "big")
    at = 10
    for number in range(2, 65):
        if not bits >> 64 - number & 1:
            continue
        key = str(number)
        if key not in KNOWN:
            why = "is not part of this message set, and nobody can tell where it ends"
            return fields, raw, problem or (number, f"field {key} {why}")
        begin, end, size, why = _place(SPEC[key], body, at)
        if why:
            return fields, raw, problem or (number, f"field {key} {why}")
        fields[key], why = _value(key, body[begin:end], size)
        if why:
            del fields[key]
            problem = problem or (number, f"field {key} {why}")
        raw[key] = body[at:end]
        at = end
    if at < len(body):
        problem = problem or (0, f"{len(body) - at} extra bytes behind the last field")
    return fields, raw, problem


def _place(item: Mapping[str, Any], body: bytes, at: int) -> tuple[int, int, int, str]:
    # Of the field that begins at ``at``: where its content begins and ends, its length in digits
    # or bytes as the table counts, and what is wrong with that, or "".
    size, prefix = item["max_len"], item["len_type"]
    if prefix:
        length = body[at:at + prefix].hex().upper()
        if len(length) < 2 * prefix:
            return at, at, 0, "is cut off in its length"
        if not length.isdecimal():
            return at, at, 0, f"has the length {length}, which is no number"
        if int(length) > size:
            return at, at, 0, f"has the length {int(length)}, the longest is {size}"
        size, at = int(length), at + prefix
    room = (size + 1) // 2 if item.get("len_count") == "nibbles" else size
    if at + room > len(body):
        return at, at, 0, f"is cut off: {room} bytes are announced, {len(body) - at} are left"
    return at, at + room, size, ""


def _value(key: str, data: bytes, size: int) -> tuple[str, str]:
    # The value of a field whose content is ``data``, and what is wrong with it, or "".
    item, text = SPEC[key], data.hex().upper()
    if item.get("len_count") == "nibbles":
        # The nibble that fills an odd number of digits up to a byte is not looked at.
        text = text[len(text) - size:] if "left_pad" in item else text[:size]
        if key in DIGITS and text and not text.isdecimal():
            return "", "holds something else than digits"
    elif item["data_enc"] == "ascii":
        if any(not 32 <= byte <= 126 for byte in data):
            return "", "holds bytes that are no printable ASCII"
        return data.decode("ascii"), ""
    elif item["data_enc"] == "gbk":
        return data.decode("gbk", "replace"), ""
    return text, ""


def encode(fields: Mapping[str, str]) -> bytes:
    """ISO 8583 bytes of ``fields`` ("t" is the message type). ``FormatError`` if impossible."""
    try:
        body, _ = iso8583.encode(dict(fields), SPEC)
    except iso8583.EncodeError as error:
        raise FormatError(str(error)) from None
    return bytes(body)


def envelope(request: Request, body: bytes, demand: int) -> bytes:
    """The reply to ``request``: TPDU turned round, header with the processing demand digit."""
    tpdu, header = request.tpdu, bytearray(request.header)
    header[2] = header[2] & 0xF0 | demand
    return tpdu[:1] + tpdu[3:5] + tpdu[1:3] + bytes(header) + body


def mask_pan(pan: str) -> str:
    """First six and last four digits; a number too short to be a card is hidden whole."""
    if len(pan) < 13:
        return "*" * len(pan)
    return pan[:6] + "*" * (len(pan) - 10) + pan[-4:]


# The one list of what no output shows. Of 2 and 48 it shows a part, see ``masked``; what is passed
# over may hold anything.
_HIDDEN = {
    "14": "expiry", "35": "track 2", "36": "track 3", "52": "PIN block", "55": "chip data",
    "62": "keys or parameters", **{key: SPEC[key]["desc"] for key in SKIPPED},
}
SECRET = frozenset(("2", "48", *_HIDDEN))
_LONG_NUMBER = re.compile(r"(?<!\d)\d{13,19}(?!\d)")


def masked(fields: Mapping[str, str]) -> Fields:
    """A copy fit for eyes and logs: no full card number, track, PIN block, expiry or key, and
    nothing of the fields that are passed over."""
    out = dict(fields)
    for key in _HIDDEN.keys() & out.keys():
        out[key] = f"<{_HIDDEN[key]}, {len(out[key])} hidden>"
    if "2" in out:
        out["2"] = mask_pan(out["2"])
    if "48" in out and len(out["48"]) not in (4, 62):
        out["48"] = _masked_details(out["48"])
    if "63" in out:
        out["63"] = _LONG_NUMBER.sub(lambda found: mask_pan(found[0]), out["63"])
    return out


def _masked_details(text: str) -> str:
    # Batch upload: count, then per transaction kind 2, trace 6, card number 20, amount 12.
    parts = [text[:2]]
    for at in range(2, len(text), 40):
        item = text[at:at + 40]
        parts.append(f" {item[:8]} {mask_pan(item[8:28].lstrip('0'))} {item[28:]}")
    return "".join(parts)


def required(request: Request, keys: Iterable[str]) -> None:
    """``FormatError`` naming the first of ``keys`` that the message lacks."""
    for key in keys:
        if not request.get(key):
            raise FormatError(f"field {key} is missing", request)
