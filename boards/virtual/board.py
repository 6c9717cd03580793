"""The virtual board: the terminal's hardware as plain objects of CPython, any number in a process.

It stands where `boards/unix` stands, wired the same, but nothing of it is a module-wide variable:
pins, clock, ports and flash belong to one `Board`, so that one process holds as many terminals as
there is memory for. What the terminal does to the world goes to ``world`` (see `World`); the bench
has one that leads to its models. As on the unix board no time passes while the terminal computes;
it passes while it sleeps, and while a bus or the flash chip is busy.
"""

import io

NAME = "virtual"
PINS_ROWS = (10, 11, 12, 13, 14)
PINS_COLUMNS = (16, 17, 18, 19)
PIN_BEEPER = 15
AUX_BAUD = 19200

_UART_HOST = 1
_UART_AUX = 0
_SECTOR = 4096
_MP_STREAM_POLL = 3
_POLLIN = 1
# As on a board the counter wraps at 30 bits; it starts near the wrap, so that every run crosses it.
_TICKS_START = (1 << 30) - 20000
_TICKS_MASK = (1 << 30) - 1
_TICKS_HALF = 1 << 29
# Days from 2000-01-01 to 2021-01-01, where the clock of a board begins that knows nothing.
_FIRST_DAY = 7671
_MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Gone(BaseException):
    """The power is off: nothing of the firmware runs on, whatever it was doing."""


class Reset(BaseException):
    """The firmware asked for a reset."""


class World:
    """What a board leads to. Times are microseconds since power-on."""

    def now_us(self):
        """The terminal's time: what its sleeps and transfers have taken so far."""

    def spend(self, us):
        """Let ``us`` pass while the processor is busy with a transfer."""

    def i2c(self, address, data):
        """Write to a device on the bus; True when one acknowledged."""

    def uart(self, port, data):
        """Send bytes."""

    def pin(self, number, level):
        """The level of an output that somebody listens to has changed."""

    def flash_read(self, region, sector, buffer, offset):
        """Fill ``buffer``. 0, or a negative errno."""

    def flash_program(self, region, sector, data, offset):
        """Program. 0, or a negative errno."""

    def flash_erase(self, region, sector):
        """Erase a sector. 0, or a negative errno."""

    def flash_geometry(self, region):
        """(sectors, bytes that a program must be long)."""

    def random(self, count):
        """``count`` random bytes."""

    def watchdog(self, timeout_ms):
        """Start the watchdog; 0: it is fed."""


class Clock:
    """MicroPython's ``time`` as far as the firmware uses it: ticks of 30 bits."""

    def __init__(self, world):
        self._world = world

    def ticks_us(self):
        return (_TICKS_START * 1000 + self._world.now_us()) & _TICKS_MASK

    def ticks_ms(self):
        return (_TICKS_START + self._world.now_us() // 1000) & _TICKS_MASK

    def ticks_add(self, ticks, delta):
        return (ticks + delta) & _TICKS_MASK

    def ticks_diff(self, a, b):
        return ((a - b + _TICKS_HALF) & _TICKS_MASK) - _TICKS_HALF


class Pins:
    """The pins of a board and the net between them: contacts connect pins, drivers and pulls give
    the level."""

    def __init__(self, world):
        self._world = world
        self._all = {}
        self._listeners = []  # inputs with a handler
        self._contacts = ()

    def output(self, number, heard=False):
        """An output at level 0. ``heard``: tell the world of its levels."""
        return self._add(Pin(self, number, True, heard))

    def input(self, number):
        """An input that is pulled down."""
        return self._add(Pin(self, number, False, False))

    def _add(self, pin):
        self._all[pin.number] = pin
        return pin

    def connect(self, pairs):
        """From now on the contacts ``pairs`` of pin numbers are closed."""
        self._contacts = pairs
        self.settle()

    def level(self, pin):
        """What an input reads."""
        net = [pin.number]
        for number in net:  # grows while it is walked
            for a, b in self._contacts:
                if a == number and b not in net:
                    net.append(b)
                elif b == number and a not in net:
                    net.append(a)
        for number in net:
            other = self._all.get(number)
            if other is not None and other.driven:
                return other.out
        return 0

    def settle(self):
        """Call the handlers of inputs whose level has changed."""
        for pin in self._listeners[:]:
            if pin.handler is not None and not pin.driven:
                level = pin.value()
                if level != pin.seen:
                    pin.seen = level
                    if pin.trigger & (Pin.IRQ_RISING if level else Pin.IRQ_FALLING):
                        pin.handler(pin)

    def listen(self, pin):
        """``pin`` has another handler from now on, or none."""
        if pin.handler is None:
            if pin in self._listeners:
                self._listeners.remove(pin)
        elif pin not in self._listeners:
            self._listeners.append(pin)

    def drove(self, pin):
        """The level of an output has changed, or it has become one."""
        if pin.heard:
            self._world.pin(pin.number, pin.out)
        if self._contacts:
            self.settle()


class Pin:
    """``machine.Pin`` as the firmware uses it."""

    IN = 0
    OUT = 1
    PULL_UP = 1
    PULL_DOWN = 2
    IRQ_FALLING = 4
    IRQ_RISING = 8

    def __init__(self, pins, number, driven, heard):
        self._pins = pins
        self.number = number
        self.driven = driven
        self.heard = heard
        self.out = 0
        self.handler = None
        self.trigger = 0
        self.seen = 0

    def init(self, mode=-1, pull=-1, value=None):
        """Change the direction, and drive ``value``. Every pin here is pulled down or driven."""
        if mode != -1:
            self.driven = mode == Pin.OUT
        if value is not None:
            self.out = 1 if value else 0
        self._pins.drove(self)

    def value(self, level=None):
        """The level; or drive ``level``."""
        if level is None:
            if self.driven:
                return self.out
            return self._pins.level(self) if self._pins._contacts else 0
        level = 1 if level else 0
        if level != self.out:
            self.out = level
            if self.driven:
                self._pins.drove(self)
        return None

    __call__ = value

    def irq(self, handler=None, trigger=IRQ_FALLING | IRQ_RISING, hard=False):
        """Call ``handler(pin)`` when the level changes so."""
        self.handler = handler
        self.trigger = trigger
        self.seen = self.value()
        self._pins.listen(self)


class I2C:
    """``machine.I2C``: writes; a device that is not there does not acknowledge."""

    def __init__(self, world, freq):
        self._world = world
        self._freq = freq

    def writeto(self, address, data, stop=True):
        """Write; how many bytes were acknowledged, the address among them."""
        acknowledged = self._world.i2c(address, bytes(data))
        self._world.spend((len(data) + 1) * 9 * 1000000 // self._freq)
        if not acknowledged:
            raise OSError(5)
        return len(data) + 1


class UART(io.IOBase):
    """``machine.UART``: what arrives while nobody reads is kept up to ``rxbuf`` bytes."""

    def __init__(self, world, number, rxbuf):
        self._world = world
        self._number = number
        self._most = rxbuf
        self._kept = bytearray()

    def any(self):
        """How many bytes wait."""
        return len(self._kept)

    def readinto(self, buffer, nbytes=None):
        """Take what waits; how many bytes, None for none."""
        wanted = len(buffer) if nbytes is None else nbytes
        count = min(wanted, len(self._kept))
        if not count:
            return None
        buffer[:count] = self._kept[:count]
        del self._kept[:count]
        return count

    def read(self, nbytes=None):
        """What waits, None for nothing."""
        count = len(self._kept) if nbytes is None else min(nbytes, len(self._kept))
        data = bytes(self._kept[:count])
        del self._kept[:count]
        return data or None

    def write(self, data):
        """Send; all of it goes out."""
        self._world.uart(self._number, bytes(data))
        return len(data)

    def ioctl(self, request, arg):
        """The stream protocol of MicroPython: which of the flags ``arg`` hold."""
        if request == _MP_STREAM_POLL:
            return arg & _POLLIN if self._kept else 0
        return 0

    def arrived(self, data):
        """Bytes have come in; what does not fit is lost."""
        self._kept += data[: self._most - len(self._kept)]


class Poll:
    """``select.poll`` without the waiting: whoever runs the board lets it sleep."""

    def __init__(self):
        self._streams = []

    def register(self, stream, flags=_POLLIN):
        """Watch ``stream``."""
        self._streams.append((stream, flags))

    def ipoll(self, timeout=-1):
        """(stream, flags) of those that are ready now."""
        return [
            (stream, flags) for stream, flags in self._streams
            if stream.ioctl(_MP_STREAM_POLL, flags)
        ]

    def ready(self):
        """Is any of them ready now?"""
        for stream, flags in self._streams:
            if stream.ioctl(_MP_STREAM_POLL, flags):
                return True
        return False


class RTC:
    """``machine.RTC``: it starts at its default date after every power cut."""

    def __init__(self, world):
        self._world = world
        self._epoch = _FIRST_DAY * 86400  # seconds since 2000 at power-on

    def datetime(self, parts=None):
        """(year, month, day, weekday, hour, minute, second, subsecond): read, or set when given."""
        seconds = self._world.now_us() // 1000000
        if parts is not None:
            year, month, day, _, hour, minute, second, _ = parts
            days = (year - 2000) * 365 + (year - 1997) // 4 + day - 1
            for number in range(1, month):
                days += _length(year, number)
            self._epoch = ((days * 24 + hour) * 60 + minute) * 60 + second - seconds
            return None
        days, rest = divmod(self._epoch + seconds, 86400)
        weekday = (days + 5) % 7  # 2000-01-01 was a Saturday
        year, month = 2000, 1
        while days >= (366 if year % 4 == 0 else 365):
            days -= 366 if year % 4 == 0 else 365
            year += 1
        while days >= _length(year, month):
            days -= _length(year, month)
            month += 1
        return (year, month, days + 1, weekday, rest // 3600, rest // 60 % 60, rest % 60, 0)


def _length(year, month):
    # Days of a month, 2000 to 2099.
    return _MONTHS[month - 1] + (1 if month == 2 and year % 4 == 0 else 0)


class Flash:
    """One region of the world's flash behind MicroPython's extended block-device interface."""

    def __init__(self, world, region):
        self._world = world
        self._region = region
        self._sectors, self.unit = world.flash_geometry(region)

    def readblocks(self, sector, buffer, offset=0):
        """Fill ``buffer`` from ``offset`` of ``sector`` on."""
        view = memoryview(buffer)
        at = 0
        while at < len(view):
            where = sector * _SECTOR + offset + at
            part = view[at : at + _SECTOR]
            status = self._world.flash_read(self._region, where // _SECTOR, part, where % _SECTOR)
            if status:
                return status
            at += len(part)
        return 0

    def writeblocks(self, sector, data, offset=None):
        """Program ``data``; without ``offset`` it would erase, which nothing here may use."""
        if offset is None:
            raise OSError(95)
        return self._world.flash_program(self._region, sector, bytes(data), offset)

    def ioctl(self, request, arg):
        """4: how many sectors; 5: bytes of a sector; 6: erase the sector ``arg``."""
        if request == 4:
            return self._sectors
        if request == 5:
            return _SECTOR
        if request == 6:
            return self._world.flash_erase(self._region, arg)
        return 0


class Board:
    """What `firmware/main.py` hands to the terminal on other boards; here the runner does."""

    def __init__(self, world):
        self._world = world
        self.name = NAME
        self.serial = b"MOBIUNIX"
        self.clock = Clock(world)
        self.poll = Poll()
        self.pins = Pins(world)
        self.rows = [self.pins.output(number) for number in PINS_ROWS]
        self.columns = [self.pins.input(number) for number in PINS_COLUMNS]
        self.beeper = self.pins.output(PIN_BEEPER, heard=True)
        self.i2c = I2C(world, 400000)
        self.host_uart = UART(world, _UART_HOST, 1536)
        self.aux_baud = AUX_BAUD
        self.aux_uart = UART(world, _UART_AUX, 256)
        self.uarts = {_UART_HOST: self.host_uart, _UART_AUX: self.aux_uart}
        self.journal_flash = Flash(world, 0)
        self.vault_flash = Flash(world, 1)
        self.flash_unit = self.journal_flash.unit
        self.rtc = RTC(world)
        self.terminal = None

    def reset(self):
        """Begin anew."""
        raise Reset

    def watchdog(self, timeout_ms):
        """Start the watchdog; the function that feeds it."""
        self._world.watchdog(timeout_ms)
        return self._feed

    def _feed(self):
        self._world.watchdog(0)

    def random(self, count):
        """Random bytes; on the bench they come from its seed."""
        return self._world.random(count)

    def collect(self):
        """Nothing: None, because the terminal shares the heap of the whole process."""
        return None
