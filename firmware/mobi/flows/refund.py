"""Refund (退货): after settlement or on another day, in full or in part, never twice blindly."""

from mobi import transactions as tx
from mobi.access import NOBODY
from mobi.flows import cards, guards, online, sale, session
from mobi.flows.online import Refused
from mobi.ui.text import money


async def run(t):
    """Card, original reference number, original date, amount; the answer or its absence is kept."""
    title = t.tr("refund")
    guards.may_start(t, "refund")
    supervisor = NOBODY
    if t.settings.get("void_supervisor"):
        supervisor = await session.supervisor(t, title)
    txn = tx.Transaction(tx.REFUND)
    txn.supervisor = supervisor
    await cards.ask(t, title, txn)
    txn.original_rrn = await t.ui.digits(title, t.tr("original_rrn"), 12, 12)
    txn.original_date = await _date(t, title)
    _refuse_blind_repeat(t, txn)
    original = t.journal.find_rrn(txn.original_rrn)
    while True:
        txn.amount = await t.ui.amount(title, t.tr("refund_amount"), txn.amount)
        if txn.amount > t.settings.get("refund_limit"):
            limit = money(t.settings.get("refund_limit"))
            await t.ui.message(title, t.tr("refund_over_limit") % limit, beep=True)
            continue
        if original is not None:
            guards.may_refund(t, original, txn.amount)
        rows = (t.tr("refund_amount"), "RMB " + money(txn.amount), t.tr("enter_continues"))
        if await t.ui.confirm(title, rows):
            break
    try:
        if await online.financial(t, title, txn):
            await sale.approved(t, title, txn)
        elif txn.state == tx.UNKNOWN:
            await t.ui.message(title, t.tr("refund_unknown"), beep=True)
        else:
            await t.tell_code(title, txn.code, txn.kind)
    finally:
        cards.forget(txn)


async def _date(t, title):
    while True:
        text = await t.ui.digits(title, t.tr("original_date"), 4, 4)
        if "01" <= text[:2] <= "12" and "01" <= text[2:] <= "31":
            return text
        t.ui.beep()


def _refuse_blind_repeat(t, txn):
    # Rule 5: a refund whose outcome is unknown is not sent again; first find out.
    for other in t.journal.unfinished():
        if other.kind == tx.REFUND and other.original_rrn == txn.original_rrn:
            raise Refused(t.tr("refund_still_unknown") % other.trace)
