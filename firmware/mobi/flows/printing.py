"""Slips: sales slip (签购单), fault report (故障报告单), settlement slip (结算总计单), details.

A slip is a list of (style, text) pairs made from the journal; printing it never changes the money.
What surely came out is journalled, so that a power cut while printing is noticed at the next start.
"""

import gc

from mobi import dates, transactions as tx
from mobi.access import NOBODY
from mobi.devices.printer import (
    BIG, BOLD, CENTRE, CUT, FEED, NORMAL, RULE, TALL, CoverOpen, PaperOut, PrinterError,
    PrinterSilent,
)
from mobi.flows import settle
from mobi.flows.online import Refused
from mobi.ui import font
from mobi.ui.dialogs import Leave
from mobi.ui.text import money, spread

_COLUMNS = 32
_COPIES = ("copy_merchant", "copy_cardholder", "copy_bank")
# How the card number came in, as letter behind it: S stripe, M manual, Q code.
_ENTRY_LETTERS = {"01": "M", "02": "S", "03": "Q"}
# The second copy comes by itself when nobody tears the first one off.
_TEAR_MS = 8000


class Printing:
    """Prints slips for the terminal ``t`` and deals with the printer's troubles."""

    def __init__(self, t):
        self.t = t

    # -- printing --------------------------------------------------------------------------------

    async def receipt(self, txn):
        """All copies of a sales slip that have not come out yet, one after the other."""
        t = self.t
        copies = t.settings.get("copies")
        again = False
        for copy in range(copies):
            if txn.printed >> copy & 1:
                continue
            if again and not await self._next_copy():
                return
            if not await self.slip(t.tr("print"), sales_slip(t, txn, copy)):
                return
            txn.printed |= 1 << copy
            t.journal.mark(txn, tx.PRINT)
            again = True

    async def _next_copy(self):
        t = self.t
        t.ui.show(t.tr("print"), t.tr("tear_off"))
        try:
            return await t.ui.key(_TEAR_MS) != "CANCEL"
        except Leave:
            return True

    async def slip(self, title, lines):
        """Print ``lines``; lets the operator mend the printer. True when all of it came out."""
        t = self.t
        while True:
            t.ui.show(title, t.tr("printing"))
            try:
                await t.printer.print_lines(lines)
                return True
            except PrinterError as error:
                trouble = t.tr(_trouble(error))
            try:
                t.ui.beep()
                await t.ui.pages(title, (trouble, t.tr("mend_printer"), t.tr("cancel_later")))
            except Leave:
                return False
            finally:
                gc.collect()

    async def fault_slip(self, txn):
        """The slip for a reversal that failed or was given up: no voucher, for the bank."""
        await self.slip(self.t.tr("fault_slip"), fault_slip(self.t, txn))

    async def settlement_slip(self, batch, sums, verdict):
        """The totals of a settled batch."""
        await self.slip(self.t.tr("settle"), settlement_slip(self.t, batch, sums, verdict, False))

    async def settled_details(self):
        """The transactions of the batch that was settled last."""
        journal = self.t.journal
        rows = [journal.at_last(i) for i in range(journal.last_count)]
        await self.slip(self.t.tr("details"), details_slip(self.t, rows))


def _trouble(error):
    if isinstance(error, PaperOut):
        return "printer_paper"
    if isinstance(error, CoverOpen):
        return "printer_cover"
    return "printer_silent" if isinstance(error, PrinterSilent) else "printer_fault"


# -- flows -----------------------------------------------------------------------------------------


async def reprint_last(t):
    """Print the newest approved transaction again."""
    txn = t.journal.newest_approved()
    if txn is None:
        raise Refused(t.tr("no_transactions"))
    await reprint(t, txn)


async def reprint_any(t):
    """Print any approved transaction of the open or the last batch again."""
    trace = int(await t.ui.digits(t.tr("reprint_any"), t.tr("voucher_number"), 6))
    txn = t.journal.find(trace) or t.journal.find_settled(trace)
    if txn is None:
        raise Refused(t.tr("original_unknown"))
    if txn.state not in (tx.APPROVED, tx.VOIDED, tx.REFUNDED, tx.SETTLED):
        raise Refused(t.tr("not_approved") % t.state_text(txn))
    await reprint(t, txn)


async def reprint(t, txn):
    """Print the slip of ``txn`` again."""
    # A slip that never came out is no duplicate.
    if not txn.printed and txn.state == tx.APPROVED:
        await t.printing.receipt(txn)
    else:
        await t.printing.slip(t.tr("print"), sales_slip(t, txn, 0, duplicate=True))


async def print_detail(t):
    """Print the transactions of the open batch."""
    if not t.journal.count:
        raise Refused(t.tr("no_transactions"))
    rows = [t.journal.at(i) for i in range(t.journal.count)]
    await t.printing.slip(t.tr("print_detail"), details_slip(t, rows))


async def print_totals(t):
    """Print the totals of the open batch so far."""
    await t.printing.slip(
        t.tr("print_totals"), settlement_slip(t, t.journal.batch, t.journal.totals(), 0, False)
    )


async def reprint_settlement(t):
    """Print the last settlement slip again."""
    if t.journal.last_batch is None:
        raise Refused(t.tr("no_settlement"))
    verdict, sums = settle.unpack(t.journal.last_batch)
    batch = t.journal.last_batch_number
    await t.printing.slip(
        t.tr("reprint_settlement"), settlement_slip(t, batch, sums, verdict, True)
    )


# -- what stands on them -----------------------------------------------------------------------------


def _pair(left, right, style=NORMAL):
    return (style, spread(left, right, _COLUMNS))


def _head(t, title, subtitle):
    name = t.settings.get("merchant_name")
    return [
        (BIG | CENTRE, title),
        (CENTRE, subtitle),
        (RULE, ""),
        (NORMAL, font.gbk(t.tr("merchant_name")) + b" " + name),
        _pair(t.tr("p_merchant"), t.settings.get("merchant")),
        _pair(t.tr("p_terminal"), t.settings.get("terminal")),
    ]


def _tail(t):
    return [
        (CENTRE, t.tr("service_call") % t.settings.get("service_phone")),
        (CUT, ""),
    ]


def sales_slip(t, txn, copy, duplicate=False):
    """The sales slip (签购单) of an approved transaction: merchant, cardholder or bank copy."""
    kind = t.tr(tx.KIND_NAMES[txn.kind])
    lines = _head(t, t.tr("slip_title"), t.tr(_COPIES[copy]))
    lines.append(_pair(t.tr("operator_is"), "%02d" % txn.operator))
    lines.append((RULE, ""))
    issuer, acquirer = txn.institutions[:11].strip(), txn.institutions[11:22].strip()
    if issuer:
        lines.append(_pair(t.tr("issuer"), issuer.decode()))
    lines.append((NORMAL, t.tr("card_number")))
    lines.append((TALL | BOLD, "%s /%s" % (txn.masked_pan, _ENTRY_LETTERS.get(txn.entry[:2], "N"))))
    if acquirer:
        lines.append(_pair(t.tr("acquirer"), acquirer.decode()))
    lines.append(_pair(t.tr("kind_is"), kind, TALL | BOLD))
    lines.append((RULE, ""))
    lines.append(_pair(t.tr("batch_is"), "%06d" % txn.batch))
    lines.append(_pair(t.tr("voucher_is"), "%06d" % txn.trace))
    if txn.auth:
        lines.append(_pair(t.tr("auth_is"), txn.auth))
    lines.append(_pair(t.tr("time_is"), dates.text(txn.time)))
    lines.append(_pair(t.tr("rrn_is"), txn.rrn))
    lines.append((NORMAL, t.tr("amount")))
    sign = "-" if tx.counts_as_credit(txn.kind) else ""
    lines.append((BIG | CENTRE, "RMB %s%s" % (sign, money(txn.value))))
    lines.append((RULE, ""))
    if txn.kind == tx.VOID:
        lines.append(_pair(t.tr("original_is"), "%06d" % txn.original_trace))
    elif txn.kind == tx.REFUND:
        lines.append(_pair(t.tr("original_rrn"), txn.original_rrn))
        lines.append(_pair(t.tr("original_date_is"), txn.original_date))
    if txn.supervisor != NOBODY:
        lines.append(_pair(t.tr("supervisor_is"), "%02d" % txn.supervisor))
    if txn.host_text.strip():
        lines.append((NORMAL, txn.host_text.strip()))
    if txn.state == tx.VOIDED:
        lines.append((BIG | CENTRE, t.tr("state_voided")))
    if duplicate:
        lines.append((BOLD | CENTRE, t.tr("duplicate")))
    if _COPIES[copy] != "copy_cardholder":
        lines.append((NORMAL, t.tr("signature")))
        lines.append((FEED, 3))
        lines.append((RULE, ""))
        lines.append((NORMAL, t.tr("signature_text")))
    return lines + _tail(t)


def fault_slip(t, txn):
    """What the bank needs to put a failed reversal right by hand. Not a voucher."""
    lines = _head(t, t.tr("fault_slip"), t.tr("not_a_voucher"))
    lines += [
        (RULE, ""),
        _pair(t.tr("kind_is"), t.tr(tx.KIND_NAMES[txn.kind])),
        _pair(t.tr("batch_is"), "%06d" % txn.batch),
        _pair(t.tr("voucher_is"), "%06d" % txn.trace),
        (NORMAL, txn.masked_pan),
        _pair(t.tr("amount"), "RMB " + money(txn.amount)),
        _pair(t.tr("time_is"), dates.text(txn.time)),
        _pair(t.tr("reason_is"), txn.reason),
        (NORMAL, t.tr("attempts_are") % txn.attempts),
        _pair(t.tr("state_is"), t.state_text(txn)),
        (RULE, ""),
        (NORMAL, t.tr("fault_text")),
    ]
    return lines + _tail(t)


def settlement_slip(t, batch, sums, verdict, duplicate):
    """Totals of a batch. ``verdict``: 1 equal, 2 not equal, 3 error, 0 not compared yet."""
    lines = _head(t, t.tr("totals_slip"), t.tr("verdict_%d" % verdict))
    lines += [
        _pair(t.tr("batch_is"), "%06d" % batch),
        _pair(t.tr("time_is"), dates.text(t.now())),
        (RULE, ""),
        _pair(t.tr("debit"), "%d  %s" % (sums.debit_count, money(sums.debit_amount))),
        _pair(t.tr("credit"), "%d  %s" % (sums.credit_count, money(sums.credit_amount))),
        (RULE, ""),
        _pair(t.tr("net"), money(sums.debit_amount - sums.credit_amount), TALL | BOLD),
    ]
    if duplicate:
        lines.append((BOLD | CENTRE, t.tr("duplicate")))
    return lines + _tail(t)


def details_slip(t, transactions):
    """One line for each transaction that moved money, with its state."""
    lines = _head(t, t.tr("details_slip"), "")
    lines.append((RULE, ""))
    for txn in transactions:
        if txn.kind == tx.BALANCE:
            continue
        lines.append(_pair("%06d %s" % (txn.trace, t.tr(tx.KIND_NAMES[txn.kind])), money(txn.amount)))
        lines.append(_pair("  " + txn.masked_pan, t.state_text(txn)))
    return lines + _tail(t)
