"""What docs/journal.md takes from running code: the example on flash and what survives which fault.

    python -m tests.host.journal_doc        writes it into the document

The document marks the places with ``<!-- NAME -->`` and ``<!-- end of NAME -->``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for folder in ("tests/firmware", "boards/cpython", "firmware", "."):
    if str(ROOT / folder) not in sys.path:
        sys.path.insert(0, str(ROOT / folder))

from journal_chip import Cipher, Nor, PowerCut, approve, complete, sale  # noqa: E402

from host_tools.journal import layout  # noqa: E402
from mobi import transactions as tx  # noqa: E402
from mobi.journal.log import Journal  # noqa: E402

DOCUMENT = ROOT / "docs" / "journal.md"
SECTOR = 4096


# -- the example ----------------------------------------------------------------------------------


def example() -> bytes:
    """A journal of four sectors: a sale, its receipt, a second sale that the power cut short."""
    nor = Nor(4 * SECTOR, unit=1, seed=5)
    journal = Journal(nor, 1, Cipher(), lambda: 848656815)
    journal.format(7, 41)
    txn = sale(1250, time=848656800)
    journal.begin(txn)
    txn.code, txn.rrn, txn.auth = "00", "632609000041", "A00041"
    txn.settle_date = "1122"
    journal.mark(txn, tx.APPROVE)
    txn.printed = 1
    journal.mark(txn, tx.PRINT)
    nor.cut_after(0, mode="prefix", prefix=20)
    try:
        journal.begin(sale(990, time=848656900))
    except PowerCut:
        nor.revive()
    journal = Journal(nor, 1, Cipher(), lambda: 848657000)
    journal.mount()
    return bytes(nor.mem)


_HEAD_FIELDS = (
    (3, "magic"),
    (1, "version"),
    (1, "A: length of this part"),
    (1, "B: length of the checkpoint"),
    (1, "flags"),
    (1, "touches that follow"),
    (4, "sequence"),
    (4, "incarnation"),
    (3, "wear: erases of this sector"),
    (2, "distance to the sector before, 0: none"),
    (2, "end of the sector before"),
    (2, "end of what was written with the head"),
    (4, "floor: the oldest sequence that counts"),
    (3, "next ordinal"),
    (3, "next trace"),
    (3, "batch"),
    (3, "wear of the next sector"),
)
_CHECKPOINT_FIELDS = (
    (3, "first ordinal of the open batch"),
    (3, "first ordinal of the batch before"),
    (3, "newest approved transaction, ffffff: none"),
    (4, "its place"),
    (4, "place of the last SETTLE"),
    (4, "place of the last STAGE"),
    (7, "sales: count, sum"),
    (7, "voids: count, sum"),
    (7, "refunds: count, sum"),
    (4, "newest time"),
    (1, "bad sectors that follow"),
    (1, "kept transactions that follow"),
)
_PAYLOADS = {
    "intent": (
        (3, "ordinal"), (1, "kind"), (3, "trace"), (1, "operator"), (3, "batch"),
        (1, "supervisor"), (4, "amount, low part"), (4, "time"), (1, "amount, high part"),
        (1, "note"), (1, "digits of the card number"), (2, "field 22"), (2, "options"),
        (5, "first six and last four digits"), (16, "card number, encrypted"),
    ),
    "approve": (
        (3, "ordinal"), (4, "time"), (2, "options"), (2, "field 39"), (6, "field 37"),
        (6, "field 38"), (2, "field 15"),
    ),
    "print": ((3, "ordinal"), (4, "time"), (1, "copies")),
    "resume": ((4, "incarnation"), (2, "start"), (2, "kind and length of the copy")),
}  # fmt: skip


def _fields(data: bytes, sector: layout.Sector) -> Iterator[tuple[int, int, str]]:
    # (place, bytes, what it is), in order.
    head = sector.head
    assert head is not None
    at = 0
    for size, text in _HEAD_FIELDS:
        yield at, size, text
        at += size
    yield at, 4, "CRC of this part"
    at += 4
    for size, text in _CHECKPOINT_FIELDS:
        yield at, size, text
        at += size
    yield at, 4, "CRC of the checkpoint"
    records = [r for r in sector.records if r.copy_of is None]
    ends = []
    for r in sorted(records, key=lambda r: r.offset):
        if r.kind == 11:
            yield r.offset - 1, 1, "the byte before a RESUME is always 0"
        ends.append(r.offset + 6 + len(r.payload))
        yield r.offset, 2, f"{r.name.upper()}: kind {r.kind}, {len(r.payload)} bytes"
        at = r.offset + 2
        end = at + len(r.payload)
        for size, text in _PAYLOADS.get(r.name, ()):
            yield at, size, text
            at += size
        if at < end:
            yield at, end - at, "the copy"
        yield end, 4, "CRC"
    for begin, end in sector.void:
        yield begin, end - begin, "torn by the power cut"


def annotated() -> str:
    """The example, field by field."""
    data = example()[:SECTOR]
    rows = ["```text"]
    known = 0
    for at, size, text in sorted(_fields(data, layout.take_apart(data, 0))):
        assert at >= known, f"{at}: {text} overlaps"
        if data[known:at].strip(b"\xff"):
            raise AssertionError(f"bytes {known} to {at} are not explained")
        if at > known:
            rows.append(f"{known:04x}  ff ... blank to {at - 1:04x}")
        for i in range(at, at + size, 16):
            piece = data[i : min(i + 16, at + size)].hex(" ")
            rows.append(f"{i:04x}  {piece:<47}  {text}".rstrip())
            text = ""
        known = at + size
    assert not data[known:].strip(b"\xff")
    return "\n".join([*rows, "```"])


# -- what survives which fault ---------------------------------------------------------------------

SALES = 60


def _journal() -> tuple[Nor, int]:
    # Sixty sales, ten of them in a batch that was settled, one sale waiting for its reversal.
    nor = Nor(16 * SECTOR, unit=256, seed=3)
    journal = Journal(nor, 256, Cipher())
    journal.format(1, 1)
    for n in range(SALES):
        complete(journal, amount=100 + n, extra=bytes(60))
        if n == 9:
            journal.settle(2, b"sums")
        journal.idle()
    due = sale(7)
    journal.begin(due)
    due.reason = "98"
    journal.mark(due, tx.REVERSE)
    return nor, journal.head


def _flip(place: Callable[[Nor, int], int]) -> Callable[[Nor, int], None]:
    def do(nor: Nor, head: int) -> None:
        nor.mem[place(nor, head)] ^= 4

    return do


def _fill(place: Callable[[Nor, int], int], size: int, value: int) -> Callable[[Nor, int], None]:
    def do(nor: Nor, head: int) -> None:
        at = place(nor, head)
        nor.mem[at : at + size] = bytes((value,)) * size

    return do


def _old_record(nor: Nor, head: int) -> int:
    return 1 * SECTOR + 700


def _newest_record(nor: Nor, head: int) -> int:
    at = (head + 1) * SECTOR
    while nor.mem[at - 1] == 0xFF:
        at -= 1
    return at - 6


def _swap(nor: Nor, head: int) -> None:
    nor.mem[:SECTOR], nor.mem[SECTOR : 2 * SECTOR] = (
        nor.mem[SECTOR : 2 * SECTOR],
        nor.mem[:SECTOR],
    )


def _fault(name: str) -> Callable[[Nor, int], None]:
    def do(nor: Nor, head: int) -> None:
        nor.faults[head] = name

    return do


def _everything(value: int) -> Callable[[Nor, int], None]:
    def do(nor: Nor, head: int) -> None:
        nor.mem[:] = bytes((value,)) * len(nor.mem)

    return do


def _other_version(nor: Nor, head: int) -> None:
    for s in range(nor.sectors):
        if nor.mem[s * SECTOR] != 0xFF:
            nor.mem[s * SECTOR + 3] = 2


def _random(nor: Nor, head: int) -> None:
    nor.mem[:] = nor.random.bytes(len(nor.mem))


FAULTS: tuple[tuple[str, Callable[[Nor, int], None]], ...] = (
    ("nothing", lambda nor, head: None),
    ("one bit of an old record", _flip(_old_record)),
    ("one bit of the newest record", _flip(_newest_record)),
    ("one bit of the head of an old sector", _flip(lambda nor, head: SECTOR + 10)),
    ("one bit of an old checkpoint", _flip(lambda nor, head: SECTOR + 50)),
    ("one bit of the newest head", _flip(lambda nor, head: head * SECTOR + 10)),
    ("one bit of the newest checkpoint", _flip(lambda nor, head: head * SECTOR + 50)),
    ("an old page all zero", _fill(lambda nor, head: SECTOR + 512, 256, 0)),
    ("an old page blank", _fill(lambda nor, head: SECTOR + 512, 256, 0xFF)),
    ("an old sector blank", _fill(lambda nor, head: SECTOR, SECTOR, 0xFF)),
    ("the newest sector blank", _fill(lambda nor, head: head * SECTOR, SECTOR, 0xFF)),
    ("two sectors swapped", _swap),
    ("the newest sector takes no programs, and says so", _fault("program error")),
    ("the newest sector takes no programs, silently", _fault("program wrong")),
    ("the newest sector cannot be read", _fault("read error")),
    ("another version of the format", _other_version),
    ("all blank", _everything(0xFF)),
    ("all zero", _everything(0)),
    ("random bytes", _random),
)


def survival() -> str:
    """A start-up of the same journal after every kind of damage."""
    rows = [
        f"| damage to {SALES} sales and a reversal | verdict | sales | reversal | seen in idle |",
        "|---|---|---|---|---|",
    ]
    image, head = _journal()
    for name, damage in FAULTS:
        nor = Nor(len(image.mem), image=bytes(image.mem), unit=256, seed=9)
        damage(nor, head)
        before = bytes(nor.mem)
        journal = Journal(nor, 256, Cipher())
        verdict = journal.mount()
        if not verdict.usable:
            assert bytes(nor.mem) == before, "a journal that is none was written to"
            rows.append(f"| {name} | {verdict.name}, nothing is written | - | - | - |")
            continue
        found = [journal.at(i) for i in range(journal.count)]
        found += [journal.at_last(i) for i in range(journal.last_count)]
        sales = [t for t in found if t and t.state in (tx.APPROVED, tx.SETTLED)]
        assert {t.amount for t in sales} <= set(range(100, 100 + SALES)), "invented"
        due = "kept" if [t.amount for t in journal.unfinished()] == [7] else "lost"
        steps = 0
        while journal.idle():
            steps += 1
            assert steps < 1000
        places = len(journal.health().damage)
        rows.append(f"| {name} | {verdict.name} | {len(sales)} | {due} | {_places(places)} |")
        txn = sale(5)
        journal.begin(txn)  # and trading goes on
        approve(journal, txn)
        assert journal.last().state == tx.APPROVED
    return "\n".join(rows)


def _places(count: int) -> str:
    return {0: "-", 1: "1 place"}.get(count, f"{count} places")


SECTIONS: dict[str, Callable[[], str]] = {"example": annotated, "survival": survival}



def bounds(text: str, name: str) -> tuple[int, int]:
    """Where the section is in the document."""
    begin = text.index(f"<!-- {name} -->\n") + len(f"<!-- {name} -->\n")
    return begin, text.index(f"<!-- end of {name} -->")


def main() -> None:
    """Write every section into the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, make in SECTIONS.items():
        begin, end = bounds(text, name)
        text = text[:begin] + make() + "\n" + text[end:]
    DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
