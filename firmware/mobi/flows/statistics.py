"""Statistics by cause (原因统计): what went wrong in this batch and the one before, and how often.

The same trouble again and again is a reason to change something: the last page of the most frequent
cause says what (S98). Causes are the groups of `mobi.acquiring.codes`.
"""

from mobi import dates
from mobi import transactions as tx
from mobi.acquiring import codes
from mobi.devices.printer import NORMAL, RULE
from mobi.flows import cases, slips
from mobi.flows.online import Refused
from mobi.loop import sleep_ms
from mobi.ui.text import page, spread


async def run(t):
    """Show the counts by cause and code, then print them on request."""
    title = t.tr("statistics")
    t.ui.show(title, "...")
    total, failed = await count(t)
    if not total:
        raise Refused(t.tr("no_transactions"))
    rows = page(*_summary(t, total, failed))
    for group, codes_of in _by_group(failed):
        rows += page(*_group_rows(t, group, codes_of, 16))
    worst = _by_group(failed)[:1]
    for group, _ in worst:
        rows += page(t.tr("cause_advice_%d" % group))
    rows += page(t.tr("enter_prints"))
    await t.ui.pages(title, rows)
    await t.printing.slip(title, _slip(t, title, total, failed))


async def count(t):
    """(transactions, {code: how often it went wrong by it}) of the open batch and the last one."""
    journal = t.journal
    total = 0
    failed = {}
    begun = None
    for number, get in ((journal.last_count, journal.at_last), (journal.count, journal.at)):
        for i in range(number):
            txn = get(i)
            if txn is not None:
                total += 1
                if begun is None:
                    begun = txn.time
                if txn.state == tx.DECLINED:
                    failed[txn.code] = failed.get(txn.code, 0) + 1
            await sleep_ms(0)
    # Transactions without an answer: why is in the history of their cases.
    for time, _, text, _ in journal.notes(cases.KIND):
        if begun is not None and time >= begun:
            code = cases.opened_by(text)
            if code:
                failed[code] = failed.get(code, 0) + 1
    return total, failed


def _by_group(failed):
    # [(group, [(times, code)])], the most frequent first.
    groups = {}
    for code, times in failed.items():
        groups.setdefault(codes.group(code), []).append((times, code))
    found = [(sum(times for times, _ in of), group) for group, of in groups.items()]
    found.sort(reverse=True)
    return [(group, sorted(groups[group], reverse=True)) for _, group in found]


def _summary(t, total, failed):
    return (
        spread(t.tr("transactions"), str(total)),
        spread(t.tr("not_done"), str(sum(failed.values()))),
    )


def _group_rows(t, group, codes_of, columns):
    times = sum(count for count, _ in codes_of)
    rows = [spread(codes.GROUPS[group][t.language], str(times), columns)]
    for count, code in codes_of:
        words = "%s %s" % (code, codes.text(code, t.language))
        rows.append(spread(words, str(count), columns))
    return rows


def _slip(t, title, total, failed):
    lines = slips.head(t, title, dates.text(t.now()))
    lines.append((RULE, ""))
    lines += [(NORMAL, row) for row in _summary(t, total, failed)]
    for group, codes_of in _by_group(failed):
        lines.append((RULE, ""))
        lines += [(NORMAL, row) for row in _group_rows(t, group, codes_of, 32)]
        lines += slips.text(t.tr("cause_advice_%d" % group))
    return lines + slips.tail(t)
