"""Draws paper: the letters are Unifont's, enlarged and smoothed, the ends are torn."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator, Sequence

from PIL import Image, ImageDraw

from host_tools import unifont
from host_tools.bench.paper_lines import DOTS, HEIGHT, Line, Look, width_of

_ZOOM = 2  # pixels a dot
_EDGE = 24  # dots of blank paper at either side: 384 of 432 are printable on 58 mm
TABLE = (203, 205, 208)  # what the paper lies on
# The colours of a picture, by their numbers in it: four, so that a pixel takes two bits.
_COLOURS = (TABLE, (176, 178, 182), (248, 246, 240), (44, 42, 48))
_SHADOW, _PAPER, _INK = 1, 2, 3


def sheet(pieces: Sequence[list[Line]]) -> Image.Image:
    """The pieces of paper one below the other, two pixels a dot; the picture has a palette."""
    tear = 14
    margin = 20
    gap = 24
    width = (DOTS + 2 * _EDGE) * _ZOOM
    pieces = pieces or [[]]
    heights = [
        sum(line.height for line in piece) * _ZOOM + 2 * (margin + tear) for piece in pieces]
    size = (width + 2 * gap, sum(heights) + gap * (len(heights) + 1))
    page = Image.new("P", size, 0)
    page.putpalette([value for colour in _COLOURS for value in colour])
    top = gap
    for piece, height in zip(pieces, heights, strict=True):
        shape = _torn(width, height, tear)
        page.paste(_SHADOW, (gap + 5, top + 6), shape)
        page.paste(_PAPER, (gap, top), shape)
        at = top + margin + tear
        for line in piece:
            page.paste(_INK, (gap + _EDGE * _ZOOM, at), line_image(line))
            at += line.height * _ZOOM
        top += height + gap
    return page


def line_image(line: Line) -> Image.Image:
    """The ink of one line, two pixels a dot over the whole 384 dots; 255 is black on paper."""
    if line.picture is None:
        return _letters(tuple(line.cells), line.align, line.height)
    ink = Image.new("L", (DOTS * _ZOOM, line.height * _ZOOM), 0)
    size = (line.picture.width * _ZOOM, line.picture.height * _ZOOM)
    large = line.picture.convert("L").resize(size, Image.Resampling.NEAREST)
    ink.paste(large, (line.left() * _ZOOM, 0))
    return ink


@functools.lru_cache(512)  # every copy of a slip has nearly the same lines
def _letters(cells: tuple[tuple[str, Look], ...], align: int, height: int) -> Image.Image:
    tallest = max((look.tall for _, look in cells), default=1) * HEIGHT
    ink = Image.new("L", (DOTS * _ZOOM, max(height, tallest if cells else 0) * _ZOOM), 0)
    left = Line(cells, align).left() * _ZOOM
    for character, look in cells:
        if character == " " and not look.inverted and not look.underline:
            left += width_of(character, look) * _ZOOM
            continue
        glyph = _glyph(character, look)
        ink.paste(glyph, (left, tallest * _ZOOM - glyph.height))
        left += glyph.width
    return ink


def _torn(width: int, height: int, tear: int) -> Image.Image:
    # The shape of a piece of paper with torn ends.
    rough = random.Random(height)
    shape = Image.new("L", (width, height), 0)
    right, bottom = width - 1, height - 1
    step = 12
    upper = [(x, (x // step % 2) * 7 + rough.randrange(3)) for x in range(0, right + step, step)]
    lower = [(x, bottom - y) for x, y in reversed(upper)]
    ImageDraw.Draw(shape).polygon(upper + lower, fill=255)
    return shape


@functools.lru_cache(maxsize=2048)
def _glyph(character: str, look: Look) -> Image.Image:
    # Ink of one character: 12 or 24 by 24 dots, at two pixels a dot, times its factors.
    rows = unifont.cell(character)
    if rows is None:
        rows = unifont.cell("□" if character > "\x7f" else "?")
    assert rows is not None
    width = 8 if character < "\x80" else 16
    bits, width = _scale3(rows, width), 3 * width
    wide, tall = look.wide, look.tall
    while wide > 1 and tall > 1 and wide % 2 == 0 and tall % 2 == 0:
        bits, width = _scale2(bits, width), 2 * width
        wide, tall = wide // 2, tall // 2
    ink = b"".join(row.to_bytes(width // 8, "big") for row in bits)
    picture = Image.frombytes("1", (width, len(bits)), ink).convert("L")
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


# Rows of pixels are integers here, the leftmost pixel in the highest bit. A pixel's neighbours are
# named as with the rules: a b c above it, d e f beside it with itself in the middle, g h i below.


def _neighbours(rows: Sequence[int], width: int) -> Iterator[tuple[int, ...]]:
    full = (1 << width) - 1
    for y, e in enumerate(rows):
        b = rows[y - 1] if y else 0
        h = rows[y + 1] if y + 1 < len(rows) else 0
        yield (b >> 1, b, b << 1 & full, e >> 1, e, e << 1 & full, h >> 1, h, h << 1 & full)


def _mixed(where: int, one: int, other: int) -> int:
    # The pixels of ``one`` where that says so, else of ``other``.
    return one & where | other & ~where


def _scale2(rows: Sequence[int], width: int) -> list[int]:
    # The Scale2x rule: corners are rounded where two neighbours agree against the others.
    out = []
    for _, b, _, d, e, f, _, h, _ in _neighbours(rows, width):
        differ = (b ^ h) & (d ^ f)
        out.append(_beside(
            _mixed(differ & ~(d ^ b), b, e), _mixed(differ & ~(b ^ f), f, e)))
        out.append(_beside(
            _mixed(differ & ~(d ^ h), d, e), _mixed(differ & ~(h ^ f), h, e)))
    return out


def _scale3(rows: Sequence[int], width: int) -> list[int]:
    # The Scale3x rule, as Scale2x with nine pixels for one.
    out = []
    for a, b, c, d, e, f, g, h, i in _neighbours(rows, width):
        differ = (b ^ h) & (d ^ f)
        db, bf = differ & ~(d ^ b), differ & ~(b ^ f)
        dh, hf = differ & ~(d ^ h), differ & ~(h ^ f)
        out.append(_beside(
            _mixed(db, d, e), _mixed(db & (e ^ c) | bf & (e ^ a), b, e), _mixed(bf, f, e)))
        out.append(_beside(
            _mixed(db & (e ^ g) | dh & (e ^ a), d, e), e,
            _mixed(bf & (e ^ i) | hf & (e ^ c), f, e)))
        out.append(_beside(
            _mixed(dh, d, e), _mixed(dh & (e ^ i) | hf & (e ^ g), h, e), _mixed(hf, f, e)))
    return out


def _beside(*rows: int) -> int:
    # The pixels of the rows in turn: the first of each, the second of each, ... Binary digits read
    # as digits of base 2 ** n stand n places apart.
    n = len(rows)
    spread = [int(f"{row:b}", 1 << n) for row in rows]
    return sum(row << (n - 1 - at) for at, row in enumerate(spread))
