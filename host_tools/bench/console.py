"""The view in a text console: panel, keys and paper of a terminal that runs in real time."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import sys
import termios
import tty
import unicodedata
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any, TextIO

from host_tools.acquirer import TEST_CARDS
from host_tools.bench.bench import LANGUAGES
from host_tools.bench.live import MISTAKES, SPEEDS, Live, View

FRAME_S = 0.04
LEFT, PAPER = 30, 32  # columns

# Character -> key of the terminal.
KEYS = {
    **{digit: digit for digit in "0123456789"},
    "\r": "ENTER", "\n": "ENTER", "\x1b": "CANCEL", "c": "CANCEL", "\x7f": "BACK", "\b": "BACK",
    "x": "CLEAR", "\x1b[3~": "CLEAR", "f": "FN", "v": "VOID", "l": "LAST", "r": "REFUND",
    "\x1b[A": "UP", "\x1b[B": "DOWN", "\x1bOA": "UP", "\x1bOB": "DOWN", "u": "UP", "d": "DOWN",
}
# Character and what the help says of it, in Chinese and English.
FAULTS = (
    ("k", "线路：切断 / 接通", "the line: cut / mend"),
    ("e", "丢掉下一条应答", "lose the next reply"),
    ("w", "下一条应答晚 75 秒", "reply 75 s late"),
    ("b", "下一笔消费余额不足 (51)", "next sale: no funds (51)"),
    ("m", "金额暗号：开 / 关", "magic amounts: on / off"),
    ("p", "电源：关 / 开", "the power: off / on"),
    ("P", "第 3 次写闪存时断电", "cut it in the 3rd flash write"),
    ("o", "打印纸：用完 / 装上", "paper: out / in"),
    ("t", "撕纸", "tear the paper off"),
)
HELP = (
    ("0-9 Enter", "终端的键", "keys of the terminal"),
    ("Esc Bksp x", "取消 退格 清除", "CANCEL BACK CLEAR"),
    ("f v l r u d", "功能 撤销 末笔 退货 上 下", "FN VOID LAST REFUND UP DOWN"),
    ("a", "登录并签到", "log in and sign on"),
    ("0000 123456", "01 的密码，主管密码", "password 01, supervisor"),
    ("s q", "选卡刷卡，出示付款码", "swipe a card, show a code"),
    (">", f"时间 {' '.join(f'{times}x' for times in SPEEDS)} 停",
     f"time: {' '.join(f'{times}x' for times in SPEEDS)} stop"),
    ("g", "English", "中文"),
    ("? Ctrl-C", "帮助或报文，结束", "help or messages, end"),
)
_WORDS = {
    "begin": ("先按 a（登录并签到），再按 s 和回车（刷卡）；? 是帮助",
              "Begin with a (log in and sign on), then s and Enter (swipe a card); ? for help"),
    "no_key": ("这里没有 {!r} 键；按 ? 看有哪些", "{!r} is no key here; ? shows the keys"),
    "no_card": ("没有刷卡", "no card was swiped"),
    "which": ("刷哪张卡？回车选第一张，Esc 不刷", "Which card? Enter takes the first, Esc none"),
    "no_messages": ("还没有报文", "no messages yet"),
    "keys": ("按键", "Keys"), "faults": ("故障", "Faults"), "messages": ("报文", "Messages"),
    "power": ("电源", "power"), "on": ("开", "on"), "off": ("关", "OFF"),
    "line": ("线路", "line"), "good": ("正常", "good"), "cut": ("已断", "CUT"),
    "paper": ("打印纸", "paper"), "in": ("有", "in"), "out": ("缺纸", "OUT"),
    "merchant": ("商户", "merchant"),
    "cut_in": ("再写闪存 {} 次后断电", "cut in {} flash operations"),
    "magic": ("金额暗号已开", "magic amounts are on"),
    "stopped": ("时间已停：按 > 继续", "time stands still: > lets it go on"),
    "leads": ("线路: {}", "line: {}"), "acquirer": ("主机: {}", "acquirer: {}"),
}
DIM, BOLD, INVERSE, RED, AMBER, PLAIN = (
    "\x1b[2m", "\x1b[1m", "\x1b[7m", "\x1b[31m", "\x1b[33m", "\x1b[0m",
)

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def columns(text: str) -> int:
    """How many columns of a console ``text`` takes."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def fit(text: str, width: int) -> str:
    """``text`` cut and filled to exactly ``width`` columns."""
    out: list[str] = []
    used = 0
    for character in text:
        size = columns(character)
        if used + size > width:
            break
        out.append(character)
        used += size
    return "".join(out) + " " * (width - used)


class Console:
    """Draws what a ``Live`` shows and turns typed characters into its commands."""

    def __init__(self, live: Live, out: TextIO, greeting: str = "") -> None:
        """``greeting``: where else the terminal can be reached; it stays in the first row."""
        self.live = live
        self.out = out
        self.greeting = greeting
        self.note = ""
        self._begun = False  # until the first key the note says how to begin
        self.showing = "help"  # "messages", "cards", or "paper" where there is room for one only
        self._drawn: list[str] = []
        self._wide = True  # is there room for paper and help side by side?
        self._waiting: list[Future[None]] = []

    def run(self) -> None:
        """Until Ctrl-C, or until the bench ends."""
        with contextlib.suppress(KeyboardInterrupt):
            if sys.stdin.isatty() and self.out.isatty():
                with _cbreak(), self._screen():
                    self._interact()
            else:
                self._log()
        if self.live.error is not None:
            raise self.live.error

    # -- without a terminal: a plain log ---------------------------------------------------------

    def _log(self) -> None:
        if self.greeting:
            print(self.greeting, file=self.out, flush=True)
        before: View | None = None
        while self.live.running:
            view = self.live.view(-1 if before is None else before.number, 1)
            if view is None:
                continue
            for line in log_lines(view, before):
                print(line, file=self.out, flush=True)
            before = view

    # -- with one --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _screen(self) -> Iterator[None]:
        self.out.write("\x1b[?1049h\x1b[?25l\x1b[2J")
        try:
            yield
        finally:
            self.out.write("\x1b[?25h\x1b[?1049l")
            self.out.flush()

    def _interact(self) -> None:
        typed = ""
        while self.live.running:
            ready, _, _ = select.select([sys.stdin], [], [], FRAME_S)
            if ready:
                data = os.read(sys.stdin.fileno(), 256)
                if not data:
                    return  # the terminal was closed
                names, typed = split(typed + data.decode(errors="ignore"))
                for name in names:
                    self.do(name)
            elif typed:
                # An escape that nothing followed is the key itself.
                names, typed = split(typed, last=True)
                for name in names:
                    self.do(name)
            self._answers()
            self._draw()

    def do(self, typed: str) -> None:
        """What one typed character does."""
        view = self.live.view()
        assert view is not None
        status = view.status
        self.note = ""
        self._begun = True
        if self.showing == "cards":
            self._choose_card(typed, status)
        elif typed in KEYS:
            self._send("press", key=KEYS[typed])
            if self.showing == "help":
                self.showing = "paper"
        elif typed == "s":
            self.showing = "cards"
        elif typed == "q":
            self._send("pay_by_code", card=TEST_CARDS[0].name)
        elif typed == "m":
            self._send("amounts", on=not status["amounts"])
        elif typed == "a":
            self._send("sign_on")
        elif typed == "k":
            self._send("line_cut", cut=not status["line_cut"])
        elif typed == "e":
            self._send("line_fault", fault="drop", what="reply")
        elif typed == "w":
            self._send("line_fault", fault="delay", what="reply", seconds=75)
        elif typed == "b":
            self._send("rule", match="sale", code="51")
        elif typed == "p":
            self._send("power", on=not status["power"])
        elif typed == "P":
            self._send("power_cut_at", flash_op=2)
        elif typed == "o":
            self._send("paper_out", out=not status["paper_out"])
        elif typed == "t":
            self._send("tear_off")
        elif typed == ">":
            speeds = (*SPEEDS, 0)
            now = speeds.index(status["speed"]) if status["speed"] in speeds else 0
            self._send("speed", times=speeds[(now + 1) % len(speeds)])
        elif typed == "g":
            self._send("language", name="en" if status["language"] == "zh" else "zh")
        elif typed == "?":
            order = ["help", "messages"] if self._wide else ["help", "messages", "paper"]
            now = order.index(self.showing) if self.showing in order else 0
            self.showing = order[(now + 1) % len(order)]
        elif typed == "\x03":
            raise KeyboardInterrupt
        else:
            self.note = _word(status, "no_key").format(typed)

    def _choose_card(self, typed: str, status: dict[str, Any]) -> None:
        self.showing = "help"
        at = _CARD_KEYS.find(typed)
        if 0 <= at < len(TEST_CARDS):
            self._send("swipe", card=TEST_CARDS[at].name)
        elif typed in ("\r", "\n", "s"):
            self._send("swipe", card=TEST_CARDS[0].name)
        else:
            self.note = _word(status, "no_card")

    def _send(self, command: str, **arguments: Any) -> None:
        self._waiting.append(self.live.do(command, **arguments))

    def _answers(self) -> None:
        for future in [one for one in self._waiting if one.done()]:
            self._waiting.remove(future)
            try:
                future.result()
            except MISTAKES as error:
                self.note = str(error).splitlines()[0]

    def _draw(self) -> None:
        view = self.live.view()
        if view is None:
            return
        width, height = shutil.get_terminal_size((100, 40))
        lines = self.lines(view, width, height)
        if lines != self._drawn:
            self._drawn = lines
            # Each row is written at its own place: wide characters never shift the next one.
            rows = "".join(
                f"\x1b[{at};1H{line}{PLAIN}\x1b[K" for at, line in enumerate(lines, 1))
            self.out.write(f"{rows}\x1b[J")
            self.out.flush()

    def lines(self, view: View, width: int, height: int) -> list[str]:
        """The whole view as at most ``height`` rows of text with colours."""
        status = view.status
        now = status["now"].replace("T", " ")
        head = f"{BOLD}Mobi 末笔{PLAIN}  {now}  {AMBER}{_speed(status)}{PLAIN}"
        space = width - 3 - columns(COLOURS.sub("", head))
        if self.greeting and space > 20:
            head += f"  {DIM}{fit(self.greeting, space).rstrip()}{PLAIN}"
        text = self.note if self._begun else _word(status, "begin")
        note = f"{AMBER}{fit(text, width - 1).rstrip()}{PLAIN}" if text else ""
        room = max(8, height - 3)
        left = self._left(view)
        paper = _paper(view, room)
        right: list[str] = []
        self._wide = width >= LEFT + PAPER + 4 + 36
        if self._wide:
            right = self._right(view, room, width - LEFT - PAPER - 5)
        elif self.showing != "paper":
            paper = self._right(view, room, width - LEFT - 1)
        rows = [head, note]
        for at in range(max(len(left), len(paper), len(right))):
            row = left[at] if at < len(left) else ("", 0)
            line = row[0] + " " * (LEFT - row[1])
            line += paper[at] if at < len(paper) else " " * (PAPER + 2)
            rows.append(line + ("  " + right[at] if at < len(right) else ""))
        return rows[:height]

    def _left(self, view: View) -> list[tuple[str, int]]:
        # Text and its width: colours do not count.
        status = view.status
        lamp = "─" if status["power"] else "·"
        box = [(f" ┌{lamp * 18}┐", 21)]
        for row in view.rows:
            # Some characters are two columns wide on the panel and one in a console.
            shown = "".join(
                f"{INVERSE}{text}{PLAIN}" if inverted else text
                for text, inverted in ((fit(c, size), inv) for c, size, inv in row)
            )
            used = sum(size for _, size, _ in row)
            box.append((f" │ {shown}{' ' * (16 - used)} │", 21))
        box.append((f" └{lamp * 18}┘", 21))

        def state(name: str, good: bool, text: str) -> tuple[str, int]:
            colour = "" if good else RED
            name = fit(_word(status, name), 9)
            return f" {DIM}{name}{PLAIN}{colour}{text}{PLAIN}", 10 + columns(text)

        def word(good: bool, yes: str, no: str) -> str:
            return _word(status, yes if good else no)

        box += [
            ("", 0),
            state("power", status["power"], word(status["power"], "on", "off")),
            state("line", not status["line_cut"], word(not status["line_cut"], "good", "cut")),
            state("paper", not status["paper_out"], word(not status["paper_out"], "in", "out")),
            state("merchant", True, f"{view.ledger.get('merchant', 0) / 100:,.2f}"),
        ]
        if status["power_cut_in"] is not None:
            box.append(_short(_word(status, "cut_in").format(status["power_cut_in"]), AMBER))
        if status["amounts"]:
            box.append(_short(_word(status, "magic"), AMBER))
        box += [_short(text, AMBER) for text in [*status["armed"], *status["rules"]][:5]]
        box += [_short(text, RED) for text in status["events"][-2:]]
        box += [("", 0)]
        for txn in view.journal[-6:]:
            text = f" {txn['trace']:06d} {txn['amount'] / 100:9.2f} {txn['state']}"
            box.append((text, columns(text)))
        return box

    def _right(self, view: View, room: int, width: int) -> list[str]:
        status = view.status
        if self.showing == "cards":
            pairs = [
                (_CARD_KEYS[at], f"{card.name:<14} {card.masked[-4:]}  PIN {card.pin}  {card.note}")
                for at, card in enumerate(TEST_CARDS)
            ]
            rows = [f"{BOLD}{_word(status, 'which')}{PLAIN}"]
            return rows + [_pair(key, text, 2, width) for key, text in pairs[: room - 1]]
        if self.showing == "messages":
            rows = []
            for entry in view.trace[-room:]:
                rows.append(fit(str(entry), width).rstrip())
            return rows or [_word(status, "no_messages")]
        # The keys and faults, and below them as many messages as there is room for.
        at = LANGUAGES.index(status["language"])
        rows = [f"{BOLD}{_word(status, 'keys')}{PLAIN}",
                *(_pair(key, text[at], 11, width) for key, *text in HELP), "",
                f"{BOLD}{_word(status, 'faults')}{PLAIN}",
                *(_pair(key, text[at], 2, width) for key, *text in FAULTS), "",
                f"{BOLD}{_word(status, 'messages')}{PLAIN}"]
        left = max(0, room - len(rows))
        return rows + [fit(str(entry), width).rstrip() for entry in view.trace[-left:]][-left:]


def _word(status: dict[str, Any], name: str) -> str:
    return _WORDS[name][LANGUAGES.index(status["language"])]


def _short(text: str, colour: str) -> tuple[str, int]:
    text = fit(text, LEFT - 2).rstrip()
    return f" {colour}{text}{PLAIN}", columns(text) + 1


_CARD_KEYS = "1234567890bdefghijklmnopqrstuvwxyz"


def _pair(key: str, text: str, space: int, width: int) -> str:
    return f"{BOLD}{key:<{space}}{PLAIN} {fit(text, max(1, width - space - 1)).rstrip()}"


def _speed(status: dict[str, Any]) -> str:
    if status["real_time"]:
        return _word(status, "leads").format(status["leads_to"])
    if status["speed"] == 0:
        return _word(status, "stopped")
    speed = f"{status['speed']}x" if status["speed"] != 1 else ""
    if not status["leads_to"]:
        return speed
    return f"{_word(status, 'acquirer').format(status['leads_to'])} {speed}".rstrip()


def _paper(view: View, room: int) -> list[str]:
    rows: list[str] = []
    for slip in view.paper[-room:]:
        rows.append(f"\x1b[30;47m {fit(slip.text, PAPER)} {PLAIN}")
        if slip.cut:
            rows.append(f"{DIM}{'- ' * (PAPER // 2 + 1)}{PLAIN}")
    return rows[-room:]


def log_lines(view: View, before: View | None) -> list[str]:
    """What a log tells of ``view`` when ``before`` was the last one it told of."""
    lines = []
    at = view.status["now"][11:]
    if before is None or view.text != before.text:
        shown = " | ".join(row.strip() for row in view.text if row.strip())
        lines.append(f"{at} panel  {shown or '(dark)'}")
    fresh = view.trace_count - (0 if before is None else before.trace_count)
    lines += [f"{at} line   {entry}" for entry in view.trace[len(view.trace) - fresh:]]
    old = 0 if before is None or before.paper_roll != view.paper_roll else len(before.paper)
    lines += [f"{at} paper  {slip.text}" for slip in view.paper[old:] if slip.text]
    known = () if before is None else before.status["events"]
    lines += [f"{at} event  {event}" for event in view.status["events"] if event not in known]
    return lines


def split(typed: str, last: bool = False) -> tuple[list[str], str]:
    """Characters and escape sequences that were read at once, and the beginning of one more.

    ``last``: nothing more is coming, so a lone escape is the key.
    """
    out: list[str] = []
    while typed:
        known = next((key for key in KEYS if len(key) > 1 and typed.startswith(key)), None)
        if known is None and typed[0] == "\x1b" and not last:
            if any(key.startswith(typed) for key in KEYS):
                return out, typed
        size = len(known) if known else 1
        out.append(typed[:size])
        typed = typed[size:]
    return out, ""


@contextlib.contextmanager
def _cbreak() -> Iterator[None]:
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)

