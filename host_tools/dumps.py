"""Bytes out of what people paste: plain hexadecimal text, C and Python literals, `hexdump -C`,
`xxd`, `od -tx1`, Wireshark, logs.

A text may be read in more than one way (0000 at its beginning is an offset, or two bytes), so
``readings`` gives all of them, the likeliest first; whoever knows what the bytes mean takes the one
that makes sense.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator

# An offset, then the bytes; of xxd, hexdump, od and Wireshark.
_OFFSET = re.compile(r"\s*(?:0[xX])?([0-9A-Fa-f]{4,8}):?(?:\s+(.*))?$")
_BYTES = re.compile(r"(?:[0-9A-Fa-f]{2})+")
# What stands in front of bytes in a log: a word that is no number, then a mark.
_LABEL = re.compile(r"^.*[G-Zg-z_][^:=>]*[:=>]+\s*(?=[0-9A-Fa-f\\\[{(\"'<]|0x|b['\"])")
_DECORATION = re.compile(r"0[xX](?=[0-9A-Fa-f]{2})|\\x|\bb(?=['\"])|[\s,;:\-_\[\](){}<>\"'|]+")
_BASES = ((16, "hexadecimal"), (8, "octal"), (10, "decimal"))


def readings(text: str) -> list[tuple[str, bytes]]:
    """The ways to read ``text`` as bytes: (what was left out, the bytes). None: it is no dump."""
    found = [*_literal(text), *_with_offsets(text), *_plain(text)]
    return [(form, data) for at, (form, data) in enumerate(found)
            if data not in [earlier for _, earlier in found[:at]]]


def _literal(text: str) -> Iterator[tuple[str, bytes]]:
    # b'`\x00...' as Python prints bytes.
    if re.match(r"\s*b['\"]", text):
        try:
            value = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError):
            return
        if isinstance(value, bytes):
            yield "a Python literal", value


def _plain(text: str) -> Iterator[tuple[str, bytes]]:
    for what, lines in (("", text.splitlines()),
                        ("labels in front of the bytes left out", [_LABEL.sub("", line)
                                                          for line in text.splitlines()])):
        digits = _DECORATION.sub("", "\n".join(lines))
        if len(digits) % 2 == 0 and re.fullmatch("[0-9A-Fa-f]*", digits):
            if not what and digits != "".join(text.split()):
                what = "marks between the bytes left out"
            yield what, bytes.fromhex(digits)


def _with_offsets(text: str) -> Iterator[tuple[str, bytes]]:
    rows = [found for line in text.splitlines() if line.strip()
            and (found := _OFFSET.match(line)) is not None]
    if not rows or len(rows) < sum(bool(line.strip()) for line in text.splitlines()):
        return
    for base, name in _BASES:
        try:
            offsets = [int(row[1], base) for row in rows]
        except ValueError:
            continue
        if offsets[0] == 0 and all(a < b for a, b in itertools.pairwise(offsets)):
            data = _rows([row[2] or "" for row in rows], offsets)
            if data is not None:
                yield f"{name} offsets and the text column left out", data


def _rows(texts: list[str], offsets: list[int]) -> bytes | None:
    # The bytes of every row; None when a row has fewer than its successor's offset says.
    out = bytearray()
    ends = [*offsets[1:], None]
    width = offsets[1] if len(offsets) > 1 else 16
    for text, offset, end in zip(texts, offsets, ends, strict=True):
        room = width if end is None else end - offset
        row = _row(text, room)
        if end is not None and len(row) != room:
            return None
        out += row
    return bytes(out)


def _row(text: str, room: int) -> bytes:
    # Pairs of digits up to ``room`` bytes; the text column behind them is left out.
    out = bytearray()
    for number, part in enumerate(re.split(r"(\s+)", text.split("|")[0])):
        if number % 2:
            if len(part) > 1 and out and len(out) != 8:
                break  # two spaces: the text column, unless in the middle of hexdump's 16
            continue
        if not _BYTES.fullmatch(part):
            break
        out += bytes.fromhex(part)
        if len(out) >= room:
            break
    return bytes(out[:room])
