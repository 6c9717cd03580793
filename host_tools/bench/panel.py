"""An OLED panel: an SSD1306 that executes what comes over I2C, and the glass as a person sees it.

From the pixels it reads the text back, by comparing cells with Unifont: it knows nothing of what
the firmware meant to show.
"""

from __future__ import annotations

import functools
import random
from pathlib import Path

from PIL import Image, ImageDraw

from host_tools import unifont

WIDTH = 128
HEIGHT = 64
COLUMNS = 16  # of 8 pixels
ROWS = 4  # of 16 pixels
BUS_HZ = 400_000

# Bytes that follow a command byte (data sheet, chapters 9 and 10); all others have none.
_ARGUMENTS = {
    0x20: 1, 0x21: 2, 0x22: 2, 0x26: 6, 0x27: 6, 0x29: 5, 0x2A: 5, 0x81: 1, 0x8D: 1, 0xA3: 2,
    0xA8: 1, 0xD3: 1, 0xD5: 1, 0xD9: 1, 0xDA: 1, 0xDB: 1,
}
_HORIZONTAL, _VERTICAL, _BY_PAGE = 0, 1, 2
# For each bit of a byte of the display memory: the byte as the digit "0" or "1".
_DIGIT = tuple(bytes(0x30 | byte >> bit & 1 for byte in range(256)) for bit in range(8))

Cell = tuple[str, int, bool]  # character, columns it takes, dark on light?


@functools.cache
def _shapes() -> tuple[dict[tuple[int, ...], str], dict[tuple[int, ...], str]]:
    # The rows of every cell, narrow and wide, and what they mean.
    narrow: dict[tuple[int, ...], str] = {}
    wide: dict[tuple[int, ...], str] = {}
    for code in sorted(unifont.glyphs()):
        rows = unifont.cell(chr(code))
        assert rows is not None
        (narrow if code < 0x80 else wide).setdefault(tuple(rows), chr(code))
    del wide[(0,) * 16]  # an empty double cell is two spaces
    return narrow, wide


@functools.lru_cache(4096)  # a test looks at the same rows over and over
def _cells_of(lines: tuple[int, ...]) -> tuple[Cell, ...]:
    # What 16 lines of pixels show, from the left.
    narrow, wide = _shapes()

    def cell(column: int, width: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        shift = WIDTH - 8 * column - width
        mask = (1 << width) - 1
        plain = tuple(line >> shift & mask for line in lines)
        return plain, tuple(bits ^ mask for bits in plain)

    found: list[Cell] = []
    column = 0
    while column < COLUMNS:
        if column < COLUMNS - 1:
            plain, inverse = cell(column, 16)
            if plain in wide or inverse in wide:
                inverted = plain not in wide
                found.append((wide[inverse if inverted else plain], 2, inverted))
                column += 2
                continue
        plain, inverse = cell(column, 8)
        inverted = inverse in narrow
        found.append((narrow.get(inverse if inverted else plain, "?"), 1, inverted))
        column += 1
    return tuple(found)


class Panel:
    """A 128x64 module. ``address``: where it answers on the bus."""

    def __init__(self, address: int = 0x3C, seed: int = 0) -> None:
        self.address = address
        self._noise = random.Random(seed)
        self._plugged = True
        self._frozen = False
        # What came over the bus: bytes with addresses, transfers, time at 400 kHz.
        self.bytes = 0
        self.transfers = 0
        self.bus_us = 0.0
        self.unknown: list[int] = []  # command bytes the data sheet does not have
        self._reset()

    def _reset(self) -> None:
        # The reset values of the data sheet; the memory holds noise after power-on.
        self._changed()
        self._memory = bytearray(self._noise.randbytes(WIDTH * 8))
        self._command = bytearray()
        self._mode = _BY_PAGE
        self._column = self._page = 0
        self._first_column, self._last_column = 0, WIDTH - 1
        self._first_page, self._last_page = 0, 7
        self._mirror_columns = self._mirror_lines = False
        self._start_line = self._offset = 0
        self._lines = HEIGHT
        self._com_pins = 0x12
        self._charge_pump = False
        self._everything_lit = False
        self._inverted = False
        self._on = False
        self.contrast = 0x7F

    # -- supply and faults -----------------------------------------------------------------------

    def power_off(self) -> None:
        """The supply failed: the glass is dark; registers and memory are lost."""
        self._reset()

    def unplug(self) -> None:
        """Pull the cable: dark, and nobody acknowledges."""
        self._plugged = False
        self._reset()

    def plug(self) -> None:
        """Put the cable back: the controller is in its reset state."""
        self._plugged = True

    def freeze(self) -> None:
        """The controller hangs: it acknowledges everything and does nothing."""
        self._frozen = True

    def thaw(self) -> None:
        """The controller works again, with what it showed before."""
        self._frozen = False

    def clear_counts(self) -> None:
        """Begin to count bytes, transfers and bus time anew."""
        self.bytes = self.transfers = 0
        self.bus_us = 0.0

    # -- the bus -------------------------------------------------------------------------------

    def i2c(self, address: int, data: bytes) -> bool:
        """A write to ``address``; True when it was acknowledged."""
        mine = address == self.address and self._plugged
        sent = 1 + (len(data) if mine else 0)
        self.transfers += 1
        self.bytes += sent
        # Nine clocks a byte, one each for start and stop.
        self.bus_us += (sent * 9 + 2) * 1_000_000 / BUS_HZ
        if mine and not self._frozen:
            self._execute(data)
        return mine

    def _changed(self) -> None:
        # What was read from the glass: people look far more often than it changes.
        self._seen: list[int] | None = None  # the pixels
        self._rows: tuple[str, ...] | None = None  # their text
        self._flat: tuple[str, str] | None = None  # the text without spaces

    def _execute(self, data: bytes) -> None:
        self._changed()
        at = 0
        while at < len(data):
            control = data[at]
            # Co set: one byte follows, then another control byte. Clear: all the rest.
            end = at + 2 if control & 0x80 else len(data)
            if control & 0x40:
                self._write_all(data[at + 1 : end])
            else:
                for byte in data[at + 1 : end]:
                    self._byte_of_command(byte)
            at = end

    def _byte_of_command(self, byte: int) -> None:
        self._command.append(byte)
        if len(self._command) > _ARGUMENTS.get(self._command[0], 0):
            command, *arguments = self._command
            self._command.clear()
            self._do(command, arguments)

    def _do(self, command: int, arguments: list[int]) -> None:
        if command < 0x20:
            if self._mode == _BY_PAGE:
                low, high = self._column & 0x0F, self._column & 0x70
                if command < 0x10:
                    self._column = high | command
                else:
                    self._column = (command & 0x07) << 4 | low
        elif command == 0x20:
            self._mode = arguments[0] & 3
        elif command == 0x21:
            self._first_column, self._last_column = (value & 0x7F for value in arguments)
            self._column = self._first_column
        elif command == 0x22:
            self._first_page, self._last_page = (value & 0x07 for value in arguments)
            self._page = self._first_page
        elif 0x40 <= command < 0x80:
            self._start_line = command & 0x3F
        elif command == 0x81:
            self.contrast = arguments[0]
        elif command == 0x8D:
            self._charge_pump = bool(arguments[0] & 0x04)
        elif command in (0xA0, 0xA1):
            self._mirror_columns = command == 0xA1
        elif command in (0xA4, 0xA5):
            self._everything_lit = command == 0xA5
        elif command in (0xA6, 0xA7):
            self._inverted = command == 0xA7
        elif command == 0xA8:
            self._lines = (arguments[0] & 0x3F) + 1
        elif command in (0xAE, 0xAF):
            self._on = command == 0xAF
        elif 0xB0 <= command < 0xB8:
            if self._mode == _BY_PAGE:
                self._page = command & 0x07
        elif command in (0xC0, 0xC8):
            self._mirror_lines = command == 0xC8
        elif command == 0xD3:
            self._offset = arguments[0] & 0x3F
        elif command == 0xDA:
            self._com_pins = arguments[0]
        elif command not in (0x2E, 0xD5, 0xD9, 0xDB, 0xE3):
            # Scrolling is not modelled, the timing of the glass cannot be seen.
            self.unknown.append(command)

    def _write_all(self, data: bytes) -> None:
        # In pieces that end where a row of the window ends; other modes byte by byte.
        while data and self._mode == _HORIZONTAL and self._column <= self._last_column:
            piece = data[: self._last_column - self._column + 1]
            data = data[len(piece) :]
            begin = self._page * WIDTH + self._column
            if not self._mirror_columns:
                begin = self._page * WIDTH + WIDTH - self._column - len(piece)
                piece = piece[::-1]
            self._memory[begin : begin + len(piece)] = piece
            self._column += len(piece) - 1
            self._next_column() and self._next_page()
        for byte in data:
            self._write(byte)

    def _write(self, byte: int) -> None:
        # Mirroring of columns is done as the data comes in, as in the chip.
        column = self._column if self._mirror_columns else WIDTH - 1 - self._column
        self._memory[self._page * WIDTH + column] = byte
        if self._mode == _BY_PAGE:
            self._column = (self._column + 1) % WIDTH
        elif self._mode == _HORIZONTAL:
            self._next_column() and self._next_page()
        else:
            self._next_page() and self._next_column()

    def _next_column(self) -> bool:
        wraps = self._column == self._last_column
        self._column = self._first_column if wraps else (self._column + 1) % WIDTH
        return wraps

    def _next_page(self) -> bool:
        wraps = self._page == self._last_page
        self._page = self._first_page if wraps else (self._page + 1) % 8
        return wraps

    # -- the glass -----------------------------------------------------------------------------

    @property
    def is_plugged(self) -> bool:
        """Is its cable in place?"""
        return self._plugged

    @property
    def lit(self) -> bool:
        """Does the glass show anything: on, supplied, and set up for its 64 lines?"""
        return (
            self._plugged and self._on and self._charge_pump
            and self._lines == HEIGHT and self._com_pins == 0x12
        )

    def pixels(self) -> list[int]:
        """64 rows from the top, each an integer of 128 bits, the leftmost pixel in the highest."""
        if self._seen is not None:
            return self._seen
        if not self.lit:
            return [0] * HEIGHT
        full = (1 << WIDTH) - 1
        rows = []
        for y in range(HEIGHT):
            com = y if self._mirror_lines else HEIGHT - 1 - y
            line = (com + self._start_line + self._offset) % HEIGHT
            at = line // 8 * WIDTH
            row = int(self._memory[at : at + WIDTH].translate(_DIGIT[line % 8]), 2)
            if self._everything_lit:
                row = full
            rows.append(row ^ full if self._inverted else row)
        self._seen = rows
        return rows

    def pixel(self, x: int, y: int) -> bool:
        """Is the pixel lit? 0, 0 is at the top left."""
        return bool(self.pixels()[y] >> (WIDTH - 1 - x) & 1)

    def text(self) -> list[str]:
        """The four rows as text, blanks at their ends cut off; ``?`` for what is no character."""
        if self._rows is None:
            self._rows = tuple(
                "".join(cell[0] for cell in self.cells(row)).rstrip() for row in range(ROWS))
        return list(self._rows)

    def shows(self, text: str) -> bool:
        """Is ``text`` on the glass? It may be broken over rows; spaces do not count."""
        if self._flat is None:
            rows = [row.replace(" ", "") for row in self.text()]
            self._flat = "\n".join(rows), "".join(rows)
        wanted = text.replace(" ", "")
        return wanted in self._flat[0] or wanted in self._flat[1]

    def cells(self, row: int) -> tuple[Cell, ...]:
        """What a row shows from the left: (character, columns it takes, dark on light?)."""
        return _cells_of(tuple(self.pixels()[16 * row : 16 * row + 16]))

    def inverted(self, row: int) -> bool:
        """Is the whole row dark on light, like a title?"""
        return all(cell[2] for cell in self.cells(row))

    def inverted_text(self, row: int) -> str:
        """The part of a row that is dark on light, like the chosen entry of a menu."""
        return "".join(cell[0] for cell in self.cells(row) if cell[2]).strip()

    # -- pictures ------------------------------------------------------------------------------

    def image(self, scale: int = 4, bezel: bool = True) -> Image.Image:
        """The glass as a picture, ``scale`` dots a pixel; with ``bezel`` the module around it."""
        return self._picture(scale, bezel).convert("RGB")

    def png(self, path: str | Path, scale: int = 4, bezel: bool = True) -> None:
        """Write the picture of the glass as a PNG file."""
        self._picture(scale, bezel).save(path, "PNG")

    def _picture(self, scale: int, bezel: bool) -> Image.Image:
        # With a palette: module, its edge, glass, between neighbouring dots, dots.
        glow = 0.35 + 0.65 * self.contrast / 255
        light = tuple(int(value * glow) for value in (190, 228, 255))
        halo = tuple(int(value * 0.6) for value in light)
        colours = ((18, 22, 30), (52, 58, 70), (4, 6, 9), halo, light)
        margin = 6 * scale if bezel else 0
        size = (WIDTH * scale + 2 * margin, HEIGHT * scale + 2 * margin)
        picture = Image.new("P", size, 0 if bezel else 2)
        picture.putpalette([value for colour in colours for value in colour])
        if bezel:
            draw = ImageDraw.Draw(picture)
            draw.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=1, width=scale // 2)
            inner = margin - 2 * scale
            draw.rectangle((inner, inner, size[0] - inner - 1, size[1] - inner - 1), fill=2)
        picture.paste(3, (margin, margin), self._dots(scale, scale))
        picture.paste(4, (margin, margin), self._dots(scale, scale - 1 if scale > 2 else scale))
        return picture

    def _dots(self, scale: int, lit: int) -> Image.Image:
        # A mask: of the ``scale`` by ``scale`` dots of each pixel the first ``lit`` by ``lit``.
        small = b"".join(row.to_bytes(WIDTH // 8, "big") for row in self.pixels())
        size = (WIDTH * scale, HEIGHT * scale)
        dots = Image.frombytes("1", (WIDTH, HEIGHT), small).resize(size, Image.Resampling.NEAREST)
        if lit < scale:
            for x in range(lit, size[0], scale):
                dots.paste(0, (x, 0, x + scale - lit, size[1]))
            for y in range(lit, size[1], scale):
                dots.paste(0, (0, y, size[0], y + scale - lit))
        return dots
