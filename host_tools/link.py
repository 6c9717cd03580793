"""The host's end of the line to a terminal: bytes in, request messages out, replies back.

Written from docs/protocol.md; it shares no code with the terminal's end. No I/O, no threads and
no clock: whoever owns the port hands in bytes and the time (milliseconds, any origin, never
backwards) and puts on the line what ``output`` gives. The host speaks only in answer: every good
frame of the terminal entitles it to one frame.

    link = HostLink()
    for request in link.feed(port.read(), now_ms):
        ...                                     # later: link.send(reply, now_ms, request)
    port.write(link.output(now_ms))
    # call output() again at link.deadline()
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import crcmod.predefined

VERSION = 1
MAX_MESSAGE = 1024
HOLD_MS = 300  # a REQUEST is answered within this, with WAIT when the reply is not there yet
HOLD_POLL_MS = 1000  # the same for a POLL
GRACE_MS = 200  # an answer that could not begin this soon after its hold is not sent any more
_OLD_SESSIONS = 1024  # remembered, to know a copy of an old SYNC

FLAG = 0x7E
ESCAPE = 0x7D

REQUEST, POLL, SYNC = 0x00, 0x20, 0x60
REPLY, WAIT, LOST, SYNCED = 0x80, 0xA0, 0xC0, 0xE0
KINDS = {
    REQUEST: "request", POLL: "poll", SYNC: "sync",
    REPLY: "reply", WAIT: "wait", LOST: "lost", SYNCED: "synced",
}
_KIND = 0xE0
_NUMBER = 0x1F
_OUTSIDE = (SYNC, LOST, SYNCED)  # kinds whose FCS does not cover a session number
_GOOD_LENGTH = 3  # control byte and FCS

_x25 = crcmod.predefined.mkCrcFun("x-25")


def _fcs(body: bytes, session: bytes) -> bytes:
    return _x25(session + body).to_bytes(2, "little")


def stuff(body: bytes) -> bytes:
    """A frame as it goes on the wire: flags around ``body``, flags and escapes in it escaped."""
    wire = bytearray((FLAG,))
    for byte in body:
        if byte in (FLAG, ESCAPE):
            wire += bytes((ESCAPE, byte ^ 0x20))
        else:
            wire.append(byte)
    wire.append(FLAG)
    return bytes(wire)


def frame(kind: int, number: int, payload: bytes, session: bytes) -> bytes:
    """The wire bytes of a frame. ``session``: both ends' numbers, 4 bytes each, that of the
    terminal first; not used by SYNC, SYNCED, LOST."""
    body = bytes((kind | number,)) + payload
    return stuff(body + _fcs(body, b"" if kind in _OUTSIDE else session))


@dataclass(frozen=True, slots=True)
class FrameInfo:
    """One frame on the wire, for traces and for fault tools.

    ``kind``: a value of ``KINDS``, or "bad" (wrong FCS), "short" or "long" for what is none.
    ``offset``: where its first byte (behind the flag that ended what was before it; for the
    host's frames the opening flag) stands in all the bytes of that direction; ``wire`` are its
    bytes as sent, closing flag included. ``again``: the same frame was there before.
    """

    kind: str
    number: int
    session: bytes
    payload: bytes
    wire: bytes
    offset: int
    again: bool = False


class Request(bytes):
    """A request message, and which one it is: hand it to ``HostLink.send`` with its reply."""

    session: bytes
    number: int


@dataclass(slots=True)
class Stats:
    """Counters since the start."""

    requests: int = 0  # delivered
    replies: int = 0  # sent for the first time
    frames_in: int = 0  # good ones
    frames_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    bad: int = 0  # wrong FCS, too short or too long
    repeated: int = 0  # requests that came again and were not delivered again
    resent: int = 0  # replies sent again
    waits: int = 0
    polls: int = 0
    sessions: int = 0
    stale: int = 0  # frames of the past: an old number, a copy of an old SYNC
    lost: int = 0  # frames answered with LOST
    unclaimed: int = 0  # replies nobody asks for any more: the terminal has gone on
    silent: int = 0  # answers not given because their time was over


class HostLink:
    """The host's end of one line.

    ``on_frame(direction, info)`` is called with "in" or "out" and a ``FrameInfo`` for every frame.
    ``number``: this host's number in every session, 0 to 2**32 - 1; it must be another one after
    every start. None: a random one. ``ready``: for a program that only carries messages: is the
    acquirer behind it there? While it is not, no SYNC is answered, so that the terminal knows that
    the line is down before it sends anything.
    """

    def __init__(self, on_frame: Callable[[str, FrameInfo], None] | None = None,
                 number: int | None = None, ready: Callable[[], bool] | None = None) -> None:
        self.on_frame = on_frame
        self._ready = ready
        self.stats = Stats()
        self.session = b""  # both ends' numbers; empty before the first SYNC
        self._own = (secrets.randbits(32) if number is None else number).to_bytes(4, "big")
        self._old_sessions: deque[bytes] = deque(maxlen=_OLD_SESSIONS)
        self._number = 0  # of the last request delivered
        self._reply: bytes | None = None  # to it
        self._replied = False
        self._request: Request | None = None
        # The frame to answer: its kind, when it came, and for LOST what to echo.
        self._owed: tuple[int, int, bytes] | None = None
        self._hunting = True  # no flag seen yet
        self._raw = bytearray()  # of the frame that is coming in, still stuffed
        self._last_in = b""

    # -- from the line -------------------------------------------------------------------------

    def feed(self, data: bytes, now_ms: int) -> list[Request]:
        """Take bytes from the line; the request messages that were completed by them."""
        requests: list[Request] = []
        for byte in data:
            self.stats.bytes_in += 1
            if byte != FLAG:
                if not self._hunting:
                    self._raw.append(byte)
                    if len(self._raw) > 2 * (MAX_MESSAGE + _GOOD_LENGTH):
                        self._bad("long", bytes(self._raw))
                        self._raw.clear()
                        self._hunting = True
                continue
            raw = bytes(self._raw)
            self._raw.clear()
            self._hunting = False
            if raw:
                request = self._frame(raw, now_ms)
                if request is not None:
                    requests.append(request)
        return requests

    def _frame(self, raw: bytes, now_ms: int) -> Request | None:
        body = bytearray()
        escaped = False
        for byte in raw:
            if byte == ESCAPE:
                escaped = True
            else:
                body.append(byte ^ 0x20 if escaped else byte)
                escaped = False
        if escaped:
            return None  # the terminal abandoned the frame itself
        if len(body) < _GOOD_LENGTH:
            self._bad("short", raw)
            return None
        if len(body) > MAX_MESSAGE + _GOOD_LENGTH:
            self._bad("long", raw)
            return None
        content, check = bytes(body[:-2]), bytes(body[-2:])
        kind, number = content[0] & _KIND, content[0] & _NUMBER
        if check != _fcs(content, b"" if kind == SYNC else self.session):
            self._bad("bad", raw)
            # Without a session nothing of a request can be checked, but the terminal can be told.
            if not self.session and kind in (REQUEST, POLL):
                self._owe(LOST, now_ms, check)
            return None
        if not self.session and kind != SYNC:
            # The FCS was computed without a session number: nobody conforming sends that.
            self._bad("bad", raw)
            return None
        self.stats.frames_in += 1
        payload = content[1:]
        self._seen("in", kind, number, payload, raw + bytes((FLAG,)),
                   self.stats.bytes_in - len(raw) - 1, content == self._last_in)
        self._last_in = content
        if kind == SYNC:
            self._sync(payload, now_ms)
        elif kind == REQUEST:
            return self._requested(number, payload, now_ms)
        elif kind == POLL:
            self._polled(number, check, now_ms)
        else:
            self.stats.stale += 1  # our own direction: an echo on the line
        return None

    def _bad(self, kind: str, raw: bytes) -> None:
        self.stats.bad += 1
        if self.on_frame is not None:
            self.on_frame("in", FrameInfo(
                kind, 0, self.session, b"", raw + bytes((FLAG,)),
                self.stats.bytes_in - len(raw) - 1))

    def _sync(self, payload: bytes, now_ms: int) -> None:
        if len(payload) != 5 or payload[0] != VERSION:
            self.stats.stale += 1
            return
        if self._ready is not None and not self._ready():
            self.stats.silent += 1
            return
        session = payload[1:] + self._own
        if session != self.session:
            if session in self._old_sessions:
                self.stats.stale += 1
                return
            self._drop_reply()
            self.session = session
            self._old_sessions.append(session)
            self._number = 0
            self._request = None
            self.stats.sessions += 1
        self._owe(SYNCED, now_ms)

    def _requested(self, number: int, message: bytes, now_ms: int) -> Request | None:
        if number < self._number or not number or not message:
            self.stats.stale += 1
            return None
        if number == self._number:
            self.stats.repeated += 1
            self._owe(REQUEST, now_ms)
            return None
        self._drop_reply()
        self._number = number
        request = Request(message)
        request.session, request.number = self.session, number
        self._request = request
        self.stats.requests += 1
        self._owe(REQUEST, now_ms)
        return request

    def _polled(self, number: int, check: bytes, now_ms: int) -> None:
        self.stats.polls += 1
        if number == self._number and number:
            self._owe(POLL, now_ms)
        elif number > self._number:
            self._owe(LOST, now_ms, check)
        else:
            self.stats.stale += 1

    def _drop_reply(self) -> None:
        if self._reply is not None and not self._replied:
            self.stats.unclaimed += 1
        self._reply = None
        self._replied = False

    def _owe(self, kind: int, now_ms: int, echo: bytes = b"") -> None:
        self._owed = (kind, now_ms, echo)

    # -- from the application --------------------------------------------------------------------

    def send(self, message: bytes, now_ms: int, request: Request | None = None) -> bool:
        """Hand over the reply to ``request`` (None: to the newest one).

        False when the terminal has gone on meanwhile or the request has its reply: the message is
        dropped then. Always pass the request where a reply may be late.
        """
        if not 0 < len(message) <= MAX_MESSAGE:
            raise ValueError(f"a message is 1 to {MAX_MESSAGE} bytes long, not {len(message)}")
        newest = self._request
        if newest is None or self._reply is not None or (
            request is not None
            and (request.session, request.number) != (newest.session, newest.number)
        ):
            self.stats.unclaimed += 1
            return False
        self._reply = bytes(message)
        return True

    # -- to the line -----------------------------------------------------------------------------

    def output(self, now_ms: int) -> bytes:
        """The bytes to put on the line now; often none."""
        if self._owed is None:
            return b""
        kind, at, echo = self._owed
        if kind == SYNCED:
            if now_ms > at + GRACE_MS:
                return self._stay_silent()
            return self._put(SYNCED, 0, bytes((VERSION,)) + self.session)
        if kind == LOST:
            if now_ms > at + GRACE_MS:
                return self._stay_silent()
            self.stats.lost += 1
            return self._put(LOST, 0, echo)
        hold = HOLD_POLL_MS if kind == POLL else HOLD_MS
        if now_ms > at + hold + GRACE_MS:
            return self._stay_silent()
        if self._reply is not None:
            if self._replied:
                self.stats.resent += 1
            else:
                self.stats.replies += 1
            again, self._replied = self._replied, True
            return self._put(REPLY, self._number, self._reply, again)
        if now_ms >= at + hold:
            self.stats.waits += 1
            return self._put(WAIT, self._number, b"")
        return b""

    def deadline(self) -> int | None:
        """When ``output`` must be asked at the latest; None while there is nothing to say."""
        if self._owed is None:
            return None
        kind, at, _ = self._owed
        if kind in (SYNCED, LOST) or self._reply is not None:
            return at
        return at + (HOLD_POLL_MS if kind == POLL else HOLD_MS)

    def _stay_silent(self) -> bytes:
        self._owed = None
        self.stats.silent += 1
        return b""

    def _put(self, kind: int, number: int, payload: bytes, again: bool = False) -> bytes:
        self._owed = None
        wire = frame(kind, number, payload, self.session)
        self._seen("out", kind, number, payload, wire, self.stats.bytes_out, again)
        self.stats.frames_out += 1
        self.stats.bytes_out += len(wire)
        return wire

    def _seen(self, direction: str, kind: int, number: int, payload: bytes, wire: bytes,
              offset: int, again: bool) -> None:
        if self.on_frame is not None:
            self.on_frame(direction, FrameInfo(
                KINDS[kind], number, self.session, payload, wire, offset, again))

    # -- for fault tools ---------------------------------------------------------------------------

    @staticmethod
    def unruly(request: Request, message: bytes) -> bytes:
        """The wire bytes of a reply as a host sends it that keeps no rules: late or twice.

        Not counted and not reported to ``on_frame``; a conforming host never does this.
        """
        return frame(REPLY, request.number, message, request.session)
