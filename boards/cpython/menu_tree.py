"""Prints the terminal's menus from the firmware's own tables: menu_tree.py [--write | --check].

Without an option the tree goes to the console. --write writes docs/menu-tree.txt and
host_tools/bench/menu.json, --check says whether they are current.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware"), str(ROOT / "boards" / "cpython")]

from mobi.flows import menus  # noqa: E402 - the path must be set first
from mobi.ui import strings  # noqa: E402

TOPS = (("main", menus.MAIN), ("manage", menus.MANAGE), ("system", menus.SYSTEM))
TEXT = ROOT / "docs" / "menu-tree.txt"
DATA = ROOT / "host_tools" / "bench" / "menu.json"


def labels(name):
    """[Chinese, English]"""
    return [strings.lookup(name, strings.CHINESE), strings.lookup(name, strings.ENGLISH)]


def items(entries):
    """A menu as data: a list of {"labels": [zh, en], "items" or "flow"}."""
    out = []
    for label, target in entries:
        item = {"labels": labels(label)}
        if isinstance(target, str):
            item["flow"] = target
        else:
            item["items"] = items(target)
        out.append(item)
    return out


def tree():
    """All menus by the name of their top."""
    return {name: items(entries) for name, entries in TOPS if name != "manage"}


def text():
    """The menus for people."""
    lines = ["Menus of the terminal, printed from firmware/mobi/flows/menus.py by `make menu`.", ""]
    titles = {"main": "ENTER on the idle screen", "system": "operator 99"}
    for name, top in tree().items():
        lines.append(f"{name} ({titles[name]})")
        lines += _lines(top, "    ")
        lines.append("")
    lines.append("keys on the idle screen")
    for key, flow in menus.KEYS:
        lines.append(f"    {key:<8} {flow}")
    lines.append("    FN       the menu 管理 Manage")
    return "\n".join(lines) + "\n"


def _lines(entries, indent):
    out = []
    for number, item in enumerate(entries, 1):
        zh, en = item["labels"]
        digit = str(number % 10) if number <= 10 else " "
        out.append(f"{indent}{digit} {zh}  {en}")
        out += _lines(item.get("items", []), indent + "    ")
    return out


def data():
    """The content of menu.json."""
    return json.dumps(tree(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        TEXT.write_text(text(), encoding="utf-8")
        DATA.write_text(data(), encoding="utf-8")
        print(f"wrote {TEXT.relative_to(ROOT)} and {DATA.relative_to(ROOT)}")
    elif sys.argv[1:] == ["--check"]:
        for path, content in ((TEXT, text()), (DATA, data())):
            if path.read_text(encoding="utf-8") != content:
                sys.exit(f"{path.relative_to(ROOT)} is not what the firmware has: run `make menu`")
        print("The menu tree is current.")
    else:
        print(text(), end="")
