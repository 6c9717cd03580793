"""Finds all that is known about one transaction and puts it into one plain structure.

Nothing in it is secret: card numbers are masked, and what the sources hide already (tracks, PIN
blocks, expiry dates, keys) never comes here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from host_tools.acquirer.codec import SPEC, mask_pan
from host_tools.acquirer.ledger import Ledger
from host_tools.acquirer.ledger import Transaction as Booked
from host_tools.acquirer.trace import Entry
from host_tools.bench import invariants
from host_tools.journal import words
from host_tools.journal.decode import Journal, Note, Transaction, decode
from host_tools.journal.trail import Act, trail

FORMAT = "mobi-evidence 1"
Place = tuple[int, int]  # batch, trace

_CASE = b"C"
_LONG_NUMBER = re.compile(r"(?<!\d)\d{13,19}(?!\d)")


class NothingFound(LookupError):
    """No source knows the transaction, or it is not clear which one is meant; the text says why."""


@dataclass
class Sources:
    """Where to look. ``files`` names them for the bundle: (what, name, SHA-256 or "").

    ``receipts``: texts of slips, each with what draws its picture (PNG) or None.
    """

    journal: bytes | None = None
    ledger: Ledger | None = None
    messages: Sequence[Entry] | None = None
    receipts: Sequence[tuple[str, Callable[[], bytes] | None]] = ()
    files: list[tuple[str, str, str]] = field(default_factory=list)

    def add_file(self, what: str, name: str, data: bytes | None = None) -> None:
        """Note where something came from; ``data``: the bytes that were read."""
        self.files.append((what, name, hashlib.sha256(data).hexdigest() if data else ""))


def collect(sources: Sources, trace: int, batch: int | None, terminal: str, made_at: datetime,
            language: str = "en") -> tuple[dict[str, Any], list[bytes | None]]:
    """(evidence, pictures of its receipts) about the transaction ``trace``: the newest one, or
    that of ``batch``. ``terminal``: its number, "" when the sources name only one.

    ``NothingFound`` when there is no such transaction in journal and books.
    """
    journal = decode(sources.journal) if sources.journal is not None else None
    mine = _own(journal, trace, batch)
    if mine is not None:
        batch = mine.batch
    terminal = terminal or _only_terminal(sources, trace, batch)
    theirs = _booked(sources.ledger, terminal, trace, batch)
    if mine is None and theirs is None:
        raise NothingFound(_missing(sources, journal, trace, batch))
    if batch is None:
        assert theirs is not None
        batch = theirs.batch
    related = _related(journal, mine) if journal is not None and mine is not None else []
    places = {(batch, trace), *((t.batch, t.trace) for t in related)}
    host_related = _host_related(sources.ledger, theirs, places)
    evidence: dict[str, Any] = {
        "format": FORMAT, "language": language, "made_at": _stamp(made_at),
        "sources": [dict(zip(("what", "name", "sha256"), f, strict=True)) for f in sources.files],
        "terminal": terminal, "batch": batch, "trace": trace,
        "finding": _finding(mine, related, theirs, host_related, sources),
        "compared": _compared(mine, theirs),
        "journal": _journal(journal, mine, related, language),
        "host": _host(sources.ledger, theirs, host_related),
        "messages": _messages(sources.messages, places, terminal),
        "receipts": [],
    }
    pictures: list[bytes | None] = []
    for text, picture in sources.receipts:
        if invariants.place_of(text) in places:
            evidence["receipts"].append({"text": hide(text)})
            pictures.append(None if picture is None else picture())
    return evidence, pictures


def hide(text: str) -> str:
    """``text`` with every number masked that could be a card's (13 to 19 digits, valid by Luhn)."""
    return _LONG_NUMBER.sub(lambda m: mask_pan(m[0]) if _luhn(m[0]) else m[0], text)


def _luhn(digits: str) -> bool:
    doubled = (int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits)))
    return sum(d - 9 * (d > 9) for d in doubled) % 10 == 0


def _stamp(time: datetime) -> str:
    return time.isoformat(timespec="seconds")


# -- the terminal ----------------------------------------------------------------------------------


def _own(journal: Journal | None, trace: int, batch: int | None) -> Transaction | None:
    for txn in reversed(journal.transactions if journal is not None else []):
        if txn.trace == trace and batch in (None, txn.batch):
            return txn
    return None


def _related(journal: Journal, txn: Transaction) -> list[Transaction]:
    # What it undoes, what undoes it, and what was refunded of it.
    def belongs(other: Transaction) -> bool:
        return other is not txn and (
            txn.target == other.ordinal or other.target == txn.ordinal
            or (other.original_batch, other.original_trace) == (txn.batch, txn.trace)
            or (txn.original_batch, txn.original_trace) == (other.batch, other.trace)
            or (txn.rrn != "" and other.original_rrn == txn.rrn)
            or (other.rrn != "" and txn.original_rrn == other.rrn))

    return [other for other in journal.transactions if belongs(other)]


def _transaction(txn: Transaction) -> dict[str, Any]:
    fields = ("batch", "trace", "kind", "amount", "approved_amount", "state", "masked_pan",
              "entry", "operator", "supervisor", "rrn", "auth", "code", "reason", "attempts",
              "printed", "original_batch", "original_trace", "original_rrn", "original_date")
    return {"time": _stamp(txn.time), **{name: getattr(txn, name) for name in fields},
            "events": [{"time": _stamp(time), "event": name} for name, time in txn.history]}


def _journal(journal: Journal | None, mine: Transaction | None, related: list[Transaction],
             language: str) -> dict[str, Any] | None:
    if journal is None:
        return None
    if mine is None:
        return {"verdict": journal.verdict, "transaction": None}
    numbers = {txn.ordinal for txn in (mine, *related)}
    settled = [s for s in journal.settlements if s.batch == mine.batch and s.time >= mine.time]
    return {
        "verdict": journal.verdict,
        "damage": journal.damage,
        "transaction": _transaction(mine),
        "related": [_transaction(txn) for txn in related],
        "records": [
            {"sector": r.sector, "offset": r.offset, "time": words.when(r), "kind": r.name,
             "counts": r.counts, "says": hide(words.sentence(r, journal, language))}
            for r in journal.records if words.about(r) in numbers],
        "case": [{"time": _stamp(note.time), "trace": _trace_of(journal, note),
                  "words": hide(note.payload.decode("ascii", "replace")),
                  "says": hide(words.case_sentence(note.payload, language))}
                 for note in journal.notes if note.kind == _CASE and note.ordinal in numbers],
        "audit": [_audit(act) for act in _acts(journal, mine, {t.trace for t in (mine, *related)},
                                               language)],
        "settlement": {"batch": mine.batch, "time": _stamp(settled[0].time)} if settled else None,
    }


def _trace_of(journal: Journal, note: Note) -> int:
    return next(t.trace for t in journal.transactions if t.ordinal == note.ordinal)


def _acts(journal: Journal, mine: Transaction, traces: set[int], language: str) -> Iterable[Act]:
    # Those about it, and all others of the days on which something happened to it that are about
    # no other transaction.
    days = {time.date() for _, time in mine.history}
    for act in trail(journal, language):
        if act.trace in traces or (not act.trace and act.time.date() in days):
            yield act


def _audit(act: Act) -> dict[str, Any]:
    return {name: hide(value) if isinstance(value, str) else value
            for name, value in {**vars(act), "time": _stamp(act.time)}.items()}


# -- the host --------------------------------------------------------------------------------------


def _booked(ledger: Ledger | None, terminal: str, trace: int, batch: int | None) -> Booked | None:
    if ledger is None:
        return None
    found = [t for t in (*ledger.transactions, *ledger.unseen)
             if t.trace == trace and batch in (None, t.batch) and terminal in ("", t.terminal)]
    return found[-1] if found else None


def _only_terminal(sources: Sources, trace: int, batch: int | None) -> str:
    # The terminal that the host's sources mean; the journal alone does not name its terminal.
    known = set()
    if sources.ledger is not None:
        known = {t.terminal for t in (*sources.ledger.transactions, *sources.ledger.unseen)
                 if t.trace == trace and batch in (None, t.batch)}
    elif sources.messages is not None:
        known = {e.terminal for e in sources.messages if e.fields.get("11") == f"{trace:06d}"}
        known.discard("")
    if len(known) > 1:
        raise NothingFound(
            f"The terminals {', '.join(sorted(known))} all have a trace {trace:06d}: say which " +
            "one is meant with --terminal.")
    return known.pop() if known else ""


def _host_related(ledger: Ledger | None, theirs: Booked | None, places: set[Place]) -> list[Booked]:
    if ledger is None or theirs is None:
        return []
    names = {theirs.rrn, theirs.original_rrn} - {""}
    return [t for t in ledger.transactions
            if t is not theirs and t.terminal == theirs.terminal
            and ((t.batch, t.trace) in places or t.rrn in names or t.original_rrn in names)]


def _host(ledger: Ledger | None, theirs: Booked | None, related: list[Booked]
          ) -> dict[str, Any] | None:
    if ledger is None:
        return None
    if theirs is None:
        return {"transaction": None}
    verdict = ledger.batches.get((theirs.terminal, theirs.batch))
    entries = [entry for item in (theirs, *related) for entry in ledger.postings(item)]
    return {
        "transaction": asdict(theirs),
        "related": [asdict(item) for item in related],
        "entries": [asdict(entry) for entry in entries],
        "batch": None if verdict is None else {"verdict": verdict[0], "ended": verdict[1]},
        "discrepancies": [asdict(d) for d in ledger.discrepancies
                          if (d.terminal, d.batch, d.trace)
                          == (theirs.terminal, theirs.batch, theirs.trace)],
    }


def _messages(entries: Sequence[Entry] | None, places: set[Place], terminal: str
              ) -> list[dict[str, Any]] | None:
    if entries is None:
        return None
    found = []
    asked = set()  # traces of the requests: an answer need not repeat what it is about
    for entry in entries:
        own = entry.fields.get("11", "")
        about = _is_about(entry.fields, places) or (entry.direction == "<" and own in asked)
        if about and terminal in ("", entry.terminal):
            asked.add(own)
            keys = sorted((key for key in entry.fields if key.isdecimal()), key=int)
            found.append({
                "time": _stamp(entry.time), "direction": entry.direction,
                "operation": entry.operation, "mti": entry.fields.get("t", ""),
                "verdict": hide(entry.verdict),
                "fields": [{"field": int(key), "name": SPEC[key]["desc"],
                            "value": entry.fields[key]} for key in keys]})
    return found


def _is_about(fields: dict[str, str], places: set[Place]) -> bool:
    # Its own messages, status queries about it, and uploads that list it.
    batch, own = fields.get("60", "")[2:8], fields.get("11", "")
    named = fields.get("61", "")[:12]
    for place in places:
        number = f"{place[0]:06d}", f"{place[1]:06d}"
        if (batch, own) == number or named == "".join(number):
            return True
        details = fields.get("48", "").split(" ")[1::3]
        if batch == number[0] and any(item[2:] == number[1] for item in details):
            return True
    return False


# -- both together ---------------------------------------------------------------------------------


def _finding(mine: Transaction | None, related: list[Transaction], theirs: Booked | None,
             host_related: list[Booked], sources: Sources) -> dict[str, Any]:
    if mine is None:
        word = "host-only" if sources.journal is not None else "no-journal"
        return {"verdict": word, "differences": []}
    if sources.ledger is None:
        return {"verdict": "no-host", "differences": []}
    booked = [item for item in (theirs, *host_related) if item is not None]
    differences = invariants.violations([mine, *related], booked)
    verdict = "open" if mine.state in invariants.OPEN else "agree"
    return {"verdict": "differ" if differences else verdict, "differences": differences}


def _compared(mine: Transaction | None, theirs: Booked | None) -> list[dict[str, Any]]:
    # Field by field; "same" is null where one end has nothing to compare.
    rows = []
    for name in ("kind", "amount", "masked_pan", "rrn", "auth", "code", "state"):
        here = None if mine is None else getattr(mine, name)
        if name == "amount" and mine is not None:
            here = invariants.moved(mine)
        there = None if theirs is None else getattr(theirs, name)
        same = None if here in (None, "") or there in (None, "") else here == there
        rows.append({"item": name, "terminal": here, "host": there, "same": same})
    return rows


def _missing(sources: Sources, journal: Journal | None, trace: int, batch: int | None) -> str:
    where = f"{trace:06d}" if batch is None else f"{trace:06d} of batch {batch:06d}"
    looked = []
    if journal is not None:
        looked.append(f"the journal ({journal.verdict}, {len(journal.transactions)} transactions)")
    if sources.ledger is not None:
        looked.append(f"the host's books ({len(sources.ledger.transactions)} transactions)")
    return (f"There is no transaction {where} in {' or in '.join(looked)}. TRACE is the voucher " +
            "number on the slip (凭证号); --batch chooses an older batch.")
