"""Refund (退货): after settlement or on another day, in full or in part, never twice blindly."""

from mobi import transactions as tx
from mobi.access import NOBODY
from mobi.acquiring import codes
from mobi.flows import advice, cards, fees, guards, limits, online, reasons, sale, session
from mobi.flows.online import Refused
from mobi.ui.text import money


async def run(t):
    """Card, original reference number, original date, amount; the answer or its absence is kept."""
    await _refund(t, t.tr("refund"), False)


async def by_code(t):
    """The same for a sale that was paid with a payment code: there is no card to read."""
    await _refund(t, t.tr("refund_code"), True)


async def _refund(t, title, by_code):
    guards.may_start(t, "refund")
    supervisor = NOBODY
    if t.settings.get("void_supervisor"):
        supervisor = await session.supervisor(t, title)
    txn = tx.Transaction(tx.REFUND)
    txn.supervisor = supervisor
    await limits.refund(t, title, txn)
    if by_code:
        txn.entry = tx.BY_CODE + "2"
    else:
        await cards.ask(t, title, txn)
    try:
        txn.original_rrn = await t.ui.digits(title, t.tr("rrn_asked"), 12, 12)
        original = _original(t, txn)
        txn.original_date = await _date(t, title)
        await _amount(t, title, txn, original)
        done = await online.financial(t, title, txn)
        if not done and await sale.renewed(t, title, txn, False):
            txn = sale.again_as_new(txn)
            done = await online.financial(t, title, txn)
    finally:
        cards.forget(txn)
    if done:
        await sale.approved(t, title, txn)
        await reasons.ask(t, txn, reasons.REFUND)
    elif txn.state == tx.UNKNOWN:
        # A reply that could not be trusted is told with what differed.
        await t.tell_code(title, txn.code if t.last_fault else codes.REFUND_UNKNOWN, txn)
        await advice.unfinished(t, txn)
    else:
        await t.tell_code(title, txn.code, txn)


async def _amount(t, title, txn, original):
    # Until the operator has confirmed one that is allowed; CANCEL on the confirmation: edit it.
    while True:
        txn.amount = await t.ui.amount(title, t.tr("refund_amount"), txn.amount)
        if txn.amount > t.settings.get("refund_limit"):
            limit = money(t.settings.get("refund_limit"))
            await t.ui.message(title, t.tr("refund_over_limit") % limit, beep=True)
            continue
        if original is not None:
            guards.may_refund(t, original, txn.amount)
        rows = [t.tr("refund_amount"), "RMB " + money(txn.amount)] + fees.rows(t, txn)
        rows.append(t.tr("enter_or_edit"))
        if await t.ui.confirm(title, rows):
            return


def _original(t, txn):
    # The sale, when this terminal still has it. Another terminal's may be refunded here, too.
    guards.no_open_refund(t, txn.original_rrn)  # never sent again blindly
    original = t.journal.find_rrn(txn.original_rrn)
    if original is not None:
        if original.by_code != txn.by_code:
            raise Refused(t.tr("paid_by_code" if original.by_code else "paid_by_card"))
        if not txn.by_code and not cards.same(txn, original):
            raise Refused(t.tr("card_differs"))
        txn.masked_pan = txn.masked_pan or original.masked_pan
    return original


async def _date(t, title):
    while True:
        text = await t.ui.digits(title, t.tr("original_date"), 4, 4)
        month, day = int(text[:2]), int(text[2:])
        if 1 <= month <= 12 and 1 <= day <= (29 if month == 2 else 30 + (month + month // 8) % 2):
            return text
        await t.ui.message(title, t.tr("no_such_date"), beep=True)
