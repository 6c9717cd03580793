"""Finds transactions and puts them together from their intent and the events after it."""

from mobi.journal import records
from mobi.journal.layout import (
    A_FIXED,
    CARRIED,
    EVENT,
    INTENT,
    INTENTS_KNOWN,
    PREVIOUS_TOUCHED_MORE,
    TOUCH_FAR,
    TOUCH_REFUNDS,
    TOUCH_VOIDS,
    TOUCHES_IN_HEAD,
)
from mobi.journal.records import get24, get_number
from mobi.journal.state import HOME, IS_CARRIED, M24, ORDINAL, PLACE, TRACES, State
from mobi.transactions import (
    APPROVE,
    APPROVED,
    ATTEMPT,
    BEGIN,
    DECLINE,
    DOUBT,
    DROP,
    NEXT,
    PENDING,
    PRINT,
    REFUND,
    REFUNDED,
    RELEASE,
    REVERSE,
    SETTLED,
    UNDONE,
    VOID,
    VOIDED,
    Transaction,
)


class Lookup(State):
    """Reading transactions."""

    # -- where they are ------------------------------------------------------------------------

    def _place_of_ordinal(self, ordinal):
        # Where in the chain the sector is in which that transaction began.
        low = 0
        high = self.length - 1
        age = self._age(ordinal)
        while low < high:
            middle = (low + high + 1) >> 1
            if self.ordinal - self.firsts[self.chain[middle]] & M24 >= age:
                low = middle
            else:
                high = middle - 1
        return low

    def _by_ordinal(self, ordinal, derive=True, history=None):
        entry = self._entry(ordinal)
        if entry is not None:
            return self._gather_kept(entry, history, derive)
        if not 0 < self._age(ordinal) <= self._marked:
            return None
        place = self._place_of_ordinal(ordinal)
        s = self.chain[place]
        off = self._intent_at(s, ordinal)
        return None if off < 0 else self._gather(ordinal, s, off, place, derive, history)

    def _intent_at(self, sector, ordinal):
        # Where the intent of that transaction lies in ``sector``; -1. What was found is kept for
        # the sector asked for last, until the head moves on: who looks at one looks at its
        # neighbours next, and to walk through a sector for each takes 30 ms on a Pico.
        stretches = self._stretches
        if stretches is None or self._intents_for is not stretches or self._intents_in != sector:
            self._intents_count = 0
            self._intents_in = sector
            self._intents_for = stretches
        numbers = self._intents
        places = self._intents_at
        first = self.firsts[sector]
        wanted = ordinal - first & M24
        for i in range(self._intents_count - 1, -1, -1):
            if numbers[i] == wanted:
                return places[i]
        begin = places[self._intents_count - 1] if self._intents_count else 0
        for off in self._walk(sector, begin, self._sector_end(sector), False):
            if self.w_kind == INTENT:
                found = self._word()
                n = self._intents_count
                if found >= 0 and n < INTENTS_KNOWN and (not n or off > places[n - 1]):
                    number = found - first & M24
                    if number < 256:  # always, but where the word is damaged
                        numbers[n] = number
                        places[n] = off
                        self._intents_count = n + 1
                if found == ordinal:
                    return off
        return -1

    def _locate_trace(self, trace):
        # (ordinal, place, off) of the transaction with that trace; None.
        if not 1 <= trace <= TRACES:
            return None
        base = self._first_trace(0)
        reach = (trace - base) % TRACES
        if reach >= (self.next_trace - base) % TRACES:
            return None
        low = 0
        high = self.length - 1
        while low < high:
            middle = (low + high + 1) >> 1
            if (self._first_trace(middle) - base) % TRACES <= reach:
                low = middle
            else:
                high = middle - 1
        s = self.chain[low]
        for off in self._walk(s, 0, self._sector_end(s), False):
            if self.w_kind == INTENT and self._word(4) == trace:
                return self._word(), low, off
        return None

    def _first_trace(self, place):
        # The next trace when the sector at that place of the chain was entered.
        self.medium.read(self.chain[place], 32, self._four)
        return get24(self._four, 0)

    # -- what happened to them -----------------------------------------------------------------

    def _gather_kept(self, entry, history=None, derive=True):
        return self._gather(entry[ORDINAL], entry[HOME], entry[PLACE], -1, derive, history)

    def _gather(self, ordinal, sector, off, place=-1, derive=True, history=None):
        # The transaction whose intent lies there, with everything that happened to it.
        txn = Transaction(0)
        mark = self._mark_of(ordinal)
        entry = self._entry(ordinal)
        far = mark == TOUCH_FAR or (entry is not None and entry[IS_CARRIED])
        first = True
        spilled = True
        end = self.off if sector == self.head else self.ends[sector] & 0x7FFF
        for _ in self._walk(sector, off, end, False):
            kind = self.w_kind
            if first:
                payload = self._payload()
                if payload is None:
                    return None
                if kind == INTENT:
                    records.get_intent(payload, 0, txn, self.cipher)
                    txn.state = PENDING
                    if history is not None:
                        history.append((BEGIN, txn.time))
                elif kind != CARRIED:
                    return None
                else:
                    self._unpack(payload, txn, history)
                if txn.ordinal != ordinal:
                    return None
                first = False
            elif kind >= EVENT:
                if self._word() == ordinal:
                    self._happened(txn, history)
            elif kind == INTENT and not far:
                spilled = False
                break
        if first:
            return None
        voided = mark == TOUCH_VOIDS
        refunded = mark == TOUCH_REFUNDS
        if sector != self.head and (spilled or far):
            if place < 0:
                place = self.length - 2 if sector == self._previous else self.place_of(sector)
            following = self.chain[place + 1]
            if far:
                how = self._gather_far(txn, ordinal, place, history)
                voided = how & 1
                refunded = how & 2
            elif self.firsts[following] == ordinal + 1 & M24:
                for _ in self._walk(following, 0, self._sector_end(following), False):
                    if self.w_kind == INTENT:
                        break
                    if self.w_kind >= EVENT and self._word() == ordinal:
                        self._happened(txn, history)
        elif far:
            for touched, how in self.touches:
                if touched == ordinal:
                    voided = voided or how == TOUCH_VOIDS
                    refunded = refunded or how == TOUCH_REFUNDS
        if derive and txn.state == APPROVED:
            if voided:
                txn.state = VOIDED
            elif refunded:
                txn.state = REFUNDED
            elif ordinal - self._batch_start & M24 >= 0x800000:
                txn.state = SETTLED
        return txn

    def _gather_far(self, txn, ordinal, place, history):
        # What the sectors from ``place`` on say about it: bit 0 voided, bit 1 refunded.
        result = 0
        for at in range(place, self.length):
            s = self.chain[at]
            found = 0
            for touched, how in self._touches_of(at):
                if touched == ordinal:
                    found |= 4 if how == TOUCH_FAR else how
                elif touched < 0:
                    found |= 8  # more than the head could list
            result |= found & 3
            spill = at == place + 1 and self.firsts[s] == ordinal + 1 & M24
            if not (found & 12 or spill) or (at == place and not found & 8):
                continue
            for _ in self._walk(s, 0, self._sector_end(s), False):
                if self.w_kind < EVENT:
                    continue
                if self._word() == ordinal:
                    if at != place:  # the sector of the intent was read to its end already
                        self._happened(txn, history)
                elif found & 8 and self.w_kind == EVENT + APPROVE:
                    result |= self._undoes(ordinal)
        return result

    def _undoes(self, ordinal):
        # Does the approval ``_walk`` is at undo that transaction? 1 voids it, 2 refunds it.
        payload = self._payload()
        if payload is None or records.outcome_target(payload, 7, len(payload)) != ordinal:
            return 0
        kind = self._kind_of(get24(payload, 0))
        return 1 if kind == VOID else 2 if kind == REFUND else 0

    def _kind_of(self, ordinal):
        # While ``_walk`` is under way: look without disturbing it.
        kept = (self._w_sector, self._w_seed)
        txn = self._by_ordinal(ordinal, False)
        self._w_sector, self._w_seed = kept
        return 0 if txn is None else txn.kind

    def _touches_of(self, place):
        # [(ordinal, how)] for what the sector at ``place`` did to others; (-1, 0): there is more.
        if place == self.length - 1:
            return self.touches
        out = []
        if self.medium.hold(self.chain[place + 1], 0):
            page = self.medium.page
            for i in range(min(page[7], TOUCHES_IN_HEAD)):
                out.append((get24(page, A_FIXED + 4 * i), page[A_FIXED + 3 + 4 * i]))
            if page[6] & PREVIOUS_TOUCHED_MORE:
                out.append((-1, 0))
        return out

    def _unpack(self, payload, txn, history):
        # A transaction that was carried along.
        at = 6 + 5 * payload[5]
        end = records.get_intent(payload, at, txn, self.cipher)
        records.get_outcome(payload, end, txn)
        txn.state = payload[0]
        txn.attempts = payload[1]
        txn.printed = payload[2]
        txn.reason = str(bytes(payload[3:5]), "ascii").strip()
        if history is not None:
            for i in range(6, at, 5):
                history.append((payload[i], get_number(payload, i + 1, 4)))

    def _happened(self, txn, history):
        # Apply the event ``_walk`` is at.
        payload = self._payload()
        if payload is None:
            return
        event = self.w_kind - EVENT
        state = NEXT.get((txn.state, event))
        if state is None:
            return
        txn.state = state
        if history is not None:
            history.append((event, get_number(payload, 3, 4)))
        if event == APPROVE or event == DECLINE:
            records.get_outcome(payload, 7, txn)
        elif event == REVERSE:
            txn.reason = str(bytes(payload[7:9]), "ascii").strip()
            if len(payload) >= 15:
                txn.auth = str(bytes(payload[9:15]), "ascii")
        elif event == ATTEMPT:
            txn.attempts = payload[7]
        elif event == UNDONE or event == DROP or event == DOUBT:
            txn.code = str(bytes(payload[7:9]), "ascii").strip()
        elif event == RELEASE:
            txn.supervisor = payload[7]
            txn.note = payload[8]
        elif event == PRINT:
            txn.printed = payload[7]
