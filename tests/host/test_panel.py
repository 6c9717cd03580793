"""The panel model: executes SSD1306 commands as the data sheet says, reads its own pixels back."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from host_tools import unifont
from host_tools.bench.panel import Panel
from host_tools.measure import panel as measure

SET_UP = bytes.fromhex("00 ae d5 80 a8 3f d3 00 40 8d 14 20 00 a1 c8 da 12 81 cf d9 f1 db 40 a4 a6")
ON = b"\x00\xaf"
WINDOW = b"\x00\x21\x00\x7f\x22\x00\x07"


def blank() -> list[list[int]]:
    return [[0] * 128 for _ in range(64)]


def write(picture: list[list[int]], row: int, text: str, inverted: bool = False) -> None:
    """Draw text into a picture, from Unifont's rows."""
    x = 0
    for character in text:
        rows = unifont.cell(character)
        assert rows is not None, character
        width = 8 if character < "\x80" else 16
        for y, bits in enumerate(rows):
            for i in range(width):
                picture[16 * row + y][x + i] = (bits >> (width - 1 - i) & 1) ^ inverted
        x += width


def memory(picture: list[list[int]]) -> bytes:
    """The display's memory for a picture: 8 pages, a byte a column, the top pixel in bit 0."""
    return bytes(
        sum(picture[8 * page + bit][x] << bit for bit in range(8))
        for page in range(8)
        for x in range(128)
    )


def showing(picture: list[list[int]]) -> Panel:
    panel = Panel()
    for data in (SET_UP, WINDOW, b"\x40" + memory(picture), ON):
        assert panel.i2c(0x3C, data)
    return panel


def lit(panel: Panel) -> list[list[int]]:
    return [[row >> (127 - x) & 1 for x in range(128)] for row in panel.pixels()]


def test_the_glass_shows_the_memory_upright():
    picture = blank()
    picture[0][0] = picture[0][127] = picture[63][5] = picture[17][64] = 1
    panel = showing(picture)
    assert lit(panel) == picture
    assert panel.pixel(127, 0) and panel.pixel(5, 63) and not panel.pixel(1, 1)


def test_nothing_is_seen_before_it_is_on_supplied_and_set_up():
    picture = blank()
    write(picture, 0, "Mobi")
    panel = Panel()
    panel.i2c(0x3C, SET_UP)
    panel.i2c(0x3C, WINDOW)
    panel.i2c(0x3C, b"\x40" + memory(picture))
    assert panel.text() == [""] * 4 and not panel.lit
    panel.i2c(0x3C, ON)
    assert panel.text()[0] == "Mobi"
    for dark in (b"\x00\xae", b"\x00\x8d\x10", b"\x00\xa8\x1f", b"\x00\xda\x02"):
        panel = showing(picture)
        panel.i2c(0x3C, dark)
        assert panel.text() == [""] * 4, dark.hex()


def test_memory_holds_noise_after_power_on():
    panel = Panel(seed=3)
    panel.i2c(0x3C, SET_UP)
    panel.i2c(0x3C, ON)
    assert sum(sum(row) for row in lit(panel)) > 1000
    assert panel.pixels() != Panel(seed=4).pixels()


def test_horizontal_addressing_fills_a_window_and_wraps():
    panel = showing(blank())
    panel.i2c(0x3C, b"\x00\x21\x0a\x0c\x22\x02\x03")
    panel.i2c(0x3C, b"\x40" + bytes((1, 2, 4, 8, 16, 32, 64)))
    picture = lit(panel)
    for (x, page), byte in {
        (10, 2): 64, (11, 2): 2, (12, 2): 4, (10, 3): 8, (11, 3): 16, (12, 3): 32,
    }.items():
        assert sum(picture[8 * page + i][x] << i for i in range(8)) == byte
    assert sum(map(sum, picture)) == 6


def test_vertical_addressing_goes_down_first():
    panel = showing(blank())
    panel.i2c(0x3C, b"\x00\x20\x01\x21\x05\x06\x22\x01\x02")
    panel.i2c(0x3C, b"\x40\x01\x02\x04\x08")
    picture = lit(panel)
    assert (picture[8][5], picture[17][5], picture[10][6], picture[19][6]) == (1, 1, 1, 1)
    assert sum(map(sum, picture)) == 4


def test_page_addressing_stays_in_its_page():
    panel = showing(blank())
    panel.i2c(0x3C, b"\x00\x20\x02\xb3\x0e\x17")
    panel.i2c(0x3C, b"\x40\x80\x80\x80")
    picture = lit(panel)
    assert [x for x in range(128) if picture[31][x]] == [0, 126, 127]
    assert sum(map(sum, picture)) == 3


def test_commands_of_page_addressing_do_nothing_in_other_modes():
    panel = showing(blank())
    panel.i2c(0x3C, b"\x00\x21\x07\x09\x22\x01\x01\xb5\x0e\x17")
    panel.i2c(0x3C, b"\x40\x01")
    assert panel.pixel(7, 8)


def test_a_command_may_be_split_over_transfers_and_mixed_with_data():
    panel = showing(blank())
    panel.i2c(0x3C, b"\x00\x21\x07")
    panel.i2c(0x3C, b"\x00\x07\x22\x01\x01")
    panel.i2c(0x3C, b"\x80\xa7\x80\xa6\xc0\x01\x40\x02\x04")
    picture = lit(panel)
    assert picture[10][7] == 1 and sum(map(sum, picture)) == 1


def test_mirrors_offset_and_start_line():
    picture = blank()
    picture[0][0] = 1
    panel = showing(picture)
    panel.i2c(0x3C, b"\x00\xc0")
    assert panel.pixel(0, 63)
    panel.i2c(0x3C, b"\x00\xc8\x41")
    assert panel.pixel(0, 63) and not panel.pixel(0, 0)
    panel.i2c(0x3C, b"\x00\x40\xd3\x02")
    assert panel.pixel(0, 62)
    panel.i2c(0x3C, b"\x00\xd3\x00\xa0\x21\x00\x7f\x22\x00\x00")
    panel.i2c(0x3C, b"\x40\x00\x80")
    assert panel.pixel(126, 7)


def test_inversion_and_all_on():
    picture = blank()
    write(picture, 1, "A")
    panel = showing(picture)
    panel.i2c(0x3C, b"\x00\xa7")
    assert lit(panel) == [[1 - value for value in row] for row in picture]
    assert panel.text()[1] == "A"
    assert panel.inverted(1)
    panel.i2c(0x3C, b"\x00\xa6\xa5")
    assert all(map(all, lit(panel)))


def test_unknown_commands_are_noted():
    panel = showing(blank())
    assert panel.unknown == []
    panel.i2c(0x3C, b"\x00\x99\xaf")
    assert panel.unknown == [0x99] and panel.lit


def test_text_in_both_scripts_with_inverted_parts():
    picture = blank()
    for row in picture[:16]:
        row[:] = [1] * 128
    write(picture, 0, " 银联 Mobi 末笔 ", inverted=True)
    write(picture, 1, "金额: ￥1,234.56")
    write(picture, 2, "1消费")
    for row in picture[48:]:
        row[64:] = [1] * 64
    write(picture, 3, "3退货   ")
    panel = showing(picture)
    assert panel.text() == [" 银联 Mobi 末笔", "金额: ￥1,234.56", "1消费", "3退货"]
    assert [panel.inverted(row) for row in range(4)] == [True, False, False, False]
    assert panel.inverted_text(0) == "银联 Mobi 末笔"
    assert panel.inverted_text(3) == ""
    assert panel.inverted_text(1) == ""


def test_what_is_no_character_reads_as_a_question_mark():
    picture = blank()
    write(picture, 0, "A末B")
    picture[3][2] ^= 1
    picture[8][20] ^= 1
    panel = showing(picture)
    assert panel.text()[0] == "???B"


characters = st.sampled_from([chr(c) for c in unifont.glyphs() if c != 0x3000])
AMBIGUOUS = "АВЕНМОРТХо∪―"  # look like Greek letters or another sign, dot by dot


@given(st.text(characters, max_size=16), st.booleans())
def test_any_text_is_read_back_from_its_pixels(text: str, inverted: bool):
    while sum(1 if c < "\x80" else 2 for c in text) > 16:
        text = text[:-1]
    picture = blank()
    write(picture, 2, text, inverted)
    seen = showing(picture).text()[2]
    like = str.maketrans(AMBIGUOUS, "ΑΒΕΗΜΟΡΤΧου—")
    assert seen == text.translate(like).rstrip()


def test_counts_bytes_and_time_on_the_bus():
    panel = Panel()
    panel.i2c(0x3C, b"\x00\xae")
    assert (panel.bytes, panel.transfers) == (3, 1)
    assert panel.bus_us == (3 * 9 + 2) * 2.5
    panel.i2c(0x3D, bytes(100))
    assert (panel.bytes, panel.transfers) == (4, 2), "nobody there: only the address is sent"
    panel.clear_counts()
    assert (panel.bytes, panel.transfers, panel.bus_us) == (0, 0, 0)


def test_faults():
    picture = blank()
    write(picture, 0, "Mobi")
    panel = showing(picture)
    assert not panel.i2c(0x3D, b"\x00\xae"), "another address is not ours"
    panel.freeze()
    assert panel.i2c(0x3C, b"\x00\xae")
    assert panel.text()[0] == "Mobi"
    panel.thaw()
    panel.unplug()
    assert not panel.i2c(0x3C, ON)
    assert panel.text()[0] == ""
    panel.plug()
    assert panel.i2c(0x3C, ON)
    assert not panel.lit, "it lost its set-up"
    panel = showing(picture)
    panel.power_off()
    assert not panel.lit and panel.i2c(0x3C, ON)


@pytest.mark.parametrize("scale", [1, 2, 4, 6])
def test_pictures(tmp_path: Path, scale: int):
    picture = blank()
    picture[10][20] = 1
    panel = showing(picture)
    path = tmp_path / "panel.png"
    panel.png(path, scale=scale, bezel=False)
    with Image.open(path) as file:
        image = file.convert("L")
    assert image.size == (128 * scale, 64 * scale)
    bright = [i for i, value in enumerate(image.tobytes()) if value > 128]
    dots = {(i % image.width // scale, i // image.width // scale) for i in bright}
    assert dots == {(20, 10)}
    panel.png(path, scale=scale)
    with Image.open(path) as file:
        assert file.width > 128 * scale


def test_contrast_dims_the_picture():
    picture = blank()
    picture[0][0] = 1
    panel = showing(picture)
    bright = panel.image(4, bezel=False).getpixel((0, 0))
    panel.i2c(0x3C, b"\x00\x81\x00")
    assert panel.image(4, bezel=False).getpixel((0, 0)) < bright


def test_what_a_key_costs_on_the_bus():
    measured = measure.measure()
    assert set(measured) == set(measure.DESCRIPTIONS)
    assert measured["ui.bytes_full_refresh"] == 6 * 3 + 1026
    assert measured["ui.bytes_per_key_ratio"] < 0.08
    assert measured["ui.bus_us_longest_step"] < 3000
    assert measured["ui.bus_us_per_key"] < measured["ui.bus_us_full_refresh"] / 10
