"""The parts of docs/protocol.md that are made from the code: tables and worked examples.

    PYTHONPATH=firmware:boards/cpython:. python tests/host/protocol_tables.py

writes them into the document; tests/host/test_protocol.py checks that they are current. The
messages of the examples are the firmware's own, the replies are written with pyiso8583 and
`cryptography`, and both went through both real ends of the line.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from pathlib import Path

from host_tools import link
from mobi import settings
from mobi import transactions as tx
from mobi.acquiring import codes, iso8583, messages, parameters, security
from mobi.link import arq, frame
from tests.host.iso_oracle import decode, encode
from tests.host.test_link import World
from tests.host.test_messages import with_mac
from tests.host.test_security import encrypt

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"

TMK = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
PIK = bytes.fromhex("1122334455667788AABBCCDDEEFF0011")
MAK = bytes.fromhex("0102040708080B0D")
CARD = ("6222021234567890128", "3012", "123456")
NAMES = {
    2: "card number 主账号", 3: "processing code 处理码", 4: "amount 金额, 分",
    11: "trace 流水号", 12: "time hhmmss", 13: "date MMDD", 14: "expiry YYMM",
    15: "settlement date MMDD", 22: "entry mode 输入方式", 23: "card sequence number",
    25: "condition code", 26: "longest PIN", 32: "acquirer 受理机构", 35: "track 2", 36: "track 3",
    37: "reference number 参考号", 38: "authorisation code 授权码", 39: "response code 应答码",
    41: "terminal 终端号", 42: "merchant 商户号", 44: "issuer and acquirer", 48: "totals, details",
    49: "currency", 52: "PIN block", 53: "security control", 54: "balance", 55: "chip data",
    60: "type, batch, code", 61: "original 原交易", 62: "keys, parameters",
    63: "operator; texts (GBK)", 64: "MAC",
}
KINDS = {
    iso8583.NUMBER: ("n{0}", "BCD, zeros on the left"),
    iso8583.LEFT: ("n{0}", "BCD, left-justified: 021 is 02 10"),
    iso8583.RIGHT: ("n{0}", "BCD, right-justified: 001 is 00 01"),
    iso8583.TEXT: ("an{0}", "ASCII, spaces on the right"),
    iso8583.BINARY: ("b{0}", "{0} bytes"),
    iso8583.LL_NUMBER: ("n..{0}", "1 byte length, BCD from the left"),
    iso8583.LL_TRACK: ("z..{0}", "1 byte length, BCD from the left, separator D"),
    iso8583.LL_BYTES: ("ans..{0}", "1 byte length, bytes"),
    iso8583.LLL_NUMBER: ("n..{0}", "2 bytes length, BCD from the left"),
    iso8583.LLL_TRACK: ("z..{0}", "2 bytes length, BCD from the left, separator D"),
    iso8583.LLL_BYTES: ("b..{0}", "2 bytes length, bytes"),
}
TITLES = {
    "sign_on": "sign-on 签到", "sign_off": "sign-off 签退", "echo": "echo test 回响测试",
    "parameters": "parameter download 参数下载", "status": "status report 状态上送",
    "status_query": "status query (extension)",
    "balance": "balance 余额查询", "sale": "sale 消费", "void": "void 消费撤销",
    "refund": "refund 退货", "sale_reversal": "reversal of a sale 消费冲正",
    "void_reversal": "reversal of a void 撤销冲正", "settlement": "settlement 批结算",
    "batch_upload": "batch upload 批上送", "batch_refund": "batch upload of a refund",
    "batch_end": "end of upload 批上送结束",
}


def fields() -> str:
    """The field table."""
    rows = ["| field | | format | on the line |", "|---|---|---|---|"]
    for field, kind, size in iso8583.FIELDS:
        form, text = KINDS[kind]
        rows.append(f"| {field} | {NAMES[field]} | {form.format(size)} | {text.format(size)} |")
    return "\n".join(rows)


def skipped() -> str:
    """The table of fields that are passed over."""
    rows = ["| field | length in the message |", "|---|---|"]
    places: dict[str, list[int]] = {}
    for field, kind, size in iso8583.SKIPPED:
        nbytes = size if kind in (iso8583.TEXT, iso8583.BINARY) else (size + 1) // 2
        text = {
            iso8583.LL_NUMBER: f"1 byte length, that many digits, up to {size}",
            iso8583.LL_BYTES: f"1 byte length, that many bytes, up to {size}",
            iso8583.LLL_BYTES: f"2 bytes length, that many bytes, up to {size}",
        }.get(kind, f"{nbytes} byte{'s' * (nbytes > 1)}")
        places.setdefault(text, []).append(field)
    for text, numbers in sorted(places.items(), key=lambda item: item[1]):
        rows.append(f"| {', '.join(map(str, numbers))} | {text} |")
    return "\n".join(rows)


def parameter_tags() -> str:
    """The table of a parameter download."""
    rows = ["| tag | bytes | | the terminal |", "|---|---|---|---|"]
    taken = dict(settings.DOWNLOADED)
    for tag, size, text in parameters.TAGS:
        does = f"takes it over (`{taken[tag]}`)" if tag in taken else "ignores it"
        rows.append(f"| {tag} | {size} | {text} | {does} |")
    return "\n".join(rows)


def response_codes() -> str:
    """The table of response codes of a host."""
    rows = ["| 39 | | | class |", "|---|---|---|---|"]
    classes = {"A": "accepted", "B": "refused, may be tried again", "C": "refused",
               "D": "refused, somebody must act", "E": "system fault"}
    rows += [f"| {code} | {zh} | {en} | {classes[kind]} |"
             for code, kind, zh, en, *_ in codes.TABLE if code[0] != "L"]
    rows.append(f"| any other | {codes.text('', 0)} | {codes.text('', 1)} | refused |")
    return "\n".join(rows)


def catalogue() -> str:
    """The table of messages."""
    rows = ["| message | MTI | 3 | 60.1 | 60.3 | MAC | fields of the request |", "|---" * 7 + "|"]
    for name, mti, processing, kind, net, flags, wanted in messages.TABLE:
        reply = f"{mti[:2]}{int(mti[2]) + 1}0"
        if name == "batch_end":
            net = "202/207"
        parts = [f"({-field})" if field < 0 else str(field) for field in wanted]
        mac = "yes" if flags & 1 else ""
        cells = (TITLES[name], f"{mti}/{reply}", processing, kind, net, mac, " ".join(parts))
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def timers() -> str:
    """The timers of both ends."""
    rows = [
        ("host answers a SYNC or with LOST", "at once", f"at the latest {link.GRACE_MS} ms"),
        ("host answers a REQUEST", f"within {link.HOLD_MS} ms",
         f"at the latest {link.HOLD_MS + link.GRACE_MS} ms"),
        ("host answers a POLL", f"within {link.HOLD_POLL_MS} ms",
         f"at the latest {link.HOLD_POLL_MS + link.GRACE_MS} ms"),
        ("terminal waits for the answer to a SYNC", f"{arq.SYNC_MS} ms",
         f"then again, {arq.SYNC_TRIES} times before a request, else until its caller's timeout"),
        ("terminal waits for the answer to a REQUEST", f"{arq.HOLD_MS + arq.SLACK_MS} ms",
         f"then again, {arq.REQUEST_TRIES} times in all"),
        ("terminal waits for the answer to a POLL", f"{arq.HOLD_POLL_MS + arq.SLACK_MS} ms",
         "then again, until the reply timeout"),
        ("terminal begins a new session", f"after {arq.QUIET_MS} ms without a frame of the host",
         "before the next request, and when number 31 was used"),
        ("reply timeout", "the terminal's parameter, 60 s",
         "counts from the end of the first REQUEST"),
    ]
    return "\n".join(["| what | usually | |", "|---|---|---|",
                      *(f"| {a} | {b} | {c} |" for a, b, c in rows)])


def controls() -> str:
    """The table of control bytes."""
    rows = (
        ("SYNC", frame.SYNC, "terminal", "version 01, session number (4 bytes)", "plain"),
        ("REQUEST", frame.REQUEST, "terminal", "message", "session"),
        ("POLL", frame.POLL, "terminal", "none", "session"),
        ("SYNCED", frame.SYNCED, "host", "version 01, session number (4), host number (4)",
         "plain"),
        ("REPLY", frame.REPLY, "host", "message", "session"),
        ("WAIT", frame.WAIT, "host", "none", "session"),
        ("LOST", frame.LOST, "host", "the 2 FCS bytes of the frame refused", "plain"),
    )
    lines = ["| frame | control byte | sent by | payload | FCS |", "|---|---|---|---|---|"]
    for name, value, by, payload, start in rows:
        number = f"{value:02X}" if start == "plain" else f"{value:02X} + number"
        lines.append(f"| {name} | {number} | {by} | {payload} | {start} |")
    return "\n".join(lines)


# -- worked examples -------------------------------------------------------------------------------


class Setup:
    """The terminal of the examples."""

    tid = "00000001"
    mid = "123456789012345"
    tpdu = bytes.fromhex("6000030000")
    reader = 2
    request_time = 1
    closing_mac = 1


class Keys:
    """Its keys; PIK and MAK come with the sign-on."""

    pik = b""
    mak = b""


def _wrap(key: bytes) -> bytes:
    return encrypt(TMK, key) + encrypt(key, bytes(8))[:4]


class Story:
    """Runs the examples through both real ends and keeps what was on the line."""

    def __init__(self) -> None:
        self.world = World()
        self.world.answer = self._answer
        self.keys = Keys()
        self.composer = messages.Composer(Setup, self.keys)
        self.trace = 0
        self.reply: dict[str, str] = {}
        self.parts: list[str] = []

    def _answer(self, request: bytes) -> bytes:
        # What a host answers: what must be repeated, and what the example adds.
        sent = decode(request)
        values = {key: sent[key] for key in ("3", "4", "11", "41", "42") if key in sent}
        values |= {"t": f"{sent['t'][:2]}{int(sent['t'][2]) + 1}0", "12": "101502", "13": "1122",
                   "32": "48021000", "39": "00", **self.reply}
        return with_mac(values, MAK) if "64" in sent else encode(values)

    def new(self, kind: int, amount: int = 0) -> tx.Transaction:
        """A transaction with the next trace."""
        self.trace += 1
        txn = tx.Transaction(kind)
        txn.trace, txn.batch, txn.operator, txn.amount = self.trace, 1, 1, amount
        if kind:
            txn.pan, txn.track2, txn.entry = CARD[0], f"{CARD[0]}={CARD[1]}101123", "021"
            txn.pin_block = security.pin_block(CARD[2], CARD[0], self.keys.pik)
        return txn

    def show(self, title: str, text: str, name: str, txn: tx.Transaction, reply: dict[str, str],
             think_ms: int = 0) -> messages.Reply:
        """Run one request; append what was on the line and what it meant."""
        self.reply = reply
        self.world.think_ms = lambda _: think_ms
        self.world.frames.clear()
        request = bytes(self.composer.build(name, txn))
        data = bytes(self.world.request(request, 60_000))
        result = self.composer.read(name, txn, data)
        lines = [f"### {title}", "", text, "", "On the line:", "", "```"]
        for way, info in self.world.frames:
            arrow = "terminal" if way == "in" else "host    "
            number = f" {info.number}" if info.kind not in ("sync", "synced") else ""
            lines.append(f"{arrow}  {info.kind.upper()}{number}")
            wire = (b"\x7e" if way == "in" else b"") + info.wire
            lines += textwrap.wrap(wire.hex(" ").upper(), 95, initial_indent="    ",
                                   subsequent_indent="    ")
        lines += ["```", "", "Request:", "", "```", *self._fields(request), "```", "", "Reply:", "",
                  "```", *self._fields(data), "```"]
        self.parts.append("\n".join(lines))
        return result

    @staticmethod
    def _fields(data: bytes) -> list[str]:
        found = decode(data)
        envelope = f"TPDU {data[:5].hex().upper()}  header {data[5:11].hex().upper()}"
        lines = [f"{envelope}  MTI {found.pop('t')}  bitmap {data[13:21].hex().upper()}"]
        for key in sorted(found, key=int):
            value = found[key]
            if key == "64":
                value = f"{value}  (\"{bytes.fromhex(value).decode()}\")"
            name = NAMES[int(key)]
            wide = sum(unicodedata.east_asian_width(c) == "W" for c in name)
            lines.append(f"{key:>4}  {name}{' ' * (27 - len(name) - wide)} {value}")
        if "64" in found:
            fold = bytes(security.fold(data[11:-8])).hex().upper()
            lines.append(f"      the XOR of the {len(data) - 19} bytes before it: {fold}")
        return lines


_REVERSAL = """A sale with trace 4 had no reply. It is reversed with its own trace and batch, from
what the journal keeps: no track, no PIN."""


def examples() -> str:
    """Sign-on, sale, void, reversal."""
    story = Story()
    keys = _wrap(PIK) + _wrap(MAK + MAK)
    reply = story.show(
        "Sign-on", "A session is begun first. Field 62 of the reply brings the working keys.",
        "sign_on", story.new(0),
        {"37": "000000000001", "60": "00000001003", "62": keys.hex().upper()})
    story.keys.pik, story.keys.mak = security.unwrap(TMK, reply.keys)
    sale = story.new(tx.SALE, 12345)
    story.show(
        "Sale", "The host needs 1.5 s: it acknowledges with WAIT, is polled twice, and replies.",
        "sale", sale, {"15": "1123", "37": "000000000002", "38": "A10002"}, think_ms=1500)
    void = story.new(tx.VOID, 12345)
    void.original_trace, void.original_batch = sale.trace, sale.batch
    void.original_rrn, void.original_auth = sale.rrn, sale.auth
    story.show("Void", "The sale is voided: fields 37, 38 and 61 name it.", "void", void,
               {"15": "1123", "37": "000000000003", "38": "A10003"})
    lost = story.new(tx.SALE, 6600)
    lost.reason = "98"
    lost.track2, lost.pin_block = "", None
    story.show(
        "Reversal of a sale", _REVERSAL, "sale_reversal", lost, {"37": "000000000004"})
    return "\n\n".join(story.parts)


def keys() -> str:
    """The keys and the working of the MAC in the examples."""
    wrapped = _wrap(PIK) + _wrap(MAK + MAK)
    mak = f"{MAK.hex().upper():<32}"
    return "\n".join((
        "```",
        f"TMK                    {TMK.hex().upper()}    check value {security.kcv(TMK)}",
        f"PIK                    {PIK.hex().upper()}    check value {security.kcv(PIK)}",
        f"MAK                    {mak}    check value {security.kcv(MAK)}",
        f"PIK under TMK          {wrapped[:16].hex().upper()}",
        f"MAK MAK under TMK      {wrapped[20:36].hex().upper()}",
        f"field 62               {wrapped.hex().upper()[:48]}",
        f"                       {wrapped.hex().upper()[48:]}",
        f"PIN {CARD[2]}, card {CARD[0]}",
        f"  clear PIN block      {_clear_pin_block()}",
        f"  field 52             {security.pin_block(CARD[2], CARD[0], PIK).hex().upper()}",
        "```",
    ))


def _clear_pin_block() -> str:
    from mobi.acquiring.des import Des

    return Des(PIK).decrypt(security.pin_block(CARD[2], CARD[0], PIK)).hex().upper()


def mac_steps() -> str:
    """The MAC of the vector, step by step."""
    data = bytes.fromhex("0200302004C030C09811000000000000000001000001021000123536373800")
    key = bytes.fromhex("0123456789ABCDEF")
    fold = bytes(security.fold(data))
    letters = fold.hex().upper().encode()
    first = encrypt(key, letters[:8])
    mixed = bytes(a ^ b for a, b in zip(first, letters[8:], strict=True))
    last = encrypt(key, mixed)
    mac = security.mac_cup(key, data)
    return "\n".join((
        "```",
        f"data (31 bytes)     {data.hex().upper()}",
        f"key                 {key.hex().upper()}",
        f"XOR of the blocks   {fold.hex().upper()}",
        f"as letters          {letters[:8].hex().upper()} {letters[8:].hex().upper()}",
        f"first 8 encrypted   {first.hex().upper()}",
        f"XOR last 8          {mixed.hex().upper()}",
        f"encrypted           {last.hex().upper()}",
        f"MAC                 \"{mac.decode()}\" = {mac.hex().upper()}",
        "```",
    ))


PARTS = {
    "controls": controls, "timers": timers, "fields": fields, "skipped": skipped,
    "catalogue": catalogue, "parameters": parameter_tags, "codes": response_codes,
    "mac": mac_steps, "keys": keys, "examples": examples,
}
_BLOCK = re.compile(r"<!-- made: (\w+) -->\n(.*?)<!-- end -->", re.S)


def renewed(text: str) -> str:
    """``text`` with every made part as the code makes it now."""
    return _BLOCK.sub(
        lambda match: f"<!-- made: {match[1]} -->\n{PARTS[match[1]]()}\n<!-- end -->", text)


def made(text: str) -> dict[str, str]:
    """The made parts that stand in ``text``."""
    return {match[1]: match[2].rstrip("\n") for match in _BLOCK.finditer(text)}


if __name__ == "__main__":
    DOCUMENT.write_text(renewed(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
