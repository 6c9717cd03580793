"""The history of a transaction in words: events of the journal and notes of its case together."""

from mobi import dates
from mobi import transactions as tx
from mobi.flows import cases, reasons
from mobi.ui.text import COLUMNS, wrap

_EVENTS = {
    tx.BEGIN: "event_begin",
    tx.APPROVE: "state_approved",
    tx.DECLINE: "state_declined",
    tx.PRINT: "printed",
    tx.DROP: "state_absent",
    tx.LOSE: "state_unknown",
    tx.REVERSE: "state_reversal_due",
    tx.UNDONE: "state_reversed",
    tx.DOUBT: "state_unproven",
    tx.RELEASE: "state_released",
}
# What an answer of the host means: to a query, and to the message that closes a case.
ANSWERS = {"00": "host_stands", "22": "host_undone", "25": "host_has_not"}
_CLOSED = {"00": "host_undone", "22": "host_undone", "25": "host_has_not", "12": "host_unproven"}


def rows(t, txn, columns=COLUMNS):
    """The whole history in rows of ``columns``, oldest first, each day under its date."""
    # Within a second a query comes before what it has led to, other notes say more about it.
    found = [(time, 1, t.tr(_EVENTS[event])) for event, time in t.journal.history(txn)
             if event in _EVENTS]
    found += [(time, 0 if text[:5] == "query" else 2, _in_words(t, text))
              for time, text in cases.notes(t, txn)]
    found.sort(key=lambda item: item[:2])
    out = []
    day = ""
    for time, _, text in found:
        date, clock = dates.text(time).split(" ")
        if date != day:
            out.append(date)
            day = date
        out += wrap("%s %s" % (clock, text), columns)
    return out


def _in_words(t, text):
    word, _, rest = text.partition(" ")
    if word in ("reason", "release", "compare"):
        who, _, number = rest.partition(" ")
        rest = "%s %s" % (who, reasons.text(t, int(number)))
    elif word in ("open", "try"):
        first, _, second = rest.partition(" ")
        if word == "open":  # code, what differed
            rest = "%s %s" % (t.code_text(first), second)
        else:  # number, code
            rest = "%s %s" % (first, t.code_text(second))
    elif word in ("query", "close"):
        known = ANSWERS if word == "query" else _CLOSED
        rest = t.tr(known[rest]) if rest in known else t.code_text(rest)
    elif word == "accept":
        rest = ""
    return ("%s %s" % (t.tr("case_" + word), rest)).rstrip()
