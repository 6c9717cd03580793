"""Sale (消费) and balance enquiry (余额查询)."""

from micropython import const

from mobi import dates
from mobi import transactions as tx
from mobi.acquiring import codes
from mobi.flows import advice, cards, guards, limits, online, session, steps
from mobi.ui.text import COLUMNS, money, priced

_PIN_TRIES = const(3)
# ISO 4217 numbers that a balance may come in: name on the panel, decimals.
_CURRENCIES = (
    ("156", "RMB", 2),
    ("344", "HKD", 2),
    ("446", "MOP", 2),
    ("840", "USD", 2),
    ("978", "EUR", 2),
    ("826", "GBP", 2),
    ("702", "SGD", 2),
    ("392", "JPY", 0),
    ("410", "KRW", 0),
)
_PART_COLUMNS = const(11)  # beside the word for what was paid and what is left


async def run(t, swiped=None, code="", amount=0):
    """A sale: card or payment code, amount, PIN, acquirer, receipt.

    ``swiped``: a track read on the idle screen; ``code``: a payment code (付款码) scanned there;
    ``amount``: 分, when it is known already. After a refusal the operator may take another card or
    another way to pay without keying the amount again.
    """
    title = t.tr("sale")
    guards.may_start(t, "sale")
    while True:
        txn = tx.Transaction(tx.SALE)
        await cards.ask(t, title, txn, swiped, code, scan=t.settings.get("payment_codes"))
        swiped, code = None, ""
        if not amount:
            amount = await t.ui.amount(title, t.tr("enter_amount"))
        txn.amount = amount
        await guards.ask_if_repeated(t, title, txn)
        await limits.sale(t, title, txn)
        txn = await with_pin(t, title, txn, ask_pin=not txn.by_code)
        try:
            if txn.state == tx.APPROVED:
                amount = await approved(t, title, txn)
                if not amount:
                    return
                way = await advice.other_way(t, txn, amount, again=False)
            elif txn.state == tx.DECLINED:
                way = await advice.other_way(t, txn, amount, codes.retry(txn.code) == codes.YES)
            else:
                await advice.unfinished(t, txn)
                return
        finally:
            cards.forget(txn)
        if way == advice.CODE:
            code = await cards.scan(t, title)


async def by_code(t, code=""):
    """A sale paid with a payment code (付款码); ``code``: scanned on the idle screen."""
    guards.may_start(t, "sale")
    if not t.settings.get("payment_codes"):
        raise online.Refused(t.tr("not_allowed_here"))
    if not cards.is_payment_code(code):
        code = await cards.scan(t, t.tr("sale"), again=code != "")
    await run(t, code=code)


async def late(t, txn):
    """An approval that came late, and that the operator has accepted."""
    await approved(t, t.tr(tx.KIND_NAMES[txn.kind]), txn)


async def balance(t):
    """Balance enquiry. The balance is shown for ten seconds and never printed."""
    title = t.tr("balance")
    guards.may_start(t, "balance")
    txn = tx.Transaction(tx.BALANCE)
    await cards.ask(t, title, txn)
    txn = await with_pin(t, title, txn)
    cards.forget(txn)
    if txn.state == tx.APPROVED:
        await t.ui.message(title, "%s\n%s" % (t.tr("available_balance"), _balance_text(t, txn)),
                           seconds=10)


def _balance_text(t, txn):
    # A card of another country may have its account in another currency: never call that RMB.
    if txn.balance is None:
        return "RMB " + t.tr("not_told")
    for number, name, decimals in _CURRENCIES:
        if number == txn.currency:
            if decimals:
                return "%s %s" % (name, money(txn.balance, COLUMNS))
            return "%s %s" % (name, money(txn.balance * 100, COLUMNS)[:-3])
    return t.tr("currency_other") % txn.currency


async def with_pin(t, title, txn, ask_pin=True):
    """Ask for the PIN and run ``txn``; after a wrong PIN (55) again, each time with a new trace,
    and once after keys that the host does not know: see ``renewed``.

    The last transaction, in whatever state it ended; the reason of a failure has been shown. The
    caller has to ``cards.forget`` it.
    """
    tries = 0
    fresh = False
    while True:
        tries += 1
        try:
            if ask_pin:
                await cards.pin(t, title, txn)
            if await online.financial(t, title, txn):
                return txn
            again = not fresh and await renewed(t, title, txn, ask_pin)
            if not again:
                await t.tell_code(title, txn.code, txn)
        except (online.Refused, t.Leave):
            cards.forget(txn)
            raise
        if again:
            fresh = True
            tries = 0
            txn = again_as_new(txn)
            continue
        if not ask_pin or txn.code != codes.WRONG_PIN or tries == _PIN_TRIES:
            return txn
        txn = again_as_new(txn)


async def renewed(t, title, txn, ask_pin):
    """The host has refused ``txn`` because it does not know our keys: sign on by itself. True when
    the same can be done again at once; ``ask_pin``: the customer is asked for the PIN anew then."""
    if txn.state != tx.DECLINED or txn.code not in codes.KEYS_GONE:
        return False
    if not await session.sign_on(t) or t.journal.settlement_open:
        return False
    await t.ui.message(title, t.tr("keys_renewed_pin" if ask_pin else "keys_renewed"), seconds=3)
    return True


def again_as_new(txn):
    """The same request as a new transaction; what must not rest goes over and leaves ``txn``."""
    other = tx.Transaction(txn.kind)
    for name in (
        "amount", "pan", "masked_pan", "expiry", "track2", "entry",
        "original_trace", "original_batch", "original_rrn", "original_auth", "original_date",
        "supervisor", "note",
    ):
        setattr(other, name, getattr(txn, name))
    cards.forget(txn)
    return other


async def approved(t, title, txn):
    """Show the approval, let one in part be accepted or voided, print. 分 that are still to pay."""
    rest = txn.amount - txn.value
    if rest and not await _accept_part(t, txn):
        await t.go("undo", txn)
        return 0
    rows = [t.tr("approved"), "RMB " + money(txn.value)]
    if codes.is_doubtful(txn.code):
        rows.append(t.tr("confirm_with_issuer"))
    elif txn.kind == tx.SALE:
        rows.append(until_row(t, txn))
    else:
        rows.append(t.tr(steps.about(t, txn)[1]))
    await t.ui.message(title, "\n".join(rows), seconds=2)
    await t.printing.receipt(txn)
    if guards.nearly_full(t):
        await t.ui.message(title, t.tr("nearly_full"), beep=True)
    return rest


def until_row(t, txn):
    """Whether and until when ``txn`` can be voided, in 16 columns."""
    if txn.kind != tx.SALE:
        return t.tr("voidable_not")
    until = guards.void_until(t, txn)
    if until is None:
        return t.tr("voidable_batch")
    clock = dates.text(until)[11:]
    return t.tr("voidable_until") % ("24:00" if clock == "00:00" else clock)


async def _accept_part(t, txn):
    # The host has taken less than was asked for. Nobody who does not answer has accepted it.
    t.ui.beep()
    rows = (
        t.tr("part_paid") % money(txn.value, _PART_COLUMNS),
        t.tr("part_left") % money(txn.amount - txn.value, _PART_COLUMNS),
        t.tr("part_choice"),
    )
    try:
        return await t.ui.confirm(t.tr("part_approved"), rows)
    except t.Leave:
        return False


async def offer_slip(t):
    """At log-in and after a settlement: approved transactions have no slip, because power failed,
    the paper ended or their approval came late: offer to print them, newest first, until one is
    put off. An approval in part that nobody has accepted is asked about again."""
    newest = t.journal.newest_approved()
    for txn in await t.printing.owed():
        title = t.tr(tx.KIND_NAMES[txn.kind])
        if txn.state == tx.APPROVED and txn.value != txn.amount and not txn.printed:
            await approved(t, title, txn)
            continue
        last = newest is not None and txn.ordinal == newest.ordinal
        rows = priced("%06d" % txn.trace, txn.value) + [t.tr("enter_prints")]
        if not await t.ui.confirm(title, [t.tr("no_slip_yet" if last else "slip_owed")] + rows):
            return
        await t.printing.receipt(txn)
