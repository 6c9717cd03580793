"""Draws paper: the letters are Unifont's, enlarged and smoothed, the ends are torn."""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence

from PIL import Image, ImageDraw

from host_tools import unifont
from host_tools.bench.paper_lines import DOTS, HEIGHT, Line, Look

_ZOOM = 2  # pixels a dot
_EDGE = 24  # dots of blank paper at either side: 384 of 432 are printable on 58 mm
_INK = (44, 42, 48)
_PAPER = (248, 246, 240)
TABLE = (203, 205, 208)  # what the paper lies on


def sheet(pieces: Sequence[list[Line]]) -> Image.Image:
    """The pieces of paper one below the other, two pixels a dot."""
    pictures = [_draw(piece) for piece in pieces] or [_draw([])]
    gap = 24
    height = sum(picture.height for picture in pictures) + gap * (len(pictures) + 1)
    page = Image.new("RGB", (pictures[0].width + 2 * gap, height), TABLE)
    top = gap
    for picture in pictures:
        shadow = Image.new("RGB", picture.size, (176, 178, 182))
        page.paste(shadow, (gap + 5, top + 6), picture)
        page.paste(picture, (gap, top), picture)
        top += picture.height + gap
    return page


def line_image(line: Line) -> Image.Image:
    """The ink of one line, two pixels a dot over the whole 384 dots; 255 is black on paper."""
    tallest = max((look.tall for _, look in line.cells), default=1) * HEIGHT
    height = max(line.height, tallest if line.cells else 0)
    ink = Image.new("L", (DOTS * _ZOOM, height * _ZOOM), 0)
    left = line.left() * _ZOOM
    if line.picture is not None:
        size = (line.picture.width * _ZOOM, line.picture.height * _ZOOM)
        ink.paste(line.picture.convert("L").resize(size, Image.Resampling.NEAREST), (left, 0))
    for character, look in line.cells:
        glyph = _glyph(character, look)
        ink.paste(glyph, (left, tallest * _ZOOM - glyph.height))
        left += glyph.width
    return ink


def _draw(lines: list[Line]) -> Image.Image:
    # One piece of paper with torn ends, as RGBA.
    tear = 14
    margin = 20
    width = (DOTS + 2 * _EDGE) * _ZOOM
    height = sum(line.height for line in lines) * _ZOOM + 2 * (margin + tear)
    ink = Image.new("L", (width, height), 0)
    top = margin + tear
    for line in lines:
        strip = line_image(line)
        ink.paste(strip, (_EDGE * _ZOOM, top), strip)
        top += line.height * _ZOOM
    picture = Image.new("RGBA", (width, height), (*_PAPER, 255))
    picture.paste(Image.new("RGBA", (width, height), (*_INK, 255)), (0, 0), ink)
    return _torn(picture, tear)


def _torn(picture: Image.Image, tear: int) -> Image.Image:
    rough = random.Random(picture.height)
    shape = Image.new("L", picture.size, 0)
    right, bottom = picture.width - 1, picture.height - 1
    step = 12
    upper = [(x, (x // step % 2) * 7 + rough.randrange(3)) for x in range(0, right + step, step)]
    lower = [(x, bottom - y) for x, y in reversed(upper)]
    ImageDraw.Draw(shape).polygon(upper + lower, fill=255)
    picture.putalpha(shape)
    return picture


@functools.lru_cache(maxsize=2048)
def _glyph(character: str, look: Look) -> Image.Image:
    # Ink of one character: 12 or 24 by 24 dots, at two pixels a dot, times its factors.
    rows = unifont.cell(character)
    if rows is None:
        rows = unifont.cell("□" if character > "\x7f" else "?")
    assert rows is not None
    width = 8 if character < "\x80" else 16
    bits = [[row >> (width - 1 - x) & 1 for x in range(width)] for row in rows]
    bits = _scale3(bits)
    wide, tall = look.wide, look.tall
    while wide > 1 and tall > 1 and wide % 2 == 0 and tall % 2 == 0:
        bits = _scale2(bits)
        wide, tall = wide // 2, tall // 2
    ink = bytes(255 * bit for row in bits for bit in row)
    picture = Image.frombytes("L", (len(bits[0]), len(bits)), ink)
    picture = picture.resize(
        (picture.width * wide, picture.height * tall), Image.Resampling.NEAREST
    )
    if look.bold:
        shifted = Image.new("L", picture.size)
        shifted.paste(picture, (2, 0))
        picture.paste(shifted, (0, 0), shifted)
    if look.underline:
        ImageDraw.Draw(picture).rectangle(
            (0, picture.height - 4, picture.width, picture.height - 3), fill=255
        )
    return picture.point(lambda value: 255 - value) if look.inverted else picture


def _at(bits: list[list[int]], x: int, y: int) -> int:
    return bits[y][x] if 0 <= y < len(bits) and 0 <= x < len(bits[0]) else 0


def _scale2(bits: list[list[int]]) -> list[list[int]]:
    # The Scale2x rule: corners are rounded where two neighbours agree against the others.
    out = [[0] * (2 * len(bits[0])) for _ in range(2 * len(bits))]
    for y, row in enumerate(bits):
        for x, p in enumerate(row):
            a, b = _at(bits, x, y - 1), _at(bits, x + 1, y)
            c, d = _at(bits, x - 1, y), _at(bits, x, y + 1)
            out[2 * y][2 * x] = a if c == a and c != d and a != b else p
            out[2 * y][2 * x + 1] = b if a == b and a != c and b != d else p
            out[2 * y + 1][2 * x] = c if d == c and d != b and c != a else p
            out[2 * y + 1][2 * x + 1] = d if b == d and b != a and d != c else p
    return out


def _scale3(bits: list[list[int]]) -> list[list[int]]:
    # The Scale3x rule, as Scale2x with nine pixels for one.
    out = [[0] * (3 * len(bits[0])) for _ in range(3 * len(bits))]
    for y, row in enumerate(bits):
        for x, e in enumerate(row):
            a, b, c = (_at(bits, x + i, y - 1) for i in (-1, 0, 1))
            d, f = _at(bits, x - 1, y), _at(bits, x + 1, y)
            g, h, i = (_at(bits, x + i, y + 1) for i in (-1, 0, 1))
            nine = [e] * 9
            if b != h and d != f:
                nine[0] = d if d == b else e
                nine[1] = b if (d == b and e != c) or (b == f and e != a) else e
                nine[2] = f if b == f else e
                nine[3] = d if (d == b and e != g) or (d == h and e != a) else e
                nine[5] = f if (b == f and e != i) or (h == f and e != c) else e
                nine[6] = d if d == h else e
                nine[7] = h if (d == h and e != i) or (h == f and e != g) else e
                nine[8] = f if h == f else e
            for k, value in enumerate(nine):
                out[3 * y + k // 3][3 * x + k % 3] = value
    return out
