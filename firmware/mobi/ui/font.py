"""Looks up bitmaps and GBK codes in the table of characters in use (glyphs.py)."""

from micropython import const

from mobi.ui import glyphs
from mobi.ui.text import width

_RECORD = const(36)  # bytes of a wide glyph in the table: code point, GBK code, bitmap
_BITMAP = const(4)  # where the bitmap begins in it
_MISSING = const(0x25A1)  # □

_narrow = memoryview(glyphs.NARROW)
_wide = memoryview(glyphs.WIDE)


def _find(code):
    # Where the record of a code point begins, or -1.
    table = glyphs.WIDE
    low = 0
    high = len(table) // _RECORD
    while low < high:
        middle = (low + high) // 2
        at = middle * _RECORD
        found = table[at] << 8 | table[at + 1]
        if found == code:
            return at
        if found < code:
            low = middle + 1
        else:
            high = middle
    return -1


def glyph(code):
    """The bitmap of a code point and the columns of 8 pixels it takes: (memoryview, 1 or 2).

    The bitmap is 16 pixels high, in the display's order (MONO_VLSB): the 8 or 16 columns of the
    upper page, one byte each with the topmost pixel in bit 0, then those of the lower page.
    ASCII takes one column, everything else two. What has no glyph looks like ? or □.
    """
    if code < 0x80:
        if code < 0x20 or code == 0x7F:
            code = 0x3F
        at = (code - 0x20) * 16
        return _narrow[at : at + 16], 1
    at = _find(code)
    if at < 0:
        at = _find(_MISSING)
    return _wide[at + _BITMAP : at + _RECORD], 2


def gbk(text):
    """``text`` as GBK bytes for the printer. What GBK or the table does not have becomes ``??``.

    The result has ``width(text)`` bytes, so columns stay aligned on the paper.
    """
    coded = bytearray(width(text))
    i = 0
    for character in text:
        code = ord(character)
        if code < 0x80:
            coded[i] = code
            i += 1
            continue
        at = _find(code)
        if at >= 0 and glyphs.WIDE[at + 2]:
            coded[i] = glyphs.WIDE[at + 2]
            coded[i + 1] = glyphs.WIDE[at + 3]
        else:
            coded[i] = coded[i + 1] = 0x3F
        i += 2
    return bytes(coded)
