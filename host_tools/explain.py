"""Why a message is not believed: its fields, what its MAC covers, where a reply differs.

    mobi explain REQUEST [REPLY] [--mak KEY] [--tmk KEY]    messages as text, or @FILE, or -

The text may be hexadecimal digits with whatever stands between them, or a dump with offsets. The
message may be a frame of the terminal's line with its flags, have a length in front, TPDU and
header, another header, or be bare ISO 8583: what decodes is taken, and what was peeled off is said.
Card numbers are masked, tracks, PIN blocks and keys are not shown; of a MAC key only its check
value is. The XOR of the blocks goes over all bytes, hidden ones too: whoever knows the rest can
work out eight bytes of them, so show the output about real cards to nobody.

What is tolerated in a message, and what a reply must be, is what the terminal says to it
(docs/protocol.md, sections 8 and 9); a test compares the two with mutated replies.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import CipherContext

from host_tools import dumps
from host_tools.acquirer import codec, security
from host_tools.acquirer.codec import Fields

ENVELOPE = codec.TPDU + codec.HEADER
APPROVALS = ("00", "10", "11", "A2", "A4", "A5", "A6")
_IN_PART = "10"
# Answers that are acted on although they approve nothing, so that they need a MAC, too.
_CLOSES_REVERSAL = ("12", "25")
_ANSWERS_QUERY = ("22", "25")
_MAC_MTIS = ("0200", "0210", "0220", "0230", "0400", "0410", "0100", "0110")
# Echo test, parameter download, status report: the trace need not come back.
_LOOSE = ("301", "360", "362")
_QUERY = "364"
_SALE, _BALANCE = "000000", "310000"
_FURTHEST = 64  # bytes in front of a message type that are searched for one
_LEAST = 3  # fields that a message found by searching must have

# What must come back unchanged, in the order in which a terminal looks, and what is likely
# wrong when it does not.
_REPEATED = (
    ("3", "the host answers another kind of transaction, or builds the reply from a template"),
    ("11", "the reply to another request (a late one?), or the host does not copy field 11"),
    ("41", "the host pads or trims the terminal number, or answers for another terminal"),
    ("42", "the host pads or trims the merchant number, or answers for another merchant"),
)


@dataclass
class Peeled:
    """A message without its wrapping: ``body`` is ISO 8583, ``notes`` say what was around it.

    ``head``: the bytes in front of it, behind any length. ``raw``: the bytes of each field.
    ``where``, ``problem``: the field in which it breaks (0: none of them), and how; "" if it does
    not. ``odd``: why a terminal would not take it all the same.
    """

    body: bytes
    notes: list[str]
    head: bytes = b""
    fields: Fields = field(default_factory=dict)
    raw: dict[str, bytes] = field(default_factory=dict)
    where: int = 0
    problem: str = ""
    odd: str = ""

    @property
    def mti(self) -> str:
        """The message type, "" when it cannot be read."""
        return self.fields.get("t", "")

    def get(self, key: str) -> str:
        """The field, or "" when the message does not carry it."""
        return self.fields.get(key, "")

    def data(self, key: str) -> bytes:
        """The content of a field as it stands in the message, without its length."""
        return self.raw.get(key, b"")[codec.SPEC[key]["len_type"]:]


@dataclass(frozen=True)
class Difference:
    """Why a reply is no answer to a request. ``field``: the field's number (0: message type or
    format as a whole), or "mac"."""

    field: int | str
    text: str


def peel(data: bytes) -> Peeled:
    """Find the ISO 8583 message in ``data`` and take it apart as far as it can be."""
    data, notes = _unframed(data)
    tried = [_read(data, at, length, notes) for at, length in _places(data)]
    good = [message for message in tried if not message.problem and len(message.raw) > 0]
    if good:
        return good[0]
    for at in range(1, min(_FURTHEST, len(data) - 10)):
        if _is_type(data, at):
            message = _read(data, at, 0, notes)
            if not message.problem and len(message.raw) >= _LEAST:
                return message
    if not tried:
        start = data[:1].hex().upper() or "nothing"
        return Peeled(
            data, notes, problem=f"begins with {start}: neither a TPDU nor a message type")
    return max(tried, key=lambda message: len(message.raw))


def _unframed(data: bytes) -> tuple[bytes, list[str]]:
    # What is in a frame of the terminal's line.
    if data[:1] != b"\x7e" or data[-1:] != b"\x7e" or len(data) < 6:
        return data, []
    inner = max(data.split(b"\x7e"), key=len)
    plain = bytearray()
    escaped = False
    for byte in inner:
        if byte == 0x7D:
            escaped = True
        else:
            plain.append(byte ^ 0x20 if escaped else byte)
            escaped = False
    note = f"frame: control byte {plain[0]:02X}, FCS not checked (it needs the session)"
    return bytes(plain[1:-2]), [note]


def _places(data: bytes) -> list[tuple[int, int]]:
    # Where a message type may stand: (offset, bytes of length in front), the usual forms first.
    found = []
    for length in (0, 2, 4):
        if data[length:length + 1] == b"\x60":
            found.append((length + ENVELOPE, length))
        if _is_type(data, length) and (not length or _length_note(data, length)):
            found.append((length, length))
    if len(data) >= ENVELOPE and not found:
        found.append((ENVELOPE, 0))
    # A right length goes before everything else.
    return sorted(found, key=lambda place: not (place[1] and _length_note(data, place[1])))


def _is_type(data: bytes, at: int) -> bool:
    # Do the two bytes look like a message type of this protocol's family?
    digits = data[at:at + 2].hex()
    return (len(digits) == 4 and digits.isdecimal() and digits[0] == "0" and digits[1] in "1234568"
            and digits[2] in "012345" and digits[3] in "012345")


def _length_note(data: bytes, size: int) -> str:
    # How the first ``size`` bytes are the length of the rest; "" when they are not.
    head, rest = data[:size], len(data) - size
    if size == 4:
        if head.isdigit() and int(head) == rest:
            return "length in four letters: the terminal's side wants two bytes, binary"
        return ""
    if int.from_bytes(head, "big") == rest:
        return "right, and not part of the message"
    if int.from_bytes(head, "big") == rest + 2:
        return f"counts its own two bytes; it must be {rest:04X}"
    if int.from_bytes(head, "little") == rest:
        return f"low byte first; it must be {rest:04X}"
    if head.hex() == f"{rest:04d}":
        return f"in BCD; it must be binary, {rest:04X}"
    return ""


def _read(data: bytes, at: int, length: int, notes: list[str]) -> Peeled:
    # The message whose type stands at ``at``, behind ``length`` bytes of length.
    notes, head, body = list(notes), data[length:at], data[at:]
    if length:
        what = _length_note(data, length) or f"wrong, {len(data) - length} bytes follow"
        notes.append(f"length prefix {data[:length].hex().upper()}: {what}")
    message = Peeled(body, notes, head)
    message.fields, message.raw, problem = codec.read_body(body)
    if problem is not None:
        message.where, message.problem = problem
    if len(head) == ENVELOPE:
        tpdu, header = head[:codec.TPDU].hex().upper(), head[codec.TPDU:].hex().upper()
        notes.append(f"TPDU {tpdu}, header {header}, demand {header[5]}")
        if head[:1] != b"\x60":
            message.odd = f"the TPDU begins with {tpdu[:2]}, the terminal takes 60 only"
    elif not head:
        notes.append("no TPDU and header: bare ISO 8583")
    elif len(head) == codec.TPDU and head[:1] == b"\x60":
        notes.append(f"TPDU {head.hex().upper()}, no header")
        message.odd = "behind the TPDU the terminal takes a header of 6 bytes"
    else:
        notes.append(f"in front of the message type: {head.hex().upper()}, {len(head)} bytes")
        message.odd = (f"{len(head)} bytes stand in front of the message type, the terminal " +
                       "takes a TPDU of 5 and a header of 6")
    size = ENVELOPE + len(body)
    if size > codec.MAX_MESSAGE and "t" in message.fields:
        message.where = 0
        message.problem = f"{size} bytes, the longest message has {codec.MAX_MESSAGE}"
    return message


def explain(data: bytes, mak: bytes | None = None, tmk: bytes | None = None) -> str:
    """One message: wrapping, fields (masked), and with a key what becomes of its MAC.

    ``mak``: in clear, 8 or 16 bytes; of 16 different bytes all count, as in a terminal that got
    them with the check value of all. ``tmk``: to find out whether a key was used still wrapped.
    """
    message = peel(data)
    return "\n".join((*_fields(message), *_mac(message, mak, tmk)))


def _fields(message: Peeled) -> Iterator[str]:
    yield from message.notes
    if message.mti:
        yield f"message type {message.mti}"
    shown = codec.masked(message.fields)
    for key in sorted((key for key in shown if key.isdecimal()), key=int):
        note = "  (passed over)" if key in codec.SKIPPED else ""
        yield f"  {key:>2} {codec.SPEC[key]['desc']:<20} {shown[key]}{note}"
    if message.problem:
        yield f"broken: {message.problem}"
        passed = [key for key in message.fields if key in codec.SKIPPED]
        if passed:
            yield f"  passed over before it: field {', '.join(passed)}, by the length of ISO 8583;"
            yield "  if the host packs that otherwise, this is why"
    if message.odd:
        yield f"not for this terminal: {message.odd}"


def _mac(message: Peeled, mak: bytes | None, tmk: bytes | None = None) -> Iterator[str]:
    given = message.data("64")
    if message.problem:
        return
    if not given:
        if message.mti in _MAC_MTIS:
            code = message.get("39")
            closes = message.mti == "0410" and code in _CLOSES_REVERSAL
            if message.mti[2] in "02" or code in APPROVALS or closes:
                yield "MAC: field 64 is missing, and this message must have it"
            else:
                yield f"MAC: none; a refusal ({code}) may come without"
        return
    covered = message.body[:-8]
    folded = security.fold(covered)
    yield f"MAC: covers {len(covered)} bytes, message type to the field before 64:"
    yield from _dump(message)
    yield f"  zero bytes that fill the last block: {-len(covered) % 8}"
    yield f"  XOR of the blocks {folded.hex().upper()}"
    yield f"  field 64 is {given.hex().upper()} = {given.decode('ascii', 'replace')!r}"
    if mak is None:
        yield "  no key given (--mak): not checked"
        return
    wanted = security.mac(security.encryptor(mak), covered)
    yield f"  MAK of {_kind_of(mak)}, check value {security.kcv(mak).hex().upper()}"
    if wanted == given:
        yield "  the MAC is right"
        return
    yield f"  it should be {wanted.hex().upper()} = {wanted.decode()!r}: the MAC is WRONG"
    found = [text for text, value in _variants(message, mak, tmk) if value == given]
    if found:
        yield f"  it fits if {found[0]}"
    else:
        yield "  no usual mistake explains it: another key (compare the check values),"
        yield "  or the message was changed after its MAC was made"
        if tmk is None:
            yield "  (with --tmk it is also tried whether a key was used still wrapped)"


def _kind_of(mak: bytes) -> str:
    if len(mak) == 8:
        return "8 bytes"
    if mak[:8] == mak[8:]:
        return "16 bytes, both halves equal: a single key"
    return "16 different bytes: triple DES"


def _dump(message: Peeled) -> Iterator[str]:
    # What the MAC covers, with the bytes of secret fields left out.
    covered = message.body[:-8]
    yield f"  {covered[:2].hex().upper()} {covered[2:10].hex().upper()}"
    for key, data in message.raw.items():
        if key in codec.SECRET:
            yield f"  {key:>2}: <{len(data)} bytes of field {key}>"
        elif key != "64":
            yield f"  {key:>2}: {data.hex().upper()}"


def _variants(message: Peeled, mak: bytes, tmk: bytes | None) -> Iterator[tuple[str, bytes]]:
    """The mistakes seen most often, and the MAC each of them makes."""
    covered = message.body[:-8]
    single = security.encryptor(mak[:8])
    key = security.encryptor(mak)
    for what, data in _wrong_data(message, covered):
        yield what, security.mac(key, data)
    yield "its letters are lower case", security.mac(key, covered).lower()
    once = _letters(key, covered)
    yield "the last eight bytes are sent in binary instead of the first letters", once
    yield "letters 9 to 16 of the result are sent", once.hex().upper().encode()[8:]
    yield "the letters of the XOR are lower case", _letters(
        key, covered, upper=False).hex().upper().encode()[:8]
    yield "the fold is encrypted once, in binary", key.update(security.fold(covered))
    yield ("the fold is encrypted once, as letters",
           key.update(security.fold(covered)).hex().upper().encode()[:8])
    for what, wrong in _wrong_keys(mak, tmk):
        yield what, security.mac(security.encryptor(wrong), covered)
    if len(mak) == 16:
        yield "X9.19 is used", _x919(mak, covered)
    yield "X9.9 (CBC) is used", _cbc(single, covered)


def _wrong_data(message: Peeled, covered: bytes) -> Iterator[tuple[str, bytes]]:
    # What else the MAC may have been made over.
    bitmap = bytearray(covered)
    bitmap[9] &= 0xFE
    yield "the bitmap is taken before bit 64 is set", bytes(bitmap)
    yield "message type and bitmap are left out", covered[10:]
    yield "the message type is left out", covered[2:]
    if message.head:
        yield "TPDU and header are covered, too", message.head + covered
        yield "the header is covered, too", message.head[codec.TPDU:] + covered
    size = len(covered)
    for length in (size, size + 8, ENVELOPE + size, ENVELOPE + size + 8):
        yield "the length in front is covered, too", length.to_bytes(2, "big") + covered
        yield ("length, TPDU and header are covered, too",
               length.to_bytes(2, "big") + message.head + covered)
    yield "it goes over the message as hexadecimal text", covered.hex().upper().encode()
    yield "it goes over the message as hexadecimal text, lower case", covered.hex().encode()
    for bitmap_as_text in (False, True):
        yield ("it goes over digits as text (ASCII) where the message has BCD",
               _digits_as_text(message, bitmap_as_text))
    yield "the padding is 80 00 ... instead of zeros", covered + b"\x80"


def _digits_as_text(message: Peeled, bitmap_as_text: bool) -> bytes:
    # What the MAC would cover if every BCD digit were an ASCII character.
    bitmap = message.body[2:10]
    out = message.mti.encode() + (bitmap.hex().upper().encode() if bitmap_as_text else bitmap)
    for key in message.raw:
        item = codec.SPEC[key]
        if key != "64":
            out += message.raw[key][:item["len_type"]].hex().encode()
            counts_digits = item.get("len_count") == "nibbles"
            out += message.get(key).encode() if counts_digits else message.data(key)
    return out


def _wrong_keys(mak: bytes, tmk: bytes | None) -> Iterator[tuple[str, bytes]]:
    # Other keys that the MAC may have been made with.
    if len(mak) == 16:
        yield "only the first half of the key is used (then send its own check value)", mak[:8]
        yield "only the second half of the key is used", mak[8:]
        yield "the halves of the key are swapped", mak[8:] + mak[:8]
    if tmk is None:
        return
    wrapped, unwrapped = security.encryptor(tmk).update(mak), security.decryptor(tmk).update(mak)
    yield "the key is used still wrapped (encrypted under the master key)", wrapped
    yield "the key is used still wrapped, its first half", wrapped[:8]
    yield "the key given here is still wrapped, and was unwrapped for the MAC", unwrapped
    yield ("the key given here is still wrapped; the first half of the unwrapped one was used",
           unwrapped[:8])
    yield "the master key is used", tmk


def _letters(key: CipherContext, data: bytes, upper: bool = True) -> bytes:
    text = security.fold(data).hex().encode()
    text = text.upper() if upper else text
    first = int.from_bytes(key.update(text[:8]), "big")
    return key.update((first ^ int.from_bytes(text[8:], "big")).to_bytes(8, "big"))


def _cbc(key: CipherContext, data: bytes) -> bytes:
    block = bytes(8)
    for at in range(0, len(data), 8):
        piece = data[at:at + 8].ljust(8, b"\0")
        block = key.update(bytes(a ^ b for a, b in zip(block, piece, strict=True)))
    return block


def _x919(mak: bytes, data: bytes) -> bytes:
    left, right = security.encryptor(mak[:8]), security.decryptor(mak[8:])
    return left.update(right.update(_cbc(left, data)))


def differences(request: bytes, reply: bytes, mak: bytes | None = None,
                tmk: bytes | None = None) -> list[Difference]:
    """Why ``reply`` is not the reply to ``request``, in the order in which a terminal looks: the
    first is the one it names. Empty when it fits; without ``mak`` a MAC counts as right."""
    asked, got = peel(request), peel(reply)
    if asked.problem:
        return [Difference(asked.where, f"the request is broken: {asked.problem}")]
    if got.problem:
        return [Difference(got.where, f"the reply is broken: {got.problem}")]
    found = [Difference(0, got.odd)] if got.odd else []
    found += _repeats(asked, got)
    found += _code(asked, got)
    if _mac_expected(asked):
        found += _amount(asked, got)
        found += _mac_differs(asked, got, mak, tmk)
    found += _content(asked, got)
    return found


def _repeats(asked: Peeled, got: Peeled) -> Iterator[Difference]:
    wanted = f"{asked.mti[:2]}{int(asked.mti[2]) + 1}0"
    if got.mti != wanted:
        yield Difference(0, f"message type {got.mti}, the reply to {asked.mti} is {wanted}")
    for key, cause in _REPEATED:
        if key == "11" and asked.mti in ("0800", "0820") and asked.get("60")[8:11] in _LOOSE:
            continue
        want, have = asked.get(key).rstrip(" "), got.get(key).rstrip(" ")
        if want and want != have:
            yield Difference(
                int(key), f"field {key} is {have or 'missing'}, sent was {want}: {cause}")


def _code(asked: Peeled, got: Peeled) -> Iterator[Difference]:
    code = got.get("39").rstrip(" ")
    if asked.mti == "0500":
        return
    if not code:
        yield Difference(39, "field 39 (response code) is missing")
    elif len(code) < 2:
        yield Difference(39, f"field 39 is {code!r}: a response code has two characters")
    elif code == _IN_PART and asked.mti in ("0200", "0220") and not _is_sale(asked):
        yield Difference(39, "field 39 is 10: only a sale can be approved in part")


def _is_sale(asked: Peeled) -> bool:
    return asked.mti == "0200" and asked.get("3") == _SALE


def _approved(asked: Peeled, got: Peeled) -> bool:
    code = got.get("39")
    return code in APPROVALS and (code != _IN_PART or _is_sale(asked))


def _mac_expected(asked: Peeled) -> bool:
    return "64" in asked.raw


def _amount(asked: Peeled, got: Peeled) -> Iterator[Difference]:
    want, have = asked.get("4"), got.get("4")
    if not want or not _approved(asked, got):
        return
    if got.get("39") == _IN_PART:
        if not have or not 0 < int(have) <= int(want):
            yield Difference(4, f"field 4 is {have or 'missing'}, sent was {want}: an approval " +
                             "in part is for less")
    elif want != have:
        yield Difference(4, f"field 4 is {have or 'missing'}, sent was {want}: an approval " +
                         "repeats the amount")


def _mac_differs(asked: Peeled, got: Peeled, mak: bytes | None,
                 tmk: bytes | None) -> Iterator[Difference]:
    if got.data("64"):
        for line in _mac(got, mak, tmk):
            if "WRONG" in line or "it fits if" in line:
                yield Difference("mac", line.strip())
        return
    code = got.get("39")
    if _approved(asked, got):
        yield Difference("mac", "field 64 (MAC) is missing: an approval must have one")
    elif asked.mti == "0400" and code in _CLOSES_REVERSAL:
        yield Difference("mac", f"field 64 (MAC) is missing: {code} closes a reversal, so it " +
                         "must have one (unless the terminal's parameter closing_mac is 0)")
    elif asked.mti == "0820" and asked.get("60")[8:11] == _QUERY and code in _ANSWERS_QUERY:
        yield Difference("mac", f"field 64 (MAC) is missing: {code} to a status query decides " +
                         "about money, so it must have one")


def _content(asked: Peeled, got: Peeled) -> Iterator[Difference]:
    # Fields that a terminal takes apart: the balance, and the totals of a settlement.
    if asked.mti == "0200" and asked.get("3") == _BALANCE and got.data("54"):
        data = got.data("54")
        if len(data) != 20 or data[7:8] not in (b"C", b"D") or not data[8:].isdigit():
            yield Difference(54, "field 54 must hold account type 2, amount type 2, currency 3, " +
                             f"C or D, amount 12; it is {data.decode('ascii', 'replace')!r}")
    if asked.mti == "0500" and got.get("39").rstrip(" ") in ("", "00"):
        totals = got.get("48")
        if len(totals) != 62:
            yield Difference(48, f"field 48 has {len(totals)} digits, the totals are 62")
        elif totals[30] not in "123" or totals[61] not in "0123":
            yield Difference(48, f"the reply digits (31 and 62 of field 48) are {totals[30]} and " +
                             f"{totals[61]}: 1 equal, 2 not equal, 3 error; 0 for the second only")


# -- the command ---------------------------------------------------------------------------------


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `mobi explain`."""
    parser = commands.add_parser(
        "explain", help="decode a message, check its MAC, say why a reply does not match")
    parser.add_argument(
        "request", help="hexadecimal text or a dump, @FILE with it, or - for standard input")
    parser.add_argument("reply", nargs="?", help="the reply to it, in the same way")
    parser.add_argument(
        "--mak", type=_key, metavar="HEX", help="MAC key in clear, 8 or 16 bytes (test keys only)")
    parser.add_argument(
        "--tmk", type=_key, metavar="HEX",
        help="master key, to find out whether the MAC was made with a key still wrapped by it")
    parser.set_defaults(run=_run)


def _key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) not in (8, 16):
        raise argparse.ArgumentTypeError("a key is 16 or 32 hexadecimal digits")
    return key


def read_message(argument: str, stdin: Callable[[], str]) -> tuple[str, bytes]:
    """The bytes an argument stands for, and in what form they came. Of several ways to read a dump
    the first is taken whose bytes are a message. ValueError with a text for people."""
    text = argument
    if argument == "-":
        text = stdin()
    elif argument.startswith("@"):
        try:
            data = Path(argument[1:]).read_bytes()
        except OSError as error:
            raise ValueError(f"cannot read {argument[1:]}: {error.strerror}") from None
        if any(byte < 32 and byte not in b"\t\n\r\f" for byte in data):
            return "a file of bytes", data
        text = data.decode("utf-8", "replace")
    found = dumps.readings(text)
    if not found:
        raise ValueError("the message must be hexadecimal text, two digits for each byte")
    for form, data in found:
        message = peel(data)
        if message.mti and not message.problem:
            return form, data
    return found[0]


def _run(args: argparse.Namespace) -> int:
    from host_tools.cli import UserError

    try:
        form, request = read_message(args.request, sys.stdin.read)
        reply_form, reply = read_message(args.reply, sys.stdin.read) if args.reply else ("", None)
    except ValueError as error:
        raise UserError(str(error)) from None
    _say_form(form)
    print(explain(request, args.mak, args.tmk))
    if reply is None:
        return 1 if peel(request).problem else 0
    print("\nreply")
    _say_form(reply_form)
    print(explain(reply, args.mak, args.tmk))
    found = differences(request, reply, args.mak, args.tmk)
    print()
    if not found:
        print("the reply fits the request")
        return 0
    print("the reply does not fit:")
    for item in found:
        print(f"  - {item.text}")
    return 1


def _say_form(form: str) -> None:
    if form:
        print(f"form of the text: {form}")
