"""What the terminal does not do, and why: asked before anything is keyed, swiped or sent."""

from mobi import settings, transactions as tx
from mobi.flows.online import Refused, blocking
from mobi.ui.text import money

_SWITCHES = {
    "sale": settings.ALLOW_SALE,
    "balance": settings.ALLOW_BALANCE,
    "void": settings.ALLOW_VOID,
    "refund": settings.ALLOW_REFUND,
}


def may_start(t, what):
    """``Refused`` with the reason when a transaction of this kind cannot begin now."""
    if not t.settings.get("switches") & _SWITCHES[what]:
        raise Refused(t.tr("not_allowed_here"))
    if t.journal.settlement_open:
        raise Refused(t.tr("settlement_open"))
    if not t.session.trusted:
        raise Refused(t.tr("sign_on_first"))
    if t.journal.count >= t.settings.get("batch_limit") or t.journal.room < 1:
        raise Refused(t.tr("journal_full"))
    if blocking(t) is not None:
        raise Refused(t.tr("reversal_blocks"))


def find(t, trace):
    """The transaction with that voucher number; ``Refused`` when the journal does not have it."""
    txn = t.journal.find(trace)
    if txn is None:
        if t.journal.find_settled(trace) is not None:
            raise Refused(t.tr("already_settled"))
        raise Refused(t.tr("original_unknown"))
    return txn


# Why a transaction in that state cannot be voided.
_NOT_VOIDABLE = {
    tx.PENDING: "original_unfinished",
    tx.REVERSAL_DUE: "original_unfinished",
    tx.UNKNOWN: "original_unfinished",
    tx.DECLINED: "original_declined",
    tx.REVERSED: "original_reversed",
    tx.RELEASED: "original_released",
    tx.ABSENT: "original_declined",
    tx.VOIDED: "already_voided",
    tx.REFUNDED: "already_refunded",
    tx.SETTLED: "already_settled",
}


def may_void(t, txn):
    """``Refused`` with the reason when this transaction cannot be voided."""
    if txn.kind == tx.VOID:
        raise Refused(t.tr("no_void_of_void"))
    if txn.kind == tx.REFUND:
        raise Refused(t.tr("no_void_of_refund"))
    if txn.kind != tx.SALE:
        raise Refused(t.tr("original_not_sale"))
    reason = _NOT_VOIDABLE.get(txn.state)
    if reason is not None:
        raise Refused(t.tr(reason))


def may_refund(t, txn, amount):
    """``Refused`` when a refund of ``amount`` against ``txn`` would give back more than was paid.

    ``txn`` is the original where the terminal still has it.
    """
    if txn.state == tx.VOIDED:
        raise Refused(t.tr("already_voided"))
    if txn.state in (tx.PENDING, tx.REVERSAL_DUE, tx.UNKNOWN):
        raise Refused(t.tr("original_unfinished"))
    left = txn.amount - t.journal.refunded(txn.rrn)
    if amount > left:
        raise Refused(t.tr("refund_too_much") % money(left))
