"""Card reader, scanner and printer answers on one receive line: takes the bytes apart.

What comes in: track 1 ``%...?`` (dropped), track 2 ``;...?``, both with an LRC character behind if
the reader sends one; a scanner's text up to CR; single status bytes of the printer, at any time.
What goes out, into the queue: ``("card", track2)``, ``("scan", text)``, ``("unreadable", why)``.

A swipe either comes out whole and well-formed or as unreadable. The buffers are overwritten as
soon as a track has been taken out of them.
"""

from micropython import const

from mobi.devices import track2
from mobi.loop import first_of, sleep_ms

# Silence that ends whatever has begun. Readers send a swipe in one piece.
_QUIET_MS = const(60)
_CHUNK = const(32)
_MOST = const(64)  # characters of a scan; a track 2 is shorter
_LEAST = const(4)  # fewer characters without an end are noise, not half a scan

_REST = const(0)  # nothing has begun
_TRACK1 = const(1)
_TRACK2 = const(2)
_AFTER = const(3)  # behind the ? of track 2: an LRC, a track 3 or the end
_TRACK3 = const(4)  # dropped; its end is the end of the swipe
_SCAN = const(5)
_SPOILT = const(6)  # wait for its end

_PERCENT = const(0x25)
_PLUS = const(0x2B)
_SEMICOLON = const(0x3B)
_EQUALS = const(0x3D)
_QUESTION = const(0x3F)
_CARET = const(0x5E)
_CR = const(0x0D)
_LF = const(0x0A)


class Reader:
    """Reads ``stream`` (``readinto``, as machine.UART) when ``input_event`` is set.

    ``printer_takes(byte)`` is asked about bytes that could be a printer's answer; True if it was
    one. ``queue`` gets the results.
    """

    def __init__(self, stream, input_event, queue, printer_takes=None):
        self._stream = stream
        self._input = input_event
        self._queue = queue
        self._printer_takes = printer_takes
        self._chunk = bytearray(_CHUNK)
        self._text = bytearray(_MOST)
        self._size = 0
        self._state = _REST
        self._why = ""
        self._lrc = -1  # -1: not seen
        self._saw_track1 = False
        self.garbage = 0  # bytes that belonged to nothing
        self.dropped = 0  # results that found the queue full

    async def run(self):
        """Task: reads for ever."""
        while True:
            busy = self._state != _REST or self._saw_track1
            fired = await first_of(self._input, timeout_ms=_QUIET_MS if busy else None)
            self._input.clear()
            size = self._stream.readinto(self._chunk)
            if not size:
                # Only now: after a long turn of another task the time may be over although bytes
                # have come in that nobody has been told of yet.
                if fired is None:
                    self.quiet()
            else:
                self.feed(self._chunk, size)
                for i in range(size):
                    self._chunk[i] = 0
                if size == _CHUNK:
                    self._input.set()  # there may be more
                    await sleep_ms(0)

    def feed(self, data, size):
        """Bytes that arrived: ``data[:size]``."""
        for i in range(size):
            self._byte(data[i])

    def quiet(self):
        """Nothing has arrived for a while: what has begun is over."""
        if self._state == _SCAN and self._size < _LEAST:
            # Some answers of a printer are printable characters; one that stands alone is one.
            if self._size != 1 or not self._is_status(self._text[0]):
                self.garbage += self._size
            self._forget()
        elif self._state == _SCAN:
            self._unreadable("cut off")
        else:
            self._end()

    def _is_status(self, byte):
        return self._printer_takes is not None and self._printer_takes(byte)

    # -- one byte ----------------------------------------------------------------------------

    def _byte(self, byte):
        if byte < 0x20:
            if byte == _CR or byte == _LF:
                self._line_end()
            elif not self._is_status(byte):
                self._spoil("garbled")
        elif byte > 0x7E:
            # Status bytes of a printer have the top bit clear, so this is noise.
            self._spoil("garbled")
        elif self._state == _REST:
            self._begin(byte)
        elif self._state == _TRACK1:
            self._in_track1(byte)
        elif self._state == _TRACK2:
            self._in_track2(byte)
        elif self._state == _AFTER:
            self._behind_track2(byte)
        elif self._state == _SCAN:
            self._in_scan(byte)

    def _begin(self, byte):
        self._size = 0
        if byte == _PERCENT:
            self._state = _TRACK1
        elif byte == _SEMICOLON:
            self._state = _TRACK2
            self._append(byte)
        elif not self._saw_track1:  # else it is the LRC of track 1
            self._state = _SCAN
            self._in_scan(byte)

    def _in_track1(self, byte):
        if byte == _QUESTION:
            self._saw_track1 = True
            self._state = _REST
        elif byte == _SEMICOLON and not self._size:
            self._begin(byte)  # the % was the LRC of track 1
        else:
            self._size = 1  # it has begun

    def _in_track2(self, byte):
        if byte == _SEMICOLON and self._saw_track1 and self._size == 1:
            pass  # the first ; was the LRC of track 1
        elif byte == _SEMICOLON or byte == _PERCENT:
            # A new swipe while the old one has no end.
            self._unreadable("cut off")
            self._begin(byte)
        elif not (0x30 <= byte <= 0x39 or byte == _EQUALS or byte == _QUESTION):
            self._spoil("garbled")
        else:
            self._append(byte)
            if byte == _QUESTION and self._state == _TRACK2:
                self._state = _AFTER

    def _behind_track2(self, byte):
        if self._lrc < 0 and 0x30 <= byte <= 0x3F:
            self._lrc = byte
            if byte == _SEMICOLON and byte != track2.lrc(self._text, 0, self._size):
                # Two swipes without a break between them: the first one had no LRC.
                self._lrc = -1
                self._end()
                self._begin(byte)
        elif byte == _PLUS:
            self._state = _TRACK3
        elif byte == _PERCENT or byte == _SEMICOLON:
            self._end()
            self._begin(byte)
        else:
            self._spoil("garbled")

    def _in_scan(self, byte):
        # Without its ; a track must not pass for a scanned text.
        if byte in (_EQUALS, _QUESTION, _CARET, _SEMICOLON, _PERCENT):
            self._spoil("garbled")
        else:
            self._append(byte)

    def _append(self, byte):
        if self._size == _MOST:
            self._spoil("too long")
        else:
            self._text[self._size] = byte
            self._size += 1

    def _spoil(self, why):
        # What is not going to be used cannot be spoilt.
        if self._state == _REST or self._state == _TRACK1 or self._state == _TRACK3:
            self.garbage += 1
        elif self._state != _SPOILT:
            self._state = _SPOILT
            self._why = why

    def _line_end(self):
        if self._state == _SCAN:
            self._put("scan", self._take(0, self._size))
        else:
            self._end()

    # -- the end of a swipe or a text ----------------------------------------------------------

    def _end(self):
        if self._state == _SPOILT:
            self._unreadable(self._why)
        elif self._state == _AFTER or self._state == _TRACK3:
            self._deliver()
        elif self._state == _TRACK1 or self._state == _TRACK2:
            self._unreadable("cut off")
        elif self._saw_track1:
            self._unreadable("no track 2")
        else:
            self._forget()

    def _deliver(self):
        if self._lrc >= 0 and self._lrc != track2.lrc(self._text, 0, self._size):
            self._unreadable("LRC")
            return
        track = self._take(1, self._size - 1)
        try:
            track2.parse(track)
        except track2.BadTrack as error:
            self._put("unreadable", str(error))
        else:
            self._put("card", track)

    def _unreadable(self, why):
        self._forget()
        self._put("unreadable", why)

    def _take(self, begin, end):
        text = str(memoryview(self._text)[begin:end], "ascii")
        self._forget()
        return text

    def _forget(self):
        for i in range(_MOST):
            self._text[i] = 0
        self._size = 0
        self._state = _REST
        self._lrc = -1
        self._saw_track1 = False

    def _put(self, kind, what):
        if not self._queue.put((kind, what)):
            self.dropped += 1
