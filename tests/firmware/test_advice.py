"""What the panel says of money: every code, in every role, about every state, in both languages.

A code tells what happened on the line. The same "line is down" is the end of a sale that never
began, of a query of a sale that is booked, of a reversal and of a sign-on; each may say of money
only what is true there.
"""

from mobi import transactions as tx
from mobi.acquiring import codes
from mobi.flows import advice, steps
from mobi.ui import strings
from mobi.ui.text import PAGE, width

# On the board all texts lie in ROM; here they are compiled onto the heap.
HEAP = "2m"

CODES = [row[0] for row in codes.TABLE] + ["ZZ", ""]
LOCAL = [code for code in CODES if code[:1] == "L"]
REFUSALS = [code for code in CODES if code not in LOCAL
            and not codes.is_approved(code, tx.SALE)]
KINDS = (tx.SALE, tx.VOID, tx.REFUND, tx.BALANCE)
BATCH = 7

# Words that say that nothing happened, and words that send the customer to another way to pay.
NOTHING = (
    "没有扣款", "款项未动", "未扣款", "没有退款", "没撤销", "没办成", "消费有效", "付款仍有效",
    "othing charged", "o money", "othing refunded", "sale stands", "ot voided", "ot refunded",
    "othing was", "payment stands", "stays paid",
)
PAY = ("换方式", "换卡", "可再付", "余款", "ther way", "nother card", "ther card", "you may pay",
       "No cards")
MONEY = NOTHING + PAY + ("款", "扣", "退", "撤销", "harged", "paid", "oney", "efund", "oided")


class World:
    """What the texts need of a terminal."""

    def __init__(self, language):
        self.language = language
        self.journal = self
        self.batch = BATCH
        self.original = None

    def find(self, trace, batch=None):
        return self.original

    def tr(self, name):
        return strings.lookup(name, self.language)


def transaction(kind, state, code="", batch=BATCH):
    txn = tx.Transaction(kind)
    txn.state, txn.code, txn.batch = state, code, batch
    txn.trace, txn.amount = 12, 5000
    return txn


def said(t, code, txn=None, message=False):
    """All pages in one line, after a look at their shape."""
    rows = advice.rows(t, code, txn, message)
    assert rows and len(rows) % PAGE == 0, (code, rows)
    for row in rows:
        assert width(row) <= 16, row
    glue = "" if t.language == 0 else " "
    text = glue.join([row for row in rows if row])
    for word in ("%s", "%d", "%0"):
        assert word not in text
    return text


def plain(t, name):
    text = t.tr(name)
    return text.replace(",", "").replace("，", "") if t.language == 0 else text


def bare(t, text):
    return text.replace(",", "").replace("，", "") if t.language == 0 else text


def has_none(text, words, what):
    for word in words:
        assert word not in text, (what, word, text)


def worlds():
    return (World(strings.CHINESE), World(strings.ENGLISH))


# What is open at the host: nobody may be told that nothing happened.
OPEN = (
    (tx.SALE, tx.REVERSAL_DUE, BATCH), (tx.VOID, tx.REVERSAL_DUE, BATCH),
    (tx.REFUND, tx.UNKNOWN, BATCH), (tx.REFUND, tx.UNKNOWN, BATCH - 1),
    (tx.SALE, tx.RELEASED, BATCH), (tx.VOID, tx.RELEASED, BATCH), (tx.REFUND, tx.RELEASED, BATCH),
)


def test_a_query_or_a_reversal_says_of_the_old_transaction_what_its_state_says():
    for t in worlds():
        for kind, state, batch in OPEN:
            for code in CODES:
                txn = transaction(kind, state, code, batch)
                text = bare(t, said(t, code, txn, message=True))
                has_none(text, NOTHING + PAY, (code, kind, state))
                _, there, safe, tell = steps.about(t, txn)
                for name in (there, safe):
                    assert plain(t, name) in text, (code, name, text)
                if codes.group(code) != codes.G_NONE:
                    assert plain(t, tell) in text, (code, tell, text)
                assert bare(t, codes.text(code, t.language)) in text
                assert "000012 50.00" in text  # which one


def test_a_request_without_an_answer_says_that_it_is_open():
    for t in worlds():
        for kind, state, batch in OPEN:
            for code in LOCAL:
                text = said(t, code, transaction(kind, state, code, batch))
                has_none(text, NOTHING + PAY, (code, kind, state))


def test_where_no_transaction_is_meant_nothing_is_said_of_money():
    for t in worlds():
        for code in CODES:
            if code in (codes.NO_PAPER, codes.REFUND_UNKNOWN) or codes.find(code)[1] == "A":
                continue  # they are about a transaction by their nature
            text = said(t, code).replace(codes.text(code, t.language), "")
            has_none(text, MONEY, code)
            assert text


def test_a_sale_that_was_refused_or_never_began_was_not_charged():
    for t in worlds():
        nothing = t.tr("there_nothing")
        for code in REFUSALS:
            text = said(t, code, transaction(tx.SALE, tx.DECLINED, code))
            if codes.retry(code) == codes.LOOK:
                has_none(text, NOTHING + PAY, code)
                assert plain(t, "there_sale_unsure") in bare(t, text), text
            else:
                assert nothing in text, (code, text)
        for code in (codes.LINE_DOWN, codes.CARD_UNREADABLE, codes.PROMPT_TIMEOUT,
                     codes.JOURNAL_FULL):
            text = said(t, code, tx.Transaction(tx.SALE))
            assert nothing in text and codes.advice(code, t.language) in text, text
        text = said(t, codes.LINE_DOWN, transaction(tx.SALE, tx.ABSENT, codes.LINE_DOWN))
        assert nothing in text and codes.advice(codes.LINE_DOWN, t.language) in text


def test_a_void_or_refund_that_failed_leaves_the_sale_and_asks_nobody_to_pay_again():
    for t in worlds():
        for kind, stands, tell in (
            (tx.VOID, "there_sale_stands", "tell_not_voided"),
            (tx.REFUND, "there_no_refund", "tell_not_refunded"),
        ):
            for code in REFUSALS:
                text = bare(t, said(t, code, transaction(kind, tx.DECLINED, code)))
                has_none(text, PAY, (code, kind))
                if codes.retry(code) == codes.LOOK:
                    has_none(text, NOTHING, (code, kind))
                elif kind == tx.VOID and codes.group(code) == codes.G_DISPUTE:
                    # It is refused because of the sale: nobody knows what became of that.
                    assert plain(t, "there_no_original") in text
                    assert t.tr("there_sale_stands").replace(",", "") not in text
                else:
                    assert plain(t, stands) in text and plain(t, tell) in text, (code, text)
            for code in (codes.LINE_DOWN, codes.CARD_UNREADABLE, codes.PROMPT_TIMEOUT,
                         codes.JOURNAL_FULL):
                text = bare(t, said(t, code, tx.Transaction(kind)))
                has_none(text, PAY, (code, kind))
                assert plain(t, stands) in text and plain(t, tell) in text, (code, text)


def test_a_balance_that_failed_charged_nobody_and_may_be_asked_again():
    for t in worlds():
        for code in REFUSALS + LOCAL:
            state = tx.DECLINED if code in REFUSALS else tx.ABSENT
            text = bare(t, said(t, code, transaction(tx.BALANCE, state, code)))
            has_none(text, PAY, code)
            assert t.tr("there_nothing") in text and plain(t, "tell_not_asked") in text, text


def test_a_reversal_tells_whether_there_had_been_a_charge():
    for t in worlds():
        for code, there in (("00", "there_taken_back"), ("22", "there_taken_back"),
                            ("25", "there_nothing")):
            txn = transaction(tx.SALE, tx.REVERSED, code)
            assert steps.about(t, txn)[1] == there
        assert steps.about(t, transaction(tx.VOID, tx.REVERSED, "00"))[1] == "there_sale_stands"


def test_a_refund_nobody_knows_of_is_not_sent_to_a_settlement_that_is_over():
    for t in worlds():
        open_batch = transaction(tx.REFUND, tx.UNKNOWN)
        late = transaction(tx.REFUND, tx.UNKNOWN, batch=BATCH - 1)
        assert t.tr(steps.about(t, open_batch)[2]) != t.tr(steps.about(t, late)[2])
        for word in ("结算", "settle"):
            assert word not in t.tr(steps.about(t, late)[2])


def test_a_void_that_failed_does_not_call_a_sale_standing_that_was_voided_since():
    for t in worlds():
        t.original = transaction(tx.SALE, tx.VOIDED)
        for state, code in ((tx.DECLINED, "51"), (tx.DECLINED, "98"), (tx.REVERSED, "00"),
                            (tx.REVERSED, "25"), (tx.ABSENT, codes.LINE_DOWN)):
            text = said(t, code, transaction(tx.VOID, state, code))
            assert plain(t, "there_voided_since") in text, text
            has_none(bare(t, text), ("消费有效", "付款仍有效", "stands", "stays"), text)
