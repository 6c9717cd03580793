"""What went wrong, what is safe, what to tell the customer, and the ways on from there."""

from micropython import const

from mobi import transactions as tx
from mobi.acquiring import codes
from mobi.ui.text import COLUMNS, money, page, spread, width

# Ways to pay what has not been paid.
AGAIN = const(1)
CARD = const(2)
CODE = const(3)


def rows(t, code, kind=tx.SALE, fault=""):
    """Pages about ``code``: what happened and what to do, what the customer is told, whose side the
    cause is on. ``fault``: what exactly differed."""
    out = page(codes.text(code, t.language), codes.advice(code, t.language, kind))
    if codes.group(code) != codes.G_NONE:
        out += page(t.tr("tell_customer"), codes.customer(code, t.language, kind))
        out += page(t.tr("cause_is"), codes.group_text(code, t.language),
                    spread(t.tr("code_is"), code or "-"))
    if fault:
        out += page(t.tr("fault_is"), fault)
    return out


async def tell(t, title, code, kind=tx.SALE):
    """Show ``rows`` under ``title`` and the code; ends at a key."""
    fault = t.last_fault if code in (codes.MISMATCH, codes.BAD_MAC, codes.GARBLED) else ""
    if width(title) + 1 + len(code) <= COLUMNS - 2:  # two columns are the scroll mark's
        title = "%s %s" % (title, code)
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
