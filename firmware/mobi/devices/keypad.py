"""Key matrix: waits for an interrupt while no key is down, scans and debounces while one is.

Which keys count:

* A key counts when its contact was closed in two scans in a row (8 ms), once, and again only
  after it was open in three.
* A second key counts while one other is held (rollover); a third waits until one is released.
* Two keys that go down within the same scan have no order: neither counts.
* Three closed contacts on the corners of a rectangle close the fourth as seen from the pins
  (there are no diodes): while the matrix looks like that, nothing counts.
* A key that is down when the task starts does not count, and one that is held for 10 s is
  stuck: it is reported once and ignored until it is released.
"""

from micropython import const

from mobi.loop import Event, sleep_ms

# 4x5 keys, as the wiring page draws them. ENTER 确认, CANCEL 取消, BACK 退格, CLEAR 清除,
# FN 功能, VOID 撤销, LAST 末笔, REFUND 退货. ENTER on the idle screen opens the menu.
LAYOUT = (
    ("FN", "VOID", "LAST", "REFUND"),
    ("1", "2", "3", "CANCEL"),
    ("4", "5", "6", "BACK"),
    ("7", "8", "9", "CLEAR"),
    ("UP", "0", "DOWN", "ENTER"),
)

_SCAN_MS = const(8)
_LAZY_SCAN_MS = const(40)  # while nothing but stuck keys is down
_STUCK_MS = const(10000)
_REPEAT_AFTER_MS = const(500)
_REPEAT_MS = const(150)


class Keypad:
    """Scanner of a matrix of ``rows`` by ``columns`` pins; at most 30 keys.

    ``rows`` drive; ``columns`` are inputs with pull-downs. ``layout``: a tuple of names for each
    row. Names go into ``queue``. ``clock`` has ``ticks_ms``, ``ticks_add`` and ``ticks_diff``.
    ``wake.set()`` ends the processor's sleep from the interrupt. Keys in ``repeats`` repeat while
    they are held. ``on_stuck(name)`` is told about a stuck key.
    """

    def __init__(self, rows, columns, queue, clock, wake=None, layout=LAYOUT,
                 repeats=("BACK", "UP", "DOWN"), on_stuck=None):
        self._rows = rows
        self._columns = columns
        self._queue = queue
        self._clock = clock
        self._wake = wake
        self._names = [name for row in layout for name in row]
        self._repeats = repeats
        self.on_stuck = on_stuck
        self.dropped = 0  # names that found the queue full
        self._contact = Event()
        # Bit sets, one bit a key, row by row: closed in the last scan and in the one before it,
        # taken as down (whether it counted or not), held too long.
        self._last = 0
        self._before = 0
        self._down = 0
        self._stuck = 0
        self._since = [0] * len(self._names)
        self._repeating = -1
        self._repeat_at = 0

    def held(self):
        """Names of the keys that are down now."""
        return self._named(self._down)

    def stuck(self):
        """Names of the keys that have been down for more than 10 s."""
        return self._named(self._stuck)

    def _named(self, keys):
        return [name for i, name in enumerate(self._names) if keys >> i & 1]

    # -- the task ----------------------------------------------------------------------------

    async def run(self):
        """Task: reads keys for ever."""
        self._ignore_held()
        soon = sleep_ms(_SCAN_MS)  # the same again and again: nothing is allocated while scanning
        later = sleep_ms(_LAZY_SCAN_MS)
        try:
            while True:
                self._arm()
                await self._contact.wait()
                self._disarm()
                while self._step(self._scan()):
                    lazy = self._stuck and self._last == self._stuck
                    await (later if lazy else soon)
        finally:
            self._disarm()

    def _ignore_held(self):
        self._disarm()
        self._last = self._down = self._scan()
        now = self._clock.ticks_ms()
        for i in range(len(self._since)):
            self._since[i] = now

    def _arm(self):
        # All rows driven: any key raises its column. Interrupts come first, so that a key that is
        # down already is seen as well.
        self._contact.clear()
        for column in self._columns:
            column.irq(self._interrupt, column.IRQ_RISING)
        for row in self._rows:
            row.init(row.OUT, value=1)

    def _disarm(self):
        for column in self._columns:
            column.irq(handler=None)
        for row in self._rows:
            row.init(row.IN)

    def _interrupt(self, _):
        self._contact.set()
        if self._wake is not None:
            self._wake.set()

    # -- scanning ----------------------------------------------------------------------------

    def _scan(self):
        # One row drives at a time, the others float: two held keys of a column must not connect
        # a high output with a low one.
        closed = 0
        bit = 1
        for row in self._rows:
            row.init(row.OUT, value=1)
            for column in self._columns:
                if column.value():
                    closed |= bit
                bit <<= 1
            row.init(row.IN)
        return closed

    def _is_ghostly(self, closed):
        # Two rows that share two columns make a rectangle.
        width = len(self._columns)
        mask = (1 << width) - 1
        rows = []
        while closed:
            row = closed & mask
            for other in rows:
                common = row & other
                if common & (common - 1):
                    return True
            rows.append(row)
            closed >>= width
        return False

    def _step(self, closed):
        # One scan's consequences; False when the matrix is at rest.
        now = self._clock.ticks_ms()
        released = self._down & ~(closed | self._last | self._before)
        if released:
            self._down &= ~released
            self._stuck &= ~released
            self._repeating = -1
        fresh = closed & self._last & ~self._down
        if fresh and not self._is_ghostly(closed):
            self._press(fresh, now)
        self._before = self._last
        self._last = closed
        if self._down:
            self._hold(now)
        return closed or self._last or self._before or self._down

    def _press(self, fresh, now):
        several = fresh & (fresh - 1)
        held = self._down & ~self._stuck
        if not several and held & (held - 1):
            return  # two are held already: this one has to wait
        self._down |= fresh
        self._repeating = -1
        for i in range(len(self._names)):
            if fresh >> i & 1:
                self._since[i] = now
                if not several:
                    self._put(i)
                    if self._names[i] in self._repeats:
                        self._repeating = i
                        self._repeat_at = self._clock.ticks_add(now, _REPEAT_AFTER_MS)

    def _put(self, i):
        if self._names[i] and not self._queue.put(self._names[i]):
            self.dropped += 1

    def _hold(self, now):
        for i in range(len(self._names)):
            bit = 1 << i
            if self._down & ~self._stuck & bit:
                if self._clock.ticks_diff(now, self._since[i]) > _STUCK_MS:
                    self._stuck |= bit
                    if i == self._repeating:
                        self._repeating = -1
                    if self.on_stuck is not None:
                        self.on_stuck(self._names[i])
        i = self._repeating
        if i >= 0 and self._clock.ticks_diff(now, self._repeat_at) >= 0:
            self._put(i)
            self._repeat_at = self._clock.ticks_add(now, _REPEAT_MS)
