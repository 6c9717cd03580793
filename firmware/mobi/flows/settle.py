"""Settlement (批结算): totals compared with the host, batch upload where they differ, the close.

The stages are durable, so that an interrupted settlement goes on where it stopped and nothing
else is possible until it has:

    asked      the host has given its verdict on our totals
    uploading  how far the host has acknowledged the batch, after every message
    ended      the host has acknowledged the end; only the close in our journal is missing

What was acknowledged and not yet noted goes up once more after a power cut; the host takes a
repeat for what it is, because every detail carries its own voucher number.

A refund without an answer is in nobody's totals for sure. When the host's own totals are ours and
some such refunds, and nothing else explains them, they are claimed in a second comparison. What
became of each is written down only when the host has closed the batch, from the totals it has then:
until then a request that was on its way may still be booked. Totals that contradict the host's own
verdict prove nothing, and the refund stays unknown.
"""

import struct
from binascii import hexlify, unhexlify

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
from mobi.ui.text import money, spread

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
# Behind them: 4 bytes for the trace of each refund without answer that is claimed.
_STAGE = "<BBHH"
_STAGE_SIZE = const(6)
# Verdict, time, operator; count and amount of sales, voids, refunds; the host's debits, credits.
_RECORD = "<BIBHQHQHQHQHQ"
_RECORD_SIZE = const(56)
# Behind it, since there is such a thing: count and amount of refunds that stay unknown.
_LEFT = "<HQ"
# Where the vault keeps the host's totals (62 digits, two to a byte) until the batch is closed, and
# the number of the batch whose slip came out.
_HOST = b"h"
_HOST_SIZE = const(62)
_SLIP = b"l"


class Settled:
    """What is kept of a closed batch: ``verdict``, ``time``, ``operator``, ``sums`` and what the
    ``host`` had (debit count and amount, credit count and amount); ``left``: count and amount of
    the refunds that stayed unknown and are in nobody's ``sums``."""

    def __init__(self, verdict, time, operator, sums, host, left=(0, 0)):
        self.verdict = verdict
        self.time = time
        self.operator = operator
        self.sums = sums
        self.host = host
        self.left = left

    def pack(self):
        """As the journal keeps it."""
        s = self.sums
        return struct.pack(
            _RECORD, self.verdict, self.time, self.operator, s.sale_count, s.sale_amount,
            s.void_count, s.void_amount, s.refund_count, s.refund_amount, *self.host
        ) + struct.pack(_LEFT, *self.left)


def unpack(payload):
    """The inverse of ``Settled.pack``."""
    values = struct.unpack(_RECORD, payload[:_RECORD_SIZE])
    rest = payload[_RECORD_SIZE:]
    left = struct.unpack(_LEFT, rest) if rest else (0, 0)
    return Settled(values[0], values[1], values[2], Totals(values[3:9]), values[9:], left)


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
    if not guards.to_settle(t):
        # A reversal may be all there is: it goes out first, as before every settlement.
        await online.clear_reversals(t, title)
        if guards.is_full(t) and guards.may_change_batch(t):
            t.journal.set_batch(t.journal.batch)  # refusals and enquiries give up their places
        raise Refused(t.tr("no_transactions"))
    if not await t.ui.confirm(title, t.tr("settle_sure")):
        return
    shown = None
    while shown != _numbers(t.journal.totals()):
        sums = t.journal.totals()
        shown = _numbers(sums)
        if not await t.ui.confirm(t.tr("totals"), query.totals_rows(t, sums) + _left_rows(t)):
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


async def _compare(t, title, again=False):
    # 0500: nothing is durable and nothing is lost until the host has given its verdict.
    reply = await _ask_totals(t, title, ())
    claimed = ()
    if reply.verdict == DIFFERENT:
        claimed = _explained(t, reply) or ()
        if claimed:
            reply = await _ask_totals(t, title, claimed)
            if reply.verdict != EQUAL or not _agrees(t, reply, claimed):
                claimed = ()
    t.vault.put(_HOST, unhexlify(reply.totals))
    if reply.verdict == ERROR:
        await _by_hand(t, title, t.tr("verdict_3"), "verdict %d" % ERROR)
        return
    t.journal.settlement(ASKED, _stage(reply.verdict, claimed))
    t.audit(audit.SESSION, "settlement of batch %06d begun, verdict %d" % (
        t.journal.batch, reply.verdict))
    await _finish(t, title, again)


async def _ask_totals(t, title, claimed):
    txn = online.about(t)
    txn.totals = _with(t.journal.totals(), claimed)
    reply = await _exchange(t, title, "settlement", txn)
    if not reply.verdict:
        kept = "settlement_kept" if t.journal.settlement_open else "settlement_not_begun"
        raise Refused(t.code_text(reply.code) + t.tr(kept))
    return reply


def _stage(verdict, claimed, refunds=0, at=0, sent=0):
    data = struct.pack(_STAGE, verdict, refunds, at, sent)
    for txn in claimed:
        data += txn.trace.to_bytes(4, "little")
    return data


def _claimed(t, payload):
    # The refunds that a stage claims, as far as their outcome is not written down yet.
    traces = [int.from_bytes(payload[i : i + 4], "little")
              for i in range(_STAGE_SIZE, len(payload), 4)]
    return [txn for txn in guards.unknown_refunds(t) if txn.trace in traces]


def _with(sums, claimed):
    for txn in claimed:
        sums.refund_count += 1
        sums.refund_amount += txn.amount
    return sums


def _left_rows(t):
    # What is in nobody's totals.
    left = _left(t)
    return [t.tr("refunds_left") % left[0], spread("", money(left[1]))] if left[0] else []


def _left(t):
    unknown = guards.unknown_refunds(t)
    return len(unknown), sum(txn.amount for txn in unknown)


def _agrees(t, reply, claimed):
    # Are the host's own totals ours with ``claimed``?
    if len(reply.totals) != _HOST_SIZE:
        return False
    return _host_totals(reply.totals) == list(_numbers(_with(t.journal.totals(), claimed)))


def _host_totals(digits):
    # (debit count, debit amount, credit count, credit amount) of domestic and foreign cards.
    sums = [0, 0, 0, 0]
    for at in (0, 31):
        for i, (begin, end) in enumerate(((12, 15), (0, 12), (27, 30), (15, 27))):
            sums[i] += int(digits[at + begin : at + end])
    return sums


def _explained(t, reply, claimed=()):
    """Which refunds without answer the host has: the only ones that make its totals out of ours.

    None when its totals prove nothing: they are missing, contradict its verdict, or can be
    explained in no way or in more than one. ``claimed``: what we had put into ours.
    """
    if len(reply.totals) != _HOST_SIZE or reply.verdict not in (EQUAL, DIFFERENT):
        return None
    if (reply.verdict == EQUAL) != _agrees(t, reply, claimed):
        return None
    unknown = guards.unknown_refunds(t)
    # What a person has given up on may be there, too.
    others = [txn for txn in t.journal.released()
              if txn.batch == t.journal.batch and tx.counts_as_credit(txn.kind)]
    maybe = unknown + others
    if not unknown or len(maybe) > _SEARCHED:
        return None
    host = _host_totals(reply.totals)
    sums = t.journal.totals()
    if (host[0], host[1]) != (sums.debit_count, sums.debit_amount):
        return None
    count = host[2] - sums.credit_count
    amount = host[3] - sums.credit_amount
    found = None
    for chosen in range(1 << len(maybe)):
        picked = [txn for i, txn in enumerate(maybe) if chosen >> i & 1]
        if len(picked) == count and sum(txn.value for txn in picked) == amount:
            if found is not None:
                return None
            found = picked
    return None if found is None else [txn for txn in found if txn.state == tx.UNKNOWN]


async def _resolve(t, title, claimed):
    """The host has closed the batch: its totals now tell what became of refunds without answer."""
    if not guards.unknown_refunds(t):
        return
    found = None
    try:
        reply = await _ask_totals(t, title, claimed)
        found = _explained(t, reply, claimed)
        t.vault.put(_HOST, unhexlify(reply.totals))
    except Refused:
        pass  # they can be asked about one by one later
    if found is None and not claimed:
        return
    # What was claimed and found equal is booked, whatever is known of the others.
    proven = found is not None
    traces = [txn.trace for txn in (found if proven else claimed)]
    for txn in guards.unknown_refunds(t):
        if txn.trace in traces:
            txn.code = "00"
            t.journal.mark(txn, tx.APPROVE)
            cases.accepted(t, txn, txn.code)
        elif proven:
            txn.code = "25"
            t.journal.mark(txn, tx.DROP)
            cases.closed(t, txn, txn.code)


async def _finish(t, title, again=False):
    # ``again``: the host has not taken an end before; its next refusal is told.
    stage, payload = t.journal.settlement_stage
    verdict, refunds, done, sent = struct.unpack(_STAGE, payload[:_STAGE_SIZE])
    claimed = _claimed(t, payload)
    if stage != ENDED:
        if verdict != EQUAL and not await _upload(t, verdict, refunds, done, sent):
            return
        txn = online.about(t)
        txn.count = _counted(t.journal.totals()) + len(claimed)
        txn.balanced = verdict == EQUAL
        reply = await _exchange(t, title, "batch_end", txn)
        if reply.code == codes.UNBALANCED and not again:
            # Something has been booked since: compare once more.
            t.audit(audit.SESSION, "end refused with 95: compared again")
            await _compare(t, title, again=True)
            return
        if not codes.is_approved(reply.code, 0):
            await _refused(t, title, reply.code)
            return
        t.journal.settlement(ENDED, _stage(verdict, claimed))
    if verdict != ERROR:  # else it was closed by hand
        await _resolve(t, title, claimed)
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
        journal.settlement(UPLOADING, _stage(verdict, (), refunds, at, sent))
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
    t.journal.settlement(ENDED, _stage(ERROR, ()))
    await _close(t, title, ERROR, details=True)


async def _close(t, title, verdict, details=False):
    # From here on no card number is needed: their key goes first, so that a closed batch never
    # has readable ones, whenever power fails.
    t.keys.new_card_key()
    await limits.close_batch(t)
    batch = t.journal.batch
    stored = t.vault.get(_HOST) or b""
    if len(stored) != _HOST_SIZE:  # an older firmware kept the digits themselves
        stored = hexlify(stored)
    known = len(stored) == _HOST_SIZE
    host = _host_totals(str(stored, "ascii")) if known else [0, 0, 0, 0]
    left = _left(t)
    closed = Settled(verdict, t.now(), t.session.operator, t.journal.totals(), host, left)
    t.journal.settle(batch % 999999 + 1, closed.pack())
    t.vault.delete(_HOST)
    t.audit(audit.SESSION, "batch %06d settled, verdict %d" % (batch, verdict))
    if verdict == EQUAL and not left[0]:
        await t.ui.message(title, t.tr("settlement_done"), seconds=2)
    else:
        rows = [t.tr("batch_closed"), t.tr("verdict_%d" % verdict)]
        if left[0]:
            rows.append(t.tr("refunds_left") % left[0])
        await t.ui.message(title, "\n".join(rows), seconds=10, beep=True)
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
