"""Printing: slips come out copy by copy, whatever the printer does, and again on request.

What surely came out is journalled, so that a power cut while printing is noticed at the next start.
"""

from micropython import const

from mobi import transactions as tx
from mobi.acquiring import codes
from mobi.devices.printer import CoverOpen, PaperOut, PrinterError, PrinterSilent
from mobi.flows import cases, settle, slips, steps
from mobi.flows.online import Refused
from mobi.loop import sleep_ms
from mobi.ui.dialogs import Leave
from mobi.ui.text import page, priced

# The second copy comes by itself when nobody tears the first one off.
_TEAR_MS = const(8000)
# Slips that are owed and offered at once.
_OWED = const(5)


class Printing:
    """Prints slips for the terminal ``t`` and deals with the printer's troubles."""

    def __init__(self, t):
        self.t = t
        # What the idle screen tells until something comes out again: why printing was put off, the
        # id of a text, and whether a slip of a transaction was.
        self.put_off = ""
        self.owing = False

    # -- printing --------------------------------------------------------------------------------

    async def receipt(self, txn):
        """All copies of a sales slip that have not come out yet, one after the other."""
        t = self.t
        copies = t.settings.get("copies")
        noted = True
        again = False
        for copy in range(copies):
            if txn.printed >> copy & 1:
                continue
            if again and not await self._next_copy():
                return
            if not await self.slip(t.tr("print"), slips.sales_slip(t, txn, copy), booked=txn):
                return
            txn.printed |= 1 << copy
            noted = t.journal.mark(txn, tx.PRINT)
            again = True
        if not noted:
            await t.ui.message(t.tr("print"), t.tr("print_not_noted"))

    async def duplicates(self, txn):
        """All copies of a sales slip once more, marked as such; the journal is not touched."""
        t = self.t
        for copy in range(t.settings.get("copies")):
            if copy and not await self._next_copy():
                return
            lines = slips.sales_slip(t, txn, copy, duplicate=True)
            if not await self.slip(t.tr("print"), lines, booked=txn):
                return

    async def _next_copy(self):
        t = self.t
        t.inputs.clear()  # CANCEL while the last copy was printed is no answer to this question
        t.ui.show(t.tr("print"), t.tr("tear_off"))
        try:
            return await t.ui.key(_TEAR_MS) != "CANCEL"
        except Leave:
            return True

    async def owed(self):
        """Transactions of the open and the last batch whose slip is owed, newest first; at most
        ``_OWED``. Something of the newest one's is missing, or anything of one whose approval came
        late (a refund that the host had after all), or of any other one nothing has come out."""
        journal = self.t.journal
        newest = journal.newest_approved()
        found = []
        for number, get in ((journal.count, journal.at), (journal.last_count, journal.at_last)):
            for i in range(number - 1, -1, -1):
                txn = get(i)
                if txn is not None and self.owes(txn, newest):
                    found.append(txn)
                    if len(found) == _OWED:
                        return found
                await sleep_ms(0)
        return found

    def owes(self, txn, newest):
        """Is a slip of ``txn`` owed? ``newest``: the newest approved transaction, or None."""
        if txn.state not in (tx.APPROVED, tx.SETTLED) or not tx.moves_money(txn.kind):
            return False
        copies = (1 << self.t.settings.get("copies")) - 1
        if txn.printed & copies == copies:
            return False
        if not txn.printed & copies or (newest is not None and txn.ordinal == newest.ordinal):
            return True
        return slips.came_late(self.t, txn)

    def at_boot(self):
        """After a restart: may a piece of a slip hang out of the printer?"""
        t = self.t
        newest = t.journal.newest_approved()
        if newest is not None and self.owes(newest, newest):
            t.printer.torn = True
        elif settle.owes_slip(t):
            t.printer.torn = True

    async def slip(self, title, lines, booked=None):
        """Print ``lines`` (or what ``lines()`` yields); lets the operator mend the printer and
        begins again then. True when all of it came out. ``booked``: the transaction they are
        about, which stands and must not be made again because its slip is missing."""
        t = self.t
        while True:
            t.ui.show(title, t.tr("printing"))
            try:
                await t.printer.print_lines(lines() if callable(lines) else lines)
                if t.printer.answers or await self._came_out(title):
                    self.put_off = ""
                    self.owing = self.owing and booked is None
                    return True
                found = "print_again"
            except PrinterError as error:
                found = trouble(error)
            try:
                t.ui.beep()
                rows = page(t.tr(found), t.tr("mend_printer"), t.tr("cancel_later"))
                if booked is not None:
                    _, there, _, tell = steps.about(t, booked)
                    do = codes.advice(codes.NO_PAPER, t.language, booked.kind)
                    rows += page(t.tr("is_safe"), t.tr(there), do)
                    rows += page(t.tr("tell_customer"), t.tr(tell))
                await t.ui.pages(title, rows)
            except Leave:
                self.put_off = found
                self.owing = self.owing or booked is not None
                return False
            finally:
                t.board.collect()

    async def _came_out(self, title):
        # The printer cannot tell. Who does not answer has not seen it.
        t = self.t
        t.inputs.clear()
        try:
            return await t.ui.confirm(title, t.tr("came_out"))
        except Leave:
            return False

    async def fault_slip(self, txn):
        """The slip for a reversal that failed or was given up: no voucher, for the bank."""
        t = self.t
        if await self.slip(t.tr("fault_slip"), slips.fault_slip(t, txn)):
            cases.printed(t, txn)

    async def reversal_slip(self, txn):
        """The customer's slip of a charge that was taken back, or may have been."""
        t = self.t
        if await self.slip(t.tr("print"), slips.reversal_slip(t, txn)):
            cases.taken_back(t, txn)

    async def settlement_slip(self, title, duplicate=False):
        """The totals of the batch that was settled last. True when they came out."""
        t = self.t
        closed = settle.unpack(t.journal.last_batch)
        batch = t.journal.last_batch_number
        return await self.slip(
            title, slips.totals_slip(t, batch, closed.sums, duplicate, closed)
        )

    async def settled_details(self):
        """The transactions of the batch that was settled last."""
        t = self.t
        await self.slip(t.tr("details"), lambda: slips.details_slip(
            t, t.journal.last_batch_number, t.journal.last_count, t.journal.at_last))


def trouble(error):
    """The id of the text for what a printer reports."""
    if isinstance(error, PaperOut):
        return "printer_paper"
    if isinstance(error, CoverOpen):
        return "printer_cover"
    return "printer_silent" if isinstance(error, PrinterSilent) else "printer_fault"


# -- flows -----------------------------------------------------------------------------------------


async def reprint_last(t):
    """Print the newest approved transaction again. When a newer one has no slip, it says so and
    asks: an older slip in the hand must not pass for the newest payment."""
    txn = t.journal.newest_approved()
    newest = _newest(t)
    if newest is None:
        raise Refused(t.tr("no_transactions"))
    if txn is None:
        raise Refused(t.tr("not_approved") % t.state_text(newest))
    if newest.ordinal != txn.ordinal:
        t.ui.beep()
        rows = page(*priced("%06d" % newest.trace, newest.value)
                    + [t.state_text(newest), t.tr("no_slip_of_it")])
        rows += page(*[t.tr("slip_before_it")] + priced("%06d" % txn.trace, txn.value)
                     + [t.tr("enter_prints")])
        if not await t.ui.confirm(t.tr("newest_is"), rows):
            return
    await reprint(t, txn)


def _newest(t):
    # The newest transaction about money, whatever became of it; None when there is none.
    for i in range(t.journal.count - 1, -1, -1):
        txn = t.journal.at(i)
        if txn is not None and tx.moves_money(txn.kind):
            return txn
    return None


async def reprint_any(t):
    """Print any approved transaction of the open or the last batch again."""
    trace = int(await t.ui.digits(t.tr("reprint_any"), t.tr("voucher_number"), 6))
    txn = t.journal.find(trace) or t.journal.find_settled(trace)
    if txn is None:
        raise Refused(t.tr("original_unknown"))
    if txn.state not in (tx.APPROVED, tx.VOIDED, tx.REFUNDED, tx.SETTLED):
        raise Refused(t.tr("not_approved") % t.state_text(txn))
    if not tx.moves_money(txn.kind):
        raise Refused(t.tr("why_no_slip"))
    await reprint(t, txn)


async def reprint(t, txn):
    """Print the slip of ``txn`` again."""
    # A slip that never came out is no duplicate.
    if txn.printed:
        await t.printing.duplicates(txn)
    else:
        await t.printing.receipt(txn)


async def print_detail(t):
    """Print the transactions of the open batch."""
    if not t.journal.count:
        raise Refused(t.tr("no_transactions"))
    journal = t.journal
    await t.printing.slip(t.tr("print_detail"), lambda: slips.details_slip(
        t, journal.batch, journal.count, journal.at))


async def print_totals(t):
    """Print the totals of the open batch so far."""
    lines = slips.totals_slip(t, t.journal.batch, t.journal.totals())
    await t.printing.slip(t.tr("print_totals"), lines)


async def reprint_settlement(t):
    """Print the last settlement slip again, marked as a duplicate if it came out before."""
    if t.journal.last_batch is None:
        raise Refused(t.tr("no_settlement"))
    await settle.print_slip(t, t.tr("reprint_settlement"))


async def reprint_details(t):
    """Print the details of the last settled batch."""
    if t.journal.last_batch is None:
        raise Refused(t.tr("no_settlement"))
    await t.printing.settled_details()
