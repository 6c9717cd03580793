"""What a request is: the catalogue of messages with their names and obligatory fields."""

from __future__ import annotations

from dataclasses import dataclass

from host_tools.acquirer.codec import FormatError, Request

_MONEY = ("3", "4", "11", "22", "25", "41", "42", "49", "60")


@dataclass(frozen=True)
class Operation:
    """One kind of request. ``family``: session, financial, reversal, settlement or none."""

    name: str
    title: str  # the Chinese name of the trade
    family: str
    fields: tuple[str, ...]


_ALL = (
    Operation("sign-on", "签到", "session", ("11", "41", "42", "60")),
    Operation("sign-off", "签退", "session", ("11", "41", "42", "60")),
    Operation("echo", "回响测试", "session", ("11", "41", "42", "60")),
    Operation("parameters", "参数下载", "session", ("11", "41", "42", "60")),
    Operation("status", "状态上送", "session", ("11", "41", "42", "60")),
    Operation("query", "交易状态查询", "session", ("11", "41", "42", "60", "61")),
    Operation("balance", "余额查询", "financial", ("3", "11", "22", "25", "41", "42", "49", "60")),
    Operation("sale", "消费", "financial", _MONEY),
    Operation("void", "消费撤销", "financial", (*_MONEY, "37", "61")),
    Operation("refund", "退货", "financial", (*_MONEY, "37", "61")),
    Operation("sale-reversal", "消费冲正", "reversal", (*_MONEY, "39")),
    Operation("void-reversal", "撤销冲正", "reversal", (*_MONEY, "39", "61")),
    Operation("settlement", "批结算", "settlement", ("11", "41", "42", "48", "60")),
    Operation("upload", "批上送", "settlement", ("11", "41", "42", "48", "60")),
    Operation("upload-refund", "退货批上送", "settlement", ("4", "11", "41", "42", "60")),
    Operation("upload-end", "批上送结束", "settlement", ("11", "41", "42", "48", "60")),
    Operation("unsupported", "不支持", "none", ("11", "41", "42")),
)
OPERATIONS = {operation.name: operation for operation in _ALL}

# Names that stand for several operations in rules.
GROUPS = {
    "reversal": ("sale-reversal", "void-reversal"),
    "financial": ("balance", "sale", "void", "refund", "sale-reversal", "void-reversal"),
    "money": ("sale", "void", "refund"),
    "uploads": ("upload", "upload-refund", "upload-end"),
    "any": tuple(OPERATIONS),
}

_MANAGEMENT = {
    ("0800", "001"): "sign-on", ("0800", "003"): "sign-on", ("0800", "004"): "sign-on",
    ("0800", "360"): "parameters",
    ("0820", "002"): "sign-off", ("0820", "301"): "echo", ("0820", "362"): "status",
    ("0820", "364"): "query",
    ("0500", "201"): "settlement",
    ("0320", "201"): "upload", ("0320", "202"): "upload-end", ("0320", "207"): "upload-end",
}
# Message type, processing code (field 3), type code (field 60.1).
_CARD = {
    ("0200", "310000", "01"): "balance",
    ("0200", "000000", "22"): "sale",
    ("0200", "200000", "23"): "void",
    ("0220", "200000", "25"): "refund",
    ("0400", "000000", "22"): "sale-reversal",
    ("0400", "200000", "23"): "void-reversal",
}
REQUEST_TYPES = ("0100", "0200", "0220", "0320", "0400", "0500", "0620", "0800", "0820")


def operation_of(request: Request) -> Operation:
    """Which operation ``request`` asks for; ``unsupported`` when this host has no such service.

    ``FormatError`` when the message lacks what would tell.
    """
    mti = request.mti
    code = request.get("60")
    if len(code) < 8:
        raise FormatError("field 60 is missing or shorter than type and batch", request)
    if mti in ("0200", "0220", "0400"):
        name = _CARD.get((mti, request.get("3"), code[:2]))
    elif mti == "0320" and code[:2] == "25":
        name = "upload-refund"
    elif len(code) < 11:
        raise FormatError("field 60 lacks the network code", request)
    else:
        name = _MANAGEMENT.get((mti, code[8:11]))
    return OPERATIONS[name or "unsupported"]
