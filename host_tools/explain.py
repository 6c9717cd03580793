"""Why a message is not believed: its fields, what its MAC covers, where a reply differs.

    mobi explain REQUEST [REPLY] [--mak KEY]      messages as hexadecimal text, or @FILE, or -

A message may come as it stands on the line (a frame with its flags), with a two-byte length in
front, with TPDU and header, or as bare ISO 8583; what was peeled off is said. Card numbers are
masked, tracks, PIN blocks and keys are not shown; of a MAC key only its check value is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import CipherContext

from host_tools.acquirer import codec, security
from host_tools.acquirer.codec import Fields, FormatError, Unanswerable

ENVELOPE = codec.TPDU + codec.HEADER
_MTIS = (b"\x01", b"\x02", b"\x03", b"\x04", b"\x05", b"\x06", b"\x08")
APPROVALS = ("00", "10", "11", "A2", "A4", "A5", "A6")
_MAC_MTIS = ("0200", "0210", "0220", "0230", "0400", "0410", "0100", "0110")
# Fields whose bytes must not be seen in a dump of what the MAC covers.
_SECRET = ("2", "14", "35", "36", "48", "52", "55", "62")

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
    """A message without its wrapping: ``body`` is ISO 8583, ``notes`` say what was around it."""

    body: bytes
    notes: list[str]
    fields: Fields
    problem: str = ""

    @property
    def mti(self) -> str:
        """The message type, "" when it cannot be read."""
        return self.fields.get("t", "")


def peel(data: bytes) -> Peeled:
    """Find the ISO 8583 message in ``data`` and take it apart as far as it can be."""
    notes = []
    if data[:1] == b"\x7e" and data[-1:] == b"\x7e" and len(data) > 5:
        inner = data.strip(b"\x7e")
        plain = bytearray()
        escaped = False
        for byte in inner:
            if byte == 0x7D:
                escaped = True
            else:
                plain.append(byte ^ 0x20 if escaped else byte)
                escaped = False
        notes.append(f"frame: control byte {plain[0]:02X}, FCS not checked (it needs the session)")
        data = bytes(plain[1:-2])
    if len(data) > 2 and int.from_bytes(data[:2], "big") == len(data) - 2:
        notes.append(f"length prefix {data[:2].hex().upper()}: right, and not part of the message")
        data = data[2:]
    elif data[2:3] == b"\x60":
        notes.append(f"length prefix {data[:2].hex().upper()}: wrong, {len(data) - 2} bytes follow")
        data = data[2:]
    if data[:1] == b"\x60":
        tpdu, header = data[:codec.TPDU], data[codec.TPDU:ENVELOPE]
        demand = header[2] & 15 if len(header) > 2 else "?"
        notes.append(f"TPDU {tpdu.hex().upper()}, header {header.hex().upper()}, demand {demand}")
        whole = data
    elif data[:1] in _MTIS:
        notes.append("no TPDU and header: bare ISO 8583")
        whole = bytes.fromhex("60") + bytes(ENVELOPE - 1) + data
    else:
        start = data[:1].hex().upper() or "nothing"
        return Peeled(data, notes, {}, f"begins with {start}: neither a TPDU nor a message type")
    try:
        request = codec.decode(whole)
    except Unanswerable as error:
        return Peeled(whole[ENVELOPE:], notes, {}, str(error))
    except FormatError as error:
        fields = error.request.fields if error.request is not None else {}
        return Peeled(whole[ENVELOPE:], notes, fields, str(error))
    return Peeled(whole[ENVELOPE:], notes, request.fields)


def explain(data: bytes, mak: bytes | None = None) -> str:
    """One message: wrapping, fields (masked), and with a key what becomes of its MAC."""
    message = peel(data)
    return "\n".join((*_fields(message), *_mac(message, mak)))


def _fields(message: Peeled) -> Iterator[str]:
    yield from message.notes
    if message.mti:
        yield f"message type {message.mti}"
    shown = codec.masked(message.fields)
    for key in sorted((key for key in shown if key.isdecimal()), key=int):
        yield f"  {key:>2} {codec.SPEC[key]['desc']:<20} {shown[key]}"
    if message.problem:
        yield f"broken: {message.problem}"


def _mac(message: Peeled, mak: bytes | None) -> Iterator[str]:
    given = bytes.fromhex(message.fields.get("64", ""))
    if message.problem:
        return
    if not given:
        if message.mti in _MAC_MTIS:
            code = message.fields.get("39", "")
            if message.mti[2] in "02" or code in APPROVALS:
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
    yield f"  MAK of {len(mak)} bytes, check value {security.kcv(mak).hex().upper()}"
    if wanted == given:
        yield "  the MAC is right"
        return
    yield f"  it should be {wanted.hex().upper()} = {wanted.decode()!r}: the MAC is WRONG"
    found = [text for text, value in _variants(message, mak) if value == given]
    if found:
        yield f"  it fits if {found[0]}"
    else:
        yield "  no usual mistake explains it: another key (compare the check values),"
        yield "  or the message was changed after its MAC was made"


def _dump(message: Peeled) -> Iterator[str]:
    # What the MAC covers, with the bytes of secret fields starred out.
    covered = message.body[:-8]
    text = covered.hex().upper()
    shown = text[:4] + " " + text[4:20]
    yield f"  {shown}"
    at = 20
    for key in sorted((key for key in message.fields if key.isdecimal() and key != "64"), key=int):
        size = _size(key, message.fields[key])
        piece = text[at:at + 2 * size]
        at += 2 * size
        if key in _SECRET:
            piece = f"<{size} bytes of field {key}>"
        yield f"  {key:>2}: {piece}"


def _size(key: str, value: str) -> int:
    # Bytes of the field in the message, its length included.
    item = codec.SPEC[key]
    prefix = item["len_type"]
    if item["data_enc"] == "b":
        return prefix + (len(value) + 1) // 2
    return prefix + len(value.encode(item["data_enc"]))


def _variants(message: Peeled, mak: bytes) -> Iterator[tuple[str, bytes]]:
    """The mistakes seen most often, and the MAC each of them makes."""
    covered = message.body[:-8]
    single = security.encryptor(mak[:8])
    key = security.encryptor(mak)

    def both(data: bytes) -> bytes:
        return security.mac(key, data)

    bitmap = bytearray(covered)
    bitmap[9] &= 0xFE
    yield "the bitmap is taken before bit 64 is set", both(bytes(bitmap))
    yield "message type and bitmap are left out", both(covered[10:])
    yield "the message type is left out", both(covered[2:])
    for envelope in _envelopes(message):
        yield "TPDU and header are covered, too", both(envelope + covered)
    right = security.mac(key, covered)
    yield "its letters are lower case", right.lower()
    once = _letters(key, covered)
    yield "the last eight bytes are sent in binary instead of the first letters", once
    yield "letters 9 to 16 of the result are sent", once.hex().upper().encode()[8:]
    yield "the fold is encrypted once, in binary", key.update(security.fold(covered))
    yield ("the fold is encrypted once, as letters",
           key.update(security.fold(covered)).hex().upper().encode()[:8])
    if len(mak) == 16:
        yield "only the first half of the key is used", security.mac(single, covered)
        yield "X9.19 is used", _x919(mak, covered)
    else:
        twice = security.encryptor(mak + mak)
        yield "a double key is used", security.mac(twice, covered)
    yield "X9.9 (CBC) is used", _cbc(single, covered)
    yield "the padding is 80 00 ... instead of zeros", both(covered + b"\x80")


def _envelopes(message: Peeled) -> Iterator[bytes]:
    for note in message.notes:
        if note.startswith("TPDU "):
            words = note.replace(",", " ").split()
            yield bytes.fromhex(words[1] + words[3])


def _letters(key: CipherContext, data: bytes) -> bytes:
    text = security.fold(data).hex().upper().encode()
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


def differences(request: bytes, reply: bytes, mak: bytes | None = None) -> list[str]:
    """Why ``reply`` is not the reply to ``request``: one line for each reason, in the order in
    which a terminal looks; the first is the one it names. Empty when it fits."""
    asked, got = peel(request), peel(reply)
    if asked.problem:
        return [f"the request is broken: {asked.problem}"]
    if got.problem:
        return [f"the reply is broken: {got.problem}"]
    found = []
    wanted = f"{asked.mti[:2]}{int(asked.mti[2]) + 1}{asked.mti[3]}"
    if got.mti != wanted:
        found.append(f"message type {got.mti}, the reply to {asked.mti} is {wanted}")
    for key, cause in _REPEATED:
        if _loose(asked) and key == "11":
            continue
        want, have = asked.fields.get(key, ""), got.fields.get(key, "")
        if key in ("41", "42"):
            want, have = want.rstrip(), have.rstrip()
        if want and want != have:
            found.append(f"field {key} is {have or 'missing'}, sent was {want}: {cause}")
    code = got.fields.get("39", "")
    if not code and asked.mti != "0500":
        found.append("field 39 (response code) is missing")
    if code in APPROVALS and asked.mti in _MAC_MTIS:
        found += _amount(asked, got, code)
    lines = list(_mac(got, mak))
    found += [line.strip() for line in lines if "missing" in line or "WRONG" in line]
    return found


def _loose(asked: Peeled) -> bool:
    # Echo and parameter download: the trace need not come back.
    return asked.fields.get("60", "")[8:11] in ("301", "360")


def _amount(asked: Peeled, got: Peeled, code: str) -> list[str]:
    want, have = asked.fields.get("4", ""), got.fields.get("4", "")
    if not want or (want == have and code != "10"):
        return []
    if code == "10" and have and 0 < int(have) <= int(want):
        return []
    return [f"field 4 is {have or 'missing'}, sent was {want}: an approval repeats the amount"
            + (" or is for less" if code == "10" else "")]


# -- the command ---------------------------------------------------------------------------------


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `mobi explain`."""
    parser = commands.add_parser(
        "explain", help="decode a message, check its MAC, say why a reply does not match")
    parser.add_argument("request", help="hexadecimal text, @FILE with it, or - for standard input")
    parser.add_argument("reply", nargs="?", help="the reply to it, in the same way")
    parser.add_argument(
        "--mak", type=_key, metavar="HEX", help="MAC key in clear, 8 or 16 bytes (test keys only)")
    parser.set_defaults(run=_run)


def _key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) not in (8, 16):
        raise argparse.ArgumentTypeError("a MAC key is 16 or 32 hexadecimal digits")
    return key


def read_hex(argument: str, stdin: Callable[[], str]) -> bytes:
    """The bytes an argument stands for. ValueError with a text for people."""
    text = argument
    if argument == "-":
        text = stdin()
    elif argument.startswith("@"):
        try:
            text = Path(argument[1:]).read_text(encoding="ascii", errors="replace")
        except OSError as error:
            raise ValueError(f"cannot read {argument[1:]}: {error.strerror}") from None
    compact = "".join(text.replace("0x", " ").replace(",", " ").replace(":", " ").split())
    try:
        return bytes.fromhex(compact)
    except ValueError:
        raise ValueError("the message must be hexadecimal text, two digits for each byte") from None


def _run(args: argparse.Namespace) -> int:
    from host_tools.cli import UserError

    try:
        request = read_hex(args.request, sys.stdin.read)
        reply = read_hex(args.reply, sys.stdin.read) if args.reply else None
    except ValueError as error:
        raise UserError(str(error)) from None
    print(explain(request, args.mak))
    if reply is None:
        return 1 if peel(request).problem else 0
    print("\nreply\n" + explain(reply, args.mak))
    found = differences(request, reply, args.mak)
    print()
    if not found:
        print("the reply fits the request")
        return 0
    print("the reply does not fit:")
    for line in found:
        print(f"  - {line}")
    return 1
