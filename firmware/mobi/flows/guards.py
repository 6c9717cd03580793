"""What the terminal does not do, and why: asked before anything is keyed, swiped or sent."""

from micropython import const

from mobi import dates, settings
from mobi import transactions as tx
from mobi.flows.online import Refused, blocking, no_room
from mobi.ui.text import money, priced

_SWITCHES = {
    "sale": settings.ALLOW_SALE,
    "balance": settings.ALLOW_BALANCE,
    "void": settings.ALLOW_VOID,
    "refund": settings.ALLOW_REFUND,
}
_KINDS = {name: kind for kind, name in tx.KIND_NAMES.items()}
# How far back a sale is looked for that the new one may repeat.
_REPEATS = const(8)
_DAY = const(86400)
_BATCH_END = const(24)  # parameter void_cutoff: as long as the batch is open
# What settlement counts, or has to find out.
_COUNTED = (tx.APPROVED, tx.VOIDED, tx.REFUNDED, tx.UNKNOWN)


def may_start(t, what):
    """``Refused`` with the reason when a transaction of this kind cannot begin now."""
    if not t.settings.get("switches") & _SWITCHES[what]:
        raise Refused(t.tr("not_allowed_here"))
    if t.journal.settlement_open:
        raise Refused(t.tr("settlement_open"))
    if not t.session.trusted:
        raise Refused(t.tr("sign_on_first"))
    if t.journal.read_only:
        raise no_room(t, _KINDS[what])
    # A void gives money back and fits into what the journal keeps free for it.
    if what != "void" and is_full(t):
        raise no_room(t, _KINDS[what])
    if blocking(t) is not None:
        raise Refused(t.tr("reversal_blocks"))


def is_full(t):
    """Can the batch take no more sales?"""
    return t.journal.count >= t.settings.get("batch_limit") or t.journal.room < 1


def nearly_full(t):
    """Is it time to settle? At nine tenths of what a batch may hold."""
    limit = t.settings.get("batch_limit")
    return t.journal.count * 10 >= limit * 9 or t.journal.room * 9 < t.journal.count


def from_earlier_day(t):
    """Is anything of an earlier day than today to be settled? Then it is time to do that, too."""
    if not to_settle(t):
        return False
    today = t.now() // _DAY
    for i in range(t.journal.count):
        txn = t.journal.at(i)
        if txn is None:
            continue
        old = txn.time // _DAY < today
        if not old or txn.state in _COUNTED:
            return old
    return False


def to_settle(t):
    """Does the open batch hold anything that a settlement would settle, or find out?"""
    sums = t.journal.totals()
    return sums.debit_count + sums.credit_count > 0 or len(unknown_refunds(t)) > 0


def unknown_refunds(t):
    """Refunds of the open batch without an answer."""
    return [
        txn for txn in t.journal.unfinished()
        if txn.state == tx.UNKNOWN and txn.batch == t.journal.batch
    ]


def may_change_batch(t):
    """May the open batch be given up for another number, because nothing would be lost with it?"""
    if to_settle(t) or t.journal.settlement_open:
        return False
    for txn in t.journal.unfinished():
        if txn.batch == t.journal.batch:
            return False
    return True


def find(t, trace):
    """The transaction with that voucher number; ``Refused`` when the journal does not have it."""
    txn = t.journal.find(trace)
    if txn is None:
        if t.journal.find_settled(trace) is not None:
            raise Refused(t.tr("already_settled"))
        raise Refused(t.tr("original_unknown"))
    return txn


# Why a transaction in that state cannot be voided.
NOT_VOIDABLE = {
    tx.PENDING: "original_unfinished",
    tx.REVERSAL_DUE: "original_unfinished",
    tx.UNKNOWN: "original_unfinished",
    tx.UNPROVEN: "original_unfinished",
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
    reason = NOT_VOIDABLE.get(txn.state)
    if reason is not None:
        raise Refused(t.tr(reason))
    if too_late(t, txn):
        # By the merchant's own limit, or by the acquirer's cut-off.
        cut_off = _cut_off(t, txn)
        if cut_off is not None and t.now() >= cut_off:
            raise Refused(t.tr("void_cut_off") % dates.text(cut_off)[5:])
        raise Refused(t.tr("void_too_late") % dates.text(void_until(t, txn))[11:])
    no_open_refund(t, txn.rrn)


def no_open_refund(t, rrn):
    """``Refused`` while the outcome of a refund of that sale is unknown: the money may have gone
    back already."""
    for txn in t.journal.unfinished():
        if txn.kind == tx.REFUND and txn.original_rrn == rrn:
            raise Refused(t.tr("refund_still_unknown") % txn.trace)


def void_until(t, txn):
    """Until when it may be voided, seconds since 2000; None: as long as its batch is open."""
    until = _cut_off(t, txn)
    minutes = t.settings.get("void_minutes")
    if minutes:
        limit = t.time_of(txn) + 60 * minutes
        until = limit if until is None else min(limit, until)
    return until


def _cut_off(t, txn):
    # The acquirer's: the end of the day on which it was sold, calendar day or business day.
    hour = t.settings.get("void_cutoff")
    if hour == _BATCH_END:
        return None
    shift = hour * 3600
    return ((t.time_of(txn) - shift) // _DAY + 1) * _DAY + shift


def too_late(t, txn):
    """Is the time for voiding it over?"""
    until = void_until(t, txn)
    return until is not None and t.now() >= until


def may_refund(t, txn, amount):
    """``Refused`` when a refund of ``amount`` against ``txn`` would give back more than was paid.

    ``txn`` is the original where the terminal still has it.
    """
    if txn.state == tx.VOIDED:
        raise Refused(t.tr("already_voided"))
    if tx.is_case(txn.state):
        raise Refused(t.tr("original_unfinished"))
    left = txn.value - t.journal.refunded(txn.rrn)
    if amount > left:
        raise Refused(t.tr("refund_too_much") % money(left))


async def ask_if_repeated(t, title, txn):
    """The same card and amount a moment ago: ask first. ``Leave`` unless the operator wants it."""
    earlier = _same_before(t, txn)
    if earlier is None:
        return
    t.ui.beep()
    clock = dates.text(earlier.time)[11:]
    rows = [t.tr("same_again") % clock] + priced("%06d" % earlier.trace, earlier.value)
    rows.append(t.tr("enter_continues"))
    if not await t.ui.confirm(title, rows):
        raise t.Leave()


def _same_before(t, txn):
    # The newest approved sale to the same card for the same amount within the time set.
    since = t.now() - 60 * t.settings.get("repeat_minutes")
    count = t.journal.count
    for i in range(count - 1, max(-1, count - 1 - _REPEATS), -1):
        earlier = t.journal.at(i)
        if earlier is None or earlier.time < since:
            return None
        if (
            earlier.kind == tx.SALE and earlier.state == tx.APPROVED
            and earlier.amount == txn.amount and earlier.masked_pan == txn.masked_pan
            and (not earlier.pan or not txn.pan or earlier.pan == txn.pan)
        ):
            return earlier
    return None
