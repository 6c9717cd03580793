"""Void by voucher number (撤销), of the last transaction (末笔撤销); a wrong amount put right."""

from mobi import transactions as tx
from mobi.access import NOBODY
from mobi.flows import advice, cards, fees, guards, limits, reasons, sale, session
from mobi.flows.online import Refused
from mobi.ui.text import money


async def by_voucher(t):
    """Void the sale whose voucher number the operator keys in."""
    title = t.tr("void")
    guards.may_start(t, "void")
    supervisor = await _authorised(t, title)
    trace = int(await t.ui.digits(title, t.tr("original_voucher"), 6))
    await _void(t, title, guards.find(t, trace), supervisor)


async def chosen(t, original):
    """Void a transaction that was found in the list."""
    title = t.tr("void")
    guards.may_start(t, "void")
    guards.may_void(t, original)
    await _void(t, title, original, await _authorised(t, title))


async def last(t):
    """Void the newest approved transaction of the batch, or say why not; never an older one."""
    title = t.tr("void_last")
    original = _newest(t)
    supervisor = await _authorised(t, title)
    await _void(t, title, original, supervisor)


async def correct(t):
    """The amount was wrong (金额有误): void the last sale and go on with the right amount.

    The card stays in hand: it is swiped once for both.
    """
    title = t.tr("correct_amount")
    original = _newest(t)
    supervisor = await _authorised(t, title)
    amount = await t.ui.amount(title, t.tr("right_amount"))
    if amount == original.value:
        raise Refused(t.tr("amount_is_that"))
    kept = await _void(t, title, original, supervisor, correcting=True)
    if kept is not None:
        await sale.run(t, swiped=kept, amount=amount)


def _newest(t):
    guards.may_start(t, "void")
    newest = t.journal.newest_approved()
    if newest is None:
        raise Refused(t.tr("nothing_to_void"))
    guards.may_void(t, newest)
    return newest


async def _authorised(t, title):
    if t.settings.get("void_supervisor"):
        return await session.supervisor(t, title)
    return NOBODY


async def _void(t, title, original, supervisor, correcting=False):
    """Void ``original``. When it was done and ``correcting``: the track of the card, or ""."""
    guards.may_void(t, original)
    # S60, S76: a second look at exactly what is going to be undone.
    txn = _request(original)
    if not await t.ui.confirm(title, _first(t) + describe(t, original, fees.rows(t, txn))):
        return None
    txn.supervisor = supervisor
    await limits.void(t, title, txn)
    ask_pin = False
    if not original.by_code:
        ask_pin = t.settings.get("void_pin")
        if t.settings.get("void_card") or not original.pan:
            await cards.ask(t, title, txn)
            if not cards.same(txn, original):
                raise Refused(t.tr("card_differs"))
    track = txn.track2
    txn = await sale.with_pin(t, title, txn, ask_pin)
    cards.forget(txn)
    if txn.state != tx.APPROVED:
        if txn.state != tx.DECLINED:
            await advice.unfinished(t, txn)
        return None
    await sale.approved(t, title, txn)
    if correcting:
        reasons.note(t, txn, reasons.WRONG_AMOUNT)
        return track
    await reasons.ask(t, txn, reasons.VOID)
    return None


async def undo(t, original):
    """Void a sale that nobody has accepted yet: without card, PIN and supervisor."""
    title = t.tr("void")
    txn = _request(original)
    try:
        txn = await sale.with_pin(t, title, txn, ask_pin=False)
    except Refused as refused:
        # "Nothing was charged" is true of the void, not of the sale.
        raise Refused("%s\n%s" % (t.tr("sale_stands") % original.trace, refused.text))
    if txn.state == tx.APPROVED:
        reasons.note(t, txn, reasons.NOT_ACCEPTED)
        await sale.approved(t, title, txn)
    elif txn.state != tx.DECLINED:
        await advice.unfinished(t, txn)


def _request(original):
    # A void of ``original`` with the card number the journal has.
    txn = tx.Transaction(tx.VOID)
    txn.amount = original.value
    txn.original_trace = original.trace
    txn.original_batch = original.batch
    txn.original_rrn = original.rrn
    txn.original_auth = original.auth
    txn.pan = original.pan
    txn.masked_pan = original.masked_pan
    txn.entry = "032" if original.by_code else "012"
    return txn


def _first(t):
    # S70: what goes out before the void does. Rows, so that nobody voids an older sale unawares
    # when it is the newest one that got no answer.
    for txn in t.journal.unfinished():
        if txn.state == tx.REVERSAL_DUE:
            return ["%06d %s" % (txn.trace, t.state_text(txn)), t.tr("reverse_then_void")]
    return []


def describe(t, txn, more):
    """Rows that tell a person which transaction this is: kind, card, voucher, amount, RRN, time.

    ``more``: rows about what is going to happen to it.
    """
    return [
        "%s %06d" % (t.tr(tx.KIND_NAMES[txn.kind]), txn.trace),
        "RMB " + money(txn.value),
        cards.short(txn.masked_pan),
        t.tr("rrn_is"),
        "  " + txn.rrn,
        t.date_text(t.time_of(txn)),
    ] + more + [t.tr("enter_continues")]
