"""Boards: the firmware knows none of them, and each is wired as the bench and the drawing say."""

import ast
import csv
import re

import pytest

from host_tools.bench import pico, wiring
from host_tools.flash import drawing, image
from host_tools.places import ROOT

FIRMWARE = sorted((ROOT / "firmware").rglob("*.py"))
# Words that only somebody writes who asks where the firmware runs.
_BOARD_WORDS = re.compile(
    r"rp2040|rp2350|\brp2\b|rpi_pico|raspberry|esp32|emulat|simulat|sys\.platform|_machine|\bbench\b",
    re.IGNORECASE,
)
_HARDWARE = {"machine", "rp2", "_rp2", "esp32", "select", "time", "board", "network"}


def code_of(path):
    """The file without comments and docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            if isinstance(getattr(body[0].value, "value", None), str):
                body[0].value.value = ""
    return ast.unparse(tree)


@pytest.mark.parametrize("path", FIRMWARE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_file_of_the_firmware_knows_its_board(path):
    found = _BOARD_WORDS.search(code_of(path))
    assert found is None, found
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    allowed = {"board"} if path.name == "main.py" else set()
    assert imported & _HARDWARE <= allowed


def constants(board):
    """Names of upper case and their values in a board's board.py."""
    for folder in (ROOT / "boards" / board, ROOT / "boards" / board / "modules"):
        path = folder / "board.py"
        if path.exists():
            break
    values = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                values[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                pass  # made by const(), or no constant
    return values


@pytest.mark.parametrize("board", ["unix", "rpi_pico"])
def test_a_board_has_the_pins_of_the_wiring(board):
    found = constants(board)
    assert found["PINS_ROWS"] == wiring.ROWS and found["PINS_COLUMNS"] == wiring.COLUMNS
    assert (found["PIN_BEEPER"], found["AUX_BAUD"]) == (wiring.BEEPER, wiring.AUX_BAUD)


def test_the_names_of_the_picos_pins_are_those_of_the_wiring():
    with (ROOT / "boards" / "rpi_pico" / "pins.csv").open(encoding="utf-8") as file:
        names = {name: int(pin.removeprefix("GPIO")) for name, pin in csv.reader(file)}
    assert tuple(names[f"ROW{n}"] for n in range(5)) == wiring.ROWS
    assert tuple(names[f"COLUMN{n}"] for n in range(4)) == wiring.COLUMNS
    assert names["BEEPER"] == wiring.BEEPER
    text = (ROOT / "boards" / "rpi_pico" / "modules" / "board.py").read_text(encoding="utf-8")
    for name, pattern in (
        ("PANEL_SDA", r"sda=Pin\((\d+)\)"), ("PANEL_SCL", r"scl=Pin\((\d+)\)"),
        ("HOST_TX", r"UART\(1, .*tx=Pin\((\d+)\)"), ("HOST_RX", r"UART\(1, .*rx=Pin\((\d+)\)"),
        ("PRINTER_TX", r"UART\(0, .*tx=Pin\((\d+)\)"), ("AUX_RX", r"UART\(0, .*rx=Pin\((\d+)\)"),
        ("MEASURE", r"PIN_MEASURE = (\d+)"),
    ):
        found = re.search(pattern, text)
        assert found and int(found[1]) == names[name], name


# -- docs/boards.md --------------------------------------------------------------------------------

DOCS = (ROOT / "docs" / "boards.md").read_text(encoding="utf-8")


def contract():
    """{what a board has: the line about it}, from boards/contract.py."""
    tree = ast.parse((ROOT / "boards" / "contract.py").read_text(encoding="utf-8"))
    (kind,) = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Board"]
    said = {}
    for at, node in enumerate(kind.body):
        if isinstance(node, ast.AnnAssign):
            said[node.target.id] = kind.body[at + 1].value.value
        elif isinstance(node, ast.FunctionDef):
            args = ", ".join(arg.arg for arg in node.args.args[1:])
            said[f"{node.name}({args})"] = ast.get_docstring(node)
    return said


def promised():
    """Names of what a board has."""
    return {name.partition("(")[0] for name in contract()}


def test_the_documentation_has_the_table_of_the_contract():
    rows = "".join(f"   | `{name}` | {line} |\n" for name, line in contract().items())
    assert f"   | Attribute | What |\n   |---|---|\n{rows}\n" in DOCS, f"docs/boards.md:\n{rows}"


@pytest.mark.parametrize("board", ["unix", "virtual", "rpi_pico", "esp32"])
def test_every_board_has_what_the_documentation_asks_for(board):
    folder = ROOT / "boards" / board
    path = folder / "modules" / "board.py"
    tree = ast.parse((path if path.exists() else folder / "board.py").read_text(encoding="utf-8"))
    (kind,) = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Board"]
    has = {n.name for n in kind.body if isinstance(n, ast.FunctionDef)}
    has |= {n.attr for n in ast.walk(kind)
            if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)
            and isinstance(n.value, ast.Name) and n.value.id == "self"}
    assert promised() <= has
    if board != "virtual":  # which belongs to whoever runs it, and is made by it
        assert has - promised() <= {"__init__", "_measure", "self_test"}
        assert any(isinstance(n, ast.FunctionDef) and n.name == "open" for n in tree.body)


def test_what_the_firmware_asks_of_a_board_is_documented():
    asked = set()
    for path in FIRMWARE:
        asked |= set(re.findall(r"\bboard\.([a-z_]\w*)", code_of(path)))
    assert asked - {"open"} <= promised()


def test_the_flash_map_of_the_documentation_is_the_boards():
    rows = re.findall(r"\| `(0x[0-9a-f]+)` \| (\d+) KiB \|", DOCS)
    regions = [(int(at, 16), int(size) * 1024) for at, size in rows]
    ends = [*(at for at, _ in regions[1:]), pico.FLASH_SIZE]
    assert [at + size for at, size in regions] == ends
    assert [at for at, _ in regions] == [0, pico.JOURNAL_AT, pico.VAULT_AT, pico.FILES_AT]
    assert regions[0][1] == image.ROOM
    text = (ROOT / "boards" / "rpi_pico" / "modules" / "flash_map.py").read_text(encoding="utf-8")
    assert "_JOURNAL_SIZE = const(256 * 1024)" in text and "_VAULT_SIZE = const(8 * 1024)" in text
    assert regions[1][1] == 256 * 1024 and regions[2][1] == 8 * 1024


def test_the_drawing_is_current():
    assert drawing.PICTURE.read_text(encoding="utf-8") == drawing.drawing(), (
        "run: python -m host_tools.flash.drawing"
    )
