"""What the records mean: counters, totals, open transactions, and the checkpoint of all that.

Nothing here reads flash while a record is applied, so that applying a record just written and
applying it at start-up are the same code.
"""

from micropython import const

from mobi.journal.layout import (
    BATCH,
    CARRIED,
    EVENT,
    FLOOR,
    INTENT,
    NOTE,
    RESUME,
    RETIRE,
    SETTLE,
    STAGE,
    TOUCH_FAR,
    TOUCH_REFUNDS,
    TOUCH_VOIDS,
    TRACE,
    behind,
)
from mobi.journal.records import (
    get24,
    get_number,
    glance,
    outcome_amount,
    outcome_target,
    put24,
    put_time,
)
from mobi.journal.startup import Startup
from mobi.transactions import (
    APPROVE,
    NEXT,
    PENDING,
    RELEASED,
    SALE,
    UNPROVEN,
    VOID,
    is_case,
    moves_money,
)

TRACES = const(999999)
M24 = const(0xFFFFFF)
NOTHING = const(0xFFFF)

# The checkpoint in a head.
SAVED = const(52)
OPEN_MAX = const(12)
RELEASED_MAX = const(4)
UNPROVEN_MAX = const(8)
CASES_MAX = const(16)
BAD_MAX = const(16)

# Places in the entry of a kept transaction.
ORDINAL = const(0)
HOME = const(1)
PLACE = const(2)
STATE = const(3)
KIND = const(4)
AMOUNT = const(5)
IS_CARRIED = const(6)

class State(Startup):
    """The log with its meaning."""

    # -- applying a record ---------------------------------------------------------------------

    def _reset(self):
        self._kept = []
        self._last = None
        self._totals = [0] * 6
        self._batch_start = self._last_start = self.ordinal
        self._approved = None
        self._settled = None
        self._stage = None
        self._newest = 0

    def _apply(self, kind, p, sector, off):
        if kind > EVENT:
            self._apply_event(kind - EVENT, p, sector)
        elif kind == INTENT:
            ordinal, what, trace, amount, time = glance(p, 0)
            last = self._last
            if last is not None and not stays(last[STATE]):
                self._kept.remove(last)
            entry = [ordinal, sector, off, PENDING, what, amount, False]
            self._kept.append(entry)
            self._last = entry
            if len(self._kept) > CASES_MAX:
                self._limit_closed()
            self.ordinal = ordinal + 1 & M24
            self.next_trace = trace % TRACES + 1
            self._set_mark(ordinal, 0)
            self._seen_time(time)
        elif kind == CARRIED:
            at = 6 + 5 * p[5]
            ordinal, what, _, amount, _ = glance(p, at)
            entry = self._entry(ordinal)
            if entry is None:
                # The checkpoint named a sector that was given up after this copy was made.
                entry = [ordinal, sector, off, p[0], what, amount, True]
                self._kept.append(entry)
                self._kept.sort(key=lambda e: -self._age(e[ORDINAL]))
            entry[HOME] = sector
            entry[PLACE] = off
            entry[IS_CARRIED] = True
        elif kind == NOTE:
            self._seen_time(get_number(p, 3, 4))
        elif kind == TRACE:
            self.next_trace = get24(p, 0)
        elif kind == STAGE:
            self._stage = (sector, off)
        elif kind == SETTLE:
            self._settled = (sector, off)
            if not p[0]:
                self.batch = get24(p, 1)
                self._last_start = self._batch_start
                self._batch_start = self.ordinal
                self._totals = [0] * 6
                self._approved = None
                self._stage = None
                self._seen_time(get_number(p, 7, 4))
        elif kind == FLOOR:
            self.floor = get_number(p, 0, 4)
        elif kind == RETIRE:
            self._set_bad(p[0])
        elif kind == BATCH:
            self.batch = get24(p, 0)
            self._batch_start = self.ordinal
            self._approved = None

    def _apply_event(self, event, p, sector):
        ordinal = get24(p, 0)
        self._seen_time(get_number(p, 3, 4))
        entry = self._entry(ordinal)
        if entry is None:
            self._touch(ordinal, TOUCH_FAR)  # a receipt printed late
            return
        home = entry[HOME]
        if (
            entry is not self._last
            or entry[IS_CARRIED]
            or (home != sector and home != self._previous)
        ):
            self._touch(ordinal, TOUCH_FAR)
        state = NEXT.get((entry[STATE], event))
        if state is None:
            return
        entry[STATE] = state
        if event == APPROVE:
            self._approve(entry, p)
        if entry is not self._last and not stays(state):
            self._kept.remove(entry)
        if state == RELEASED or state == UNPROVEN:
            self._limit_closed()

    def _approve(self, entry, p):
        kind = entry[KIND]
        size = len(p)
        target = outcome_target(p, 7, size)
        if target is not None and target != entry[ORDINAL]:
            self._touch(target, TOUCH_VOIDS if kind == VOID else TOUCH_REFUNDS)
        if not moves_money(kind) or self._age(entry[ORDINAL]) > self.count:
            return
        amount = outcome_amount(p, 7, size)
        if amount is None:
            amount = entry[AMOUNT]
        at = 0 if kind == SALE else 2 if kind == VOID else 4
        self._totals[at] += 1
        self._totals[at + 1] += amount
        if self._approved is None or self._age(entry[ORDINAL]) < self._age(self._approved[0]):
            self._approved = (entry[ORDINAL], entry[HOME], entry[PLACE])

    def _limit_closed(self):
        # What still needs an answer is never given up: released ones make room, then the oldest
        # that wait to be compared. Those are found by their numbers as long as they are here.
        self._limit(RELEASED, RELEASED_MAX)
        self._limit(UNPROVEN, UNPROVEN_MAX)
        for state in (RELEASED, UNPROVEN):
            over = len(self._cases()) - CASES_MAX
            if over > 0:
                count = sum([entry[STATE] == state for entry in self._kept])
                self._limit(state, max(0, count - over))

    def _limit(self, state, most):
        found = [entry for entry in self._kept if entry[STATE] == state]
        for entry in found[: max(0, len(found) - most)]:
            if entry is not self._last:
                self._kept.remove(entry)

    def _seen_time(self, time):
        if time > self._newest:
            self._newest = time

    # -- how later records touch a transaction -------------------------------------------------

    def _touch(self, ordinal, how):
        if (ordinal, how) not in self.touches:
            self.touches.append((ordinal, how))
        self._mark_touch(ordinal, how)

    def _mark_touch(self, ordinal, how):
        if 0 < self._age(ordinal) <= self._marked:
            known = self._mark_of(ordinal)
            self._set_mark(ordinal, how if known == 0 or known == how else TOUCH_FAR)

    def _clear_marks(self):
        for i in range(len(self._marks)):
            self._marks[i] = 0

    def _mark_of(self, ordinal):
        i = ordinal % self._marked
        return self._marks[i >> 2] >> 2 * (i & 3) & 3

    def _set_mark(self, ordinal, how):
        i = ordinal % self._marked
        shift = 2 * (i & 3)
        self._marks[i >> 2] = self._marks[i >> 2] & ~(3 << shift) & 255 | how << shift

    def _collect_touches(self, place):
        # A head could not list all that the sector before it did: read that sector.
        s = self.chain[place]
        newest = self.firsts[s] - 1 & M24
        for _ in self._walk(s, 0, self._sector_end(s), False):
            if self.w_kind == INTENT:
                newest = self._word()
            elif self.w_kind > EVENT:
                ordinal = self._word()
                if ordinal != newest or newest == self.firsts[s] - 1 & M24:
                    self._mark_touch(ordinal, TOUCH_FAR)
                if self.w_kind == EVENT + APPROVE:
                    payload = self._payload()
                    if payload is not None:
                        target = outcome_target(payload, 7, len(payload))
                        if target is not None:
                            self._mark_touch(target, TOUCH_FAR)

    # -- kept transactions ---------------------------------------------------------------------

    def _age(self, ordinal):
        # 1 for the newest transaction.
        return self.ordinal - ordinal & M24

    def _entry(self, ordinal):
        for entry in self._kept:
            if entry[ORDINAL] == ordinal:
                return entry
        return None

    def _cases(self):
        return [entry for entry in self._kept if stays(entry[STATE])]

    # -- the checkpoint in a head --------------------------------------------------------------

    def _saved_size(self):
        return SAVED + min(len(self.bad_sectors()), BAD_MAX) + 7 * len(self._kept)

    def _distance(self, seq, sector):
        return min(behind(seq, self._seq_of(sector)), NOTHING - 1)

    def _save(self, at, seq):
        rec = self.rec
        put24(rec, at, self._batch_start)
        put24(rec, at + 3, self._last_start)
        put24(rec, at + 6, M24 if self._approved is None else self._approved[0])
        self._save_place(at + 9, seq, None if self._approved is None else self._approved[1:])
        self._save_place(at + 13, seq, self._settled)
        self._save_place(at + 17, seq, self._stage)
        for i in range(3):
            rec[at + 21 + 7 * i] = self._totals[2 * i] & 255
            rec[at + 22 + 7 * i] = self._totals[2 * i] >> 8 & 255
            rec[at + 23 + 7 * i : at + 28 + 7 * i] = self._totals[2 * i + 1].to_bytes(5, "little")
        put_time(rec, at + 42, self._newest)
        bad = self.bad_sectors()[:BAD_MAX]
        rec[at + 46] = len(bad)
        at += 47
        for s in bad:
            rec[at] = s
            at += 1
        rec[at] = len(self._kept)
        at += 1
        for entry in self._kept:
            put24(rec, at, entry[ORDINAL])
            self._save_place(at + 3, seq, (entry[HOME], entry[PLACE] | entry[STATE] << 12))
            at += 7

    def _save_place(self, at, seq, where):
        distance = NOTHING
        off = 0
        if where is not None:
            distance = self._distance(seq, where[0])
            off = where[1]
        self.rec[at] = distance & 255
        self.rec[at + 1] = distance >> 8
        self.rec[at + 2] = off & 255
        self.rec[at + 3] = off >> 8

    def _restore(self, b, seq):
        self._batch_start = get24(b, 0)
        self._last_start = get24(b, 3)
        approved = get24(b, 6)
        where = self._restore_place(b, 9, seq)
        if approved != M24 and where is not None:
            self._approved = (approved, where[0], where[1])
        self._settled = self._restore_place(b, 13, seq)
        self._stage = self._restore_place(b, 17, seq)
        for i in range(3):
            self._totals[2 * i] = b[21 + 7 * i] | b[22 + 7 * i] << 8
            self._totals[2 * i + 1] = get_number(b, 23 + 7 * i, 5)
        self._newest = get_number(b, 42, 4)
        at = 47 + b[46]
        for i in range(47, at):
            if b[i] < self.sectors:
                self._set_bad(b[i])
        count = b[at]
        at += 1
        newest = self.ordinal - 1 & M24
        for _ in range(count):
            where = self._restore_place(b, at + 3, seq)
            if where is not None:
                self._restore_kept(get24(b, at), where[0], where[1] & 0xFFF, where[1] >> 12, newest)
            at += 7

    def _restore_place(self, b, at, seq):
        distance = b[at] | b[at + 1] << 8
        if distance == NOTHING:
            return None
        s = self._sector_of(seq - distance & 0xFFFFFFFF)
        return None if s < 0 else (s, b[at + 2] | b[at + 3] << 8)

    def _restore_kept(self, ordinal, sector, off, state, newest):
        head = bytearray(16)
        if not self.medium.read(sector, off, memoryview(head)):
            return
        at = off + 2
        kind = head[0] & 31
        if kind == RESUME:
            at += 8
            kind = head[8] & 31
        carried = kind == CARRIED
        if carried:
            if not self.medium.read(sector, at + 5, self._four):
                return
            at += 6 + 5 * self._four[0]
        intent = bytearray(21)
        if not self.medium.read(sector, at, memoryview(intent)) or get24(intent, 0) != ordinal:
            self._damaged(sector, off)
            return
        _, what, _, amount, _ = glance(intent, 0)
        entry = [ordinal, sector, off, state, what, amount, carried]
        self._kept.append(entry)
        if ordinal == newest:
            self._last = entry

    def _moved(self, sector, old, new):
        # A copy of the record at ``old`` counts from now on.
        for entry in self._kept:
            if entry[HOME] == sector and entry[PLACE] == old:
                entry[PLACE] = new
        if self._settled == (sector, old):
            self._settled = (sector, new)
        if self._stage == (sector, old):
            self._stage = (sector, new)
        if self._approved is not None and self._approved[1:] == (sector, old):
            self._approved = (self._approved[0], sector, new)


def stays(state):
    """Must a transaction in this state be found again, whatever becomes of its batch?"""
    return is_case(state) or state == RELEASED
