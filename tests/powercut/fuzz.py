"""Damages images of journals at random and starts up on them: nothing may be invented.

    python -m tests.powercut.fuzz --count 1000000 --jobs 2
    python -m tests.powercut.fuzz --only 4711

Image ``n`` follows from the number alone. A start-up must raise nothing and end; every approved
transaction it shows must have been approved, with that amount and reference, in the life the image
was taken from.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import cache
from multiprocessing import Pool

from tests.powercut import sweep

# Only now can the firmware be imported.
# isort: split
from journal_chip import Cipher, Nor, Random
from journal_player import Model, Player, line

from mobi import transactions as tx
from mobi.journal.log import Journal, JournalFull

SECTOR = 4096
PAGE = 256
# A start-up reads about 60 times, byte by byte where records are damaged; never as often as this.
READS = 100_000
WHOLE = 16  # every 16th image is read completely, and one more sale is tried


class Endless(Exception):
    """The start-up reads and reads."""


class Chip:
    """Bytes behind the block device: no rules, no times, only a limit to reading."""

    def __init__(self, mem: bytearray) -> None:
        self.mem = mem
        self.view = memoryview(mem)
        self.left = READS

    def readblocks(self, sector: int, buffer: memoryview, offset: int = 0) -> int:
        """Read."""
        self.left -= 1
        if self.left < 0:
            raise Endless
        at = sector * SECTOR + offset
        buffer[:] = self.view[at : at + len(buffer)]
        return 0

    def writeblocks(self, sector: int, data: memoryview, offset: int = 0) -> int:
        """Program: bits only become 0."""
        at = sector * SECTOR + offset
        for i, byte in enumerate(data):
            self.mem[at + i] &= byte
        return 0

    def ioctl(self, request: int, arg: int) -> int | None:
        """See ``Nor.ioctl``."""
        if request == 4:
            return len(self.mem) // SECTOR
        if request == 5:
            return SECTOR
        if request == 6:
            self.mem[arg * SECTOR : (arg + 1) * SECTOR] = b"\xff" * SECTOR
        return 0


@cache
def stock() -> tuple[list[tuple[int, bytes]], set[tuple]]:
    """(unit, image) after every few steps of the lives; every approval there ever was in them."""
    images: list[tuple[int, bytes]] = []
    facts: set[tuple] = set()
    for life in ("short", "full", "cramped"):
        for unit in (1, 256):
            nor = Nor(sweep.SECTORS * SECTOR, unit=unit)
            journal = Journal(nor, unit, Cipher())
            journal.format(1, 1)
            model, player = Model(), Player(journal)
            steps = sweep.LIVES[life]
            for i, step in enumerate(steps):
                if step[-1] == "?" and step[1] >= len(player.traces):
                    continue
                if step[0] == "restart":
                    journal = Journal(nor, unit, Cipher())
                    journal.mount()
                    player = Player(journal, player.traces)
                elif not player.play(step, i):
                    model.play(step, i)
                facts |= {_fact(model.line(n)) for n in _approved(model)}
                if i % 9 == 0:
                    images.append((unit, bytes(nor.mem)))
    return images, facts


def _approved(model: Model) -> list[int]:
    return [n for n, txn in enumerate(model.txns) if txn["state"] == tx.APPROVED]


def _fact(seen: tuple) -> tuple:
    # Of ``line``: trace, batch, kind, amount, reference, field 38, answer, both card numbers.
    return (*seen[:4], *seen[7:10], *seen[13:])


def damage(number: int) -> tuple[int, bytearray, str]:
    """Image ``number``: driver unit, bytes, what was done to it."""
    images, _ = stock()
    random = Random(number + 1)
    below = random.below
    unit, image = images[below(len(images))]
    mem = bytearray(image)
    sectors = len(mem) // SECTOR
    kind = below(8)
    said = ""
    if kind < 3:  # bits, near to each other in every second image
        count = 1 + below(1 << 1 + below(6))
        near = below(2) * below(len(mem))
        for _ in range(count):
            at = (near + below(64)) % len(mem) if near else below(len(mem))
            mem[at] ^= 1 << below(8)
        said = f"{count} bits flipped"
    elif kind == 3:
        for _ in range(1 + below(3)):
            at = below(len(mem) // PAGE) * PAGE
            size = min((16, PAGE, SECTOR)[below(3)], len(mem) - at)
            mem[at : at + size] = (b"\0", b"\xff")[below(2)] * size
        said = "pages zeroed or blank"
    elif kind == 4:
        for _ in range(1 + below(3)):
            a, b = below(sectors) * SECTOR, below(sectors) * SECTOR
            mem[a : a + SECTOR], mem[b : b + SECTOR] = mem[b : b + SECTOR], mem[a : a + SECTOR]
        said = "sectors swapped"
    elif kind == 5:
        at = below(len(mem))
        mem[at:] = (b"\0", b"\xff")[below(2)] * (len(mem) - at)
        said = "cut off"
    elif kind == 6:
        at = below(len(mem))
        size = min(1 + below(1 << below(13)), len(mem) - at)
        mem[at : at + size] = random.bytes(size)
        said = f"{size} random bytes"
    else:  # sectors as they were at another moment, or in another life
        other = images[below(len(images))][1]
        for _ in range(1 + below(2)):
            a, b = below(sectors) * SECTOR, below(sectors) * SECTOR
            mem[a : a + SECTOR] = other[b : b + SECTOR]
        said = "sectors of another moment"
    return unit, mem, said


def look(number: int, make: type[Journal] = Journal) -> str:
    """Start up on image ``number``; "" or what is wrong."""
    _, facts = stock()
    unit, mem, said = damage(number)
    journal = make(Chip(mem), unit, Cipher())
    try:
        verdict = journal.mount()
        seen = []
        if verdict.usable:
            newest = journal.newest_approved()
            seen = [newest, *journal.unfinished()]
            if number % WHOLE == 0:
                journal.medium._flash.left = READS
                seen += _read_all(journal, verdict.read_only)
    except Endless:
        return f"{said}: the start-up does not end"
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not happen
        return f"{said}: {error!r}"
    for txn in seen:
        if txn is not None and txn.state in (tx.APPROVED, tx.VOIDED, tx.REFUNDED, tx.SETTLED):
            if _fact(line(txn)) not in facts:
                return f"{said}: invented {line(txn)}"
    return ""


def _read_all(journal: Journal, read_only: bool) -> list:
    seen = [journal.at(i) for i in range(min(journal.count, 60))]
    seen += [journal.at_last(i) for i in range(min(journal.last_count, 60))]
    seen += journal.released()
    list(journal.notes())
    journal.totals()
    for _ in range(20):
        journal.idle()
    if not read_only:
        txn = tx.Transaction(tx.SALE)
        txn.amount, txn.pan = 1, "6222021234567890128"
        try:
            journal.begin(txn)
        except JournalFull:
            pass
        else:
            assert journal.last().trace == txn.trace, "the new sale is not the last one"
    return seen


def run(numbers: range, make: type[Journal] = Journal) -> list[str]:
    """Look at these images; a line for every failure (at most ten)."""
    wrong = []
    for number in numbers:
        text = look(number, make)
        if text:
            wrong.append(f"{text}\n    replay: python -m tests.powercut.fuzz --only {number}")
            if len(wrong) == 10:
                break
    return wrong


def main(argv: list[str] | None = None) -> int:
    """Run and show how far it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", type=int, help="one image")
    args = parser.parse_args(argv)
    if args.only is not None:
        print(look(args.only) or "nothing is wrong")
        return 0
    began = time.monotonic()
    size = 2000
    shares = [
        range(n, min(n + size, args.first + args.count))
        for n in range(args.first, args.first + args.count, size)
    ]
    wrong: list[str] = []
    with Pool(args.jobs) as pool:
        for done, found in enumerate(pool.imap(run, shares), 1):
            wrong += found
            images = min(done * size, args.count)
            rate = images / (time.monotonic() - began)
            print(f"\r{images:,} images, {len(wrong)} wrong, {rate:.0f}/s ", end="", flush=True)
    print()
    print("\n".join(wrong[:20]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
