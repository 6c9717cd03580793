"""The firmware asks for no text that does not exist, and no text lies there unused."""

import ast
from pathlib import Path

from mobi.ui import strings

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
NAMES = {row[0] for row in strings.TABLE}


def trees():
    for path in sorted(FIRMWARE.rglob("*.py")):
        if path.name not in ("strings.py", "glyphs.py"):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def asked_for(call):
    """What a call of ``tr`` can ask for: whole ids, and beginnings that something is added to."""
    whole, begun = set(), set()
    if not call.args:
        return whole, begun
    pending = [call.args[0]]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            whole.add(node.value)
        elif isinstance(node, ast.IfExp):
            pending += [node.body, node.orelse]
        elif isinstance(node, ast.BinOp) and isinstance(node.left, ast.Constant):
            begun.add(str(node.left.value).partition("%")[0])
    return whole, begun


def calls(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "tr":
                yield node


def test_every_text_that_is_asked_for_exists():
    missing = []
    for path, tree in trees():
        for call in calls(tree):
            whole, begun = asked_for(call)
            missing += [f"{path.name}:{call.lineno}: {name}" for name in whole - NAMES]
            for start in begun:
                if not any(name.startswith(start) for name in NAMES):
                    missing.append(f"{path.name}:{call.lineno}: {start}...")
    assert missing == []


def test_no_text_is_unused():
    # An id is used where it stands as a string (in a call, or in a table of ids), or where
    # something is added to its beginning.
    used, begun = set(), set()
    for _, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                used.add(node.value)
        for call in calls(tree):
            begun |= asked_for(call)[1]
    unused = [name for name in sorted(NAMES - used)
              if not any(name.startswith(start) for start in begun if start)]
    assert unused == []


def test_the_scan_sees_what_it_should():
    tree = ast.parse('t.tr("a"); t.tr("b" if x else "c"); t.tr("p_" + y); t.tr("v_%d" % z)')
    found = [asked_for(call) for call in calls(tree)]
    assert [sorted(whole) for whole, _ in found] == [["a"], ["b", "c"], [], []]
    assert [sorted(begun) for _, begun in found] == [[], [], ["p_"], ["v_"]]
