"""Reads a journal image: finds the log as a start-up would and replays it into transactions.

An independent reader: it shares nothing with the firmware. Where the firmware starts from the
checkpoint in the newest head, this one replays everything from the oldest sector on and then
compares its result with every checkpoint it comes past.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime

from host_tools.journal import layout
from host_tools.journal.layout import SECTOR, Head, Record, Sector, moment, u24

KIND_NAMES = {1: "sale", 2: "void", 3: "refund", 4: "balance"}
STATE_NAMES = {
    1: "pending",
    2: "approved",
    3: "declined",
    4: "reversal_due",
    5: "reversed",
    6: "unknown",
    7: "released",
    8: "absent",
    12: "unproven",
}
EVENT_NAMES = {
    1: "begin",
    2: "approve",
    3: "decline",
    4: "reverse",
    5: "attempt",
    6: "undone",
    7: "lose",
    8: "release",
    9: "drop",
    10: "print",
    11: "doubt",
}
# What an event does to a state; what is not here changes nothing.
STEPS = {
    ("pending", "approve"): "approved",
    ("pending", "decline"): "declined",
    ("pending", "reverse"): "reversal_due",
    ("pending", "lose"): "unknown",
    ("pending", "drop"): "absent",
    ("reversal_due", "reverse"): "reversal_due",
    ("reversal_due", "attempt"): "reversal_due",
    ("reversal_due", "undone"): "reversed",
    ("reversal_due", "release"): "released",
    ("reversal_due", "approve"): "approved",
    ("reversal_due", "doubt"): "unproven",
    ("unproven", "undone"): "reversed",
    ("unproven", "approve"): "approved",
    ("unproven", "release"): "released",
    ("unknown", "approve"): "approved",
    ("unknown", "decline"): "declined",
    ("unknown", "drop"): "absent",
    ("unknown", "release"): "released",
    ("approved", "print"): "approved",
    ("declined", "print"): "declined",
}
OPEN = ("pending", "reversal_due", "unknown")
# After these a `Reader` begins from the beginning: they carry along, move the floor, resume.
_AFRESH = (2, 7, 11)
_HALF = 1 << 31
_MASK = (1 << 32) - 1


@dataclass
class Transaction:
    """A transaction as the journal tells it. Amounts in 分."""

    ordinal: int
    trace: int
    batch: int
    kind: str
    amount: int
    time: datetime
    operator: int
    supervisor: int | None
    entry: str
    masked_pan: str
    state: str = "pending"
    rrn: str = ""
    auth: str = ""
    code: str = ""
    host_time: str = ""
    settle_date: str = ""
    institutions: bytes = b""
    host_text: bytes = b""
    approved_amount: int | None = None
    original_trace: int = 0
    original_batch: int = 0
    original_rrn: str = ""
    original_date: str = ""
    original_auth: str = ""
    reason: str = ""
    attempts: int = 0
    printed: int = 0
    note: int = 0
    extra: bytes = b""
    has_pan: bool = False
    target: int | None = None
    history: list[tuple[str, datetime]] = field(default_factory=list)

    def __str__(self) -> str:
        number = f"{self.batch:06d}/{self.trace:06d}"
        amount = f"{self.amount // 100}.{self.amount % 100:02d}"
        return f"{number} {self.kind} {amount} {self.masked_pan or '-'} {self.state}"


@dataclass
class Note:
    """An audit record or a note about a case."""

    time: datetime
    kind: bytes
    payload: bytes
    ordinal: int | None


@dataclass
class Settlement:
    """A batch that was closed."""

    batch: int
    next_batch: int
    time: datetime
    payload: bytes


@dataclass
class Journal:
    """What an image holds. ``verdict``: clean, repaired, damaged, empty, foreign or version."""

    verdict: str
    transactions: list[Transaction] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    torn: list[tuple[int, int, int]] = field(default_factory=list)  # sector, begin, end
    sectors: list[Sector] = field(default_factory=list)
    chain: list[int] = field(default_factory=list)
    bad: list[int] = field(default_factory=list)
    batch: int = 0
    next_trace: int = 0
    ordinal: int = 0
    batch_start: int = 0
    stage: tuple[int, bytes] | None = None
    floor: int = 0
    start_ups: int = 0

    @property
    def wear(self) -> list[int | None]:
        """Erases of every sector as its head counts them; None without a head."""
        return [None if s.head is None else s.head.wear for s in self.sectors]

    @property
    def unfinished(self) -> list[Transaction]:
        """Transactions that still need an answer, a reversal or a decision."""
        return [t for t in self.transactions if t.state in OPEN]

    @property
    def totals(self) -> dict[str, tuple[int, int]]:
        """Count and amount of the approved sales, voids and refunds of the open batch."""
        sums = {"sale": (0, 0), "void": (0, 0), "refund": (0, 0)}
        for t in self.transactions:
            stands = t.state in ("approved", "voided", "refunded")
            if t.kind in sums and stands and self._is_open(t):
                count, amount = sums[t.kind]
                value = t.amount if t.approved_amount is None else t.approved_amount
                sums[t.kind] = count + 1, amount + value
        return sums

    def _is_open(self, t: Transaction) -> bool:
        return 0 < (self.ordinal - t.ordinal) & 0xFFFFFF <= (
            (self.ordinal - self.batch_start) & 0xFFFFFF
        )


def decode(image: bytes) -> Journal:
    """Take an image apart. Never raises, whatever the bytes are."""
    journal, replay = _decode(image)
    if replay is not None:
        journal.transactions = []
        for txn, state in _as_they_stand(journal, replay):
            txn.state = state
            journal.transactions.append(txn)
    return journal


class Reader:
    """Reads the transactions of one chip again and again, each time from where it stopped.

    What it gives is what ``decode`` gives. It goes on where nothing has happened but that records
    were added to the newest sector; after anything else it begins from the beginning.
    """

    def __init__(self) -> None:
        self._image = b""
        self._journal: Journal | None = None
        self._replay: _Replay | None = None
        # By ordinal: what was handed out, which nobody changes any more.
        self._handed: dict[int, Transaction] = {}
        self._found: list[Transaction] = []

    def transactions(self, image: bytes) -> list[Transaction]:
        """The transactions in ``image``, oldest first."""
        if image != self._image:
            if not self._go_on(image):
                self._handed.clear()
                self._journal, self._replay = _decode(image)
            self._image = image
            self._found = self._hand_out()
        return list(self._found)

    def _hand_out(self) -> list[Transaction]:
        if self._journal is None or self._replay is None:
            return []
        found = []
        for txn, state in _as_they_stand(self._journal, self._replay):
            handed = self._handed.get(txn.ordinal)
            if handed is None or handed.state != state:
                handed = self._handed[txn.ordinal] = copy(txn)
                handed.state, handed.history = state, list(txn.history)
            found.append(handed)
        return found

    def _go_on(self, image: bytes) -> bool:
        # Replay what was added; False where that is not all that has happened.
        journal, replay, before = self._journal, self._replay, self._image
        if journal is None or replay is None or journal.damage or len(image) != len(before):
            return False
        old = journal.sectors[journal.chain[-1]]
        begin, behind = old.number * SECTOR, (old.number + 1) * SECTOR
        if image[: begin + old.end] != before[: begin + old.end]:
            return False
        if image[behind:] != before[behind:] or old.torn or old.void:
            return False
        new = layout.take_apart(image[begin:behind], old.number)
        count = len(old.records)
        added = new.records[count:]
        if new.torn or new.void or any(r.kind in _AFRESH or not r.counts for r in added):
            return False
        if [_gist(r) for r in new.records[:count]] != [_gist(r) for r in old.records]:
            return False
        for r in added:
            try:
                replay.apply(r)
            except (IndexError, KeyError, layout.Malformed):
                return False
            self._handed.pop(u24(r.payload, 0), None)  # whoever it is about, if about one
        journal.sectors[old.number] = new
        _where_it_ends(journal, replay)
        return not journal.damage


def _gist(r: Record) -> tuple[int, int, int, bytes, bool]:
    return r.offset, r.kind, r.incarnation, r.payload, r.counts


def _decode(image: bytes) -> tuple[Journal, _Replay | None]:
    # All but the transactions; None where there is no log.
    count = len(image) // SECTOR
    raw = [image[i * SECTOR : (i + 1) * SECTOR] for i in range(count)]
    sectors = [layout.take_apart(data, i) for i, data in enumerate(raw)]
    journal = Journal("empty", sectors=sectors)
    heads = [s.head for s in sectors if s.head is not None]
    order = sorted(heads, key=lambda h: _age(heads[0], h))
    dropped = 0
    for head in order:
        sealed = any(
            r.offset >= head.entry_end and r.counts for r in sectors[head.sector].records
        )
        if sealed:
            break
        if head.checkpoint is not None and not head.by_mount and not _stale(head, sectors):
            break
        dropped += 1
    else:
        journal.verdict = _nothing(raw, heads)
        return journal, None
    _follow(journal, order[dropped:], raw)
    replay = _replay(journal)
    torn = journal.sectors[journal.chain[-1]].torn
    if journal.damage:
        journal.verdict = "damaged"
    else:
        journal.verdict = "repaired" if torn or dropped else "clean"
    return journal, replay


def _age(reference: Head, head: Head) -> int:
    # Sequence numbers live on a circle.
    return -(((head.sequence - reference.sequence + _HALF) & _MASK) - _HALF)


def _stale(head: Head, sectors: list[Sector]) -> bool:
    # A start-up that did not see this head went on in the sector before it.
    before = (head.sequence - head.distance) & _MASK
    for s in sectors:
        if s.head is not None and s.head.sequence == before and s.head is not head:
            for r in s.records:
                if r.kind == 11 and r.offset >= head.previous_end:
                    return True
    return False


def _nothing(raw: list[bytes], heads: list[Head]) -> str:
    if any(d[:3] == layout.MAGIC and d[3] != layout.VERSION for d in raw):
        return "version"
    if heads:
        return "empty" if all(h.by_mount and not h.distance for h in heads) else "foreign"
    return "empty" if all(not d[:64].strip(b"\xff") for d in raw) else "foreign"


def _follow(journal: Journal, order: list[Head], raw: list[bytes]) -> None:
    # The chain of sectors from the newest back, and which of their records count.
    newest = order[0]
    floor = newest.floor
    for r in journal.sectors[newest.sector].records:
        if r.kind == 7 and r.counts:
            floor = int.from_bytes(r.payload[:4], "little")
    journal.floor = floor
    chain = [newest]
    ends = {newest.sector: SECTOR}
    reach = (newest.sequence - floor) & _MASK
    want = newest.distance
    for head in order[1:]:
        age = (newest.sequence - head.sequence) & _MASK
        if not want or want > reach or age > reach:
            break
        if age < want or head.sector in ends:
            continue
        if age > want:
            journal.damage.append(f"the sector before sector {chain[-1].sector} is missing")
            ends[head.sector] = SECTOR
        else:
            ends[head.sector] = chain[-1].previous_end
        chain.append(head)
        want = age + head.distance if head.distance else 0
    if want and want <= reach:
        journal.damage.append(f"the sector before sector {chain[-1].sector} is missing")
    chain.reverse()
    journal.chain = [head.sector for head in chain]
    number = 0
    for head in chain:
        if ends[head.sector] != SECTOR:
            journal.sectors[head.sector] = layout.take_apart(
                raw[head.sector], head.sector, ends[head.sector]
            )
        sector = journal.sectors[head.sector]
        for r in sector.records:
            r.number = number
            number += 1
        journal.records += sector.records
        journal.torn += [(head.sector, *void) for void in sector.void]
        for begin, end in sector.torn:
            journal.torn.append((head.sector, begin, end))
            # Behind the last record of the newest sector it is a torn end, elsewhere damage.
            if head is not chain[-1] or begin < sector.end:
                journal.damage.append(f"sector {head.sector}, offset {begin}: no record")


class _Replay:
    def __init__(self, journal: Journal, first: Head) -> None:
        self.journal = journal
        self.known: dict[int, Transaction] = {}
        self.ordinal = first.ordinal
        self.trace = first.trace
        self.batch = first.batch
        c = first.checkpoint
        self.batch_start = c.batch_start if c else first.ordinal
        self.stage: tuple[int, bytes] | None = None
        self.notes: dict[tuple[int, int], Note] = {}
        self.seen_settlements: set[bytes] = set()

    def apply(self, r: Record) -> None:
        p = r.payload
        if r.kind == 1:
            txn, _ = _intent(p, 0)
            txn.history.append(("begin", txn.time))
            self.known[txn.ordinal] = txn
            self.ordinal = (txn.ordinal + 1) & 0xFFFFFF
            self.trace = txn.trace % 999999 + 1
        elif r.kind == 2:
            self._carried(p)
        elif r.kind in (3, 12):
            first = (r.sequence, r.offset)
            if r.kind == 12:
                first = (int.from_bytes(p[:4], "little"), int.from_bytes(p[4:6], "little"))
                p = p[6:]
            about = u24(p, 0)
            time = moment(int.from_bytes(p[3:7], "little"))
            note = Note(time, p[7:8], p[8:], None if about == 0xFFFFFF else about)
            self.notes.pop(first, None)
            self.notes[first] = note
        elif r.kind == 4:
            self.trace = u24(p, 0)
        elif r.kind == 5:
            self.stage = p[0], p[1:]
        elif r.kind == 6:
            self._settle(p)
        elif r.kind == 8:
            if p[0] not in self.journal.bad:
                self.journal.bad.append(p[0])
        elif r.kind == 9:
            self.batch = u24(p, 0)
            self.batch_start = self.ordinal
        elif r.kind > 16:
            self._event(r.kind - 16, p)

    def _settle(self, p: bytes) -> None:
        if p[1:] not in self.seen_settlements:  # a copy that was carried along is no second one
            self.seen_settlements.add(p[1:])
            self.journal.settlements.append(
                Settlement(
                    u24(p, 4), u24(p, 1), moment(int.from_bytes(p[7:11], "little")), p[11:]
                )
            )
        if not p[0]:
            self.batch = u24(p, 1)
            self.batch_start = self.ordinal
            self.stage = None

    def _carried(self, p: bytes) -> None:
        at = 6 + 5 * p[5]
        txn, end = _intent(p, at)
        _outcome(p, end, txn)
        txn.state = STATE_NAMES[p[0]]
        txn.attempts, txn.printed = p[1], p[2]
        txn.reason = p[3:5].decode("ascii", "replace").strip()
        for i in range(6, at, 5):
            name = EVENT_NAMES.get(p[i], f"event {p[i]}")
            txn.history.append((name, moment(int.from_bytes(p[i + 1 : i + 5], "little"))))
        before = self.known.get(txn.ordinal)
        if before is not None:
            if before.state != txn.state:
                said = f"carried along as {txn.state}, but its events say {before.state}"
                self.journal.damage.append(f"transaction {txn.trace:06d} was {said}")
            txn.history = before.history
        self.known[txn.ordinal] = txn

    def _event(self, number: int, p: bytes) -> None:
        txn = self.known.get(u24(p, 0))
        if txn is None:
            return  # it began in a sector that was given up
        name = EVENT_NAMES[number]
        state = STEPS.get((txn.state, name))
        if state is None:
            self.journal.damage.append(f"transaction {txn.trace:06d}: {name} while {txn.state}")
            return
        txn.state = state
        txn.history.append((name, moment(int.from_bytes(p[3:7], "little"))))
        if name in ("approve", "decline"):
            _outcome(p, 7, txn)
        elif name == "reverse":
            txn.reason = p[7:9].decode("ascii", "replace").strip()
            if len(p) >= 15:
                txn.auth = p[9:15].decode("ascii", "replace")
        elif name == "attempt":
            txn.attempts = p[7]
        elif name in ("undone", "drop", "doubt"):
            txn.code = p[7:9].decode("ascii", "replace").strip()
        elif name == "release":
            txn.supervisor = None if p[7] == 255 else p[7]
            txn.note = p[8]
        elif name == "print":
            txn.printed = p[7]


def _replay(journal: Journal) -> _Replay:
    heads = {s: journal.sectors[s].head for s in journal.chain}
    first = heads[journal.chain[0]]
    assert first is not None
    replay = _Replay(journal, first)
    sector = -1
    for r in journal.records:
        if r.sector != sector:
            sector = r.sector
            head = heads[sector]
            if head is not None:
                _compare(journal, replay, head)
        journal.start_ups += r.kind == 11
        if r.counts and r.kind != 11:
            try:
                replay.apply(r)
            except (IndexError, KeyError, layout.Malformed):
                r.counts = False
                journal.damage.append(f"sector {r.sector}, offset {r.offset}: malformed {r.name}")
    _where_it_ends(journal, replay)
    return replay


def _where_it_ends(journal: Journal, replay: _Replay) -> None:
    journal.ordinal = replay.ordinal
    journal.batch_start = replay.batch_start
    journal.batch = replay.batch
    journal.next_trace = replay.trace
    journal.stage = replay.stage
    journal.notes = list(replay.notes.values())


def _as_they_stand(journal: Journal, replay: _Replay) -> Iterator[tuple[Transaction, str]]:
    # The transactions, oldest first, with the state that follows from all the others.
    known = replay.known
    approved = [t for t in known.values() if t.state == "approved"]
    undone = {t.target for t in approved if t.kind == "void"}
    refunded = {t.target for t in approved if t.kind == "refund"}
    transactions = sorted(
        known.values(), key=lambda t: -((journal.ordinal - t.ordinal) & 0xFFFFFF)
    )
    for t in transactions:
        state = t.state
        if state == "approved":
            if t.ordinal in undone:
                state = "voided"
            elif t.ordinal in refunded:
                state = "refunded"
            elif not journal._is_open(t):
                state = "settled"
        yield t, state


def _compare(journal: Journal, replay: _Replay, head: Head) -> None:
    # Does the checkpoint say what the records before it say?
    here = f"the head of sector {head.sector}"
    if head.checkpoint is None:
        journal.damage.append(f"{here} has no readable checkpoint")
        return
    for name, wanted in (
        ("ordinal", replay.ordinal),
        ("trace", replay.trace),
        ("batch", replay.batch),
    ):
        if getattr(head, name) != wanted:
            journal.damage.append(
                f"{here} says {name} {getattr(head, name)}, the records before it {wanted}"
            )
    if head.checkpoint.batch_start != replay.batch_start:
        journal.damage.append(f"{here} has the batch begin somewhere else than the records")
    for kept in head.checkpoint.kept:
        txn = replay.known.get(kept.ordinal)
        if txn is not None and txn.state != STATE_NAMES.get(kept.state):
            said = f"is {STATE_NAMES.get(kept.state)}, the records before it say {txn.state}"
            journal.damage.append(f"{here} says transaction {txn.trace:06d} {said}")
    for number in head.checkpoint.bad:
        if number not in journal.bad:
            journal.bad.append(number)
    # After damage go on with what the checkpoint says.
    replay.ordinal, replay.trace, replay.batch = head.ordinal, head.trace, head.batch
    replay.batch_start = head.checkpoint.batch_start


def _digits(p: bytes, at: int, size: int) -> str:
    if at + size > len(p):
        raise layout.Malformed
    return p[at : at + size].hex()


def _string(p: bytes, at: int, size: int) -> str:
    if at + size > len(p):
        raise layout.Malformed
    return p[at : at + size].decode("ascii", "replace")


def _intent(p: bytes, at: int) -> tuple[Transaction, int]:
    options = int.from_bytes(p[at + 25 : at + 27], "little")
    size = p[at + 22]
    shown = _digits(p, at + 27, 5)
    kind = KIND_NAMES.get(p[at + 3])
    if kind is None:
        raise layout.Malformed
    txn = Transaction(
        ordinal=u24(p, at),
        kind=kind,
        trace=u24(p, at + 4),
        operator=p[at + 7],
        batch=u24(p, at + 8),
        supervisor=None if p[at + 11] == 255 else p[at + 11],
        amount=int.from_bytes(p[at + 12 : at + 16], "little") | p[at + 20] << 32,
        time=moment(int.from_bytes(p[at + 16 : at + 20], "little")),
        note=p[at + 21],
        entry=f"{int.from_bytes(p[at + 23 : at + 25], 'little'):03d}",
        masked_pan=shown[:6] + "*" * (size - 10) + shown[6:] if size else "",
    )
    end = at + 32
    if options & 1:
        txn.has_pan = True
        end += 16
    if options & 2:
        txn.original_trace, txn.original_batch = u24(p, end), u24(p, end + 3)
        end += 6
    if options & 4:
        txn.original_rrn = _digits(p, end, 6)
        end += 6
    if options & 8:
        txn.original_rrn = _string(p, end, 12)
        end += 12
    if options & 16:
        txn.original_date = _digits(p, end, 2)
        end += 2
    if options & 32:
        txn.original_auth = _string(p, end, 6)
        end += 6
    if options & 64:
        txn.extra = p[end + 1 : end + 1 + p[end]]
        end += 1 + p[end]
    return txn, end


def _outcome(p: bytes, at: int, txn: Transaction) -> None:
    options = int.from_bytes(p[at : at + 2], "little")
    txn.code = _string(p, at + 2, 2).strip()
    end = at + 4
    if options & 1:
        txn.rrn = _digits(p, end, 6)
        end += 6
    if options & 2:
        txn.rrn = _string(p, end, 12)
        end += 12
    if options & 4:
        txn.auth = _string(p, end, 6)
        end += 6
    if options & 8:
        txn.host_time = _digits(p, end, 5)
        end += 5
    if options & 16:
        txn.settle_date = _digits(p, end, 2)
        end += 2
    if options & 32:
        txn.institutions = p[end + 1 : end + 1 + p[end]]
        end += 1 + p[end]
    if options & 64:
        txn.host_text = p[end + 1 : end + 1 + p[end]]
        end += 1 + p[end]
    if options & 128:
        txn.approved_amount = int.from_bytes(p[end : end + 5], "little")
        end += 5
    if options & 256:
        txn.target = u24(p, end)
