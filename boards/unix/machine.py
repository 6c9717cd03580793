"""MicroPython's ``machine`` on the bench: pins, I2C, UARTs, RTC, watchdog as on the rp2 port."""

import io
import struct
import time

import bus

_MP_STREAM_POLL = 3
_POLLIN = 1


class Pin:
    """A pin and its net: contacts (switches) connect pins, drivers and pulls give the level."""

    IN = 0
    OUT = 1
    PULL_UP = 1
    PULL_DOWN = 2
    IRQ_FALLING = 4
    IRQ_RISING = 8

    heard = ()  # numbers of the outputs that the bench listens to
    _all = {}
    _listeners = []  # inputs with a handler
    _contacts = ()

    def __init__(self, number, mode=IN, pull=None, value=None):
        self._number = number
        self._handler = None
        self._trigger = 0
        self._out = 0
        self._mode = mode
        self._pull = pull
        Pin._all[number] = self
        self._seen = 0
        self.init(mode, pull, value=value)

    def init(self, mode=-1, pull=-1, value=None):
        if mode != -1:
            self._mode = mode
        if pull != -1:
            self._pull = pull
        if value is not None:
            self._out = 1 if value else 0
        if self._mode == Pin.OUT and self._number in Pin.heard:
            bus.tell(ord("p"), bytes((self._number, self._out)))
        if Pin._contacts or self._handler is not None:
            Pin._settle()

    def value(self, level=None):
        if level is None:
            return self._level()
        level = 1 if level else 0
        if level != self._out:
            self._out = level
            if self._mode == Pin.OUT:
                if self._number in Pin.heard:
                    bus.tell(ord("p"), bytes((self._number, level)))
                if Pin._contacts:
                    Pin._settle()
        return None

    __call__ = value

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def irq(self, handler=None, trigger=IRQ_FALLING | IRQ_RISING, hard=False):
        if handler is None:
            if self in Pin._listeners:
                Pin._listeners.remove(self)
        elif self not in Pin._listeners:
            Pin._listeners.append(self)
        self._handler = handler
        self._trigger = trigger
        self._seen = self._level()

    def _level(self):
        if self._mode == Pin.OUT:
            return self._out
        if Pin._contacts:
            net = [self._number]
            for number in net:  # grows while it is walked
                for a, b in Pin._contacts:
                    if a == number and b not in net:
                        net.append(b)
                    elif b == number and a not in net:
                        net.append(a)
            for number in net:
                pin = Pin._all.get(number)
                if pin is not None and pin._mode == Pin.OUT:
                    return pin._out
        return 1 if self._pull == Pin.PULL_UP else 0

    @staticmethod
    def _settle():
        if not Pin._listeners:
            return
        for pin in Pin._listeners[:]:
            if pin._handler is not None and pin._mode == Pin.IN:
                level = pin._level()
                if level != pin._seen:
                    pin._seen = level
                    if pin._trigger & (Pin.IRQ_RISING if level else Pin.IRQ_FALLING):
                        pin._handler(pin)


def _contacts_changed(data):
    Pin._contacts = tuple((data[i], data[i + 1]) for i in range(0, len(data), 2))
    Pin._settle()


bus.on_event[ord("c")] = _contacts_changed


class I2C:
    """Writes go to the bench's models; a device that is not there does not acknowledge."""

    _present = set()  # addresses that acknowledged and were not touched since

    def __init__(self, number, scl=None, sda=None, freq=400000):
        self._freq = freq

    def writeto(self, address, data, stop=True):
        body = bytes((address,)) + bytes(data)
        present = address in I2C._present
        if present:
            bus.tell(ord("I"), body)
        elif bus.ask(ord("i"), body)[0]:
            I2C._present.add(address)
            present = True
        bus.spend((len(data) + 1) * 9 * 1000000 // self._freq)
        if not present:
            raise OSError(5)
        return len(data) + 1


bus.on_event[ord("k")] = lambda _: I2C._present.clear()


class UART(io.IOBase):
    """A serial port: what arrives while nobody reads is kept up to ``rxbuf`` bytes, then lost."""

    _ports = {}

    def __init__(self, number, baudrate=9600, bits=8, parity=None, stop=1, tx=None, rx=None,
                 timeout=0, timeout_char=0, txbuf=256, rxbuf=256):
        self._number = number
        self._room = bytearray(rxbuf)
        self._count = 0
        UART._ports[number] = self

    def any(self):
        return self._count

    def readinto(self, buffer, nbytes=None):
        wanted = len(buffer) if nbytes is None else nbytes
        count = min(wanted, self._count)
        if not count:
            return None
        buffer[:count] = self._room[:count]
        rest = self._count - count
        self._room[:rest] = self._room[count : self._count]
        self._count = rest
        return count

    def read(self, nbytes=None):
        data = bytearray(self._count if nbytes is None else min(nbytes, self._count))
        return bytes(data) if self.readinto(data) else None

    def write(self, data):
        bus.tell(ord("u"), bytes((self._number,)) + bytes(data))
        return len(data)

    def ioctl(self, request, arg):
        if request == _MP_STREAM_POLL:
            return arg & _POLLIN if self._count else 0
        return 0

    def _arrived(self, data):
        count = min(len(data), len(self._room) - self._count)
        self._room[self._count : self._count + count] = data[:count]
        self._count += count


def _uart_arrived(data):
    port = UART._ports.get(data[0])
    if port is not None:
        port._arrived(memoryview(data)[1:])


bus.on_event[ord("u")] = _uart_arrived


class RTC:
    """The date. It starts at its default after every power cut, as on the RP2040."""

    def datetime(self, parts=None):
        """(year, month, day, weekday, hour, minute, second, subsecond): read, or set when given."""
        if parts is None:
            y, mo, d, h, mi, s, weekday, _ = time.gmtime()
            return (y, mo, d, weekday, h, mi, s, 0)
        time.set_time(time.mktime((parts[0], parts[1], parts[2], parts[4], parts[5], parts[6])))
        return None


class WDT:
    """A watchdog that cannot be stopped; the bench resets the terminal when it starves."""

    def __init__(self, id=0, timeout=5000):
        bus.tell(ord("w"), struct.pack("<I", timeout))

    def feed(self):
        bus.tell(ord("w"), struct.pack("<I", 0))


def unique_id():
    return b"MOBIUNIX"


def reset():
    bus.tell(ord("x"), b"")
    raise SystemExit
