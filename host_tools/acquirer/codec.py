"""TPDU, header and ISO 8583 of the card terminals, read and written with `pyiso8583`.

A message here is TPDU (5 bytes) + header (6 bytes) + ISO 8583, without any length prefix. The
field set is the one Chinese bank card terminals speak: MTI and numbers in BCD, 64 fields only.
Nothing is shared with the terminal's own codec, so that each side checks the other.

Field values are strings: digits for numeric fields, upper-case hex for binary ones (52, 55, 59,
62, 64), text for the rest; field 63 is GBK on the wire.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import iso8583

TPDU = 5
HEADER = 6
MAX_MESSAGE = 1200  # bytes; the longest legal one (a full batch upload) has about 330

Fields = dict[str, str]


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
        # A field outside the set has no room for content, so that a message that carries one
        # fails in it, with everything before it decoded.
        add(number, "not used", "b", 1, 0)
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
    add(44, "institutions", "ascii", 1, 25)
    bcd(48, "totals or details", 2, 322)
    add(49, "currency", "ascii", 0, 3)
    add(52, "PIN block", "b", 0, 8)
    bcd(53, "security control", 0, 16)
    add(54, "balance", "ascii", 2, 20)
    add(55, "chip data", "b", 2, 255)
    add(59, "extended data", "b", 2, 600)
    bcd(60, "type, batch, code", 2, 19)
    bcd(61, "original", 2, 29)
    add(62, "keys or parameters", "b", 2, 512)
    add(63, "operator or texts", "gbk", 2, 163)
    add(64, "MAC", "b", 0, 8)
    return spec, frozenset(digits)


SPEC, DIGITS = _spec()
KNOWN = frozenset(key for key, item in SPEC.items() if item["desc"] != "not used")


class Unanswerable(Exception):
    """So little of the message can be read that nobody can be answered; says what is wrong."""


class FormatError(Exception):
    """The message breaks the format; ``request`` holds what could be read of it."""

    def __init__(self, why: str, request: Request | None = None):
        super().__init__(why)
        self.request = request


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
        raise Unanswerable(f"{len(message)} bytes are more than any message has")
    if message[0] != 0x60:
        raise Unanswerable(f"TPDU begins with {message[0]:02X}, not 60")
    request = Request(
        bytes(message[:TPDU]), bytes(message[TPDU:TPDU + HEADER]), bytes(message[TPDU + HEADER:]))
    if not request.body[:2].hex().isdecimal():
        raise Unanswerable("the message type is not a number")
    if request.body[2] & 0x80:
        raise Unanswerable("a second bitmap is announced; this message set has 64 fields")
    try:
        fields, _ = iso8583.decode(request.body, SPEC)
    except iso8583.DecodeError as error:
        request.fields = _sound(error.doc_dec)
        request.fields.pop(error.field, None)
        if error.field not in KNOWN:
            raise FormatError(f"field {error.field} is not part of this message set",
                              request) from None
        raise FormatError(f"field {error.field}: {error.msg}", request) from None
    request.fields = fields
    for key in fields:
        if key in DIGITS and not fields[key].isdecimal():
            request.fields = _sound(fields)
            raise FormatError(f"field {key} holds something else than digits", request)
        if key not in KNOWN:
            raise FormatError(f"field {key} is not part of this message set", request)
    return request


def _sound(fields: Mapping[str, str]) -> Fields:
    # Of a damaged message: what may be echoed. Digits that are none may not.
    return {key: value for key, value in fields.items()
            if value and (key not in DIGITS or value.isdecimal())}


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


_HIDDEN = {
    "14": "expiry", "35": "track 2", "36": "track 3", "52": "PIN block", "55": "chip data",
    "59": "extended data", "62": "keys or parameters",
}


def masked(fields: Mapping[str, str]) -> Fields:
    """A copy fit for eyes and logs: no full card number, track, PIN block, expiry or key."""
    out = dict(fields)
    for key in _HIDDEN.keys() & out.keys():
        out[key] = f"<{_HIDDEN[key]}, {len(out[key])} hidden>"
    if "2" in out:
        out["2"] = mask_pan(out["2"])
    if "48" in out and len(out["48"]) > 62:
        out["48"] = _masked_details(out["48"])
    elif "48" in out and len(out["48"]) not in (4, 62):
        out["48"] = _masked_details(out["48"])
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
