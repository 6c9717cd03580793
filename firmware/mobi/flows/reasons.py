"""Why something was undone (原因): chosen from a list or typed as a number, kept in the journal.

Asked when it is done, so that nobody waits for it at the counter. Who does not answer has given
no reason, and that is kept, too. Numbers below 10 are the lists' own, the others the merchant's.
"""

from mobi.access import NOBODY
from mobi.flows import cases

# Number kept, id of the text. Never reuse a number.
NONE = 0
WRONG_AMOUNT = 1
NOT_ACCEPTED = 7
VOID = (
    (WRONG_AMOUNT, "reason_wrong_amount"),
    (2, "reason_customer"),
    (3, "reason_double"),
    (4, "reason_other"),
)
REFUND = (
    (5, "reason_returned"),
    (2, "reason_customer"),
    (3, "reason_double"),
    (4, "reason_other"),
)
RELEASE = (
    (8, "reason_bank_confirmed"),
    (9, "reason_bank_handles"),
    (4, "reason_other"),
)
COMPARE = (
    (6, "reason_acquirer_agrees"),
    (8, "reason_bank_confirmed"),
    (4, "reason_other"),
)
_OWN = 10  # the merchant's own numbers begin here
_DIGITS = 6
_NAMES = {NOT_ACCEPTED: "reason_not_accepted"}


async def choose(t, title, reasons):
    """The number of one of ``reasons``, or of the merchant's own. ``Leave`` when none is given."""
    labels = [t.tr(name) for _, name in reasons] + [t.tr("reason_number")]
    at = await t.ui.choose(title, labels)
    if at < len(reasons):
        return reasons[at][0]
    while True:
        number = int(await t.ui.digits(title, t.tr("reason_number"), _DIGITS, 2))
        if number >= _OWN:
            return number
        t.ui.beep()


async def ask(t, txn, reasons):
    """Ask why ``txn`` was done and keep the answer."""
    if not t.settings.get("ask_reason"):
        return
    try:
        number = await choose(t, t.tr("why"), reasons)
    except t.Leave:
        number = NONE
    note(t, txn, number)


def note(t, txn, number):
    """Keep the reason ``number`` for ``txn``."""
    who = t.session.operator if txn.supervisor == NOBODY else txn.supervisor
    cases.reasoned(t, txn, who, number)


def text(t, number):
    """The reason in words."""
    for kept, name in VOID + REFUND + RELEASE + COMPARE:
        if kept == number:
            return t.tr(name)
    if number in _NAMES:
        return t.tr(_NAMES[number])
    return t.tr("reason_none") if number == NONE else "%d" % number


def given(t, txn):
    """The number of the reason kept for ``txn``; None when nobody was asked."""
    found = None
    for _, note_text in cases.notes(t, txn):
        parts = note_text.split(" ")
        if parts[0] in ("reason", "release", "compare") and len(parts) == 3:
            found = int(parts[2])
    return found
