"""Voucher check (凭证核对): a printed slip, field by field, against journal and host.

What stands on the slip is keyed, or scanned where it can be scanned. Nothing is changed; what is
found is shown and, for a case that is open, where to go on.
"""

from mobi import transactions as tx
from mobi.flows import unfinished
from mobi.flows.online import Refused
from mobi.ui.text import money, spread


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
    rows = [spread(t.tr(tx.KIND_NAMES[txn.kind]), t.state_text(txn)), t.tr("with_journal")]
    rows += _compared(t, (
        ("amount", money(amount), money(txn.value)),
        ("card_number", last_four, txn.masked_pan[-4:]),
        ("rrn_is", rrn, txn.rrn),
    ))
    rows.append(t.tr("with_host"))
    rows += await _with_host(t, title, txn, amount, rrn)
    rows += [t.tr("is_safe"), t.tr("check_ends" if not tx.is_unfinished(txn.state) else "see_case")]
    await t.ui.pages(title, rows)


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


def _compared(t, fields):
    # For each field one row, and where it differs what stands on the slip and what is right.
    rows = []
    for name, slip, known in fields:
        agrees = slip == known
        rows.append(spread(t.tr(name), t.tr("agrees" if agrees else "differs")))
        if not agrees:
            rows += [" " + t.tr("on_slip") + slip, " " + t.tr("on_record") + (known or "-")]
    return rows


async def _with_host(t, title, txn, amount, rrn):
    # The host's own record, where the host can be asked.
    if not t.settings.get("status_query"):
        return [t.tr("host_no_query_short")]
    try:
        reply = await unfinished.ask_host(t, title, txn)
    except Refused as refused:
        return [t.tr("host_not_asked"), refused.text.split("\n")[0]]
    if reply.amount is None:
        return ["%s %s" % (reply.code, t.code_text(reply.code))]
    rows = [t.tr("host_stands" if reply.code == "00" else "host_undone_short")]
    return rows + _compared(t, (
        ("amount", money(amount), money(reply.amount)), ("rrn_is", rrn, reply.rrn),
    ))
