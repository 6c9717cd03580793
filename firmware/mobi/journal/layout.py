"""The shape of the journal on flash: kinds of records, sizes, flags (docs/journal.md)."""

from micropython import const

MAGIC = b"MoJ"
VERSION = const(1)

# Kinds of records. The number stands in the journal: never reuse one. An event of the transaction
# table has 16 + its number.
INTENT = const(1)
CARRIED = const(2)  # a transaction taken along out of a sector that is going to be erased
NOTE = const(3)
TRACE = const(4)
STAGE = const(5)
SETTLE = const(6)
FLOOR = const(7)
RETIRE = const(8)
BATCH = const(9)
SEAL = const(10)
RESUME = const(11)
NOTE_COPY = const(12)  # a note taken along out of a sector that is going to be erased
EVENT = const(16)
LAST_KIND = const(27)

FRAME = const(6)  # two bytes of kind and length, four of CRC
PAYLOAD_MAX = const(480)
# A record up to this size does not cross a page bound: one page program instead of two.
SMALL = const(32)

# The first part of a head: read of every sector at start-up.
A_FIXED = const(41)
A_MAX = const(64)
TOUCHES_IN_HEAD = const(4)
BY_MOUNT = const(1)
PREVIOUS_RESUMED = const(2)
PREVIOUS_TOUCHED_MORE = const(4)
# In ``ends``: the sector holds RESUME records.
RESUMED = const(0x8000)
# In ``ends``: given up, but that is not durable yet: must not be erased.
LEAVING = const(0x7FFF)

RECORD = const(256)  # where in ``rec`` a record lies; the head of a new sector lies before it
DATA = const(258)

# How many intents of a sector a lookup remembers: more than 4096 bytes of usual sales have.
INTENTS_KNOWN = const(32)

SEQ_MASK = const(0xFFFFFFFF)

# How a record touches a transaction that was begun before the newest one.
TOUCH_VOIDS = const(1)
TOUCH_REFUNDS = const(2)
TOUCH_FAR = const(3)  # an event of its own, or more than one thing


class JournalError(Exception):
    """The flash region cannot take what must be written."""


class JournalFull(JournalError):
    """No room for another transaction. Settle; what has begun can still be finished."""


class Unsteady(Exception):
    """Something read well a moment ago and does not now: start-up must decide again."""


def behind(newer, older):
    """How far ``older`` is behind ``newer`` on the circle of sequence numbers (32 bits)."""
    return (newer - older) & SEQ_MASK
