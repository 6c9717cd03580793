"""What went wrong, what is safe, what to tell the customer, and the ways on from there."""

from micropython import const

from mobi import transactions as tx
from mobi.acquiring import codes
from mobi.ui.text import money, wrap

# Ways to pay what has not been paid.
AGAIN = const(1)
CARD = const(2)
CODE = const(3)


def rows(t, code, kind=tx.SALE, fault=""):
    """The rows of a screen about ``code``: what happened, what to do, what the customer is told,
    and whose side the cause is on. ``fault``: what exactly differed."""
    language = t.language
    out = wrap("%s %s" % (code, codes.text(code, language)))
    if fault:
        out += wrap(fault)
    out += wrap(codes.advice(code, language, kind))
    group = codes.group_text(code, language)
    if group:
        out.append(t.tr("tell_customer"))
        out += wrap(codes.customer(code, language, kind))
        out.append(t.tr("cause_is"))
        out.append(group)
    return out


async def tell(t, title, code, kind=tx.SALE):
    """Show ``rows``; ends at a key."""
    fault = t.last_fault if code in (codes.MISMATCH, codes.BAD_MAC, codes.GARBLED) else ""
    await t.ui.message(title, "\n".join(rows(t, code, kind, fault)), beep=True)


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
    at = await t.ui.choose(t.tr("pay_rest") % money(amount), labels)
    if at == len(ways):
        raise t.Leave()
    return ways[at][0]


async def unfinished(t, txn):
    """Lead straight to the case of a transaction without an outcome, while everybody is there."""
    if tx.is_unfinished(txn.state):
        await t.go("case", txn)
