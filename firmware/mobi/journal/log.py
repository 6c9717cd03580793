"""The journal: transactions, their events, batches, settlements and notes on the log of ``ring``.

Nothing is ever changed in place. A transaction is its intent and the events after it; whether it
was voided, refunded or settled follows from other records when it is read. Every method that
writes returns only when what it wrote is durable and has read back.
"""

from micropython import const

from mobi.journal import records
from mobi.journal.medium import PAGE, SECTOR
from mobi.journal.records import get24, get_number, put24, put_time
from mobi.journal.ring import (
    A_FIXED,
    BATCH,
    BY_MOUNT,
    CARRIED,
    DATA,
    EVENT,
    FLOOR,
    FRAME,
    INTENT,
    NOTE,
    NOTE_COPY,
    PREVIOUS_TOUCHED_MORE,
    RECORD,
    RESUME,
    RETIRE,
    SEAL,
    SETTLE,
    STAGE,
    TOUCHES_IN_HEAD,
    TRACE,
    JournalError,
    JournalFull,
    behind,
)
from mobi.journal.startup import (
    CLEAN,
    DAMAGED,
    EMPTY,
    FOREIGN,
    OTHER_VERSION,
    REPAIRED,
    Startup,
)
from mobi.transactions import (
    APPROVE,
    APPROVED,
    ATTEMPT,
    BALANCE,
    BEGIN,
    DECLINE,
    DROP,
    NEXT,
    PENDING,
    PRINT,
    REFUND,
    REFUNDED,
    RELEASE,
    RELEASED,
    REVERSE,
    SALE,
    SETTLED,
    UNDONE,
    VOID,
    VOIDED,
    Transaction,
    WrongEvent,
    is_unfinished,
    next_state,
)

__all__ = (
    "CLEAN",
    "DAMAGED",
    "EMPTY",
    "FOREIGN",
    "OTHER_VERSION",
    "REPAIRED",
    "Journal",
    "JournalError",
    "JournalFull",
    "Totals",
    "Verdict",
)

TRACES = const(999999)
_M24 = const(0xFFFFFF)
_NOTHING = const(0xFFFF)

# How a record touches a transaction that was begun before the newest one.
_VOIDED = const(1)
_REFUNDED = const(2)
_FAR = const(3)  # an event of its own, or more than one thing

# The checkpoint in a head.
_SAVED = const(52)
_OPEN_MAX = const(12)
_RELEASED_MAX = const(4)
_BAD_MAX = const(16)

_NOTE_MAX = const(200)
_STAGE_MAX = const(200)
_SETTLE_MAX = const(400)
_HISTORY_MAX = const(10)

# Bytes a begun transaction may still need: outcome, prints, reason, 10 tries, end of a reversal.
_LIFE = FRAME + 7 + records.OUTCOME_MAX + 4 * 14 + 21 + 10 * 14 + 15 + 16
# What a full journal must still take: the void of a sale, the settlement and its upload, restarts.
_RESERVE = FRAME + 90 + _LIFE + 200 + 300 + 400
# A sale with its outcome and two receipts, as a measure of what still fits.
_TYPICAL = const(150)

# Places in a kept entry.
_ORDINAL = const(0)
_SECTOR = const(1)
_OFF = const(2)
_STATE = const(3)
_KIND = const(4)
_AMOUNT = const(5)
_IS_CARRIED = const(6)

_NAMES = {
    CLEAN: "clean",
    REPAIRED: "repaired",
    DAMAGED: "damaged",
    EMPTY: "empty",
    FOREIGN: "foreign",
    OTHER_VERSION: "version",
}


class Verdict:
    """What start-up found. ``kind``: CLEAN, REPAIRED, DAMAGED, EMPTY, FOREIGN or OTHER_VERSION."""

    def __init__(self, kind, damage, bad, read_only):
        self.kind = kind
        self.name = _NAMES[kind]
        # (sector, offset) of every place that should have been readable and is not.
        self.damage = damage
        # Sectors that are not used any more because they failed.
        self.bad = bad
        # True: nothing can be written any more.
        self.read_only = read_only

    @property
    def usable(self):
        """Is there a journal to work with?"""
        return self.kind <= DAMAGED

    @property
    def text(self):
        """One line for a log."""
        text = self.name
        if self.damage:
            text += " at " + ", ".join("%d+%d" % place for place in self.damage)
        if self.bad:
            text += "; %d bad sectors" % len(self.bad)
        if self.read_only:
            text += "; read only"
        return text


class Totals:
    """Counts and amounts (分) of the approved transactions of a batch."""

    def __init__(self, values):
        self.sale_count, self.sale_amount = values[0:2]
        self.void_count, self.void_amount = values[2:4]
        self.refund_count, self.refund_amount = values[4:6]

    @property
    def debit_count(self):
        """Sales, voided ones too (field 48)."""
        return self.sale_count

    @property
    def debit_amount(self):
        """See ``debit_count``."""
        return self.sale_amount

    @property
    def credit_count(self):
        """Voids and refunds (field 48)."""
        return self.void_count + self.refund_count

    @property
    def credit_amount(self):
        """See ``credit_count``."""
        return self.void_amount + self.refund_amount


class Health:
    """What the self-check shows about the flash."""

    def __init__(self, sectors, bad, spare, wear, damage, read_only):
        self.sectors = sectors
        self.bad = bad
        self.spare = spare  # sectors that hold nothing and can be used
        self.wear = wear  # erases by sector; None where it has no head just now
        self.damage = damage
        self.read_only = read_only

    @property
    def low(self):
        """Should somebody be told? So many sectors are bad that the next failures will hurt."""
        return self.read_only or len(self.bad) * 8 >= self.sectors


class Journal(Startup):
    """The transactions of a terminal in a flash region of 16 to 256 sectors of 4096 bytes.

    ``flash``: block device with ``readblocks(n, buf, off)``, ``writeblocks(n, buf, off)``
    (programs, never erases) and ``ioctl`` 3, 4, 5, 6. ``unit``: 1 when it programs any length,
    256 when whole pages. ``cipher``: ``encrypt(b16)`` and ``decrypt(b16)`` for card numbers;
    ``decrypt`` may give None. ``now``: gives seconds since 2000 for the time of events; may be
    set later.
    """

    def __init__(self, flash, unit, cipher, now=None):
        super().__init__(flash, unit)
        self.cipher = cipher
        self.now = now
        # Two bits for each of the newest transactions: how later records touch it.
        size = 64
        while size < self.sectors * 8:
            size *= 2
        self._marks = bytearray(size)
        self._marked = size * 4
        # Unfinished and released transactions and the newest one, oldest first.
        self._kept = []
        self._last = None
        self._totals = [0] * 6
        self._scrubbed = 0
        self._carried = -1
        self._rrn = ("", None)
        self._reset()

    # -- start-up and format -------------------------------------------------------------------

    def mount(self):
        """Find the journal after power-on; the verdict. Never formats."""
        self._scrubbed = 0
        self._carried = -1
        self._rrn = ("", None)
        kind = self._start()
        return Verdict(kind, list(self.damage), self.bad_sectors(), self.read_only)

    def format(self, batch=1, trace=1):
        """Erase everything and begin a journal with these numbers. Only a person may ask for it."""
        wear = 0
        for s in range(self.sectors):
            wear = max(wear, self.head_wear(s) or 0)
        self._forget()
        self._clear_marks()
        for i in range(len(self.bad)):
            self.bad[i] = 0
        for s in range(self.sectors):
            if not self._all_blank(s) and not (self.medium.erase(s) and self._all_blank(s)):
                self._retire(s)
        self.head = self._pick(self.sectors - 1)
        if self.head < 0:
            raise JournalError("no sector of this flash can be erased")
        self.batch = batch
        self.next_trace = trace
        self.ordinal = self._batch_start = self._last_start = 1
        self.seq = self.inc = self.floor = 1
        self.wear = wear + 1
        self._next_wear = wear
        self._previous = -1
        # The head alone is nothing yet: SEAL behind it makes it a journal.
        while True:
            size = self._head_size()
            at = RECORD - size
            self._write_head(at, self.seq, self.inc, self.wear, BY_MOUNT, 0, 0)
            self._finish_head(at, size)
            if self.medium.program(self.head, 0, self.view[at:], size):
                break
            self._retire(self.head)
            self.head = self._pick(self.head)
            if self.head < 0:
                raise JournalError("no sector of this flash can be written")
        self.chain[0] = self.head
        self.length = 1
        self.ends[self.head] = 1
        self.firsts[self.head] = self.ordinal
        self.traces[self.head] = self.next_trace
        self._seed = self._head_info(self.head)[1]
        self.off = size
        self._seal()

    # -- writing -------------------------------------------------------------------------------

    def begin(self, txn):
        """Give ``txn`` its trace and batch and make the whole intent durable.

        ``JournalFull``: there is no room for its whole life; nothing was written.
        """
        if txn.state:
            raise WrongEvent(txn.state, BEGIN)
        while self._dead() < 2 and self._oldest_is_closed():
            self._reclaim_step()
        if txn.kind == REFUND and txn.original_rrn and not txn.original_trace:
            self.find_rrn(txn.original_rrn)  # so that its approval need not search
        txn.ordinal = self.ordinal
        txn.trace = self.next_trace
        txn.batch = self.batch
        size = records.put_intent(self.rec, DATA, txn, self.cipher) - DATA
        if not self._fits(size, txn.kind):
            txn.ordinal = None
            txn.trace = txn.batch = 0
            raise JournalFull("no room for another transaction")
        self._append(INTENT, size)
        txn.state = PENDING

    def mark(self, txn, event):
        """Make ``event`` durable with what ``txn`` says about it, and move ``txn.state`` on.

        ``WrongEvent``: it cannot happen to a transaction in that state; nothing was written.
        The caller counts ``txn.attempts`` before ATTEMPT and sets the bit in ``txn.printed``
        before PRINT.
        """
        ordinal = txn.ordinal
        if ordinal is None:
            raise WrongEvent(txn.state, event)  # it never began
        entry = self._entry(ordinal)
        if entry is not None:
            state = entry[_STATE]
        else:
            known = self._by_ordinal(ordinal, False)
            if known is None or known.trace != txn.trace:
                raise WrongEvent(txn.state, event)
            state = known.state
        new = next_state(state, event)
        target = None
        if event == APPROVE and (txn.kind == VOID or txn.kind == REFUND):
            target = self._target(txn)
        rec = self.rec
        put24(rec, DATA, ordinal)
        put_time(rec, DATA + 3, self._time())
        end = DATA + 7
        if event == APPROVE or event == DECLINE:
            end = records.put_outcome(rec, end, txn, target)
        elif event == REVERSE:
            rec[end : end + 2] = records.text(txn.reason, 2)
            end += 2
            if txn.auth:
                # A reply that could not be trusted: the reversal carries its field 38.
                rec[end : end + 6] = records.text(txn.auth, 6)
                end += 6
        elif event == ATTEMPT:
            rec[end] = txn.attempts & 255
            end += 1
        elif event == UNDONE or event == DROP:
            rec[end : end + 2] = records.text(txn.code, 2)
            end += 2
        elif event == RELEASE:
            rec[end] = txn.supervisor
            rec[end + 1] = txn.note
            end += 2
        elif event == PRINT:
            rec[end] = txn.printed & 255
            end += 1
        self._append(EVENT + event, end - DATA)
        derived = txn.state in (VOIDED, REFUNDED, SETTLED)
        if not (derived and new == APPROVED):
            txn.state = new

    def take_trace(self):
        """A trace number for a message that is not a transaction; durable before it returns."""
        trace = self.next_trace
        put24(self.rec, DATA, trace % TRACES + 1)
        self._append(TRACE, 3)
        return trace

    def set_batch(self, batch):
        """Take the batch number the host wants. Only while the open batch is empty."""
        if self.count:
            raise JournalError("the open batch is not empty")
        put24(self.rec, DATA, batch)
        self._append(BATCH, 3)

    def settlement(self, stage, payload):
        """Keep how far a settlement has come (stage 1 to 255) and up to 200 bytes about it."""
        if len(payload) > _STAGE_MAX:
            raise ValueError("at most 200 bytes")
        self.rec[DATA] = stage
        self.rec[DATA + 1 : DATA + 1 + len(payload)] = payload
        self._append(STAGE, 1 + len(payload))

    def settle(self, next_batch, payload=b""):
        """Close the batch with one record; ``payload``: up to 400 bytes for ``last_batch``."""
        if len(payload) > _SETTLE_MAX:
            raise ValueError("at most 400 bytes")
        rec = self.rec
        rec[DATA] = 0
        put24(rec, DATA + 1, next_batch)
        put24(rec, DATA + 4, self.batch)
        put_time(rec, DATA + 7, self._time())
        rec[DATA + 11 : DATA + 11 + len(payload)] = payload
        self._append(SETTLE, 11 + len(payload))

    def note(self, kind, payload, txn=None):
        """Keep a note of up to 200 bytes: an audit record, or the history of the case ``txn``.

        ``kind``: one byte. False when the room that is left is reserved for money.
        """
        payload = payload[:_NOTE_MAX]
        if not self._room_for(FRAME + 8 + len(payload) + self._reserved(SALE)):
            return False
        rec = self.rec
        put24(rec, DATA, _M24 if txn is None else txn.ordinal)
        put_time(rec, DATA + 3, self._time())
        rec[DATA + 7] = kind if isinstance(kind, int) else kind[0]
        rec[DATA + 8 : DATA + 8 + len(payload)] = payload
        self._append(NOTE, 8 + len(payload))
        return True

    def _time(self):
        return self.now() if self.now is not None else 0

    def _target(self, txn):
        # The ordinal of the sale a void or refund undoes, when the journal has it.
        if txn.original_trace:
            found = self._locate_trace(txn.original_trace)
            return None if found is None else found[0]
        if txn.original_rrn and self._rrn[0] != txn.original_rrn:
            self.find_rrn(txn.original_rrn)
        return self._rrn[1] if self._rrn[0] == txn.original_rrn else None

    # -- room ----------------------------------------------------------------------------------

    def _reserved(self, kind):
        # Bytes that must stay free: the rest of every open life, one void, the settlement.
        need = 0 if kind == VOID else _RESERVE
        for entry in self._kept:
            if is_unfinished(entry[_STATE]):
                need += _LIFE
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
            unfinished += is_unfinished(entry[_STATE])
        if unfinished >= _OPEN_MAX or self.count >= self._marked - 1:
            return False
        return self._room_for(FRAME + size + _LIFE + self._reserved(kind))

    @property
    def capacity(self):
        """How many transactions a batch can hold, about."""
        usable = self.sectors - len(self.bad_sectors()) - 1
        return (usable * (SECTOR - 170) - _RESERVE - _LIFE) // _TYPICAL

    @property
    def room(self):
        """How many transactions still fit, about; 0 when ``begin`` of a sale would refuse."""
        if not self._fits(records.INTENT_MAX, SALE):
            return 0
        left = SECTOR - self.off + self._spare_sectors() * (SECTOR - 170)
        return max(1, (left - self._reserved(SALE) - _LIFE) // _TYPICAL)

    # -- reading -------------------------------------------------------------------------------

    @property
    def count(self):
        """Transactions of the open batch."""
        return self.ordinal - self._batch_start & _M24

    def at(self, i):
        """The i-th transaction of the open batch, 0 the oldest; None when it is damaged."""
        if not 0 <= i < self.count:
            raise IndexError(i)
        return self._by_ordinal(self._batch_start + i & _M24)

    def find(self, trace, batch=None):
        """The transaction with that trace in the open batch, or in ``batch``; None."""
        found = self._locate_trace(trace)
        if found is None:
            return self._find_carried(trace, batch)
        ordinal, place, off = found
        if batch is None and self._age(ordinal) > self.count:
            return None
        txn = self._gather(ordinal, self.chain[place], off, place)
        return txn if batch is None or txn is None or txn.batch == batch else None

    def _find_carried(self, trace, batch):
        if batch is not None:
            for entry in self._kept:
                if entry[_IS_CARRIED]:
                    txn = self._gather_kept(entry)
                    if txn is not None and txn.trace == trace and txn.batch == batch:
                        return txn
        return None

    def find_settled(self, trace):
        """The transaction with that trace in a batch that was settled and is still here; None."""
        found = self._locate_trace(trace)
        if found is None or self._age(found[0]) <= self.count:
            return None
        return self._gather(found[0], self.chain[found[1]], found[2], found[1])

    def find_rrn(self, rrn):
        """The newest approved sale with that reference number (12 characters); None."""
        wanted = records.packed_rrn(rrn)
        piece = bytearray(16)
        view = memoryview(piece)[: 4 + len(wanted)]
        mask = records.rrn_option(rrn)
        for place in range(self.length - 1, -1, -1):
            s = self.chain[place]
            hits = []
            for _ in self._walk(s, 0, self._sector_end(s), False):
                if self.w_kind == EVENT + APPROVE and self.w_len >= 11 + len(wanted):
                    ordinal = self._word()
                    self.medium.read(s, self.w_at + 7, view)
                    if piece[0] & mask and view[4:] == wanted:
                        hits.append(ordinal)
            for ordinal in reversed(hits):
                txn = self._by_ordinal(ordinal)
                if txn is not None and txn.kind == SALE and txn.rrn == rrn:
                    self._rrn = (rrn, txn.ordinal)
                    return txn
        self._rrn = (rrn, None)
        return None

    def last(self):
        """The newest transaction of the open batch, or None."""
        return self.at(self.count - 1) if self.count else None

    def newest_approved(self):
        """末笔: the newest approved sale, void or refund of the open batch, or None."""
        if self._approved is None:
            return None
        ordinal, sector, off = self._approved
        return self._gather(ordinal, sector, off)

    def unfinished(self):
        """Transactions that are PENDING, REVERSAL_DUE or UNKNOWN, of any batch, oldest first."""
        return self._list(is_unfinished)

    def released(self):
        """The newest (up to 4) transactions whose reversal or query was given up."""
        return self._list(_is_released)

    def _list(self, wanted):
        out = []
        for entry in self._kept:
            if wanted(entry[_STATE]):
                txn = self._gather_kept(entry)
                if txn is not None:
                    out.append(txn)
        return out

    def history(self, txn):
        """What happened to ``txn``: [(event, seconds since 2000)], oldest first."""
        history = []
        entry = self._entry(txn.ordinal)
        if entry is not None:
            self._gather_kept(entry, history)
        else:
            self._by_ordinal(txn.ordinal, True, history)
        return history

    def refunded(self, original):
        """分 refunded in this batch against the sale with that trace (int) or RRN (str)."""
        total = 0
        for i in self._refunds():
            txn = self._by_ordinal(i)
            if txn is None or txn.state not in (APPROVED, SETTLED):
                continue
            name = txn.original_trace if isinstance(original, int) else txn.original_rrn
            if name == original:
                total += txn.amount
        return total

    def _refunds(self):
        # Ordinals of the refunds of the open batch.
        out = []
        for place in range(self._place_of_ordinal(self._batch_start), self.length):
            s = self.chain[place]
            for _ in self._walk(s, 0, self._sector_end(s), False):
                if self.w_kind == INTENT:
                    ordinal = self._word()
                    if self._peek24(5) & 255 == REFUND and self._age(ordinal) <= self.count:
                        out.append(ordinal)
        return out

    def totals(self):
        """``Totals`` of the open batch."""
        return Totals(self._totals)

    @property
    def settlement_open(self):
        """Has a settlement of the open batch begun and not ended?"""
        return self._stage is not None

    @property
    def settlement_stage(self):
        """(stage, payload) as last given to ``settlement``; (0, b"") when none is open."""
        if self._stage is None:
            return 0, b""
        payload = self._record_at(self._stage)
        return (0, b"") if payload is None else (payload[0], payload[1:])

    @property
    def last_batch(self):
        """The payload of the last settlement; None when there is none."""
        payload = self._settlement_record()
        return None if payload is None else payload[11:]

    @property
    def last_batch_number(self):
        """The number of the batch that was settled last; 0 when there is none."""
        payload = self._settlement_record()
        return 0 if payload is None else get24(payload, 4)

    def _settlement_record(self):
        return None if self._settled is None else self._record_at(self._settled)

    @property
    def last_count(self):
        """Transactions of the last settled batch that are still here."""
        oldest = self.firsts[self.chain[0]]
        total = self._batch_start - self._last_start & _M24
        here = self._batch_start - oldest & _M24
        return total if here >= total and here <= self._marked else min(here, total)

    def at_last(self, i):
        """The i-th of them, 0 the oldest; None when it is damaged."""
        if not 0 <= i < self.last_count:
            raise IndexError(i)
        return self._by_ordinal(self._batch_start - self.last_count + i & _M24)

    def notes(self, kind=None, txn=None):
        """Yield notes, newest first: (time, kind as one byte, payload, ordinal or None).

        Times are seconds since 2000. Only those of ``kind``, or about ``txn``, when given.
        """
        if isinstance(kind, int):
            kind = bytes((kind,))
        about = None if txn is None else txn.ordinal
        copied = set()  # notes whose copies were seen: sequence and place of the first
        for place in range(self.length - 1, -1, -1):
            s = self.chain[place]
            offs = []
            for off in self._walk(s, 0, self._sector_end(s), False):
                if self.w_kind == NOTE or self.w_kind == NOTE_COPY:
                    offs.append((off, self.w_kind))
            seq = self._seq_of(s) if copied else 0
            for off, record in reversed(offs):
                payload = self._record_at((s, off))
                if payload is None or (seq, off) in copied:
                    continue
                if record == NOTE_COPY:
                    first = (get_number(payload, 0, 4), payload[4] | payload[5] << 8)
                    if first in copied:
                        continue
                    copied.add(first)
                    seq = self._seq_of(s)
                    payload = payload[6:]
                ordinal = get24(payload, 0)
                name = payload[7:8]
                if (kind is None or name == kind) and (about is None or ordinal == about):
                    time = get_number(payload, 3, 4)
                    yield time, name, payload[8:], None if ordinal == _M24 else ordinal

    def newest_time(self):
        """The newest time in the journal, seconds since 2000; 0 when there is none."""
        return self._newest

    def health(self):
        """State of the flash, for the self-check. Reads the head of every sector."""
        wear = [self.head_wear(s) for s in range(self.sectors)]
        return Health(
            self.sectors, self.bad_sectors(), self._dead(), wear, list(self.damage), self.read_only
        )

    # -- finding -------------------------------------------------------------------------------

    def _age(self, ordinal):
        # 1 for the newest transaction.
        return self.ordinal - ordinal & _M24

    def _entry(self, ordinal):
        for entry in self._kept:
            if entry[_ORDINAL] == ordinal:
                return entry
        return None

    def _place_of_ordinal(self, ordinal):
        # Where in the chain the sector is in which that transaction began.
        low = 0
        high = self.length - 1
        age = self._age(ordinal)
        while low < high:
            middle = (low + high + 1) >> 1
            if self.ordinal - self.firsts[self.chain[middle]] & _M24 >= age:
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
        for off in self._walk(s, 0, self._sector_end(s), False):
            if self.w_kind == INTENT and self._word() == ordinal:
                return self._gather(ordinal, s, off, place, derive, history)
        return None

    def _locate_trace(self, trace):
        # (ordinal, place, off) of the transaction with that trace; None.
        base = self.traces[self.chain[0]]
        reach = (trace - base) % TRACES
        if not 1 <= trace <= TRACES or reach >= (self.next_trace - base) % TRACES:
            return None
        low = 0
        high = self.length - 1
        while low < high:
            middle = (low + high + 1) >> 1
            if (self.traces[self.chain[middle]] - base) % TRACES <= reach:
                low = middle
            else:
                high = middle - 1
        s = self.chain[low]
        for off in self._walk(s, 0, self._sector_end(s), False):
            if self.w_kind == INTENT and self._peek24(6) == trace:
                return self._word(), low, off
        return None

    def _peek24(self, skip):
        # 24 bits of the payload ``_walk`` is at, not checked.
        at = self.w_at + skip
        i = at & 255
        if i <= 253 and self.medium.held == self._w_sector << 4 | at >> 8:
            return get24(self.medium.page, i)
        if not self.medium.read(self._w_sector, at, self._four):
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

    # -- putting a transaction together --------------------------------------------------------

    def _gather_kept(self, entry, history=None, derive=True):
        return self._gather(entry[_ORDINAL], entry[_SECTOR], entry[_OFF], -1, derive, history)

    def _gather(self, ordinal, sector, off, place=-1, derive=True, history=None):
        # The transaction whose intent lies there, with everything that happened to it.
        txn = Transaction(0)
        mark = self._mark_of(ordinal)
        entry = self._entry(ordinal)
        far = mark == _FAR or (entry is not None and entry[_IS_CARRIED])
        first = True
        spilled = True
        for _ in self._walk(sector, off, self._sector_end(sector), False):
            kind = self.w_kind
            if first:
                payload = self._payload()
                if payload is None or not self._decode(kind, payload, txn, history):
                    return None
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
        voided = mark == _VOIDED
        refunded = mark == _REFUNDED
        if sector != self.head and (spilled or far):
            if place < 0:
                place = self.place_of(sector)
            following = self.chain[place + 1]
            if far:
                how = self._gather_far(txn, ordinal, place, history)
                voided = how & 1
                refunded = how & 2
            elif self.firsts[following] == ordinal + 1 & _M24:
                for _ in self._walk(following, 0, self._sector_end(following), False):
                    if self.w_kind == INTENT:
                        break
                    if self.w_kind >= EVENT and self._word() == ordinal:
                        self._happened(txn, history)
        elif far:
            for touched, how in self.touches:
                if touched == ordinal:
                    voided = voided or how == _VOIDED
                    refunded = refunded or how == _REFUNDED
        if derive and txn.state == APPROVED:
            if voided:
                txn.state = VOIDED
            elif refunded:
                txn.state = REFUNDED
            elif self._age(ordinal) > self.count:
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
                    found |= 4 if how == _FAR else how
                elif touched < 0:
                    found |= 8  # more than the head could list
            result |= found & 3
            spill = at == place + 1 and self.firsts[s] == ordinal + 1 & _M24
            if at == place or not (found & 12 or spill):
                continue  # the sector of the intent was read to its end already
            for _ in self._walk(s, 0, self._sector_end(s), False):
                if self.w_kind < EVENT:
                    continue
                if self._word() == ordinal:
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
        kept = (self.w_kind, self.w_len, self.w_at, self._w_sector, self._w_off, self._w_len)
        seed = self._w_seed
        txn = self._by_ordinal(ordinal, False)
        self.w_kind, self.w_len, self.w_at, self._w_sector, self._w_off, self._w_len = kept
        self._w_seed = seed
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

    def _decode(self, kind, payload, txn, history):
        # An intent, or a transaction that was carried along.
        if kind == INTENT:
            records.get_intent(payload, 0, txn, self.cipher)
            txn.state = PENDING
            if history is not None:
                history.append((BEGIN, txn.time))
            return True
        if kind != CARRIED:
            return False
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
        return True

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
        elif event == UNDONE or event == DROP:
            txn.code = str(bytes(payload[7:9]), "ascii").strip()
        elif event == RELEASE:
            txn.supervisor = payload[7]
            txn.note = payload[8]
        elif event == PRINT:
            txn.printed = payload[7]

    # -- what a record means -------------------------------------------------------------------

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
            ordinal = get24(p, 0)
            last = self._last
            if last is not None and not _stays(last[_STATE]):
                self._kept.remove(last)
            entry = [ordinal, sector, off, PENDING, p[5], get_number(p, 12, 5), False]
            self._kept.append(entry)
            self._last = entry
            self.ordinal = ordinal + 1 & _M24
            self.next_trace = get24(p, 6) % TRACES + 1
            self._set_mark(ordinal, 0)
            self._seen_time(get_number(p, 17, 4))
        elif kind == CARRIED:
            at = 6 + 5 * p[5]
            ordinal = get24(p, at)
            entry = self._entry(ordinal)
            if entry is None:
                # The checkpoint named a sector that was given up after this copy was made.
                amount = get_number(p, at + 12, 5)
                entry = [ordinal, sector, off, p[0], p[at + 5], amount, True]
                self._kept.append(entry)
                self._kept.sort(key=lambda e: -self._age(e[_ORDINAL]))
            entry[_SECTOR] = sector
            entry[_OFF] = off
            entry[_IS_CARRIED] = True
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

    def _apply_event(self, event, p, sector):
        ordinal = get24(p, 0)
        self._seen_time(get_number(p, 3, 4))
        entry = self._entry(ordinal)
        if entry is None:
            self._touch(ordinal, _FAR)  # a receipt printed late
            return
        home = entry[_SECTOR]
        if (
            entry is not self._last
            or entry[_IS_CARRIED]
            or (home != sector and home != self._previous)
        ):
            self._touch(ordinal, _FAR)
        state = NEXT.get((entry[_STATE], event))
        if state is None:
            return
        entry[_STATE] = state
        if event == APPROVE:
            self._approve(entry, p)
        if entry is not self._last and not _stays(state):
            self._kept.remove(entry)
        if state == RELEASED:
            self._limit_released()

    def _approve(self, entry, p):
        kind = entry[_KIND]
        size = len(p)
        target = records.outcome_target(p, 7, size)
        if target is not None and target != entry[_ORDINAL]:
            self._touch(target, _VOIDED if kind == VOID else _REFUNDED)
        if kind == BALANCE or self._age(entry[_ORDINAL]) > self.count:
            return
        amount = records.outcome_amount(p, 7, size)
        if amount is None:
            amount = entry[_AMOUNT]
        at = 0 if kind == SALE else 2 if kind == VOID else 4
        self._totals[at] += 1
        self._totals[at + 1] += amount
        if self._approved is None or self._age(entry[_ORDINAL]) < self._age(self._approved[0]):
            self._approved = (entry[_ORDINAL], entry[_SECTOR], entry[_OFF])

    def _limit_released(self):
        released = [entry for entry in self._kept if entry[_STATE] == RELEASED]
        for entry in released[: max(0, len(released) - _RELEASED_MAX)]:
            if entry is not self._last:
                self._kept.remove(entry)

    def _seen_time(self, time):
        if time > self._newest:
            self._newest = time

    def _touch(self, ordinal, how):
        if (ordinal, how) not in self.touches:
            self.touches.append((ordinal, how))
        self._mark_touch(ordinal, how)

    def _mark_touch(self, ordinal, how):
        if 0 < self._age(ordinal) <= self._marked:
            known = self._mark_of(ordinal)
            self._set_mark(ordinal, how if known == 0 or known == how else _FAR)

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
        newest = self.firsts[s] - 1 & _M24
        for _ in self._walk(s, 0, self._sector_end(s), False):
            if self.w_kind == INTENT:
                newest = self._word()
            elif self.w_kind > EVENT:
                ordinal = self._word()
                if ordinal != newest or newest == self.firsts[s] - 1 & _M24:
                    self._mark_touch(ordinal, _FAR)
                if self.w_kind == EVENT + APPROVE:
                    payload = self._payload()
                    if payload is not None:
                        target = records.outcome_target(payload, 7, len(payload))
                        if target is not None:
                            self._mark_touch(target, _FAR)

    # -- the checkpoint in a head --------------------------------------------------------------

    def _saved_size(self):
        return _SAVED + min(len(self.bad_sectors()), _BAD_MAX) + 7 * len(self._kept)

    def _distance(self, seq, sector):
        return min(behind(seq, self._seq_of(sector)), _NOTHING - 1)

    def _save(self, at, seq):
        rec = self.rec
        put24(rec, at, self._batch_start)
        put24(rec, at + 3, self._last_start)
        put24(rec, at + 6, _M24 if self._approved is None else self._approved[0])
        self._save_place(at + 9, seq, None if self._approved is None else self._approved[1:])
        self._save_place(at + 13, seq, self._settled)
        self._save_place(at + 17, seq, self._stage)
        for i in range(3):
            rec[at + 21 + 7 * i] = self._totals[2 * i] & 255
            rec[at + 22 + 7 * i] = self._totals[2 * i] >> 8 & 255
            rec[at + 23 + 7 * i : at + 28 + 7 * i] = self._totals[2 * i + 1].to_bytes(5, "little")
        put_time(rec, at + 42, self._newest)
        bad = self.bad_sectors()[:_BAD_MAX]
        rec[at + 46] = len(bad)
        at += 47
        for s in bad:
            rec[at] = s
            at += 1
        rec[at] = len(self._kept)
        at += 1
        for entry in self._kept:
            put24(rec, at, entry[_ORDINAL])
            self._save_place(at + 3, seq, (entry[_SECTOR], entry[_OFF] | entry[_STATE] << 12))
            at += 7

    def _save_place(self, at, seq, where):
        distance = _NOTHING
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
        if approved != _M24 and where is not None:
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
        newest = self.ordinal - 1 & _M24
        for _ in range(count):
            where = self._restore_place(b, at + 3, seq)
            if where is not None:
                self._restore_kept(get24(b, at), where[0], where[1] & 0xFFF, where[1] >> 12, newest)
            at += 7

    def _restore_place(self, b, at, seq):
        distance = b[at] | b[at + 1] << 8
        if distance == _NOTHING:
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
        intent = bytearray(17)
        if not self.medium.read(sector, at, memoryview(intent)) or get24(intent, 0) != ordinal:
            self._damaged(sector, off)
            return
        entry = [ordinal, sector, off, state, intent[5], get_number(intent, 12, 5), carried]
        self._kept.append(entry)
        if ordinal == newest:
            self._last = entry

    def _moved(self, sector, old, new):
        # A copy of the record at ``old`` counts from now on.
        for entry in self._kept:
            if entry[_SECTOR] == sector and entry[_OFF] == old:
                entry[_OFF] = new
        if self._settled == (sector, old):
            self._settled = (sector, new)
        if self._stage == (sector, old):
            self._stage = (sector, new)
        if self._approved is not None and self._approved[1:] == (sector, old):
            self._approved = (self._approved[0], sector, new)

    # -- giving up old sectors -----------------------------------------------------------------

    def _may_drop(self, sector, next_first):
        # Is everything in it settled?
        if self._stage is not None and self._stage[0] == sector:
            return False
        return self._age(next_first) >= self.count

    def _superseded(self, sector, end):
        # How many records a sector has, the places of those that later ones make superfluous, and
        # how many bytes that would save.
        count = 0
        out = set()
        gain = 0
        newest = {}
        for off in self._walk(sector, 0, end, True):
            count += 1
            kind = self.w_kind
            if kind == TRACE or kind == STAGE:
                name = kind
            elif kind == EVENT + ATTEMPT:
                name = ATTEMPT << 24 | get24(self._loaded(), 0)
            elif kind in (FLOOR, SEAL, RETIRE):
                name = None  # the new head says it
            else:
                continue
            size = FRAME + self.w_len
            if name is None:
                out.add(off)
                gain += size
                continue
            if name in newest:
                before, saved = newest[name]
                out.add(before)
                gain += saved
            newest[name] = (off, size)
        return count, out, gain

    def _cases(self):
        return [entry for entry in self._kept if _stays(entry[_STATE])]

    def _nothing_to_carry(self, sector):
        if self._settled is not None and self._settled[0] == sector:
            return False
        cases = self._cases()
        for entry in cases:
            if entry[_SECTOR] == sector:
                return False
        return not cases or self._carried == sector

    def _carry_step(self, sector):
        """Copy one thing out of ``sector`` that must outlive it. False: nothing is left."""
        if self._settled is not None and self._settled[0] == sector:
            payload = self._record_at(self._settled)
            if payload is not None:
                self.rec[DATA : DATA + len(payload)] = payload
                self.rec[DATA] = 1
                self._append(SETTLE, len(payload))
                return True
            self._settled = None
        for entry in self._cases():
            if entry[_SECTOR] == sector:
                if self._carry(entry):
                    return True
                self._kept.remove(entry)  # unreadable; the verdict says so
        if self._cases() and self._carried != sector:
            notes = []
            seq = self._seq_of(sector)
            for off in self._walk(sector, 0, self._sector_end(sector), False):
                if self.w_kind == NOTE and self._entry(self._word()) is not None:
                    notes.append((off, 6))
                elif self.w_kind == NOTE_COPY and self._entry(self._peek24(6)) is not None:
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
        history = history[-_HISTORY_MAX:]
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
        if last is not None and last[_SECTOR] == sector:
            self._kept.remove(last)
            self._last = None

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
        for off in self._walk(s, begin, self._sector_end(s), True):
            if off - begin >= PAGE:
                self._scrubbed = place << 12 | off
                return True
        self._scrubbed = place + 1 << 12
        return True


def _stays(state):
    # Must this transaction be found again, whatever becomes of its batch?
    return is_unfinished(state) or state == RELEASED


def _is_released(state):
    return state == RELEASED
