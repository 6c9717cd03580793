"""The terminal's end of the line to the acquirer: requests out, replies back, on the loop.

``Arq`` decides what to send and what to make of what comes; ``Link`` moves the bytes.
"""

from micropython import const

from mobi.link.arq import DONE, DOWN, NO_ACK, NO_REPLY, SENDING, SYNCING, WAITING, Arq
from mobi.link.frame import KIND, PAYLOAD, PLAIN_SEED, REQUEST, SYNC, Decoder, Encoder
from mobi.loop import Event, sleep_ms

__all__ = ("CONNECTING", "DOWN", "NO_ACK", "NO_REPLY", "SENDING", "WAITING", "Link", "LinkError")

# Stages of a request, for ``progress``: SENDING and WAITING are those of ``Arq``.
CONNECTING = SYNCING

BAUD = const(115200)
_PIECE = const(64)  # bytes moved between two turns of the loop: 6 ms on the line
_STUCK_MS = const(2000)  # a port that takes no byte for so long loses the frame


class LinkError(Exception):
    """No reply could be had; ``reason`` is DOWN, NO_ACK or NO_REPLY.

    DOWN: the host cannot have acted on the request, nothing needs to be undone.
    NO_ACK: it was sent and there was no sign of the host; it may have acted all the same.
    NO_REPLY: the host had it, and did not reply in time or was restarted.
    """

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


class Link:
    """The terminal's end of the line.

    ``stream``: ``readinto(buffer)``, ``write(data)`` and ``any()`` like ``machine.UART``, which
    do not block for long. ``input_event``: a ``loop.Event`` that is set when bytes wait.
    ``session``: a random number, 1 to 2**30 - 1, another one after every start.

    ``run`` must be running as a task. One request at a time.
    """

    def __init__(self, stream, loop, input_event, session):
        self._stream = stream
        self._loop = loop
        self._input = input_event
        self._arq = Arq(loop.clock, session)
        self._decoder = Decoder()
        self._encoder = Encoder()
        self._chunk = bytearray(_PIECE)
        self._piece = bytearray(_PIECE)
        self._changed = Event()
        self._reply = None
        self._taken = False
        self.stats = self._arq.stats

    @property
    def busy(self):
        """True while the host may send: from the first byte of a frame until it was answered or
        the time for its answer is over. Flash is not touched meanwhile."""
        return self._arq.busy

    @property
    def alive(self):
        """Did the last exchange with the host end well?"""
        return self._arq.alive

    async def hello(self, timeout_ms):
        """Ask whether anybody is there, until ``timeout_ms`` is over: True or False.

        As after ``request``, the host must be silent when this returns.
        """
        self._take()
        try:
            self._arq.hello(timeout_ms)
            await self._finish(b"", None)
            return self._arq.outcome == DONE
        finally:
            self._release()

    async def request(self, message, timeout_ms, progress=None):
        """Send ``message`` (bytes-like, 1 to 1024 long, unchanged meanwhile) and give the reply.

        The reply is a memoryview, valid until the next request ends. ``timeout_ms`` is for the
        reply and begins when the request has been sent; it ends the asking, a reply to the last
        question may come up to 1.4 s later. Raises ``LinkError``.

        When this returns or raises, the host must be silent: flash may be touched. Only a task
        that is cancelled in here leaves the link ``busy``.

        ``progress(stage, left_ms)`` is called at every change and about once a second while the
        host keeps the terminal waiting: stage CONNECTING, SENDING or WAITING; ``left_ms`` until
        the timeout, None before the request was sent.
        """
        if not 0 < len(message) <= PAYLOAD:
            raise ValueError("message of %d bytes" % len(message))
        self._take()
        try:
            self._reply = None
            self._arq.request(timeout_ms)
            await self._finish(message, progress)
            if self._arq.outcome != DONE:
                raise LinkError(self._arq.outcome)
            return self._reply
        finally:
            self._release()

    async def run(self):
        """The receiving task; it never ends."""
        stream = self._stream
        chunk = self._chunk
        while True:
            await self._input.wait()
            try:
                count = stream.readinto(chunk) if stream.any() else 0
            except OSError:
                self.stats.io_errors += 1
                count = 0
            if count:
                self._received(chunk, count)
            else:
                self._input.clear()

    def _take(self):
        if self._taken:
            raise RuntimeError("the link carries one request at a time")
        self._taken = True

    def _release(self):
        self._arq.abandon()
        self._taken = False

    async def _finish(self, message, progress):
        arq = self._arq
        while arq.outcome is None:
            self._changed.clear()
            control = arq.next()
            if control is not None:
                if progress is not None:
                    progress(arq.phase, arq.left_ms())
                await self._send(control, message)
            elif arq.outcome is None:
                await self._changed.wait(arq.wait_ms())
        # After a repetition a second answer may still come. Whoever gets the outcome will write it
        # to flash at once, so it is told when the host must be silent, not before.
        while arq.busy:
            await sleep_ms(arq.wait_ms())

    async def _send(self, control, message):
        arq = self._arq
        encoder = self._encoder
        kind = control & KIND
        if kind == SYNC:
            encoder.begin(control, arq.payload(), PLAIN_SEED)
        else:
            encoder.begin(control, message if kind == REQUEST else b"", arq.seed)
        arq.last_fcs = encoder.fcs
        piece = self._piece
        total = 0
        while True:
            count = encoder.fill(piece)
            if not count:
                break
            total += count
            if not await self._write(memoryview(piece)[:count]):
                break
            await sleep_ms(0)
        # The port may have taken the bytes faster than the line carries them.
        arq.sent(control, total * 10000 // BAUD + 1)

    async def _write(self, data):
        # False when the port takes nothing any more: the frame is lost, like one lost on the line.
        patience = self._loop.after(_STUCK_MS)
        while True:
            try:
                count = self._stream.write(data) or 0
            except OSError:
                self.stats.io_errors += 1
                return False
            self.stats.bytes_out += count
            if count == len(data):
                return True
            if count:
                data = data[count:]
            elif self._loop.left(patience) <= 0:
                self.stats.io_errors += 1
                return False
            await sleep_ms(2)

    def _received(self, chunk, count):
        arq = self._arq
        decoder = self._decoder
        self.stats.bytes_in += count
        at = 0
        while at < count:
            bad = decoder.bad
            decoder.seed = arq.seed
            at = decoder.feed(chunk, at, count)
            if decoder.payload is not None:
                if arq.received(decoder.control, decoder.payload):
                    self._reply = decoder.keep()
                self._changed.set()
            elif decoder.bad != bad:
                if decoder.is_of(arq.old_seed):
                    self.stats.late += 1
                else:
                    self.stats.bad += 1
        self.stats.too_long = decoder.too_long
