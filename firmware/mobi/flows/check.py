"""Voucher check (凭证核对): a printed slip, field by field, against journal and host.

What stands on the slip is keyed, or scanned where it can be scanned. Nothing is changed; what is
found is shown and, for a case that is open, where to go on.
"""

from mobi import transactions as tx
from mobi.flows import history, unfinished
from mobi.flows.online import Refused
from mobi.ui.text import money, page, spread

# Journal states of what the host should have as approved.
_STANDS = (tx.APPROVED, tx.REFUNDED, tx.SETTLED)


async def run(t):
    """Ask for the slip's fields, compare, show what agrees and what does not."""
    title = t.tr("check_voucher")
    trace = int(await _digits(t, title, t.tr("voucher_number"), 6, 1))
    txn = t.journal.find(trace) or t.journal.find_settled(trace)
    if txn is None:
        raise Refused(t.tr("original_unknown"))
    amount = await t.ui.amount(title, t.tr("amount"))
    last_four = await _digits(t, title, t.tr("card_last_four"), 4, 4)
    rrn = await _digits(t, title, t.tr("rrn_is"), 12, 12)
    here, wrong = _compared(t, "check_here", (
        ("amount", money(amount), money(txn.value)),
        ("card", last_four, txn.masked_pan[-4:]),
        ("rrn_is", rrn, txn.rrn),
    ))
    there, wrong_there = await _with_host(t, title, txn, amount, rrn)
    wrong += wrong_there
    verdict = t.tr("check_wrong" if wrong else "check_right")
    if tx.is_case(txn.state):
        then = t.tr("see_case")
    else:
        then = t.tr("check_call" if wrong else "safe_nothing")
    rows = page(spread(t.tr(tx.KIND_NAMES[txn.kind]), t.state_text(txn)), verdict, then)
    await t.ui.pages(title, rows + here + there + wrong)


async def _digits(t, title, prompt, most, least):
    # As ``ui.digits``, but a scanned number is as good as a keyed one.
    text = ""
    while True:
        t.screen.show(title, (prompt,))
        t.screen.right(3, text)
        got = await t.ui.input()
        if isinstance(got, tuple):
            if got[0] == "scan" and got[1].isdigit() and least <= len(got[1]) <= most:
                return got[1]
            t.ui.beep()
        elif got == "CANCEL":
            raise t.Leave()
        elif len(got) == 1 and len(text) < most:
            text += got
        elif got == "BACK":
            text = text[:-1]
        elif got == "CLEAR":
            text = ""
        elif got == "ENTER" and len(text) >= least:
            return text
        else:
            t.ui.beep()


def _compared(t, side, fields):
    """(a page with a row for each field, a page for each that differs). ``side``: id of whose
    record it is compared with; ``fields``: id of the name, what is on the slip, on record."""
    rows = []
    wrong = []
    for name, slip, known in fields:
        agrees = slip == known
        label = "%s %s" % (t.tr(side), t.tr(name))
        rows.append(spread(label, t.tr("agrees" if agrees else "differs")))
        if not agrees:
            wrong += page(spread(t.tr(name), t.tr("differs")), "%s %s" % (t.tr("on_slip"), slip),
                          "%s %s" % (t.tr(side), known or "-"))
    return page("\n".join(rows)), wrong


async def _with_host(t, title, txn, amount, rrn):
    # The same with the host's own record, where the host can be asked.
    if not t.settings.get("status_query"):
        return page(t.tr("host_not_asked"), t.tr("why_no_query")), []
    try:
        reply = await unfinished.ask_host(t, title, txn)
    except Refused as refused:
        return page(t.tr("host_not_asked"), refused.text.split("\n")[0]), []
    if reply.code not in history.ANSWERS:
        return page(t.tr("host_not_asked"), t.tr("why_no_query")), []
    answer = t.tr(history.ANSWERS[reply.code])
    rows = []
    wrong = []
    if (reply.code == "00") != (txn.state in _STANDS):
        wrong = page(spread(t.tr("state_is"), t.tr("differs")),
                     "%s %s" % (t.tr("check_here"), t.state_text(txn)), answer)
    if reply.amount is not None:
        rows, more = _compared(t, "check_host", (
            ("amount", money(amount), money(reply.amount)), ("rrn_is", rrn, reply.rrn),
        ))
        wrong += more
    return page(answer, *rows[:2]), wrong
