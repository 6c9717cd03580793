"""One request to the acquirer and what its outcome means for the journal: the terminal's heart.

Every transaction that can move money goes through ``financial``. Read it from top to bottom: it is
rules 1 to 5 of ``mobi.transactions`` as a story.
"""

from micropython import const

from mobi import transactions as tx
from mobi.acquiring import codes
from mobi.acquiring.messages import BadMac, BadMessage, Rejected
from mobi.flows import cases, retries
from mobi.journal.log import JournalFull
from mobi.link.link import CONNECTING, DOWN, WAITING, LinkError

# How long the line may take to show a sign of life before anything is sent.
_HELLO_MS = const(5000)
# Reversed transactions that the idle screen tells of, at most: the newest.
_MOST_TOLD = const(4)


class Refused(Exception):
    """The terminal does not do this now. ``text`` says why and what to do.

    ``code``: the code for it, where there is one, with its cause and advice. ``txn``: the
    transaction whose money the words are about; None: no transaction's. ``message``: not ``txn``
    has failed, but a message about it. ``before``: what is to be said first.
    """

    def __init__(self, text, code="", txn=None, message=False, before=""):
        super().__init__(text)
        self.text = text
        self.code = code
        self.txn = txn
        self.message = message
        self.before = before


def refused_by(t, code, txn=None, message=False):
    """``Refused`` because of what ``code`` stands for; see there."""
    kind = 0 if txn is None or message else txn.kind
    text = "%s\n%s" % (t.code_text(code), codes.advice(code, t.language, kind))
    return Refused(text, code, txn, message)


def no_room(t, kind):
    """``Refused`` because the journal takes no further transaction; ``kind``: of what was to be."""
    if t.journal.read_only:
        return Refused(t.tr("journal_read_only"))
    return refused_by(t, codes.JOURNAL_FULL, tx.Transaction(kind))


async def reach(t, title, txn=None, message=False):
    """Is anybody at the other end? ``Refused`` when not; nothing has been sent then."""
    t.ui.show(title, t.tr("connecting"))
    if not await t.link.hello(_HELLO_MS):
        raise refused_by(t, codes.LINE_DOWN, txn, message)


def about(t):
    """What a message that is no transaction says about the operator and the batch."""
    txn = tx.Transaction(0)
    txn.operator = t.session.operator
    txn.batch = t.journal.batch
    return txn


async def exchange(t, title, name, txn):
    """Send the request ``name`` about ``txn`` and give the checked reply.

    Raises ``LinkError``, ``BadMac``, ``Rejected`` or ``BadMessage``; what it means is the caller's
    business. Obeys the processing demand of the host's header.
    """

    def progress(stage, left_ms):
        if stage == WAITING and left_ms is not None:
            t.ui.show(title, t.tr("waiting") % max(0, left_ms // 1000))
        else:
            t.ui.show(title, t.tr("connecting" if stage == CONNECTING else "sending"))

    t.ui.show(title, t.tr("sending"))
    request = t.composer.build(name, txn)
    try:
        raw = await t.link.request(request, t.settings.get("reply_seconds") * 1000, progress)
        reply = t.composer.read(name, txn, raw)
    finally:
        # What was pressed while nothing was asked must not answer the next question.
        t.inputs.clear()
    t.set_host_time(reply.host_time)
    t.session.obey(reply.demand, reply.code)
    return reply


async def ask_time(t, title):
    """Set the clock by an echo. What goes wrong is not told: the line has its own ways to."""
    try:
        await exchange(t, title, "echo", about(t))
    except (LinkError, Rejected, BadMessage, BadMac):
        pass


async def financial(t, title, txn):
    """Run a transaction that moves money or asks for a balance. True when it was approved.

    Afterwards ``txn.state`` and ``txn.code`` tell what happened; everything is in the journal.
    """
    await clear_reversals(t, title)
    await reach(t, title, txn)
    if t.clock_stood:
        await ask_time(t, title)  # its date is the one a refund will be asked for
    txn.operator = t.session.operator
    txn.time = t.now()
    _rehearse(t, txn)
    try:
        t.journal.begin(txn)  # rule 1: trace and intent are durable before the first byte leaves
    except JournalFull:
        raise no_room(t, txn.kind)
    t.last_fault = ""
    try:
        await exchange(t, title, tx.KIND_NAMES[txn.kind], txn)
    except LinkError as error:
        if error.reason == DOWN:
            txn.code = codes.LINE_DOWN
            t.journal.mark(txn, tx.DROP)
            raise refused_by(t, codes.LINE_DOWN, txn)
        without_answer(t, txn, tx.NO_REPLY, codes.of_error(error))
    except BadMac as error:
        t.fault("mac", error)
        without_answer(t, txn, tx.BAD_MAC, codes.BAD_MAC)
        t.session.distrust()  # the reversal's own MAC would fail too: new keys first
    except (Rejected, BadMessage) as error:
        t.fault("reply", error)
        without_answer(t, txn, tx.OTHER, codes.of_error(error))
    else:
        # rule 2: the outcome is durable before it is shown, printed or acknowledged
        t.journal.mark(txn, tx.APPROVE if codes.is_approved(txn.code, txn.kind) else tx.DECLINE)
    return txn.state == tx.APPROVED


def _rehearse(t, txn):
    # Whatever is begun can be taken back: what could not be is refused before anything is written.
    txn.trace = t.journal.next_trace
    txn.batch = t.journal.batch
    try:
        t.composer.rehearse(txn)
    except BadMessage as error:
        t.fault("compose", error)
        raise Refused("%s\n%s" % (t.tr("cannot_be_sent"), codes.fault_text(error)))


def without_answer(t, txn, reason, code):
    """Record that no answer to ``txn`` can be had: reversal due, outcome unknown, or no harm.

    ``reason``: field 39 of the reversal. ``code``: the terminal's own code for what happened.
    """
    txn.reason = reason
    t.journal.mark(txn, tx.without_answer(txn.kind))
    txn.code = code  # for the screen; the host gave none
    if tx.is_unfinished(txn.state):
        cases.opened(t, txn, code)
        retries.plan(t)


def recover(t):
    """After a power cut: what was PENDING at boot has no answer any more (rule 3)."""
    for txn in t.journal.unfinished():
        if txn.state == tx.PENDING:
            t.last_fault = ""
            without_answer(t, txn, tx.NO_REPLY, codes.POWER_LOST)
    retries.plan(t)


def blocking(t):
    """The transaction whose reversal has failed as often as it may; None when none has."""
    tries = t.settings.get("reversal_tries")
    for txn in t.journal.unfinished():
        if txn.state == tx.REVERSAL_DUE and txn.attempts >= tries:
            return txn
    return None


async def clear_reversals(t, title):
    """Send what must be reversed before anything else may be. ``Refused`` when it stays due, or
    when the host wants another sign-on first."""
    for txn in t.journal.unfinished():
        if txn.state != tx.REVERSAL_DUE:
            continue
        left = t.settings.get("reversal_tries") - txn.attempts
        if left <= 0:
            raise Refused(t.tr("reversal_blocks"))
        try:
            done = await reverse(t, title, txn, left)
        except Refused as refused:
            if not refused.code:
                raise Refused("%s\n%s" % (refused.text, t.tr("new_not_sent")))
            refused.before = _not_sent(t, refused.before or t.code_text(refused.code))
            raise
        if not done:
            before = _not_sent(t, t.code_text(txn.code))
            raise Refused(t.tr("reversal_failed"), txn.code, txn, True, before)
        note_reversed(t, txn)
        if not t.session.trusted:
            raise Refused("%s\n%s" % (t.tr("sign_on_first"), t.tr("new_not_sent")))


def note_reversed(t, txn):
    """It was reversed by itself: the idle screen says so."""
    t.reversed.append(txn)
    del t.reversed[:-_MOST_TOLD]


def _not_sent(t, why):
    return "%s\n%s\n%s" % (why, t.tr("new_not_sent"), t.tr("old_not_reversed"))


async def reverse(t, title, txn, tries):
    """Send the reversal of ``txn`` up to ``tries`` times. True when the host closed it; otherwise
    ``txn.code`` tells what came of the last try.

    Each try is durable before it leaves. A line that is down costs no try. The last try that fails
    prints the fault slip (故障报告单); the record stays until the host or the supervisor closes it.
    """
    if not t.session.trusted:
        raise Refused(t.tr("sign_on_first_reversal"))
    heading = t.tr("reversing")
    retries.plan(t)
    for _ in range(tries):
        await reach(t, heading, txn, True)
        txn.attempts += 1
        t.journal.mark(txn, tx.ATTEMPT)
        t.last_fault = ""
        try:
            reply = await exchange(t, heading, _reversal_name(txn), txn)
        except BadMac as error:
            t.fault("mac", error)
            t.session.distrust()
            txn.code = codes.BAD_MAC
        except (LinkError, Rejected, BadMessage) as error:
            t.fault("reversal", error)
            txn.code = codes.of_error(error)
        else:
            txn.code = reply.code
            if reply.code in tx.REVERSAL_CLOSED_BY:
                _close(t, txn)
                return True
        cases.tried(t, txn, txn.code)
        if txn.attempts == t.settings.get("reversal_tries"):
            await t.printing.fault_slip(txn)
        if not t.session.trusted:
            first = t.tr("sign_on_first_reversal")
            raise Refused(first, txn.code, txn, True, first)
    return False


def _close(t, txn):
    if txn.code == tx.CLOSED_UNPROVEN:
        # It is not sent again, and nobody knows whether the host had it.
        t.journal.mark(txn, tx.DOUBT)
        t.report("reversal %06d of batch %06d closed by 12: compare it" % (txn.trace, txn.batch))
        t.to_prove.append(txn)
    else:
        t.journal.mark(txn, tx.UNDONE)
    cases.closed(t, txn, txn.code)


def _reversal_name(txn):
    return "void_reversal" if txn.kind == tx.VOID else "sale_reversal"
