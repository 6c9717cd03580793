"""Makes the images of the current format that stay in the tests for good (tests/host/images).

    python -m tests.host.released_images

Run once when a format is released; images of older formats are never made again. What a terminal
of that release had in its flash must still load, whatever comes after.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
for folder in ("tests/firmware", "boards/cpython", "firmware", "."):
    if str(ROOT / folder) not in sys.path:
        sys.path.insert(0, str(ROOT / folder))

from journal_chip import Cipher, Nor, PowerCut, approve, complete, sale  # noqa: E402

from mobi import transactions as tx  # noqa: E402
from mobi.journal.layout import VERSION  # noqa: E402
from mobi.journal.log import Journal  # noqa: E402
from mobi.journal.vault import Vault  # noqa: E402

IMAGES = Path(__file__).with_name("images")
FIELDS = (
    "trace", "batch", "kind", "amount", "state", "time", "operator", "supervisor", "masked_pan",
    "pan", "entry", "code", "rrn", "auth", "host_time", "settle_date", "original_trace",
    "original_batch", "original_rrn", "original_date", "reason", "attempts", "printed", "note",
    "approved_amount",
)  # fmt: skip


def what(journal: Journal) -> dict[str, Any]:
    """Everything a reader sees, as JSON takes it."""
    def lines(txns: list[Any]) -> list[dict[str, Any]]:
        return [{name: getattr(txn, name) for name in FIELDS} for txn in txns]

    return {
        "batch": journal.batch,
        "next_trace": journal.next_trace,
        "open": lines([journal.at(i) for i in range(journal.count)]),
        "last": lines([journal.at_last(i) for i in range(journal.last_count)]),
        "unfinished": lines(journal.unfinished()),
        "released": lines(journal.released()),
        "totals": [vars(journal.totals())[name] for name in sorted(vars(journal.totals()))],
        "last_batch": bytes(journal.last_batch).hex(),
        "stage": [journal.settlement_stage[0], bytes(journal.settlement_stage[1]).hex()],
        "notes": [
            [time, kind.decode(), bytes(data).hex(), about]
            for time, kind, data, about in journal.notes()
        ],
    }


def journal_image(unit: int) -> tuple[bytes, dict[str, Any]]:
    """A worn ring with everything in it, torn at the end; and what must be read from it."""
    nor = Nor(6 * 4096, unit=unit, seed=unit)
    journal = Journal(nor, unit, Cipher(), lambda: 848656800)
    journal.format(1, 999900)
    for batch in range(2, 8):
        for n in range(16):
            complete(journal, amount=batch * 100 + n, extra=bytes(80))
            while journal.idle():
                pass
        first = journal.at(0)
        for kind, target in ((tx.VOID, first), (tx.REFUND, journal.at(1))):
            txn = sale(target.amount, kind=kind, original_trace=target.trace,
                       original_batch=target.batch, original_rrn=target.rrn)  # fmt: skip
            journal.begin(txn)
            approve(journal, txn)
        due = sale(7)
        journal.begin(due)
        due.reason, due.attempts = tx.NO_REPLY, 1
        journal.mark(due, tx.REVERSE)
        journal.mark(due, tx.ATTEMPT)
        journal.note(b"C", b"asked the bank", due)
        due.supervisor, due.note = 0, 2
        if batch < 7:
            journal.mark(due, tx.RELEASE)
            journal.settlement(2, b"3 of 18")
            journal.settle(batch, b"sums of %d" % batch)
    journal.settlement(1, b"asked")
    part = sale(5000)
    journal.begin(part)
    part.approved_amount, part.host_text = 3000, b"part"
    approve(journal, part, "10")
    lost = sale(60, kind=tx.REFUND, original_rrn="12345678901X", original_date="1122")
    journal.begin(lost)
    journal.mark(lost, tx.LOSE)
    wanted = what(journal)
    nor.cut_after(0, mode="bits")
    try:
        journal.take_trace()
    except PowerCut:
        nor.revive()
    return bytes(nor.mem), wanted


def vault_image() -> tuple[bytes, dict[str, str]]:
    """A vault with values of every size, one replaced and one deleted."""
    nor = Nor(8192, unit=256, seed=1)
    vault = Vault(nor, 256)
    vault.format()
    for n in range(12):
        vault.put(b"p%d" % n, bytes(range(n * 20)))
    vault.put(b"kM", b"old master key..")
    vault.put(b"kM", b"new master key..")
    vault.delete(b"p3")
    while vault.idle():
        pass
    vault.put(b"l", b"\3")
    return bytes(nor.mem), {key.decode(): vault.get(key).hex() for key in vault.keys()}


def main() -> None:
    """Write the images of this version beside those that are there."""
    IMAGES.mkdir(exist_ok=True)
    made: list[tuple[str, bytes, Any]] = [
        (f"journal-v{VERSION}-unit{unit}", *journal_image(unit)) for unit in (1, 256)
    ]
    made.append((f"vault-v{VERSION}", *vault_image()))
    for name, image, wanted in made:
        (IMAGES / f"{name}.bin.gz").write_bytes(gzip.compress(image, mtime=0))
        text = json.dumps(wanted, ensure_ascii=False, indent=1)
        (IMAGES / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
