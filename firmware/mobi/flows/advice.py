"""What went wrong, what is safe, what to tell the customer, and the ways on from there."""

from micropython import const

from mobi import transactions as tx
from mobi.acquiring import codes
from mobi.flows import steps
from mobi.ui.text import COLUMNS, PAGE, money, page, spread, width

# Ways to pay what has not been paid.
AGAIN = const(1)
CARD = const(2)
CODE = const(3)
_REST_COLUMNS = const(10)  # of a title, beside its word and the mark that there is more


def rows(t, code, txn=None, message=False, fault=""):
    """Pages about ``code``: what happened, what became of the money, what to do, what the customer
    is told, whose side the cause is on.

    ``txn``: the transaction whose money is meant; None: no transaction's. ``message``: not ``txn``
    itself has failed, but a message about it. ``fault``: what exactly differed.
    """
    what = codes.text(code, t.language)
    if txn is None or message:
        out = page(what, codes.advice(code, t.language, 0))
    if txn is not None:
        _, there, safe, tell = steps.about(t, txn)
        safe = t.tr(safe) if safe else codes.advice(code, t.language, txn.kind)
        tell = t.tr(tell) if tell else codes.customer(code, t.language)
        if message:
            number = "%06d %s" % (txn.trace, money(txn.value))
            out += page(number, t.tr(there)) + page(t.tr("is_safe"), safe)
        else:
            out = page(what, t.tr(there), safe)
        if codes.group(code) != codes.G_NONE:
            out += page(t.tr("tell_customer"), tell)
    if codes.group(code) != codes.G_NONE:
        out += page(t.tr("cause_is"), codes.group_text(code, t.language),
                    spread(t.tr("code_is"), code or "-"))
    if fault:
        out += page(t.tr("fault_is"), fault)
    return out


async def tell(t, title, code, txn=None, message=False, before=""):
    """Show ``rows`` under ``title`` and the code; ends at a key. ``before``: what the first page
    says in place of what happened on the line."""
    fault = t.last_fault if code in (codes.MISMATCH, codes.BAD_MAC, codes.GARBLED) else ""
    if width(title) + 1 + len(code) <= COLUMNS - 2:  # two columns are the scroll mark's
        title = "%s %s" % (title, code)
    found = rows(t, code, txn, message, fault)
    if before:
        found = page(before) + found[PAGE:]
    await t.ui.message(title, "\n".join(found), beep=True)


async def other_way(t, txn, amount, again):
    """How to pay ``amount`` 分 after ``txn`` was refused or approved in part: AGAIN, CARD or CODE.

    ``again``: may the same be tried once more? ``Leave`` when the customer does not pay.
    """
    ways = []
    if again:
        ways.append((AGAIN, "way_again"))
    ways.append((CARD, "way_card"))
    if t.settings.get("payment_codes"):
        ways.append((CODE, "way_code_again" if txn.by_code else "way_code"))
    labels = [t.tr(name) for _, name in ways] + [t.tr("way_none")]
    at = await t.ui.choose(t.tr("pay_rest") % money(amount, _REST_COLUMNS), labels)
    if at == len(ways):
        raise t.Leave()
    return ways[at][0]


async def unfinished(t, txn):
    """Lead straight to the case of a transaction without an outcome, while everybody is there."""
    if tx.is_unfinished(txn.state):
        await t.go("case", txn)
