"""What stands on paper: sales slip (签购单), fault report (故障报告单), settlement slips (结算单).

A slip is a row of (style, text) pairs made from the journal, 32 columns wide; printing it never
changes the money. Card numbers are masked on every copy; expiry, track and PIN are not known here.
"""

from mobi import banks, dates
from mobi import transactions as tx
from mobi.access import NOBODY
from mobi.acquiring import codes
from mobi.devices.printer import BIG, BOLD, CENTRE, CUT, FEED, NORMAL, RULE, TALL
from mobi.flows import cases, fees, history, reasons, sale, steps
from mobi.ui import font
from mobi.ui.text import money, priced, spread, width, wrap

_COLUMNS = 32
_WIDE_COLUMNS = 16
_COUNT_COLUMNS = 18  # of a line of totals: its name and count
COPIES = ("copy_merchant", "copy_cardholder", "copy_bank")
_CARDHOLDER = 1
# In English a slip of money that goes back is not headed SALES SLIP.
_TITLES = {tx.VOID: "slip_title_void", tx.REFUND: "slip_title_refund"}
# How the card number came in, as letter behind it: S stripe, M manual, Q code, else N.
_ENTRIES = (("01", "M"), ("02", "S"), ("03", "Q"))
# Field 63 of a reply: card organisation, then texts of issuer, centre and acquirer.
_HOST_TEXTS = ((3, 23), (23, 43), (43, 63))


def pair(left, right, style=NORMAL):
    """A line with ``left`` and ``right`` at its ends."""
    return (style, spread(left, right, _COLUMNS))


def ends(left, right, style=NORMAL):
    """The same where one of them may be too long: then in two lines, both whole."""
    if width(left) + 1 + width(right) <= _COLUMNS:
        return [pair(left, right, style)]
    return [(style, left), pair("", right, style)]


def big(words):
    """A line in large letters in the middle; where they are too wide for the paper, only tall."""
    return ((BIG if width(words) <= _WIDE_COLUMNS else TALL | BOLD) | CENTRE, words)


def text(words, style=NORMAL):
    """``words`` in as many lines as they need."""
    return [(style, row) for row in wrap(words, _COLUMNS)]


def head(t, title, subtitle):
    """Test banner, title, subtitle, merchant, terminal."""
    lines = []
    if t.settings.get("test_mode"):
        lines.append((BOLD | CENTRE, t.tr("slip_test")))
    lines += [
        big(title),
        (CENTRE, subtitle),
        (RULE, ""),
        (NORMAL, font.gbk(t.tr("merchant_name")) + b" " + t.settings.get("merchant_name")),
        pair(t.tr("p_merchant"), t.settings.get("merchant")),
        pair(t.tr("p_terminal"), t.settings.get("terminal")),
    ]
    return lines


def tail(t):
    """Service number, and the cut."""
    return [
        (CENTRE, t.tr("service_call") % t.settings.get("service_phone")),
        (CUT, ""),
    ]


# -- sales slip ------------------------------------------------------------------------------------


def sales_slip(t, txn, copy, duplicate=False):
    """The sales slip of an approved transaction. ``copy``: 0 merchant, 1 cardholder, 2 bank."""
    lines = head(t, t.tr(_TITLES.get(txn.kind, "slip_title")), t.tr(COPIES[copy]))
    lines.append(pair(t.tr("operator_is"), "%02d" % txn.operator))
    lines.append((RULE, ""))
    lines += _card(t, txn)
    lines.append((RULE, ""))
    lines.append(pair(t.tr("batch_is"), "%06d" % txn.batch))
    lines.append(pair(t.tr("voucher_is"), "%06d" % txn.trace))
    if txn.auth:
        lines.append(pair(t.tr("auth_is"), txn.auth))
    lines.append(pair(t.tr("time_is"), dates.text(t.time_of(txn))))
    lines.append(pair(t.tr("rrn_is"), txn.rrn))
    lines.append((NORMAL, t.tr("amount")))
    sign = "-" if tx.counts_as_credit(txn.kind) else ""
    lines.append(big("RMB %s%s" % (sign, money(txn.value))))
    lines.append((RULE, ""))
    lines += _remarks(t, txn, copy, duplicate)
    if txn.state == tx.VOIDED:
        lines.append(big(t.tr("state_voided")))
    if duplicate:
        lines.append((BOLD | CENTRE, t.tr("duplicate")))
    if copy != _CARDHOLDER and not txn.by_code:
        lines.append((NORMAL, t.tr("signature")))
        lines.append((FEED, 3))
        lines.append((RULE, ""))
        lines += text(t.tr("signature_text"))
    return lines + tail(t)


def _card(t, txn):
    lines = []
    issuer, acquirer = _ascii(txn.institutions[:11]), _ascii(txn.institutions[11:22])
    if issuer:
        lines += ends(t.tr("issuer"), banks.name(issuer, t.language))
    organisation = _ascii(txn.host_text[:3])
    if organisation and organisation != "CUP":
        lines.append(pair(t.tr("organisation"), organisation))
    if txn.masked_pan:
        letter = "N"
        for entry, name in _ENTRIES:
            if txn.entry[:2] == entry:
                letter = name
        lines.append((NORMAL, t.tr("card_number")))
        lines.append((TALL | BOLD, "%s /%s" % (txn.masked_pan, letter)))
    elif txn.by_code:
        lines.append((TALL | BOLD, t.tr("way_code")))
    if acquirer:
        lines += ends(t.tr("acquirer"), banks.name(acquirer, t.language))
    kind = t.tr("slip_" + tx.KIND_NAMES[txn.kind])
    lines.append(pair(t.tr("kind_is"), kind, TALL | BOLD))
    return lines


def _ascii(data):
    # What the host sends is printed only where it is text.
    data = bytes(data).strip()
    for byte in data:
        if not 32 <= byte < 127:
            return ""
    return data.decode()


def _remarks(t, txn, copy, duplicate):
    lines = []
    if txn.kind == tx.VOID:
        lines.append(pair(t.tr("original_is"), "%06d" % txn.original_trace))
    elif txn.kind == tx.REFUND:
        lines.append(pair(t.tr("original_rrn"), txn.original_rrn))
        lines.append(pair(t.tr("original_date_is"), txn.original_date))
    if txn.value != txn.amount:
        lines.append(pair(t.tr("asked_for"), money(txn.amount)))
    if came_late(t, txn):
        lines.append((BOLD, t.tr("late_result")))
    if codes.is_doubtful(txn.code):
        lines.append((BOLD, t.tr("confirm_with_issuer")))
    if txn.supervisor != NOBODY:
        lines.append(pair(t.tr("supervisor_is"), "%02d" % txn.supervisor))
    if copy != _CARDHOLDER:
        if duplicate and txn.kind != tx.SALE:
            # Reasons are asked for after the first print.
            reason = reasons.given(t, txn)
            if reason:
                lines += ends(t.tr("why"), reasons.text(t, reason))
        lines += fees.lines(t, txn)
    for begin, end in _HOST_TEXTS:
        said = bytes(txn.host_text[begin:end]).strip()
        if said:
            lines.append((NORMAL, said))
    # What the customer needs: where it stands, and when money comes back.
    lines.append(pair(t.tr("state_is"), t.state_text(txn)))
    if txn.kind == tx.VOID:
        lines += text(t.tr("money_back_void"))
    elif txn.kind == tx.REFUND:
        lines += text(t.tr("money_back_refund"))
    elif txn.state == tx.APPROVED:
        lines += text(sale.until_row(t, txn))
    return lines


def came_late(t, txn):
    """Had it been given up when its result was accepted?"""
    for event, _ in t.journal.history(txn):
        if event == tx.REVERSE or event == tx.LOSE:
            return True
    return False


# -- fault report ----------------------------------------------------------------------------------


def fault_slip(t, txn):
    """What the bank needs to put an open transaction right by hand, and what was done about it so
    far. Not a voucher."""
    lines = head(t, t.tr("fault_slip"), t.tr("not_a_voucher"))
    lines += [
        (RULE, ""),
        pair(t.tr("kind_is"), t.tr("slip_" + tx.KIND_NAMES[txn.kind])),
        pair(t.tr("batch_is"), "%06d" % txn.batch),
        pair(t.tr("voucher_is"), "%06d" % txn.trace),
        (NORMAL, txn.masked_pan),
        pair(t.tr("amount"), "RMB " + money(txn.value)),
        pair(t.tr("time_is"), dates.text(t.time_of(txn))),
        pair(t.tr("operator_is"), "%02d" % txn.operator),
    ]
    if txn.original_trace:
        lines.append(pair(t.tr("original_is"), "%06d" % txn.original_trace))
    if txn.original_rrn:
        lines.append(pair(t.tr("original_rrn"), txn.original_rrn))
    if txn.reason:
        lines.append(pair(t.tr("reason_is"), txn.reason))
    if txn.attempts:
        lines.append((NORMAL, t.tr("attempts_are") % txn.attempts))
    lines.append(pair(t.tr("state_is"), t.state_text(txn)))
    code, fault = cases.cause(t, txn)
    if code:
        lines.append(pair(t.tr("cause_is"), codes.group_text(code, t.language)))
        lines += text("%s %s %s" % (code, t.code_text(code), fault))
    lines.append((RULE, ""))
    lines += [(NORMAL, row) for row in history.rows(t, txn, _COLUMNS)]
    lines.append((RULE, ""))
    lines += text(t.tr("fault_text"))
    return lines + tail(t)


def reversal_slip(t, txn):
    """For the customer (冲正凭单): what was charged or voided, and taken back. ``txn``: reversed,
    or closed without a proof."""
    lines = head(t, t.tr("reversal_slip"), t.tr("copy_cardholder"))
    lines += [
        (RULE, ""),
        pair(t.tr("kind_is"), t.tr("slip_" + tx.KIND_NAMES[txn.kind])),
        pair(t.tr("batch_is"), "%06d" % txn.batch),
        pair(t.tr("voucher_is"), "%06d" % txn.trace),
        (NORMAL, txn.masked_pan),
        (NORMAL, t.tr("amount")),
        big("RMB " + money(txn.value)),
        pair(t.tr("time_is"), dates.text(txn.time)),
    ]
    if txn.original_trace:
        lines.append(pair(t.tr("original_is"), "%06d" % txn.original_trace))
    lines.append(pair(t.tr("state_is"), t.state_text(txn)))
    lines.append((RULE, ""))
    lines.append((BOLD, t.tr(steps.about(t, txn)[1])))
    if steps.standing(t, txn) == tx.UNPROVEN:
        name = "reversal_doubt_text"
    else:
        name = "reversal_void_text" if txn.kind == tx.VOID else "reversal_text"
    return lines + text(t.tr(name)) + tail(t)


# -- settlement ------------------------------------------------------------------------------------


def totals_slip(t, batch, sums, duplicate=False, closed=None):
    """Totals (结算总计单) of a batch. ``closed``: what settlement kept of it, see `settle.Settled`;
    None for a batch that is still open."""
    verdict = closed.verdict if closed else 0
    lines = head(t, t.tr("totals_slip"), t.tr("verdict_%d" % verdict))
    time = closed.time if closed else t.now()
    operator = closed.operator if closed else t.session.operator
    lines += [
        pair(t.tr("operator_is"), "%02d" % operator),
        pair(t.tr("batch_is"), "%06d" % batch),
        pair(t.tr("time_is"), dates.text(time)),
        (RULE, ""),
        pair(spread(t.tr("kind_is"), t.tr("count"), _COUNT_COLUMNS), t.tr("amount")),
    ]
    for row in (
        # The trade's way: sales that were voided are not among them here.
        ("slip_sale", sums.sale_count - sums.void_count, sums.sale_amount - sums.void_amount),
        ("slip_void", sums.void_count, sums.void_amount),
        ("slip_refund", sums.refund_count, sums.refund_amount),
        None,
        ("debit", sums.debit_count, sums.debit_amount),
        ("credit", sums.credit_count, sums.credit_amount),
    ):
        lines += _sum(t, *row) if row else [(RULE, "")]
    lines.append(
        pair(t.tr("net"), money(sums.debit_amount - sums.credit_amount), TALL | BOLD))
    if closed and closed.left[0]:
        lines.append((RULE, ""))
        lines += _sum(t, "refunds_unknown", *closed.left)
        lines += text(t.tr("refunds_left_help"))
    lines += _beside(t, batch, closed is None)
    if closed and verdict != 1:
        # Both ends' figures, for whoever has to find the difference.
        debits, debit, credits_, credit = closed.host
        lines.append((RULE, ""))
        lines.append((NORMAL, t.tr("host_has")))
        lines += _sum(t, "debit", debits, debit)
        lines += _sum(t, "credit", credits_, credit)
        lines += text(t.tr("verdict_help_%d" % verdict))
    if duplicate:
        lines.append((BOLD | CENTRE, t.tr("duplicate")))
    return lines + tail(t)


def _beside(t, batch, refunds):
    # What the net lacks because nobody knows: reversals that are due or not proven, what was given
    # up; with ``refunds`` those without an answer, too (a settlement has counted them itself).
    lines = []
    for txn in t.journal.cases() + t.journal.released():
        known = txn.kind == tx.REFUND and not refunds
        if txn.batch == batch and tx.moves_money(txn.kind) and not known:
            lines += ends("%06d %s" % (txn.trace, t.tr("slip_" + tx.KIND_NAMES[txn.kind])),
                          money(txn.value))
            lines.append(pair("  " + txn.masked_pan, t.state_text(txn)))
    if lines:
        return [(RULE, ""), (BOLD, t.tr("not_in_net"))] + lines
    return lines


def _sum(t, name, count, amount):
    # The amount has a line of its own where it would push the count aside.
    return ends(spread(t.tr(name), str(count), _COUNT_COLUMNS), money(amount))


def details_slip(t, batch, count, get):
    """Details (交易明细单): each transaction that moved money, with its state and the reference
    number by which it is refunded.

    Yields the lines, so that a long batch needs no memory. ``get(i)``: the i-th of ``count``.
    """
    for line in head(t, t.tr("details_slip"), t.tr("batch_is") + " %06d" % batch):
        yield line
    yield (RULE, "")
    for i in range(count):
        txn = get(i)
        if txn is None:
            yield (NORMAL, t.tr("record_damaged"))
        elif txn.batch != batch:
            pass  # of a batch that was given up for the host's, because it held nothing to settle
        elif tx.moves_money(txn.kind):
            kind = t.tr("slip_" + tx.KIND_NAMES[txn.kind])
            for row in priced("%06d %s" % (txn.trace, kind), txn.value, _COLUMNS):
                yield (NORMAL, row)
            yield pair("  " + txn.masked_pan, t.state_text(txn))
            if txn.rrn:
                yield pair("  " + t.tr("rrn_is"), txn.rrn)
    for line in tail(t):
        yield line
