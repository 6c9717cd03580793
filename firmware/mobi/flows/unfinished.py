"""Unfinished transactions (未完成交易): what is open, what is known, what may be done about it."""

from mobi import transactions as tx
from mobi.flows import online, query, session
from mobi.flows.online import Refused


async def run(t):
    """List the unfinished transactions; ENTER on one offers what is possible."""
    title = t.tr("unfinished")
    while True:
        items = t.journal.unfinished()
        if not items:
            await t.ui.message(title, t.tr("nothing_unfinished"))
            return
        at = await t.ui.pick(title, items, lambda txn: query.summary(t, txn))
        await _act(t, items[at])


async def _act(t, txn):
    steps = ["details"]
    if txn.state == tx.REVERSAL_DUE:
        steps += ["reverse_now", "release"]
    if txn.state == tx.UNKNOWN:
        steps += ["release"]
    step = steps[await t.ui.choose("%06d" % txn.trace, [t.tr(name) for name in steps])]
    if step == "details":
        await query.details(t, txn)
    elif step == "reverse_now":
        if await online.reverse(t, t.tr("reversing"), txn, 1):
            await t.ui.message(t.tr("reversing"), t.tr("reversal_done"))
        else:
            raise Refused(t.tr("reversal_failed"))
    else:
        await _release(t, txn)


async def _release(t, txn):
    """Give up on it: only the supervisor may, with a reason, after the slip came out."""
    title = t.tr("release")
    txn.supervisor = await session.supervisor(t, title)
    reasons = ["reason_bank_confirmed", "reason_bank_handles", "reason_other"]
    txn.note = 1 + await t.ui.choose(title, [t.tr(name) for name in reasons])
    if not await t.ui.confirm(title, t.tr("release_sure")):
        return
    await t.printing.fault_slip(txn)
    t.journal.mark(txn, tx.RELEASE)
    await t.ui.message(title, t.tr("released"))
