"""Transaction query (交易查询): browse, find by voucher number, totals. Changes nothing."""

from mobi import transactions as tx
from mobi.access import NOBODY
from mobi.flows import cards, fees, sale
from mobi.flows.online import Refused
from mobi.ui.text import COLUMNS, money, priced, spread


async def browse(t):
    """Walk through the open batch, newest first; ENTER shows the details and leads on."""
    title = t.tr("browse")
    if not t.journal.count:
        raise Refused(t.tr("no_transactions"))
    at = t.journal.count - 1
    while True:
        txn = t.journal.at(at)
        t.screen.show("", summary(t, txn))
        t.screen.row(0, spread(title, "%d/%d" % (at + 1, t.journal.count)), inverted=True)
        key = await t.ui.key()
        if key == "DOWN" and at:
            at -= 1
        elif key == "UP" and at < t.journal.count - 1:
            at += 1
        elif key == "ENTER" and txn is not None:
            try:
                await _look_at(t, txn)
            except t.Leave as left:
                if left.timed_out:
                    raise
        elif key == "CANCEL":
            return
        else:
            t.ui.beep()


async def by_voucher(t):
    """Details of the transaction with that voucher number, of this batch or one before."""
    title = t.tr("by_voucher")
    trace = int(await t.ui.digits(title, t.tr("voucher_number"), 6))
    txn = t.journal.find(trace) or t.journal.find_settled(trace)
    if txn is None:
        raise Refused(t.tr("original_unknown"))
    await _look_at(t, txn)


async def _look_at(t, txn):
    # S58: from the record straight to what may be done about it.
    await details(t, txn, more=True)
    await t.go("case", txn)


async def totals(t):
    """Counts and amounts of the open batch."""
    await t.ui.pages(t.tr("totals"), totals_rows(t, t.journal.totals()))


def totals_rows(t, sums):
    """Rows for the settlement totals: debit, credit, the sales that still stand, and how many
    transactions of the open batch are in none of them because nobody knows their outcome."""
    rows = []
    for name, count, amount in (
        ("debit", sums.debit_count, sums.debit_amount),
        ("credit", sums.credit_count, sums.credit_amount),
    ):
        rows.append(spread(t.tr(name), t.tr("count_of") % count))
        rows.append(spread("", money(amount, COLUMNS)))
    rows += priced(t.tr("net"), sums.debit_amount - sums.credit_amount)
    left_out = sum([txn.batch == t.journal.batch and tx.moves_money(txn.kind)
                    for txn in t.journal.cases()])
    if left_out:
        rows.append(spread(t.tr("left_out"), t.tr("count_of") % left_out))
    return rows


def summary(t, txn):
    """Three rows: voucher and kind, amount, state. ``txn``: None for a record that is damaged."""
    if txn is None:
        return (t.tr("record_damaged"), "", "")
    return (
        spread("%06d" % txn.trace, t.tr(tx.KIND_NAMES[txn.kind])),
        "RMB " + money(txn.value),
        t.state_text(txn),
    )


async def details(t, txn, more=False):
    """Everything the journal knows that a person may see. ``more``: ENTER leads on."""
    rows = [
        spread(t.tr("voucher_is"), "%06d" % txn.trace),
        spread(t.tr("kind_is"), t.tr(tx.KIND_NAMES[txn.kind])),
        spread(t.tr("state_is"), t.state_text(txn)),
        spread("RMB", money(txn.value)),
        cards.short(txn.masked_pan),
        spread(t.tr("batch_is"), "%06d" % txn.batch),
        t.date_text(t.time_of(txn)),
        spread(t.tr("operator_is"), "%02d" % txn.operator),
    ]
    if txn.supervisor != NOBODY:
        rows.append(spread(t.tr("supervisor_is"), "%02d" % txn.supervisor))
    if txn.value != txn.amount:
        rows += priced(t.tr("asked_for"), txn.amount)
    if txn.code:
        rows.append(spread(t.tr("code_is"), txn.code))
    if txn.rrn:
        rows.append(t.tr("rrn_is"))
        rows.append("  " + txn.rrn)
    if txn.auth:
        rows.append(spread(t.tr("auth_is"), txn.auth))
    if txn.original_trace:
        rows.append(spread(t.tr("original_is"), "%06d" % txn.original_trace))
    if txn.original_rrn and txn.kind == tx.REFUND:
        rows.append(t.tr("original_rrn"))
        rows.append("  " + txn.original_rrn)
    if txn.attempts:
        rows.append(t.tr("attempts_are") % txn.attempts)
    if txn.state in (tx.APPROVED, tx.VOIDED, tx.REFUNDED, tx.SETTLED) and tx.moves_money(txn.kind):
        rows.append(t.tr("printed" if txn.printed else "not_printed"))
        rows += fees.rows(t, txn)
        if txn.state == tx.APPROVED and txn.kind == tx.SALE:
            rows.append(sale.until_row(t, txn))
    if more:
        rows.append(t.tr("enter_steps"))
    await t.ui.pages(t.tr("details"), rows)
