"""What a transaction's state means and what may be done about it: one table.

The 未完成交易 screens and docs/states.md are both made from it. A step that is not allowed is not
offered, and ``TABLE`` names the text that says why.
"""

from mobi import transactions as tx
from mobi.acquiring import codes
from mobi.flows import cases, guards, online, retries

# What a state alone does not tell about the money: see ``standing``.
NOT_BEGUN = 0  # no byte of it has left
IN_DOUBT = 100  # refused with a code that says: first find out whether it went through
NO_ORIGINAL = 101  # a void that was refused because of the sale: what became of that is not known
TAKEN_BACK = 102  # reversed, and the host had it: the customer may hold a message of the bank
LATE = 103  # a refund whose outcome is unknown, and whose batch is settled
VOIDED_SINCE = 105  # a void that failed, and another one that did not
COMPARED = 104  # closed by 12, and a supervisor has compared it with the acquirer
STANDINGS = {
    NOT_BEGUN: "not begun",
    IN_DOUBT: "declined, in doubt",
    NO_ORIGINAL: "declined, original in doubt",
    TAKEN_BACK: "reversed, had been done",
    LATE: "unknown, batch settled",
    VOIDED_SINCE: "failed, voided since",
    COMPARED: "reversed, compared by hand",
}

# State or standing, kind (0: any other), ids of four texts: what this terminal knows, what the host
# may have, what is safe, what to tell the customer ("": as the response code has it, see
# `acquiring.codes`). Every word about a transaction's money that the panel shows is one of these.
MEANING = (
    (NOT_BEGUN, tx.VOID, "here_not_begun", "there_sale_stands", "", "tell_not_voided"),
    (NOT_BEGUN, tx.REFUND, "here_not_begun", "there_no_refund", "", "tell_not_refunded"),
    (NOT_BEGUN, tx.BALANCE, "here_not_begun", "there_nothing", "", "tell_not_asked"),
    (NOT_BEGUN, 0, "here_not_begun", "there_nothing", "", ""),
    (tx.PENDING, 0, "here_sent", "there_sale_unsure", "safe_wait", "tell_wait"),
    (tx.REVERSAL_DUE, tx.SALE,
     "here_no_answer", "there_sale_unsure", "safe_no_sale", "tell_sale_open"),
    (tx.REVERSAL_DUE, tx.VOID,
     "here_no_answer", "there_void_unsure", "safe_no_void", "tell_void_open"),
    (tx.UNKNOWN, tx.REFUND,
     "here_no_answer", "there_refund_unsure", "safe_no_refund", "tell_wait"),
    (LATE, tx.REFUND, "here_no_answer", "there_refund_unsure", "safe_no_refund_late", "tell_wait"),
    (tx.APPROVED, tx.SALE, "here_approved", "there_booked", "safe_done", "tell_paid"),
    (tx.APPROVED, tx.VOID, "here_approved", "there_voided", "safe_done", "tell_voided"),
    (tx.APPROVED, tx.REFUND, "here_approved", "there_refunded", "safe_done", "tell_refunded"),
    (tx.APPROVED, tx.BALANCE, "here_approved", "there_nothing", "safe_done", "tell_balance"),
    (tx.DECLINED, tx.VOID, "here_declined", "there_sale_stands", "", "tell_not_voided"),
    (tx.DECLINED, tx.REFUND, "here_declined", "there_no_refund", "", "tell_not_refunded"),
    (tx.DECLINED, tx.BALANCE, "here_declined", "there_nothing", "", "tell_not_asked"),
    (tx.DECLINED, 0, "here_declined", "there_nothing", "", ""),
    (IN_DOUBT, tx.VOID, "here_declined", "there_void_unsure", "", "tell_wait"),
    (IN_DOUBT, tx.REFUND, "here_declined", "there_refund_unsure", "", "tell_wait"),
    (IN_DOUBT, 0, "here_declined", "there_sale_unsure", "", ""),
    (NO_ORIGINAL, tx.VOID, "here_declined", "there_no_original", "", "tell_wait"),
    (tx.REVERSED, tx.VOID,
     "here_reversed", "there_sale_stands", "safe_void_again", "tell_not_voided"),
    (tx.REVERSED, 0, "here_reversed", "there_nothing", "safe_again", "tell_nothing"),
    (TAKEN_BACK, tx.VOID,
     "here_reversed", "there_sale_stands", "safe_void_again", "tell_void_back"),
    (TAKEN_BACK, 0, "here_reversed", "there_taken_back", "safe_repeat", "tell_taken_back"),
    (VOIDED_SINCE, tx.VOID,
     "here_voided_since", "there_voided_since", "safe_voided_since", "tell_voided"),
    (COMPARED, tx.VOID,
     "here_compared", "there_void_compared", "safe_void_again", "tell_void_back"),
    (COMPARED, 0, "here_compared", "there_compared", "safe_again", "tell_compared"),
    (tx.UNPROVEN, tx.VOID, "here_unproven", "there_void_unsure", "safe_compare", "tell_bank"),
    (tx.UNPROVEN, 0, "here_unproven", "there_sale_unsure", "safe_compare", "tell_bank"),
    (tx.ABSENT, tx.VOID,
     "here_not_sent", "there_sale_stands", "safe_void_again", "tell_not_voided"),
    (tx.ABSENT, tx.REFUND,
     "here_not_sent", "there_no_refund", "safe_refund_again", "tell_not_refunded"),
    (tx.ABSENT, tx.BALANCE, "here_not_sent", "there_nothing", "safe_again", "tell_not_asked"),
    (tx.ABSENT, 0, "here_not_sent", "there_nothing", "safe_again", "tell_nothing"),
    (tx.RELEASED, tx.VOID, "here_released", "there_void_unsure", "safe_bank", "tell_bank"),
    (tx.RELEASED, tx.REFUND, "here_released", "there_refund_unsure", "safe_bank", "tell_bank"),
    (tx.RELEASED, 0, "here_released", "there_sale_unsure", "safe_bank", "tell_bank"),
    (tx.VOIDED, 0, "here_voided", "there_voided", "safe_done", "tell_voided"),
    (tx.REFUNDED, 0, "here_refunded", "there_refunded", "safe_done", "tell_refunded"),
    (tx.SETTLED, tx.VOID, "here_settled", "there_voided", "safe_done", "tell_voided"),
    (tx.SETTLED, tx.REFUND, "here_settled", "there_refunded", "safe_done", "tell_refunded"),
    (tx.SETTLED, 0, "here_settled", "there_booked", "safe_refund", "tell_paid"),
)
# Field 39 of the message that closed a reversal: the host had it, and has undone it.
_UNDONE = ("00", "22")

_OPEN = (tx.REVERSAL_DUE, tx.UNKNOWN)
_CASES = _OPEN + (tx.UNPROVEN,)
_NOTHING_MOVED = (tx.DECLINED, tx.REVERSED, tx.ABSENT)
_DONE = (tx.APPROVED, tx.VOIDED, tx.REFUNDED, tx.SETTLED)
_ANY = tuple(tx.STATE_NAMES)

# Step (id of its text), the states it is for, id of the text that says why not in another state
# ("": ``CONDITIONS`` below says it, which also has what else may stand in its way).
TABLE = (
    ("step_query", _CASES, "why_known"),
    ("step_reverse", (tx.REVERSAL_DUE,), "why_no_reversal"),
    ("step_wait", (tx.REVERSAL_DUE,), "why_no_reversal"),
    ("step_compare", (tx.UNPROVEN,), "why_no_compare"),
    ("step_release", _CASES, "why_known"),
    ("step_redo", _NOTHING_MOVED, "why_money_open"),
    ("step_code", _NOTHING_MOVED, "why_money_open"),
    ("step_void", (tx.APPROVED,), ""),
    ("step_refund", (tx.APPROVED, tx.REFUNDED, tx.SETTLED), ""),
    ("step_slip", _CASES + (tx.RELEASED,), "why_no_case"),
    ("step_back", (tx.REVERSED, tx.UNPROVEN), "why_not_reversed"),
    ("step_reprint", _DONE, "why_not_approved"),
    ("step_call", _ANY, ""),
    ("step_history", _ANY, ""),
    ("step_details", _ANY, ""),
)


def meaning(state, kind):
    """(known here, known at the host, what is safe, what to tell the customer): ids of texts.

    ``state``: a state or a ``standing``."""
    for row in MEANING:
        if row[0] == state and row[1] in (kind, 0):
            return row[2:]
    raise KeyError((state, kind))


def standing(t, txn):
    """The state of ``txn``, or what its code and its batch tell beyond that."""
    state = txn.state
    if txn.kind == tx.VOID and state in _NOTHING_MOVED and _voided_since(t, txn):
        return VOIDED_SINCE
    if state == tx.ABSENT and txn.code == codes.LINE_DOWN:
        return NOT_BEGUN
    if state == tx.DECLINED and txn.kind != tx.BALANCE:
        if codes.retry(txn.code, txn.kind) == codes.LOOK:
            return IN_DOUBT
        if txn.kind == tx.VOID and codes.group(txn.code) == codes.G_DISPUTE:
            return NO_ORIGINAL
    if state == tx.REVERSED:
        if txn.code in _UNDONE:
            return TAKEN_BACK
        if txn.code == tx.BY_HAND:
            return COMPARED
        if txn.code == tx.CLOSED_UNPROVEN:
            return tx.UNPROVEN  # as journals of earlier versions have it
    if state == tx.UNKNOWN and txn.batch != t.journal.batch:
        return LATE
    return state


def _voided_since(t, txn):
    original = t.journal.find(txn.original_trace, txn.original_batch)
    return original is not None and original.state == tx.VOIDED


def about(t, txn):
    """The meaning of ``txn`` as it stands: see ``meaning``."""
    return meaning(standing(t, txn), txn.kind)


def offered(t, txn):
    """(allowed, refused): steps that can be taken now, and (step, text why not) of the others."""
    allowed = []
    refused = []
    for step, states, why in TABLE:
        text = t.tr(why) if why and txn.state not in states else _in_the_way(t, txn, step)
        if text:
            refused.append((step, text))
        else:
            allowed.append(step)
    return allowed, refused


def _in_the_way(t, txn, step):
    for name, stands, why in CONDITIONS:
        if name == step:
            found = stands(t, txn)
            if found:
                return t.tr(why) if why else found
    return ""


def _not_signed_on(t, txn):
    return not t.session.trusted


def _no_query(t, txn):
    return not t.settings.get("status_query")


def _no_tries(t, txn):
    return retries.next_time(t) is None


def _can_be_reversed(t, txn):
    # All tries of a reversal must have failed, or the line be down. A refund has none.
    tries = t.settings.get("reversal_tries")
    return txn.state == tx.REVERSAL_DUE and txn.attempts < tries and t.link.alive


def _can_be_asked(t, txn):
    # Nobody has asked the host what became of the refund, and it could be asked.
    if txn.state != tx.UNKNOWN or not t.settings.get("status_query") or not t.link.alive:
        return False
    for _, note in cases.notes(t, txn):
        if note.startswith("query "):
            return False
    return True


def has_slip(t, txn):
    """Is there a reversal slip of ``txn``: was it taken back, or may it have been?"""
    return txn.state in (tx.REVERSED, tx.UNPROVEN) and not _never_there(t, txn)


def _never_there(t, txn):
    return standing(t, txn) not in (TAKEN_BACK, tx.UNPROVEN)


def _no_sale(t, txn):
    return txn.kind != tx.SALE


def _no_codes(t, txn):
    return not t.settings.get("payment_codes")


def _never_paid(t, txn):
    if txn.state == tx.VOIDED:
        return t.tr("already_voided")
    paid = (tx.APPROVED, tx.REFUNDED, tx.SETTLED)
    return "" if txn.state in paid else t.tr("why_not_approved")


def _all_refunded(t, txn):
    return txn.value <= t.journal.refunded(txn.rrn)


def _no_slip(t, txn):
    return not tx.moves_money(txn.kind)


def _no_original(t, txn):
    return txn.kind == tx.VOID and t.journal.find(txn.original_trace) is None


def _no_void(t, txn):
    # What is to be voided is the transaction itself, or of a void its sale.
    original = t.journal.find(txn.original_trace) if txn.kind == tx.VOID else txn
    if original is None:  # its batch was settled
        return t.tr("original_unknown")
    return _refusal(guards.may_void, t, original)


def _look_first(t, txn):
    # The host has refused it, but what became of it further on is not certain.
    unsure = txn.state == tx.DECLINED and codes.retry(txn.code, txn.kind) == codes.LOOK
    return codes.advice(txn.code, t.language, txn.kind) if unsure else ""


def _no_repeat(t, txn):
    refusal = _refusal(guards.may_start, t, tx.KIND_NAMES[txn.kind])
    return refusal or (_no_void(t, txn) if txn.kind == tx.VOID else "")


def _refusal(guard, t, what):
    try:
        guard(t, what)
    except online.Refused as refused:
        return refused.text
    return ""


# Step, what else may stand in its way, id of the text that says so ("": the function gives it).
CONDITIONS = (
    ("step_query", _not_signed_on, "sign_on_first"),
    ("step_query", _no_query, "why_no_query"),
    ("step_reverse", _not_signed_on, "sign_on_first"),
    ("step_wait", _no_tries, "why_no_tries"),
    ("step_release", _can_be_reversed, "why_reverse_first"),
    ("step_release", _can_be_asked, "why_query_first"),
    ("step_redo", _no_original, "original_unknown"),
    ("step_redo", _look_first, ""),
    ("step_redo", _no_repeat, ""),
    ("step_back", _never_there, "why_never_there"),
    ("step_code", _no_sale, "why_no_sale"),
    ("step_code", _no_codes, "not_allowed_here"),
    ("step_code", _look_first, ""),
    ("step_code", _no_repeat, ""),
    ("step_void", _no_void, ""),
    ("step_refund", _no_sale, "why_no_sale"),
    ("step_refund", _never_paid, ""),
    ("step_refund", _all_refunded, "why_all_refunded"),
    ("step_reprint", _no_slip, "why_no_slip"),
)
