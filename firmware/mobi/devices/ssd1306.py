"""SSD1306 display, 128x64 pixels, on I2C: sends only what the glass does not show yet.

A whole refresh would keep the processor in one I2C transfer for 23 ms at 400 kHz. Here one step
sends at most 80 bytes of one text row, which is 2.1 ms; keys, bytes and the watchdog wait no
longer than that.
"""

from micropython import const

from mobi.loop import Event, sleep_ms

WIDTH = const(128)
HEIGHT = const(64)

_PAGE = const(128)  # bytes of a page: 128 columns of 8 pixels
_ROW = const(256)  # a text row is two pages
_SIZE = const(1024)
_CELL = const(8)  # changes are looked for by cells of 8 columns
_SPAN = const(40)  # columns that one step may send, in both pages of a row
_RETRY_MS = const(1000)

_COMMANDS = const(0x00)  # control byte: commands follow
_DATA = const(0x40)  # control byte: pixels follow

_COLUMNS = const(0x21)  # + first, last: the window that pixels are written into
_PAGES = const(0x22)  # + first, last
_CONTRAST = const(0x81)
_NORMAL = const(0xA6)  # | 1: inverted
_OFF = const(0xAE)  # | 1: on

# The data sheet's software configuration for a 128x64 glass with the cable at its top, and
# horizontal addressing; without contrast, inversion and on/off, which are state.
_SET_UP = (
    b"\xa8\x3f"  # 64 lines
    + b"\xd3\x00\x40"  # no offset, start line 0
    + b"\xa1\xc8\xda\x12"  # columns and lines mirrored, alternating COM pins
    + b"\xd5\x80\xd9\xf1\xdb\x40"  # clock, precharge, deselect level
    + b"\x8d\x14"  # charge pump on
    + b"\xa4"  # show the memory
    + b"\x20\x00"  # horizontal addressing: a window fills line by line of pages
)


class Ssd1306:
    """The display. Draw into ``buffer`` and call ``flush_step`` until it gives False.

    ``buffer``: 1024 bytes, MONO_VLSB: byte ``page * 128 + column``, the topmost pixel in bit 0.

    A display that does not answer (unplugged, no power) is no error for the caller: ``present``
    turns False, ``lost`` is set, and as soon as it answers again it is set up anew and everything
    is sent again.
    """

    def __init__(self, i2c, address=0x3C):
        self._i2c = i2c
        self._address = address
        self.buffer = bytearray(_SIZE)
        self._new = memoryview(self.buffer)
        # What the glass shows, up to _known; nobody knows what it shows from there on.
        self._old = memoryview(bytearray(_SIZE))
        # Both row by row, as they are compared after every change.
        self._rows = [(self._new[at : at + _ROW], self._old[at : at + _ROW])
                      for at in range(0, _SIZE, _ROW)]
        self._known = 0
        self._set_up = False
        self._noise = True  # its memory holds noise, as after power-on
        self._lit = False  # it was told to switch on since it was set up
        self._on = True
        self._contrast = 0xCF
        self._inverted = 0
        self._window = bytearray((_COMMANDS, _COLUMNS, 0, 0, _PAGES, 0, 0))
        self._pixels = bytearray(1 + 2 * _SPAN)
        self._pixels[0] = _DATA
        self._out = memoryview(self._pixels)
        self.present = False
        self.lost = Event()
        self.losses = 0

    # -- state -------------------------------------------------------------------------------

    def contrast(self, level):
        """Brightness, 0 to 255."""
        self._contrast = level
        self._state((_CONTRAST, level))

    def invert(self, inverted):
        """Show the whole glass dark on light."""
        self._inverted = 1 if inverted else 0
        self._state((_NORMAL | self._inverted,))

    def power(self, on):
        """Switch the glass off (the memory stays) or on."""
        self._on = on
        if self._lit:
            self._state((_OFF | (1 if on else 0),))

    def refresh(self):
        """Set the display up and send everything again, without a flicker.

        A display that lost its supply for a moment acknowledges everything afterwards and stays
        dark. It cannot be asked, so call this where a person starts something new.
        """
        self._set_up = False
        self._lit = False
        self._known = 0

    def _state(self, commands):
        if self._set_up:
            try:
                self._send(commands)
            except OSError:
                self._gone()

    # -- pixels ------------------------------------------------------------------------------

    def flush_step(self):
        """Send one span of what changed. False when the glass shows the buffer or is not there."""
        try:
            if not self._set_up:
                self._begin()
                return True
            if self._known < _SIZE:
                self._send_unknown()
                return True
            row = self._changed_row()
            if row < 0:
                if not self._lit:
                    # Only now, when there is no noise left to be seen.
                    self._send((_OFF | (1 if self._on else 0),))
                    self._lit = True
                    self._noise = False
                return False
            self._send_span(row)
            return True
        except OSError:
            self._gone()
            return False

    async def watch(self, changed):
        """Task: once a second looks for a lost display; sets the event ``changed`` when it is back.

        ``changed`` is whatever makes the owner call ``flush_step`` again.
        """
        while True:
            await self.lost.wait()
            await sleep_ms(_RETRY_MS)
            if self.lost.is_set():
                try:
                    self._begin()
                except OSError:
                    continue
            changed.set()

    def _begin(self):
        self._send(_SET_UP)
        self._send((_CONTRAST, self._contrast, _NORMAL | self._inverted))
        if self._noise:
            self._send((_OFF,))
        self._set_up = True
        self.present = True
        self.lost.clear()

    def _gone(self):
        self._set_up = False
        self._noise = True
        self._lit = False
        self._known = 0
        if self.present:
            self.present = False
            self.losses += 1
        self.lost.set()

    def _send(self, commands):
        self._i2c.writeto(self._address, bytes((_COMMANDS,)) + bytes(commands))

    def _send_unknown(self):
        # _known walks through the rows; within a row it counts columns.
        row = self._known // _ROW * _ROW
        first = self._known - row
        end = min(first + _SPAN, WIDTH)
        self._send_window(row, row + _PAGE, first, end)
        self._known = row + (_ROW if end == WIDTH else end)

    def _changed_row(self):
        # Where the first row begins that differs, or -1. The comparisons run in C.
        at = 0
        for new, old in self._rows:
            if new != old:
                return at
            at += _ROW
        return -1

    def _send_span(self, row):
        new = self._new
        old = self._old
        # A gap of one unchanged cell ends the span: 16 bytes not sent against 10 for one more
        # window. Smaller gaps lie inside cells and are not worth one.
        first = -1
        end = 0
        for cell in range(0, WIDTH, _CELL):
            at = row + cell
            below = at + _PAGE
            if (
                new[at : at + _CELL] != old[at : at + _CELL]
                or new[below : below + _CELL] != old[below : below + _CELL]
            ):
                if first < 0:
                    first = cell
                end = cell + _CELL
                if end - first >= _SPAN:
                    break
            elif first >= 0:
                break
        at = row + first
        while new[at] == old[at] and new[at + _PAGE] == old[at + _PAGE]:
            at += 1
        first = at - row
        at = row + end - 1
        while new[at] == old[at] and new[at + _PAGE] == old[at + _PAGE]:
            at -= 1
        end = at - row + 1
        upper = row
        lower = row + _PAGE
        if new[upper + first : upper + end] == old[upper + first : upper + end]:
            upper = lower
        elif new[lower + first : lower + end] == old[lower + first : lower + end]:
            lower = upper
        self._send_window(upper, lower, first, end)

    def _send_window(self, upper, lower, first, end):
        window = self._window
        window[2] = first
        window[3] = end - 1
        window[5] = upper // _PAGE
        window[6] = lower // _PAGE
        size = 1
        for page in range(upper, lower + 1, _PAGE):
            self._out[size : size + end - first] = self._new[page + first : page + end]
            size += end - first
        self._i2c.writeto(self._address, window)
        self._i2c.writeto(self._address, self._out[:size])
        for page in range(upper, lower + 1, _PAGE):
            self._old[page + first : page + end] = self._new[page + first : page + end]
