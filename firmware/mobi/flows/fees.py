"""What the acquirer takes of a sale (手续费), where known, and what a void or refund does to it.

The merchant pays it, not the cardholder; so it stands on the merchant's papers only. The rate is a
parameter (1/10000 of the amount, 0: not known); what counts in the end is the acquirer's bill.
"""

from mobi import transactions as tx
from mobi.ui.text import priced, wrap


def fee(t, amount):
    """分 that the acquirer takes of ``amount``, rounded half up; None when it is not known."""
    rate = t.settings.get("fee_bp")
    return (amount * rate + 5000) // 10000 if rate else None


def rows(t, txn):
    """What to say about the fee of ``txn``, in rows of 16 columns; [] when it is not known."""
    return _rows(t, txn, 16)


def lines(t, txn):
    """The same for paper: (style, text) pairs."""
    return [(0, row) for row in _rows(t, txn, 32)]


def _rows(t, txn, columns):
    amount = fee(t, txn.value)
    if amount is None or txn.kind not in (tx.SALE, tx.VOID, tx.REFUND):
        return []
    if txn.kind == tx.SALE:
        return priced(t.tr("fee_is"), amount, columns)
    if txn.kind == tx.VOID or t.settings.get("fee_returned"):
        # A void is not cleared at all, so its sale costs nothing either.
        return priced(t.tr("fee_back"), amount, columns)
    return wrap(t.tr("fee_kept"), columns)
