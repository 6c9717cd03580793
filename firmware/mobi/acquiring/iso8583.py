"""ISO 8583 as bank card terminals in China speak it: TPDU, header, MTI, 64 fields, numbers in BCD.

    TPDU      5 bytes   60, destination (2), source (2)
    header    6 bytes   12 BCD digits; the sixth is the host's processing demand (处理要求)
    MTI       2 bytes   BCD
    bitmap    8 bytes   bit n (from 1, highest first) says that field n is there; bit 1 is not used
    fields              in ascending order

``Packer`` writes into one fixed buffer; ``Message`` finds the fields of a received message in
place. Every malformed message ends in ``BadMessage`` with the field and what is wrong with it.
What is tolerated stands in docs/protocol.md, section 8; the host's codec tolerates the same.
"""

from array import array
from binascii import hexlify, unhexlify

import micropython
from micropython import const

LIMIT = const(1024)  # bytes of the longest message
ENVELOPE = const(11)  # TPDU and header
MAC_FIELD = const(64)

# How a field is written. Lengths of numbers count digits, of the others bytes.
NUMBER = const(0)  # BCD, filled with zeros on the left
LEFT = const(1)  # BCD of an odd number of digits, a zero nibble behind them
RIGHT = const(2)  # the same, the zero nibble before them
TEXT = const(3)  # ASCII, filled with spaces on the right
BINARY = const(4)
LL_NUMBER = const(5)  # one BCD byte of length, BCD from the left, odd ones padded with 0
LL_TRACK = const(6)  # the same with D for the separator "="; it may be encrypted
LL_BYTES = const(7)  # one BCD byte of length, bytes
LLL_NUMBER = const(8)  # two BCD bytes of length; otherwise as above
LLL_TRACK = const(9)
LLL_BYTES = const(10)

# Field, how it is written, its length or the longest one it may have.
FIELDS = (
    (2, LL_NUMBER, 19),  # card number (主账号)
    (3, NUMBER, 6),  # processing code (处理码)
    (4, NUMBER, 12),  # amount in 分
    (11, NUMBER, 6),  # trace (流水号)
    (12, NUMBER, 6),  # time hhmmss
    (13, NUMBER, 4),  # date MMDD
    (14, NUMBER, 4),  # expiry YYMM
    (15, NUMBER, 4),  # settlement date MMDD
    (22, LEFT, 3),  # entry mode (输入方式)
    (23, RIGHT, 3),  # card sequence number
    (25, NUMBER, 2),  # condition code
    (26, NUMBER, 2),  # longest PIN
    (32, LL_NUMBER, 11),  # acquirer
    (35, LL_TRACK, 37),  # track 2
    (36, LLL_TRACK, 104),  # track 3
    (37, TEXT, 12),  # reference number (参考号)
    (38, TEXT, 6),  # authorisation code (授权码)
    (39, TEXT, 2),  # response code (应答码), or the reason of a reversal
    (41, TEXT, 8),  # terminal (终端号)
    (42, TEXT, 15),  # merchant (商户号)
    (44, LL_BYTES, 25),  # issuer and acquirer, 11 ASCII characters each
    (48, LLL_NUMBER, 322),  # totals, batch details
    (49, TEXT, 3),  # currency
    (52, BINARY, 8),  # encrypted PIN block
    (53, NUMBER, 16),  # security control
    (54, LLL_BYTES, 20),  # balance
    (55, LLL_BYTES, 255),  # chip data
    (60, LLL_NUMBER, 19),  # type, batch, network code, ...
    (61, LLL_NUMBER, 29),  # original batch, trace, date
    (62, LLL_BYTES, 512),  # keys, parameters
    (63, LLL_BYTES, 163),  # operator; texts of the reply in GBK
    (64, BINARY, 8),  # MAC
)

# Fields of ISO 8583 that this message set does not use: a host may send them all the same. They
# are passed over without a look at what is in them. A field in neither table has no place whose
# width everybody agrees on.
SKIPPED = (
    (5, NUMBER, 12),
    (6, NUMBER, 12),
    (7, NUMBER, 10),
    (8, NUMBER, 8),
    (9, NUMBER, 8),
    (10, NUMBER, 8),
    (16, NUMBER, 4),
    (17, NUMBER, 4),
    (18, NUMBER, 4),
    (19, RIGHT, 3),
    (20, RIGHT, 3),
    (21, RIGHT, 3),
    (24, RIGHT, 3),
    (27, RIGHT, 1),
    (33, LL_NUMBER, 11),
    (40, TEXT, 3),
    (43, TEXT, 40),
    (45, LL_BYTES, 76),
    (46, LLL_BYTES, 999),
    (47, LLL_BYTES, 999),
    (50, TEXT, 3),
    (51, TEXT, 3),
    (56, LLL_BYTES, 999),
    (57, LLL_BYTES, 999),
    (58, LLL_BYTES, 999),
    (59, LLL_BYTES, 999),
)

# What is wrong with a message.
SHORT = "short"  # it ends inside the field
LENGTH = "length"  # a length that is no number or longer than the field may be
DIGIT = "digit"  # something else than a digit in a number
CHARACTER = "character"  # not printable ASCII in a text
UNKNOWN = "unknown"  # a field outside of both tables
BITMAP = "bitmap"  # a second bitmap is announced
TPDU = "tpdu"  # it does not begin with 60
TRAILING = "trailing"  # bytes behind the last field
ROOM = "room"  # the message to send gets too long
ORDER = "order"  # fields to send are not in ascending order
MISSING = "missing"  # a field to send has no value


class BadMessage(Exception):
    """The message breaks the format. ``field``: where, 0 for what stands before the fields;
    ``reason``: one of the constants above."""

    code = "L5"  # codes.GARBLED

    def __init__(self, field, reason):
        super().__init__("F%d: %s" % (field, reason))
        self.field = field
        self.reason = reason


_PASS = const(128)  # the row is one of SKIPPED


def _rows():
    # Field number -> row of FIELDS + 1, or of SKIPPED + _PASS.
    rows = bytearray(65)
    for i in range(len(FIELDS)):
        rows[FIELDS[i][0]] = i + 1
    for i in range(len(SKIPPED)):
        rows[SKIPPED[i][0]] = i + _PASS
    return bytes(rows)


_ROWS = _rows()


def _row(field):
    row = _ROWS[field] if 0 < field < 65 else 0
    if not row or row >= _PASS:
        raise BadMessage(field, UNKNOWN)
    return FIELDS[row - 1]


def ptr8(data):
    """Under viper: raw bytes of ``data``. In plain Python: ``data`` itself."""
    return data


@micropython.viper
def _digits_good(data: ptr8, at: int, nibbles: int) -> int:
    # 1 when the nibbles are digits.
    i = 0
    while i < nibbles:
        nibble = int(data[at + (i >> 1)])
        if i & 1 == 0:
            nibble >>= 4
        nibble &= 15
        if nibble > 9:
            return 0
        i += 1
    return 1


@micropython.viper
def _printable(data: ptr8, at: int, size: int) -> int:
    end = at + size
    while at < end:
        if int(data[at]) < 32 or int(data[at]) > 126:
            return 0
        at += 1
    return 1


class Packer:
    """Builds one message at a time in a fixed buffer."""

    def __init__(self):
        self._buffer = bytearray(LIMIT)
        self._view = memoryview(self._buffer)
        self._size = 0
        self._last = 0

    def begin(self, tpdu, header, mti):
        """``tpdu`` 5 bytes, ``header`` 6 bytes, ``mti`` 4 digits."""
        buffer = self._buffer
        buffer[0:5] = tpdu
        buffer[5:11] = header
        buffer[11:13] = unhexlify(mti)
        for i in range(13, 21):
            buffer[i] = 0
        self._size = 21
        self._last = 1

    def put(self, field, value):
        """Append ``field``. ``value``: an int or a string of digits for numbers, a string for
        texts, bytes-like for the rest (a string there is ASCII)."""
        _, kind, limit = _row(field)
        if field <= self._last:
            raise BadMessage(field, ORDER)
        if kind >= LL_NUMBER:
            self._put_long(field, kind, limit, value)
        elif kind == BINARY:
            if len(value) != limit:
                raise BadMessage(field, LENGTH)
            self._append(field, value)
        elif kind == TEXT:
            if len(value) > limit:
                raise BadMessage(field, LENGTH)
            data = (value + " " * (limit - len(value))).encode()
            if not _printable(data, 0, len(data)):
                raise BadMessage(field, CHARACTER)
            self._append(field, data)
        else:
            text = str(value)
            if kind == NUMBER and len(text) < limit:
                text = "0" * (limit - len(text)) + text
            if len(text) != limit:
                raise BadMessage(field, LENGTH)
            if kind == LEFT:
                text = text + "0"
            elif kind == RIGHT:
                text = "0" + text
            self._append(field, _bcd(field, text))
        self._last = field
        self._buffer[12 + (field + 7) // 8] |= 0x80 >> ((field - 1) & 7)

    def _put_long(self, field, kind, limit, value):
        size = len(value)
        if not 0 < size <= limit:
            raise BadMessage(field, LENGTH)
        if kind in (LL_BYTES, LLL_BYTES):
            data = value.encode() if isinstance(value, str) else value
        else:
            track = kind in (LL_TRACK, LLL_TRACK)
            text = value.replace("=", "D") if track else value
            data = _bcd(field, text + "0" if size % 2 else text, track)
        length = ("%02d" if kind < LLL_NUMBER else "%04d") % size
        self._append(field, unhexlify(length))
        self._append(field, data)

    def _append(self, field, data):
        end = self._size + len(data)
        if end > LIMIT:
            raise BadMessage(field, ROOM)
        self._buffer[self._size : end] = data
        self._size = end

    def end(self, mac=None):
        """The finished message, valid until the next ``begin``.

        ``mac(data)`` gives the 8 bytes of field 64 for MTI to the last field before it.
        """
        if mac is not None:
            self._buffer[20] |= 1
            self._append(MAC_FIELD, mac(self._view[ENVELOPE : self._size]))
        return self._view[: self._size]


def _bcd(field, text, track=False):
    digits = text.replace("D", "0") if track else text
    if not digits.isdigit():
        raise BadMessage(field, DIGIT)
    try:
        return unhexlify(text)
    except ValueError:  # digits of other scripts, which CPython counts as such
        raise BadMessage(field, DIGIT)


class Message:
    """Finds the fields of a received message, without copying it."""

    def __init__(self):
        self._data = None
        self._at = array("H", bytes(130))
        self._size = array("H", bytes(130))
        self.mti = ""  # four digits
        self.demand = 0  # processing demand of the header, 0 to 15
        self.body_end = 0  # where field 64 begins, or the message ends

    def parse(self, data):
        """Take ``data`` (bytes-like) apart; it must stay unchanged while fields are read.

        Raises ``BadMessage``; fields before the bad one can be read then.
        """
        sizes = self._size
        for field in range(65):
            sizes[field] = 0
        self._data = data
        self.mti = ""
        end = len(data)
        if end < ENVELOPE + 10:
            raise BadMessage(0, SHORT)
        if end > LIMIT:
            raise BadMessage(0, LENGTH)
        if data[0] != 0x60:
            raise BadMessage(0, TPDU)
        self.demand = data[7] & 15
        if not _digits_good(data, ENVELOPE, 4):
            raise BadMessage(0, DIGIT)
        self.mti = hexlify(data[ENVELOPE : ENVELOPE + 2]).decode()
        if data[13] & 0x80:
            raise BadMessage(1, BITMAP)
        at = 21
        self.body_end = end
        for field in range(2, 65):
            if data[12 + (field + 7) // 8] & (0x80 >> ((field - 1) & 7)):
                if field == MAC_FIELD:
                    self.body_end = at
                at = self._find(data, field, at, end)
        if at != end:
            raise BadMessage(0, TRAILING)

    def _find(self, data, field, at, end):
        row = _ROWS[field]
        passed = row >= _PASS
        _, kind, size = SKIPPED[row - _PASS] if passed else _row(field)
        if kind >= LL_NUMBER:
            prefix = 1 if kind < LLL_NUMBER else 2
            if at + prefix > end:
                raise BadMessage(field, SHORT)
            if not _digits_good(data, at, 2 * prefix):
                raise BadMessage(field, LENGTH)
            length = 0
            for _ in range(prefix):
                length = length * 100 + (data[at] >> 4) * 10 + (data[at] & 15)
                at += 1
            if length > size:
                raise BadMessage(field, LENGTH)
            size = length
        if kind in (TEXT, BINARY, LL_BYTES, LLL_BYTES):
            nbytes = size
        else:
            nbytes = (size + 1) // 2
        if at + nbytes > end:
            raise BadMessage(field, SHORT)
        if passed:
            return at + nbytes
        if kind == TEXT:
            if not _printable(data, at, size):
                raise BadMessage(field, CHARACTER)
        elif kind == RIGHT:
            if data[at] & 15 > 9 or not _digits_good(data, at + 1, size - 1):
                raise BadMessage(field, DIGIT)
        elif kind not in (BINARY, LL_BYTES, LLL_BYTES, LL_TRACK, LLL_TRACK):
            if not _digits_good(data, at, size):
                raise BadMessage(field, DIGIT)
        self._at[field] = at
        # An empty field of variable length is as good as none: 0 says both.
        self._size[field] = size
        return at + nbytes

    def has(self, field):
        """Is the field there, and not empty?"""
        return self._size[field] != 0

    def raw(self, field):
        """The bytes of the field as they stand in the message; empty when it is not there."""
        size = self._size[field]
        if not size:
            return b""
        kind = _row(field)[1]
        if kind not in (TEXT, BINARY, LL_BYTES, LLL_BYTES):
            size = (size + 1) // 2
        at = self._at[field]
        return self._data[at : at + size]

    def digits(self, field):
        """A field of digits as text ("=" for the separator of a track); "" when not there."""
        size = self._size[field]
        if not size:
            return ""
        text = hexlify(self.raw(field)).decode()
        if _row(field)[1] == RIGHT:
            return text[1:]
        return text[:size].replace("d", "=")

    def text(self, field):
        """A text field without the spaces behind it; "" when not there."""
        return str(bytes(self.raw(field)), "ascii").rstrip(" ") if self._size[field] else ""

    def body(self):
        """What the MAC covers: from the MTI to the field before field 64."""
        return self._data[ENVELOPE : self.body_end]
