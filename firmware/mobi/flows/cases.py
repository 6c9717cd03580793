"""The history of a case (处理记录): what was tried, asked, said and decided about a transaction.

Kept as notes in the journal, kind ``C``, tied to their transaction; they can be added to but not
changed. A note is ASCII: a word and what belongs to it, separated by a space.

    open CODE [FIELD]   it became unfinished; CODE is the terminal's own, FIELD what differed
    try N CODE          the N-th reversal got this answer, or the terminal's code for none
    query CODE          the host was asked what became of it
    call NUMBER         somebody called; NUMBER is the case number the other side gave
    reason OP NUMBER    operator or supervisor OP gave this reason
    slip                the case slip came out
    accept CODE         the late result was accepted
    close CODE          it is closed; CODE is the host's
    release OP NUMBER   supervisor OP gave up on it for that reason
    compare OP NUMBER   supervisor OP has compared it with the acquirer, with that result
    back                the reversal slip came out
"""

KIND = b"C"
_MOST = 60


def note(t, txn, text):
    """Keep ``text`` in the history of ``txn``; False when the journal has no room for notes."""
    return t.journal.note(KIND, text.encode()[:_MOST], txn)


def opened(t, txn, code):
    """It became unfinished because of ``code``; ``t.last_fault`` names the field that differed."""
    note(t, txn, ("open %s %s" % (code, t.last_fault)).rstrip())


def tried(t, txn, code):
    """A reversal got the answer ``code``, which does not close it."""
    note(t, txn, "try %d %s" % (txn.attempts, code))


def queried(t, txn, code):
    """The host was asked and answered ``code``."""
    note(t, txn, "query %s" % code)


def called(t, txn, number):
    """Somebody called; ``number``: digits the other side gave, or ""."""
    note(t, txn, "call %s" % (number or "-"))


def reasoned(t, txn, who, number):
    """Operator ``who`` gave the reason ``number``."""
    note(t, txn, "reason %02d %d" % (who, number))


def printed(t, txn):
    """The case slip came out."""
    note(t, txn, "slip")


def has_slip(t, txn):
    """Did the case slip come out, as far as the journal knows?"""
    return any(text == "slip" for _, text in notes(t, txn))


def accepted(t, txn, code):
    """The late result was accepted."""
    note(t, txn, "accept %s" % code)


def closed(t, txn, code):
    """The host closed it with ``code``."""
    note(t, txn, "close %s" % code)


def released(t, txn, who, number):
    """Supervisor ``who`` gave up on it for the reason ``number``."""
    note(t, txn, "release %02d %d" % (who, number))


def compared(t, txn, who, number):
    """Supervisor ``who`` has compared it with the acquirer; ``number``: the reason given."""
    note(t, txn, "compare %02d %d" % (who, number))


def taken_back(t, txn):
    """The reversal slip came out."""
    note(t, txn, "back")


def notes(t, txn):
    """[(time, text)] of ``txn``, oldest first."""
    found = [(time, str(bytes(text), "ascii")) for time, _, text, _ in t.journal.notes(KIND, txn)]
    found.reverse()
    return found


def cause(t, txn):
    """(code, what differed): the terminal's own code for why it became unfinished, ("", "") if
    the journal does not know."""
    for _, text in notes(t, txn):
        if opened_by(text):
            return opened_by(text), text[5:].partition(" ")[2]
    return "", ""


def opened_by(text):
    """The code in a note that opened a case; "" for any other note. ``text``: str or bytes."""
    if not isinstance(text, str):
        text = str(bytes(text), "ascii")
    return text[5:].partition(" ")[0] if text.startswith("open ") else ""
