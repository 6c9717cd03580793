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
from binascii import crc32

from mobi.journal.layout import (
    A_FIXED,
    BY_MOUNT,
    DATA,
    FRAME,
    LEAVING,
    MAGIC,
    PREVIOUS_RESUMED,
    PREVIOUS_TOUCHED_MORE,
    RECORD,
    RESUMED,
    SEAL,
    SEQ_MASK,
    SMALL,
    TOUCHES_IN_HEAD,
    VERSION,
    JournalError,
    JournalFull,
    Unsteady,
)
from mobi.journal.medium import PAGE, SECTOR
from mobi.journal.reader import Reader
from mobi.journal.records import get24, put24


class Ring(Reader):
    """Appends records and moves from sector to sector. ``State`` gives records their meaning.

    It overrides ``_reset``, ``_apply``, ``_save``, ``_saved_size``, ``_restore``, ``_moved``,
    ``_mark_touch``, ``_clear_marks``, ``_collect_touches``, ``_may_drop``, ``_nothing_to_carry``
    and ``_superseded``.
    """

    # -- one record ----------------------------------------------------------------------------

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
            try:
                self._enter(kind, size, 0)
            except JournalFull:
                # The head takes nothing any more, and there is no other: nothing may be written
                # over what has failed.
                self.read_only = True
                raise
            return
        self.off = off + total
        self._apply(kind, self.view[DATA : DATA + size], self.head, off)

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

    def _retire(self, sector):
        # Never use it again. The next head says so; what it holds stays readable.
        self._set_bad(sector)
        if sector == self._ready:
            self._ready = -1

    # -- the next sector -----------------------------------------------------------------------

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
            seq = self.seq + distance & SEQ_MASK
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
        self._stretches = ((hl, SECTOR, seed, False),)
        self.off = hl + total
        self._apply(kind, self.view[DATA : DATA + size], sector, hl)

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
        self.touches = []

    def _seal(self):
        # The second record of a sector that a start-up made: only now does it count.
        self._append(SEAL, 0)

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

    # -- the same sector once more -------------------------------------------------------------

    def _should_rewrite(self, needed):
        # The last spare sector is not for going on in: with none beside the head nothing can ever
        # be written again. As long as what counts of the head fits, it is written there once more,
        # without its gaps, and the old head is the spare then.
        if self._dead() > 1:
            return False
        if self._oldest_is_closed() and self._nothing_to_carry(self.chain[0]):
            return False  # entering a sector frees one
        try:
            live = self._superseded(self.head, self.off)[2]
        except Unsteady:
            return False
        # The head of the new sector: touches and kept transactions may be more than in the old one.
        return A_FIXED + 4 * TOUCHES_IN_HEAD + 4 + self._saved_size() + live + needed <= SECTOR

    def _rewrite(self, flags):
        """Write the head sector again into a fresh one, without gaps and superseded records.

        The copies come first, the head after them, SEAL last: until then the old sector counts.
        """
        old = self.head
        place = self.length - 1
        end = self.off
        seen, superseded, _, last = self._superseded(old, end)
        info = self._read_head(old)
        if info is None:
            raise Unsteady(0)
        old_seq = self.seq
        distance = 1
        while True:
            sector, wear = self._take()
            if sector < 0:
                raise JournalFull("no erased sector is left")
            seq = old_seq + distance & SEQ_MASK
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
                if self.w_skip != 2:
                    self.rec[DATA : DATA + size] = bytes(self._loaded())
                total = self._close(kind, size, new, seed)
                if not self.medium.program(sector, new, self.view[RECORD:], total):
                    good = False
                    break
                self._apply(kind, self.view[DATA : DATA + size], sector, new)
                new += total
            if good and again != seen:
                raise Unsteady(last)
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
        self._stretches = ((hl, SECTOR, seed, False),)
        self.ends[sector] = 1
        self.firsts[sector] = get24(info, 29)
        self.seq = seq
        self._seed = seed
        self.wear = wear
        self.off = new
        self._seal()

    # -- old sectors ---------------------------------------------------------------------------

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
        self.ends[self.chain[0]] = LEAVING
        self.length -= 1
        self.chain[: self.length] = self.chain[1 : self.length + 1]
        self.floor = self._seq_of(self.chain[0])

    def _let_go(self):
        # What was given up is durably so: it may be erased.
        for s in range(self.sectors):
            if self.ends[s] == LEAVING:
                self.ends[s] = 0
