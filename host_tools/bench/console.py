"""The view in a text console: panel, keys and paper of a terminal that runs in real time."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import sys
import termios
import time
import tty
import unicodedata
from collections.abc import Iterator
from typing import TextIO

from host_tools.bench.bench import Bench

FRAME_S = 0.03
CARD = "6222021234567890128"

# Character -> key of the terminal.
KEYS = {
    **{digit: digit for digit in "0123456789"},
    "\r": "ENTER", "\n": "ENTER", "\x1b": "CANCEL", "c": "CANCEL", "\x7f": "BACK", "\b": "BACK",
    "x": "CLEAR", "f": "FN", "v": "VOID", "l": "LAST", "r": "REFUND",
    "\x1b[A": "UP", "\x1b[B": "DOWN", "u": "UP", "d": "DOWN",
}
HELP = (
    "0-9 Enter  keys        c Esc  取消    Backspace 退格   x 清除   u d arrows  上下",
    "f 功能     v 撤销      l 末笔         r 退货           s swipe the test card",
    "k cut the line / mend it     p power cut / power on    o paper out / in",
    "Ctrl-C ends",
)


def columns(text: str) -> int:
    """How many columns of a console ``text`` takes."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def fit(text: str, width: int) -> str:
    """``text`` cut and filled to exactly ``width`` columns."""
    out = ""
    for character in text:
        if columns(out + character) > width:
            break
        out += character
    return out + " " * (width - columns(out))


class Console:
    """Draws the bench and turns typed characters into key presses."""

    def __init__(self, bench: Bench, out: TextIO) -> None:
        self.bench = bench
        self.out = out
        self.note = ""
        self._drawn: list[str] = []

    def run(self) -> None:
        """Until Ctrl-C. Virtual time goes at the pace of real time."""
        if sys.stdin.isatty() and self.out.isatty():
            with _cbreak(), self._screen():
                self._pace(self._frame)
        else:
            self._pace(self._log_changes)

    def _pace(self, frame) -> None:
        began = time.monotonic() - self.bench.clock.seconds
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                frame()
                behind = time.monotonic() - began - self.bench.clock.seconds
                if behind > 0:
                    self.bench.clock.advance(min(behind, 0.25))
                else:
                    began = time.monotonic() - self.bench.clock.seconds

    # -- without a terminal: tell what the panel shows -----------------------------------------

    def _log_changes(self) -> None:
        rows = self.bench.screen()
        if rows != self._drawn:
            self._drawn = rows
            print(" | ".join(row.strip() for row in rows), file=self.out, flush=True)
        time.sleep(FRAME_S)

    # -- with one ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _screen(self) -> Iterator[None]:
        self.out.write("\x1b[?1049h\x1b[?25l\x1b[2J")
        try:
            yield
        finally:
            self.out.write("\x1b[?25h\x1b[?1049l")
            self.out.flush()

    def _frame(self) -> None:
        ready, _, _ = select.select([sys.stdin], [], [], FRAME_S)
        if ready:
            for name in split(os.read(sys.stdin.fileno(), 64).decode(errors="ignore")):
                self.do(name)
        self._draw()

    def do(self, typed: str) -> None:
        """What one typed character does."""
        bench = self.bench
        self.note = ""
        if typed in KEYS:
            bench.press(KEYS[typed])
        elif typed == "s":
            bench.swipe(CARD)
        elif typed == "k":
            if bench.line.is_cut:
                bench.line.restore()
            else:
                bench.line.cut()
        elif typed == "p":
            if bench.powered:
                bench.power_cut()
            else:
                bench.power_on()
        elif typed == "o":
            bench.rig.paper.paper_out = not bench.rig.paper.paper_out
        elif typed == "\x03":
            raise KeyboardInterrupt
        else:
            self.note = f"{typed!r} is no key; the keys stand below"

    def _draw(self) -> None:
        lines = self.lines(shutil.get_terminal_size().lines)
        if lines != self._drawn:
            self._drawn = lines
            self.out.write("\x1b[H" + "\x1b[K\r\n".join(lines) + "\x1b[J")
            self.out.flush()

    def lines(self, height: int) -> list[str]:
        """The whole view as text lines."""
        bench = self.bench
        panel = bench.rig.panel
        left = ["┌" + "─" * 18 + "┐"]
        for number, row in enumerate(bench.screen()):
            text = fit(row, 16)
            if panel.inverted(number):
                text = f"\x1b[7m{text}\x1b[0m"
            left.append(f"│ {text} │")
        left.append("└" + "─" * 18 + "┘")
        left += ["", "power " + ("on" if bench.powered else "OFF"),
                 "line  " + ("CUT" if bench.line.is_cut else "good"),
                 "paper " + ("OUT" if bench.rig.paper.paper_out else "in"),
                 bench.clock.now.strftime("%Y-%m-%d %H:%M:%S")]
        room = max(8, height - len(HELP) - 6)
        paper = bench.paper().splitlines()[-room:]
        lines = ["\x1b[1mMobi 末笔\x1b[0m", ""]
        for number in range(max(len(left), len(paper))):
            begin = left[number] if number < len(left) else ""
            shown = begin.replace("\x1b[7m", "").replace("\x1b[0m", "")
            slip = fit(paper[number], 32) if number < len(paper) else " " * 32
            lines.append(f"  {begin}{' ' * (24 - columns(shown))}\x1b[30;47m {slip} \x1b[0m")
        last = [str(entry) for entry in bench.trace()[-2:]]
        width = shutil.get_terminal_size().columns
        return lines + [""] + [fit(entry, width - 1) for entry in last] + [self.note, *HELP]


def split(typed: str) -> list[str]:
    """Characters and escape sequences that were read at once."""
    out = []
    while typed:
        size = 3 if typed[:3] in KEYS else 1
        out.append(typed[:size])
        typed = typed[size:]
    return out


@contextlib.contextmanager
def _cbreak() -> Iterator[None]:
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
