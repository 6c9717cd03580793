"""Room and tidiness: what still fits, giving up old sectors, erasing ahead, checking the past."""

from micropython import const

from mobi.journal import records
from mobi.journal.layout import (
    CARRIED,
    DATA,
    EVENT,
    FLOOR,
    FRAME,
    NOTE,
    NOTE_COPY,
    RETIRE,
    SEAL,
    SETTLE,
    STAGE,
    TRACE,
)
from mobi.journal.lookup import Lookup
from mobi.journal.medium import PAGE, SECTOR
from mobi.journal.records import get24, put_time
from mobi.journal.state import HOME, OPEN_MAX, PLACE, STATE
from mobi.transactions import (
    ATTEMPT,
    VOID,
    is_case,
    is_unfinished,
)

# Bytes a begun transaction may still need: outcome, prints, reason, 10 tries, end of a reversal.
LIFE = FRAME + 7 + records.OUTCOME_MAX + 4 * 14 + 21 + 10 * 14 + 15 + 16
# What a full journal must still take: the void of a sale, the settlement and its upload, restarts.
RESERVE = FRAME + 90 + LIFE + 200 + 300 + 400
# A sale with its outcome and two receipts, as a measure of what still fits.
TYPICAL = const(150)
HISTORY_MAX = const(10)


class Upkeep(Lookup):
    """What must be done beside the payments, in small steps."""

    # -- room ----------------------------------------------------------------------------------

    def _reserved(self, kind):
        # Bytes that must stay free: the rest of every open life, one void, the settlement.
        need = 0 if kind == VOID else RESERVE
        for entry in self._kept:
            if is_case(entry[STATE]):
                need += LIFE
        return need + 2 * self.count  # progress of an upload

    def _spare_sectors(self):
        # Sectors that can still be entered, beside the one that is always kept.
        live = self.length
        for i in range(self.length - 1):
            if not self._may_drop(self.chain[i], self.firsts[self.chain[i + 1]]):
                break
            live -= 1
        return self.sectors - len(self.bad_sectors()) - live - 1

    def _room_for(self, size):
        return not self.read_only and (SECTOR - self.off >= size or self._spare_sectors() > 0)

    def _fits(self, size, kind):
        unfinished = 0
        for entry in self._kept:
            unfinished += is_unfinished(entry[STATE])
        if unfinished >= OPEN_MAX or self.count >= self._marked - 1:
            return False
        return self._room_for(FRAME + size + LIFE + self._reserved(kind))

    # -- giving up old sectors -----------------------------------------------------------------

    def _may_drop(self, sector, next_first):
        # Is everything in it settled?
        if self._stage is not None and self._stage[0] == sector:
            return False
        return self._age(next_first) >= self.count

    def _superseded(self, sector, end):
        # How many records a sector has, the places of those that later ones make superfluous, how
        # many bytes the others take, and where the last record is.
        count = 0
        out = set()
        live = 0
        last = 0
        newest = {}
        for off in self._walk(sector, 0, end, True):
            count += 1
            last = off
            kind = self.w_kind
            if kind in (FLOOR, SEAL, RETIRE):
                out.add(off)  # the new head says it
                continue
            size = FRAME + self.w_len
            live += size
            if kind == TRACE or kind == STAGE:
                name = kind
            elif kind == EVENT + ATTEMPT:
                name = ATTEMPT << 24 | get24(self._loaded(), 0)
            else:
                continue
            if name in newest:
                before, saved = newest[name]
                out.add(before)
                live -= saved
            newest[name] = (off, size)
        return count, out, live, last

    def _nothing_to_carry(self, sector):
        if self._settled is not None and self._settled[0] == sector:
            return False
        cases = self._cases()
        for entry in cases:
            if entry[HOME] == sector:
                return False
        return not cases or self._carried == sector

    def _reclaim_step(self):
        # One step towards giving up the oldest sector.
        sector = self.chain[0]
        if self._carry_step(sector):
            return
        self._drop_oldest()
        self.rec[DATA : DATA + 4] = self.floor.to_bytes(4, "little")
        self._append(FLOOR, 4)
        self._let_go()
        self._carried = -1
        last = self._last
        if last is not None and last[HOME] == sector:
            self._kept.remove(last)
            self._last = None

    def _carry_step(self, sector):
        """Copy one thing out of ``sector`` that must outlive it. False: nothing is left."""
        if self._settled is not None and self._settled[0] == sector:
            payload = self._record_at(self._settled)
            if payload is not None:
                self.rec[DATA : DATA + len(payload)] = payload
                self.rec[DATA] = 1
                self._append(SETTLE, len(payload))
                return True
            self._damaged(sector, self._settled[1])
            self._settled = None
        for entry in self._cases():
            if entry[HOME] == sector:
                if self._carry(entry):
                    return True
                self._damaged(sector, entry[PLACE])
                self._kept.remove(entry)
        if self._cases() and self._carried != sector:
            notes = []
            seq = self._seq_of(sector)
            for off in self._walk(sector, 0, self._sector_end(sector), False):
                if self.w_kind == NOTE and self._entry(self._word()) is not None:
                    notes.append((off, 6))
                elif self.w_kind == NOTE_COPY and self._entry(self._word(6)) is not None:
                    notes.append((off, 0))
            for off, skip in notes:
                payload = self._record_at((sector, off))
                if payload is not None:
                    if skip:
                        self.rec[DATA : DATA + 4] = seq.to_bytes(4, "little")
                        self.rec[DATA + 4] = off & 255
                        self.rec[DATA + 5] = off >> 8
                    self.rec[DATA + skip : DATA + skip + len(payload)] = payload
                    self._append(NOTE_COPY, skip + len(payload))
            self._carried = sector
            return bool(notes)
        return False

    def _carry(self, entry):
        history = []
        txn = self._gather_kept(entry, history, False)
        if txn is None:
            return False
        rec = self.rec
        history = history[-HISTORY_MAX:]
        rec[DATA] = txn.state
        rec[DATA + 1] = txn.attempts & 255
        rec[DATA + 2] = txn.printed & 255
        rec[DATA + 3 : DATA + 5] = records.text(txn.reason, 2)
        rec[DATA + 5] = len(history)
        at = DATA + 6
        for event, time in history:
            rec[at] = event
            put_time(rec, at + 1, time)
            at += 5
        end = records.put_intent(rec, at, txn, self.cipher)
        end = records.put_outcome(rec, end, txn, None)
        self._append(CARRIED, end - DATA)
        return True

    # -- background work -----------------------------------------------------------------------

    def idle(self):
        """One step of background work: erase ahead, check the past. True when there is more."""
        if self.read_only or not self.length:
            return False
        if self._erasing >= 0:
            return self._check_erased()
        if self._ready < 0 or self._dead() < 3:
            if self._dead() < 3 and self._oldest_is_closed():
                self._reclaim_step()
                return True
            if self._ready < 0:
                sector = self._pick(self.head)
                if sector >= 0:
                    self._ready_wear = self._wear_of(sector) + 1
                    if self.medium.erase(sector):
                        self._erasing = sector
                        self._erased_pages = 0
                    else:
                        self._give_up(sector)
                    return True
        return self._scrub()

    def _check_erased(self):
        if not self.medium.is_blank(self._erasing, self._erased_pages):
            self._give_up(self._erasing)
            self._erasing = -1
            return True
        self._erased_pages += 1
        if self._erased_pages == SECTOR // PAGE:
            self._ready = self._erasing
            self._erasing = -1
            self._look_ahead(self._ready)
        return True

    def _give_up(self, sector):
        self._retire(sector)
        self.rec[DATA] = sector
        self._append(RETIRE, 1)

    def _scrub(self):
        # Check the records of a few hundred bytes; once from the oldest to the newest.
        place = self._scrubbed >> 12
        if place >= self.length:
            return False
        s = self.chain[place]
        begin = self._scrubbed & 0xFFF
        if not begin and not self._head_holds(s):
            self._damaged(s, 0)
        for off in self._walk(s, begin, self._sector_end(s), True):
            if off - begin >= PAGE:
                self._scrubbed = place << 12 | off
                return True
        self._scrubbed = place + 1 << 12
        return True
