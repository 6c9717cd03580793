"""For tests of the link on both interpreters: a virtual clock and a host that plays a script.

The host uses the firmware's own framing; an independent one is in host_tools and is tested
against the firmware in tests/host/test_link.py.
"""

from mobi.link import frame
from mobi.link.link import Link
from mobi.loop import Event, Loop, sleep_ms

HOST = b"\x00\x01\x02\x03"
_MASK = (1 << 30) - 1


class Peer:
    """The line and the host. ``script(kind, number, payload)`` gives what the host answers to a
    frame: a list of (delay in ms, kind, number, payload), or None for what a good host does."""

    def __init__(self, start_ms=(1 << 30) - 700):
        self.ms = start_ms
        self.loop = Loop(self, self.sleep)
        self.input = Event()
        self.inbox = bytearray()
        self.timers = []
        self.got = []
        self.script = lambda kind, number, payload: None
        self.reply = b"reply"
        self.seed = frame.PLAIN_SEED
        self._decoder = frame.Decoder()
        self._encoder = frame.Encoder()
        self.link = Link(self, self.loop, self.input, 5)
        self.loop.spawn("link", self.link.run())

    # the clock
    def ticks_ms(self):
        return self.ms & _MASK

    def ticks_us(self):
        return self.ms * 1000 & _MASK

    def ticks_add(self, t, d):
        return (t + d) & _MASK

    def ticks_diff(self, a, b):
        return ((a - b + (1 << 29)) & _MASK) - (1 << 29)

    def sleep(self, ms):
        end = None if ms is None else self.ms + ms
        if self.timers:
            first = min(self.timers, key=lambda timer: timer[0])
            if end is None or first[0] <= end:
                self.timers.remove(first)
                self.ms = max(self.ms, first[0])
                self.inbox.extend(first[1])
                self.input.set()
                return
        assert end is not None, "nothing will ever happen again"
        self.ms = end

    # the stream
    def any(self):
        return len(self.inbox)

    def readinto(self, buffer):
        count = min(len(buffer), len(self.inbox))
        buffer[:count] = self.inbox[:count]
        self.inbox = self.inbox[count:]
        return count or None

    def write(self, data):
        data = bytes(data)
        at = 0
        while at < len(data):
            self._decoder.seed = self.seed
            at = self._decoder.feed(data, at, len(data))
            if self._decoder.payload is not None:
                self._frame(self._decoder.control, bytes(self._decoder.payload))
        return len(data)

    # the host
    def _frame(self, control, payload):
        kind, number = control & frame.KIND, control & frame.NUMBER
        self.got.append((kind, number, payload))
        if kind == frame.SYNC:
            self.seed = frame.session_seed(int.from_bytes(payload[1:5], "big"), HOST)
        answers = self.script(kind, number, payload)
        if answers is None:
            if kind == frame.SYNC:
                answers = [(0, frame.SYNCED, 0, payload + HOST)]
            else:
                answers = [(0, frame.REPLY, number, self.reply)]
        for delay, answer, count, content in answers:
            self.say(delay, self.wire(answer, count, content))

    def wire(self, kind, number, payload, seed=None):
        """The bytes of a frame of the host."""
        plain = kind in (frame.SYNCED, frame.LOST)
        seed = frame.PLAIN_SEED if plain else self.seed if seed is None else seed
        self._encoder.begin(kind | number, payload, seed)
        out = b""
        piece = bytearray(32)
        while True:
            count = self._encoder.fill(piece)
            if not count:
                return out
            out += bytes(piece[:count])

    def say(self, delay, data):
        """Let ``data`` arrive at the terminal in ``delay`` ms."""
        self.timers.append((self.ms + delay, data))

    # the test
    def run(self, coro):
        """Run one coroutine to its end and give its result."""
        return self.loop.run(self.loop.spawn("test", coro))

    def ask(self, message, timeout_ms=5000):
        """A request; the reply as bytes."""
        return bytes(self.run(self.link.request(message, timeout_ms)))

    def wait(self, ms):
        """Let time pass."""
        self.run(_pause(ms))


async def _pause(ms):
    await sleep_ms(ms)
