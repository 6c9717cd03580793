"""GNU Unifont for glass and paper of the bench: what a character looks like.

`unifont.bin` holds ASCII, all of GB 2312, the symbols of GBK and a few marks beyond, cut by
``python -m host_tools.font --source`` from Unifont's own `.hex` file. The font is licensed under
the OFL-1.1; see firmware/mobi/ui/OFL-unifont.txt.

The file: one text line that names the font, then a zlib stream of records sorted by code point:
code point u16 big-endian, width u8 (8 or 16 pixels), then 16 rows from the top, one or two bytes
each, the most significant bit at the left.
"""

from __future__ import annotations

import functools
import struct
import zlib
from pathlib import Path

FILE = Path(__file__).with_name("unifont.bin")
_HEAD = struct.Struct(">HB")


def pack(name: str, glyphs: dict[int, bytes]) -> bytes:
    """The content of the file for ``glyphs``: code point to 16 or 32 bytes of rows."""
    body = b"".join(
        _HEAD.pack(code, len(rows) // 2) + rows for code, rows in sorted(glyphs.items())
    )
    return name.encode("ascii") + b"\n" + zlib.compress(body, 9)


def unpack(data: bytes) -> tuple[str, dict[int, bytes]]:
    """The name line and the glyphs of a file made by ``pack``."""
    name, _, packed = data.partition(b"\n")
    body = zlib.decompress(packed)
    glyphs = {}
    at = 0
    while at < len(body):
        code, width = _HEAD.unpack_from(body, at)
        at += _HEAD.size
        glyphs[code] = body[at : at + 2 * width]
        at += 2 * width
    return name.decode("ascii"), glyphs


@functools.cache
def name() -> str:
    """Which font and version this is, like "GNU Unifont 15.0.01"."""
    return unpack(FILE.read_bytes())[0]


@functools.cache
def glyphs() -> dict[int, bytes]:
    """Every glyph: code point to 16 rows of one byte (8 pixels wide) or two (16 pixels wide)."""
    return unpack(FILE.read_bytes())[1]


def cell(character: str) -> list[int] | None:
    """``character`` in its cell as 16 rows: 8 bits for ASCII, 16 for all others; None if unknown.

    Rows are integers, the most significant bit at the left. Beyond ASCII every character takes a
    double cell, as in GBK; the narrow ones among them (arrows, marks) stand in its middle.
    """
    rows = glyphs().get(ord(character))
    if rows is None:
        return None
    if len(rows) == 32:
        return [rows[i] << 8 | rows[i + 1] for i in range(0, 32, 2)]
    return list(rows) if character < "\x80" else [row << 4 for row in rows]
