"""What a transaction's state means and what may be done about it: one table.

The 未完成交易 screens and docs/states.md are both made from it. A step that is not allowed is not
offered, and ``TABLE`` names the text that says why.
"""

from mobi import transactions as tx
from mobi.flows import guards, online, retries

# State -> ids of three texts: what this terminal knows, what the host may have, what is safe.
MEANING = (
    (tx.PENDING, "here_sent", "there_unsure", "safe_wait"),
    (tx.APPROVED, "here_approved", "there_booked", "safe_done"),
    (tx.DECLINED, "here_declined", "there_nothing", "safe_again"),
    (tx.REVERSAL_DUE, "here_no_answer", "there_unsure", "safe_no_repeat"),
    (tx.REVERSED, "here_reversed", "there_undone", "safe_again"),
    (tx.UNKNOWN, "here_no_answer", "there_unsure", "safe_no_repeat"),
    (tx.RELEASED, "here_released", "there_unsure", "safe_bank"),
    (tx.ABSENT, "here_not_sent", "there_nothing", "safe_again"),
    (tx.VOIDED, "here_voided", "there_undone", "safe_done"),
    (tx.REFUNDED, "here_refunded", "there_booked", "safe_done"),
    (tx.SETTLED, "here_settled", "there_booked", "safe_refund"),
)

_OPEN = (tx.REVERSAL_DUE, tx.UNKNOWN)
_NOTHING_MOVED = (tx.DECLINED, tx.REVERSED, tx.ABSENT)
_DONE = (tx.APPROVED, tx.VOIDED, tx.REFUNDED, tx.SETTLED)
_ANY = tuple(row[0] for row in MEANING)

# Step (id of its text), the states it is for, id of the text that says why not in another state.
TABLE = (
    ("step_query", _OPEN, "why_known"),
    ("step_reverse", (tx.REVERSAL_DUE,), "why_no_reversal"),
    ("step_wait", (tx.REVERSAL_DUE,), "why_no_reversal"),
    ("step_release", _OPEN, "why_known"),
    ("step_redo", _NOTHING_MOVED, "why_money_open"),
    ("step_code", _NOTHING_MOVED, "why_money_open"),
    ("step_void", (tx.APPROVED,), "why_not_approved"),
    ("step_refund", (tx.APPROVED, tx.REFUNDED, tx.SETTLED), "why_not_approved"),
    ("step_slip", _OPEN + (tx.RELEASED,), "why_no_case"),
    ("step_reprint", _DONE, "why_not_approved"),
    ("step_call", _ANY, ""),
    ("step_history", _ANY, ""),
    ("step_details", _ANY, ""),
)


def meaning(state):
    """(known here, known at the host, what is safe): ids of texts."""
    for row in MEANING:
        if row[0] == state:
            return row[1:]
    raise KeyError(state)


def offered(t, txn):
    """(allowed, refused): steps that can be taken now, and (step, text why not) of the others."""
    allowed = []
    refused = []
    for step, states, why in TABLE:
        text = t.tr(why) if txn.state not in states else _in_the_way(t, txn, step)
        if text:
            refused.append((step, text))
        else:
            allowed.append(step)
    return allowed, refused


def _in_the_way(t, txn, step):
    # What forbids a step that the state allows: a text, or "".
    if step in ("step_query", "step_reverse") and not t.session.trusted:
        return t.tr("sign_on_first")
    if step == "step_query" and not t.settings.get("status_query"):
        return t.tr("why_no_query")
    if step == "step_wait" and retries.next_time(t) is None:
        return t.tr("why_no_tries")
    if step == "step_release" and not may_release(t, txn):
        return t.tr("why_reverse_first")
    if step in ("step_redo", "step_code"):
        return _not_again(t, txn, step)
    if step == "step_void":
        return _refusal(guards.may_void, t, txn)
    if step == "step_refund" and txn.kind != tx.SALE:
        return t.tr("why_no_sale")
    if step == "step_reprint" and txn.kind == tx.BALANCE:
        return t.tr("why_no_slip")
    return ""


def may_release(t, txn):
    """May the supervisor give up on it? Only when asking the host has led nowhere: all tries of the
    reversal have failed, the line is down, or the host has no answer about a refund."""
    if txn.state == tx.REVERSAL_DUE:
        return txn.attempts >= t.settings.get("reversal_tries") or not t.link.alive
    return True


def _not_again(t, txn, step):
    if txn.kind != tx.SALE:
        return t.tr("why_no_sale")
    if step == "step_code" and not t.settings.get("payment_codes"):
        return t.tr("not_allowed_here")
    if online.blocking(t) is not None:
        return t.tr("reversal_blocks")
    return ""


def _refusal(guard, t, txn):
    try:
        guard(t, txn)
    except online.Refused as refused:
        return refused.text
    return ""


