"""What must hold for the money at both ends, whatever was cut, lost, late or wrong.

    invariants.check(bench)            # now, while things may still be open
    invariants.check(bench, rest=True) # and nothing is open any more

For a host of your own, hand in its transactions instead of the bench's ledger: anything with the
attributes of ``Record`` will do.

    broken = invariants.violations(bench.journal(), my_host_rows, rest=True)

The rules, by the words in front of each violation:

    known       every transaction that stands at the host is in the journal, as approved or as open
    booked      every transaction the journal calls approved stands at the host, with the same kind,
                amount and card
    undone      what the journal calls declined, reversed or absent does not stand at the host
    void        a sale is voided at most once, and voided at one end if it is at the other (unless
                its void is still open)
    refund      the refunds of a sale never sum to more than was paid
    trace       no trace is used twice in a batch
    open        at rest nothing is open
    receipt     a slip that is no reprint is about a transaction that stands; one merchant copy each
    ledger      the host's own books add up
    claim       no sentence and no amount that stood on the panel or a slip contradicted the books
                at that moment (`host_tools.bench.oracle`)
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from host_tools.bench.bench import Bench

MONEY = ("sale", "void", "refund")
OPEN = ("pending", "reversal_due", "unknown")
STANDS = ("approved", "voided", "refunded", "settled")
NOTHING = ("declined", "reversed", "absent")


class Broken(AssertionError):
    """Money is not where it should be; the text lists every violation."""


class Txn(Protocol):
    """What is asked of a transaction, of the terminal's journal or of a host."""

    @property
    def batch(self) -> int: ...
    @property
    def trace(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def amount(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def original_trace(self) -> int: ...
    @property
    def masked_pan(self) -> str: ...


@dataclass(frozen=True)
class Record:
    """A transaction as a host of your own has it. ``amount``: 分, as booked. ``state``: one of
    ``STANDS`` or ``NOTHING``. ``original_trace``: of the sale a void or refund names, 0 if none."""

    batch: int
    trace: int
    kind: str
    amount: int
    state: str
    original_trace: int = 0
    masked_pan: str = ""


def moved(txn: Txn) -> int:
    """分 it moved: of an approval in part that part."""
    part = getattr(txn, "approved_amount", None)
    return txn.amount if part is None else part


def violations(journal: Sequence[Txn], host: Iterable[Txn], rest: bool = False) -> list[str]:
    """Every rule that does not hold between a terminal's journal and its host; [] when all do."""
    here = {(txn.batch, txn.trace): txn for txn in journal if txn.kind in MONEY}
    there = {(txn.batch, txn.trace): txn for txn in host if txn.kind in MONEY}
    wrong = _traces(journal)
    open_voids = {txn.original_trace for txn in here.values()
                  if txn.kind == "void" and txn.state in (*OPEN, "unproven")}
    for place, mine in here.items():
        theirs = there.get(place)
        wrong += _pair(mine, theirs if theirs and theirs.state in STANDS else None, open_voids)
        if rest and mine.state in OPEN:
            wrong.append(f"open: {_name(mine)} is {mine.state}")
    for place, theirs in there.items():
        if theirs.state in STANDS and place not in here:
            wrong.append(f"known: {_name(theirs)} stands at the host, not in the journal")
    return wrong + _undoings(here.values()) + _undoings(there.values())


def _pair(mine: Txn, theirs: Txn | None, open_voids: set[int]) -> list[str]:
    # A transaction in the journal and what stands of it at the host.
    name = _name(mine)
    if mine.state in NOTHING:
        if theirs is not None:
            return [f"undone: {name} is {mine.state} in the journal, {theirs.state} at the host"]
        return []
    if mine.state not in STANDS:
        return []  # open, or given up by the supervisor: the host may have it or not
    if theirs is None:
        return [f"booked: {name} is {mine.state} in the journal and does not stand at the host"]
    wrong = []
    if theirs.kind != mine.kind or theirs.amount != moved(mine):
        wrong.append(f"booked: {name} is {theirs.kind} of {theirs.amount} at the host")
    if theirs.masked_pan and mine.masked_pan and theirs.masked_pan != mine.masked_pan:
        wrong.append(f"booked: {name} is of card {theirs.masked_pan} at the host")
    if (theirs.state == "voided") != (mine.state == "voided") and mine.trace not in open_voids:
        wrong.append(f"void: {name} is {mine.state} in the journal, {theirs.state} at the host")
    return wrong


def _undoings(transactions: Iterable[Txn]) -> list[str]:
    # Voids and refunds of one end against the sales of the same end.
    wrong = []
    listed = [txn for txn in transactions if txn.state in STANDS]
    sales = {txn.trace: txn for txn in listed if txn.kind == "sale"}
    voids = Counter(txn.original_trace for txn in listed if txn.kind == "void")
    refunds: Counter[int] = Counter()
    for txn in listed:
        if txn.kind == "refund" and txn.original_trace:
            refunds[txn.original_trace] += txn.amount
    for trace, count in voids.items():
        if count > 1:
            wrong.append(f"void: sale {trace:06d} is voided {count} times")
    for trace, amount in refunds.items():
        sale = sales.get(trace)
        if sale is not None and amount > moved(sale):
            wrong.append(f"refund: {amount} of the {moved(sale)} of sale {trace:06d} are refunded")
        if trace in voids:
            wrong.append(f"refund: sale {trace:06d} is voided and refunded")
    return wrong


def _traces(journal: Sequence[Txn]) -> list[str]:
    used = Counter((txn.batch, txn.trace) for txn in journal)
    return [f"trace: {trace:06d} is used {count} times in batch {batch:06d}"
            for (batch, trace), count in used.items() if count > 1]


def _name(txn: Txn) -> str:
    return f"{txn.kind} {txn.batch:06d}/{txn.trace:06d} of {moved(txn)}"


# Of slips that prove a transaction; a reversal's and a fault report have others.
_TITLES = ("签购单", "SALES SLIP", "VOID SLIP", "REFUND SLIP")
# The last line of every slip; without it the paper ended in its middle.
_TAIL = re.compile(r"客服电话|^\s*Service ", re.MULTILINE)
_VOUCHER = re.compile(r"(?:凭证号|Voucher)\s+(\d{6})\s*$", re.MULTILINE)
_BATCH = re.compile(r"(?:批次号|Batch)\s+(\d{6})\s*$", re.MULTILINE)


def place_of(slip: str) -> tuple[int, int] | None:
    """(batch, trace) of the transaction that a slip is about; None when it names none."""
    voucher, batch = _VOUCHER.search(slip), _BATCH.search(slip)
    return (int(batch[1]), int(voucher[1])) if voucher and batch else None


def receipts(journal: Sequence[Txn], slips: Iterable[str], cuts: int = 0) -> list[str]:
    """The rule ``receipt``: sales slips against the journal. ``cuts``: how often the power failed;
    after a cut a copy may come out again, as nobody can know whether it had."""
    known = {(txn.batch, txn.trace): txn for txn in journal}
    copies: Counter[tuple[int, int]] = Counter()
    wrong = []
    for slip in slips:
        place = place_of(slip)
        reprint = "DUPLICATED" in slip
        if not any(title in slip for title in _TITLES) or place is None or reprint:
            continue
        txn = known.get(place)
        if txn is None or txn.state not in (*STANDS, "released"):
            state = "unknown" if txn is None else txn.state
            wrong.append(f"receipt: a slip of {place[0]:06d}/{place[1]:06d} is out, it is {state}")
        if "MERCHANT COPY" in slip and _TAIL.search(slip):
            copies[place] += 1
    for place, count in copies.items():
        if count > 1 + cuts:
            wrong.append(f"receipt: {count} merchant copies of {place[0]:06d}/{place[1]:06d}")
    return wrong


def found(bench: Bench, rest: bool = False, cuts: int = 0) -> list[str]:
    """Every violation on this bench; see ``violations`` and ``receipts``."""
    ledger = bench.host.ledger()
    journal = bench.journal()
    terminal = bench.terminal
    mine = [txn for txn in ledger.transactions if txn.terminal == terminal]
    wrong = violations(journal, mine, rest)
    wrong += receipts(journal, bench.rig.paper.receipts, cuts)
    try:
        ledger.check()
    except AssertionError as error:
        wrong.append(f"ledger: {error}")
    bench.oracle.look_up()
    return wrong + bench.lies


def check(bench: Bench, rest: bool = False, cuts: int = 0) -> None:
    """``Broken`` unless all rules hold on this bench."""
    wrong = found(bench, rest, cuts)
    if wrong:
        lines = [*wrong, "", "journal:", *(f"    {txn}" for txn in bench.journal()), "", "host:",
                 bench.host.ledger().text()]
        raise Broken("\n".join(lines))
