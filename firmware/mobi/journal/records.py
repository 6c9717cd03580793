"""How a transaction is written in the journal and read back. docs/journal.md gives every bit.

All numbers are little-endian. Digits are packed two to a byte. What a transaction does not have
takes no room: a mask of options says what follows. Nothing here touches flash.
"""

import struct
from binascii import hexlify, unhexlify

from micropython import const

# Options of an intent.
_PAN = const(1)
_ORIGINAL = const(2)
_ORIGINAL_RRN = const(4)
_ORIGINAL_RRN_TEXT = const(8)
_ORIGINAL_DATE = const(16)
_ORIGINAL_AUTH = const(32)
_EXTRA = const(64)

# Options of an outcome.
_RRN = const(1)
_RRN_TEXT = const(2)
_AUTH = const(4)
_HOST_TIME = const(8)
_SETTLE_DATE = const(16)
_INSTITUTIONS = const(32)
_HOST_TEXT = const(64)
_PARTIAL = const(128)
_TARGET = const(256)

# The fixed part of an intent: ordinal and kind, trace and operator, batch and supervisor, amount,
# time, amount above 32 bits, note, length of the card number, field 22, options, 6 + 4 digits.
_FIXED = "<IIIIIBBBHH5s"
_STARS = "*********"

EXTRA_MAX = const(160)
INSTITUTIONS_MAX = const(25)
HOST_TEXT_MAX = const(120)
INTENT_MAX = const(32 + 16 + 6 + 12 + 2 + 6 + 1 + 160)
OUTCOME_MAX = const(4 + 12 + 6 + 5 + 2 + 26 + 121 + 5 + 3)


def put24(buf, at, value):
    """Write 24 bits."""
    buf[at] = value & 255
    buf[at + 1] = value >> 8 & 255
    buf[at + 2] = value >> 16 & 255


def get24(buf, at):
    """Read 24 bits."""
    return buf[at] | buf[at + 1] << 8 | buf[at + 2] << 16


def put_time(buf, at, value):
    """Write a time: 32 bits, seconds since 2000."""
    buf[at : at + 4] = (value & 0xFFFFFFFF).to_bytes(4, "little")


def get_number(buf, at, size):
    """Read a number of ``size`` bytes."""
    return int.from_bytes(buf[at : at + size], "little")


def text(value, size):
    """``value`` as ``size`` bytes, blanks behind it."""
    # Exactly ``size`` characters a receipt can carry.
    data = value.encode()
    if len(data) == size:
        return data
    out = bytearray(b" " * size)
    for i in range(min(len(value), size)):
        c = ord(value[i])
        out[i] = c if 32 <= c < 127 else 63
    return out


def _string(buf, at, size):
    return str(buf[at : at + size], "ascii")


def _digits(buf, at, size):
    return str(hexlify(buf[at : at + size]), "ascii")


def packed_rrn(rrn):
    """A reference number as it stands in an outcome."""
    return unhexlify(rrn) if _packs(rrn, 12) else bytes(text(rrn, 12))


def rrn_option(rrn):
    """The option that says how it stands there."""
    return _RRN if _packs(rrn, 12) else _RRN_TEXT


def _packs(value, size):
    return len(value) == size and value.isdigit()


def glance(buf, at):
    """(ordinal, kind, trace, amount, time) of an intent."""
    a, b, _, low, time, high = struct.unpack_from("<IIIIIB", buf, at)
    return a & 0xFFFFFF, a >> 24, b & 0xFFFFFF, low | high << 32, time


# -- the intent ----------------------------------------------------------------------------------


def put_intent(buf, at, txn, cipher):
    """Write what ``begin`` must make durable; the end. ``cipher`` takes the card number."""
    options = 0
    shown = txn.pan or txn.masked_pan
    size = len(shown)
    if size < 13 or size > 19:
        size = 0  # not a card number; nothing of it is kept
    entry = int(txn.entry) if txn.entry.isdigit() else 0
    end = at + 32
    if size and txn.pan:
        options |= _PAN
        block = bytearray(16)
        block[0] = size
        block[1:11] = unhexlify(txn.pan + "f" * (20 - size))
        # Trace and batch make equal card numbers look different, and tell a wrong key.
        put24(block, 11, txn.trace)
        block[14] = txn.batch & 255
        block[15] = txn.batch >> 8 & 255
        buf[end : end + 16] = cipher.encrypt(block)
        end += 16
    if txn.original_trace or txn.original_batch:
        options |= _ORIGINAL
        put24(buf, end, txn.original_trace)
        put24(buf, end + 3, txn.original_batch)
        end += 6
    if txn.original_rrn:
        if _packs(txn.original_rrn, 12):
            options |= _ORIGINAL_RRN
            buf[end : end + 6] = unhexlify(txn.original_rrn)
            end += 6
        else:
            options |= _ORIGINAL_RRN_TEXT
            buf[end : end + 12] = text(txn.original_rrn, 12)
            end += 12
    if _packs(txn.original_date, 4):
        options |= _ORIGINAL_DATE
        buf[end : end + 2] = unhexlify(txn.original_date)
        end += 2
    if txn.original_auth:
        options |= _ORIGINAL_AUTH
        buf[end : end + 6] = text(txn.original_auth, 6)
        end += 6
    if txn.extra:
        options |= _EXTRA
        end = _put_bytes(buf, end, txn.extra, EXTRA_MAX)
    struct.pack_into(
        _FIXED,
        buf,
        at,
        txn.ordinal | txn.kind << 24,
        txn.trace | txn.operator << 24,
        txn.batch | txn.supervisor << 24,
        txn.amount & 0xFFFFFFFF,
        txn.time & 0xFFFFFFFF,
        txn.amount >> 32,
        txn.note,
        size,
        entry,
        options,
        unhexlify(shown[:6] + shown[-4:]) if size else b"",
    )
    return end


def get_intent(buf, at, txn, cipher):
    """Fill ``txn`` from an intent; the end."""
    a, b, c, low, txn.time, high, txn.note, size, entry, options, shown = struct.unpack_from(
        _FIXED, buf, at
    )
    txn.ordinal = a & 0xFFFFFF
    txn.kind = a >> 24
    txn.trace = b & 0xFFFFFF
    txn.operator = b >> 24
    txn.batch = c & 0xFFFFFF
    txn.supervisor = c >> 24
    txn.amount = low | high << 32
    txn.entry = "%03d" % entry
    if size:
        shown = str(hexlify(shown), "ascii")
        txn.masked_pan = shown[:6] + _STARS[: size - 10] + shown[6:]
    end = at + 32
    if options & _PAN:
        block = cipher.decrypt(buf[end : end + 16])
        # With a key that was deleted since, the number is gone and stays "".
        if block is not None and block[0] == size and get24(block, 11) == txn.trace:
            txn.pan = _digits(block, 1, 10)[:size]
        end += 16
    if options & _ORIGINAL:
        txn.original_trace = get24(buf, end)
        txn.original_batch = get24(buf, end + 3)
        end += 6
    if options & _ORIGINAL_RRN:
        txn.original_rrn = _digits(buf, end, 6)
        end += 6
    if options & _ORIGINAL_RRN_TEXT:
        txn.original_rrn = _string(buf, end, 12)
        end += 12
    if options & _ORIGINAL_DATE:
        txn.original_date = _digits(buf, end, 2)
        end += 2
    if options & _ORIGINAL_AUTH:
        txn.original_auth = _string(buf, end, 6)
        end += 6
    if options & _EXTRA:
        txn.extra = bytes(buf[end + 1 : end + 1 + buf[end]])
        end += 1 + buf[end]
    return end


def _put_bytes(buf, at, data, most):
    size = min(len(data), most)
    buf[at] = size
    buf[at + 1 : at + 1 + size] = data[:size]
    return at + 1 + size


# -- the outcome ---------------------------------------------------------------------------------


def put_outcome(buf, at, txn, target):
    """Write what the host said; the end. ``target``: ordinal of the original it undoes, or None."""
    options = 0
    buf[at + 2 : at + 4] = text(txn.code, 2)
    end = at + 4
    if txn.rrn:
        if _packs(txn.rrn, 12):
            options |= _RRN
            buf[end : end + 6] = unhexlify(txn.rrn)
            end += 6
        else:
            options |= _RRN_TEXT
            buf[end : end + 12] = text(txn.rrn, 12)
            end += 12
    if txn.auth:
        options |= _AUTH
        buf[end : end + 6] = text(txn.auth, 6)
        end += 6
    if _packs(txn.host_time, 10):
        options |= _HOST_TIME
        buf[end : end + 5] = unhexlify(txn.host_time)
        end += 5
    if _packs(txn.settle_date, 4):
        options |= _SETTLE_DATE
        buf[end : end + 2] = unhexlify(txn.settle_date)
        end += 2
    if txn.institutions:
        options |= _INSTITUTIONS
        end = _put_bytes(buf, end, txn.institutions, INSTITUTIONS_MAX)
    if txn.host_text:
        options |= _HOST_TEXT
        end = _put_bytes(buf, end, txn.host_text, HOST_TEXT_MAX)
    if txn.approved_amount is not None:
        options |= _PARTIAL
        buf[end : end + 5] = txn.approved_amount.to_bytes(5, "little")
        end += 5
    if target is not None:
        options |= _TARGET
        put24(buf, end, target)
        end += 3
    buf[at] = options & 255
    buf[at + 1] = options >> 8
    return end


def get_outcome(buf, at, txn):
    """Fill ``txn`` from an outcome; the end."""
    options = buf[at] | buf[at + 1] << 8
    txn.code = _string(buf, at + 2, 2).strip()
    end = at + 4
    if options & _RRN:
        txn.rrn = _digits(buf, end, 6)
        end += 6
    if options & _RRN_TEXT:
        txn.rrn = _string(buf, end, 12)
        end += 12
    if options & _AUTH:
        txn.auth = _string(buf, end, 6)
        end += 6
    if options & _HOST_TIME:
        txn.host_time = _digits(buf, end, 5)
        end += 5
    if options & _SETTLE_DATE:
        txn.settle_date = _digits(buf, end, 2)
        end += 2
    if options & _INSTITUTIONS:
        txn.institutions = bytes(buf[end + 1 : end + 1 + buf[end]])
        end += 1 + buf[end]
    if options & _HOST_TEXT:
        txn.host_text = bytes(buf[end + 1 : end + 1 + buf[end]])
        end += 1 + buf[end]
    if options & _PARTIAL:
        txn.approved_amount = get_number(buf, end, 5)
        end += 5
    if options & _TARGET:
        end += 3
    return end


def outcome_amount(buf, at, end):
    """The amount of a partial approval in an outcome; None when it is for the whole amount."""
    options = buf[at] | buf[at + 1] << 8
    if not options & _PARTIAL:
        return None
    return get_number(buf, end - (8 if options & _TARGET else 5), 5)


def outcome_target(buf, at, end):
    """The ordinal of the original that an outcome undoes; None when it undoes none here."""
    return get24(buf, end - 3) if buf[at + 1] & _TARGET >> 8 else None
