"""The printer model: ESC/POS as interpreted, status answers, faults, pictures."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from host_tools.bench.paper import Paper
from host_tools.bench.paper_lines import Look

START = b"\x1b@\x1c&"
CLEAR = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"


def gbk(text: str) -> bytes:
    return text.encode("gbk")


def asked(paper: Paper, which: int) -> int:
    (answer,) = paper.feed(bytes((0x10, 0x04, which)))
    return answer


def looks(paper: Paper, line: int = 0) -> list[tuple[str, Look]]:
    return paper.printed[line].cells


# -- text -----------------------------------------------------------------------------------------


def test_text_comes_out_line_by_line():
    paper = Paper()
    assert paper.feed(START + gbk("商户存根 MERCHANT\n第二行\n") + b"pending") == b""
    assert paper.text() == "商户存根 MERCHANT\n第二行"


def test_bytes_may_come_one_by_one():
    paper = Paper()
    for byte in START + b"\x1b!\x38\x1c!\x0c" + gbk("金额\n"):
        paper.feed(bytes((byte,)))
    assert looks(paper) == [("金", Look(2, 2, True)), ("额", Look(2, 2, True))]


def test_without_chinese_mode_bytes_are_a_code_page():
    paper = Paper()
    paper.feed(b"\x1b@" + gbk("末") + b"\n\x1c&" + gbk("末") + b"\n\x1c." + gbk("末") + b"\n")
    assert paper.text() == "─⌐\n末\n─⌐"


def test_long_lines_wrap_at_384_dots():
    paper = Paper()
    paper.feed(START + b"1234567890123456789012345678901" + gbk("末") + b"x\n")
    assert paper.text() == "1234567890123456789012345678901\n末x"
    paper = Paper()
    paper.feed(START + b"\x1b!\x20" + b"1234567890123456" + b"7\n")
    assert paper.text() == "1234567890123456\n7"


def test_alignment_moves_the_text():
    paper = Paper()
    paper.feed(START + b"\x1ba\x01abcd\n\x1ba\x02abcd\n\x1ba\x00abcd\n")
    assert paper.text() == " " * 14 + "abcd\n" + " " * 28 + "abcd\nabcd"
    paper = Paper()
    paper.feed(START + b"\x1ba\x01\x1b!\x20abcd\n")
    assert paper.text() == " " * 12 + "abcd"


@pytest.mark.parametrize(
    ("command", "ascii_look", "chinese_look"),
    [
        (b"\x1b!\x08", Look(bold=True), Look(bold=True)),
        (b"\x1b!\x30", Look(2, 2), Look()),
        (b"\x1b!\x10", Look(1, 2), Look()),
        (b"\x1b!\x80", Look(underline=True), Look()),
        (b"\x1c!\x04", Look(), Look(2, 1)),
        (b"\x1c!\x08", Look(), Look(1, 2)),
        (b"\x1c!\x8c", Look(), Look(2, 2, underline=True)),
        (b"\x1cW\x01", Look(), Look(2, 2)),
        (b"\x1c-\x01", Look(), Look(underline=True)),
        (b"\x1d!\x21", Look(3, 2), Look(3, 2)),
        (b"\x1dB\x01", Look(inverted=True), Look(inverted=True)),
        (b"\x1bE\x01", Look(bold=True), Look(bold=True)),
        (b"\x1bE\x01\x1bE\x00", Look(), Look()),
        (b"\x1b-\x02", Look(underline=True), Look(underline=True)),
        (b"\x1d!\x77\x1b@\x1c&", Look(), Look()),
    ],
)
def test_looks(command: bytes, ascii_look: Look, chinese_look: Look):
    paper = Paper()
    paper.feed(START + command + gbk("A末\n"))
    assert looks(paper) == [("A", ascii_look), ("末", chinese_look)]
    assert paper.unknown == []


def test_heights_of_lines():
    paper = Paper()
    paper.feed(START + b"a\n\x1d!\x01b\n\x1d!\x00\x1b3\x10c\n\x1b2d\n\x1bJ\x64e\x1bJ\x08")
    assert [line.height for line in paper.printed] == [30, 54, 16, 30, 100, 24]


def test_feeds_and_cuts():
    paper = Paper()
    paper.feed(START + b"one\n\x1bd\x03\x1dV\x00two\n\x1dVB\x10three\n\x1bitail\n")
    assert paper.receipts == ["one", "two", "three", "tail"]
    assert paper.text().splitlines() == [
        "one", "", "", "", "- " * 15 + "-", "two", "", "- " * 15 + "-", "three", "- " * 15 + "-",
        "tail",
    ]
    paper.tear_off()
    assert paper.text() == "" and paper.receipts == []
    torn = Paper(cutter=False)
    torn.feed(START + b"one\n\x1dV\x00two\n")
    assert torn.receipts == ["one\ntwo"]


def test_a_cut_without_paper_to_cut_is_nothing():
    paper = Paper()
    paper.feed(START + b"\x1dV\x00\x1dV\x00")
    assert paper.receipts == []


def test_tabs():
    paper = Paper()
    paper.feed(START + b"a\tb\n12345678\tc\n")
    assert paper.text() == "a       b\n12345678        c"


def test_raster_pictures():
    paper = Paper()
    paper.feed(START + b"\x1ba\x01\x1dv0\x00\x02\x00\x03\x00")
    paper.feed(b"\xff\x00\x0f\xf0\x80\x01" + b"x\n")
    picture = paper.printed[0].picture
    assert picture is not None and picture.size == (16, 3)
    assert [picture.getpixel((x, 2)) for x in (0, 1, 15)] == [255, 0, 255]
    assert paper.printed[0].text() == "[picture 16x3]"
    assert paper.printed[0].left() == 184
    assert paper.printed[1].text().strip() == "x"


def test_commands_it_does_not_know_are_noted_and_skipped():
    paper = Paper()
    paper.feed(START + b"\x1d(k\x03\x001AB" + b"a\x1bzb\n")
    assert paper.unknown == [b"\x1d(k\x03\x001AB", b"\x1bz"]
    assert paper.text() == "ab"


def test_harmless_commands_are_accepted():
    paper = Paper()
    paper.feed(START + b"\x1bt\x00\x1bR\x0f\x1bM\x00\x1b \x00\x1dL\x00\x00\x1dW\x80\x01\x1b{\x00")
    paper.feed(b"ok\n")
    assert paper.text() == "ok" and paper.unknown == []


# -- status ---------------------------------------------------------------------------------------


def test_status_when_all_is_well():
    paper = Paper()
    assert [asked(paper, n) for n in (1, 2, 3, 4)] == [0x12] * 4


def test_status_of_paper_and_cover():
    paper = Paper()
    paper.near_end()
    assert [asked(paper, n) for n in (1, 2, 3, 4)] == [0x12, 0x12, 0x12, 0x1E]
    paper.runs_out_after(0)
    assert [asked(paper, n) for n in (1, 2, 3, 4)] == [0x1A, 0x32, 0x12, 0x7E]
    paper.load_paper()
    paper.open_cover()
    assert [asked(paper, n) for n in (1, 2, 3, 4)] == [0x1A, 0x16, 0x12, 0x12]
    paper.close_cover()
    assert asked(paper, 1) == 0x12


def test_a_roll_that_ends_is_seen_coming():
    paper = Paper()
    paper.runs_out_after(12)
    assert asked(paper, 4) == 0x12
    paper.feed(b"1\n2\n")
    assert asked(paper, 4) == 0x1E


def test_marks_are_answered_in_their_turn():
    paper = Paper()
    assert paper.feed(b"a\n\x1dr\x01b\n\x1dr\x01") == b"\0\0"
    paper.near_end()
    assert paper.feed(b"\x1dr1") == b"\x03"
    assert paper.feed(b"\x1dr\x02") == b"\0"
    assert Paper(answers_marks=False).feed(b"\x1dr\x01") == b""


def test_paper_ends_and_the_rest_waits_in_the_printer():
    paper = Paper()
    paper.runs_out_after(2)
    assert paper.feed(START + b"1\n2\n\x1dr\x013\n\x1dr\x01") == b""
    assert paper.text() == "1\n2" and paper.paper_is_out
    assert asked(paper, 4) == 0x7E
    assert paper.feed(b"4\n") == b""
    paper.load_paper()
    assert paper.advance() == b"\0\0"
    assert paper.receipts == ["1\n2", "3\n4"], "the old roll ended: two pieces of paper"


def test_the_rest_can_be_forgotten():
    for command in (CLEAR, b"\x10\x05\x02"):
        paper = Paper()
        paper.runs_out_after(1)
        paper.feed(START + b"1\n2\n3\n")
        paper.feed(command)
        paper.load_paper()
        paper.advance()
        assert paper.receipts == ["1"]
        paper.feed(b"half a line")
        paper.feed(command + b"whole line\n")
        assert paper.receipts == ["1", "whole line"]


def test_an_open_cover_stops_it():
    paper = Paper()
    paper.open_cover()
    paper.feed(b"a\n")
    assert paper.text() == ""
    paper.close_cover()
    paper.advance()
    assert paper.text() == "a"


def test_a_feed_over_the_end_of_the_paper_prints_on_nothing():
    paper = Paper()
    paper.runs_out_after(3)
    paper.feed(b"a\n\x1bd\x05b\n")
    assert len(paper.printed) == 3


def test_silence():
    paper = Paper()
    paper.feed(b"half a li")
    paper.silence()
    assert paper.feed(b"ne\n\x10\x04\x01") == b""
    assert paper.text() == ""
    paper.silence(False)
    assert paper.feed(b"new\n\x10\x04\x01") == b"\x12"
    assert paper.text() == "new"


def test_real_time_bytes_inside_other_commands_are_left_alone():
    paper = Paper()
    assert paper.feed(START + b"a\x10b\x10\x10\x04\x01\n") == b"\x12"
    assert paper.text() == "ab"


# -- time -----------------------------------------------------------------------------------------


def test_a_slow_printer_prints_in_its_own_time():
    paper = Paper(line_us=1000)
    assert paper.feed(START + b"1\n2\n\x1dr\x013\n\x1dr\x01", now_us=0) == b""
    assert paper.text() == "1"
    assert paper.next_at() == 1000
    assert paper.advance(999) == b""
    assert paper.text() == "1"
    assert paper.advance(1000) == b""
    assert paper.text() == "1\n2"
    assert paper.advance(2000) == b"\0"
    assert paper.advance(paper.next_at()) == b"\0"
    assert paper.next_at() is None
    assert paper.feed(b"\x10\x04\x01", now_us=5000) == b"\x12"


def test_a_busy_printer_answers_real_time_requests():
    paper = Paper(line_us=1000000)
    paper.feed(b"1\n2\n", now_us=0)
    assert paper.feed(b"\x10\x04\x01", now_us=10) == b"\x12"


def test_feeding_takes_its_time():
    paper = Paper(line_us=1000)
    paper.feed(b"\x1bd\x03", now_us=0)
    paper.feed(b"1\n", now_us=0)
    assert paper.next_at() == 3000


def test_a_tall_line_takes_longer():
    paper = Paper(line_us=1000)
    paper.feed(b"\x1d!\x033\n1\n", now_us=0)
    assert paper.next_at() == 3000


def test_the_buffer_is_not_endless():
    paper = Paper(line_us=1000)
    paper.feed(b"\n" + b"x" * 5000, now_us=0)
    assert paper.lost_bytes == 5001 - 4096


def test_it_does_not_wait_for_what_cannot_come():
    paper = Paper(line_us=1000)
    paper.feed(b"1\n2\n", now_us=0)
    paper.open_cover()
    assert paper.next_at() is None


# -- pictures -------------------------------------------------------------------------------------


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def ink(image: Image.Image) -> int:
    return sum(1 for value in image.convert("L").tobytes() if value < 100)


def test_a_picture_for_each_piece_of_paper(tmp_path: Path):
    paper = Paper()
    paper.feed(START + gbk("末笔\n") + b"\x1dV\x00" + b"2\n")
    paper.png(tmp_path / "all.png")
    paper.png(tmp_path / "second.png", receipt=1)
    both, second = opened(tmp_path / "all.png"), opened(tmp_path / "second.png")
    assert both.width == second.width and both.height > second.height
    assert ink(both) > ink(second) > 20
    Paper().png(tmp_path / "blank.png")
    assert ink(opened(tmp_path / "blank.png")) == 0


def test_ink_lies_where_the_text_is():
    paper = Paper()
    paper.feed(START + b"\x1ba\x02" + gbk("末\n"))
    image = paper.image()
    box = image.convert("L").point(lambda value: 255 * (value < 100)).getbbox()
    assert box is not None
    # 24 px page margin, 24 dots paper margin, then 384 dots; two pixels a dot, a glyph is 24 dots.
    assert 24 + 2 * (24 + 360) <= box[0] < box[2] <= 24 + 2 * (24 + 384)
    assert 30 < box[3] - box[1] <= 48


def test_big_bold_and_inverted_take_more_ink():
    def drawn(command: bytes) -> int:
        paper = Paper()
        paper.feed(START + command + b"8\n")
        return ink(paper.image())

    plain = drawn(b"")
    assert drawn(b"\x1b!\x08") > plain
    assert drawn(b"\x1d!\x11") > 3 * plain
    assert drawn(b"\x1dB\x01") > 3 * plain
    assert drawn(b"\x1b-\x01") > plain


def test_a_character_no_font_has_is_drawn_as_a_box():
    paper = Paper()
    paper.feed(START + gbk("喆\n"))
    assert paper.text() == "喆"
    assert ink(paper.image()) > 20


@given(st.binary(max_size=300))
def test_no_bytes_at_all_break_it(data: bytes):
    paper = Paper()
    paper.feed(START)
    paper.feed(data)
    paper.text()
    assert paper.lost_bytes == 0


@given(st.binary(max_size=120), st.data())
def test_bytes_mean_the_same_however_they_are_cut(data: bytes, cuts: st.DataObject):
    whole, pieces = Paper(), Paper()
    answers = whole.feed(data)
    got = b""
    while data:
        size = cuts.draw(st.integers(1, len(data)))
        got += pieces.feed(data[:size])
        data = data[size:]
    assert (got, pieces.text(), pieces.unknown) == (answers, whole.text(), whole.unknown)
