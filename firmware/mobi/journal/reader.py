"""Finds the records of the log on flash and checks them. Writes nothing."""

import struct
from array import array
from binascii import crc32

from mobi.journal.layout import (
    A_FIXED,
    A_MAX,
    DATA,
    FRAME,
    INTENTS_KNOWN,
    LAST_KIND,
    MAGIC,
    PAYLOAD_MAX,
    RECORD,
    RESUME,
    RESUMED,
    SMALL,
    Unsteady,
)
from mobi.journal.medium import BLANK, PAGE, SECTOR, Medium
from mobi.journal.records import get24


class Reader:
    """The sectors of the region, which of them hold the log, and a walk over their records."""

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
        # By sector: the next ordinal when it was entered.
        self.firsts = array("I", bytes(4 * n))
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
        self.w_skip = 2  # from where it lies to its payload; 10 for the copy in a RESUME
        self._w_sector = 0
        self._w_off = 0  # the record, or the RESUME whose copy it is
        self._w_seed = 0
        self._w_from = 0  # for a copy: where the first one began
        # The stretches of the head sector once start-up is over (see ``_segments``).
        self._stretches = None
        # The first intents of one sector (see ``_intent_at``): their ordinals, counted from the
        # sector's first, where they lie, how many; and the stretches of that time: other ones mean
        # that the log has moved on.
        self._intents = bytearray(INTENTS_KNOWN)
        self._intents_at = array("H", bytes(2 * INTENTS_KNOWN))
        self._intents_count = 0
        self._intents_in = -1
        self._intents_for = None
        # What start-up and checks found.
        self.damage = []
        self.repaired = 0
        # Nothing could be written at start-up: what is there can only be read.
        self.read_only = False
        # Next ordinal, next trace and batch: in every head. ``Journal`` moves them.
        self.ordinal = 0
        self.next_trace = 1
        self.batch = 1

    # -- sectors -------------------------------------------------------------------------------

    def is_bad(self, sector):
        """Was this sector retired?"""
        return self.bad[sector >> 3] >> (sector & 7) & 1

    def _set_bad(self, sector):
        self.bad[sector >> 3] |= 1 << (sector & 7)

    def bad_sectors(self):
        """The retired sectors."""
        if not any(self.bad):
            return []
        return [s for s in range(self.sectors) if self.is_bad(s)]

    def _dead(self):
        # How many sectors hold nothing that counts and can be used. Asked for at every step of the
        # upkeep, so no call for each sector.
        count = 0
        for end in self.ends:
            if not end:
                count += 1
        for s in self.bad_sectors():
            if not self.ends[s]:
                count -= 1
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

    # -- heads ---------------------------------------------------------------------------------

    def _head_info(self, sector):
        # (where records begin, the CRC seed of the first incarnation, sequence) of a chain sector.
        info = bytearray(16)
        view = memoryview(info)
        if not self.medium.read(sector, 0, view):
            return SECTOR, 0, 0
        return info[4] + info[5], crc32(view[8:]), struct.unpack_from("<I", info, 8)[0]

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

    def _head_holds(self, sector):
        # Are both parts of a head whole?
        info = self._read_head(sector)
        if info is None:
            return False
        end = info[4] + info[5] - 4
        if end > PAGE - 4:
            return False
        view = memoryview(info)
        return crc32(view[info[4] : end]) == struct.unpack_from("<I", info, end)[0]

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

    def _all_blank(self, sector):
        for number in range(SECTOR // PAGE):
            if not self.medium.is_blank(sector, number):
                return False
        return True

    # -- records -------------------------------------------------------------------------------

    def _walk(self, sector, begin, end, verify):
        """Yield the place of every record of ``sector`` from ``begin`` on that counts.

        ``w_kind``, ``w_len`` and ``w_skip`` describe it until the next step. ``verify``: only
        records whose CRC is right, which are then in ``rec``; behind what is no record others are
        searched for. ``Unsteady``: a RESUME that was right is not any more.
        """
        medium = self.medium
        page = medium.page
        base = sector << 4
        self.w_skip = 2
        segments = self._segments(sector, end)
        for start, stop, seed, resumed in segments:
            if stop <= begin:
                continue
            self._w_sector = sector
            self._w_seed = seed
            off = known = start if start > begin else begin
            # While start-up looks for the end of the log, what is no record there is torn.
            exact = sector != self.head or self._stretches is not None or stop != end
            stop -= FRAME
            while off <= stop:
                if medium.held != base | off >> 8 and not medium.hold(sector, off >> 8):
                    self._damaged(sector, off)
                    return
                i = off & 255
                first = page[i]
                if first == 0xFF and not (verify and self._hides(i, off, stop + FRAME)):
                    off = (off | 255) + 1  # nothing more in this page
                    continue
                if i == 255:
                    medium.hold(sector, (off >> 8) + 1)
                    size = first >> 5 << 8 | page[0]
                else:
                    size = first >> 5 << 8 | page[i + 1]
                kind = first & 31
                whole = 0 < kind <= LAST_KIND and off + size <= stop
                if whole and verify:
                    whole = self._load(sector, off, size, seed) and self.rec[RECORD] == first
                if not whole:
                    if resumed and off == start:
                        raise Unsteady(off)
                    off = known = self._resync(sector, off, stop + FRAME, seed, exact)
                    continue
                if verify and off != known:
                    self._check_blank(sector, known, off)
                self._w_off = here = off
                off += FRAME + size
                known = off
                if kind != RESUME:
                    self.w_kind = kind
                    self.w_len = size
                    yield here
                elif resumed and here == start and size >= 8:
                    # Its copy of the last record before it stands in its place.
                    copy = self._four
                    if verify:
                        copy[:] = self.view[DATA + 4 : DATA + 8]  # as it was when it was checked
                    elif not medium.read(sector, here + 6, copy):
                        continue
                    self.w_kind = copy[2] & 31
                    self.w_len = size - 8
                    self._w_from = copy[0] | copy[1] << 8
                    if self.w_len == copy[2] >> 5 << 8 | copy[3]:
                        self.w_skip = 10
                        yield here
                        self.w_skip = 2
            stop += FRAME
            if verify and exact and known != stop and stop < SECTOR:
                self._check_blank(sector, known, stop)

    def _check_blank(self, sector, known, off):
        # Between two records only the rest of a page is blank, too short for a small one.
        if off & 255 or off - known >= SMALL:
            self._damaged(sector, known)

    def _hides(self, i, off, stop):
        # Is there something behind a blank byte of the page that is held, where nothing can be?
        end = i + stop - off
        if end > PAGE:
            end = PAGE
        return self.medium.view[i:end] != BLANK[i:end]

    def _resync(self, sector, off, stop, seed, exact):
        # Behind something that is not a record: the next that is, or ``stop``.
        bad = off
        medium = self.medium
        page = medium.page
        off += 1
        while off + FRAME <= stop:
            if not medium.hold(sector, off >> 8):
                break
            first = page[off & 255]
            if first != 0xFF and 0 < first & 31 <= LAST_KIND:
                if not medium.read(sector, off, self._four):
                    break
                size = first >> 5 << 8 | self._four[1]
                if off + FRAME + size <= stop and self._load(sector, off, size, seed):
                    self._damaged(sector, bad)
                    return off
            off += 1
        if exact:
            self._damaged(sector, bad)
        return stop

    def _segments(self, sector, end):
        # The stretches of a sector that count: [(begin, end, seed, begins with a RESUME)].
        if sector == self.head and self._stretches is not None:
            known = self._stretches
            begin, _, seed, resumed = known[-1]
            if begin >= end:
                return known[:-1]
            return known[:-1] + ((begin, end, seed, resumed),)
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
        return tuple(out)

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
        # The payload of the record ``_walk`` is at, checked; None when it is damaged. It is valid
        # until something else is read or written.
        off = self._w_off
        begin = off & 255
        end = begin + self.w_skip + self.w_len
        medium = self.medium
        if end <= 252 and medium.held == self._w_sector << 4 | off >> 8:
            view = medium.view
            stored = view[end : end + 4]
            if int.from_bytes(stored, "little") == crc32(view[begin:end], self._w_seed ^ off):
                begin += self.w_skip
                return view[begin : begin + self.w_len]
        if not self._load(self._w_sector, off, end - begin - 2, self._w_seed):
            self._damaged(self._w_sector, off)
            return None
        begin = RECORD + self.w_skip
        return self.view[begin : begin + self.w_len]

    def _loaded(self):
        # The same when ``_walk`` verifies: it has just loaded it.
        begin = RECORD + self.w_skip
        return self.view[begin : begin + self.w_len]

    def _word(self, at=0):
        # 24 bits of the payload ``_walk`` is at, not checked: to choose records by.
        at += self._w_off + self.w_skip
        i = at & 255
        medium = self.medium
        if i <= 253 and medium.held == self._w_sector << 4 | at >> 8:
            page = medium.page
            return page[i] | page[i + 1] << 8 | page[i + 2] << 16
        if not medium.read(self._w_sector, at, self._four):
            return -1
        return get24(self._four, 0)

    def _record_at(self, where):
        # A copy of the payload of the record at (sector, off); None when it is damaged.
        s, off = where
        for here in self._walk(s, off, self._sector_end(s), False):
            if here != off:
                return None
            payload = self._payload()
            return None if payload is None else bytes(payload)
        return None

    def _damaged(self, sector, off):
        if (sector, off) not in self.damage and len(self.damage) < 32:
            self.damage.append((sector, off))
