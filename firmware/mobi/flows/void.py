"""Void by voucher number (撤销) and void of the last transaction (末笔撤销)."""

from mobi import transactions as tx
from mobi.access import NOBODY
from mobi.flows import cards, guards, sale, session
from mobi.flows.online import Refused
from mobi.ui.text import money


async def by_voucher(t):
    """Void the sale whose voucher number the operator keys in."""
    title = t.tr("void")
    guards.may_start(t, "void")
    supervisor = await _authorised(t, title)
    trace = int(await t.ui.digits(title, t.tr("original_voucher"), 6))
    await _void(t, title, guards.find(t, trace), supervisor)


async def last(t):
    """Void the newest approved transaction of the open batch, or say why not; never an older one."""
    title = t.tr("void_last")
    guards.may_start(t, "void")
    newest = t.journal.newest_approved()
    if newest is None:
        raise Refused(t.tr("nothing_to_void"))
    guards.may_void(t, newest)
    supervisor = await _authorised(t, title)
    await _void(t, title, newest, supervisor)


async def _authorised(t, title):
    if t.settings.get("void_supervisor"):
        return await session.supervisor(t, title)
    return NOBODY


async def _void(t, title, original, supervisor):
    guards.may_void(t, original)
    # S60, S76: a second look at exactly what is going to be undone.
    if not await t.ui.confirm(title, describe(t, original)):
        return
    txn = tx.Transaction(tx.VOID)
    txn.amount = original.amount
    txn.original_trace = original.trace
    txn.original_batch = original.batch
    txn.original_rrn = original.rrn
    txn.original_auth = original.auth
    txn.supervisor = supervisor
    if t.settings.get("void_card"):
        await cards.ask(t, title, txn)
        if txn.pan != original.pan:
            raise Refused(t.tr("card_differs"))
    else:
        txn.pan = original.pan
        txn.masked_pan = original.masked_pan
        txn.entry = "012"
    txn = await sale.with_pin(t, title, txn, ask_pin=t.settings.get("void_pin"))
    if txn is not None:
        await sale.approved(t, title, txn)


def describe(t, txn):
    """Rows that tell a person which transaction this is: kind, card, voucher, amount, RRN, time."""
    return (
        "%s %06d" % (t.tr(tx.KIND_NAMES[txn.kind]), txn.trace),
        "RMB " + money(txn.amount),
        cards.short(txn.masked_pan),
        t.tr("rrn_is"),
        "  " + txn.rrn,
        t.date_text(txn.time),
        t.tr("enter_continues"),
    )
