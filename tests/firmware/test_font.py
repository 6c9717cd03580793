"""The glyph table: look-up, columns, GBK; on both interpreters."""

from mobi.ui import font, glyphs


def wide():
    """The characters of the table."""
    table = glyphs.WIDE
    return [chr(table[i] << 8 | table[i + 1]) for i in range(0, len(table), 36)]


def test_the_table_is_sorted_and_every_entry_is_found():
    characters = wide()
    assert characters and characters == sorted(characters)
    for i, character in enumerate(characters):
        bitmap, columns = font.glyph(ord(character))
        assert columns == 2
        assert bytes(bitmap) == glyphs.WIDE[36 * i + 4 : 36 * i + 36], character


def test_every_ascii_character_is_found():
    seen = set()
    for code in range(0x20, 0x7F):
        bitmap, columns = font.glyph(code)
        assert columns == 1 and len(bitmap) == 16
        seen.add(bytes(bitmap))
    assert len(seen) == 95, "two characters look alike"


def test_a_bitmap_has_its_columns_from_the_left_and_its_pages_from_the_top():
    # Unifont's "L": a stem in column 1 and a foot in the row above the descenders.
    bitmap, _ = font.glyph(ord("L"))
    pixels = [
        [bitmap[x + 8 * (y // 8)] >> (y % 8) & 1 for x in range(8)] for y in range(16)
    ]
    assert pixels[4:14] == [[0, 1, 0, 0, 0, 0, 0, 0]] * 9 + [[0, 1, 1, 1, 1, 1, 1, 0]]
    assert sum(sum(row) for row in pixels) == 15


def test_what_has_no_glyph_is_shown_as_a_box_or_a_question_mark():
    box = bytes(font.glyph(0x25A1)[0])
    for code in (0x80, 0x3400, 0xFFFF, 0x10400):
        bitmap, columns = font.glyph(code)
        assert bytes(bitmap) == box and columns == 2
    for code in (0, 9, 0x1F, 0x7F):
        bitmap, columns = font.glyph(code)
        assert bytes(bitmap) == bytes(font.glyph(0x3F)[0]) and columns == 1


def test_gbk_keeps_columns():
    assert font.gbk("Total 1") == b"Total 1"
    assert font.gbk("a□b") == b"a\xa1\xf5b"
    # U+3400 has no glyph here, so nobody needs its code.
    assert font.gbk("x\u3400y") == b"x??y"
    for character in wide():
        code = font.gbk(character)
        assert len(code) == 2
        assert code == b"??" or (0x81 <= code[0] <= 0xFE and 0x40 <= code[1] <= 0xFE)
