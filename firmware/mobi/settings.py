"""The terminal's parameters (终端参数): one table of names, kinds, defaults and ranges.

The values lie in the vault. A value that does not fit the table (an older firmware, a damaged
record) reads as its default, so a bad parameter can never stop the terminal.
"""

from micropython import const

DIGITS = const(0)  # text of decimal digits, low..high long
NUMBER = const(1)  # low..high
FLAG = const(2)  # 0 or 1
TEXT = const(3)  # GBK bytes, at most `high` long; not typed on the keypad
MONEY = const(4)  # 分, low..high

# name, kind, default, low, high. The order is the order in the menu.
TABLE = (
    ("terminal", DIGITS, "", 8, 8),  # 终端号, field 41
    ("merchant", DIGITS, "", 15, 15),  # 商户号, field 42
    ("merchant_name", TEXT, b"", 0, 40),  # 商户名称, on receipts
    ("tpdu", DIGITS, "6000030000", 10, 10),
    ("reply_seconds", NUMBER, 60, 5, 180),  # 交易超时
    ("prompt_seconds", NUMBER, 60, 10, 300),
    ("reversal_tries", NUMBER, 3, 1, 3),  # 冲正重发次数
    ("reversal_minutes", NUMBER, 5, 0, 60),  # between tries by itself while idle; 0: never
    ("printer_answers", FLAG, 1, 0, 1),  # 打印机有应答; 0: print, then ask the operator
    ("copies", NUMBER, 2, 1, 3),  # 打印联数
    ("void_card", FLAG, 1, 0, 1),  # 消费撤销刷卡
    ("void_pin", FLAG, 1, 0, 1),  # 消费撤销输密
    ("void_supervisor", FLAG, 1, 0, 1),  # 撤销、退货要主管密码
    ("refund_limit", MONEY, 10000000, 1, 999999999),  # 最高退货额
    # 撤销截止, as the acquirer has it: 0 the end of the calendar day, 1-23 of a business day that
    # ends at that hour, 24 as long as the batch is open.
    ("void_cutoff", NUMBER, 0, 0, 24),
    ("void_minutes", NUMBER, 0, 0, 1440),  # 撤销时限 after the approval; 0: only the cut-off
    ("ask_reason", FLAG, 1, 0, 1),  # 撤销、退货后问原因
    ("repeat_minutes", NUMBER, 5, 0, 60),  # 重复交易提示: same card and amount; 0: none
    ("payment_codes", FLAG, 1, 0, 1),  # 扫码付款
    # Limits that ask the supervisor; 0: none (see mobi.flows.limits).
    ("sale_limit", MONEY, 0, 0, 999999999),  # 单笔限额
    ("day_limit", MONEY, 0, 0, 999999999),  # 日累计限额
    ("refunds_a_day", NUMBER, 50, 0, 999),  # 每日退货笔数
    ("voids_in_row", NUMBER, 10, 0, 99),  # 连续撤销笔数
    ("declines_in_row", NUMBER, 5, 0, 99),  # 同卡连续被拒次数
    # What the acquirer takes of a sale, in 1/10000; 0: not known here.
    ("fee_bp", NUMBER, 0, 0, 1000),  # 手续费率
    ("fee_returned", FLAG, 0, 0, 1),  # 退货退还手续费
    ("manual_pan", FLAG, 1, 0, 1),  # 手输卡号
    ("auto_sign_off", FLAG, 0, 0, 1),  # 结算后自动签退
    ("batch_limit", NUMBER, 500, 10, 2000),  # 最大交易笔数
    ("status_query", FLAG, 1, 0, 1),  # the host answers 0820/364
    ("request_time", FLAG, 1, 0, 1),  # transactions carry fields 12 and 13
    ("closing_mac", FLAG, 1, 0, 1),  # a reversal closed by 25 or 12 needs the host's MAC
    ("service_phone", DIGITS, "95516", 0, 16),  # 客服电话
    ("password_days", NUMBER, 90, 0, 999),  # 密码有效天数, then a reminder; 0: none
    ("test_mode", FLAG, 0, 0, 1),  # 测试状态: slips say that they are worth nothing
    ("switches", NUMBER, 0xFF, 0, 0xFF),  # 交易开关, bits as in tag 26 of a parameter download
    ("language", NUMBER, 0, 0, 1),  # 0 中文, 1 English
)

# What a parameter download (参数下载) sets: its tag, our name. The other tags are about things this
# terminal does not have: dialling, tips, offline sales, several master keys.
DOWNLOADED = (
    ("12", "reply_seconds"),
    ("17", "service_phone"),
    ("20", "manual_pan"),
    ("21", "auto_sign_off"),
    ("22", "merchant_name"),
    ("23", "reversal_tries"),
    ("26", "switches"),
    ("27", "void_cutoff"),
)

# Bits of "switches": byte 0 of tag 26.
ALLOW_BALANCE = const(0x80)
ALLOW_SALE = const(0x04)
ALLOW_VOID = const(0x02)
ALLOW_REFUND = const(0x01)


class BadValue(Exception):
    """The value does not fit the parameter; the text says what would."""


def row(name):
    """The table's row for ``name``; KeyError when there is no such parameter."""
    for entry in TABLE:
        if entry[0] == name:
            return entry
    raise KeyError(name)


def check(entry, value):
    """``value`` as the parameter stores it; ``BadValue`` when it does not fit."""
    name, kind, _, low, high = entry
    if kind == DIGITS:
        value = str(value)
        if not low <= len(value) <= high or not (value.isdigit() or not value):
            raise BadValue("%s: %d-%d digits" % (name, low, high))
        return value
    if kind == TEXT:
        if len(value) > high:
            raise BadValue("%s: at most %d bytes" % (name, high))
        return bytes(value)
    value = int(value)
    if not low <= value <= high:
        raise BadValue("%s: %d-%d" % (name, low, high))
    return value


def text(entry, value):
    """A value as it stands in the audit trail and on the parameter slip."""
    if entry[1] == TEXT:
        return value
    return str(value).encode()


def downloaded(pairs):
    """What a parameter download wants: ([(name, value)], [tags whose values do not fit]).

    ``pairs``: (tag, bytes) as `mobi.acquiring.parameters.read` gives them. A blank value leaves
    the parameter alone.
    """
    wanted = []
    wrong = []
    for tag, data in pairs:
        for known, name in DOWNLOADED:
            if known != tag:
                continue
            if name == "switches":
                value = data[0]  # four bytes of bits; only the first one has switches of ours
            elif name == "merchant_name":
                value = data.rstrip()
            else:
                value = data.strip()
            if value == b"":
                continue
            try:
                if isinstance(value, bytes) and name != "merchant_name":
                    value = value.decode()
                wanted.append((name, check(row(name), value)))
            except (BadValue, ValueError):
                wrong.append(tag)
    return wanted, wrong


class Settings:
    """Reads and writes parameters by name."""

    def __init__(self, vault):
        self._vault = vault
        self._values = {}

    def get(self, name):
        """The value: str, int or bytes by its kind."""
        if name not in self._values:
            entry = row(name)
            stored = self._vault.get(_key(name))
            value = entry[2]
            if stored is not None:
                try:
                    value = check(entry, stored if entry[1] == TEXT else stored.decode())
                except (BadValue, ValueError):
                    pass  # the default stands, as the module promises
            self._values[name] = value
        return self._values[name]

    def set(self, name, value):
        """Check and store ``value``; it is durable when this returns."""
        entry = row(name)
        value = check(entry, value)
        self._vault.put(_key(name), value if entry[1] == TEXT else str(value).encode())
        self._values[name] = value


def _key(name):
    return b"p" + name.encode()
