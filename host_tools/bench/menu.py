"""Finds its way through the terminal's menus by labels, checking each label on the panel.

The tree is `menu.json`, printed from the firmware's own tables by `make menu`.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from host_tools.bench.bench import Bench

Item = dict[str, Any]  # {"labels": [zh, en], "items": [...]}
Tree = dict[str, list[Item]]
Step = tuple[int, list[str], list[Item]]  # position in a menu, its labels, the whole menu

# The last row of the idle screen, in both languages, and its first.
IDLE = ("确认=菜单", "ENTER=menu")
_HEAD = re.compile(r"(末笔 )?Mobi\s+\d\d:\d\d")
SYSTEM = ("系统管理", "System")  # title of the administrator's menu
NOT_SIGNED_ON = ("按任意键签到", "Key to sign on")
_ENTRY = re.compile(r"\d[^\d.,]")  # of a menu; not an amount, as it stands above 请输入密码
# What the panel asks for where digits are no secret: what they were may stand in a report.
_PLAIN = (
    "请输入金额", "Enter amount", "请输入正确金额", "Right amount", "退货金额", "Refund amount",
    "原凭证号", "Original voucher", "凭证号", "Voucher no.", "原参考号", "Original RRN",
    "原交易日期", "Original date", "操作员号", "Operator no.",
)


class NoSuchItem(LookupError):
    """The menus have no such label."""


@cache
def tree() -> Tree:
    """{"main": [{"labels": [zh, en], "items": [...]}, ...], "system": [...]}."""
    text = Path(__file__).with_name("menu.json").read_text(encoding="utf-8")
    found: Tree = json.loads(text)
    return found


LOG_IN_REFUSED = ("密码错", "操作员不存在", "Wrong password", "Too many tries", "No such operator")
LOG_IN = ("操作员号", "Operator no.")
_LOG_IN_TITLES = ("操作员登录", "Log in", "锁定终端", "Lock")


def is_idle(bench: Bench) -> bool:
    """Does the panel show the idle screen of a terminal that is signed on?"""
    rows = bench.screen()
    return rows[3].strip() in IDLE and _HEAD.fullmatch(rows[0].strip()) is not None


def language(bench: Bench) -> str | None:
    """The language of the idle screen, "zh" or "en"; None when something else is shown."""
    return ("zh", "en")[IDLE.index(bench.screen()[3].strip())] if is_idle(bench) else None


def is_not_signed_on(bench: Bench) -> bool:
    """Does the panel say that the operator must sign on first?"""
    return any(row.strip() in NOT_SIGNED_ON for row in bench.screen())


def is_log_in(bench: Bench) -> bool:
    """Does the panel ask who is there?"""
    rows = bench.screen()
    return rows[0].strip() in _LOG_IN_TITLES and rows[1].strip() in LOG_IN


def is_open(rows: list[str]) -> bool:
    """May the digits that are pressed at this screen be told afterwards? On the idle screen, in
    menus and at prompts that are known to ask for no secret."""
    return (
        rows[3].strip() in (*IDLE, *NOT_SIGNED_ON) or rows[2].strip() in NOT_SIGNED_ON
        or _ENTRY.match(rows[1]) is not None
        or any(row.strip().startswith(_PLAIN) for row in rows[1:3])
    )


def to_idle(bench: Bench) -> None:
    """Let messages pass, leave menus, until the idle screen is there."""
    for _ in range(12):
        if is_idle(bench) or not bench.powered or is_log_in(bench) or is_not_signed_on(bench):
            break
        before = bench.screen()
        bench._run(bench.kernel.now_us + 11_000_000, stop=lambda: _at_rest(bench))
        if not is_idle(bench) and bench.screen() == before:
            bench.press("CANCEL")
    bench.wait_until(lambda: is_idle(bench), 1, "the idle screen of a terminal that is signed on")


def _at_rest(bench: Bench) -> bool:
    return is_idle(bench) or is_log_in(bench) or is_not_signed_on(bench) or not bench.powered


def sign_on(bench: Bench, operator: str, password: str) -> None:
    """Log in and sign on, as far as that is missing; ends on the idle screen."""
    if is_log_in(bench):
        bench.type(operator)
        bench.press("ENTER")
        _not_refused(bench)
        bench.type(password)
        bench.press("ENTER")
        _not_refused(bench)
    elif is_not_signed_on(bench):
        bench.press("ENTER")
    to_idle(bench)


def _not_refused(bench: Bench) -> None:
    bench.wait_until(lambda: not any(bench.shows(text) for text in LOG_IN_REFUSED), 0, "the log-in")


def choose(bench: Bench, label: str) -> None:
    """Walk to ``label``: "交易查询", or a path like "打印/打印明细" where a label stands twice.

    From the idle screen, from any screen that CANCEL leaves, or within the menu that is open; each
    label is looked for on the panel before its key is pressed.
    """
    names = label.split("/")
    top = "system" if bench.screen()[0].strip(" ↓↑↕") in SYSTEM else "main"
    path = _find(tree()[top], names)
    if path is None:
        raise NoSuchItem(_unknown(label))
    open_at = _open_menu(bench, path)
    if open_at is None:
        if is_not_signed_on(bench):
            bench.press("DOWN")
        else:
            to_idle(bench)
            bench.press("ENTER")
        open_at = 0
    for position, labels, items in path[open_at:]:
        _take(bench, position, labels, len(items))


def _open_menu(bench: Bench, path: list[Step]) -> int | None:
    # Which menu of the path is open on the panel; None when none of them is.
    if is_idle(bench) or is_not_signed_on(bench) or is_log_in(bench):
        return None
    for at in reversed(range(len(path))):
        if _shows_menu(bench, path[at][2]):
            return at
    return None


def _shows_menu(bench: Bench, items: list[Item]) -> bool:
    # On whatever page of it: in its first row stands one of its entries.
    row = bench.screen()[1]
    return not is_idle(bench) and any(
        f"{_digit(at)}{text}" in row for at, item in enumerate(items) for text in item["labels"])


def _digit(position: int) -> str:
    return str((position + 1) % 10) if position < 10 else " "


def _numbered(bench: Bench, position: int, text: str) -> bool:
    # Entries stand on the panel behind the digit that chooses them.
    return any(f"{_digit(position)}{text}" in row for row in bench.screen()[1:])


def _take(bench: Bench, position: int, labels: list[str], size: int) -> None:
    # The first ten have a digit of their own; the others are chosen once the bar is on them.
    for _ in range(size + 1):
        if any(_numbered(bench, position, text) for text in labels):
            if position < 10:
                bench.press(str((position + 1) % 10))
                return
            if any(_is_chosen(bench, text) for text in labels):
                bench.press("ENTER")
                return
        bench.press("DOWN")
    shown = "\n".join(bench.screen())
    raise NoSuchItem(f"{labels[0]!r} is not in the menu that is open:\n{shown}")


def _is_chosen(bench: Bench, text: str) -> bool:
    return any(text in bench.rig.panel.inverted_text(at) for at in range(1, 4))


def _unknown(label: str) -> str:
    known = [text for top in tree().values() for text in _labels(top)]
    near = difflib.get_close_matches(label.rpartition("/")[2], known, 3, 0.4)
    hint = f" Near to it: {', '.join(near)}." if near else ""
    return f"no menu has an item {label!r}.{hint} docs/menu-tree.txt lists them all"


def _labels(items: list[Item]) -> Iterator[str]:
    for item in items:
        yield from item["labels"]
        yield from _labels(item.get("items", []))


def _find(items: list[Item], names: list[str]) -> list[Step] | None:
    # The positions from the top to the item; a path names it from any level on.
    for position, item in enumerate(items):
        step = (position, item["labels"], items)
        if names[0] in item["labels"]:
            if len(names) == 1:
                return [step]
            below = _find(item.get("items", []), names[1:])
            if below is not None:
                return [step, *below]
    for position, item in enumerate(items):
        below = _find(item.get("items", []), names)
        if below is not None:
            return [(position, item["labels"], items), *below]
    return None
