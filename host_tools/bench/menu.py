"""Finds its way through the terminal's menus by labels, checking each label on the panel.

The tree is `menu.json`, printed from the firmware's own tables by `make menu`; a test keeps it current.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from host_tools.bench.bench import Bench

# What only the idle screen shows, in both languages.
IDLE = ("确认=菜单", "ENTER=menu")
NOT_SIGNED_ON = ("按任意键签到", "Key to sign on")


class NoSuchItem(LookupError):
    """The menus have no such label."""


@cache
def tree() -> dict:
    """{"main": [{"labels": [zh, en], "items": [...]}, ...], "system": [...]}."""
    return json.loads(Path(__file__).with_name("menu.json").read_text(encoding="utf-8"))


def is_idle(bench: Bench) -> bool:
    """Does the panel show the idle screen of a terminal that is signed on?"""
    return any(bench.shows(text) for text in IDLE)


def to_idle(bench: Bench) -> None:
    """Let messages pass, leave menus, until the idle screen is there."""
    for _ in range(12):
        if is_idle(bench):
            return
        before = bench.screen()
        bench._run(bench.kernel.now_us + 11_000_000, stop=lambda: is_idle(bench))
        if not is_idle(bench) and bench.screen() == before:
            bench.press("CANCEL")
    bench.wait_for(IDLE[0], timeout=1)


def choose(bench: Bench, label: str) -> None:
    """Walk to ``label``: "交易查询", or a path like "打印/打印明细" where a label stands twice."""
    name = label.rpartition("/")[2]
    top = "system" if bench.shows("终端参数") and not is_idle(bench) else "main"
    path = _find(tree()[top], label.split("/"))
    if path is None:
        raise NoSuchItem(f"no menu has an item {label!r}; docs/menu-tree.txt lists them all")
    if not is_idle(bench) and bench.shows(name):
        path = path[-1:]  # it is in the menu that is open
    elif top == "main":
        if any(bench.shows(text) for text in NOT_SIGNED_ON):
            bench.press("DOWN")
        else:
            to_idle(bench)
            bench.press("ENTER")
    for position, labels in path:
        bench.press(str((position + 1) % 10)) if position < 10 else _scroll(bench, position, labels)


def _scroll(bench: Bench, position: int, labels: list[str]) -> None:
    for _ in range(position):
        bench.press("DOWN")
    if not any(bench.shows(text) for text in labels):
        raise NoSuchItem(f"{labels[0]!r} is not where the menu tree says:\n{bench.screen()}")
    bench.press("ENTER")


def _find(items: list[dict], names: list[str]) -> list[tuple[int, list[str]]] | None:
    # The positions from the top to the item; a path names it from any level on.
    for position, item in enumerate(items):
        step = (position, item["labels"])
        if names[0] in item["labels"]:
            if len(names) == 1:
                return [step]
            below = _find(item.get("items", []), names[1:])
            if below is not None:
                return [step, *below]
    for position, item in enumerate(items):
        below = _find(item.get("items", []), names)
        if below is not None:
            return [(position, item["labels"]), *below]
    return None
