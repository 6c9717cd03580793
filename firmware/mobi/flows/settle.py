"""Settlement (批结算): totals compared with the host, batch upload where they differ, the close.

The stages are durable, so that an interrupted settlement goes on where it stopped and nothing
else is possible until it has:

    asked      the host has given its verdict on our totals
    uploading  how far the host has acknowledged the batch, after every message
    ended      the host has acknowledged the end; only the close in our journal is missing

What was acknowledged and not yet noted goes up once more after a power cut; the host takes a
repeat for what it is, because every detail carries its own voucher number.
"""

import struct

from micropython import const

from mobi import audit
from mobi import transactions as tx
from mobi.acquiring import codes
from mobi.acquiring.messages import BadMac, BadMessage, Rejected
from mobi.flows import cases, guards, limits, online, query, session
from mobi.flows.online import Refused
from mobi.journal.log import Totals
from mobi.link.link import LinkError
from mobi.ui.dialogs import Leave

ASKED = const(1)
UPLOADING = const(2)
ENDED = const(3)

# Verdict digits of field 48.
EQUAL = const(1)  # 平
DIFFERENT = const(2)  # 不平
ERROR = const(3)  # 出错: the host does not know this batch, or has refused its upload

_DAY = const(86400)
_DETAILS_PER_MESSAGE = const(8)
_SEARCHED = const(6)  # refunds without answer that are told apart by the host's totals
# Verdict; refunds in turn (after sales and voids); place in the batch; transactions sent so far.
_STAGE = "<BBHH"
# Verdict, time, operator; count and amount of sales, voids, refunds; the host's debits, credits.
_RECORD = "<BIBHQHQHQHQHQ"
# Where the vault keeps the host's totals until the batch is closed, and the number of the batch
# whose slip came out.
_HOST = b"h"
_HOST_SIZE = const(62)
_SLIP = b"l"


class Settled:
    """What is kept of a closed batch: ``verdict``, ``time``, ``operator``, ``sums`` and what the
    ``host`` had (debit count and amount, credit count and amount)."""

    def __init__(self, verdict, time, operator, sums, host):
        self.verdict = verdict
        self.time = time
        self.operator = operator
        self.sums = sums
        self.host = host

    def pack(self):
        """As the journal keeps it."""
        s = self.sums
        return struct.pack(
            _RECORD, self.verdict, self.time, self.operator, s.sale_count, s.sale_amount,
            s.void_count, s.void_amount, s.refund_count, s.refund_amount, *self.host
        )


def unpack(payload):
    """The inverse of ``Settled.pack``."""
    values = struct.unpack(_RECORD, payload)
    return Settled(values[0], values[1], values[2], Totals(values[3:9]), values[9:])


async def run(t):
    """Ask, show the totals, clear reversals, compare, upload, close, print."""
    title = t.tr("settle")
    if not t.session.trusted and not ended(t):
        raise Refused(t.tr("sign_on_first"))
    if t.journal.settlement_open:
        await t.ui.message(title, t.tr("settlement_resumed"), seconds=2)
        if not ended(t):
            await online.reach(t, title)
        await _finish(t, title)
        return
    if guards.blocking(t) is not None:
        raise Refused(t.tr("reversal_blocks"))
    if not _counted(t.journal.totals()) and not _unknown_refunds(t):
        # A reversal may be all there is: it goes out first, as before every settlement.
        await online.clear_reversals(t, title)
        raise Refused(t.tr("no_transactions"))
    if not await t.ui.confirm(title, t.tr("settle_sure")):
        return
    shown = None
    while shown != _numbers(t.journal.totals()):
        sums = t.journal.totals()
        shown = _numbers(sums)
        if not await t.ui.confirm(t.tr("totals"), query.totals_rows(t, sums)):
            return
        # What is reversed or resolved now may change them.
        await online.clear_reversals(t, title)
    await _compare(t, title)


async def wants(t):
    """Once a day: transactions of an earlier day are not settled. True: the operator does it."""
    today = t.now() // _DAY
    if t.reminded == today or not guards.from_earlier_day(t):
        return False
    t.reminded = today
    t.ui.beep()
    try:
        return await t.ui.confirm(t.tr("settle"), t.tr("settle_day_ask"))
    except Leave:
        return False


def ended(t):
    """Has the host acknowledged the end of the open settlement? Then the line is not needed."""
    return t.journal.settlement_stage[0] == ENDED


def _counted(sums):
    return sums.debit_count + sums.credit_count


def _numbers(sums):
    return sums.debit_count, sums.debit_amount, sums.credit_count, sums.credit_amount


# -- the host ------------------------------------------------------------------------------------


async def _exchange(t, title, name, txn):
    # A settlement message; Refused when it has no answer: the stage that was reached stays.
    if name != "batch_refund":
        txn.trace = t.journal.take_trace()  # a refund goes up under its own
    try:
        return await online.exchange(t, title, name, txn)
    except (LinkError, Rejected, BadMessage, BadMac) as error:
        t.fault(name, error)
        kept = "settlement_kept" if t.journal.settlement_open else "settlement_not_begun"
        raise Refused(t.explain(error) + t.tr(kept))


async def _compare(t, title):
    # 0500: nothing is durable and nothing is lost until the host has given its verdict.
    for _ in range(2):
        txn = online.about(t)
        txn.totals = t.journal.totals()
        reply = await _exchange(t, title, "settlement", txn)
        if not reply.verdict:
            raise Refused(t.code_text(reply.code) + t.tr("settlement_not_begun"))
        host = _host_totals(reply.totals)
        if not _resolve_refunds(t, reply.verdict, host):
            break
        # What was unknown is known now, and the totals are others: compare them again.
    t.vault.put(_HOST, reply.totals.encode())
    if reply.verdict == ERROR:
        await _by_hand(t, title, t.tr("verdict_3"), "verdict %d" % ERROR)
        return
    t.journal.settlement(ASKED, struct.pack(_STAGE, reply.verdict, 0, 0, 0))
    t.audit(audit.SESSION, "settlement of batch %06d begun, verdict %d" % (
        t.journal.batch, reply.verdict))
    await _finish(t, title)


def _unknown_refunds(t):
    # Refunds of the open batch without an answer.
    return [
        txn for txn in t.journal.unfinished()
        if txn.state == tx.UNKNOWN and txn.batch == t.journal.batch
    ]


def _host_totals(digits):
    # (debit count, debit amount, credit count, credit amount) of domestic and foreign cards.
    sums = [0, 0, 0, 0]
    for at in (0, 31):
        for i, (begin, end) in enumerate(((12, 15), (0, 12), (27, 30), (15, 27))):
            sums[i] += int(digits[at + begin : at + end])
    return sums


def _resolve_refunds(t, verdict, host):
    """Refunds of this batch without an answer: the host's totals tell which of them it has.

    True when that has changed our totals.
    """
    unknown = _unknown_refunds(t)
    if not 0 < len(unknown) <= _SEARCHED or verdict == ERROR:
        return False
    sums = t.journal.totals()
    if (host[0], host[1]) != (sums.debit_count, sums.debit_amount):
        return False  # there is more that differs: only the upload can tell
    count = host[2] - sums.credit_count
    amount = host[3] - sums.credit_amount
    found = None
    for chosen in range(1 << len(unknown)):
        picked = [txn for i, txn in enumerate(unknown) if chosen >> i & 1]
        if len(picked) == count and sum(txn.amount for txn in picked) == amount:
            if found is not None:
                return False  # more than one way to explain the difference
            found = chosen
    if found is None:
        return False
    for i, txn in enumerate(unknown):
        if found >> i & 1:
            txn.code = "00"
            t.journal.mark(txn, tx.APPROVE)
            cases.accepted(t, txn, txn.code)
        else:
            txn.code = "25"
            t.journal.mark(txn, tx.DROP)
            cases.closed(t, txn, txn.code)
    return found != 0


async def _finish(t, title):
    stage, payload = t.journal.settlement_stage
    verdict, refunds, done, sent = struct.unpack(_STAGE, payload)
    if stage != ENDED:
        if verdict != EQUAL and not await _upload(t, verdict, refunds, done, sent):
            return
        txn = online.about(t)
        txn.count = _counted(t.journal.totals())
        txn.balanced = verdict == EQUAL
        reply = await _exchange(t, title, "batch_end", txn)
        if not codes.is_approved(reply.code, 0):
            await _refused(t, title, reply.code)
            return
        t.journal.settlement(ENDED, struct.pack(_STAGE, verdict, 0, 0, 0))
    await _close(t, title, verdict)


async def _upload(t, verdict, refunds, at, sent):
    """Send every transaction that counts: sales and voids up to eight at once, then refunds one by
    one. What the host has acknowledged is durable after each message. False: it refuses."""
    journal = t.journal
    total = _counted(journal.totals())
    while not (refunds and at >= journal.count):
        heading = t.tr("uploading") % (sent, total)
        t.ui.show(t.tr("settle"), heading)
        if refunds:
            packet, at = _next_packet(t, at, 1, _is_refund)
        else:
            packet, at = _next_packet(t, at, _DETAILS_PER_MESSAGE, _is_detail)
        if packet:
            txn = packet[0]
            name = "batch_refund"
            if not refunds:
                txn = online.about(t)
                txn.packet = packet
                name = "batch_upload"
            reply = await _exchange(t, heading, name, txn)
            # 94: the host has it from before.
            if reply.code != "94" and not codes.is_approved(reply.code, 0):
                await _refused(t, t.tr("settle"), reply.code)
                return False
            sent += len(packet)
        if not refunds and at >= journal.count:
            refunds, at = 1, 0
        journal.settlement(UPLOADING, struct.pack(_STAGE, verdict, refunds, at, sent))
    return True


def _next_packet(t, at, most, wanted):
    # Up to ``most`` transactions from place ``at`` on, and the place behind them.
    packet = []
    while at < t.journal.count and len(packet) < most:
        item = t.journal.at(at)
        at += 1
        if item is None:
            t.audit(audit.SESSION, "upload: a transaction is unreadable")
        elif wanted(item):
            if item.kind == tx.REFUND and not item.pan and not item.by_code:
                # Its key is lost: the host will list the refund as one we did not claim.
                t.audit(audit.SESSION, "upload: no card number of refund %06d" % item.trace)
                continue
            item.amount = item.value
            packet.append(item)
    return packet, at


def _is_detail(txn):
    return txn.kind in (tx.SALE, tx.VOID) and txn.state in (tx.APPROVED, tx.VOIDED, tx.REFUNDED)


def _is_refund(txn):
    # Refunds were notifications; they go up one by one with all their fields.
    return txn.kind == tx.REFUND and txn.state == tx.APPROVED


# -- the end -------------------------------------------------------------------------------------


async def _refused(t, title, code):
    text = "%s %s" % (code, t.code_text(code))
    t.audit(audit.SESSION, "settlement refused with %s" % code)
    await _by_hand(t, title, text, "code " + code)


async def _by_hand(t, title, text, why):
    """The host will not have this batch: the supervisor may close it here, to be settled with the
    acquirer on paper; otherwise it is tried again later. ``why``: for the audit trail."""
    phone = t.tr("service_call") % t.settings.get("service_phone")
    if not await t.ui.confirm(title, "%s\n%s\n%s" % (text, t.tr("close_by_hand"), phone)):
        return
    supervisor = await session.supervisor(t, title)
    if not await t.ui.confirm(title, t.tr("close_sure")):
        return
    t.audit(audit.SESSION, "batch %06d closed by hand: %s" % (t.journal.batch, why), supervisor)
    t.journal.settlement(ENDED, struct.pack(_STAGE, ERROR, 0, 0, 0))
    await _close(t, title, ERROR, details=True)


async def _close(t, title, verdict, details=False):
    # From here on no card number is needed: their key goes first, so that a closed batch never
    # has readable ones, whenever power fails.
    t.keys.new_card_key()
    await limits.close_batch(t)
    batch = t.journal.batch
    stored = t.vault.get(_HOST)
    known = stored is not None and len(stored) == _HOST_SIZE
    host = _host_totals(stored.decode()) if known else [0, 0, 0, 0]
    closed = Settled(verdict, t.now(), t.session.operator, t.journal.totals(), host)
    t.journal.settle(batch % 999999 + 1, closed.pack())
    t.vault.delete(_HOST)
    t.audit(audit.SESSION, "batch %06d settled, verdict %d" % (batch, verdict))
    await t.ui.message(title, t.tr("settlement_done"), seconds=2)
    try:
        await print_slip(t, title)
        if details or await t.ui.confirm(title, t.tr("print_details")):
            await t.printing.settled_details()
        await t.go("owed_slips")  # refunds that turned out only now to have been booked
    except Leave:
        pass  # the papers can be printed again; what follows must happen
    if t.settings.get("auto_sign_off"):
        await session.sign_off_at_once(t)


def _slip_came_out(t):
    return t.vault.get(_SLIP) == t.journal.last_batch_number.to_bytes(4, "little")


def owes_slip(t):
    """Has the slip of the last settlement not come out?"""
    return t.journal.last_batch is not None and not _slip_came_out(t)


async def print_slip(t, title):
    """Print the slip of the batch that was closed last; a duplicate when it came out before."""
    if await t.printing.settlement_slip(title, duplicate=_slip_came_out(t)):
        t.vault.put(_SLIP, t.journal.last_batch_number.to_bytes(4, "little"))


async def offer_slip(t):
    """At log-in: the slip of the last settlement never came out: offer to print it."""
    if not owes_slip(t):
        return
    title = t.tr("settle")
    if await t.ui.confirm(title, t.tr("no_settlement_slip") % t.journal.last_batch_number):
        await print_slip(t, title)
