"""Plays a life, written as plain lists, on a journal and on a model made of plain dictionaries.

The model is the oracle of the power-cut ring: it says what must be visible after every step. It
knows nothing of flash. Both run under CPython and under MicroPython.
"""

from journal_chip import Cipher, Nor, PowerCut, sale

from mobi import transactions as tx
from mobi.journal.log import Journal, JournalFull

EVENTS = {
    "approve": tx.APPROVE,
    "decline": tx.DECLINE,
    "reverse": tx.REVERSE,
    "attempt": tx.ATTEMPT,
    "undone": tx.UNDONE,
    "doubt": tx.DOUBT,
    "lose": tx.LOSE,
    "release": tx.RELEASE,
    "drop": tx.DROP,
    "print": tx.PRINT,
}
OPEN = (tx.PENDING, tx.REVERSAL_DUE, tx.UNKNOWN)
PAN = "6222021234567890128"
MASKED = "622202*********0128"


def fields(step, i):
    """What the step number ``i`` writes beside its event; the same for journal and model."""
    verb = step[0]
    if verb == "approve":
        return {"code": "00", "rrn": f"{700000000000 + i:012d}", "auth": f"B{i:05d}"}
    if verb == "decline":
        return {"code": "51"}
    if verb == "reverse":
        return {"reason": step[2]}
    if verb == "undone":
        return {"code": "25"}
    if verb == "doubt":
        return {"code": "12"}
    if verb == "release":
        return {"supervisor": 0, "note": 1 + i % 3}
    return {}


class Model:
    """What must be there. Every step either happens completely or not at all."""

    def __init__(self, batch=1, trace=1):
        self.txns = []
        self.batch = batch
        self.trace = trace
        self.batch_start = 0
        self.last_start = 0
        self.stage = (0, b"")
        self.last_batch = None
        self.notes = []

    def copy(self):
        """A model that goes its own way."""
        other = Model(self.batch, self.trace)
        other.txns = [dict(txn) for txn in self.txns]
        other.batch_start = self.batch_start
        other.last_start = self.last_start
        other.stage = self.stage
        other.last_batch = self.last_batch
        other.notes = list(self.notes)
        return other

    def play(self, step, i):
        """Apply one step."""
        verb = step[0]
        if verb == "begin":
            self._begin(step)
        elif verb in EVENTS:
            txn = self.txns[step[1]]
            if (txn["state"], EVENTS[verb]) not in tx.NEXT:
                return
            txn["state"] = tx.NEXT[(txn["state"], EVENTS[verb])]
            for name, value in fields(step, i).items():
                txn[name] = value
            if verb == "attempt":
                txn["attempts"] += 1
            elif verb == "print":
                txn["printed"] |= step[2]
        elif verb == "trace":
            self.trace = self.trace % 999999 + 1
        elif verb == "batch":
            if len(self.txns) == self.batch_start:
                self.batch = step[1]
        elif verb == "stage":
            self.stage = (step[1], step[2].encode())
        elif verb == "settle":
            self.last_start = self.batch_start
            self.batch_start = len(self.txns)
            self.batch = step[1]
            self.stage = (0, b"")
            self.last_batch = step[2].encode()
        elif verb == "note":
            self.notes.append((step[1].encode(), step[2].encode(), step[3]))

    def _begin(self, step):
        kind, amount, original = step[1:4]
        txn = {
            "trace": self.trace, "batch": self.batch, "kind": kind, "amount": amount,
            "state": tx.PENDING, "printed": 0, "attempts": 0, "rrn": "", "code": "",
            "reason": "", "auth": "", "supervisor": 255, "note": 0, "original": original,
        }  # fmt: skip
        self.txns.append(txn)
        self.trace = self.trace % 999999 + 1

    def state(self, n):
        """The state of transaction ``n`` as a reader sees it."""
        txn = self.txns[n]
        if txn["state"] != tx.APPROVED:
            return txn["state"]
        refunded = False
        for other in self.txns:
            if other["original"] == n and other["state"] == tx.APPROVED:
                if other["kind"] == tx.VOID:
                    return tx.VOIDED
                refunded = refunded or other["kind"] == tx.REFUND
        if refunded:
            return tx.REFUNDED
        return tx.APPROVED if n >= self.batch_start else tx.SETTLED

    def line(self, n):
        """One transaction as a tuple to compare."""
        txn = self.txns[n]
        return (
            txn["trace"], txn["batch"], txn["kind"], txn["amount"], self.state(n), txn["printed"],
            txn["attempts"], txn["rrn"], txn["auth"], txn["code"], txn["reason"],
            txn["supervisor"], txn["note"], MASKED, PAN,
        )  # fmt: skip

    def picture(self):
        """Everything that must be visible, whatever was given up."""
        count = len(self.txns)
        numbers = range(self.batch_start, count)
        approved = [n for n in numbers if self._counts(n)]
        sums = [0] * 6
        for n in approved:
            at = (self.txns[n]["kind"] - 1) * 2
            sums[at] += 1
            sums[at + 1] += self.txns[n]["amount"]
        return (
            self.batch,
            self.trace,
            [self.line(n) for n in numbers],
            [self.line(n) for n in range(count) if self.txns[n]["state"] in OPEN],
            self.stage,
            self.last_batch,
            self.txns[approved[-1]]["trace"] if approved else 0,
            sums,
        )

    def _counts(self, n):
        txn = self.txns[n]
        return txn["state"] == tx.APPROVED and txn["kind"] != tx.BALANCE


class Player:
    """Plays the same steps on a journal. ``traces``: (trace, batch) of every transaction."""

    def __init__(self, journal, traces=()):
        self.journal = journal
        self.traces = list(traces)

    def play(self, step, i):
        """Apply one step; True when it was refused for want of room."""
        journal = self.journal
        verb = step[0]
        if verb == "begin":
            return self._begin(step)
        if verb in EVENTS:
            trace, batch = self.traces[step[1]]
            txn = journal.find(trace, batch)
            base = txn.state
            if base in (tx.VOIDED, tx.REFUNDED, tx.SETTLED):
                base = tx.APPROVED
            if (base, EVENTS[verb]) not in tx.NEXT:
                return False
            for name, value in fields(step, i).items():
                setattr(txn, name, value)
            if verb == "attempt":
                txn.attempts += 1
            elif verb == "print":
                txn.printed |= step[2]
            journal.mark(txn, EVENTS[verb])
        elif verb == "trace":
            journal.take_trace()
        elif verb == "batch":
            if not journal.count:
                journal.set_batch(step[1])
        elif verb == "stage":
            journal.settlement(step[1], step[2].encode())
        elif verb == "settle":
            journal.settle(step[1], step[2].encode())
        elif verb == "note":
            about = None
            if step[3] >= 0:
                about = journal.find(*self.traces[step[3]])
            return not journal.note(step[1].encode(), step[2].encode(), about)
        elif verb == "idle":
            for _ in range(step[1]):
                journal.idle()
        return False

    def _begin(self, step):
        kind, amount, original, fat = step[1:5]
        txn = sale(amount, kind=kind, pan=PAN, extra=bytes(fat))
        if original >= 0:
            txn.original_trace, txn.original_batch = self.traces[original]
        try:
            self.journal.begin(txn)
        except JournalFull:
            return True
        self.traces.append((txn.trace, txn.batch))
        return False


def line(txn):
    """A transaction of the journal as ``Model.line`` gives it."""
    return (
        txn.trace, txn.batch, txn.kind, txn.amount, txn.state, txn.printed, txn.attempts, txn.rrn,
        txn.auth, txn.code, txn.reason, txn.supervisor, txn.note, txn.masked_pan, txn.pan,
    )  # fmt: skip


def picture(journal):
    """What a journal shows, as ``Model.picture`` gives it."""
    newest = journal.newest_approved()
    sums = journal.totals()
    return (
        journal.batch,
        journal.next_trace,
        [line(journal.at(n)) for n in range(journal.count)],
        [line(txn) for txn in journal.unfinished()],
        journal.settlement_stage,
        journal.last_batch,
        0 if newest is None else newest.trace,
        [
            sums.sale_count, sums.sale_amount, sums.void_count, sums.void_amount,
            sums.refund_count, sums.refund_amount,
        ],
    )  # fmt: skip


def history_holds(journal, model):
    """Is what is left of the last batch, and of the notes, what the model says? "" or why not."""
    lines = [model.line(n) for n in range(model.last_start, model.batch_start)]
    here = journal.last_count
    for n in range(here):
        txn = journal.at_last(n)
        if txn is None or line(txn) != lines[len(lines) - here + n]:
            return f"transaction {n} of the last batch changed"
    notes = [(kind, payload) for _, kind, payload, _ in journal.notes()]
    wanted = [(kind, payload) for kind, payload, _ in model.notes]
    wanted.reverse()
    cases = set()
    for kind, payload, about in model.notes:
        if about >= 0 and model.txns[about]["state"] in OPEN:
            cases.add((kind, payload))
    for note in cases:
        if note not in notes:
            return f"the note {note} of an open case is gone"
    plain = [note for note in notes if note not in cases]
    if plain != [note for note in wanted if note not in cases][: len(plain)]:
        return "notes changed"
    return ""


class Wrong(Exception):
    """The journal shows something else than the model."""


class Life:
    """A journal and its model through any steps, power cuts among them.

    Beside the verbs of ``Player``: ["restart"], ["fault", sector, name] breaks a sector of the
    chip, ["cut", operations, mode, operations, mode] orders a power cut after so many flash
    operations and another one in the start-up after it (-1: none).
    """

    def __init__(self, unit, seed, trace=1, sectors=6, make=Journal):
        self.unit = unit
        self.make = make
        self.nor = Nor(sectors * 4096, unit=unit, seed=seed)
        self.player = Player(make(self.nor, unit, Cipher()))
        self.player.journal.format(1, trace)
        self.model = Model(1, trace)
        self.played = 0
        self.cuts = 0
        self.again = None

    def play(self, step):
        """Play one step; ``Wrong`` when the journal does not show what it must."""
        i = self.played
        self.played += 1
        if step[0] == "cut":
            self.nor.cut_after(step[1], mode=step[2])
            self.again = step[3:]
            return
        if step[0] == "fault":
            self.nor.faults[step[1]] = step[2]
            return
        if not self._can_play(step):
            return
        before = after = self.model
        if step[0] not in ("restart", "idle"):
            after = before.copy()
            after.play(step, i)
        try:
            if step[0] == "restart":
                self._start((before,))
            elif self.player.play(step, i):
                after = before  # there was no room
        except PowerCut:
            self._start((before, after))
            return
        self.model = after
        if picture(self.player.journal) != after.picture():
            raise Wrong(f"step {i} {step}")

    def _can_play(self, step):
        # An event needs its transaction; a closed one may have been given up.
        n = step[1] if step[0] in EVENTS else step[3] if step[0] == "note" else -1
        if n < 0:
            return True
        if n >= len(self.player.traces):
            return False
        if self.player.journal.find(*self.player.traces[n]) is not None:
            return True
        if self.model.txns[n]["state"] in OPEN or n >= self.model.batch_start:
            raise Wrong(f"transaction {n} is gone")
        return False

    def _start(self, models):
        # Power comes back; ``models``: what may be there now.
        while True:
            self.cuts += self.nor.dead
            self.nor.revive()
            if self.again and self.again[0] >= 0:
                self.nor.cut_after(self.again[0], mode=self.again[1])
            self.again = None
            journal = self.make(self.nor, self.unit, Cipher())
            try:
                verdict = journal.mount()
            except PowerCut:
                continue
            break
        self.nor.disarm()
        if not verdict.usable or verdict.read_only:
            raise Wrong(f"step {self.played - 1}: {verdict.text}")
        seen = picture(journal)
        for model in reversed(models):
            if model.picture() == seen:
                why = history_holds(journal, model)
                if not why:
                    self.model = model
                    traces = [(txn["trace"], txn["batch"]) for txn in model.txns]
                    self.player = Player(journal, traces)
                    return
            else:
                why = "another picture"
        raise Wrong(f"after the cut in step {self.played - 1}: {why}")
