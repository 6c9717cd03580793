"""The rules of docs/architecture.md and of the house, kept by reading the source."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from host_tools.places import ROOT

FIRMWARE = ROOT / "firmware"
TREES = ("firmware", "boards", "host_tools", "tests", "docs", ".ci")

# What MicroPython has on every board and what says nothing about the board.
BUILT_IN = {
    "array", "binascii", "cryptolib", "gc", "hashlib", "io", "micropython", "struct",
}
CORE = {"mobi.transactions", "mobi.loop", "mobi.dates"}
PACKAGES = ("acquiring", "journal", "link", "ui", "devices")
# Put together by the terminal, and by nobody else.
PARTS = {
    "Access", "Composer", "Dialogs", "Journal", "Keypad", "Keys", "Link", "Loop", "Poller",
    "Printer", "Reader", "Screen", "Settings", "Ssd1306", "Vault",
}


def sources(*folders):
    """The Python files below these folders of the project."""
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if "__pycache__" not in path.parts)


@cache
def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def module_name(path):
    return ".".join(path.relative_to(FIRMWARE).with_suffix("").parts)


def imports(path):
    """(module, name) for all that a file imports; the name is "" for a whole module."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                whole = FIRMWARE.joinpath(*node.module.split("."), alias.name)
                if whole.is_dir() or whole.with_suffix(".py").exists():
                    yield f"{node.module}.{alias.name}", ""
                else:
                    yield node.module, alias.name


def test_the_firmware_asks_only_for_what_every_board_has():
    for path in sources("firmware"):
        for module, _ in imports(path):
            if module.split(".")[0] == "mobi" or module in BUILT_IN:
                continue
            assert (path.name, module) == ("main.py", "board"), f"{path}: {module}"


def test_nobody_imports_the_other_way_round():
    for path in sources("firmware"):
        here = module_name(path)
        layer = here.split(".")[1] if here.startswith("mobi.") else "main"
        for module, name in imports(path):
            if not module.startswith("mobi"):
                continue
            complaint = f"{here} imports {module} {name}"
            if here in CORE:
                raise AssertionError(complaint)
            if layer in PACKAGES:
                assert module in CORE or module.split(".")[1] == layer, complaint
            elif layer == "flows":
                assert module != "mobi.terminal" and name not in PARTS, complaint
            elif here not in ("main", "mobi.terminal", "mobi.provision"):
                # The small modules beside the packages: keys need the cipher, nothing else.
                assert (here, module) == ("mobi.keys", "mobi.acquiring.security"), complaint


def test_the_host_side_shares_no_code_with_the_firmware():
    for path in sources("host_tools"):
        if path.name == "_journal_device.py":
            continue  # a program for MicroPython, handed over as a file
        for module, _ in imports(path):
            assert module.split(".")[0] != "mobi", f"{path} imports {module}"


# -- ticks -----------------------------------------------------------------------------------------

TICKS = {"ticks_ms", "ticks_us", "ticks_add", "after"}


def gives_ticks(node):
    """Is it a call whose result is a ticks value?"""
    return (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            and node.func.attr in TICKS)


def keyed(node):
    # A variable or an attribute of self, as text; None for anything else.
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else None


def raw_arithmetic(tree):
    """Operations on ticks values that forget the wrap of the counter."""
    held = {
        keyed(target)
        for node in ast.walk(tree) if isinstance(node, ast.Assign) and gives_ticks(node.value)
        for target in node.targets
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            operands = [node.left, node.right]
        elif isinstance(node, ast.Compare) and not isinstance(node.ops[0], ast.Is | ast.IsNot):
            operands = [node.left, *node.comparators]
        else:
            continue
        if any(gives_ticks(operand) or keyed(operand) in held - {None} for operand in operands):
            yield ast.unparse(node)


def test_ticks_are_compared_by_ticks_diff_only():
    for path in sources("firmware"):
        for function in ast.walk(parsed(path)):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                assert list(raw_arithmetic(function)) == [], f"{path}: {function.name}"


@pytest.mark.parametrize("wrong", [
    "if clock.ticks_ms() > deadline: pass",
    "left = deadline - clock.ticks_ms()",
    "began = clock.ticks_us()\nif now - began > 5: pass",
    "self.due = loop.after(5)\nif self.due < now: pass",
])
def test_raw_arithmetic_would_be_found(wrong):
    assert list(raw_arithmetic(ast.parse(wrong)))


# -- the house -------------------------------------------------------------------------------------


def test_only_the_loop_catches_everything():
    # It reports whatever a task died of. (Elsewhere than in the firmware ruff keeps this.)
    for path in sources("firmware", "boards"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ExceptHandler):
                caught = "" if node.type is None else ast.unparse(node.type)
                blind = re.search(r"\b(Base)?Exception\b", caught) or not caught
                assert not blind or path.name == "loop.py", f"{path}:{node.lineno}"


def test_every_module_says_what_it_is_for():
    for path in sources(*TREES[:4]):
        # manifest.py is read by MicroPython's build; it begins with a comment.
        if path.stat().st_size and path.name != "manifest.py":
            first = (ast.get_docstring(parsed(path)) or "").partition("\n")[0]
            assert len(first) > 15, f"{path}: a first line that says what it is for"


def test_no_test_is_skipped_without_a_reason():
    for path in sources("tests"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef):
                bare = [ast.unparse(mark) for mark in node.decorator_list]
                assert not {"pytest.mark.skip", "pytest.mark.xfail"} & set(bare), node.name
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            named = "reason" in {keyword.arg for keyword in node.keywords}
            if node.func.attr in ("skipif", "importorskip", "xfail"):
                assert named, f"{path}:{node.lineno}"
            elif node.func.attr == "skip":
                assert named or node.args, f"{path}:{node.lineno}"


def texts():
    """Every text file of the project, with its path."""
    files = [path for folder in TREES for path in (ROOT / folder).rglob("*")]
    files += [path for path in ROOT.iterdir() if path.suffix != ".egg-info"]
    for path in sorted(files):
        if not path.is_file() or "__pycache__" in path.parts or path == Path(__file__):
            continue
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture or an image


@pytest.mark.parametrize("what, pattern", [
    ("work left for later", r"\b(TODO|FIXME|HACK)\b"),
    ("a path of somebody's machine", r"(?<![\w.])/(home|root|work|opt|Users|srv|mnt)/\w"),
    ("a package registry", r"pypi\.org|pythonhosted\.org|npmjs\.|conda\.anaconda"),
])
def test_the_tree_is_free_of(what, pattern):
    for path, text in texts():
        for number, line in enumerate(text.splitlines(), 1):
            assert not re.search(pattern, line), f"{path}:{number}: {what}: {line.strip()}"


# -- tests of the firmware -------------------------------------------------------------------------


def test_tests_of_the_firmware_import_nothing_but_the_firmware():
    folder = ROOT / "tests" / "firmware"
    beside = {path.stem for path in folder.glob("*.py")}
    for path in folder.glob("*.py"):
        for module, _ in imports(path):
            first = module.split(".")[0]
            # nor: the bench's flash chip, which runs on both interpreters, too.
            known = beside | BUILT_IN | {"mobi", "sys", "json", "nor"}
            assert first in known, f"{path.name} imports {module}"


def test_tests_of_the_firmware_run_on_both_interpreters():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--collect-only", "tests/firmware"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )
    ran = {"cpython": set(), "micropython": set()}
    for line in done.stdout.splitlines():
        file, _, name = line.partition("::")
        if name:
            ran["micropython" if name.endswith("[micropython]") else "cpython"].add(
                (file, name.removesuffix("[micropython]")))
    assert ran["cpython"] == ran["micropython"]
    files = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/firmware/test_*.py")}
    assert {file for file, _ in ran["cpython"]} == files
