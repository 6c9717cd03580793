"""Finds the log again after power came back, decides once what counts, and makes that durable.

Whatever the last power cut hit may read differently from one read to the next. So start-up reads,
decides, and writes its decision (a RESUME record or a new sector) before anybody is told anything.
If power fails before that is durable, nobody has seen the decision, and the next start-up decides
again.
"""

import struct
from array import array
from binascii import crc32

from micropython import const

from mobi.journal.layout import (
    A_FIXED,
    A_MAX,
    BY_MOUNT,
    DATA,
    FRAME,
    MAGIC,
    PAYLOAD_MAX,
    PREVIOUS_RESUMED,
    PREVIOUS_TOUCHED_MORE,
    RECORD,
    RESUME,
    RESUMED,
    SEAL,
    SMALL,
    TOUCHES_IN_HEAD,
    VERSION,
    JournalFull,
    Unsteady,
    behind,
)
from mobi.journal.medium import BLANK, PAGE, SECTOR
from mobi.journal.records import get24
from mobi.journal.ring import Ring

# What start-up found: ``Verdict.kind``.
CLEAN = const(1)
REPAIRED = const(2)
DAMAGED = const(3)
EMPTY = const(4)
FOREIGN = const(5)
OTHER_VERSION = const(6)

_HALF = const(0x80000000)
_MASK = const(0xFFFFFFFF)

# What ``_judge`` says about a head.
_DROP = const(0)
_KEEP = const(1)
_COPY = const(2)
# Readings of an unstable record before it is taken for torn.
_READINGS = const(8)
# A record may end in bytes that look blank: how far behind the last byte that does not.
_LONGEST = const(512)
_CLAIM = b"\0"


class Startup(Ring):
    """The part of the log that runs once, when power comes on."""

    def _start(self):
        """Find the log and go on behind it; one of the kinds above."""
        self._unsteady = -1
        for _ in range(_READINGS):
            try:
                return self._survey()
            except Unsteady:
                pass
        # The newest head does not read the same twice: its sector was never entered.
        self._unsteady = self.head
        return self._survey()

    def _survey(self):
        # One attempt: read every head.
        self._forget()
        n = self.sectors
        seqs = [None] * n
        distances = array("H", bytes(2 * n))
        previous_ends = array("H", bytes(2 * n))
        flags = bytearray(n)
        touches = {}
        blank = 0
        other = False
        # (sector, None): it cannot be read. (sector, sequence): the sector before it is missing.
        self._missing = []
        page = self.medium.page
        for s in range(n):
            self.medium.held = -1
            if s == self._unsteady:
                continue
            if not self.medium.read(s, 0, self.medium.view[:A_MAX]):
                self._missing.append((s, None))
                continue
            if not self._is_head() and not self._mend(s):
                blank += page[:A_MAX] == BLANK[:A_MAX]
                other = other or (page[:3] == MAGIC and page[3] != VERSION)
                continue
            seqs[s] = struct.unpack_from("<I", page, 8)[0]
            distances[s], previous_ends[s] = struct.unpack_from("<HH", page, 19)
            flags[s] = page[6]
            self.firsts[s] = get24(page, 29)
            if page[7]:
                touches[s] = bytes(page[A_FIXED : A_FIXED + 4 * min(page[7], TOUCHES_IN_HEAD)])
        self._seqs = seqs
        try:
            return self._follow(seqs, distances, previous_ends, flags, touches, blank == n, other)
        finally:
            self._seqs = None

    def _is_head(self):
        # Is what was read of a sector the first part of a head?
        page = self.medium.page
        end = page[4] - 4
        return (
            page[:3] == MAGIC
            and page[3] == VERSION
            and page[5] >= 4
            and A_FIXED <= end <= A_MAX - 4
            and crc32(self.medium.view[:end]) == struct.unpack_from("<I", page, end)[0]
        )

    def _mend(self, s):
        # One wrong bit must not cost a whole sector, and of so few bytes the CRC tells which it is.
        page = self.medium.page
        wrong = 1 if page[3] != VERSION else 0
        for i in range(3):
            wrong += page[i] != MAGIC[i]
        if wrong > 1:
            return False
        for i in range(A_MAX):
            for shift in range(8):
                page[i] ^= 1 << shift
                if self._is_head():
                    self.medium.mended[s] = (i, 1 << shift)
                    return True
                page[i] ^= 1 << shift
        return False

    def _follow(self, seqs, distances, previous_ends, flags, touches, blank, other):
        # From the newest head that counts back to the oldest, and forth again.
        order = self._newest_first(seqs)
        dropped = 0
        for key in order:
            head = key & 255
            judged = self._judge(head, seqs, previous_ends[head])
            if judged != _DROP:
                break
            dropped += 1
        else:
            self._forget()
            if other:
                return OTHER_VERSION
            for s in range(self.sectors):
                if seqs[s] is not None and not (flags[s] & BY_MOUNT and not distances[s]):
                    return FOREIGN
            return EMPTY if order or blank else FOREIGN
        self._link(order[dropped:], seqs, distances, previous_ends, flags)
        torn = self._settle_down(judged, flags, touches)
        self.repaired = 1 if torn or dropped or self.medium.mended else 0
        self._stretches = self._segments(self.head, SECTOR)
        if self.damage:
            return DAMAGED
        return REPAIRED if self.repaired else CLEAN

    def _forget(self):
        self._stretches = None
        self.length = 0
        self.read_only = False
        for s in range(self.sectors):
            self.ends[s] = 0
        self.damage = []
        self.repaired = 0
        self._ready = -1
        self._erasing = -1
        self._previous = -1
        self._dirty = 0
        self.touches = []
        self._copying = False
        self.medium.held = -1
        self.medium.mended = {}
        self._reset()

    def _newest_first(self, seqs):
        # Sectors with a head as age << 8 | sector.
        reference = None
        newest = 0
        out = []
        for s in range(self.sectors):
            if seqs[s] is None:
                continue
            if reference is None:
                reference = seqs[s]
            ahead = ((seqs[s] - reference + _HALF) & _MASK) - _HALF
            if ahead > newest:
                newest = ahead
        for s in range(self.sectors):
            if seqs[s] is not None:
                ahead = ((seqs[s] - reference + _HALF) & _MASK) - _HALF
                out.append((newest - ahead) << 8 | s)
        out.sort()
        return out

    def _judge(self, s, seqs, previous_end):
        """Is this head the end of the log?"""
        self.head = s
        self.ends[s] = RESUMED | 1
        info = bytearray(PAGE)
        view = memoryview(info)
        if not self.medium.read(s, 0, view):
            self.ends[s] = 0
            return _DROP
        self.seq, self.inc = struct.unpack_from("<II", info, 8)
        if self.seq != seqs[s]:
            self.ends[s] = 0
            return _DROP
        body_end = info[23] | info[24] << 8
        self._dirty = self._dirty_end(s)
        stop = min(self._dirty + _LONGEST, SECTOR)
        try:
            for _ in self._walk(s, body_end, stop, True):
                return _KEEP
        except Unsteady:
            return _KEEP  # whatever it says, it was begun after the head was whole
        self.ends[s] = 0
        a = info[4]
        end = a + info[5] - 4
        if end > PAGE - 4 or crc32(view[a:end]) != struct.unpack_from("<I", info, end)[0]:
            return _DROP
        if info[6] & BY_MOUNT:
            return _DROP
        # An entry that a start-up did not see, and went on in the sector before.
        distance = info[19] | info[20] << 8
        for before in range(self.sectors):
            if seqs[before] == self.seq - distance & _MASK and before != s:
                for off in range(PAGE + 1, SECTOR, PAGE):
                    if off >= previous_end and self._resume_at(before, off, seqs[before]):
                        return _DROP
        self.ends[s] = RESUMED | 1
        return _COPY

    def _dirty_end(self, s):
        # Behind the last byte of the sector that is not blank.
        page = self.medium.page
        for number in range(SECTOR // PAGE - 1, -1, -1):
            if not self.medium.hold(s, number):
                return (number + 1) * PAGE
            if page != BLANK:
                end = PAGE
                while page[end - 1] == 0xFF:
                    end -= 1
                return number * PAGE + end
        return 0

    def _link(self, order, seqs, distances, previous_ends, flags):
        # The chain from the newest head back to the oldest sector that counts.
        head = order[0] & 255
        backwards = [head]
        info = bytearray(32)
        self.medium.read(head, 0, memoryview(info))
        self.floor = struct.unpack_from("<I", info, 25)[0]
        reach = behind(self.seq, self.floor)
        newer = head
        want = distances[head]  # behind the newest: where the sector before it must be
        for key in order[1:]:
            s = key & 255
            age = behind(self.seq, seqs[s])
            if not want or want > reach or age > reach:
                break
            if age < want or self.ends[s]:
                continue  # superseded: the sector after it was made without it
            if age > want:
                # A sector between them is missing.
                self._missing.append((newer, self.seq - want & _MASK))
            else:
                resumed = RESUMED if flags[newer] & PREVIOUS_RESUMED else 0
                self.ends[s] = previous_ends[newer] | resumed
            if not self.ends[s]:
                self.ends[s] = SECTOR | RESUMED
            backwards.append(s)
            want = age + distances[s] if distances[s] else 0
            newer = s
        if want and want <= reach:
            self._missing.append((newer, self.seq - want & _MASK))
        self.length = len(backwards)
        for i in range(self.length):
            self.chain[i] = backwards[self.length - 1 - i]
        self.head = head
        self._previous = self.chain[self.length - 2] if self.length > 1 else -1

    def _recall(self, flags, touches):
        # What later sectors did to transactions of earlier ones, as far as heads list it.
        self._clear_marks()
        self.ordinal = self.firsts[self.head]
        for i in range(1, self.length):
            s = self.chain[i]
            if flags[s] & PREVIOUS_TOUCHED_MORE:
                self._collect_touches(i - 1)
            elif s in touches:
                data = touches[s]
                for k in range(0, len(data), 4):
                    self._mark_touch(get24(data, k), data[k + 3])

    def _settle_down(self, judged, flags, touches):
        # Read what counts, then make the decision about its end durable. Was there a torn record?
        limit = SECTOR
        readings = 0
        head = self.head
        self._copying = judged == _COPY
        while True:
            self._recall(flags, touches)
            try:
                last, end = self._replay(limit)
                dirty = self._dirty
                self.off = end
                torn = dirty > end
                if judged == _COPY and self._dead():
                    self._rewrite(0)
                    break
                if self._resume(last, end, dirty):
                    if self.head == head:
                        return torn
                    break
                doubtful = last[0]
            except Unsteady as error:
                if judged == _COPY or not error.args[0]:
                    raise
                doubtful = error.args[0]
            except JournalFull:
                self._recall(flags, touches)
                self._replay(limit)
                self.off = SECTOR
                self.read_only = True
                return True
            readings += 1
            if readings >= _READINGS:
                # It does not read the same twice: it was never finished.
                limit = doubtful
        self._copying = False
        # The log goes on in a new sector. What was read on the way may have been unstable: read
        # once more what counts now.
        self._survey_again(flags, touches)
        self._dirty = self._dirty_end(self.head)
        _, self.off = self._replay(SECTOR)
        return torn

    def _survey_again(self, flags, touches):
        self._stretches = None
        touches.pop(self.head, None)
        info = bytearray(A_MAX)
        if self.medium.read(self.head, 0, memoryview(info)):
            flags[self.head] = info[6]
            if info[7]:
                end = A_FIXED + 4 * min(info[7], TOUCHES_IN_HEAD)
                touches[self.head] = bytes(info[A_FIXED:end])
        self._recall(flags, touches)

    def _replay(self, limit):
        """Read the newest checkpoint and all records after it.

        Gives the last record as (place, payload size, seed, where its first copy was) or None, and
        the place behind it.
        """
        at = self.length - 1
        info = newest_info = self._read_head(self.head)
        if info is None:
            raise Unsteady(0)
        while info is None or not self._load_checkpoint(info):
            if self._copying:
                raise Unsteady(0)
            self._damaged(self.chain[at], 0)
            if at == 0:
                self._reset()
                break
            at -= 1
            info = self._read_head(self.chain[at])
        last = None
        end = 0
        for i in range(at, self.length):
            s = self.chain[i]
            newest = i == self.length - 1
            self._previous = self.chain[i - 1] if i else -1
            self.touches = []
            if newest:
                info = newest_info
                self.seq, self.inc = struct.unpack_from("<II", info, 8)
                self._seed = crc32(memoryview(info)[8:16])
                self.wear = get24(info, 16)
                self._next_wear = get24(info, 38)
                self.ends[s] = RESUMED | 1
                stop = self._dirty + _LONGEST
                if stop > limit:
                    stop = limit
                end = info[4] + info[5]
            else:
                stop = self.ends[s] & 0x7FFF
            for off in self._walk(s, 0, stop, True):
                self._apply(self.w_kind, self._loaded(), s, off)
                if newest:
                    first = off if self.w_skip == 2 else self._w_from
                    size = self.w_len + self.w_skip - 2
                    last = (off, size, self._w_seed, first)
                    end = off + FRAME + size
            if newest:
                stretches = self._segments(s, stop)
                self.ends[s] = 1
                for start, _, stretch_seed, resumed in stretches:
                    self._seed = stretch_seed
                    if resumed:
                        self.ends[s] = RESUMED | 1
                        self._next_wear += 1  # every start-up erases the next sector again
                        if start + FRAME > end:
                            end = start + FRAME + self._length_at(s, start)
                self._see_incarnations(s, stop)
        self._trim()
        self._name_damage()
        return last, end

    def _length_at(self, s, off):
        self.medium.read(s, off, self._four)
        return self._four[0] >> 5 << 8 | self._four[1]

    def _see_incarnations(self, s, stop):
        # The highest incarnation any RESUME of the newest sector has opened.
        for off in range(PAGE + 1, stop, PAGE):
            if self._resume_at(s, off, self.seq) is not None:
                inc = struct.unpack_from("<I", self.rec, DATA)[0]
                if behind(inc, self.inc) < _HALF:
                    self.inc = inc
        self.medium.held = -1

    def _trim(self):
        # Sectors below the floor do not count any more.
        while self.length > 1:
            s = self.chain[0]
            seq = self._head_info(s)[2]
            if behind(self.seq, seq) <= behind(self.seq, self.floor):
                break
            self.ends[s] = 0
            self.length -= 1
            self.chain[: self.length] = self.chain[1 : self.length + 1]

    def _name_damage(self):
        # Only now is it known how far back the log goes: FLOOR records may lie behind the newest
        # head. What was read of a sector that was given up since, or is missing because it was, is
        # no damage.
        reach = behind(self.seq, self.floor)
        counts = []
        for place in self.damage:
            seq = self._seqs[place[0]]
            if seq is None or behind(self.seq, seq) <= reach:
                counts.append(place)
        self.damage = counts
        for s, seq in self._missing:
            if not self.is_bad(s) if seq is None else behind(self.seq, seq) <= reach:
                self._damaged(s, 0)

    def _resume(self, last, end, dirty):
        """Write down which record is the last. False when it reads differently now."""
        off = self._untouched(end, dirty) + 1
        if last is None:
            payload = b""
            kind = 0
            start = end
        else:
            place, size, seed, start = last
            if not self._load(self.head, place, size, seed):
                return False
            skip = 0
            kind = self.rec[RECORD]
            if kind & 31 == RESUME:
                skip = 8
                kind = self.rec[DATA + 6]
                size -= 8
            payload = bytes(self.view[DATA + skip : DATA + skip + size])
        size = len(payload)
        if off + FRAME + 8 + size > SECTOR or size > PAYLOAD_MAX:
            self._go_on_elsewhere(kind & 31, payload, start)
            return True
        inc = self.inc + 1 & _MASK
        rec = self.rec
        struct.pack_into("<IH", rec, DATA, inc, start)
        rec[DATA + 6] = size >> 8 << 5 | kind & 31
        rec[DATA + 7] = size & 255
        rec[DATA + 8 : DATA + 8 + size] = payload
        stamp = bytearray(8)
        struct.pack_into("<II", stamp, 0, self.seq, inc)
        seed = crc32(stamp)
        total = self._close(RESUME, 8 + size if last else 6, off, seed)
        # The zero before it is always the same and always comes first. So whatever an interrupted
        # start-up has touched without a trace, the next one either writes the same there or sees
        # the zero and keeps away.
        if not (
            self.medium.program(self.head, off - 1, _CLAIM, 1)
            and self.medium.program(self.head, off, self.view[RECORD:], total)
        ):
            self._retire(self.head)
            self._go_on_elsewhere(kind & 31, payload, start)
            return True
        self.inc = inc
        self._seed = seed
        self.off = off + total
        self.ends[self.head] |= RESUMED
        if last is not None:
            self._moved(self.head, last[0], off)
        return True

    def _untouched(self, end, dirty):
        # The first page that an interrupted program behind ``end`` cannot have touched.
        off = (end & ~255) + PAGE
        if (end & 255) > PAGE - SMALL:
            off += PAGE  # a small record would have gone to the next page
        at = end
        while True:
            reach = self._reach(at)
            while off < reach and off < SECTOR:
                off += PAGE
            if off >= dirty:
                return off
            at = off + 1  # where an interrupted start-up wrote
            off += PAGE

    def _reach(self, at):
        # How far a record that was begun at ``at`` may have come; nothing visible: not far.
        if at + 4 > SECTOR or not self.medium.read(self.head, at, self._four):
            return at
        first = self._four[0]
        if first == 0xFF:
            return at
        # A length that lies in the next page was not firm when the first page was.
        low = 255 if at & 255 == 255 else self._four[1]
        return at + FRAME + (first >> 5 << 8 | low)

    def _go_on_elsewhere(self, kind, payload, start):
        # No room for RESUME here: a new sector begins with the copy of the last record.
        if self._should_rewrite(FRAME):
            self._rewrite(0)
            return
        if not kind:
            kind = SEAL
        inc = self.inc
        self._replay(start)
        self.off = start
        self.inc = inc + 1 & _MASK
        self.rec[DATA : DATA + len(payload)] = payload
        self._enter(kind, len(payload), BY_MOUNT, start)
        self._seal()
