"""The messages of the terminal: one table of what goes into each, and the checks of every reply.

``Composer.build(name, txn)`` gives the request, ``Composer.read(name, txn, reply)`` checks the
reply against it and takes out what it says. ``txn`` is a ``transactions.Transaction``; for
messages that are not transactions it carries ``trace``, ``batch`` and ``operator``, and

    settlement      totals    debit_amount, debit_count, credit_amount, credit_count
    batch_upload    packet    1 to 8 Transactions (sales and voids)
    batch_end       count, balanced    transactions in the batch; did the totals agree?
    status          report    GBK bytes for the acquirer
    status_query    original_batch, original_trace, time    the transaction asked about

Reversals (冲正) are built from what the journal keeps: no track, no PIN, no expiry.
Field presence and the order of the checks follow the common practice of UnionPay-style
terminals; docs/protocol.md has the tables.
"""

from micropython import const

from mobi import dates
from mobi import transactions as tx
from mobi.acquiring import codes, security
from mobi.acquiring.iso8583 import (
    DIGIT,
    LENGTH,
    MISSING,
    BadMessage,
    Message,
    Packer,
)

__all__ = ("BadMac", "BadMessage", "Composer", "Rejected", "Reply")

# Header: application 60 (stripe), version 31, status 0, demand 0, software 000100.
_HEADER = b"\x60\x31\x00\x00\x01\x00"
_CURRENCY = "156"
_LONGEST_PIN = "12"
_DETAILS = const(8)  # of a batch upload message
_CODE_DIGITS = const(18)
# Digits of a card number. Of a shorter one the journal would keep nothing for the reversal.
_PAN_MIN = const(13)
_PAN_MAX = const(19)

# Flags.
_MAC = const(1)  # request and approving reply carry field 64
_OUTCOME = const(2)  # the reply is the outcome of the transaction: it goes into txn
_LOOSE = const(4)  # the reply need not repeat the trace
_NO_CODE = const(8)  # the reply has no field 39
_REVERSAL = const(16)
_FULL_60 = const(32)  # field 60 goes on to 60.7
_SURE = const(64)  # with _MAC: what the reply says is acted on, so its refusals carry one, too

# What may have to be sent about a transaction later on.
_FOLLOWS = ((tx.SALE, "sale_reversal"), (tx.VOID, "void_reversal"), (tx.REFUND, "batch_refund"))

# Answers to a status query that close a case or have it accepted.
_ANSWERS = ("00", "22", "25")

# Name, MTI, processing code (3), message type (60.1), network code (60.3), flags, fields of the
# request. A negative field is there only if there is something to put into it. Field 2 is missing
# only where a payment code (付款码) took the card's place; the code is field 62 of its sale.
TABLE = (
    # 签到
    ("sign_on", "0800", "", "00", "003", 0, (11, 41, 42, 60, 63)),
    # 签退
    ("sign_off", "0820", "", "00", "002", 0, (11, 41, 42, 60, 63)),
    # 回响测试
    ("echo", "0820", "", "00", "301", _LOOSE, (11, 41, 42, 60)),
    # 参数下载
    ("parameters", "0800", "", "00", "360", _LOOSE, (11, 41, 42, 60)),
    # 状态上送: a report of up to 60 bytes of GBK text
    ("status", "0820", "", "00", "362", _LOOSE, (11, 41, 42, 60, 62)),
    # Status query: an extension, for hosts that have it
    ("status_query", "0820", "", "00", "364", _MAC | _SURE, (11, -12, -13, 41, 42, 60, 61)),
    # 余额查询
    ("balance", "0200", "310000", "01", "000", _MAC | _OUTCOME,
     (2, 3, 11, -14, 22, 25, -26, -35, 41, 42, 49, -52, -53, 60)),
    # 消费
    ("sale", "0200", "000000", "22", "000", _MAC | _OUTCOME | _FULL_60,
     (-2, 3, 4, 11, -12, -13, -14, 22, 25, -26, -35, 41, 42, 49, -52, -53, 60, -62)),
    # 消费撤销
    ("void", "0200", "200000", "23", "000", _MAC | _OUTCOME | _FULL_60,
     (-2, 3, 4, 11, -12, -13, -14, 22, 25, -26, -35, 37, -38, 41, 42, 49, -52, -53, 60, 61)),
    # 退货
    ("refund", "0220", "200000", "25", "000", _MAC | _OUTCOME | _FULL_60,
     (-2, 3, 4, 11, -12, -13, -14, 22, 25, -26, -35, 37, 41, 42, 49, -52, -53, 60, 61, 63)),
    # 消费冲正
    ("sale_reversal", "0400", "000000", "22", "000", _MAC | _REVERSAL | _FULL_60,
     (-2, 3, 4, 11, -12, -13, 22, 25, -38, 39, 41, 42, 49, 60)),
    # 撤销冲正
    ("void_reversal", "0400", "200000", "23", "000", _MAC | _REVERSAL | _FULL_60,
     (-2, 3, 4, 11, -12, -13, 22, 25, -38, 39, 41, 42, 49, 60, 61)),
    # 批结算
    ("settlement", "0500", "", "00", "201", _NO_CODE, (11, 41, 42, 48, 49, 60, 63)),
    # 批上送
    ("batch_upload", "0320", "", "00", "201", 0, (11, 41, 42, 48, 60)),
    # 批上送 of a refund: as its request, without MAC and card data that is not kept
    ("batch_refund", "0320", "200000", "25", "000", _FULL_60,
     (-2, 3, 4, 11, 22, 25, 37, 41, 42, 49, 60, 61, 63)),
    # 批上送结束; 60.3 is 207 when the totals agreed
    ("batch_end", "0320", "", "00", "202", 0, (11, 41, 42, 48, 60)),
)


class Rejected(Exception):
    """The reply does not belong to the request: ``field`` (0: the message type) should be
    ``want`` and is ``got``. Nothing of the reply may be used."""

    code = codes.MISMATCH

    def __init__(self, field, want, got):
        super().__init__("F%d: %s <> %s" % (field, want, got))
        self.field = field
        self.want = want
        self.got = got


class BadMac(Exception):
    """The MAC of the reply is wrong, or an approval has none: ``missing`` tells which."""

    code = codes.BAD_MAC

    def __init__(self, missing):
        super().__init__("MAC missing" if missing else "MAC wrong")
        self.missing = missing


class Reply:
    """What a checked reply says. Texts are "" and numbers None where it says nothing."""

    def __init__(self):
        self.code = ""  # field 39
        self.demand = 0  # processing demand (处理要求) of the header, 0 none
        self.amount = None  # field 4 in 分
        self.host_time = ""  # fields 13 + 12: MMDDhhmmss
        self.settle_date = ""  # field 15: MMDD
        self.acquirer = ""  # field 32
        self.rrn = ""  # field 37
        self.auth = ""  # field 38
        self.institutions = b""  # field 44
        self.host_text = b""  # field 63, GBK
        self.balance = None  # field 54 in the smallest unit (分), negative when overdrawn
        self.currency = ""  # of that balance: ISO 4217 number, three digits
        self.batch = 0  # field 60.2; 0 when it has none
        self.keys = b""  # field 62 of a sign-on: for security.unwrap
        self.parameters = b""  # field 62 of a parameter download
        # Field 48 of a settlement: 1 equal (平), 2 not equal (不平), 3 error; the worse one of
        # domestic (内卡) and foreign cards (外卡). 0 in other messages.
        self.verdict = 0
        self.totals = ""  # all 62 digits of it


class Composer:
    """Builds requests and reads replies in fixed buffers, one exchange at a time.

    ``setup``: ``tid`` and ``mid`` (text), ``tpdu`` (5 bytes), ``reader`` (field 60.4, one digit:
    2 stripe, 5 chip, 6 contactless), ``closing_mac`` (must 25 and 12, which close a reversal, carry
    a MAC as 00 does?), ``request_time`` (do requests carry fields 12 and 13?). ``keys``: ``pik``
    and ``mak`` (bytes).
    """

    def __init__(self, setup, keys):
        self.setup = setup
        self.keys = keys
        self._packer = Packer()
        self._message = Message()

    def build(self, name, txn):
        """The request ``name`` about ``txn``: TPDU, header, ISO 8583, MAC.

        A memoryview that is valid until the next ``build``. Raises ``BadMessage`` when ``txn``
        lacks what the message needs; KeyError for an unknown name.
        """
        row = _row(name)
        packer = self._packer
        packer.begin(self.setup.tpdu, _HEADER, row[1])
        for field in row[6]:
            wanted = field if field > 0 else -field
            value = self._value(wanted, row, txn)
            if value or value == 0:  # the trace of an echo is 0
                packer.put(wanted, value)
            elif field > 0:
                raise BadMessage(wanted, MISSING)
        if row[5] & _MAC:
            return packer.end(self._mac)
        return packer.end()

    def rehearse(self, txn):
        """Build the request of ``txn`` and what may have to follow it, to see whether they can be
        built; ``BadMessage`` when not. To be asked before the request is begun: whatever is
        accepted can be reversed, or uploaded."""
        reason = txn.reason
        txn.reason = tx.NO_REPLY
        for kind, name in _FOLLOWS:
            if kind == txn.kind:
                self.build(name, txn)
        txn.reason = reason
        self.build(tx.KIND_NAMES[txn.kind], txn)

    def _mac(self, data):
        return security.mac_cup(self.keys.mak, data)

    def _value(self, field, row, txn):
        flags = row[5]
        if field == 2:
            if not txn.pan and not txn.by_code:
                raise BadMessage(2, MISSING)
            if txn.pan and not _PAN_MIN <= len(txn.pan) <= _PAN_MAX:
                raise BadMessage(2, LENGTH)
            return txn.pan
        if field == 3:
            return row[2]
        if field == 4:
            return (txn.value if row[0] == "batch_refund" else txn.amount) or None
        if field == 11:
            return txn.trace if txn.trace or flags & _LOOSE else None
        if field == 12:
            return self._stamp(txn)[4:]
        if field == 13:
            return self._stamp(txn)[:4]
        if field == 14:
            return "" if txn.track2 else txn.expiry
        if field == 22:
            return _entry(txn, flags)
        if field == 25:
            return "00"
        if field == 26:
            return _LONGEST_PIN if txn.pin_block else None
        if field == 35:
            return txn.track2
        if field == 37:
            return txn.original_rrn or "000000000000"
        if field == 38:
            # A void and its reversal repeat the sale's, the reversal of a sale what a reply gave.
            return txn.auth if row[0] == "sale_reversal" else txn.original_auth
        if field == 39:
            return txn.reason
        if field == 41:
            return self.setup.tid
        if field == 42:
            return self.setup.mid
        if field == 48:
            return _field_48(row[0], txn)
        if field == 49:
            return _CURRENCY
        if field == 52:
            return txn.pin_block
        if field == 53:
            return self._control() if txn.pin_block else None
        if field == 60:
            return self._field_60(row, txn)
        if field == 61:
            return _field_61(row[0], txn)
        if field == 62:
            return _payment_code(txn) if row[0] == "sale" else txn.report
        # 63: the operator, or for refunds the card organisation, which a stripe does not tell.
        return "000" if row[3] == "25" else "%02d " % txn.operator

    def _stamp(self, txn):
        # MMDDhhmmss by our clock. Reversal and query repeat it, so that a host can tell what they
        # mean from the transaction of a terminal that was replaced and had the same numbers.
        if not self.setup.request_time or not txn.time:
            return ""
        return "%02d%02d%02d%02d%02d" % dates.parts(txn.time)[1:]

    def _control(self):
        # PIN with card number; single or triple DES; track in clear.
        return ("20" if len(self.keys.pik) == 8 else "26") + "0" * 14

    def _field_60(self, row, txn):
        net = row[4]
        if row[0] == "batch_end" and txn.balanced:
            net = "207"
        text = "%s%06d%s" % (row[3], txn.batch, net)
        if row[3] == "00":
            return text
        text += "%s%s" % (self.setup.reader, "2" if txn.entry[:2] == "80" else "0")
        if row[5] & _FULL_60:
            # 60.6: sales may be approved in part; 60.7: account type not stated.
            text += ("1" if row[3] == "22" else "0") + "000"
        return text

    # -- replies --------------------------------------------------------------------------------

    def read(self, name, txn, data):
        """Check the reply ``data`` (bytes-like) to the request ``name`` about ``txn``.

        In this order: format; message type, fields 3, 11, 41, 42; field 4 if approved; MAC.
        Raises ``BadMessage``, ``Rejected`` or ``BadMac``. What is good goes into the ``Reply``
        and, if the message was the transaction itself and not about it, into ``txn``.
        """
        row = _row(name)
        flags = row[5]
        message = self._message
        message.parse(data)
        _same(0, row[1][:2] + "%d0" % (int(row[1][2]) + 1), message.mti)
        if row[2]:
            _same(3, row[2], message.digits(3))
        if not flags & _LOOSE:
            _same(11, "%06d" % txn.trace, message.digits(11))
        _same(41, self.setup.tid, message.text(41))
        _same(42, self.setup.mid, message.text(42))
        code = message.text(39)
        if not flags & _NO_CODE and len(code) != 2:
            raise Rejected(39, "..", code)
        approved = codes.is_approved(code, txn.kind if flags & _OUTCOME else 0)
        if flags & _OUTCOME and not approved and codes.is_approved(code):
            raise Rejected(39, "00", code)  # in part: neither done nor refused, unless it is a sale
        amount = _number(message, 4)
        if approved and flags & _MAC and 4 in row[6]:
            _check_amount(txn.amount, amount, code)
        if flags & _MAC:
            self._check_mac(message, txn, flags, approved or self._closes(code, flags))
        reply = _take(message, row)
        reply.amount = amount
        if flags & _OUTCOME:
            _apply(reply, txn)
            if approved and code == codes.PARTIAL:
                txn.approved_amount = amount
        return reply

    def _closes(self, code, flags):
        # Is what the reply says acted on although it is no approval?
        if flags & _REVERSAL:
            return code in tx.REVERSAL_CLOSED_BY and self.setup.closing_mac
        return flags & _SURE and code in _ANSWERS

    def _check_mac(self, message, txn, flags, must):
        given = message.raw(64)
        if not len(given):
            if not must:
                return  # a refusal may come without one
        elif bytes(given) == self._mac(message.body()):
            return
        if flags & _OUTCOME:
            # The reversal repeats the authorisation code even of a reply that is not believed.
            txn.auth = message.text(38)
        raise BadMac(not len(given))


def _row(name):
    for row in TABLE:
        if row[0] == name:
            return row
    raise KeyError(name)


def _entry(txn, flags):
    # The third digit says whether there is a PIN. The journal has kept it for the reversal, so
    # it must have been right before.
    if flags & _OUTCOME and (txn.entry[2:] == "1") != bool(txn.pin_block):
        raise BadMessage(22, DIGIT)
    return txn.entry


def _payment_code(txn):
    code = txn.payment_code
    if not txn.by_code:
        return b""
    if len(code) != _CODE_DIGITS or not code.isdigit():
        raise BadMessage(62, LENGTH)
    return code.encode()


def _field_48(name, txn):
    if name == "settlement":
        sums = txn.totals
        domestic = "%012d%03d%012d%03d0" % (
            sums.debit_amount, sums.debit_count, sums.credit_amount, sums.credit_count
        )
        # All cards are counted as domestic: a stripe does not tell.
        return domestic + "0" * 31
    if name == "batch_end":
        return "%04d" % txn.count
    packet = txn.packet
    if not 0 < len(packet) <= _DETAILS:
        raise BadMessage(48, LENGTH)
    text = "%02d" % len(packet)
    for item in packet:
        pan = item.pan
        text += "00%06d%s%s%012d" % (item.trace, "0" * (20 - len(pan)), pan, item.value)
    return text


def _field_61(name, txn):
    if name == "void_reversal":
        # The request that is reversed, not the sale that it voided.
        return "%06d%06d" % (txn.batch, txn.trace)
    text = "%06d%06d" % (txn.original_batch, txn.original_trace)
    if name in ("refund", "batch_refund"):
        if len(txn.original_date) != 4:
            raise BadMessage(61, LENGTH)
        return text + txn.original_date
    if not txn.original_trace:
        raise BadMessage(61, MISSING)
    return text


def _same(field, want, got):
    if want != got:
        raise Rejected(field, want, got or "-")


def _number(message, field):
    digits = message.digits(field)
    return int(digits) if digits else None


def _check_amount(want, got, code):
    # An approval in part (10) is for less; any other one repeats the amount.
    if got is None or (got != want if code != codes.PARTIAL else not 0 < got <= want):
        raise Rejected(4, want, "-" if got is None else got)


def _take(message, row):
    reply = Reply()
    reply.code = message.text(39)
    reply.demand = message.demand
    reply.host_time = message.digits(13) + message.digits(12)
    if len(reply.host_time) != 10:
        reply.host_time = ""
    reply.settle_date = message.digits(15)
    reply.acquirer = message.digits(32)
    reply.rrn = message.text(37)
    reply.auth = message.text(38)
    reply.institutions = bytes(message.raw(44))
    reply.host_text = bytes(message.raw(63))
    if row[0] == "balance":
        reply.balance, reply.currency = _balance(message)
    sixty = message.digits(60)
    if len(sixty) >= 8:
        reply.batch = int(sixty[2:8])
    if row[0] == "sign_on":
        reply.keys = bytes(message.raw(62))
    elif row[0] == "parameters":
        reply.parameters = bytes(message.raw(62))
    elif row[0] == "settlement" and reply.code in ("", "00", codes.UNBALANCED):
        reply.totals = message.digits(48)
        if reply.code != codes.UNBALANCED:
            reply.verdict = _verdict(reply.totals)
        else:
            # Some hosts say it by the code (95, 对账不平), with or without their totals.
            if len(reply.totals) != 62:
                reply.totals = ""
            reply.verdict = max(2, _verdict(reply.totals)) if reply.totals else 2
    return reply


def _balance(message):
    # Account type 2, amount type 2, currency 3, C or D, amount 12.
    data = bytes(message.raw(54))
    if not data:
        return None, ""
    if len(data) != 20 or data[7:8] not in (b"C", b"D") or not data[8:].isdigit():
        raise BadMessage(54, DIGIT)
    if not data[4:7].isdigit():
        raise BadMessage(54, DIGIT)
    amount = int(data[8:])
    return amount if data[7:8] == b"C" else -amount, data[4:7].decode()


def _verdict(digits):
    if len(digits) != 62:
        raise BadMessage(48, LENGTH)
    domestic, foreign = int(digits[30]), int(digits[61])
    # There are no foreign cards in our totals: a host may leave their digit alone.
    if domestic not in (1, 2, 3) or foreign > 3:
        raise Rejected(48, "1 2 3", digits[30] + digits[61])
    return max(domestic, foreign)


def _apply(reply, txn):
    txn.code = reply.code
    txn.rrn = reply.rrn
    txn.auth = reply.auth
    txn.host_time = reply.host_time
    txn.settle_date = reply.settle_date
    txn.institutions = reply.institutions
    txn.host_text = reply.host_text
    txn.balance = reply.balance
    txn.currency = reply.currency
    txn.approved_amount = None
