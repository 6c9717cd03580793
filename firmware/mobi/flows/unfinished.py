"""Unfinished transactions (未完成交易): what is open, what is known, what is safe, what to do next."""

from mobi import dates, transactions as tx
from mobi.acquiring import codes
from mobi.acquiring.messages import BadMac, BadMessage, Rejected
from mobi.flows import cards, cases, online, query, reasons, retries, session, steps
from mobi.flows.online import Refused
from mobi.link.link import LinkError
from mobi.ui.text import money, spread, wrap

# What the host says about a transaction it is asked about (0830/364).
_STANDS = "00"
_UNDONE = "22"
_NOT_HERE = "25"
_CASE_DIGITS = 12


async def run(t):
    """List the unfinished transactions; ENTER opens one."""
    title = t.tr("unfinished")
    while True:
        items = t.journal.unfinished()
        if not items:
            await t.ui.message(title, t.tr("nothing_unfinished"))
            return
        at = await t.ui.pick(title, items, lambda txn: summary(t, txn))
        try:
            await show(t, items[at])
        except t.Leave as left:
            if left.timed_out:
                raise


def summary(t, txn):
    """Three rows of the list: time, kind and state; amount; card."""
    clock = dates.text(txn.time)[11:]
    return (
        "%s %s%s" % (clock, t.tr(tx.KIND_NAMES[txn.kind]), t.state_text(txn)),
        "RMB " + money(txn.value),
        cards.short(txn.masked_pan),
    )


async def show(t, txn):
    """The case of ``txn``: first what is known and safe, then the steps that are allowed."""
    title = "%06d %s" % (txn.trace, t.state_text(txn))
    await t.ui.pages(title, case_rows(t, txn))
    while True:
        allowed, refused = steps.offered(t, txn)
        labels = [t.tr(step) for step in allowed]
        if refused:
            labels.append(t.tr("step_others"))
        before = txn.state
        title = "%06d %s" % (txn.trace, t.state_text(txn))
        at = await t.ui.choose(title, labels)
        try:
            if at == len(allowed):
                await _why_not(t, refused)
            else:
                await _STEPS[allowed[at]](t, txn)
        except Refused as why:
            await t.ui.message(title, why.text, beep=True)
        except t.Leave as left:
            if left.timed_out:
                raise
        if before != txn.state and not tx.is_unfinished(txn.state) and txn.state != tx.ABSENT:
            return


def case_rows(t, txn):
    """What happened, whose side the cause is on, what each end knows, what is safe."""
    here, there, safe = steps.meaning(txn.state)
    rows = ["%s %s" % (t.tr(tx.KIND_NAMES[txn.kind]), money(txn.value)),
            cards.short(txn.masked_pan), t.date_text(txn.time)]
    code, fault = cases.cause(t, txn)
    if not code and not tx.is_unfinished(txn.state):
        code = txn.code
    if code:
        rows += wrap("%s %s" % (code, codes.text(code, t.language)))
        if fault:
            rows += wrap(fault)
        group = codes.group_text(code, t.language)
        if group:
            rows += [t.tr("cause_is"), group]
    rows.append(t.tr("known_here"))
    rows += wrap(t.tr(here))
    rows.append(t.tr("known_there"))
    rows += wrap(t.tr(there))
    rows.append(t.tr("is_safe"))
    rows += wrap(t.tr(safe))
    if txn.attempts:
        rows.append(t.tr("attempts_are") % txn.attempts)
    if txn.state == tx.REVERSAL_DUE:
        rows += _next_try(t)
    rows.append(t.tr("enter_steps"))
    return rows


def _next_try(t):
    time = retries.next_time(t)
    if time is None:
        return []
    return [spread(t.tr("next_try"), dates.text(time)[11:])]


async def _why_not(t, refused):
    rows = []
    for step, text in refused:
        rows.append("* " + t.tr(step))
        rows += wrap(text)
    await t.ui.pages(t.tr("step_others"), rows)


# -- steps that find out or settle the matter ------------------------------------------------------


async def _query(t, txn):
    """Ask the host what became of it (0820/364) and act on what it says."""
    title = t.tr("step_query")
    reply = await ask_host(t, title, txn)
    cases.queried(t, txn, reply.code)
    if reply.code == _STANDS:
        await _stands(t, title, txn, reply)
    elif reply.code in (_NOT_HERE, _UNDONE):
        _close(t, txn, reply.code)
        text = t.tr("host_has_not" if reply.code == _NOT_HERE else "host_undone")
        await t.ui.message(title, text)
    else:
        text = "%s %s" % (reply.code, t.code_text(reply.code))
        raise Refused("%s\n%s" % (t.tr("host_no_query"), text))


async def ask_host(t, title, txn):
    """What the host knows of ``txn``: its ``Reply``. ``Refused`` when it cannot be asked."""
    if not t.session.trusted:
        raise Refused(t.tr("sign_on_first"))
    await online.reach(t, title)
    about = tx.Transaction(0)
    about.operator = t.session.operator
    about.batch = t.journal.batch
    about.original_batch = txn.batch
    about.original_trace = txn.trace
    about.trace = t.journal.take_trace()
    try:
        return await online.exchange(t, title, "status_query", about)
    except (LinkError, Rejected, BadMessage, BadMac) as error:
        if isinstance(error, BadMac):
            t.session.distrust()
        t.fault("query", error)
        raise Refused(t.explain(error))


def _close(t, txn, code):
    # The host has nothing of it, or nothing any more.
    txn.code = code
    t.journal.mark(txn, tx.UNDONE if txn.state == tx.REVERSAL_DUE else tx.DROP)
    cases.closed(t, txn, code)


async def _stands(t, title, txn, reply):
    # It was approved there, and the reply did not come through.
    if reply.amount is None:
        reply.amount = txn.amount  # not every host tells it
    amount = reply.amount
    if amount != txn.amount and (txn.kind != tx.SALE or not 0 < amount < txn.amount):
        raise Refused(t.tr("host_amount_differs") % money(amount))
    rows = [t.tr("host_approved"), "RMB " + money(amount), t.tr("rrn_is"), "  " + reply.rrn]
    await t.ui.pages(title, rows + [t.tr("enter_steps")])
    labels = [t.tr("accept_late")]
    if txn.state == tx.REVERSAL_DUE:
        labels.append(t.tr("step_reverse"))
    if await t.ui.choose(title, labels):
        await _reverse(t, txn)
        return
    accept(t, txn, reply)
    if txn.kind == tx.BALANCE:
        return
    await t.go("approved", txn)


def accept(t, txn, reply):
    """Take the late result: journalled first, then it is as if the reply had come."""
    txn.rrn = reply.rrn
    txn.auth = reply.auth
    txn.host_time = reply.host_time
    txn.settle_date = reply.settle_date
    txn.code = reply.code
    if reply.amount != txn.amount:
        txn.code = codes.PARTIAL
        txn.approved_amount = reply.amount
    t.journal.mark(txn, tx.APPROVE)
    cases.accepted(t, txn, reply.code)


async def _reverse(t, txn):
    """One more reversal now."""
    if await online.reverse(t, t.tr("reversing"), txn, 1):
        await t.ui.message(t.tr("reversing"), t.tr("reversal_done"))
    else:
        raise Refused(t.tr("reversal_failed_now"))


async def try_due(t, txn):
    """A try that the terminal makes by itself; what stands in its way is not worth a message."""
    try:
        await online.reverse(t, t.tr("reversing"), txn, 1)
    except Refused:
        retries.plan(t)


async def _wait(t, txn):
    """How long it may take, and that nobody has to do anything."""
    await t.ui.pages(t.tr("step_wait"), _next_try(t) + wrap(t.tr("wait_text")))


async def _release(t, txn):
    """Give up on it: only the supervisor may, with a reason, after the slip came out."""
    title = t.tr("step_release")
    supervisor = await session.supervisor(t, title)
    number = await reasons.choose(t, t.tr("why"), reasons.RELEASE)
    rows = [t.tr("release_sure"), money(txn.value), cards.short(txn.masked_pan),
            t.tr("enter_continues")]
    if not await t.ui.confirm(title, "\n".join(rows)):
        return
    await t.printing.fault_slip(txn)
    txn.supervisor = supervisor
    txn.note = min(number, 255)
    t.journal.mark(txn, tx.RELEASE)
    cases.released(t, txn, supervisor, number)
    await t.ui.message(title, t.tr("released"))


# -- steps that go on from there -------------------------------------------------------------------


async def _redo(t, txn):
    await t.go("sale", None, "", txn.amount)


async def _code(t, txn):
    code = await cards.scan(t, t.tr("sale"))
    await t.go("sale", None, code, txn.amount)


async def _void(t, txn):
    await t.go("void_chosen", txn)


async def _refund(t, txn):
    rows = wrap(t.tr("refund_how")) + [
        t.tr("rrn_is"), "  " + txn.rrn,
        spread(t.tr("original_date_is"), dates.text(txn.time)[5:10].replace("-", "")),
        spread(t.tr("refund_left"), money(txn.value - t.journal.refunded(txn.rrn))),
        t.tr("enter_continues"),
    ]
    if await t.ui.confirm(t.tr("step_refund"), rows):
        await t.go("refund_code" if txn.by_code else "refund")


async def _slip(t, txn):
    await t.printing.fault_slip(txn)
    cases.printed(t, txn)


async def _reprint(t, txn):
    await t.go("reprint", txn)


async def _call(t, txn):
    """Whom to call and what to have at hand; the case number the other side gives is kept."""
    title = t.tr("step_call")
    rows = [t.settings.get("service_phone") or t.tr("no_phone"), t.tr("have_ready"),
            spread(t.tr("voucher_is"), "%06d" % txn.trace),
            spread(t.tr("batch_is"), "%06d" % txn.batch),
            t.date_text(txn.time), "RMB " + money(txn.value), cards.short(txn.masked_pan)]
    if txn.rrn:
        rows += [t.tr("rrn_is"), "  " + txn.rrn]
    rows += wrap(t.tr("ask_case_number"))
    await t.ui.pages(title, rows)
    number = await t.ui.digits(title, t.tr("case_number"), _CASE_DIGITS, empty=True)
    cases.called(t, txn, number)


async def _history(t, txn):
    await t.ui.pages(t.tr("step_history"), cases.rows(t, txn))


_STEPS = {
    "step_query": _query,
    "step_reverse": _reverse,
    "step_wait": _wait,
    "step_release": _release,
    "step_redo": _redo,
    "step_code": _code,
    "step_void": _void,
    "step_refund": _refund,
    "step_slip": _slip,
    "step_reprint": _reprint,
    "step_call": _call,
    "step_history": _history,
    "step_details": query.details,
}
