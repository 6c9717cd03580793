"""The audit trail (审计) of a journal image as one list: who did what, when, why, before and after.

It has two sources, both of which no menu of the terminal can change: notes, which the firmware
writes for what is no transaction (docs/journal.md), and the transactions themselves, which carry
operator, supervisor and reason of every void, refund, release and late result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from host_tools.journal import words
from host_tools.journal.decode import Journal, Note, Transaction

COLUMNS = ("time", "terminal", "batch", "trace", "kind", "operator", "supervisor", "what", "before",
           "after", "reason")
_CASE = b"C"
_NOBODY = "--"
# Of a parameter, and of a master key by its check value.
_CHANGES = {b"P": re.compile(r"(\S+) (.*?) > (.*)"), b"K": re.compile(r"(.*), KCV (\S+) > (\S+)")}
_TERMINAL = re.compile(r"terminal ([^\s,]+)")


@dataclass
class Act:
    """One line of the trail. What is not known or does not apply is ""; ``batch`` is the one that
    was open, ``trace`` the transaction it is about, 0 for none."""

    time: datetime
    terminal: str
    batch: int
    trace: int
    kind: str
    operator: str
    supervisor: str
    what: str
    before: str = ""
    after: str = ""
    reason: str = ""


def trail(journal: Journal, language: str = "en") -> list[Act]:
    """All acts the journal still has, oldest first."""
    known = {txn.ordinal: txn for txn in journal.transactions}
    acts: list[Act] = []
    for note in journal.notes:
        if note.kind != _CASE:
            acts.append(_of_note(journal, note, known))
    for txn in journal.transactions:
        acts += _of_transaction(journal, txn, known, language)
    acts.sort(key=lambda act: act.time)
    _name_terminals(acts)
    return acts


def _of_note(journal: Journal, note: Note, known: dict[int, Transaction]) -> Act:
    text = note.payload.decode("gbk", "replace")
    what, before, after = text[6:], "", ""
    form = _CHANGES.get(note.kind)
    change = form.fullmatch(what) if form is not None else None
    if change is not None:
        what, before, after = change.groups()
    about = known.get(note.ordinal) if note.ordinal is not None else None
    return Act(note.time, "", _open_batch(journal, note.time), about.trace if about else 0,
               words.NOTES.get(note.kind, "?"), _who(text[:2]), _who(text[3:5]), what, before,
               after)


def _who(digits: str) -> str:
    return "" if digits == _NOBODY else digits


def _open_batch(journal: Journal, time: datetime) -> int:
    for settlement in journal.settlements:
        if time <= settlement.time:
            return settlement.batch
    return journal.batch


def _of_transaction(journal: Journal, txn: Transaction, known: dict[int, Transaction],
                    language: str) -> list[Act]:
    acts = []
    notes = [(note.time, note.payload.decode("ascii", "replace").split(" "))
             for note in journal.notes if note.kind == _CASE and note.ordinal == txn.ordinal]
    reasons = [_reason(parts[2], language) for _, parts in notes
               if parts[0] == "reason" and len(parts) == 3]
    states = _states(txn)

    def add(time: datetime, kind: str, what: str, before: str, after: str, reason: str,
            operator: str = f"{txn.operator:02d}") -> None:
        supervisor = "" if txn.supervisor is None else f"{txn.supervisor:02d}"
        acts.append(Act(time, "", txn.batch, txn.trace, kind, operator, supervisor, what, before,
                        after, reason))

    if txn.kind in ("void", "refund"):
        original = known.get(txn.target) if txn.target is not None else None
        named = f"sale {original.trace:06d}" if original else f"reference {txn.original_rrn}"
        if txn.kind == "void" and not original:
            named = f"sale {txn.original_trace:06d}"
        done = states[-1][1] == "approved"
        after = {"void": "voided", "refund": "refunded"}[txn.kind] if done else states[-1][1]
        add(txn.time, txn.kind, f"{named}, {words.money(txn.amount)}", "approved" if done else "",
            after, reasons[-1] if reasons else "")
    for number, (time, state) in enumerate(states):
        before = states[number - 1][1] if number else ""
        if state == "released":
            given = [_reason(parts[2], language) for _, parts in notes if parts[0] == "release"]
            add(time, "release", f"{txn.kind} {words.money(txn.amount)}", before, state,
                given[-1] if given else _reason(str(txn.note), language), "")
        elif state == "approved" and before in ("reversal_due", "unknown", "unproven"):
            add(time, "late result", f"{txn.kind} {words.money(txn.amount)}", before, state, "")
    return acts


def _states(txn: Transaction) -> list[tuple[datetime, str]]:
    # The states it went through.
    after = {"begin": "pending", "approve": "approved", "decline": "declined",
             "reverse": "reversal_due", "undone": "reversed", "lose": "unknown",
             "release": "released", "drop": "absent", "doubt": "unproven"}
    return [(time, after[name]) for name, time in txn.history if name in after]


def _reason(number: str, language: str) -> str:
    known = words.REASONS[language]
    return known[int(number)] if number.isdecimal() and int(number) < len(known) else number


def _name_terminals(acts: list[Act]) -> None:
    # Every start notes the terminal's number, and so does a change of it.
    number = ""
    for act in acts:
        if act.kind == "boot":
            found = _TERMINAL.search(act.what)
            number = found[1] if found else number
        act.terminal = number
        if (act.kind, act.what) == ("parameter", "terminal"):
            number = act.after
