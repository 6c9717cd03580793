"""What lies on the paper: lines of characters with their looks, or of a picture.

58 mm paper, 384 dots of 1/8 mm; characters of font A are 12x24 dots, Chinese ones 24x24, so a line
has 32 columns.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

DOTS = 384
COLUMNS = 32
CHARACTER = 12  # dots of a column
HEIGHT = 24  # dots of a character
SPACING = 30  # dots from line to line, as after ESC 2

LEFT, CENTRE, RIGHT = 0, 1, 2  # as ESC a has them


@dataclass(frozen=True)
class Look:
    """How characters look. ``wide`` and ``tall`` are factors from 1 to 8."""

    wide: int = 1
    tall: int = 1
    bold: bool = False
    inverted: bool = False
    underline: bool = False


@dataclass(slots=True)
class Line:
    """One printed line: pieces of text with their looks, or a picture."""

    runs: tuple[tuple[str, Look], ...] = ()
    align: int = LEFT
    height: int = SPACING  # dots the paper moves
    picture: Image.Image | None = None
    cut: bool = False  # the paper was cut behind this line

    def width(self) -> int:
        """Dots from the first to behind the last character."""
        if self.picture is not None:
            return self.picture.width
        return sum(width_of(text, look) for text, look in self.runs)

    @property
    def cells(self) -> list[tuple[str, Look]]:
        """Its characters, each with its look."""
        return [(character, look) for text, look in self.runs for character in text]

    def left(self) -> int:
        """Dots from the edge to the first character."""
        return (0, (DOTS - self.width()) // 2, DOTS - self.width())[self.align]

    def text(self) -> str:
        """The line as text, moved to the right by spaces as it was on paper."""
        if self.picture is not None:
            return f"[picture {self.picture.width}x{self.picture.height}]"
        text = "".join(text for text, _ in self.runs)
        return (" " * (self.left() // CHARACTER) + text).rstrip()


def width_of(text: str, look: Look) -> int:
    """Dots that characters of one look take on their line."""
    columns = len(text) if text.isascii() else sum(1 + (c >= "\x80") for c in text)
    return CHARACTER * look.wide * columns
