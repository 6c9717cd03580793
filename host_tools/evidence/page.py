"""The page of an evidence bundle: what happened in the order of time, then every source in full.

Made from the data alone, without scripts and without anything from elsewhere, so that it reads the
same everywhere and can be made again to be compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from host_tools.journal import words

_TEXTS = {
    "title": ("交易证据", "Transaction evidence"),
    "voucher": ("凭证号", "Voucher"),
    "batch": ("批次号", "Batch"),
    "terminal": ("终端号", "Terminal"),
    "made": ("生成时间", "Made"),
    "hash": ("evidence.json 的 SHA-256", "SHA-256 of evidence.json"),
    "agree": ("终端与主机一致", "Terminal and host agree"),
    "differ": ("终端与主机不一致", "Terminal and host differ"),
    "open": ("未完成: 终端没有得到可信的应答, 资金以主机为准",
             "Open: the terminal has no answer it can trust; the money is where the host says"),
    "no-host": ("只有终端的记录, 没有主机账务可比", "The terminal's record only; no host's books"),
    "host-only": ("主机有此交易, 终端流水没有", "The host has it, the terminal's journal does not"),
    "no-journal": ("只有主机的账务, 没有终端流水", "The host's books only; no terminal's journal"),
    "compared": ("两端核对", "Both ends"),
    "item": ("项目", "Item"),
    "here": ("终端", "Terminal"),
    "there": ("主机", "Host"),
    "same": ("一致", "same"),
    "not_same": ("不一致", "differs"),
    "story": ("经过", "What happened"),
    "time": ("时间", "Time"),
    "source": ("来源", "Source"),
    "what": ("内容", "What"),
    "who": ("操作员", "Operator"),
    "supervisor": ("主管", "Supervisor"),
    "terminal_journal": ("终端流水", "Terminal's journal"),
    "journal_is": ("流水映像校验", "The journal image is"),
    "case": ("处理记录", "Case"),
    "before": ("之前", "Before"),
    "after": ("之后", "After"),
    "reason": ("原因", "Reason"),
    "audit_of_day": ("当日审计记录", "Audit trail of the day"),
    "host_books": ("主机账务", "Host's books"),
    "entries": ("分录", "Postings"),
    "line": ("通讯", "Line"),
    "messages": ("报文 (已脱敏)", "Messages, decoded and masked"),
    "receipts": ("签购单", "Receipts"),
    "records": ("流水记录", "Journal records"),
    "sources": ("证据来源", "Made from"),
    "none": ("无", "none"),
    "settled": ("该批次已结算", "Its batch was settled"),
    "to_host": ("终端 → 主机", "terminal → host"),
    "to_terminal": ("主机 → 终端", "host → terminal"),
    "clocks": ("终端与主机各按自己的时钟记时。", "Terminal and host each go by their own clock."),
    "privacy": ("卡号只显示前六后四位; 不含磁道、密码、有效期与密钥。",
                "Card numbers show six and four digits; no track, PIN, expiry or key is here."),
}
_ITEMS = {
    "kind": ("交易类型", "Kind"), "amount": ("金额", "Amount"), "masked_pan": ("卡号", "Card"),
    "rrn": ("参考号", "Reference"), "auth": ("授权码", "Authorisation"),
    "code": ("应答码", "Response code"), "state": ("状态", "State"),
}
_STYLE = """
body { font: 15px/1.5 "Noto Sans CJK SC", system-ui, sans-serif; margin: 2rem auto;
  max-width: 62rem; padding: 0 1rem; color: #222; background: #fff }
h1 { font-size: 1.6rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem;
  border-bottom: 1px solid #ccc }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; vertical-align: top;
  padding: .15rem .8rem .15rem 0; border-bottom: 1px solid #eee }
th { font-weight: 600; color: #555 } td:first-child { white-space: nowrap }
code, pre, .n { font-family: "Noto Sans Mono CJK SC", ui-monospace, monospace; font-size: .85rem }
pre { background: #f6f6f2; padding: .6rem 1rem; display: inline-block; vertical-align: top;
  margin: 0 1rem 1rem 0 }
.finding { padding: .6rem 1rem; margin: 1rem 0; border-left: .4rem solid #888; background: #f4f4f4 }
.agree { border-color: #2a7d46 } .differ, .host-only { border-color: #b3261e }
.open { border-color: #c77700 } .bad { color: #b3261e; font-weight: 600 }
img { max-width: 17rem; margin: 0 1rem 1rem 0; vertical-align: top; border: 1px solid #ddd }
.break { overflow-wrap: anywhere }
@media print { body { margin: 0 } h2 { break-after: avoid } }
"""
# Of things in the same second: what the terminal notes before a message leaves, the messages,
# and what it notes of the answer.
_BEFORE = ("intent", "attempt")


def render(evidence: dict[str, Any], total: str) -> str:
    """The page as HTML. ``total``: SHA-256 of the data, to be printed on it."""
    return _Page(evidence, total).html()


class _Page:
    def __init__(self, evidence: dict[str, Any], total: str) -> None:
        self.e = evidence
        self.total = total
        self.language = evidence["language"]

    def tr(self, name: str) -> str:
        return (_TEXTS.get(name) or _ITEMS[name])[self.language == "en"]

    def html(self) -> str:
        e = self.e
        title = f"{self.tr('title')} {e['batch']:06d}/{e['trace']:06d}"
        parts = [
            f'<!doctype html>\n<html lang="{self.language}"><head><meta charset="utf-8">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{escape(title)}</h1>", self._head(), self._finding(),
            self._section("compared", self._compared()),
            self._section("story", self._story()),
            self._receipts(),
            self._section("host_books", self._host()),
            self._section("messages", self._messages()),
            self._section("records", self._records()),
            self._section("audit_of_day", self._audit()),
            self._section("sources", self._sources()),
            f"<p>{escape(self.tr('privacy'))}</p></body></html>\n",
        ]
        return "\n".join(part for part in parts if part)

    def _section(self, name: str, body: str) -> str:
        return f"<h2>{escape(self.tr(name))}</h2>\n{body or escape(self.tr('none'))}"

    def _table(self, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
        top = "".join(f"<th>{escape(self.tr(head))}</th>" for head in heads)
        lines = ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
                 for row in rows]
        if not lines:
            return ""
        return "<table><tr>" + top + "</tr>\n" + "\n".join(lines) + "</table>"

    # -- the parts -----------------------------------------------------------------------------

    def _head(self) -> str:
        e = self.e
        pairs = [("terminal", e["terminal"] or "-"), ("batch", f"{e['batch']:06d}"),
                 ("voucher", f"{e['trace']:06d}"), ("made", _clock(e["made_at"]))]
        text = " · ".join(f"{escape(self.tr(name))} {escape(value)}" for name, value in pairs)
        return (f"<p>{text}<br>{escape(self.tr('hash'))} " +
                f'<code class="break">{self.total}</code></p>')

    def _finding(self) -> str:
        found = self.e["finding"]
        lines = [f"<b>{escape(self.tr(found['verdict']))}</b>"]
        lines += [escape(text) for text in found["differences"]]
        return f'<div class="finding {found["verdict"]}">' + "<br>".join(lines) + "</div>"

    def _compared(self) -> str:
        rows = []
        for row in self.e["compared"]:
            name, here, there = row["item"], row["terminal"], row["host"]
            mark = "" if row["same"] is None else self.tr("same" if row["same"] else "not_same")
            cells = [self.tr(name), self._value(name, here),
                     self._value(name, there), mark]
            rows.append(cells)
        top = "".join(f"<th>{escape(self.tr(head))}</th>" for head in ("item", "here", "there"))
        lines = []
        for row, cells in zip(self.e["compared"], rows, strict=True):
            bad = ' class="bad"' if row["same"] is False and row["item"] != "state" else ""
            lines.append("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in cells[:3]) +
                         f"<td{bad}>{escape(cells[3])}</td></tr>")
        return "<table><tr>" + top + "<th></th></tr>\n" + "\n".join(lines) + "</table>"

    def _value(self, name: str, value: Any) -> str:
        if value in (None, ""):
            return "-"
        if name == "amount":
            return words.money(value)
        if name == "kind":
            return words.KINDS[self.language].get(value, value)
        if name == "state":
            return words.STATES[self.language].get(value, value)
        return str(value)

    def _story(self) -> str:
        rows: list[tuple[str, int, str, str]] = []
        journal = self.e["journal"]
        if journal is not None and journal["transaction"] is not None:
            for record in journal["records"]:
                if record["counts"] and record["time"] and record["kind"] not in (
                        "note", "note_copy", "carried"):
                    rank = 0 if record["kind"] in _BEFORE else 3
                    rows.append((_clock(record["time"]), rank, "terminal_journal", record["says"]))
            rows += [(_clock(note["time"]), 4, "case", f"{note['trace']:06d} {note['says']}")
                     for note in journal["case"]]
            if journal["settlement"] is not None:
                rows.append((_clock(journal["settlement"]["time"]), 5, "terminal_journal",
                             self.tr("settled")))
        for message in self.e["messages"] or []:
            code = _field(message, 39)
            text = f"{self._way(message)} {message['mti']} {message['operation']}"
            text += f" [{code}]" if code else ""
            text += f": {message['verdict']}" if message["verdict"] else ""
            rank = 1 if message["direction"] == ">" else 2
            rows.append((_clock(message["time"]), rank, "line", text))
        rows.sort(key=lambda row: row[:2])
        table = self._table(("time", "source", "what"),
                            ((time, self.tr(source), text) for time, _, source, text in rows))
        return f"{table}<p>{escape(self.tr('clocks'))}</p>"

    def _way(self, message: dict[str, Any]) -> str:
        return self.tr("to_host" if message["direction"] == ">" else "to_terminal")

    def _receipts(self) -> str:
        parts = [f'<img src="{escape(r["picture"])}" alt="{escape(r["text"])}">'
                 if r.get("picture") else f"<pre>{escape(r['text'])}</pre>"
                 for r in self.e["receipts"]]
        return self._section("receipts", "\n".join(parts))

    def _host(self) -> str:
        host = self.e["host"]
        if host is None or host["transaction"] is None:
            return ""
        rows = [(_clock(t["time"]), f"{t['batch']:06d}/{t['trace']:06d}",
                 *(self._value(name, t[name]) for name in _ITEMS))
                for t in (host["transaction"], *host["related"])]
        text = self._table(("time", "voucher", *_ITEMS), rows)
        entries = [f"{entry['posting']:<12} {entry['account']:<28} {_signed(entry['amount']):>14}"
                   for entry in host["entries"]]
        if entries:
            listed = escape("\n".join(entries))
            text += f"<p>{escape(self.tr('entries'))}</p><pre>{listed}</pre>"
        if host["batch"] is not None:
            text += f"<p>{escape(self.tr('settled'))} [{escape(host['batch']['verdict'])}]</p>"
        return text

    def _messages(self) -> str:
        parts = []
        for message in self.e["messages"] or []:
            lines = [f"{_clock(message['time'])}  {self._way(message)}  {message['mti']} " +
                     message["operation"]]
            lines += [f"  {f['field']:>3} {f['name']:<22} {f['value']}" for f in message["fields"]]
            parts.append(f'<pre class="break">{escape(chr(10).join(lines))}</pre>')
        return "\n".join(parts)

    def _records(self) -> str:
        journal = self.e["journal"]
        if journal is None:
            return ""
        verdict = f"<p>{escape(self.tr('journal_is'))} {escape(journal['verdict'])}</p>"
        rows = ((_clock(r["time"]), f"{r['sector']}/{r['offset']}", r["says"])
                for r in journal.get("records", []))
        return verdict + self._table(("time", "source", "what"), rows)

    def _audit(self) -> str:
        journal = self.e["journal"] or {}
        return self._table(
            ("time", "who", "supervisor", "what", "before", "after", "reason"),
            ((_clock(a["time"]), a["operator"], a["supervisor"], f"{a['kind']}: {a['what']}",
              a["before"], a["after"], a["reason"]) for a in journal.get("audit", [])))

    def _sources(self) -> str:
        return "<br>".join(
            escape(f"{s['what']}: {s['name']}") +
            (f' <code class="break">{s["sha256"]}</code>' if s["sha256"] else "")
            for s in self.e["sources"])


def _clock(time: str) -> str:
    return time.replace("T", " ")


def _signed(amount: int) -> str:
    return f"{'-' if amount < 0 else ''}{words.money(abs(amount))}"


def _field(message: dict[str, Any], number: int) -> str:
    return next((f["value"] for f in message["fields"] if f["field"] == number), "")
