"""The journal: transactions, their events, batches, settlements and notes on a log in raw flash.

Nothing is ever changed in place. A transaction is its intent and the events after it; whether it
was voided, refunded or settled follows from other records when it is read. Every method that
writes returns only when what it wrote is durable and has read back.

The log is built up in layers, each in its file: ``medium`` (verified flash operations),
``reader`` (records), ``ring`` (sectors), ``startup`` (after a power cut), ``state`` (meaning),
``lookup`` (transactions), ``upkeep`` (room and background work), and this, the interface.
"""

from micropython import const

from mobi.journal import records
from mobi.journal.layout import (
    BATCH,
    BY_MOUNT,
    DATA,
    EVENT,
    FRAME,
    INTENT,
    NOTE,
    NOTE_COPY,
    RECORD,
    SETTLE,
    STAGE,
    TRACE,
    JournalError,
    JournalFull,
)
from mobi.journal.medium import SECTOR
from mobi.journal.records import get24, get_number, put24, put_time
from mobi.journal.report import Health, Totals, Verdict
from mobi.journal.startup import CLEAN, DAMAGED, EMPTY, FOREIGN, OTHER_VERSION, REPAIRED
from mobi.journal.state import IS_CARRIED, M24, ORDINAL, STATE, TRACES
from mobi.journal.upkeep import LIFE, RESERVE, TYPICAL, Upkeep
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
    RELEASED,
    REVERSE,
    SALE,
    SETTLED,
    UNDONE,
    VOID,
    VOIDED,
    WrongEvent,
    is_case,
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
NOTE_MAX = const(200)
STAGE_MAX = const(200)
SETTLE_MAX = const(400)

# States in which a transaction has a slip.
_ON_PAPER = (APPROVED, VOIDED, REFUNDED, SETTLED)


class Journal(Upkeep):
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
        self._stretches = None
        self.firsts[self.head] = self.ordinal
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

        True when it is. False for a slip (PRINT) that cannot be noted, because the flash is
        damaged where the transaction stands or stood: ``txn`` was read before, or in part.
        ``WrongEvent``: it cannot happen to a transaction in that state; nothing was written.
        The caller counts ``txn.attempts`` before ATTEMPT and sets the bit in ``txn.printed``
        before PRINT.
        """
        ordinal = txn.ordinal
        if ordinal is None:
            raise WrongEvent(txn.state, event)  # it never began
        entry = self._entry(ordinal)
        if entry is not None:
            state = entry[STATE]
        else:
            known = self._by_ordinal(ordinal, False)
            state = known.state if known is not None and known.trace == txn.trace else 0
        if event == PRINT and (state, event) not in NEXT and txn.state in _ON_PAPER:
            return False  # it was approved for its reader, and is not for the journal: damage
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
        elif event == UNDONE or event == DROP or event == DOUBT:
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
        return True

    def take_trace(self):
        """A trace number for a message that is not a transaction; durable before it returns."""
        trace = self.next_trace
        put24(self.rec, DATA, trace % TRACES + 1)
        self._append(TRACE, 3)
        return trace

    def set_batch(self, batch):
        """Begin a batch with the number the host wants, in place of the open one.

        ``JournalError`` while that has anything to settle or to find out. What else it holds
        (refusals, what was reversed, enquiries) stays readable, in no batch any more.
        """
        if any(self._totals):
            raise JournalError("the open batch has to be settled")
        for entry in self._kept:
            if is_unfinished(entry[STATE]) and self._age(entry[ORDINAL]) <= self.count:
                raise JournalError("the open batch has unfinished transactions")
        put24(self.rec, DATA, batch)
        self._append(BATCH, 3)

    def settlement(self, stage, payload):
        """Keep how far a settlement has come (stage 1 to 255) and up to 200 bytes about it."""
        if len(payload) > STAGE_MAX:
            raise ValueError("at most 200 bytes")
        self.rec[DATA] = stage
        self.rec[DATA + 1 : DATA + 1 + len(payload)] = payload
        self._append(STAGE, 1 + len(payload))

    def settle(self, next_batch, payload=b""):
        """Close the batch with one record; ``payload``: up to 400 bytes for ``last_batch``."""
        if len(payload) > SETTLE_MAX:
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
        payload = payload[:NOTE_MAX]
        if not self._room_for(FRAME + 8 + len(payload) + self._reserved(SALE)):
            return False
        rec = self.rec
        put24(rec, DATA, M24 if txn is None else txn.ordinal)
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

    # -- reading -------------------------------------------------------------------------------

    @property
    def count(self):
        """Transactions of the open batch."""
        return self.ordinal - self._batch_start & M24

    def at(self, i):
        """The i-th transaction of the open batch, 0 the oldest; None when it is damaged."""
        if not 0 <= i < self.count:
            raise IndexError(i)
        return self._by_ordinal(self._batch_start + i & M24)

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
                if entry[IS_CARRIED]:
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
                    self.medium.read(s, self._w_off + self.w_skip + 7, view)
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

    def cases(self):
        """The unfinished ones, and those whose reversal nobody has compared yet, oldest first."""
        return self._list(is_case)

    def released(self):
        """The newest (up to 4) transactions whose reversal or query was given up."""
        return self._list(_is_released)

    def _list(self, wanted):
        out = []
        for entry in self._kept:
            if wanted(entry[STATE]):
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

    def refunded(self, rrn):
        """分 refunded, in any batch, against the sale with that reference number."""
        if self._rrn[0] != rrn:
            self.find_rrn(rrn)
        sale = self._rrn[1]
        total = 0
        for ordinal in self._refunds_since(sale) if sale is not None else ():
            txn = self._by_ordinal(ordinal)
            if txn and txn.original_rrn == rrn and txn.state in (APPROVED, SETTLED):
                total += txn.value
        return total

    def _refunds_since(self, ordinal):
        # Ordinals of the refunds that began in the sector of that transaction or later.
        out = []
        for place in range(self._place_of_ordinal(ordinal), self.length):
            s = self.chain[place]
            for _ in self._walk(s, 0, self._sector_end(s), False):
                if self.w_kind == INTENT and self._word(1) >> 16 == REFUND:
                    out.append(self._word())
        return out

    # -- the batch -----------------------------------------------------------------------------

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
        total = self._batch_start - self._last_start & M24
        here = self._batch_start - oldest & M24
        return total if here >= total and here <= self._marked else min(here, total)

    def at_last(self, i):
        """The i-th of them, 0 the oldest; None when it is damaged."""
        if not 0 <= i < self.last_count:
            raise IndexError(i)
        return self._by_ordinal(self._batch_start - self.last_count + i & M24)

    # -- notes and health ----------------------------------------------------------------------

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
                    yield time, name, payload[8:], None if ordinal == M24 else ordinal

    def newest_time(self):
        """The newest time in the journal, seconds since 2000; 0 when there is none."""
        return self._newest

    def health(self):
        """State of the flash, for the self-check. Reads the head of every sector."""
        wear = [self.head_wear(s) for s in range(self.sectors)]
        return Health(
            self.sectors, self.bad_sectors(), self._dead(), wear, list(self.damage), self.read_only
        )

    @property
    def capacity(self):
        """How many transactions a batch can hold, about."""
        usable = self.sectors - len(self.bad_sectors()) - 1
        return (usable * (SECTOR - 170) - RESERVE - LIFE) // TYPICAL

    @property
    def room(self):
        """How many transactions still fit, about; 0 when ``begin`` of a sale would refuse."""
        if not self._fits(records.INTENT_MAX, SALE):
            return 0
        left = SECTOR - self.off + self._spare_sectors() * (SECTOR - 170)
        return max(1, (left - self._reserved(SALE) - LIFE) // TYPICAL)


def _is_released(state):
    return state == RELEASED
