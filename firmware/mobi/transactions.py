"""The life of a transaction as one table: kinds, states, events, and what must be durable when.

Everything that asks "may this be voided?", "is this unfinished?", "what happens to it after a
power cut?" reads this table; nothing else in the firmware decides it. This module imports
nothing of the firmware.

The rules that never bend:

1. ``begin`` (the trace number and the whole intent) is durable before the first byte of the
   request leaves.
2. The outcome is durable before it is shown, printed or acknowledged.
3. Between 1 and 2 a power cut leaves PENDING in the journal. ``without_answer`` says what
   that means at boot; a reversal is then sent before any other financial message.
4. A reversal keeps the original trace and batch. It is closed by 00, 25 or 12; closed by 12 it is
   UNPROVEN and stays a case until the host's answer to a query or a person has settled it.
5. A refund without an answer is UNKNOWN: never repeated, resolved by query or at settlement.
6. 末笔 (the last transaction) is the newest approved transaction of the open batch. If that one
   cannot be voided the terminal says why; it never steps back to an older one.
"""

from micropython import const

# Kinds: what the operator asked for. The number is what stands in the journal: never reuse one.
SALE = const(1)  # 消费
VOID = const(2)  # 撤销
REFUND = const(3)  # 退货
BALANCE = const(4)  # 余额查询

KIND_NAMES = {SALE: "sale", VOID: "void", REFUND: "refund", BALANCE: "balance"}

# States. The number stands in the journal: never reuse one.
PENDING = const(1)  # the request may have been sent; no outcome is known
APPROVED = const(2)
DECLINED = const(3)
REVERSAL_DUE = const(4)  # 待冲正: the host must be told to undo it
REVERSED = const(5)  # 已冲正: the host undid it or never had it
UNKNOWN = const(6)  # 结果未知: a refund without an answer
RELEASED = const(7)  # the supervisor gave up on a reversal, with a reason
ABSENT = const(8)  # no money moved: the host does not have it, or it was never sent
# The next three are never written as a state; they follow from other records.
VOIDED = const(9)  # 已撤销: an approved void names it
REFUNDED = const(10)  # approved refunds of this batch name it
SETTLED = const(11)  # its batch was settled
# Written again.
UNPROVEN = const(12)  # 冲正待核对: closed by 12, and nobody knows whether the host had it

STATE_NAMES = {
    PENDING: "pending",
    APPROVED: "approved",
    DECLINED: "declined",
    REVERSAL_DUE: "reversal_due",
    REVERSED: "reversed",
    UNKNOWN: "unknown",
    RELEASED: "released",
    ABSENT: "absent",
    VOIDED: "voided",
    REFUNDED: "refunded",
    SETTLED: "settled",
    UNPROVEN: "unproven",
}

# Events: each is one journal record. The number stands in the journal: never reuse one.
BEGIN = const(1)  # trace and intent; before the first byte of the request
APPROVE = const(2)  # the host's approval; before it is shown
DECLINE = const(3)  # the host's refusal; before it is shown
REVERSE = const(4)  # the reply is missing or cannot be trusted; carries the reason
ATTEMPT = const(5)  # one more reversal is about to leave
UNDONE = const(6)  # the host closed the reversal; carries its code
LOSE = const(7)  # no answer to a request that is never reversed
RELEASE = const(8)  # the supervisor's decision; carries operator and reason
DROP = const(9)  # it is certain that no money moved
PRINT = const(10)  # a receipt copy came out; carries which
DOUBT = const(11)  # the host closed the reversal with 12, which proves nothing; carries the code

# (state, event) -> state. What is not here cannot happen and is refused with a message.
NEXT = {
    (0, BEGIN): PENDING,
    (PENDING, APPROVE): APPROVED,
    (PENDING, DECLINE): DECLINED,
    (PENDING, REVERSE): REVERSAL_DUE,
    (PENDING, LOSE): UNKNOWN,
    (PENDING, DROP): ABSENT,
    (REVERSAL_DUE, REVERSE): REVERSAL_DUE,
    (REVERSAL_DUE, ATTEMPT): REVERSAL_DUE,
    (REVERSAL_DUE, UNDONE): REVERSED,
    (REVERSAL_DUE, RELEASE): RELEASED,
    # The status query found it approved and the operator accepted the late result.
    (REVERSAL_DUE, APPROVE): APPROVED,
    (REVERSAL_DUE, DOUBT): UNPROVEN,
    (UNPROVEN, UNDONE): REVERSED,
    (UNPROVEN, APPROVE): APPROVED,
    (UNPROVEN, RELEASE): RELEASED,
    (UNKNOWN, APPROVE): APPROVED,
    (UNKNOWN, DECLINE): DECLINED,
    (UNKNOWN, DROP): ABSENT,
    (UNKNOWN, RELEASE): RELEASED,
    (APPROVED, PRINT): APPROVED,
    (DECLINED, PRINT): DECLINED,
}

# Reasons of a reversal, as sent in field 39 (spec of the trade: 98 no reply, A0 MAC wrong or
# missing, 06 anything else).
NO_REPLY = "98"
BAD_MAC = "A0"
OTHER = "06"
# Field 22, first two digits: paid with the customer's code (扫码), no card and no PIN.
BY_CODE = "03"
# Answers that close a reversal: done, not known to the host, already closed there.
REVERSAL_CLOSED_BY = ("00", "25", "12")
# The last one may also mean another day's transaction: nobody knows whether it was undone.
CLOSED_UNPROVEN = "12"
# The code of an UNPROVEN one that a supervisor closed after comparing it with the acquirer.
BY_HAND = "BH"

_REVERSIBLE = (SALE, VOID)
_NO_MONEY = (BALANCE,)
_UNFINISHED = (PENDING, REVERSAL_DUE, UNKNOWN)


class WrongEvent(Exception):
    """The event cannot happen to a transaction in that state: a programming error."""


def next_state(state, event):
    """The state after ``event``; ``WrongEvent`` when the table does not know the pair."""
    try:
        return NEXT[(state, event)]
    except KeyError:
        raise WrongEvent(state, event)


def is_reversible(kind):
    """Does a missing or untrusted reply to this kind call for a reversal (0400)?"""
    return kind in _REVERSIBLE


def is_unfinished(state):
    """Does this transaction still need an answer, a reversal or a decision?"""
    return state in _UNFINISHED


def is_case(state):
    """Is it unfinished, or must somebody still compare it? A case is listed until it is closed."""
    return state in _UNFINISHED or state == UNPROVEN


def moves_money(kind):
    """Is it in the totals, and is there a slip of it? A balance enquiry is a question only."""
    return kind not in _NO_MONEY


def without_answer(kind):
    """The event to record when no answer to a request of this kind can be had."""
    if kind in _REVERSIBLE:
        return REVERSE
    return LOSE if kind == REFUND else DROP


def counts_as_credit(kind):
    """Settlement: voids and refunds are credits, sales debits, a balance is neither. A voided sale
    stays a debit; its void is a credit beside it."""
    return kind in (VOID, REFUND)


class Transaction:
    """One transaction as the flows, the messages and the receipts see it.

    Amounts are integers of 分 (1/100 yuan). ``time`` is seconds since 2000-01-01 local time.
    Card data that must not rest (track 2, PIN block, expiry) is here only while the
    transaction runs; the journal never writes it.
    """

    def __init__(self, kind):
        self.kind = kind
        self.state = 0
        self.ordinal = None  # its number in the journal, given by ``begin``
        self.trace = 0  # 流水号 = 凭证号, 1 to 999999
        self.batch = 0  # 批次号, 1 to 999999
        self.amount = 0
        self.time = 0
        self.operator = 0  # 0 to 99
        self.supervisor = 255  # who authorised it; 255: nobody had to
        self.pan = ""  # full number; "" when only the masked one is known
        self.masked_pan = ""  # 6 + 4 digits, stars between
        self.entry = "021"  # field 22: two digits how the card was read, one digit PIN
        # The transaction this one undoes or refers to.
        self.original_trace = 0
        self.original_batch = 0
        self.original_rrn = ""  # 原参考号, 12 characters
        self.original_date = ""  # 原交易日期, MMDD
        self.original_auth = ""
        # What the host said.
        self.code = ""  # field 39
        self.rrn = ""  # field 37
        self.auth = ""  # field 38
        self.host_time = ""  # fields 13 + 12: MMDDhhmmss
        self.settle_date = ""  # field 15: MMDD
        self.institutions = b""  # field 44: issuer 11 + acquirer 11, ASCII
        self.host_text = b""  # field 63 of the reply, GBK
        # How it went on.
        self.reason = ""  # of the reversal
        self.attempts = 0  # reversals sent so far
        self.printed = 0  # bit n: copy n came out
        self.note = 0  # index of the reason the operator chose, 0 none
        self.extra = b""  # what else an application wants kept with the intent, up to 160 bytes
        # Only while it runs.
        self.expiry = ""  # YYMM
        self.track2 = ""
        self.pin_block = None
        self.payment_code = ""  # 付款码, 18 digits
        self.balance = None  # field 54, in the smallest unit of ``currency`` (156: 分)
        self.currency = ""  # ISO 4217 number of the balance
        self.approved_amount = None  # field 4 of a partial approval
        self.report = b""  # what a status report (状态上送) says, GBK

    @property
    def value(self):
        """分 that it moves or moved: of an approval in part that part, else ``amount``."""
        return self.amount if self.approved_amount is None else self.approved_amount

    @property
    def by_code(self):
        """Was it paid with a payment code (付款码) instead of a card?"""
        return self.entry[:2] == BY_CODE
