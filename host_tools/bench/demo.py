"""The scripted trading day: every thing an operator does and the worst moments, with pictures."""

from __future__ import annotations

import html
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from host_tools.bench import stories, wiring
from host_tools.bench.bench import Bench

CARD = stories.CARD
POOR_CARD = stories.POOR_CARD


class Demo:
    """Runs the day into the folder ``out``; ``progress(text)`` is told each step."""

    def __init__(self, out: Path, language: str, progress: Callable[[str], None]) -> None:
        self.out = out
        self.language = language
        self.progress = progress
        self.shots: list[tuple[str, str, str]] = []  # chapter, caption, file
        self.chapter = ""

    def run(self) -> Path:
        """The whole day; the path of the index page."""
        if self.out.exists():
            shutil.rmtree(self.out)
        self.out.mkdir(parents=True)
        with Bench(language=self.language, seed=1) as bench:
            self.bench = bench
            self._day()
            self._save()
        return self._index()

    # -- the day -------------------------------------------------------------------------------

    def _begin(self, chapter: str) -> None:
        self.chapter = chapter
        self.progress(f"{self.bench.clock.now:%H:%M:%S}  {chapter}")

    def _shot(self, caption: str) -> None:
        name = f"screen-{len(self.shots) + 1:02}.png"
        self.bench.screenshot(self.out / name, scale=3)
        self.shots.append((self.chapter, caption, name))

    def _day(self) -> None:
        b = self.bench
        self._begin("Switch on, log in, sign on 签到")
        b.power_on()
        self._shot("Who is there? Operator 01, password 0000")
        b.sign_on()
        self._shot("Signed on: working keys, batch number and clock came from the acquirer")

        self._begin("A sale 消费 of 123.45")
        b.swipe(CARD)
        self._shot("The card, masked")
        b.press("ENTER")
        b.type("12345")
        self._shot("The amount enters from the right")
        b.press("ENTER")
        b.type(stories.PIN)
        self._shot("The PIN; it becomes a PIN block at once")
        b.press("ENTER")
        b.wait_for(stories.text(b, "approved"))
        self._shot("Journalled first, then shown")
        stories.finish(b)

        self._begin("The wrong amount was keyed: void the last sale 末笔撤销")
        b.press("LAST")
        self._shot("One key; the supervisor authorises it")
        b.type("123456")
        b.press("ENTER")
        self._shot("Exactly what is going to be undone")
        stories.void_goes_on(b, CARD)
        b.wait_for(stories.text(b, "approved"))
        stories.finish(b)
        second = stories.sale(b, 8800)
        third = stories.sale(b, 6660)

        self._begin("An older sale is voided by its voucher number 撤销")
        stories.void(b, second.trace)
        self._shot("Back on the idle screen")

        self._begin("Not enough money on the card")
        b.swipe(POOR_CARD)
        b.press("ENTER")
        b.type("99900")
        b.press("ENTER")
        b.type(stories.PIN)
        b.press("ENTER")
        self._shot("The reason, and what to do now")
        b.to_idle()

        self._begin("The reply is lost: was the card charged?")
        b.line.drop_next("reply")
        stories.sale(b, 2000, wait=False)
        b.clock.advance(70)
        self._shot("The terminal knows that it does not know, and keeps the reversal")
        b.to_idle()
        self._shot("The badge on the idle screen")
        b.choose(stories.text(b, "unfinished"))
        self._shot("未完成交易: what is open")
        b.to_idle()
        stories.sale(b, 2000)

        self._begin("The power fails between request and reply")
        b.line.delay_next("reply", 20)
        stories.sale(b, 3000, wait=False)
        b.power_cut()
        self._shot("Dark")
        b.power_on()
        b.sign_on()
        self._shot("After the restart it is listed as unfinished; the next sale reverses it first")
        stories.sale(b, 3000)

        self._begin("Balance enquiry 余额查询")
        b.choose(stories.text(b, "balance"))
        b.swipe(CARD)
        b.press("ENTER")
        b.type(stories.PIN)
        b.press("ENTER")
        self._shot("Shown, never printed")
        b.to_idle()

        self._begin("Refund 退货 of a part of the third sale")
        stories.refund(b, third.rrn, f"{b.clock.now:%m%d}", 1000)

        self._begin("Settlement 结算")
        b.choose(stories.text(b, "settle"))
        b.press("ENTER")
        self._shot("Totals before they are compared")
        b.press("ENTER")
        b.wait_for(stories.text(b, "print_details"), timeout=600)
        b.press("ENTER")
        b.to_idle()
        self._shot("Settled: batch closed on both sides")

    # -- what is left behind ---------------------------------------------------------------------

    def _save(self) -> None:
        b = self.bench
        (self.out / "paper.txt").write_text(b.paper(), encoding="utf-8")
        for number, receipt in enumerate(b.rig.paper.receipts, 1):
            (self.out / f"receipt-{number:02}.txt").write_text(receipt, encoding="utf-8")
            b.rig.paper.png(self.out / f"receipt-{number:02}.png", receipt=number - 1)
        for name, region in (("journal.bin", wiring.JOURNAL), ("vault.bin", wiring.VAULT)):
            (self.out / name).write_bytes(bytes(b.rig.flash[region].mem))
        lines = [str(vars(txn) if hasattr(txn, "__dict__") else txn) for txn in b.journal()]
        (self.out / "journal.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        ledger = b.host.ledger()
        ledger.check()
        (self.out / "ledger.txt").write_text(ledger.text(), encoding="utf-8")
        trace = [entry.text() for entry in b.trace()]
        (self.out / "trace.txt").write_text("\n\n".join(trace) + "\n", encoding="utf-8")
        measured = b.measure()
        (self.out / "terminal.json").write_text(json.dumps(b.board.measured, indent=1))
        self.progress(f"free heap at the end: {measured['heap_free'] / 1024:.0f} KiB")

    def _index(self) -> Path:
        parts = [_HEAD]
        chapter = None
        for title, caption, name in self.shots:
            if title != chapter:
                parts.append(f"<h2>{html.escape(title)}</h2>")
                chapter = title
            parts.append(
                f'<figure><img src="{name}" alt=""><figcaption>{html.escape(caption)}'
                + "</figcaption></figure>"
            )
        parts.append("<h2>Receipts</h2>")
        for path in sorted(self.out.glob("receipt-*.png")):
            parts.append(f'<a href="{path.with_suffix(".txt").name}"><img src="{path.name}"></a>')
        parts.append("<h2>Files</h2><ul>")
        for name, what in _FILES:
            parts.append(f'<li><a href="{name}">{name}</a>: {html.escape(what)}</li>')
        parts.append("</ul></body></html>")
        index = self.out / "index.html"
        index.write_text("\n".join(parts), encoding="utf-8")
        return index


_FILES = (
    ("journal.txt", "the terminal's journal, by a decoder that shares no code with the firmware"),
    ("ledger.txt", "the acquirer's books: transactions, accounts, entries"),
    ("trace.txt", "every message on the line, decoded and masked"),
    ("paper.txt", "everything that was printed"),
    ("journal.bin", "the journal's flash image, for `mobi journal dump`"),
)

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>A day with Mobi 末笔</title><style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem;
  background: #f4f4f0; color: #222 }
figure { display: inline-block; margin: 0 1rem 1rem 0; vertical-align: top; max-width: 26rem }
figcaption { font-size: .9rem; color: #555 }
img { max-width: 100% }
a > img { width: 15rem; margin: 0 1rem 1rem 0; vertical-align: top; box-shadow: 0 1px 4px #999 }
</style></head><body><h1>A day with Mobi 末笔</h1>
<p>One terminal, one acquirer, in virtual time. Every picture is the panel's pixels as the firmware
drove them over I2C; every receipt is what the printer model made of the firmware's ESC/POS.</p>
"""
