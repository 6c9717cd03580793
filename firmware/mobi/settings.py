"""The terminal's parameters (终端参数): one table of names, kinds, defaults and ranges.

The values lie in the vault. A value that does not fit the table (an older firmware, a damaged
record) reads as its default, so a bad parameter can never stop the terminal.
"""

from micropython import const

DIGITS = const(0)  # text of decimal digits, low..high long
NUMBER = const(1)  # low..high
FLAG = const(2)  # 0 or 1
TEXT = const(3)  # GBK bytes, at most `high` long; not typed on the keypad

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
    ("copies", NUMBER, 2, 1, 3),  # 打印联数
    ("void_card", FLAG, 1, 0, 1),  # 消费撤销刷卡
    ("void_pin", FLAG, 1, 0, 1),  # 消费撤销输密
    ("void_supervisor", FLAG, 1, 0, 1),  # 撤销、退货要主管密码
    ("refund_limit", NUMBER, 10000000, 1, 999999999),  # 最高退货额, 分
    ("manual_pan", FLAG, 1, 0, 1),  # 手输卡号
    ("auto_sign_off", FLAG, 0, 0, 1),  # 结算后自动签退
    ("batch_limit", NUMBER, 500, 10, 2000),  # 最大交易笔数
    ("status_query", FLAG, 1, 0, 1),  # the host answers 0820/364
    ("service_phone", DIGITS, "95516", 0, 16),  # 客服电话
    ("switches", NUMBER, 0xFF, 0, 0xFF),  # 交易开关, bits as in tag 26 of a parameter download
    ("language", NUMBER, 0, 0, 1),  # 0 中文, 1 English
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
