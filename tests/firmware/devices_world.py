"""A small world around drivers: virtual time with events, a key matrix, an I2C bus, a UART."""

from mobi.loop import Event, Loop, sleep_ms

_MASK = (1 << 30) - 1


class World:
    """The clock and the sleep of a loop; by default it starts shortly before the ticks wrap."""

    def __init__(self, start_ms=(1 << 30) - 300):
        self.us = start_ms * 1000
        self._events = []
        self._count = 0
        self.loop = Loop(self, self.sleep)

    def ticks_ms(self):
        return (self.us // 1000) & _MASK

    def ticks_us(self):
        return self.us & _MASK

    def ticks_add(self, t, d):
        return (t + d) & _MASK

    def ticks_diff(self, a, b):
        return ((a - b + (1 << 29)) & _MASK) - (1 << 29)

    def after(self, ms, action):
        """Call ``action`` when so many milliseconds have passed."""
        self._count += 1
        self._events.append((self.us + int(ms * 1000), self._count, action))
        self._events.sort(key=lambda event: event[:2])

    def sleep(self, ms):
        until = None if ms is None else self.us + ms * 1000
        if self._events and (until is None or self._events[0][0] <= until):
            when, _, action = self._events.pop(0)
            self.us = max(self.us, when)
            action()
        else:
            assert until is not None, "nobody would ever wake the loop"
            self.us = until

    def run(self, ms):
        """Let the tasks run for so many milliseconds."""
        async def end():
            await sleep_ms(ms)

        self.loop.run(self.loop.spawn("end", end()))


class Short(Exception):
    """Two outputs of different levels were connected."""


class Matrix:
    """Keys between row and column pins; knows nothing of names."""

    def __init__(self, rows=5, columns=4):
        self.closed = []
        self.rows = [MatrixPin(self, ("row", i)) for i in range(rows)]
        self.columns = [MatrixPin(self, ("column", i)) for i in range(columns)]
        self.scans = 0  # row drives

    def close(self, *contacts):
        self._change(self.closed + list(contacts))

    def open(self, *contacts):
        self._change([c for c in self.closed if c not in contacts])

    def _change(self, closed):
        self.closed = closed
        self.settle()

    def settle(self):
        for pin in self.columns:
            pin.settle()

    def level(self, pin):
        rows = set()
        columns = {pin.name[1]}
        size = 0
        while size != len(rows) + len(columns):
            size = len(rows) + len(columns)
            for r, c in self.closed:
                if r in rows or c in columns:
                    rows.add(r)
                    columns.add(c)
        levels = {self.rows[r].out for r in rows if self.rows[r].mode == MatrixPin.OUT}
        if len(levels) > 1:
            raise Short(self.closed)
        return levels.pop() if levels else 0


class MatrixPin:
    """What the scanner uses of machine.Pin."""

    IN = 0
    OUT = 1
    IRQ_RISING = 8

    def __init__(self, matrix, name):
        self.matrix = matrix
        self.name = name
        self.mode = MatrixPin.IN
        self.out = 0
        self.handler = None
        self.seen = 0

    def init(self, mode, pull=-1, value=None):
        self.mode = mode
        if value is not None:
            self.out = value
        if mode == MatrixPin.OUT:
            self.matrix.scans += 1
        self.matrix.settle()

    def value(self):
        return self.matrix.level(self)

    def irq(self, handler=None, trigger=8):
        self.handler = handler
        self.seen = self.matrix.level(self)

    def settle(self):
        if self.handler is not None:
            level = self.matrix.level(self)
            rises = level and not self.seen
            self.seen = level
            if rises:
                self.handler(self)


class Bus:
    """What a display driver uses of machine.I2C; keeps every write."""

    def __init__(self):
        self.writes = []
        self.there = True

    def writeto(self, address, data):
        if not self.there:
            raise OSError(5)
        self.writes.append(bytes(data))
        return len(data)


class Wire:
    """What drivers use of machine.UART. ``answer(data)`` gives what comes back at once."""

    def __init__(self, answer=None):
        self.event = Event()
        self.sent = bytearray()
        self.waiting = bytearray()
        self.answer = answer
        self.accepts = 1000  # bytes one write takes

    def write(self, data):
        data = bytes(data)[: self.accepts]
        self.sent += data
        if self.answer is not None:
            self.arrive(self.answer(data))
        return len(data) or None

    def readinto(self, buffer):
        size = min(len(buffer), len(self.waiting))
        if not size:
            return None
        buffer[:size] = self.waiting[:size]
        self.waiting = self.waiting[size:]
        return size

    def arrive(self, data):
        if data:
            self.waiting += data
            self.event.set()
