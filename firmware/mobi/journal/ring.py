"""A log of checked records in a ring of flash sectors: what survives what, and in which order.

The layer below ``log.Journal``: it knows sectors, heads and records, but not what a record means.
docs/journal.md describes the format to the bit and why each rule is there. In short:

* A sector begins with a head: who it is (sequence, incarnation) and a checkpoint of everything a
  start-up needs. Heads are written together with the first record of the sector.
* A record is closed by a CRC-32 that also covers the sector's sequence, the incarnation and the
  place, so that nothing old or misplaced is ever taken for a record.
* Every start-up writes one RESUME record that says which record is the last one and holds a copy
  of it. From then on it does not matter how the cells the last power cut hit are read.
* A sector that a start-up made counts only once a second record (SEAL) stands behind its head;
  until then the sector it was made from is untouched.
* An operation that does not read back retires the sector; what was to be written goes elsewhere.
"""

import struct
from array import array
from binascii import crc32

from micropython import const

from mobi.journal.medium import PAGE, SECTOR, Medium
from mobi.journal.records import get24, put24

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
_LAST_KIND = const(26)

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
_LEAVING = const(0x7FFF)

RECORD = const(256)  # where in ``rec`` a record lies; the head of a new sector lies before it
DATA = const(258)

_SEQ_MASK = const(0xFFFFFFFF)


class JournalError(Exception):
    """The flash region cannot take what must be written."""


class JournalFull(JournalError):
    """No room for another transaction. Settle; what has begun can still be finished."""


class Unsteady(Exception):
    """Something read well a moment ago and does not now: start-up must decide again."""


def behind(newer, older):
    """How far ``older`` is behind ``newer`` on the circle of sequence numbers (32 bits)."""
    return (newer - older) & _SEQ_MASK


class Ring:
    """The log. ``Journal`` extends it and gives the records their meaning.

    It overrides ``_reset``, ``_apply``, ``_save``, ``_saved_size``, ``_restore``, ``_moved``,
    ``_mark_touch``, ``_clear_marks``, ``_collect_touches``, ``_may_drop``, ``_nothing_to_carry``
    and ``_superseded``.
    """

    def __init__(self, flash, unit):
        self.medium = Medium(flash, unit)
        n = self.sectors = self.medium.sectors
        if not 4 <= n <= 256:
            raise ValueError("a journal has 4 to 256 sectors")
        # Sectors that hold the log, oldest first.
        self.chain = bytearray(n)
        self.length = 0
        # By sector: where its records end (0: not in the chain) and whether RESUMEs are among them.
        self.ends = array("H", bytes(2 * n))
        # By sector: the next ordinal and the next trace when it was entered.
        self.firsts = array("I", bytes(4 * n))
        self.traces = array("I", bytes(4 * n))
        self.bad = bytearray(n + 7 >> 3)
        self.rec = bytearray(RECORD + 2 + PAYLOAD_MAX + 16 + 4)
        self.view = memoryview(self.rec)
        self._four = bytearray(4)
        self.head = 0
        self.off = 0
        self.seq = 0
        self.inc = 0
        self.wear = 0
        self.floor = 0
        self._seed = 0
        # A sector that is erased and checked: the next head. -1: none.
        self._ready = -1
        self._ready_wear = 0
        # Erases of the sector that comes after the head, or of one that was never used.
        self._next_wear = 0
        # A sector that is erased and being checked; -1: none. And how many pages of it are.
        self._erasing = -1
        self._erased_pages = 0
        # During start-up: the sequence of every sector that has a head.
        self._seqs = None
        # The sector before the head.
        self._previous = -1
        # Transactions of older sectors that records of the head sector change: (ordinal, how).
        self.touches = []
        # Set by ``_walk`` for the record it yields.
        self.w_kind = 0
        self.w_len = 0
        self.w_at = 0  # where its payload begins in the sector
        self._w_sector = 0
        self._w_off = 0  # the record, or the RESUME whose copy it is
        self._w_len = 0  # payload of that record
        self._w_seed = 0
        self._w_from = 0
        # What start-up and checks found.
        self.damage = []
        self.repaired = 0
        # Nothing could be written at start-up: what is there can only be read.
        self.read_only = False
        # Next ordinal, next trace and batch: in every head. ``Journal`` moves them.
        self.ordinal = 0
        self.next_trace = 1
        self.batch = 1

    # -- geometry ------------------------------------------------------------------------------

    def is_bad(self, sector):
        """Was this sector retired?"""
        return self.bad[sector >> 3] >> (sector & 7) & 1

    def _set_bad(self, sector):
        self.bad[sector >> 3] |= 1 << (sector & 7)

    def bad_sectors(self):
        """The retired sectors."""
        return [s for s in range(self.sectors) if self.is_bad(s)]

    def _dead(self):
        # How many sectors hold nothing that counts and can be used.
        count = 0
        for s in range(self.sectors):
            if not self.ends[s] and not self.is_bad(s):
                count += 1
        return count

    def _pick(self, after):
        # The next sector that can be used, going round from ``after``; -1: none.
        n = self.sectors
        for k in range(1, n + 1):
            s = (after + k) % n
            if not self.ends[s] and not self.is_bad(s):
                return s
        return -1

    def place_of(self, sector):
        """Where in the chain a sector is; -1: nowhere."""
        for i in range(self.length):
            if self.chain[i] == sector:
                return i
        return -1

    def _sector_end(self, sector):
        return self.off if sector == self.head else self.ends[sector] & 0x7FFF

    # -- reading records -----------------------------------------------------------------------

    def _head_info(self, sector):
        # (where records begin, the CRC seed of the first incarnation, sequence) of a chain sector.
        info = bytearray(16)
        view = memoryview(info)
        if not self.medium.read(sector, 0, view):
            return SECTOR, 0, 0
        return info[4] + info[5], crc32(view[8:]), struct.unpack_from("<I", info, 8)[0]

    def _load(self, sector, off, size, seed):
        # The record with ``size`` bytes of payload into ``rec``. Is it whole?
        end = DATA + size
        if size > PAYLOAD_MAX + 16:
            return False
        i = off & 255
        if i + FRAME + size <= PAGE and self.medium.held == sector << 4 | off >> 8:
            self.view[RECORD : end + 4] = self.medium.view[i : i + FRAME + size]
        elif not self.medium.read(sector, off, self.view[RECORD : end + 4]):
            return False
        stored = struct.unpack_from("<I", self.rec, end)[0]
        return crc32(self.view[RECORD:end], seed ^ off) == stored

    def _payload(self):
        # The payload of the record ``_walk`` is at, checked; None when it is damaged.
        if not self._load(self._w_sector, self._w_off, self._w_len, self._w_seed):
            self._damaged(self._w_sector, self._w_off)
            return None
        skip = self.w_at - self._w_off - 2
        return self.view[DATA + skip : DATA + skip + self.w_len]

    def _loaded(self):
        # The same when ``_walk`` verifies: it has just loaded it.
        skip = self.w_at - self._w_off - 2
        return self.view[DATA + skip : DATA + skip + self.w_len]

    def _word(self):
        # The first 24 bits of the payload ``_walk`` is at, not checked: to choose records by.
        i = self.w_at & 255
        if i <= 253 and self.medium.held == self._w_sector << 4 | self.w_at >> 8:
            return get24(self.medium.page, i)
        if not self.medium.read(self._w_sector, self.w_at, self._four):
            return -1
        return get24(self._four, 0)

    def _damaged(self, sector, off):
        if (sector, off) not in self.damage and len(self.damage) < 32:
            self.damage.append((sector, off))

    def _segments(self, sector, end):
        # The stretches of a sector that count: [(begin, end, seed, begins with a RESUME)].
        begin, seed, seq = self._head_info(sector)
        if not self.ends[sector] & RESUMED:
            return ((begin, end, seed, False),)
        found = []
        for off in range(PAGE + 1, end, PAGE):
            resume = self._resume_at(sector, off, seq)
            if resume is not None:
                found.append(resume)
        out = []
        for off, start, seed_there in reversed(found):
            if off < end:
                out.append((off, end, seed_there, True))
                end = start
        if begin < end:
            out.append((begin, end, seed, False))
        out.reverse()
        return out

    def _resume_at(self, sector, off, seq):
        # A RESUME at ``off``: (off, what it replaces from, seed behind it), or None.
        head = self._four
        if not self.medium.read(sector, off, head) or head[0] & 31 != RESUME:
            return None
        size = head[0] >> 5 << 8 | head[1]
        if size < 6 or size > PAYLOAD_MAX + 16 or off + FRAME + size > SECTOR:
            return None
        stamp = bytearray(8)
        if not self.medium.read(sector, off + 2, memoryview(stamp)[4:]):
            return None
        struct.pack_into("<I", stamp, 0, seq)
        seed = crc32(stamp)
        if not self._load(sector, off, size, seed):
            return None
        return off, self.rec[DATA + 4] | self.rec[DATA + 5] << 8, seed

    def _walk(self, sector, begin, end, verify):
        """Yield the place of every record of ``sector`` from ``begin`` on that counts.

        ``w_kind``, ``w_len`` and ``w_at`` describe it until the next step. ``verify``: only records
        whose CRC is right; others are searched for behind what is not a record.
        """
        medium = self.medium
        page = medium.page
        for start, stop, seed, resumed in self._segments(sector, end):
            if stop <= begin:
                continue
            off = start if start > begin else begin
            while off + FRAME <= stop:
                if not medium.hold(sector, off >> 8):
                    self._damaged(sector, off)
                    return
                first = page[off & 255]
                if first == 0xFF:  # nothing more in this page
                    off = (off | 255) + 1
                    continue
                if off & 255 == 255:
                    medium.hold(sector, (off >> 8) + 1)
                    size = first >> 5 << 8 | page[0]
                else:
                    size = first >> 5 << 8 | page[(off & 255) + 1]
                kind = first & 31
                whole = 0 < kind <= _LAST_KIND and off + FRAME + size <= stop
                if whole and verify:
                    whole = self._load(sector, off, size, seed) and self.rec[RECORD] == first
                if not whole:
                    if resumed and off == start:
                        raise Unsteady(off)
                    off = self._resync(sector, off, stop, seed, verify)
                    continue
                self._w_sector = sector
                self._w_off = off
                self._w_len = size
                self._w_seed = seed
                here = off
                off += FRAME + size
                if kind == RESUME:
                    if not resumed or here != start or size < 8:
                        continue
                    copy = self._four
                    if verify:
                        copy[:] = self.view[DATA + 4 : DATA + 8]  # as it was when it was checked
                    elif not medium.read(sector, here + 6, copy):
                        continue
                    self.w_kind = copy[2] & 31
                    self.w_len = copy[2] >> 5 << 8 | copy[3]
                    self.w_at = here + 10
                    self._w_from = copy[0] | copy[1] << 8
                    if self.w_len != size - 8:
                        continue
                else:
                    self.w_kind = kind
                    self.w_len = size
                    self.w_at = here + 2
                    self._w_from = here
                yield here

    def _resync(self, sector, off, stop, seed, verify):
        # Behind something that is not a record: the next that is, or ``stop``.
        bad = off
        medium = self.medium
        page = medium.page
        off += 1
        while off + FRAME <= stop:
            if not medium.hold(sector, off >> 8):
                break
            first = page[off & 255]
            if first != 0xFF and 0 < first & 31 <= _LAST_KIND:
                if not medium.read(sector, off, self._four):
                    break
                size = first >> 5 << 8 | self._four[1]
                if off + FRAME + size <= stop and self._load(sector, off, size, seed):
                    self._damaged(sector, bad)
                    return off
            off += 1
        if not verify or sector != self.head:
            self._damaged(sector, bad)
        return stop

    # -- writing records -----------------------------------------------------------------------

    def _place(self, total):
        # Where in the head sector a record of ``total`` bytes goes.
        off = self.off
        if total <= SMALL and (off & 255) + total > PAGE:
            return (off | 255) + 1
        return off

    def _close(self, kind, size, off, seed):
        # Complete the record whose payload is in ``rec``; its length with frame.
        rec = self.rec
        rec[RECORD] = size >> 8 << 5 | kind
        rec[RECORD + 1] = size & 255
        end = DATA + size
        struct.pack_into("<I", rec, end, crc32(self.view[RECORD:end], seed ^ off))
        return FRAME + size

    def _append(self, kind, size):
        """Make the record with ``size`` bytes of payload in ``rec`` durable, then apply it."""
        if self.read_only:
            raise JournalFull("no sector is left to write to")
        total = FRAME + size
        off = self._place(total)
        if off + total > SECTOR:
            self._enter(kind, size, 0)
            return
        self._close(kind, size, off, self._seed)
        if not self.medium.program(self.head, off, self.view[RECORD:], total):
            self._retire(self.head)
            self._enter(kind, size, 0)
            return
        self.off = off + total
        self._apply(kind, self.view[DATA : DATA + size], self.head, off)

    def _retire(self, sector):
        # Never use it again. The next head says so; what it holds stays readable.
        self._set_bad(sector)
        if sector == self._ready:
            self._ready = -1

    def _take(self):
        # An erased sector, erased now if none is ready; -1: there is none.
        self._erasing = -1
        if self._ready >= 0:
            sector = self._ready
            self._ready = -1
            return sector, self._ready_wear
        while True:
            sector = self._pick(self.head)
            if sector < 0:
                self._let_go()  # better one closed sector less than none at all
                sector = self._pick(self.head)
                if sector < 0:
                    return -1, 0
            wear = self._wear_of(sector) + 1
            if self.medium.erase(sector) and self._all_blank(sector):
                self._look_ahead(sector)
                return sector, wear
            self._retire(sector)

    def _all_blank(self, sector):
        for number in range(SECTOR // PAGE):
            if not self.medium.is_blank(sector, number):
                return False
        return True

    def _wear_of(self, sector):
        # Erases a sector has seen. An erased one has forgotten; the newest head remembers it.
        wear = self.head_wear(sector)
        return self._next_wear if wear is None else wear

    def _look_ahead(self, sector):
        # What the head of ``sector`` must remember of the one after it.
        following = self._pick(sector)
        if following >= 0:
            wear = self.head_wear(following)
            if wear is not None:
                self._next_wear = wear

    def head_wear(self, sector):
        """Erases that the head of ``sector`` counts; None when it has no head."""
        if not self.medium.hold(sector, 0):
            return None
        page = self.medium.page
        if bytes(page[:3]) != MAGIC or not A_FIXED + 4 <= page[4] <= A_MAX:
            return None
        end = page[4] - 4
        if crc32(self.medium.view[:end]) != struct.unpack_from("<I", page, end)[0]:
            return None
        return get24(page, 16)

    def _head_size(self):
        touches = min(len(self.touches), TOUCHES_IN_HEAD)
        return A_FIXED + 4 * touches + 4 + self._saved_size()

    def _write_head(self, at, seq, inc, wear, flags, distance, previous_end):
        # The head of a new sector into ``rec`` at ``at``, all but the end of the entry and the CRC.
        rec = self.rec
        touches = self.touches
        if len(touches) > TOUCHES_IN_HEAD:
            flags |= PREVIOUS_TOUCHED_MORE
        count = min(len(touches), TOUCHES_IN_HEAD)
        a = A_FIXED + 4 * count + 4
        rec[at : at + 3] = MAGIC
        rec[at + 3] = VERSION
        rec[at + 4] = a
        rec[at + 5] = self._saved_size()
        rec[at + 6] = flags
        rec[at + 7] = count
        struct.pack_into("<II", rec, at + 8, seq, inc)
        put24(rec, at + 16, wear)
        struct.pack_into("<HH", rec, at + 19, distance, previous_end)
        struct.pack_into("<I", rec, at + 25, self.floor)
        put24(rec, at + 29, self.ordinal)
        put24(rec, at + 32, self.next_trace)
        put24(rec, at + 35, self.batch)
        put24(rec, at + 38, self._next_wear)
        for i in range(count):
            ordinal, how = touches[i]
            put24(rec, at + A_FIXED + 4 * i, ordinal)
            rec[at + A_FIXED + 3 + 4 * i] = how
        self._save(at + a, seq)
        end = at + a + rec[at + 5] - 4
        struct.pack_into("<I", rec, end, crc32(self.view[at + a : end]))
        return a

    def _finish_head(self, at, body_end):
        rec = self.rec
        struct.pack_into("<H", rec, at + 23, body_end)
        end = at + rec[at + 4] - 4
        struct.pack_into("<I", rec, end, crc32(self.view[at:end]))

    def _enter(self, kind, size, flags, previous_end=None):
        """Go on in a new sector: its head and the record in ``rec``, in one commit."""
        self._make_room()
        if flags == 0:
            kept = bytes(self.view[DATA : DATA + size])
        if flags == 0 and self._should_rewrite(FRAME + size):
            try:
                self._rewrite(0)
            except Unsteady:
                raise JournalError("the newest sector has become unreadable: restart")
            self.view[DATA : DATA + size] = kept
            self._append(kind, size)
            return
        old = self.head
        if previous_end is None:
            previous_end = self.off
        if self.ends[old] & RESUMED:
            flags |= PREVIOUS_RESUMED
        distance = 1
        while True:
            sector, wear = self._take()
            if sector < 0:
                raise JournalFull("no erased sector is left")
            seq = self.seq + distance & _SEQ_MASK
            hl = self._head_size()
            at = RECORD - hl
            self._write_head(at, seq, self.inc, wear, flags, distance, previous_end)
            seed = crc32(self.view[at + 8 : at + 16])
            total = self._close(kind, size, hl, seed)
            self._finish_head(at, hl + total)
            if self.medium.program(sector, 0, self.view[at:], hl + total):
                break
            self._retire(sector)
            distance += 1
        self._become_head(sector, seq, seed, wear, previous_end)
        self.off = hl + total
        self._apply(kind, self.view[DATA : DATA + size], sector, hl)

    def _become_head(self, sector, seq, seed, wear, previous_end):
        old = self.head
        self.ends[old] = previous_end | self.ends[old] & RESUMED
        self.chain[self.length] = sector
        self.length += 1
        self.head = sector
        self.ends[sector] = 1
        self._previous = old
        self._let_go()
        self.seq = seq
        self._seed = seed
        self.wear = wear
        self.firsts[sector] = self.ordinal
        self.traces[sector] = self.next_trace
        self.touches = []

    def _seal(self):
        # The second record of a sector that a start-up made: only now does it count.
        self._append(SEAL, 0)

    def _should_rewrite(self, needed):
        # With a single spare sector left: is it better to write this one again without its gaps?
        if self._dead() > 1 or self._oldest_is_closed():
            return False
        end = self.off
        try:
            gain = self._superseded(self.head, end)[2]
        except Unsteady:
            return False
        last = None
        for start, stop, _, _ in self._segments(self.head, end):
            if last is not None:
                gain += start - last
            last = stop
        return gain >= 1024 + needed

    def _rewrite(self, flags):
        """Write the head sector again into a fresh one, without gaps and superseded records.

        The copies come first, the head after them, SEAL last: until then the old sector counts.
        """
        old = self.head
        place = self.length - 1
        end = self.off
        seen, superseded, _ = self._superseded(old, end)
        info = self._read_head(old)
        if info is None:
            raise Unsteady(0)
        old_seq = self.seq
        distance = 1
        while True:
            sector, wear = self._take()
            if sector < 0:
                raise JournalFull("no erased sector is left")
            seq = old_seq + distance & _SEQ_MASK
            if not self._load_checkpoint(info):
                raise Unsteady(0)
            back = info[19] | info[20] << 8
            if back:
                back += distance
            self.inc += 1
            hl = self._head_size()
            at = RECORD - hl
            keep = flags | BY_MOUNT | info[6] & (PREVIOUS_RESUMED | PREVIOUS_TOUCHED_MORE)
            self._write_head(at, seq, self.inc, wear, keep, back, info[21] | info[22] << 8)
            seed = crc32(self.view[at + 8 : at + 16])
            head = bytearray(self.view[at : at + hl])
            self.touches = []
            new = hl
            good = True
            again = 0
            for off in self._walk(old, 0, end, True):
                again += 1
                if off in superseded:
                    continue
                kind = self.w_kind
                size = self.w_len
                if self.w_at != self._w_off + 2:
                    self.rec[DATA : DATA + size] = bytes(self._loaded())
                total = self._close(kind, size, new, seed)
                if not self.medium.program(sector, new, self.view[RECORD:], total):
                    good = False
                    break
                self._apply(kind, self.view[DATA : DATA + size], sector, new)
                new += total
            if good and again != seen:
                raise Unsteady(0)
            if good:
                self.rec[at:RECORD] = head
                self._finish_head(at, new)
                good = self.medium.program(sector, 0, self.view[at:], hl)
            if good:
                break
            self._retire(sector)
            distance += 1
        self.ends[old] = 0
        self.chain[place] = sector
        self.head = sector
        self.ends[sector] = 1
        self.firsts[sector] = get24(info, 29)
        self.traces[sector] = get24(info, 32)
        self.seq = seq
        self._seed = seed
        self.wear = wear
        self.off = new
        self._seal()

    # -- room ----------------------------------------------------------------------------------

    def _oldest_is_closed(self):
        # Could the oldest sector be given up? ``Journal`` knows.
        return self.length > 1 and self._may_drop(self.chain[0], self.firsts[self.chain[1]])

    def _make_room(self):
        # Before a sector is entered: keep a spare beside it, if something old can go for it.
        spare = self._dead()
        while spare <= 2 and self._oldest_is_closed() and self._nothing_to_carry(self.chain[0]):
            self._drop_oldest()
            spare += 1

    def _drop_oldest(self):
        # It does not count any more as soon as the next head or FLOOR record is durable.
        self.ends[self.chain[0]] = _LEAVING
        self.length -= 1
        self.chain[: self.length] = self.chain[1 : self.length + 1]
        self.floor = self._seq_of(self.chain[0])

    def _let_go(self):
        # What was given up is durably so: it may be erased.
        for s in range(self.sectors):
            if self.ends[s] == _LEAVING:
                self.ends[s] = 0

    def _seq_of(self, sector):
        if sector == self.head or not self.medium.read(sector, 8, self._four):
            return self.seq
        return struct.unpack_from("<I", self._four, 0)[0]

    def _sector_of(self, seq):
        # The chain sector with that sequence; -1: none.
        known = self._seqs
        for i in range(self.length):
            sector = self.chain[i]
            if (self._seq_of(sector) if known is None else known[sector]) == seq:
                return sector
        return -1

    def _read_head(self, sector):
        # The first page of a sector when the first part of its head is whole, else None.
        info = bytearray(PAGE)
        view = memoryview(info)
        if not self.medium.read(sector, 0, view) or view[:3] != MAGIC or info[5] < 4:
            return None
        end = info[4] - 4
        if not A_FIXED <= end <= A_MAX - 4:
            return None
        return info if crc32(view[:end]) == struct.unpack_from("<I", info, end)[0] else None

    def _load_checkpoint(self, info):
        """Go back to when the sector with this head was entered. False: it is damaged."""
        view = memoryview(info)
        a = info[4]
        end = a + info[5] - 4
        if end > PAGE - 4 or crc32(view[a:end]) != struct.unpack_from("<I", info, end)[0]:
            return False
        self._reset()
        self.ordinal = get24(info, 29)
        self.next_trace = get24(info, 32)
        self.batch = get24(info, 35)
        self.touches = []
        for i in range(info[7]):
            self.touches.append((get24(info, A_FIXED + 4 * i), info[A_FIXED + 3 + 4 * i]))
        self._restore(view[a:end], struct.unpack_from("<I", info, 8)[0])
        return True
