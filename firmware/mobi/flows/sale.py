"""Sale (消费) and balance enquiry (余额查询)."""

from mobi import transactions as tx
from mobi.acquiring import codes
from mobi.flows import cards, guards, online
from mobi.ui.text import money

_PIN_TRIES = 3


async def run(t, swiped=None):
    """A sale: card, amount, PIN, acquirer, receipt. ``swiped``: a track read on the idle screen."""
    title = t.tr("sale")
    guards.may_start(t, "sale")
    txn = tx.Transaction(tx.SALE)
    await cards.ask(t, title, txn, swiped)
    txn.amount = await t.ui.amount(title, t.tr("enter_amount"))
    txn = await with_pin(t, title, txn)
    if txn is not None:
        await approved(t, title, txn)


async def balance(t):
    """Balance enquiry. The balance is shown for ten seconds and never printed."""
    title = t.tr("balance")
    guards.may_start(t, "balance")
    txn = tx.Transaction(tx.BALANCE)
    await cards.ask(t, title, txn)
    txn = await with_pin(t, title, txn)
    if txn is not None:
        known = money(txn.balance) if txn.balance is not None else t.tr("not_told")
        await t.ui.message(title, "%s\nRMB %s" % (t.tr("available_balance"), known), seconds=10)


async def with_pin(t, title, txn, ask_pin=True):
    """Ask for the PIN and run ``txn``; after a wrong PIN (55) again, each time with a new trace.

    The approved transaction, or None after the reason has been shown.
    """
    try:
        for attempt in range(_PIN_TRIES):
            if ask_pin:
                await cards.pin(t, title, txn)
            if await online.financial(t, title, txn):
                return txn
            await t.tell_code(title, txn.code, txn.kind)
            if txn.code != codes.WRONG_PIN or attempt == _PIN_TRIES - 1:
                return None
            txn = _again(txn)
        return None
    finally:
        cards.forget(txn)


def _again(txn):
    # The same request as a new transaction.
    other = tx.Transaction(txn.kind)
    for name in (
        "amount", "pan", "masked_pan", "expiry", "track2", "entry",
        "original_trace", "original_batch", "original_rrn", "original_auth", "original_date",
        "supervisor", "note",
    ):
        setattr(other, name, getattr(txn, name))
    return other


async def approved(t, title, txn):
    """Show the approval, let a partial one be accepted or voided, print."""
    text = t.tr("approved")
    if txn.amount:
        text += "\nRMB " + money(txn.amount)
    if codes.is_doubtful(txn.code):
        text += "\n" + t.tr("confirm_with_issuer")
    await t.ui.message(title, text, seconds=2)
    await t.printing.receipt(txn)
