"""Response codes (field 39, 应答码) and local failures: what happened on the line, what to do.

One table. The host's codes are those UnionPay-style acquirers send; codes that begin with "L"
are the terminal's own, for what no host has answered. Short texts and advice fit one row of the
display (16 columns, a Chinese character takes two), what the customer is told two.
"""

from micropython import const

from mobi import transactions as tx

# Classes of the trade.
APPROVED = "A"
RETRY = "B"  # refused; the same again may work
REFUSED = "C"  # refused; do not repeat it
ACT = "D"  # refused; the operator must do something about the card or the terminal
FAULT = "E"  # system fault; do not repeat it

# Cause groups: whose side the cause is on.
G_NONE = const(0)
G_USER = const(1)  # wrong entry, too little money, wrong PIN
G_CARD = const(2)  # card or issuing bank
G_NETWORK = const(3)  # line, acquirer, a system between
G_DEVICE = const(4)  # this terminal: keys, batch, registration
G_RULES = const(5)  # not allowed for this card, amount, merchant or time
G_DISPUTE = const(6)  # the original transaction: find out what happened to it

GROUPS = (
    ("", ""),
    ("顾客输入或余额", "Customer/funds"),
    ("银行卡或发卡行", "Card or bank"),
    ("网络或系统", "Network/system"),
    ("终端设备", "This terminal"),
    ("规则限制", "Rules or limits"),
    ("原交易问题", "Original trans."),
)

# May the operator simply try the same again?
NO = const(0)
YES = const(1)
LOOK = const(2)  # first find out whether the first try went through

# Advice, shared by many codes: rows of `ADVICE`.
OK = const(0)
OTHER_CARD = const(1)
CALL_ISSUER = const(2)
CALL_ACQUIRER = const(3)
KEEP_CARD = const(4)
FUNDS = const(5)
PIN = const(6)
AMOUNT = const(7)
WAIT = const(8)
SIGN_ON = const(9)
LOOK_UP = const(10)
ORIGINAL = const(11)
REREAD = const(12)
CHIP = const(13)
LIMIT = const(14)
UNSURE = const(15)
LATER = const(16)
LINE = const(17)
KEYS = const(18)
PART = const(19)
CONFIRM = const(20)
NOT_HERE = const(21)
PIN_BLOCKED = const(22)
REPORT = const(23)
UPLOAD = const(24)
AGAIN = const(25)
PAPER = const(26)
SETTLE = const(27)
UNKNOWN = const(28)
LATER_ONLY = const(29)
ISSUER_ONLY = const(30)
SWIPE_ONLY = const(31)
NOT_TAKEN = const(32)

# What the operator does next, zh and en, one row each; what the customer of a sale is told, zh and
# en, two rows each; the advice for what is no sale; the advice where no transaction is meant.
# Nothing here says what became of money: a code tells what happened on the line, and the state of
# the transaction that is spoken of tells the rest (see `mobi.flows.steps`).
ADVICE = (
    ("打印签购单", "Print the slip",
     "交易成功", "Your payment is done", OK, OK),
    ("换卡或换方式付款", "Other card/way?",
     "请换一张卡或换方式付款", "Please pay some other way", UNKNOWN, UNKNOWN),
    ("请问发卡行或换卡", "Ask card's bank",
     "请拨卡背面电话问发卡行", "Please call your bank", ISSUER_ONLY, UNKNOWN),
    ("应答码报收单机构", "Call acquirer",
     "本店暂不能刷卡，请换方式付款", "No cards just now. Other way?", UNKNOWN, UNKNOWN),
    ("安全时留卡并致电", "Keep it if safe",
     "请联系您的发卡行", "Please contact your bank", KEEP_CARD, UNKNOWN),
    ("换卡或换方式付款", "Other card/way?",
     "余额不足，请换卡或换方式付款", "Low funds. Another card?", UNKNOWN, UNKNOWN),
    ("请顾客重输密码", "PIN once more",
     "密码有误，请再输一次", "Wrong PIN, please again", PIN, UNKNOWN),
    ("请核对金额后重做", "Check amount",
     "金额有误，请稍候重刷", "Wrong amount, once more", AMOUNT, UNKNOWN),
    ("稍后再试或换方式", "Wait, try again",
     "银行系统忙，请稍候或换方式", "Bank is busy, please wait", LATER_ONLY, LATER_ONLY),
    ("请重新签到后再做", "Sign on again",
     "终端需签到，请稍候", "One moment, we must sign on", SIGN_ON, SIGN_ON),
    ("请先查询,勿重做", "Look it up first",
     "正在核对交易，请稍候", "We are checking, one moment", LOOK_UP, LATER_ONLY),
    ("请核对原凭证", "Check the slip",
     "正在核对原交易，请稍候", "We are checking, one moment", ORIGINAL, UNKNOWN),
    ("请重刷,不行换卡", "Swipe again",
     "读卡有误，请再刷一次", "Card misread, once more", SWIPE_ONLY, UNKNOWN),
    ("请插芯片", "Insert the chip",
     "请插入芯片卡", "Please insert the chip", CHIP, UNKNOWN),
    ("请减金额或换卡", "Less/other card",
     "超出卡片限额，请换卡或减额", "Over the limit. Other card?", UNKNOWN, UNKNOWN),
    ("先查询或致电", "Query or call",
     "结果未知，请勿重复付款", "Not known yet: do not pay again", UNSURE, LATER_ONLY),
    ("请稍后再试", "Try again later",
     "正在核实，请稍候", "We are checking, one moment", LATER_ONLY, LATER_ONLY),
    ("查线路后重试", "Check the line",
     "线路不通，请稍候", "No line just now, one moment", LINE, LINE),
    ("请重新签到", "Sign on again",
     "终端需签到，请稍候", "One moment, we must sign on", KEYS, KEYS),
    ("余额另付或撤销", "Rest, or void it",
     "卡内不足，余款请另付", "Part was paid, the rest please", PART, PART),
    ("请向发卡行确认", "Ask the issuer",
     "交易成功", "Your payment is done", CONFIRM, CONFIRM),
    ("请换方式付款", "Other way?",
     "此交易不支持，请换方式", "Not possible, another way?", UNKNOWN, UNKNOWN),
    ("密码锁请问发卡行", "PIN is blocked",
     "密码已锁，请联系发卡行", "PIN is blocked, call your bank", PIN_BLOCKED, UNKNOWN),
    ("应答码报服务商", "Call service",
     "终端故障，请换方式付款", "Terminal fault, other way?", REPORT, REPORT),
    ("请批上送", "Upload the batch",
     "正在对账，请稍候", "We are settling, one moment", UPLOAD, UPLOAD),
    ("可以重做", "Do it again",
     "请再来一次", "Once more, please", AGAIN, AGAIN),
    ("装纸后可补打", "Paper, reprint",
     "签购单稍候补打", "The slip follows", PAPER, PAPER),
    ("请到管理-结算", "Settle: FN key",
     "终端需结算，请稍候", "We must settle, one moment", SETTLE, SETTLE),
    ("应答码报收单机构", "Call acquirer",
     "交易未成功，请换方式付款", "Not approved. Another way?", UNKNOWN, UNKNOWN),
    # Only for what is no sale, or no transaction.
    ("过几分钟再试", "Wait, try again",
     "银行系统忙，请稍候", "Bank is busy, please wait", LATER_ONLY, LATER_ONLY),
    ("请问发卡行", "Ask card's bank",
     "请拨卡背面电话问发卡行", "Please call your bank", ISSUER_ONLY, ISSUER_ONLY),
    ("请重刷原卡", "Swipe again",
     "读卡有误，请再刷一次", "Card misread, once more", SWIPE_ONLY, SWIPE_ONLY),
    ("换卡或换方式付款", "Other card/way?",
     "请换一张卡或换方式付款", "Please pay some other way", SWIPE_ONLY, SWIPE_ONLY),
)

# Code, class, short zh, short en, cause group, safe to retry, advice.
TABLE = (
    ("00", "A", "交易成功", "Approved", G_NONE, NO, OK),
    ("01", "C", "请联系发卡行", "Call the issuer", G_CARD, NO, CALL_ISSUER),
    ("02", "C", "请联系发卡行", "Call the issuer", G_CARD, NO, CALL_ISSUER),
    ("03", "C", "商户未登记", "Unknown merchant", G_DEVICE, NO, CALL_ACQUIRER),
    ("04", "D", "此卡被没收", "Pick up card", G_CARD, NO, KEEP_CARD),
    ("05", "C", "发卡行不承兑", "Not honoured", G_CARD, NO, CALL_ISSUER),
    ("06", "E", "发卡行出错", "Issuer error", G_CARD, NO, CALL_ISSUER),
    ("07", "D", "此卡被没收", "Pick up card", G_CARD, NO, KEEP_CARD),
    ("09", "B", "正在处理中", "In progress", G_NETWORK, LOOK, LOOK_UP),
    ("10", "A", "部分金额批准", "Approved in part", G_NONE, NO, PART),
    ("11", "A", "交易成功", "Approved (VIP)", G_NONE, NO, OK),
    ("12", "C", "原交易无效", "Invalid original", G_DISPUTE, NO, ORIGINAL),
    ("13", "B", "金额无效", "Invalid amount", G_USER, YES, AMOUNT),
    ("14", "B", "卡号无效", "Invalid card no.", G_CARD, YES, REREAD),
    ("15", "C", "无此发卡行", "No such issuer", G_CARD, NO, OTHER_CARD),
    ("19", "C", "请联系发卡行", "Enter it again", G_CARD, NO, CALL_ISSUER),
    ("20", "C", "发卡行应答无效", "Invalid answer", G_CARD, NO, CALL_ISSUER),
    ("21", "C", "卡未启用", "Card not active", G_CARD, NO, CALL_ISSUER),
    ("22", "C", "与原交易不符", "Original differs", G_DISPUTE, NO, ORIGINAL),
    ("25", "C", "无原始交易", "No original", G_DISPUTE, NO, ORIGINAL),
    ("30", "C", "报文格式错", "Format error", G_DEVICE, NO, REPORT),
    ("34", "D", "疑有作弊", "Suspected fraud", G_CARD, NO, KEEP_CARD),
    ("38", "D", "密码超次数", "PIN tries over", G_USER, NO, PIN_BLOCKED),
    ("40", "C", "不支持此交易", "Not supported", G_RULES, NO, NOT_HERE),
    ("41", "D", "挂失卡", "Lost card", G_CARD, NO, KEEP_CARD),
    ("43", "D", "被窃卡", "Stolen card", G_CARD, NO, KEEP_CARD),
    ("45", "C", "请使用芯片", "Use the chip", G_RULES, NO, CHIP),
    ("51", "C", "余额不足", "Too little funds", G_USER, NO, FUNDS),
    ("54", "C", "卡已过期", "Card expired", G_CARD, NO, OTHER_CARD),
    ("55", "C", "密码错", "Wrong PIN", G_USER, YES, PIN),
    ("57", "C", "此卡不许此交易", "Not for the card", G_RULES, NO, OTHER_CARD),
    ("58", "C", "此终端不许交易", "Not on this POS", G_RULES, NO, NOT_HERE),
    ("59", "C", "卡片校验错", "Card check bad", G_CARD, NO, CALL_ISSUER),
    ("61", "C", "金额超限", "Above the limit", G_RULES, NO, LIMIT),
    ("62", "C", "受限制的卡", "Restricted card", G_RULES, NO, OTHER_CARD),
    ("64", "C", "与原金额不符", "Amount differs", G_DISPUTE, NO, ORIGINAL),
    ("65", "C", "交易次数超限", "Too many today", G_RULES, NO, OTHER_CARD),
    ("68", "C", "发卡行超时", "Issuer timed out", G_NETWORK, LOOK, LOOK_UP),
    ("75", "C", "密码超次数", "PIN tries over", G_USER, NO, PIN_BLOCKED),
    ("77", "D", "批次不一致", "Batch differs", G_DEVICE, YES, SIGN_ON),
    ("90", "C", "系统日切中", "Day is closing", G_NETWORK, YES, WAIT),
    ("91", "C", "发卡行异常", "Issuer is down", G_NETWORK, YES, WAIT),
    ("92", "C", "银行线路异常", "No way to issuer", G_NETWORK, YES, WAIT),
    ("94", "C", "重复交易", "Duplicate", G_DISPUTE, LOOK, LOOK_UP),
    ("95", "C", "对账不平", "Totals differ", G_DISPUTE, NO, UPLOAD),
    ("96", "C", "中心系统异常", "System fault", G_NETWORK, YES, WAIT),
    ("97", "D", "终端未登记", "Unknown terminal", G_DEVICE, NO, CALL_ACQUIRER),
    ("98", "E", "发卡行无应答", "No issuer answer", G_NETWORK, LOOK, UNSURE),
    ("99", "B", "密码格式错", "PIN format error", G_DEVICE, YES, SIGN_ON),
    ("A0", "B", "校验错请签到", "MAC error", G_DEVICE, YES, SIGN_ON),
    ("A1", "C", "转账币种不符", "Wrong currency", G_RULES, NO, NOT_HERE),
    ("A2", "A", "成功请确认", "Approved, check", G_NONE, NO, CONFIRM),
    ("A3", "C", "账户不符", "Wrong account", G_CARD, NO, OTHER_CARD),
    ("A4", "A", "成功请确认", "Approved, check", G_NONE, NO, CONFIRM),
    ("A5", "A", "成功请确认", "Approved, check", G_NONE, NO, CONFIRM),
    ("A6", "A", "成功请确认", "Approved, check", G_NONE, NO, CONFIRM),
    ("A7", "C", "安全处理失败", "Security failure", G_NETWORK, YES, WAIT),
    # The terminal's own.
    ("L1", "E", "超时无应答", "No reply in time", G_NETWORK, LOOK, LATER),
    ("L2", "B", "线路不通", "Line is down", G_NETWORK, YES, LINE),
    ("L3", "E", "应答校验错", "Reply: bad MAC", G_DEVICE, LOOK, LATER),
    ("L4", "E", "应答与请求不符", "Reply differs", G_NETWORK, LOOK, LATER),
    ("L5", "E", "应答无法识别", "Reply unreadable", G_NETWORK, LOOK, LATER),
    ("L6", "E", "交易中断电", "Power was lost", G_DEVICE, LOOK, LATER),
    ("L7", "D", "工作密钥有误", "Bad working keys", G_DEVICE, YES, KEYS),
    ("L8", "E", "主机无回应", "Host is silent", G_NETWORK, LOOK, LATER),
    ("L9", "E", "退货结果未知", "Refund unknown", G_NETWORK, LOOK, LATER),
    ("LA", "D", "打印机缺纸", "Out of paper", G_DEVICE, NO, PAPER),
    ("LB", "B", "读卡失败", "Card unreadable", G_CARD, YES, REREAD),
    ("LC", "B", "操作超时", "Nobody answered", G_USER, YES, AGAIN),
    ("LD", "D", "存储满,请结算", "Journal is full", G_DEVICE, NO, SETTLE),
    ("LE", "C", "卡号位数不符", "Wrong no. length", G_CARD, NO, NOT_TAKEN),
)
_NOT_LISTED = ("", "C", "应答码不明", "Unknown code", G_NETWORK, NO, UNKNOWN)

PARTIAL = "10"
WRONG_PIN = "55"
UNBALANCED = "95"
# The host does not know our keys (any more): sign on, then the same again. Nothing was booked.
KEYS_GONE = ("99", "A0")
NO_REPLY = "L1"
LINE_DOWN = "L2"
BAD_MAC = "L3"
MISMATCH = "L4"
GARBLED = "L5"
POWER_LOST = "L6"
BAD_KEYS = "L7"
NO_ACK = "L8"
REFUND_UNKNOWN = "L9"
NO_PAPER = "LA"
CARD_UNREADABLE = "LB"
PROMPT_TIMEOUT = "LC"
JOURNAL_FULL = "LD"
CARD_NOT_TAKEN = "LE"

_DOUBTFUL = ("A2", "A4", "A5", "A6")
# The reasons of link.LinkError.
_LINK = (("down", LINE_DOWN), ("no_ack", NO_ACK), ("no_reply", NO_REPLY))


def find(code):
    """The row of ``TABLE`` for ``code``; for an unknown one the row of a plain refusal."""
    for row in TABLE:
        if row[0] == code:
            return row
    return _NOT_LISTED


def is_approved(code, kind=tx.SALE):
    """Does ``code`` mean that it is done? ``kind``: of the transaction (0: none). In part (10)
    only a sale can be approved."""
    return find(code)[1] == APPROVED and (code != PARTIAL or kind == tx.SALE)


def is_doubtful(code):
    """Approved, with a note to ask the issuer to confirm (有缺陷的成功)."""
    return code in _DOUBTFUL


def text(code, language):
    """What happened, in up to 16 columns. ``language``: 0 Chinese, 1 English."""
    return find(code)[2 + language]


def advice(code, language, kind=tx.SALE):
    """What the operator does next, in one row of 16 columns. ``kind``: of the transaction that is
    spoken of; 0: none is, as at a sign-on, or only the message about one has failed."""
    return ADVICE[_advice(code, kind)][language]


def customer(code, language):
    """What to tell the customer of a sale, in up to two rows of 16 columns."""
    return ADVICE[find(code)[6]][2 + language]


def _advice(code, kind):
    which = find(code)[6]
    if kind == tx.SALE:
        return which
    if kind == tx.BALANCE and find(code)[5] == LOOK:
        return LATER_ONLY  # no money moves: there is nothing to look up
    return ADVICE[which][4 if kind else 5]


def group(code):
    """The cause group: G_NONE for approvals, else one of G_USER to G_DISPUTE."""
    return find(code)[4]


def group_text(code, language):
    """The cause group in words, in up to 16 columns."""
    return GROUPS[group(code)][language]


def retry(code, kind=tx.SALE):
    """May the same be tried again: NO, YES, or LOOK first whether the first try went through."""
    row = find(code)
    if row[5] == LOOK and kind == tx.BALANCE:
        return YES
    return row[5]


def of_error(error):
    """The local code for an exception of the link or of the messages."""
    code = getattr(error, "code", None)
    if code is not None:
        return code
    reason = getattr(error, "reason", None)
    for name, code in _LINK:
        if name == reason:
            return code
    return MISMATCH


def fault_text(error):
    """What exactly differed, for the screen's last line and the log: ASCII, no card data."""
    return str(error)
