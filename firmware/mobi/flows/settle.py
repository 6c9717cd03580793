"""Settlement (批结算): totals compared with the host, batch upload where they differ, the close.

The stages are durable, so that an interrupted settlement goes on where it stopped and nothing
else is possible until it has:

    asked      the host has given its verdict on our totals
    uploading  how many transactions of the batch the host has acknowledged
    ended      the host has acknowledged the end; only the close in our journal is missing
"""

import struct

from micropython import const
from mobi import transactions as tx
from mobi.acquiring import codes
from mobi.acquiring.messages import BadMac, BadMessage, Rejected
from mobi.flows import guards, online, query, session
from mobi.flows.online import Refused
from mobi.journal.log import Totals
from mobi.link.link import LinkError

ASKED = const(1)
UPLOADING = const(2)
ENDED = const(3)

# Verdict digits of field 48 (spec: 1 equal 平, 2 not equal 不平, 3 error 出错).
EQUAL = const(1)

_DETAILS_PER_MESSAGE = const(8)
# Verdict, transactions acknowledged so far.
_STAGE = "<BH"
# Verdict, then count and amount of sales, voids, refunds.
_RECORD = "<BHQHQHQ"


async def run(t):
    """Ask, show the totals, clear reversals, settle."""
    title = t.tr("settle")
    if not t.session.trusted:
        raise Refused(t.tr("sign_on_first"))
    if t.journal.settlement_open:
        await resume(t)
        return
    if not _counted(t):
        raise Refused(t.tr("no_transactions"))
    if not await t.ui.confirm(title, t.tr("settle_sure")):
        return
    sums = t.journal.totals()
    if not await t.ui.confirm(t.tr("totals"), query.totals_rows(t, sums)):
        return
    if guards.blocking(t) is not None:
        raise Refused(t.tr("reversal_blocks"))
    await online.clear_reversals(t, title)
    txn = tx.Transaction(0)
    txn.operator = t.session.operator
    txn.batch = t.journal.batch
    txn.totals = sums
    reply = await _exchange(t, title, "settlement", txn)
    t.journal.settlement(ASKED, struct.pack(_STAGE, reply.verdict, 0))
    await _finish(t, title)


async def resume(t):
    """Go on with a settlement that was interrupted; nothing else is possible until it is done."""
    title = t.tr("settle")
    await t.ui.message(title, t.tr("settlement_resumed"), seconds=2)
    await online.reach(t, title)
    await _finish(t, title)


def pack(verdict, sums):
    """What the settlement record keeps for the reprint of the slip."""
    return struct.pack(
        _RECORD, verdict, sums.sale_count, sums.sale_amount, sums.void_count, sums.void_amount,
        sums.refund_count, sums.refund_amount,
    )


def unpack(payload):
    """The inverse of ``pack``: (verdict, Totals)."""
    values = struct.unpack(_RECORD, payload)
    return values[0], Totals(values[1:])


def _counted(t):
    # Is there anything in the batch that counts in the totals?
    sums = t.journal.totals()
    return sums.debit_count or sums.credit_count


async def _exchange(t, title, name, txn):
    # A settlement message; Refused when it has no good answer: the stage reached stays durable.
    txn.trace = t.journal.take_trace()
    try:
        return await online.exchange(t, title, name, txn)
    except (LinkError, Rejected, BadMessage, BadMac) as error:
        t.fault(name, error)
        raise Refused(t.explain(error) + t.tr("settlement_kept"))


async def _finish(t, title):
    stage, payload = t.journal.settlement_stage
    verdict, done = struct.unpack(_STAGE, payload)
    if verdict != EQUAL and stage != ENDED:
        await _upload(t, title, verdict, done)
    if stage != ENDED:
        txn = tx.Transaction(0)
        txn.batch = t.journal.batch
        txn.count = t.journal.count
        txn.balanced = verdict == EQUAL
        reply = await _exchange(t, title, "batch_end", txn)
        if not codes.is_approved(reply.code, 0):
            raise Refused(t.code_text(reply.code) + t.tr("settlement_kept"))
        t.journal.settlement(ENDED, struct.pack(_STAGE, verdict, t.journal.count))
    sums = t.journal.totals()
    batch = t.journal.batch
    t.journal.settle(batch % 999999 + 1, pack(verdict, sums))
    t.keys.new_card_key()  # the old batch's card numbers become unreadable
    t.ui.show(title, t.tr("settlement_done"))
    await t.printing.settlement_slip(batch, sums, verdict)
    if await t.ui.confirm(title, t.tr("print_details")):
        await t.printing.settled_details()
    if t.settings.get("auto_sign_off"):
        session.end_session(t)


async def _upload(t, title, verdict, done):
    """Send every transaction that counts; what the host acknowledged is durable after each message."""
    count = t.journal.count
    while done < count:
        t.ui.show(title, t.tr("uploading") % (done, count))
        packet = []
        at = done
        while at < count and len(packet) < _DETAILS_PER_MESSAGE:
            item = t.journal.at(at)
            if _is_notice(item):
                if packet:
                    break
                await _notice(t, title, item)
                at += 1
                break
            at += 1
            if _counts(item):
                packet.append(item)
        if packet:
            txn = tx.Transaction(0)
            txn.batch = t.journal.batch
            txn.packet = packet
            await _exchange(t, title, "batch_upload", txn)
        done = at
        t.journal.settlement(UPLOADING, struct.pack(_STAGE, verdict, done))


def _counts(txn):
    return txn.kind in (tx.SALE, tx.VOID) and txn.state in (tx.APPROVED, tx.VOIDED, tx.REFUNDED)


def _is_notice(txn):
    # Refunds were notifications; they go up one by one with all their fields.
    return txn.kind == tx.REFUND and txn.state == tx.APPROVED


async def _notice(t, title, item):
    await _exchange(t, title, "batch_refund", item)
