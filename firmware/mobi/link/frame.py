"""Frames on the line: flag, one control byte, payload, FCS-16, flag; RFC 1662 byte stuffing.

    7E  control  payload (0 to 1024 bytes)  FCS low  FCS high  7E

Between the flags 7E and 7D are sent as 7D followed by the byte with bit 5 inverted. The FCS is
the 16-bit one of RFC 1662 (CRC-16/X.25) over control and payload before stuffing.

Frames of a session start the FCS with the session's seed instead of FFFF, as if the numbers of
the session stood in front of the control byte: a frame of another session fails its FCS and is
never taken for one of this session, at no cost on the line. docs/protocol.md has the protocol.

The hot loops are compiled to machine code (viper) on a device and are plain Python on CPython.
"""

from array import array

import micropython
from micropython import const

PAYLOAD = const(1024)  # longest payload in bytes

_FLAG = const(0x7E)
PLAIN_SEED = const(0xFFFF)
_GOOD = const(0xF0B8)  # the FCS over a frame and its own FCS

# Control byte: bit 7 from the host, bits 6-5 kind, bits 4-0 number of the request. None of the
# values in use is 7D or 7E, so a control byte is never stuffed.
REQUEST = const(0x00)
POLL = const(0x20)
SYNC = const(0x60)
REPLY = const(0x80)
WAIT = const(0xA0)
LOST = const(0xC0)
SYNCED = const(0xE0)
KIND = const(0xE0)
NUMBER = const(0x1F)
# Kinds whose FCS starts with PLAIN_SEED, because they make a session or deny one.
_PLAIN = (SYNC, LOST, SYNCED)

# Cells of the scanner's state, an array("I").
_SIZE = const(0)  # bytes of the frame so far
_ESCAPED = const(1)  # the last byte was an escape
_SKIP = const(2)  # drop everything until a flag
_DONE = const(3)  # a flag has ended a frame


def ptr8(data):
    """Under viper: raw bytes of ``data``. In plain Python: ``data`` itself."""
    return data


def ptr16(data):
    """See ``ptr8``; 16-bit cells."""
    return data


def ptr32(data):
    """See ``ptr8``; 32-bit cells, unsigned."""
    return data


def _table():
    table = array("H", bytes(512))
    for i in range(256):
        fcs = i
        for _ in range(8):
            fcs = (fcs >> 1) ^ 0x8408 if fcs & 1 else fcs >> 1
        table[i] = fcs
    return table


_FCS = _table()


@micropython.viper
def _fcs(table: ptr16, fcs: int, data: ptr8, size: int) -> int:
    i = 0
    while i < size:
        fcs = (fcs >> 8) ^ int(table[(fcs ^ int(data[i])) & 0xFF])
        i += 1
    return fcs


def fcs16(data, size, seed=PLAIN_SEED):
    """The running FCS register after ``size`` bytes of ``data``, begun with ``seed``.

    The FCS that goes on the line is its complement, low byte first.
    """
    return _fcs(_FCS, seed, data, size)


def session_seed(session, host):
    """The seed of a session: the register after both ends' numbers, 4 bytes each, high first."""
    return fcs16(session.to_bytes(4, "big") + host, 8)


@micropython.viper
def _scan(data: ptr8, at: int, end: int, frame: ptr8, room: int, state: ptr32) -> int:
    # Unstuff data[at:end] into frame until a flag ends a frame; gives where it stopped.
    size = int(state[0])
    escaped = int(state[1])
    skip = int(state[2])
    done = 0
    while at < end and done == 0:
        byte = int(data[at])
        at += 1
        if byte == 0x7E:
            # An escape right before the flag is the sender's way to abandon a frame.
            if size > 0 and escaped == 0:
                done = 1
            else:
                size = 0
            escaped = 0
            skip = 0
        elif skip == 0:
            if byte == 0x7D:
                escaped = 1
            elif size == room:
                skip = 1
                size = 0
            else:
                if escaped:
                    byte ^= 0x20
                    escaped = 0
                frame[size] = byte
                size += 1
    state[0] = size
    state[1] = escaped
    state[2] = skip
    state[3] = done
    return at


class Decoder:
    """Takes bytes as they come and finds the good frames in them. Two fixed buffers.

    ``keep`` sets the payload of the last frame aside, so that a reply stays valid while later
    frames come in.
    """

    def __init__(self):
        self.seed = PLAIN_SEED  # of the running session
        self.control = 0  # of the last good frame
        self.payload = None  # memoryview of its payload, valid until the next ``feed`` or ``keep``
        self.bad = 0  # frames that failed their FCS or were too short
        self.too_long = 0  # frames longer than any frame may be
        self._state = array("I", (0, 0, 1, 0))
        self._frame = bytearray(PAYLOAD + 3)
        self._spare = bytearray(PAYLOAD + 3)

    def feed(self, data, at, end):
        """Take ``data[at:end]`` up to the end of the first frame in it.

        Gives the index behind the last byte taken; ``payload`` is None unless that byte ended a
        good frame, which is then in ``control`` and ``payload``.
        """
        state = self._state
        if state[_DONE]:
            state[_SIZE] = 0
        self.payload = None
        skipped = state[_SKIP]
        at = _scan(data, at, end, self._frame, PAYLOAD + 3, state)
        if state[_SKIP] and not skipped:
            self.too_long += 1
        if state[_DONE]:
            self._check(state[_SIZE])
        return at

    def _check(self, size):
        frame = self._frame
        control = frame[0]
        seed = PLAIN_SEED if control & KIND in _PLAIN else self.seed
        if size < 3 or _fcs(_FCS, seed, frame, size) != _GOOD:
            self.bad += 1
            return
        self.control = control
        self.payload = memoryview(frame)[1 : size - 2]

    def is_of(self, seed):
        """Was the frame that just failed a good one of the session with this seed?"""
        size = self._state[_SIZE]
        return size >= 3 and _fcs(_FCS, seed, self._frame, size) == _GOOD

    def keep(self):
        """The payload of the last good frame, valid until the next ``keep``."""
        kept = self.payload
        self._frame, self._spare = self._spare, self._frame
        self.payload = None
        return kept


@micropython.viper
def _stuff(data: ptr8, at: int, end: int, out: ptr8, n: int, room: int, state: ptr32):
    # Stuff data[at:end] into out[n:room]; state gets where both stopped.
    while at < end and n < room - 1:
        byte = int(data[at])
        at += 1
        if byte == 0x7E or byte == 0x7D:
            out[n] = 0x7D
            n += 1
            byte ^= 0x20
        out[n] = byte
        n += 1
    state[0] = at
    state[1] = n


class Encoder:
    """Gives a frame piece by piece, so that no buffer for a whole stuffed frame is needed."""

    def __init__(self):
        self.fcs = 0  # of the last frame begun, as sent: complemented
        self._head = bytearray(1)
        self._tail = bytearray(2)
        self._parts = (self._head, b"", self._tail)
        self._part = 4
        self._at = 0
        self._state = array("I", (0, 0))

    def begin(self, control, payload, seed):
        """Start a frame. ``payload``: bytes-like, up to ``PAYLOAD`` long, unchanged until sent."""
        head, tail = self._head, self._tail
        head[0] = control
        size = len(payload)
        if size > PAYLOAD:
            raise ValueError("payload of %d bytes" % size)
        self.fcs = _fcs(_FCS, _fcs(_FCS, seed, head, 1), payload, size) ^ 0xFFFF
        tail[0] = self.fcs & 0xFF
        tail[1] = self.fcs >> 8
        self._parts = (head, payload, tail)
        self._part = -1
        self._at = 0

    def fill(self, out):
        """Put the next bytes for the wire into ``out`` (4 or more long): how many, 0 at the end."""
        n = 0
        room = len(out)
        if self._part < 0:
            out[0] = _FLAG
            n = 1
            self._part = 0
        state = self._state
        while self._part < 3:
            part = self._parts[self._part]
            _stuff(part, self._at, len(part), out, n, room, state)
            self._at = state[0]
            n = state[1]
            if self._at < len(part):
                return n
            self._at = 0
            self._part += 1
        if self._part == 3 and n < room:
            out[n] = _FLAG
            n += 1
            self._part = 4
            self._parts = (self._head, b"", self._tail)
        return n
