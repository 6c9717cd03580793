"""Every slip, report and list with amounts up to the largest, in both languages: all is whole."""

from mobi import transactions as tx
from mobi.acquiring import codes
from mobi.devices import printer as p
from mobi.flows import fees, query, settle, slips, unfinished, void
from mobi.journal.log import Totals
from mobi.settings import TABLE
from mobi.ui import strings, text

LARGEST = 999999999  # 分 of one transaction
MOST = 2000 * LARGEST  # of a batch
AMOUNTS = (1, 12345, 99999999, 100000000, LARGEST)
SUMS = (0, 12345, 9999999999, 10000000000, 999999999999, MOST)


class Narrow(Exception):
    """Something would be cut."""


def strict(left, right, columns=text.COLUMNS):
    if text.width(left) + 1 + text.width(right) > columns and left:
        raise Narrow(f"{left} | {right}")
    return SPREAD(left, right, columns)


SPREAD = text.spread


class Settings:
    def __init__(self):
        self.values = {row[0]: row[2] for row in TABLE}
        self.values["fee_bp"] = 1000
        self.values["merchant"] = "123456789012345"
        self.values["terminal"] = "00000001"
        self.values["void_minutes"] = 30

    def get(self, name):
        return self.values[name]


class Journal:
    def history(self, txn):
        return [(tx.BEGIN, 0), (tx.LOSE, 1)]

    def notes(self, kind, txn=None):
        return [(5, 1, b"open L1", txn)]

    def refunded(self, rrn):
        return 0

    def unfinished(self):
        return []

    cases = released = unfinished


class Session:
    operator = 1


class Screens:
    """Takes what would be shown."""

    def __init__(self):
        self.rows = []

    async def pages(self, title, rows, keys=("ENTER",)):
        self.rows += rows
        return "ENTER"


class Terminal:
    def __init__(self, language):
        self.language = language
        self.settings = Settings()
        self.journal = Journal()
        self.session = Session()
        self.ui = Screens()

    def tr(self, name):
        return strings.lookup(name, self.language)

    def now(self):
        return 848620800

    def time_of(self, txn):
        return txn.time

    def date_text(self, time):
        return "2026-11-22 09:00"

    def state_text(self, txn):
        return self.tr("state_" + tx.STATE_NAMES[txn.state])

    def code_text(self, code):
        return codes.text(code, self.language)


def sample(kind, amount, state=tx.APPROVED):
    txn = tx.Transaction(kind)
    txn.state = state
    txn.trace = 999999
    txn.batch = 999999
    txn.amount = amount
    txn.time = 848620800
    txn.masked_pan = "622202*********0128"
    txn.original_trace = 999998
    txn.original_rrn = "632600000001"
    txn.original_date = "1122"
    txn.rrn = "632600000002"
    txn.auth = "123456"
    txn.supervisor = 0
    txn.institutions = b"0100123456748021234567"
    txn.host_text = b"CUP" + bytes(60)
    return txn


def whole(lines, *wanted):
    """The lines fit the paper, and ``wanted`` stands on it."""
    words = ""
    for style, line in lines:
        if style & (p.RULE | p.FEED | p.CUT):
            continue
        if isinstance(line, str):
            limit = 16 if style & p.WIDE else 32
            assert text.width(line) <= limit, line
            words += line + "\n"
    for one in wanted:
        assert one in words, (one, words)
    return words


def panel(rows, *wanted):
    for row in rows:
        assert text.width(row) <= 16, row
    for one in wanted:
        assert one.replace(",", "") in "\n".join(rows).replace(",", ""), (one, rows)


def everywhere(check):
    """``check`` in both languages, with nothing cut in silence."""
    modules = (slips, query, unfinished, fees, text)
    patched = [module for module in modules if hasattr(module, "spread")]
    for module in patched:
        module.spread = strict
    try:
        for language in (0, 1):
            check(Terminal(language))
    finally:
        for module in patched:
            module.spread = SPREAD


def test_sales_slips_with_every_amount():
    def check(t):
        for amount in AMOUNTS:
            for kind in (tx.SALE, tx.VOID, tx.REFUND):
                sign = "" if kind == tx.SALE else "-"
                for copy in range(3):
                    txn = sample(kind, amount)
                    whole(slips.sales_slip(t, txn, copy, duplicate=True),
                          f"RMB {sign}{text.money(amount)}\n")
            txn = sample(tx.SALE, LARGEST)
            txn.approved_amount = amount
            whole(slips.sales_slip(t, txn, 0), text.money(amount), text.money(LARGEST))

    everywhere(check)


def test_fault_reports_with_every_amount():
    def check(t):
        for amount in AMOUNTS:
            for kind in (tx.SALE, tx.VOID, tx.REFUND):
                txn = sample(kind, amount, tx.REVERSAL_DUE)
                txn.attempts = 3
                txn.reason = "98"
                whole(slips.fault_slip(t, txn), "RMB " + text.money(amount))

    everywhere(check)


def test_totals_keep_their_counts_and_their_digits():
    def check(t):
        for amount in SUMS:
            for count in (0, 13, 999, 2000):
                for sums in (Totals((count, amount, 0, 0, 0, 0)),
                             Totals((count, amount, count, amount, 0, 0)),
                             Totals((0, 0, 0, 0, count, amount))):
                    host = (count, amount, count, amount)
                    closed = settle.Settled(2, 848620800, 1, sums, host)
                    net = sums.debit_amount - sums.credit_amount
                    words = whole(slips.totals_slip(t, 999999, sums, True, closed),
                                  text.money(amount), text.money(net))
                    words = words.replace("\n ", " ")
                    rows = [row.split() for row in words.split("\n")]
                    for name in ("slip_sale", "slip_refund", "debit", "credit"):
                        label = t.tr(name).split()
                        rows_of = [row for row in rows if row[: len(label)] == label]
                        for row in rows_of:
                            number, money = row[len(label) :]
                            assert number in ("0", str(count)), row
                            assert money in ("0.00", text.money(amount)), row
                    panel(query.totals_rows(t, sums), text.money(net))

    everywhere(check)


def test_details_with_every_amount():
    def check(t):
        for amount in AMOUNTS:
            for kind in (tx.SALE, tx.VOID, tx.REFUND):
                txn = sample(kind, amount)
                lines = list(slips.details_slip(t, txn.batch, 1, [txn].__getitem__))
                whole(lines, "999999",
                      t.tr("slip_" + tx.KIND_NAMES[kind]))
                words = whole(lines).replace(",", "")
                assert text.money(amount).replace(",", "") in words

    everywhere(check)


def test_panels_with_every_amount():
    def check(t):
        for amount in AMOUNTS:
            for kind in (tx.SALE, tx.VOID, tx.REFUND):
                txn = sample(kind, amount)
                wanted = text.money(amount)
                panel(unfinished.summary(t, txn), wanted)
                panel(unfinished.case_rows(t, txn), wanted)
                panel(void.describe(t, txn, fees.rows(t, txn)), wanted)
                panel(query.summary(t, txn), wanted)
                txn.approved_amount = amount - 1
                t.ui.rows = []
                try:
                    query.details(t, txn).send(None)
                except StopIteration:
                    pass
                panel(t.ui.rows, wanted, text.money(amount - 1))

    everywhere(check)
