"""Limits that warn of a risk (限额、风险提示): the supervisor may pass them, the acquirer is told.

Each is a parameter of that name, and 0 switches it off:

    sale_limit       分 of one sale
    day_limit        分 of all sales of a day, those that were voided not counted
    refunds_a_day    refunds of a day
    voids_in_row     approved voids without an approved sale between them
    declines_in_row  refusals of one card in a row, within half an hour

What would pass a limit stops at a warning. With the supervisor's password it goes on; either way
the audit trail (``L``) keeps it and a report (0820/362) goes to the acquirer.
"""

import struct

from micropython import const

from mobi import audit
from mobi import transactions as tx
from mobi.access import NOBODY
from mobi.flows import session
from mobi.loop import sleep_ms
from mobi.ui.text import money, page

_DAY = const(86400)
_RECENT = const(1800)  # seconds in which refusals of a card count
_LOOKED_AT = const(40)  # transactions back, at most
# What batches settled today sold and refunded, in the vault: day; 分 and refunds of batches before;
# number, 分 and refunds of the last one. The last one is kept apart so that a power cut between
# this record and the settlement's cannot count its batch twice.
_KEY = b"y"
_RECORD = "<HQHIQH"


async def sale(t, title, txn):
    """Before a sale is sent. ``Leave`` when the operator stops at a warning."""
    limit = t.settings.get("sale_limit")
    if limit and txn.amount > limit:
        await _warn(t, title, txn, "sale_limit", txn.amount, limit)
    limit = t.settings.get("day_limit")
    if limit:
        sold = (await _today(t))[0] + txn.amount
        if sold > limit:
            await _warn(t, title, txn, "day_limit", sold, limit)
    limit = t.settings.get("declines_in_row")
    if limit and txn.masked_pan:
        refused = await _refused(t, txn.masked_pan)
        if refused >= limit:
            await _warn(t, title, txn, "declines_in_row", refused, limit)


async def refund(t, title, txn):
    """Before a refund is sent; as ``sale``."""
    limit = t.settings.get("refunds_a_day")
    if limit:
        count = (await _today(t))[1]
        if count >= limit:
            await _warn(t, title, txn, "refunds_a_day", count, limit)


async def void(t, title, txn):
    """Before a void is sent; as ``sale``."""
    limit = t.settings.get("voids_in_row")
    if limit:
        count = await _voids(t)
        if count >= limit:
            await _warn(t, title, txn, "voids_in_row", count, limit)


async def close_batch(t):
    """Before a batch is closed: keep what it sold and refunded today."""
    today = t.now() // _DAY
    amount, count = _before(t, today)
    sold, refunded = await _of_batch(t, today)
    record = (today, amount, count, t.journal.batch, sold, refunded)
    t.vault.put(_KEY, struct.pack(_RECORD, *record))


# -- the warning -----------------------------------------------------------------------------------


async def _warn(t, title, txn, name, found, limit):
    value = money(limit) if name in ("sale_limit", "day_limit") else found
    asked = txn.supervisor != NOBODY  # the password was given for this transaction already
    on = t.tr("enter_continues" if asked else "risk_supervisor")
    rows = page(t.tr("limit_" + name) % value) + page(t.tr("risk_check"), on)
    t.ui.beep()
    try:
        if not await t.ui.confirm(t.tr("risk"), rows):
            raise t.Leave()
        if not asked:
            txn.supervisor = await session.supervisor(t, title)
    except t.Leave:
        _record(t, txn, name, found, limit, "stopped")
        raise
    _record(t, txn, name, found, limit, "allowed")


def _record(t, txn, name, found, limit, what):
    words = "%s %d, limit %d, %s" % (name, found, limit, what)
    t.audit(audit.LIMIT, words, txn.supervisor)
    t.report("limit: %s op %02d" % (words, t.session.operator))


# -- what there was --------------------------------------------------------------------------------


async def _today(t):
    # (分 sold, refunds) since midnight.
    today = t.now() // _DAY
    amount, count = _before(t, today)
    sold, refunded = await _of_batch(t, today)
    return amount + sold, count + refunded


def _before(t, today):
    # The same for the batches before the open one.
    stored = t.vault.get(_KEY)
    if stored is None or len(stored) != struct.calcsize(_RECORD):
        return 0, 0
    day, amount, count, batch, sold, refunded = struct.unpack(_RECORD, stored)
    if day != today:
        return 0, 0
    if batch == t.journal.batch:
        return amount, count
    return amount + sold, count + refunded


async def _of_batch(t, today):
    # The same for the open batch.
    journal = t.journal
    first = journal.at(0) if journal.count else None
    if first is not None and first.time // _DAY == today:
        sums = journal.totals()
        return sums.sale_amount - sums.void_amount, sums.refund_count
    sold = refunded = 0
    for i in range(journal.count - 1, -1, -1):
        txn = journal.at(i)
        if txn is not None:
            if txn.time // _DAY != today:
                break
            if txn.kind == tx.SALE and txn.state in (tx.APPROVED, tx.REFUNDED):
                sold += txn.value
            elif txn.kind == tx.REFUND and txn.state == tx.APPROVED:
                refunded += 1
        await sleep_ms(0)
    return sold, refunded


def _newest(t):
    journal = t.journal
    for i in range(journal.count - 1, max(-1, journal.count - 1 - _LOOKED_AT), -1):
        txn = journal.at(i)
        if txn is not None:
            yield txn


async def _refused(t, masked_pan):
    since = t.now() - _RECENT
    count = 0
    for txn in _newest(t):
        await sleep_ms(0)  # each takes a few milliseconds
        if txn.time < since:
            break
        if txn.masked_pan == masked_pan and txn.kind in (tx.SALE, tx.BALANCE):
            if txn.state == tx.APPROVED:
                break
            if txn.state == tx.DECLINED:
                count += 1
    return count


async def _voids(t):
    count = 0
    for txn in _newest(t):
        await sleep_ms(0)
        if txn.kind == tx.VOID and txn.state == tx.APPROVED:
            count += 1
        elif txn.kind == tx.SALE and txn.state == tx.APPROVED:
            break
    return count
