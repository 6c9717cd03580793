"""A thermal printer with its paper: interprets ESC/POS, answers status requests, runs out of paper.

What was printed can be read as text (`paper_lines`) and looked at as a picture (`paper_picture`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from PIL import Image

from host_tools.bench import paper_picture
from host_tools.bench.paper_lines import (
    CHARACTER,
    COLUMNS,
    DOTS,
    HEIGHT,
    LEFT,
    SPACING,
    Line,
    Look,
    width_of,
)

_NEAR_END_LINES = 10
_DLE = 0x10
_ASCII = re.compile(rb"[\x20-\x7f]+")
BUFFER = 4096  # bytes the printer holds; more are lost

# DLE EOT 1 to 4 ask for status, DLE ENQ 1 and 2 and DLE DC4 8 go on after an error: the latter
# two forget what has not been printed.
_CLEAR = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"
_REAL_TIME = (
    b"\x10\x04\x01", b"\x10\x04\x02", b"\x10\x04\x03", b"\x10\x04\x04",
    b"\x10\x05\x01", b"\x10\x05\x02", _CLEAR,
)


_looks: dict[Look, Look] = {}


def _with(look: Look, **change: Any) -> Look:
    # One object for each look there is, so that text of one look is one piece.
    new = replace(look, **change)
    return _looks.setdefault(new, new)


class Paper:
    """The printer. Times are microseconds, handed in; ``line_us`` = 0: it prints in no time.

    ``feed`` gives the answers that are due at once. With ``line_us`` more comes while it works:
    ``next_at`` says when ``advance`` has something to do.
    """

    def __init__(self, line_us: int = 0, answers_marks: bool = True, cutter: bool = True) -> None:
        self.line_us = line_us
        self.answers_marks = answers_marks  # knows GS r
        self.cutter = cutter
        self.printed: list[Line] = []
        self.never_answers = False  # a printer without a way back
        self.lost_bytes = 0  # did not fit into the buffer
        self.unknown: list[bytes] = []  # commands that were not understood
        self._silent = False
        self._cover_open = False
        self._lines_left: int | None = None
        self._near_end = False
        self._now_us = 0
        self._busy_until_us = 0
        self._real_time = bytearray()
        self._buffer = bytearray()
        self._answers = bytearray()
        self._reset()

    def _reset(self) -> None:
        self._line: list[tuple[str, Look]] = []  # pieces of text of one look
        self._used = 0  # dots of them
        self._look = self._chinese_look = _with(Look())  # the first of ASCII
        self._chinese = False
        self._align = LEFT
        self._spacing = SPACING

    # -- supply and faults -----------------------------------------------------------------------

    def runs_out_after(self, lines: int) -> None:
        """The roll ends after so many more lines."""
        self._lines_left = lines

    def near_end(self, near: bool = True) -> None:
        """Let the sensor for a nearly used-up roll see it."""
        self._near_end = near

    def load_paper(self) -> None:
        """Put in a new roll; call ``advance`` then: it goes on with what it still holds."""
        if self.paper_is_out and self.printed:
            self.printed[-1].cut = True  # where the old roll ended, the paper ends
        self._lines_left = None
        self._near_end = False

    def open_cover(self) -> None:
        """Open the cover: the printer stops."""
        self._cover_open = True

    def close_cover(self) -> None:
        """Close the cover; call ``advance`` then."""
        self._cover_open = False

    def silence(self, silent: bool = True) -> None:
        """Pull the plug (True): nothing is received or answered; what it held is gone."""
        self._silent = silent
        self._buffer.clear()
        self._real_time.clear()
        self._answers.clear()
        self._reset()

    @property
    def paper_is_out(self) -> bool:
        """Has the roll come to its end?"""
        return self._lines_left == 0

    @property
    def cover_is_open(self) -> bool:
        """Is the cover open?"""
        return self._cover_open

    @property
    def is_silent(self) -> bool:
        """Is its plug pulled?"""
        return self._silent

    @property
    def _offline(self) -> bool:
        return self._cover_open or self.paper_is_out

    # -- the wire --------------------------------------------------------------------------------

    def feed(self, data: bytes, now_us: int | None = None) -> bytes:
        """Bytes that have arrived; the answers that are due."""
        if self._silent:
            return b""
        at = 0
        while at < len(data):
            # Nothing but DLE begins a real-time command: what is before the next goes in at once.
            end = at + 1
            if not self._real_time and data[at] != _DLE:
                end = data.find(_DLE, at)
                end = len(data) if end < 0 else end
                self._hold(data[at:end])
            else:
                self._arrived(data[at])
            at = end
        return self.advance(now_us)

    def advance(self, now_us: int | None = None) -> bytes:
        """Print what can be printed by ``now_us``; the answers that are due."""
        if now_us is not None:
            self._now_us = max(self._now_us, now_us)
        if not self._silent:
            while self._buffer and not self._offline and self._now_us >= self._busy_until_us:
                used = self._command()
                if not used:
                    break
                del self._buffer[:used]
        answers = b"" if self.never_answers else bytes(self._answers)
        self._answers.clear()
        return answers

    def next_at(self) -> int | None:
        """When the printer is ready for what it still holds; None when it waits for nothing."""
        if self._buffer and not self._offline and not self._silent:
            if self._busy_until_us > self._now_us:
                return self._busy_until_us
        return None

    def _arrived(self, byte: int) -> None:
        # Real-time commands are recognised before the buffer, whatever the printer is doing.
        self._real_time.append(byte)
        seen = bytes(self._real_time)
        if seen in _REAL_TIME:
            self._real_time.clear()
            if seen in (_CLEAR, b"\x10\x05\x02"):
                self._buffer.clear()
                self._line.clear()
                self._used = 0
            elif seen[1] == 0x04:
                self._answers.append(self._status(seen[2]))
        elif not any(command.startswith(seen) for command in _REAL_TIME):
            # Not one of them after all; its last byte may begin another.
            rest = seen[:-1] or seen
            self._real_time.clear()
            self._hold(rest)
            if len(seen) > 1:
                self._arrived(byte)

    def _hold(self, data: bytes) -> None:
        room = BUFFER - len(self._buffer)
        self._buffer += data[:room]
        self.lost_bytes += max(0, len(data) - room)

    def _status(self, which: int) -> int:
        status = 0x12
        if which == 1 and self._offline:
            status |= 0x08
        elif which == 2:
            status |= (0x04 if self._cover_open else 0) | (0x20 if self.paper_is_out else 0)
        elif which == 4:
            status |= (0x0C if self._paper_is_low else 0) | (0x60 if self.paper_is_out else 0)
        return status

    @property
    def _paper_is_low(self) -> bool:
        left = self._lines_left
        return self._near_end or (left is not None and left <= _NEAR_END_LINES)

    # -- commands ----------------------------------------------------------------------------------

    def _command(self) -> int:
        # Executes what the buffer begins with; how many bytes that took, 0 when it is incomplete.
        buffer = self._buffer
        first = buffer[0]
        if first in (0x1B, 0x1C, 0x1D):
            return self._escape(buffer)
        if first == 0x0A:
            self._print_line()
        elif first == 0x09:
            self._ink(" " * (8 - self._used // CHARACTER % 8), self._look)
        elif first >= 0x81 and self._chinese:
            if len(buffer) < 2:
                return 0
            self._character(bytes(buffer[:2]).decode("gbk", "replace")[0], self._chinese_look)
            return 2
        elif 0x20 <= first < 0x80:
            return self._text(buffer)
        elif first >= 0x80:
            self._character(bytes((first,)).decode("cp437"), self._look)
        return 1

    # Arguments of the commands that have a fixed number of them: (prefix, letter) -> how many.
    _LENGTHS = {  # noqa: RUF012
        (0x1B, "@"): 0, (0x1B, "!"): 1, (0x1B, "-"): 1, (0x1B, "2"): 0, (0x1B, "3"): 1,
        (0x1B, "E"): 1, (0x1B, "G"): 1, (0x1B, "J"): 1, (0x1B, "M"): 1, (0x1B, "R"): 1,
        (0x1B, "a"): 1, (0x1B, "d"): 1, (0x1B, "i"): 0, (0x1B, "m"): 0, (0x1B, "t"): 1,
        (0x1B, " "): 1, (0x1B, "{"): 1, (0x1B, "="): 1, (0x1B, "p"): 3, (0x1B, "c"): 2,
        (0x1C, "!"): 1, (0x1C, "&"): 0, (0x1C, "-"): 1, (0x1C, "."): 0, (0x1C, "S"): 2,
        (0x1C, "W"): 1, (0x1D, "!"): 1, (0x1D, "B"): 1, (0x1D, "L"): 2, (0x1D, "W"): 2,
        (0x1D, "a"): 1, (0x1D, "b"): 1, (0x1D, "h"): 1, (0x1D, "w"): 1, (0x1D, "H"): 1,
        (0x1D, "f"): 1, (0x1D, "r"): 1, (0x1D, "I"): 1,
    }

    def _escape(self, buffer: bytearray) -> int:
        if len(buffer) < 2:
            return 0
        letter = chr(buffer[1])
        key = (buffer[0], letter)
        if key == (0x1D, "V"):
            return self._cut_command(buffer)
        if key == (0x1D, "v"):
            return self._raster(buffer)
        if key == (0x1D, "("):
            if len(buffer) < 5:
                return 0
            size = 5 + buffer[3] + 256 * buffer[4]
            if len(buffer) >= size:
                self.unknown.append(bytes(buffer[:size]))
                return size
            return 0
        if key not in self._LENGTHS:
            self.unknown.append(bytes(buffer[:2]))
            return 2
        size = 2 + self._LENGTHS[key]
        if len(buffer) < size:
            return 0
        self._set(key, buffer[2] if size > 2 else 0)
        return size

    def _set(self, key: tuple[int, str], n: int) -> None:
        both = {(0x1D, "!"), (0x1D, "B"), (0x1B, "E"), (0x1B, "G"), (0x1B, "-")}
        if key == (0x1B, "@"):
            self._reset()
        elif key == (0x1B, "!"):
            self._look = _with(
                self._look, bold=bool(n & 0x08), tall=1 + (n >> 4 & 1), wide=1 + (n >> 5 & 1),
                underline=bool(n & 0x80),
            )
            self._chinese_look = _with(self._chinese_look, bold=bool(n & 0x08))
        elif key == (0x1C, "!"):
            self._chinese_look = _with(
                self._chinese_look, wide=1 + (n >> 2 & 1), tall=1 + (n >> 3 & 1),
                underline=bool(n & 0x80),
            )
        elif key == (0x1C, "W"):
            self._chinese_look = _with(self._chinese_look, wide=1 + (n & 1), tall=1 + (n & 1))
        elif key == (0x1C, "-"):
            self._chinese_look = _with(self._chinese_look, underline=bool(n & 3))
        elif key in both:
            change = {
                "!": {"wide": 1 + (n >> 4 & 7), "tall": 1 + (n & 7)},
                "B": {"inverted": bool(n & 1)},
                "E": {"bold": bool(n & 1)},
                "G": {"bold": bool(n & 1)},
                "-": {"underline": bool(n & 3)},
            }[key[1]]
            self._look = _with(self._look, **change)  # type: ignore[arg-type]
            self._chinese_look = _with(self._chinese_look, **change)  # type: ignore[arg-type]
        elif key in ((0x1C, "&"), (0x1C, ".")):
            self._chinese = key[1] == "&"
        elif key == (0x1B, "a"):
            self._align = (n & 0x0F) % 3
        elif key == (0x1B, "2"):
            self._spacing = SPACING
        elif key == (0x1B, "3"):
            self._spacing = n
        elif key == (0x1B, "J"):
            self._print_line(n)
        elif key == (0x1B, "d"):
            for _ in range(n):
                self._print_line()
        elif key in ((0x1B, "i"), (0x1B, "m")):
            self._cut()
        elif key == (0x1D, "r"):
            self._mark(n)

    def _mark(self, n: int) -> None:
        if not self.answers_marks:
            self.unknown.append(b"\x1dr")
        elif n in (1, 49):
            # Paper is there, or this command would not have been reached.
            self._answers.append(0x03 if self._paper_is_low else 0x00)
        else:
            self._answers.append(0x00)

    def _cut_command(self, buffer: bytearray) -> int:
        if len(buffer) < 3:
            return 0
        feeds = buffer[2] in (65, 66)
        if feeds and len(buffer) < 4:
            return 0
        if feeds:
            self._print_line(buffer[3])
        self._cut()
        return 4 if feeds else 3

    def _cut(self) -> None:
        if self.cutter and self.printed:
            self.printed[-1].cut = True

    def _raster(self, buffer: bytearray) -> int:
        if len(buffer) < 8:
            return 0
        row = buffer[4] + 256 * buffer[5]
        rows = buffer[6] + 256 * buffer[7]
        size = 8 + row * rows
        if len(buffer) < size:
            return 0
        if row and rows:
            picture = Image.frombytes("1", (8 * row, rows), bytes(buffer[8:size]))
            picture = picture.crop((0, 0, min(DOTS, 8 * row), rows))
            self._out(Line(align=self._align, height=rows, picture=picture))
        return size

    # -- ink ---------------------------------------------------------------------------------------

    def _text(self, buffer: bytearray) -> int:
        # All the ASCII that still fits on the line, or one character on the next.
        match = _ASCII.match(buffer)
        assert match is not None
        fits = (DOTS - self._used) // width_of("0", self._look)
        text = match[0][: max(1, fits)].decode("ascii")
        if not fits:
            self._print_line()
        self._ink(text, self._look)
        return len(text)

    def _character(self, character: str, look: Look) -> None:
        if self._used + width_of(character, look) > DOTS:
            self._print_line()
        self._ink(character, look)

    def _ink(self, text: str, look: Look) -> None:
        self._used += width_of(text, look)
        if self._line and self._line[-1][1] is look:
            text = self._line.pop()[0] + text
        self._line.append((text, look))

    def _print_line(self, feed: int | None = None) -> None:
        tallest = max((look.tall for _, look in self._line), default=1)
        height = self._spacing + (tallest - 1) * HEIGHT if feed is None else feed
        if self._line and feed is not None:
            height = max(feed, tallest * HEIGHT)
        runs, self._line = tuple(self._line), []
        self._used = 0
        self._out(Line(runs, self._align, height))

    def _out(self, line: Line) -> None:
        if self.paper_is_out:
            return  # the head heats the platen
        self.printed.append(line)
        if self._lines_left is not None:
            self._lines_left -= 1
        begin = max(self._now_us, self._busy_until_us)
        self._busy_until_us = begin + self.line_us * max(1, line.height // SPACING)

    # -- reading it --------------------------------------------------------------------------------

    def text(self) -> str:
        """All that was printed, line by line; a cut is a line of ``- - -``."""
        lines = []
        for line in self.printed:
            lines.append(line.text())
            if line.cut:
                lines.append("- " * (COLUMNS // 2 - 1) + "-")
        return "\n".join(lines)

    def _pieces(self) -> Iterator[list[Line]]:
        piece: list[Line] = []
        for line in self.printed:
            piece.append(line)
            if line.cut:
                if any(line.text() for line in piece):
                    yield piece
                piece = []
        if any(line.text() for line in piece):
            yield piece

    @property
    def receipts(self) -> list[str]:
        """The text of each piece of paper that has any, in order; the last one may still be in the
        printer."""
        return ["\n".join(line.text() for line in piece).strip("\n") for piece in self._pieces()]

    def tear_off(self) -> None:
        """Take all paper away that has been printed so far."""
        self.printed.clear()

    # -- pictures ----------------------------------------------------------------------------------

    def image(self, receipt: int | None = None) -> Image.Image:
        """The paper as a picture, two pixels a dot: all of it, or one piece by its index."""
        pieces = list(self._pieces())
        return paper_picture.sheet(pieces if receipt is None else [pieces[receipt]])

    def png(self, path: str | Path | IO[bytes], receipt: int | None = None) -> None:
        """Write the picture of the paper as PNG into a file, given by its name or open."""
        self.image(receipt).save(path, "PNG")
