"""The screen: four rows of sixteen columns drawn into the display's buffer, sent page by page."""

from micropython import const

from mobi.loop import Event, sleep_ms
from mobi.ui import font
from mobi.ui.text import COLUMNS, cut, pad, width

ROWS = const(4)
_CELL = const(8)  # pixels of a column
_PAGE = const(128)  # bytes of a page: 128 columns of 8 pixels


class Screen:
    """Draws text. Nothing here waits; ``run`` is the task that sends what changed."""

    def __init__(self, display):
        self._display = display
        self._buffer = display.buffer
        self.changed = Event()
        # The rows as text, for a row that is drawn again and for the fault screen.
        self.rows = [""] * ROWS

    def row(self, number, text, inverted=False):
        """Draw row ``number`` (0 at the top) from the left edge; the rest of it is blanked."""
        text = pad(text, COLUMNS)
        self.rows[number] = text
        self._draw(number, text)
        if inverted:
            self.invert(number, 0, COLUMNS)
        self.changed.set()

    def centre(self, number, text, inverted=False):
        """Draw row ``number`` with ``text`` in its middle."""
        text = cut(text, COLUMNS)
        self.row(number, " " * ((COLUMNS - width(text)) // 2) + text, inverted)

    def right(self, number, text, inverted=False):
        """Draw row ``number`` with ``text`` at its right edge."""
        text = cut(text, COLUMNS)
        self.row(number, " " * (COLUMNS - width(text)) + text, inverted)

    def invert(self, number, first, columns):
        """Invert ``columns`` columns of row ``number`` from column ``first``: a menu's choice."""
        # As one large number for each page: byte by byte it takes 5 ms on a Pico.
        buffer = self._buffer
        size = columns * _CELL
        for page in (2 * number, 2 * number + 1):
            begin = page * _PAGE + first * _CELL
            pixels = int.from_bytes(buffer[begin : begin + size], "little")
            pixels ^= (1 << 8 * size) - 1
            buffer[begin : begin + size] = pixels.to_bytes(size, "little")
        self.changed.set()

    def show(self, title, rows=()):
        """A whole screen: inverted title on top, up to three rows below."""
        self.centre(0, title, inverted=True)
        for number in range(1, ROWS):
            self.row(number, rows[number - 1] if number <= len(rows) else "")

    def _draw(self, number, text):
        buffer = self._buffer
        upper = 2 * number * _PAGE
        for character in text:
            bitmap, columns = font.glyph(ord(character))
            size = columns * _CELL
            lower = upper + _PAGE
            buffer[upper : upper + size] = bitmap[:size]
            buffer[lower : lower + size] = bitmap[size : 2 * size]
            upper += size

    async def run(self):
        """Send what changed, at most one page a turn."""
        while True:
            await self.changed.wait()
            self.changed.clear()
            while self._display.flush_step():
                await sleep_ms(0)
