"""`mobi journal dump|verify|stats|story|audit|vault IMAGE`: what is in a flash image, masked."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any

from host_tools.journal import trail, words
from host_tools.journal.decode import Journal, Transaction, decode
from host_tools.journal.layout import SECTOR
from host_tools.journal.vault import Vault, decode_vault

_COLUMNS = (
    "batch", "trace", "kind", "amount", "approved_amount", "state", "time", "masked_pan",
    "operator", "supervisor", "code", "rrn", "auth", "original_batch", "original_trace",
    "original_rrn", "reason", "attempts", "printed",
)  # fmt: skip
_RECORD_COLUMNS = ("sector", "offset", "size", "kind", "counts", "time", "payload")
_STORY_COLUMNS = ("number", "sector", "offset", "time", "sentence")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `mobi journal` and what it can do."""
    journal = commands.add_parser(
        "journal", help="look into a journal image: transactions, damage, wear, the whole story"
    )
    what = journal.add_subparsers(title="what to do", metavar="WHAT", required=True)
    for name, run, text in (
        ("dump", _dump, "the transactions; with --records every record as it lies on flash"),
        ("verify", _verify, "is it whole? exit code 1 when not"),
        ("stats", _stats, "sizes, wear per sector, start-ups"),
        ("story", _story, "one sentence for every record"),
        ("audit", _audit, "who did what, when and why: the audit trail of all batches, or of one"),
        ("vault", _vault, "what a vault image holds: names and sizes, never values"),
    ):
        one = what.add_parser(name, help=text, description=text)
        one.add_argument("image", type=Path, metavar="IMAGE", help="the bytes of the flash region")
        one.add_argument("--format", choices=("text", "json", "csv"), default="text")
        one.add_argument("--language", choices=("zh", "en"), default="en")
        if name == "dump":
            one.add_argument("--records", action="store_true", help="records, torn ones too")
        if name == "audit":
            one.add_argument("--batch", type=int, help="only while this batch was open")
        one.set_defaults(run=run)


def _read(path: Path) -> bytes:
    from host_tools.cli import UserError

    try:
        image = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}. Name a flash image.") from error
    if not image or len(image) % SECTOR:
        wrong = f"{path} has {len(image)} bytes, which is not whole sectors of {SECTOR}."
        raise UserError(f"{wrong} Save the flash region again, complete; nothing was changed.")
    return image


def _emit(rows: list[dict[str, Any]], columns: tuple[str, ...], form: str) -> None:
    if form == "json":
        json.dump(rows, sys.stdout, ensure_ascii=False, indent=1)
        print()
    elif form == "csv":
        writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        _table(rows, columns)


def _table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    used = [c for c in columns if any(row.get(c) not in ("", None, 0) for row in rows)]
    cells = [[str("" if row.get(c) is None else row[c]) for c in used] for row in rows]
    widths = [max(len(c), *(len(line[i]) for line in cells)) for i, c in enumerate(used)]
    print("  ".join(c.ljust(w) for c, w in zip(used, widths, strict=True)).rstrip())
    for line in cells:
        print("  ".join(x.ljust(w) for x, w in zip(line, widths, strict=True)).rstrip())


def _row(txn: Transaction, form: str, language: str) -> dict[str, Any]:
    row = {c: getattr(txn, c) for c in _COLUMNS}
    row["time"] = txn.time.isoformat(" ")
    if form == "text":
        row["batch"], row["trace"] = f"{txn.batch:06d}", f"{txn.trace:06d}"
        row["amount"] = words.money(txn.amount)
        if txn.approved_amount is not None:
            row["approved_amount"] = words.money(txn.approved_amount)
        row["kind"] = words.KINDS[language][txn.kind]
        row["state"] = words.STATES[language][txn.state]
    if form == "json":
        row["history"] = [(name, time.isoformat(" ")) for name, time in txn.history]
    return row


def _dump(args: argparse.Namespace) -> int:
    journal = decode(_read(args.image))
    if args.records:
        _emit(_records(journal), _RECORD_COLUMNS, args.format)
        return 0
    rows = [_row(t, args.format, args.language) for t in journal.transactions]
    if not rows and args.format == "text":
        print(f"no transactions; the image is {journal.verdict}")
        return 0
    _emit(rows, _COLUMNS, args.format)
    return 0


def _records(journal: Journal) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {
            "sector": r.sector,
            "offset": r.offset,
            "size": len(r.payload),
            "kind": r.name,
            "counts": r.counts,
            "time": words.when(r),
            "payload": r.payload.hex(),
        }
        for r in journal.records
    ]
    for sector, begin, end in journal.torn:
        torn = ("torn", False, "", "")
        rows.append(dict(zip(_RECORD_COLUMNS, (sector, begin, end - begin, *torn), strict=True)))
    place = {s: i for i, s in enumerate(journal.chain)}
    return sorted(rows, key=lambda row: (place[row["sector"]], row["offset"]))


def _verify(args: argparse.Namespace) -> int:
    journal = decode(_read(args.image))
    report = {
        "verdict": journal.verdict,
        "damage": journal.damage,
        "transactions": len(journal.transactions),
        "unfinished": len(journal.unfinished),
        "records": len(journal.records),
        "torn": len(journal.torn),
        "bad_sectors": journal.bad,
    }
    if args.format == "json":
        print(json.dumps(report, ensure_ascii=False, indent=1))
    elif args.format == "csv":
        rows = [{"name": name, "value": value} for name, value in report.items()]
        _emit(rows, ("name", "value"), "csv")
    else:
        for name, value in report.items():
            if name != "damage":
                print(f"{name}: {value}")
        for text in journal.damage:
            print(f"damage: {text}")
    return 0 if journal.verdict in ("clean", "repaired") else 1


def _stats(args: argparse.Namespace) -> int:
    journal = decode(_read(args.image))
    rows = []
    for s in journal.sectors:
        head = s.head
        counting = [r for r in s.records if r.counts]
        rows.append(
            {
                "sector": s.number,
                "wear": None if head is None else head.wear,
                "sequence": None if head is None else head.sequence,
                "used": "yes" if s.number in journal.chain else "",
                "records": len(counting),
                "bytes": sum(len(r.payload) + 6 for r in counting),
                "state": "bad" if s.number in journal.bad else "blank" if s.blank else "",
            }
        )
    columns = ("sector", "wear", "sequence", "used", "records", "bytes", "state")
    if args.format == "text":
        known = [w for w in journal.wear if w is not None]
        print(f"verdict: {journal.verdict}")
        print(f"batch {journal.batch:06d}, next trace {journal.next_trace:06d}")
        print(f"start-ups visible: {journal.start_ups}")
        print(f"wear: {min(known, default=0)} to {max(known, default=0)} erases a sector")
    _emit(rows, columns, args.format)
    return 0


def _story(args: argparse.Namespace) -> int:
    journal = decode(_read(args.image))
    rows: list[dict[str, Any]] = [
        {
            "number": r.number,
            "sector": r.sector,
            "offset": r.offset,
            "time": words.when(r),
            "sentence": words.sentence(r, journal, args.language),
        }
        for r in journal.records
    ]
    for place in journal.torn:
        text = words.torn_sentence(place, args.language)
        values = (len(rows), place[0], place[1], "", text)
        rows.append(dict(zip(_STORY_COLUMNS, values, strict=True)))
    if args.format == "text":
        for row in rows:
            print(f"{row['time'] or ' ' * 19}  {row['sentence']}")
        return 0
    _emit(rows, _STORY_COLUMNS, args.format)
    return 0


def _audit(args: argparse.Namespace) -> int:
    acts = trail.trail(decode(_read(args.image)), args.language)
    rows = [{**vars(act), "time": act.time.isoformat(" ")} for act in acts
            if args.batch in (None, act.batch)]
    if args.format == "text":
        for row in rows:
            row["batch"] = f"{row['batch']:06d}"
            row["trace"] = f"{row['trace']:06d}" if row["trace"] else ""
    _emit(rows, trail.COLUMNS, args.format)
    return 0


def _vault(args: argparse.Namespace) -> int:
    vault = decode_vault(_read(args.image))
    assert isinstance(vault, Vault)
    rows: list[dict[str, Any]] = [
        {
            "key": e.key.decode("ascii", "backslashreplace"),
            "bytes": e.size,
            "fingerprint": e.fingerprint,
        }
        for e in vault.entries
    ]
    if args.format == "text":
        print(f"verdict: {vault.verdict}; {len(rows)} values; wear {vault.wear}")
        if vault.leftovers:
            print(f"{vault.leftovers} replaced or deleted values are still on the chip")
    if rows or args.format != "text":
        _emit(rows, ("key", "bytes", "fingerprint"), args.format)
    return 0 if vault.verdict == "ready" else 1
