"""The glyph tool: which characters it finds, what it writes, what --check says."""

import ast
from pathlib import Path

import pytest

from host_tools import font as tool
from host_tools import unifont
from mobi.ui import font, glyphs


def pixels(character: str) -> list[int]:
    """The firmware's bitmap of a character as rows of bits, unpacked here once more."""
    bitmap, columns = font.glyph(ord(character))
    width = 8 * columns
    rows = []
    for y in range(16):
        page = bitmap[width * (y // 8) : width * (y // 8) + width]
        rows.append(int("".join(str(byte >> (y % 8) & 1) for byte in page), 2))
    return rows


def table_characters() -> list[str]:
    return sorted(tool.characters_in(tool.TABLE.read_text(encoding="utf-8")))


def test_the_committed_table_is_current():
    assert tool.check() == [], "run `make font` and commit firmware/mobi/ui/glyphs.py"


def test_every_bitmap_shows_what_unifont_shows():
    for character in [chr(code) for code in range(0x20, 0x7F)] + table_characters():
        assert pixels(character) == unifont.cell(character), character


def test_known_shapes():
    # Written down from Unifont's own pictures.
    assert unifont.cell("一") == [0] * 7 + [0xFFFE] + [0] * 8
    assert unifont.cell("-") == [0] * 9 + [0x3C] + [0] * 6
    # Narrow in Unifont, in the middle of its double cell here: an arrow of 7 pixels.
    arrow = [0x08, 0x1C, 0x2A] + [0x08] * 11
    assert unifont.cell("↑") == [0, 0] + [row << 4 for row in arrow]
    assert unifont.cell("\u3400") is None


def test_gbk_is_what_python_encodes():
    for character in table_characters():
        try:
            expected = character.encode("gbk")
        except UnicodeEncodeError:
            expected = b"??"
        assert font.gbk(character) == expected, character


def test_the_table_is_only_constants():
    # Bytes constants stay in ROM when frozen; anything computed would not.
    for node in ast.parse(tool.TABLE.read_text(encoding="utf-8")).body[1:]:
        assert isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        assert isinstance(node.value.value, bytes)
    assert len(glyphs.NARROW) == 95 * 16
    assert len(glyphs.WIDE) % 36 == 0


def test_literals_are_found_and_doc_strings_are_not():
    source = '''"""模块"""
TEXT = "确认" if True else f"第{1}联"
class A:
    """类"""
    def f(self, x="默认"):
        """函数"""
        return ("撤", "销"), {"k": "键"}, b"abc", 12
'''
    assert set("".join(tool.literals(source))) == set("确认第联默认撤销键k")


def test_every_character_is_found_with_the_file_that_uses_it(tmp_path: Path):
    folder = tmp_path / "firmware"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.py").write_text('X = "末笔 ABC"', encoding="utf-8")
    (folder / "sub" / "b.py").write_text('"""文"""\nY = "笔记\\x80"', encoding="utf-8")
    (folder / "glyphs.py").write_text('Z = "不"', encoding="utf-8")
    found = tool.used(folder)
    assert set(found) == set("末笔记") | set(tool.EXTRA)
    assert found["记"] == "firmware/sub/b.py"


def test_generated_code_does_what_the_committed_table_does():
    space: dict[str, bytes] = {}
    exec(tool.generate({"末": "", "↕": ""}), space)
    assert len(space["WIDE"]) == 72
    assert space["WIDE"][:4] == b"\x21\x95\0\0"  # ↕ is not in GBK
    assert space["WIDE"][36:40] == b"\x67\x2b" + "末".encode("gbk")


def test_check_names_missing_and_unused_characters(monkeypatch, tmp_path: Path, capsys):
    table = tmp_path / "glyphs.py"
    monkeypatch.setattr(tool, "TABLE", table)
    monkeypatch.setattr(tool, "used", lambda: {"末": "firmware/x.py", "□": "tool"})
    table.write_text(tool.generate({"□": "", "笔": ""}), encoding="utf-8")
    assert tool.check() == [
        "no glyph for 末 (U+672B), used in firmware/x.py",
        "glyphs that no text uses any more: 笔",
    ]
    assert tool.main(["--check"]) == 1
    assert "make font" in capsys.readouterr().err
    table.write_text(tool.generate(tool.used()), encoding="utf-8")
    assert tool.check() == []
    table.write_text(table.read_text(encoding="utf-8").replace("\\xff", "\\xfe", 1))
    assert tool.check() == ["the table differs from what host_tools/font.py generates"]
    table.unlink()
    assert len(tool.check()) == 2


def test_a_character_the_bench_cannot_show_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(tool, "used", lambda: {"𠀀": "firmware/x.py"})
    assert tool.main([]) == 1
    said = capsys.readouterr().err
    assert "firmware/x.py" in said and "U+20000" in said and "BEYOND_GBK" in said


def test_the_source_comes_from_unifont(tmp_path: Path, capsys):
    assert tool.main(["--source", "--hex", str(tmp_path / "none.hex")]) == 1
    assert "apt-get install unifont" in capsys.readouterr().err
    if not tool.HEX.exists():
        pytest.skip("the Debian package unifont is not installed here")
    assert unifont.unpack(tool.cut_source(tool.HEX)) == unifont.unpack(unifont.FILE.read_bytes())


def test_a_hex_file_without_a_wanted_glyph_is_refused(tmp_path: Path):
    path = tmp_path / "short.hex"
    path.write_text("0041:" + "00" * 16 + "\n")
    with pytest.raises(tool.FontError, match="no glyph for U\\+0020"):
        tool.cut_source(path)


def test_the_source_file_round_trips():
    assert unifont.unpack(unifont.pack("X 1", {0x41: bytes(16), 0x4E00: bytes(range(32))})) == (
        "X 1", {0x41: bytes(16), 0x4E00: bytes(range(32))},
    )
    assert unifont.name() == tool.NAME
    assert set(tool.wanted_by_bench()) == set(unifont.glyphs())


def test_the_licence_lies_beside_the_table():
    text = (tool.TABLE.parent / "OFL-unifont.txt").read_text(encoding="utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in text
    assert tool.NAME in text
    assert "OFL-unifont.txt" in tool.TABLE.read_text(encoding="utf-8")
