"""The journal in sentences, Chinese or English: one per record."""

from __future__ import annotations

from host_tools.journal.decode import EVENT_NAMES, Journal, Transaction
from host_tools.journal.layout import Record, moment, u24

KINDS = {
    "zh": {"sale": "消费", "void": "撤销", "refund": "退货", "balance": "余额查询"},
    "en": {"sale": "sale", "void": "void", "refund": "refund", "balance": "balance enquiry"},
}
STATES = {
    "zh": {
        "pending": "等待应答",
        "approved": "已批准",
        "declined": "被拒绝",
        "reversal_due": "待冲正",
        "reversed": "已冲正",
        "unknown": "结果未知",
        "released": "已解除",
        "absent": "未发生",
        "voided": "已撤销",
        "refunded": "已退货",
        "settled": "已结算",
        "unproven": "冲正待核对",
    },
    "en": {
        "pending": "waiting for the answer",
        "approved": "approved",
        "declined": "declined",
        "reversal_due": "reversal due",
        "reversed": "reversed",
        "unknown": "outcome unknown",
        "released": "released",
        "absent": "no money moved",
        "voided": "voided",
        "refunded": "refunded",
        "settled": "settled",
        "unproven": "reversal not proven",
    },
}
_EVENTS = {
    "zh": {
        "approve": "{who} 主机批准, 应答码 {code}, 参考号 {rrn}",
        "decline": "{who} 主机拒绝, 应答码 {code}",
        "reverse": "{who} 没有可信的应答 (原因 {reason}), 必须冲正",
        "attempt": "{who} 第 {attempts} 次发送冲正",
        "undone": "{who} 冲正完成, 应答码 {code}",
        "doubt": "{who} 冲正被应答 {code} 关闭, 不能证明已撤销, 待核对",
        "lose": "{who} 没有应答, 结果未知, 不会重发",
        "release": "{who} 主管 {supervisor} 放弃处理, 理由 {note}",
        "drop": "{who} 确定没有发生扣款",
        "print": "{who} 凭条已打印 ({copies})",
    },
    "en": {
        "approve": "{who} was approved by the host, code {code}, reference {rrn}",
        "decline": "{who} was declined by the host, code {code}",
        "reverse": "{who} has no answer that can be trusted (reason {reason}): to be reversed",
        "attempt": "reversal of {who}: try {attempts}",
        "undone": "{who} was reversed, code {code}",
        "doubt": "the reversal of {who} was closed by {code}, which proves nothing: to be compared",
        "lose": "{who} has no answer; the outcome is unknown and it is not sent again",
        "release": "supervisor {supervisor} gave {who} up, reason {note}",
        "drop": "no money moved for {who}",
        "print": "receipt of {who} printed (copies {copies})",
    },
}
_OTHERS = {
    "zh": {
        "begin": "{who} 开始: {amount} 元, 卡 {pan}, 操作员 {operator}",
        "carried": "{who} 从将被擦除的扇区带到这里, 状态 {state}",
        "note": "记录 {note_kind}: {text}",
        "trace": "下一个流水号 {trace:06d}",
        "stage": "结算到第 {stage} 步",
        "settle": "批次 {batch:06d} 已结算, 下一批次 {next:06d}",
        "settle_copy": "批次 {batch:06d} 的结算记录带到这里",
        "floor": "更早的扇区不再使用",
        "retire": "扇区 {sector} 损坏, 停用",
        "batch": "批次号改为 {batch:06d}",
        "seal": "新扇区生效",
        "resume": "开机: 此前的记录到此为止",
        "void": "(此前断电时的记录, 不算数) {inner}",
        "torn": "扇区 {sector} 偏移 {begin}: {size} 字节不是完整的记录",
        "unknown": "交易 #{ordinal}",
    },
    "en": {
        "begin": "{who} begins: {amount} yuan, card {pan}, operator {operator}",
        "carried": "{who} is carried along from a sector about to be erased, {state}",
        "note": "note {note_kind}: {text}",
        "trace": "the next trace number is {trace:06d}",
        "stage": "the settlement has reached stage {stage}",
        "settle": "batch {batch:06d} is settled, the next one is {next:06d}",
        "settle_copy": "the settlement of batch {batch:06d} is carried along",
        "floor": "older sectors are given up",
        "retire": "sector {sector} failed and is retired",
        "batch": "the batch number becomes {batch:06d}",
        "seal": "the new sector counts",
        "resume": "power on: what came before ends here",
        "void": "(from before a power cut, does not count) {inner}",
        "torn": "sector {sector}, offset {begin}: {size} bytes are no whole record",
        "unknown": "transaction #{ordinal}",
    },
}

# Kinds of notes; "C" is the history of a case.
NOTES = {
    b"A": "access", b"B": "boot", b"C": "case", b"D": "death", b"F": "fault", b"K": "keys",
    b"L": "limit", b"O": "operators", b"P": "parameter", b"S": "session", b"W": "password",
    b"Y": "check", b"Z": "clear",
}  # fmt: skip
# Notes about a case: a word, and what stands behind it.
_CASE = {
    "zh": {
        "open": "立案: {rest}",
        "try": "发送冲正 (次数, 应答): {rest}",
        "query": "向主机查询, 应答 {rest}",
        "call": "致电, 对方工单号 {rest}",
        "reason": "原因: {reason} (操作员 {who})",
        "slip": "打印了差错处理单",
        "accept": "接受迟到的结果, 应答 {rest}",
        "close": "结案, 应答 {rest}",
        "release": "主管 {who} 解除: {reason}",
        "compare": "主管 {who} 核对: {reason}",
        "back": "打印了冲正凭单",
    },
    "en": {
        "open": "case opened: {rest}",
        "try": "reversal tried (try, answer): {rest}",
        "query": "host asked, answer {rest}",
        "call": "called; their case number {rest}",
        "reason": "reason: {reason} (operator {who})",
        "slip": "case slip printed",
        "accept": "late result accepted, answer {rest}",
        "close": "case closed, answer {rest}",
        "release": "given up by supervisor {who}: {reason}",
        "compare": "compared by supervisor {who}: {reason}",
        "back": "reversal slip printed",
    },
}
# The terminal's own codes, where no host gave one.
LOCAL_CODES = {
    "zh": {
        "L1": "超时无应答", "L2": "线路不通", "L3": "应答校验错", "L4": "应答与请求不符",
        "L5": "应答无法识别", "L6": "交易中断电", "L8": "主机无回应",
    },
    "en": {
        "L1": "No reply in time", "L2": "Line is down", "L3": "Reply: bad MAC",
        "L4": "Reply differs", "L5": "Reply unreadable", "L6": "Power was lost",
        "L8": "Host is silent",
    },
}  # fmt: skip
# Reasons for voids, refunds and releases; from 10 on they are the merchant's own numbers.
REASONS = {
    "zh": ("未说明", "金额有误", "顾客要求", "重复交易", "其它原因", "商品退回", "收单机构已核对",
           "部分批准未接受", "银行确认已处理", "转银行人工处理"),
    "en": ("Not given", "Wrong amount", "Customer's wish", "Double sale", "Other reason",
           "Goods returned", "Acquirer agrees", "Part not taken", "Bank confirmed",
           "Bank handles it"),
}  # fmt: skip


def money(amount: int) -> str:
    """分 as yuan."""
    return f"{amount // 100}.{amount % 100:02d}"


def who(txn: Transaction, language: str) -> str:
    """A transaction in a sentence."""
    return f"{KINDS[language][txn.kind]} {txn.trace:06d}"


def sentence(record: Record, journal: Journal, language: str) -> str:
    """What a record says."""
    texts = _OTHERS[language]
    known = {t.ordinal: t for t in journal.transactions}
    p = record.payload
    if not record.counts:
        return texts["void"].format(inner=record.name)
    if record.kind > 16:
        name = EVENT_NAMES[record.kind - 16]
        txn = known.get(u24(p, 0))
        subject = (
            texts["unknown"].format(ordinal=u24(p, 0)) if txn is None else who(txn, language)
        )
        return _EVENTS[language][name].format(who=subject, **_event(name, p))
    if record.kind in (1, 2):
        at = 6 + 5 * p[5] if record.kind == 2 else 0
        txn = known.get(u24(p, at))
        if txn is None:
            return texts["unknown"].format(ordinal=u24(p, at))
        return texts["begin" if record.kind == 1 else "carried"].format(
            who=who(txn, language),
            amount=money(txn.amount),
            pan=txn.masked_pan or "-",
            operator=f"{txn.operator:02d}",
            state=STATES[language][txn.state],
        )
    values: dict[str, object] = {}
    name = record.name
    if name == "note_copy":
        name, p = "note", p[6:]
    if name == "note":
        values = {
            "note_kind": p[7:8].decode("ascii", "replace"),
            "text": p[8:].decode("gbk", "replace"),
        }
    elif name == "trace":
        values = {"trace": u24(p, 0)}
    elif name == "stage":
        values = {"stage": p[0]}
    elif name == "settle":
        name = "settle_copy" if p[0] else "settle"
        values = {"batch": u24(p, 4), "next": u24(p, 1)}
    elif name == "retire":
        values = {"sector": p[0]}
    elif name == "batch":
        values = {"batch": u24(p, 0)}
    return texts[name].format(**values)


def _event(name: str, p: bytes) -> dict[str, object]:
    values: dict[str, object] = {}
    if name in ("approve", "decline"):
        values = {"code": p[9:11].decode("ascii", "replace"), "rrn": _rrn(p)}
    elif name == "reverse":
        values = {"reason": p[7:9].decode("ascii", "replace")}
    elif name == "attempt":
        values = {"attempts": p[7]}
    elif name in ("undone", "drop", "doubt"):
        values = {"code": p[7:9].decode("ascii", "replace")}
    elif name == "release":
        values = {"supervisor": f"{p[7]:02d}", "note": p[8]}
    elif name == "print":
        copies = ", ".join(str(i + 1) for i in range(8) if p[7] >> i & 1)
        values = {"copies": copies}
    return values


def _rrn(p: bytes) -> str:
    if p[7] & 1:
        return p[11:17].hex()
    return p[11:23].decode("ascii", "replace") if p[7] & 2 else "-"


def about(record: Record) -> int | None:
    """The ordinal of the transaction that a record is about; None when it is about none."""
    p = record.payload
    if record.kind == 2:
        return u24(p, 6 + 5 * p[5])
    if record.kind in (3, 12):
        ordinal = u24(p, 0 if record.kind == 3 else 6)
        return None if ordinal == 0xFFFFFF else ordinal
    return u24(p, 0) if record.kind == 1 or record.kind > 16 else None


def case_sentence(payload: bytes, language: str) -> str:
    """A note of a case in words; as it stands when it is of no kind known here."""
    text = payload.decode("ascii", "replace")
    word, _, rest = text.partition(" ")
    form = _CASE[language].get(word)
    if form is None:
        return text
    who, _, number = rest.partition(" ")
    for code, meaning in LOCAL_CODES[language].items():
        if code in rest.split(" "):
            rest += f" ({meaning})"
    reason = ""
    if word in ("reason", "release", "compare"):
        known = REASONS[language]
        reason = number
        if number.isdecimal() and int(number) < len(known):
            reason = known[int(number)]
    return form.format(rest=rest, who=who, reason=reason)


def torn_sentence(place: tuple[int, int, int], language: str) -> str:
    """What is left of a record that was not finished, or was damaged."""
    sector, begin, end = place
    return _OTHERS[language]["torn"].format(sector=sector, begin=begin, size=end - begin)


def when(record: Record) -> str:
    """The time a record carries, as text; "" when it carries none."""
    p = record.payload
    at = {1: 16, 3: 3, 6: 7}.get(record.kind, 3 if record.kind > 16 else -1)
    if at < 0 or len(p) < at + 4:
        return ""
    seconds = int.from_bytes(p[at : at + 4], "little")
    return moment(seconds).isoformat(" ") if seconds else ""
