"""Unfinished transactions (未完成交易): what is open and known, what is safe, what to do next."""

from mobi import dates
from mobi import transactions as tx
from mobi.acquiring import codes
from mobi.acquiring.messages import BadMac, BadMessage, Rejected
from mobi.flows import (
    cards,
    cases,
    history,
    online,
    query,
    reasons,
    retries,
    session,
    steps,
)
from mobi.flows.online import Refused
from mobi.link.link import LinkError
from mobi.ui.text import COLUMNS, money, page, priced, spread, width

# What the host says about a transaction it is asked about (0830/364).
_STANDS = "00"
_UNDONE = "22"
_NOT_HERE = "25"
# What a host without the query answers: it does not know the message, or does not allow it.
_NO_QUERY = ("30", "40", "57", "58")
_CASE_DIGITS = 12


async def run(t):
    """List the unfinished transactions; ENTER opens one."""
    title = t.tr("unfinished")
    while True:
        items = t.journal.cases()
        if not items:
            await t.ui.message(title, t.tr("nothing_unfinished"))
            return
        at = await t.ui.pick(title, items, lambda txn: summary(t, txn))
        try:
            await show(t, items[at])
        except t.Leave as left:
            if left.timed_out:
                raise


async def offer_slip(t):
    """At log-in: a reversal has used up its tries and its fault slip never came out, because power
    failed or the paper ended: offer to print it."""
    title = t.tr("unfinished")
    tries = t.settings.get("reversal_tries")
    for txn in t.journal.unfinished():
        if txn.state != tx.REVERSAL_DUE or txn.attempts < tries or cases.has_slip(t, txn):
            continue
        rows = [t.tr("no_fault_slip")] + priced("%06d" % txn.trace, txn.value)
        rows.append(t.tr("enter_prints"))
        if await t.ui.confirm(title, rows):
            await t.printing.fault_slip(txn)


def summary(t, txn):
    """Three rows of the list: time (of another day the date) and amount; card; kind and state."""
    date, clock = dates.text(txn.time).split(" ")
    when = clock if date == dates.text(t.now())[:10] else date[5:]
    return (
        spread(when, money(txn.value, COLUMNS - width(when) - 1)),
        cards.short(txn.masked_pan),
        spread(t.tr(tx.KIND_NAMES[txn.kind]), t.state_text(txn)),
    )


async def show(t, txn):
    """The case of ``txn``: first what is known and safe, then the steps that are allowed."""
    await t.ui.pages(t.state_text(txn), case_rows(t, txn))
    title = "%s %06d" % (t.tr("voucher_is"), txn.trace)
    while True:
        allowed, refused = steps.offered(t, txn)
        labels = [t.tr(step) for step in allowed]
        if refused:
            labels.append(t.tr("step_others"))
        before = txn.state
        at = await t.ui.choose(title, labels)
        try:
            if at == len(allowed):
                await _why_not(t, refused)
            else:
                await _STEPS[allowed[at]](t, txn)
        except Refused as refused:
            await t.tell_refused(title, refused)
        except t.Leave as left:
            if left.timed_out:
                raise
        if before != txn.state and txn.state not in (tx.REVERSED, tx.ABSENT, tx.UNPROVEN):
            return  # closed; where no money moved it can be done again right here


def case_rows(t, txn):
    """What it is; then a page each: what is safe, what to tell the customer, what each end knows,
    whose side the cause is on, and how far it has come."""
    here, there, safe, tell = steps.about(t, txn)
    code, fault = cases.cause(t, txn)
    if not code and not tx.is_unfinished(txn.state):
        code = txn.code
    safe = t.tr(safe) if safe else codes.advice(code, t.language, txn.kind)
    tell = t.tr(tell) if tell else codes.customer(code, t.language)
    kind = t.tr(tx.KIND_NAMES[txn.kind])
    rows = page(*priced(kind, txn.value) + [cards.short(txn.masked_pan), t.tr("enter_steps")])
    rows += page(t.tr("is_safe"), safe)
    rows += page(t.tr("tell_customer"), tell)
    rows += page(t.tr("known_here"), t.tr(here))
    rows += page(t.tr("known_there"), t.tr(there))
    if codes.group(code) != codes.G_NONE:
        rows += page(t.code_text(code), t.tr("cause_is"), codes.group_text(code, t.language))
    if fault:
        rows += page(t.tr("fault_is"), fault)
    rows += [spread(t.tr("voucher_is"), "%06d" % txn.trace),
             spread(t.tr("batch_is"), "%06d" % txn.batch), t.date_text(t.time_of(txn))]
    if txn.state == tx.REVERSAL_DUE:
        rows += page(t.tr("attempts_are") % txn.attempts, _next_try(t))
    return rows


def _next_try(t):
    time = retries.next_time(t)
    return t.tr("why_no_tries") if time is None else spread(t.tr("next_try"), dates.text(time)[11:])


async def _why_not(t, refused):
    rows = []
    for step, text in refused:
        rows += page("* " + t.tr(step), text)
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
        await _close(t, title, txn, reply.code)
    elif reply.code in _NO_QUERY:
        text = t.tr("host_no_query_sale" if tx.is_reversible(txn.kind) else "host_no_query_refund")
        if steps.standing(t, txn) == steps.LATE:
            text = t.tr("host_no_query_late")
        raise Refused("%s\n%s %s" % (text, reply.code, t.code_text(reply.code)))
    else:
        raise online.refused_by(t, reply.code, txn, True)


async def ask_host(t, title, txn):
    """What the host knows of ``txn``: its ``Reply``. ``Refused`` when it cannot be asked."""
    if not t.session.trusted:
        raise Refused(t.tr("sign_on_first"))
    await online.reach(t, title, txn, True)
    about = tx.Transaction(0)
    about.operator = t.session.operator
    about.batch = t.journal.batch
    about.original_batch = txn.batch
    about.original_trace = txn.trace
    about.time = txn.time
    about.trace = t.journal.take_trace()
    t.last_fault = ""
    try:
        return await online.exchange(t, title, "status_query", about)
    except (LinkError, Rejected, BadMessage, BadMac) as error:
        if isinstance(error, BadMac):
            t.session.distrust()
        t.fault("query", error)
        raise Refused(t.explain(error), codes.of_error(error), txn, True)


async def _close(t, title, txn, code):
    # The host has nothing of it, or nothing any more.
    _closed(t, txn, code)
    text = t.tr("host_has_not" if code == _NOT_HERE else "host_undone")
    await t.ui.message(title, "%s\n%s" % (text, _at_host(t, txn)))
    await _print_back(t, txn)


def _closed(t, txn, code):
    txn.code = code
    t.journal.mark(txn, tx.DROP if txn.state == tx.UNKNOWN else tx.UNDONE)
    cases.closed(t, txn, code)


async def _print_back(t, txn):
    # The customer of a charge that was taken back gets it in writing.
    if steps.has_slip(t, txn):
        await t.printing.reversal_slip(txn)


def _at_host(t, txn):
    return t.tr(steps.about(t, txn)[1])


async def _stands(t, title, txn, reply):
    # It was approved there, and the reply did not come through.
    if reply.amount is None:
        reply.amount = txn.amount  # not every host tells it
    amount = reply.amount
    if amount != txn.amount and (txn.kind != tx.SALE or not 0 < amount < txn.amount):
        raise Refused(t.tr("host_amount_differs") % money(amount))
    there = t.tr(steps.meaning(tx.APPROVED, txn.kind)[1])
    rows = page(t.tr("known_there"), there, t.tr("enter_steps"))
    await t.ui.pages(title, rows + ["RMB " + money(amount), t.tr("rrn_is"), "  " + reply.rrn])
    name = tx.KIND_NAMES[txn.kind]
    labels = [t.tr("accept_" + name)]
    if txn.state == tx.REVERSAL_DUE:
        labels.append(t.tr("reverse_" + name))
    if await t.ui.choose(title, labels):
        await _reverse(t, txn)
        return
    accept(t, txn, reply)
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
        if txn.state == tx.UNPROVEN:
            done = "%s\n%s" % (t.state_text(txn), t.tr(steps.about(t, txn)[2]))
        else:
            done = "%s\n%s" % (t.tr("reversal_done"), _at_host(t, txn))
        await t.ui.message(t.tr("reversing"), done)
        await _print_back(t, txn)
    else:
        raise Refused(t.tr("reversal_failed_now"), txn.code, txn, True, t.tr("reversal_failed_now"))


async def try_due(t, txn):
    """A try that the terminal makes by itself; what stands in its way is not worth a message."""
    try:
        if await online.reverse(t, t.tr("reversing"), txn, 1):
            online.note_reversed(t, txn)
    except Refused:
        retries.plan(t)


async def prove(t):
    """Ask the host, in silence, what became of a reversal that it closed by 12. What it does not
    tell stays a case."""
    txn = t.to_prove.pop(0)
    if not t.settings.get("status_query") or not t.session.trusted or txn.state != tx.UNPROVEN:
        return
    try:
        reply = await ask_host(t, t.tr("step_query"), txn)
    except Refused:
        return
    cases.queried(t, txn, reply.code)
    if reply.code in (_NOT_HERE, _UNDONE):
        _closed(t, txn, reply.code)


def back_rows(t):
    """Three rows for the idle screen: what was reversed by itself."""
    txn = t.reversed[0]
    printable = steps.has_slip(t, txn)
    return (
        "%06d %s" % (txn.trace, money(txn.value)),
        t.tr("state_unproven") if txn.state == tx.UNPROVEN else _at_host(t, txn),
        t.tr("enter_prints_slip" if printable else "any_key"),
    )


async def told_back(t, key):
    """Somebody has read ``back_rows`` and pressed ``key``."""
    txn = t.reversed.pop(0)
    if key == "ENTER":
        await _print_back(t, txn)


async def _wait(t, txn):
    """How long it may take, and that nobody has to do anything."""
    await t.ui.pages(t.tr("step_wait"), page(_next_try(t), t.tr("wait_text")))


async def _release(t, txn):
    """Give up on it: only the supervisor may, with a reason, after the slip came out."""
    title = t.tr("step_release")
    supervisor = await session.supervisor(t, title)
    number = await reasons.choose(t, t.tr("why"), reasons.RELEASE)
    rows = priced(t.tr(tx.KIND_NAMES[txn.kind]), txn.value)
    rows = page(*rows + [cards.short(txn.masked_pan), t.tr("release_sure")])
    if not await t.ui.confirm(title, rows + page(t.tr("release_then"), t.tr("enter_continues"))):
        return
    await t.printing.fault_slip(txn)
    txn.supervisor = supervisor
    txn.note = min(number, 255)
    t.journal.mark(txn, tx.RELEASE)
    cases.released(t, txn, supervisor, number)
    await t.ui.message(title, "%s\n%s" % (t.tr("released"), t.tr("release_then")))


async def _compare(t, txn):
    """A reversal that was closed by 12: the acquirer has looked, and nothing of it stands."""
    title = t.tr("step_compare")
    supervisor = await session.supervisor(t, title)
    number = await reasons.choose(t, t.tr("why"), reasons.COMPARE)
    sure = t.tr("compare_void_sure" if txn.kind == tx.VOID else "compare_sure")
    rows = page(spread(t.tr(tx.KIND_NAMES[txn.kind]), money(txn.value)),
                cards.short(txn.masked_pan), "%06d" % txn.trace)
    if not await t.ui.confirm(title, rows + page(sure)):
        return
    txn.code = tx.BY_HAND
    t.journal.mark(txn, tx.UNDONE)
    cases.compared(t, txn, supervisor, number)
    await t.ui.message(title, "%s\n%s" % (t.tr("compared"), _at_host(t, txn)))


# -- steps that go on from there -------------------------------------------------------------------


async def _redo(t, txn):
    if txn.kind == tx.SALE:
        await t.go("sale", None, "", txn.amount)
    elif txn.kind == tx.VOID:
        await t.go("void_chosen", t.journal.find(txn.original_trace))
    elif txn.kind == tx.REFUND and txn.by_code:
        await t.go("refund_code")
    else:
        await t.go(tx.KIND_NAMES[txn.kind])


async def _code(t, txn):
    code = await cards.scan(t, t.tr("sale"))
    await t.go("sale", None, code, txn.amount)


async def _void(t, txn):
    await t.go("void_chosen", txn)


async def _refund(t, txn):
    left = priced(t.tr("refund_left"), txn.value - t.journal.refunded(txn.rrn))
    rows = page(*left + [t.tr("refund_how")])
    rows += page(t.tr("original_rrn"), "  " + txn.rrn)
    rows += [t.tr("original_date_is"), "  " + dates.text(t.time_of(txn))[5:10].replace("-", ""),
             t.tr("enter_continues")]
    if await t.ui.confirm(t.tr("step_refund"), rows):
        await t.go("refund_code" if txn.by_code else "refund")


async def _slip(t, txn):
    await t.printing.fault_slip(txn)


async def _back(t, txn):
    await t.printing.reversal_slip(txn)


async def _reprint(t, txn):
    await t.go("reprint", txn)


async def _call(t, txn):
    """Whom to call and what to have at hand; the case number the other side gives is kept."""
    title = t.tr("step_call")
    phone = t.settings.get("service_phone") or t.tr("no_phone")
    rows = page(phone, t.tr("ask_case_number")) + [
        t.tr("have_ready"), " " + t.settings.get("merchant"),
        spread(t.tr("pos_is"), t.settings.get("terminal")),
        spread(t.tr("batch_is"), "%06d" % txn.batch),
        spread(t.tr("voucher_is"), "%06d" % txn.trace),
        t.date_text(t.time_of(txn)), "RMB " + money(txn.value), cards.short(txn.masked_pan)]
    if txn.rrn:
        rows += [t.tr("rrn_is"), "  " + txn.rrn]
    await t.ui.pages(title, rows)
    number = await t.ui.digits(title, t.tr("case_number"), _CASE_DIGITS, empty=True)
    cases.called(t, txn, number)


async def _history(t, txn):
    await t.ui.pages(t.tr("step_history"), history.rows(t, txn))


_STEPS = {
    "step_query": _query,
    "step_reverse": _reverse,
    "step_wait": _wait,
    "step_compare": _compare,
    "step_release": _release,
    "step_redo": _redo,
    "step_code": _code,
    "step_void": _void,
    "step_refund": _refund,
    "step_slip": _slip,
    "step_back": _back,
    "step_reprint": _reprint,
    "step_call": _call,
    "step_history": _history,
    "step_details": query.details,
}
