"""What a transaction's state means and what may be done about it: one table.

The 未完成交易 screens and docs/states.md are both made from it. A step that is not allowed is not
offered, and ``TABLE`` names the text that says why.
"""

from mobi import transactions as tx
from mobi.flows import guards, online, retries

# State, kind (0: any other), ids of four texts: what this terminal knows, what the host may have,
# what is safe, what to tell the customer ("": what the response code says, see `acquiring.codes`).
MEANING = (
    (tx.PENDING, 0, "here_sent", "there_sale_unsure", "safe_wait", "tell_wait"),
    (tx.REVERSAL_DUE, tx.SALE,
     "here_no_answer", "there_sale_unsure", "safe_no_sale", "tell_sale_open"),
    (tx.REVERSAL_DUE, tx.VOID,
     "here_no_answer", "there_void_unsure", "safe_no_void", "tell_void_open"),
    (tx.UNKNOWN, tx.REFUND,
     "here_no_answer", "there_refund_unsure", "safe_no_refund", "tell_wait"),
    (tx.APPROVED, tx.SALE, "here_approved", "there_booked", "safe_done", "tell_paid"),
    (tx.APPROVED, tx.VOID, "here_approved", "there_voided", "safe_done", "tell_voided"),
    (tx.APPROVED, tx.REFUND, "here_approved", "there_refunded", "safe_done", "tell_refunded"),
    (tx.APPROVED, tx.BALANCE, "here_approved", "there_nothing", "safe_done", "tell_balance"),
    (tx.DECLINED, tx.VOID, "here_declined", "there_sale_stands", "safe_again", "tell_not_voided"),
    (tx.DECLINED, tx.REFUND, "here_declined", "there_no_refund", "safe_again", "tell_not_refunded"),
    (tx.DECLINED, 0, "here_declined", "there_nothing", "safe_again", ""),
    (tx.REVERSED, tx.VOID, "here_reversed", "there_sale_stands", "safe_again", "tell_not_voided"),
    (tx.REVERSED, 0, "here_reversed", "there_nothing", "safe_again", "tell_nothing"),
    (tx.ABSENT, tx.VOID, "here_not_sent", "there_sale_stands", "safe_again", "tell_not_voided"),
    (tx.ABSENT, tx.REFUND, "here_not_sent", "there_no_refund", "safe_again", "tell_not_refunded"),
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

_OPEN = (tx.REVERSAL_DUE, tx.UNKNOWN)
_NOTHING_MOVED = (tx.DECLINED, tx.REVERSED, tx.ABSENT)
_DONE = (tx.APPROVED, tx.VOIDED, tx.REFUNDED, tx.SETTLED)
_ANY = tuple(tx.STATE_NAMES)

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


def meaning(state, kind):
    """(known here, known at the host, what is safe, what to tell the customer): ids of texts."""
    for row in MEANING:
        if row[0] == state and row[1] in (kind, 0):
            return row[2:]
    raise KeyError((state, kind))


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
    if step == "step_refund" and txn.value <= t.journal.refunded(txn.rrn):
        return t.tr("why_all_refunded")
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
    if step == "step_code" and txn.kind != tx.SALE:
        return t.tr("why_no_sale")
    if step == "step_code" and not t.settings.get("payment_codes"):
        return t.tr("not_allowed_here")
    if txn.kind == tx.VOID:
        original = t.journal.find(txn.original_trace)
        if original is None:
            return t.tr("original_unknown")
        refusal = _refusal(guards.may_void, t, original)
        if refusal:
            return refusal
    return _refusal(guards.may_start, t, tx.KIND_NAMES[txn.kind])


def _refusal(guard, t, txn):
    try:
        guard(t, txn)
    except online.Refused as refused:
        return refused.text
    return ""


