"""Whole lives, and what start-ups say: without damage none says damage, with it none hides it.

A life follows from its number alone: sales, voids, refunds and reversals, settlements, restarts
with and without idle time between them, power cuts. Every start-up in it must call the journal
clean or repaired, must go on finding nothing when it has read everything in idle time, and the
decoder must agree. Then bytes that count are spoilt as no power cut does it: what can be read
afterwards is what could be read before, or the damage is named.

    python -m tests.powercut.verdicts --count 2000 --jobs 2
    python -m tests.powercut.verdicts --only 4711
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from multiprocessing import Pool

from tests.powercut.sweep import Nor, PowerCut

# Only now can the firmware be imported.
# isort: split
from journal_chip import Cipher, Random, approve, sale
from journal_player import line

from host_tools.journal import decode
from mobi import transactions as tx
from mobi.journal.log import CLEAN, REPAIRED, Journal, JournalFull

SECTOR = 4096
STEPS = 24
# Ways in which the same life is spoilt.
SPOILT = 12


class FalseVerdict(Exception):
    """A start-up said something about the journal that is not so."""


@dataclass
class Counts:
    """What was tried, and the lines that replay what went wrong."""

    lives: int = 0
    starts: int = 0
    cuts: int = 0
    spoilt: int = 0
    named: int = 0
    wrong: list[str] = field(default_factory=list)


class Life:
    """A journal that is used, without any model: only the verdicts are looked at."""

    def __init__(self, number: int, make: type[Journal] = Journal) -> None:
        self.random = Random(number + 1)
        below = self.random.below
        self.make = make
        self.unit = (1, 256)[below(2)]
        self.nor = Nor((6, 16)[below(2)] * SECTOR, unit=self.unit, seed=number + 1)
        self.starts = self.cuts = 0
        self.batch = 1
        self.journal = make(self.nor, self.unit, Cipher())
        self.journal.format(1, 1)

    def start(self) -> None:
        """Power off and on; what is said then must be so."""
        while True:
            self.nor.revive()
            if not self.random.below(6):
                self.nor.cut_after(self.random.below(4))
            self.journal = self.make(self.nor, self.unit, Cipher())
            try:
                verdict = self.journal.mount()
            except PowerCut:
                self.cuts += 1
                continue
            break
        self.nor.disarm()
        self.starts += 1
        if verdict.kind not in (CLEAN, REPAIRED) or verdict.read_only:
            raise FalseVerdict(f"start {self.starts} says {verdict.text}")

    def check(self) -> None:
        """Nothing reads differently; when all was read nothing is damaged, the decoder agrees."""
        before = picture(self.journal)
        self.start()
        if not same(before, picture(self.journal)):
            raise FalseVerdict(f"start {self.starts} reads something else")
        while self.journal.idle():
            pass
        if self.journal.damage:
            raise FalseVerdict(f"start {self.starts}: in idle time {self.journal.damage}")
        if not self.nor.weak:
            found = decode(bytes(self.nor.mem)).damage
            if found:
                raise FalseVerdict(f"start {self.starts}: the decoder says {found[0]}")

    def step(self) -> None:
        """Something that happens to a terminal."""
        below = self.random.below
        if not below(8):
            self.nor.cut_after(below(9))
        try:
            (self.trade, self.trade, self.fill, self.settle, self.restart, self.restart,
             self.idle, self.note)[below(8)]()  # fmt: skip
        except PowerCut:
            self.cuts += 1
            self.start()
        self.nor.disarm()

    def trade(self) -> None:
        """Some transactions of every kind; idle time between them or not."""
        below = self.random.below
        idle = below(3)
        for _ in range(1 + below(12)):
            self.one((tx.SALE, tx.SALE, tx.SALE, tx.VOID, tx.REFUND, tx.BALANCE)[below(6)])
            for _ in range(idle * below(9)):
                self.journal.idle()

    def fill(self) -> None:
        """Sell until nothing fits any more."""
        if self.random.below(3):
            return
        try:
            while True:
                self.one(tx.SALE, True)
                self.journal.idle()
        except JournalFull:
            pass

    def one(self, kind: int, full: bool = False) -> None:
        """One transaction to one of its ends."""
        below = self.random.below
        journal = self.journal
        txn = sale(100 + below(900), kind=kind, extra=bytes(below(2) * below(160)))
        last = journal.newest_approved()
        if kind == tx.VOID:
            if last is None or last.kind != tx.SALE or last.state != tx.APPROVED:
                return
            txn.original_trace, txn.original_batch = last.trace, last.batch
        elif kind == tx.REFUND and last is not None:
            txn.original_rrn = last.rrn
        try:
            journal.begin(txn)
        except JournalFull:
            if full:
                raise
            return
        end = below(9)
        if end == 0:
            journal.mark(txn, tx.without_answer(kind))
            if txn.state == tx.REVERSAL_DUE:
                txn.attempts = 1
                journal.mark(txn, tx.ATTEMPT)
                if below(4):
                    txn.code = "00"
                    journal.mark(txn, tx.UNDONE)
                elif below(2):
                    txn.supervisor, txn.note = 0, 1
                    journal.mark(txn, tx.RELEASE)
        elif end == 1:
            txn.code = "51"
            journal.mark(txn, tx.DECLINE)
        else:
            approve(journal, txn)
            for bit in (1, 2)[: below(3)]:
                txn.printed |= bit
                journal.mark(txn, tx.PRINT)

    def settle(self) -> None:
        """Close the batch; what is open is decided before."""
        journal = self.journal
        for txn in journal.unfinished():
            if txn.state == tx.PENDING:
                journal.mark(txn, tx.without_answer(txn.kind))
            if txn.state == tx.REVERSAL_DUE:
                journal.mark(txn, tx.UNDONE)
        journal.settlement(1, b"asked")
        for n in range(self.random.below(4)):
            journal.settlement(2, b"%d" % n)
        journal.settle(journal.batch % 999999 + 1, b"sums of a batch")

    def restart(self) -> None:
        """Power off and on, again and again."""
        for _ in range((1, 1, 2, 3, 9, 12)[self.random.below(6)]):
            self.start()

    def idle(self) -> None:
        """Time for housekeeping, not always enough."""
        for _ in range(self.random.below(90)):
            if not self.journal.idle():
                return

    def note(self) -> None:
        """The audit trail."""
        for _ in range(1 + self.random.below(6)):
            self.journal.note(b"A", b"x" * self.random.below(180))


def picture(journal: Journal) -> tuple:
    """Everything that can be read."""
    return (
        journal.batch, journal.next_trace, journal.settlement_stage, journal.last_batch,
        [txn and line(txn) for txn in map(journal.at, range(journal.count))],
        [txn and line(txn) for txn in map(journal.at_last, range(journal.last_count))],
        list(map(line, journal.unfinished())), list(map(line, journal.released())),
        list(journal.notes()), vars(journal.totals()),
    )  # fmt: skip


def same(before: tuple, after: tuple) -> bool:
    """Is nothing missing? The oldest sectors of what was settled may be given up, or not yet."""
    settled = min(len(before[5]), len(after[5]))
    notes = min(len(before[8]), len(after[8]))
    return (
        before[:5] == after[:5] and before[6:8] == after[6:8] and before[9] == after[9]
        and before[5][len(before[5]) - settled :] == after[5][len(after[5]) - settled :]
        and before[8][:notes] == after[8][:notes]
    )  # fmt: skip


def live(number: int, make: type[Journal] = Journal) -> Life:
    """Life ``number``, to its end."""
    life = Life(number, make)
    for _ in range(STEPS):
        life.step()
        if not life.random.below(4):
            life.check()
    life.check()
    return life


def spoil(life: Life, number: int) -> tuple[bytes, str]:
    """The journal with some bytes spoilt that count, and what was done to it."""
    random = Random(number * 7919 + 13)
    below = random.below
    journal = life.journal
    mem = bytearray(life.nor.mem)
    place = below(journal.length)
    sector = journal.chain[place]
    newest = place == journal.length - 1
    base = sector * SECTOR
    head = mem[base + 4] + mem[base + 5]
    end = journal._sector_end(sector)
    how = below(5)
    if how == 0:  # one bit, the head too
        at = base + below(end)
        mem[at] ^= 1 << below(8)
        return bytes(mem), f"a bit at {sector}+{at - base}"
    # With its head spoilt the newest sector was never entered, and nobody can know better.
    first = head if newest else 0
    at = base + first + below(max(1, end - first))
    if how == 1:
        for _ in range(2 + below(6)):
            mem[min(at + below(32), base + end - 1)] ^= 1 << below(8)
        return bytes(mem), f"some bits from {sector}+{at - base} on"
    size = min((16, 64, 256)[below(3)], base + end - at)
    if how == 2:
        mem[at : at + size] = bytes(size)
    elif how == 3:
        mem[at : at + size] = b"\xff" * size
    else:
        mem[at : at + size] = random.bytes(size)
    name = ("zeros", "blank", "noise")[how - 2]
    return bytes(mem), f"{name}, {size} bytes from {sector}+{at - base}"


def look_spoilt(life: Life, number: int, counts: Counts) -> None:
    """Spoil what a life has left; nothing may be missing without a word."""
    life.start()  # as the spoilt ones are looked at
    while life.journal.idle():
        pass
    whole = picture(life.journal)
    for n in range(SPOILT):
        image, said = spoil(life, number * SPOILT + n)
        nor = Nor(len(image), image=image, unit=life.unit, strict=False)
        journal = life.make(nor, life.unit, Cipher())
        verdict = journal.mount()
        counts.spoilt += 1
        if verdict.kind != CLEAN or journal.damage:
            counts.named += 1
            continue
        while journal.idle():
            pass
        if journal.damage:
            counts.named += 1
        elif not same(whole, picture(journal)):
            counts.wrong.append(f"{said}: nothing is said, but something else is read")
            text = f"    replay: python -m tests.powercut.verdicts --only {number}"
            counts.wrong[-1] += f"\n{text}"


def run(numbers: range, make: type[Journal] = Journal, limit: int = 10) -> Counts:
    """Live these lives, until ``limit`` things are wrong."""
    counts = Counts()
    for number in numbers:
        try:
            life = live(number, make)
        except FalseVerdict as error:
            text = f"    replay: python -m tests.powercut.verdicts --only {number}"
            counts.wrong.append(f"life {number}, nothing was damaged: {error}\n{text}")
        else:
            counts.starts += life.starts
            counts.cuts += life.cuts
            look_spoilt(life, number, counts)
        counts.lives += 1
        if len(counts.wrong) >= limit:
            break
    return counts


def main(argv: list[str] | None = None) -> int:
    """Live many lives and sum up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", type=int, help="one life")
    args = parser.parse_args(argv)
    if args.only is not None:
        total = run(range(args.only, args.only + 1))
    else:
        size = 20
        end = args.first + args.count
        shares = [range(n, min(n + size, end)) for n in range(args.first, end, size)]
        total = Counts()
        with Pool(args.jobs) as pool:
            for part in pool.imap(run, shares):
                for name in ("lives", "starts", "cuts", "spoilt", "named", "wrong"):
                    setattr(total, name, getattr(total, name) + getattr(part, name))
    print("\n".join(total.wrong[:20]))
    print(f"{total.lives} lives with {total.starts} start-ups and {total.cuts} power cuts")
    print(f"{total.spoilt} times spoilt, {total.named} named; {len(total.wrong)} wrong")
    return 1 if total.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
