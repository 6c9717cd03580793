"""The scripted trading day: what an operator does and the worst moments, told in pictures.

A day is played in Chinese and in English on the same seed; `demo_page` makes the page. Everything
on it comes from the run: panel pixels, slips, journal image, the host's books, messages.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from host_tools.acquirer.cards import TEST_CARDS, payment_code
from host_tools.acquirer.trace import Entry
from host_tools.bench import stories, wiring
from host_tools.bench.bench import IMAGES, LANGUAGES, Bench

Text = tuple[str, str]  # Chinese, English
Row = tuple[int, str, int, str, str]  # trace, kind, 分, state at the terminal, at the host
SEED = 1
INDEX = "index.html"


class Stopped(Exception):
    """The day was given up because the other one failed or somebody pressed Ctrl-C."""


class NotEmpty(ValueError):
    """The folder has something in it that is no demo's; the text says what to do."""


@dataclass
class Chapter:
    """A part of the day. ``shots``: file and caption; ``slips``: number of each receipt;
    ``books``: the transactions that are new or have changed, as they were when it was over."""

    title: str
    text: str
    begins: str
    shots: list[tuple[str, str]] = field(default_factory=list)
    slips: list[int] = field(default_factory=list)
    messages: list[Entry] = field(default_factory=list)
    books: list[Row] = field(default_factory=list)


@dataclass
class Played:
    """A day that was played, in one language. ``evidence``: the page of a bundle in its folder."""

    language: str
    chapters: list[Chapter]
    evidence: str
    virtual_s: float
    real_s: float
    flash_ops: int
    heap_free: int
    merchant: int
    entries: int


class Day:
    """Plays the day in ``language`` into ``folder``; ``progress(text)`` is told each chapter."""

    def __init__(self, folder: Path, language: str, progress: Callable[[str], None]) -> None:
        self.folder = folder
        self.language = language
        self.progress = progress
        self.chapters: list[Chapter] = []
        self.stopped = threading.Event()  # set from outside: give up soon
        self._shots = 0
        self._messages = 0
        self._slips = 0
        self._books: list[Row] = []

    def play(self) -> Played:
        """The whole day, and everything it leaves behind."""
        began = time.monotonic()
        with Bench(language=self.language, seed=SEED) as bench:
            self.folder.mkdir(parents=True)
            self.bench = bench
            cut_off = self._trade()
            self._chapter_ends()
            bench.evidence(cut_off, self.folder / "evidence")
            self._save()
            ledger = bench.host.ledger()
            ledger.check()
            return Played(
                self.language, self.chapters, "evidence/evidence.html", bench.clock.seconds,
                time.monotonic() - began, bench.flash_ops(), bench.measure()["heap_free"],
                ledger.balance("merchant"), len(ledger.entries))

    # -- telling -------------------------------------------------------------------------------

    def _say(self, text: Text) -> str:
        return text[LANGUAGES.index(self.language)]

    def _chapter(self, title: Text, text: Text) -> None:
        self._chapter_ends()
        begins = f"{self.bench.clock.now:%H:%M:%S}"
        self.chapters.append(Chapter(self._say(title), self._say(text), begins))
        self.progress(f"{begins}  {self._say(title)}")

    def _chapter_ends(self) -> None:
        # What came of it: paper, messages, and how both ends stand now.
        if not self.chapters:
            return
        bench, chapter = self.bench, self.chapters[-1]
        slips = len(bench.receipts())
        chapter.slips = list(range(self._slips, slips))
        self._slips = slips
        trace = bench.trace()
        chapter.messages = trace[self._messages:]
        self._messages = len(trace)
        there = {(txn.batch, txn.trace): txn.state for txn in bench.host.ledger().transactions}
        books = [
            (txn.trace, txn.kind, txn.amount, txn.state, there.get((txn.batch, txn.trace), ""))
            for txn in bench.journal()
        ]
        chapter.books = [row for row in books if row not in self._books]
        self._books = books

    def _shot(self, zh: str, en: str) -> None:
        if self.stopped.is_set():
            raise Stopped
        self._shots += 1
        name = f"screen-{self._shots:02}.png"
        self.bench.screenshot(self.folder / name, scale=2, bezel=False)
        self.chapters[-1].shots.append((f"{self.language}/{name}", self._say((zh, en))))

    def _text(self, name: str) -> str:
        return stories.text(self.bench, name)

    def _approved(self) -> None:
        self.bench.wait_for(self._text("approved"))

    # -- the day -------------------------------------------------------------------------------

    def _trade(self) -> int:
        # The voucher number of the sale that the power cut off.
        self._begin()
        self._sale()
        self._wrong_amount()
        self._declined()
        self._lost_reply()
        cut_off = self._power_cut()
        self._dead_line()
        self._refund()
        self._balance()
        self._settlement()
        return cut_off

    def _begin(self) -> None:
        self._chapter(
            ("开机、登录、签到", "Switch on, log in, sign on"),
            ("操作员登录后终端向主机签到，下载工作密钥、批次号和时间。密钥用校验值核对。",
             "The operator logs in; the terminal signs on and gets working keys, batch number and "
             + "clock from the acquirer. Each key is proven by its check value."))
        bench = self.bench
        bench.power_on()
        self._shot("谁在收银", "Who is at the counter?")
        bench.sign_on()
        self._shot("已签到，等待刷卡", "Signed on and ready")

    def _sale(self) -> None:
        self._chapter(
            ("消费", "A sale"),
            ("请求发出之前，凭证号和整笔交易先写入闪存；结果先写入，再显示、打印。",
             "Before the first byte leaves, the whole intent is in flash. The outcome is in flash "
             + "before it is shown and printed."))
        bench = self.bench
        bench.swipe(stories.CARD)
        self._shot("卡号只显示前六后四", "The card number, masked")
        bench.press("ENTER")
        bench.type("12345")
        self._shot("金额以分输入", "The amount, keyed in 分")
        bench.press("ENTER")
        bench.type(stories.PIN)
        self._shot("密码立即变成 PIN block", "The PIN becomes a PIN block at once")
        bench.press("ENTER")
        self._approved()
        self._shot("先记账，后显示", "Journalled, then shown")
        stories.finish(bench)

    def _wrong_amount(self) -> None:
        self._chapter(
            ("金额按错了：末笔撤销", "The wrong amount: void the last sale"),
            ("末笔键撤销本批最后一笔成功的交易。不能撤销时说明原因，绝不悄悄改撤更早的一笔。",
             "One key voids the newest approved sale of the batch. When that cannot be voided the "
             + "terminal says why; it never falls back to an older one."))
        bench = self.bench
        bench.press("LAST")
        bench.type(stories.SUPERVISOR)
        bench.press("ENTER")
        self._shot("将要撤销的正是这一笔", "Exactly what is going to be undone")
        stories.void_goes_on(bench)
        self._approved()
        self._shot("撤销成功", "Voided")
        stories.finish(bench)
        self._chapter(
            ("按凭证号撤销较早的一笔", "An older sale, voided by its voucher number"),
            ("只能撤销本批次、未撤销过的交易，金额必须是全额。",
             "Only of the open batch, only once, only in full."))
        older = stories.sale(bench, 88_00)
        self.kept = stories.sale(bench, 66_60)
        bench.press("VOID")
        bench.type(stories.SUPERVISOR)
        bench.press("ENTER")
        bench.type(str(older.trace))
        self._shot("输入凭证号", "The voucher number from the slip")
        bench.press("ENTER")
        stories.void_goes_on(bench)
        self._approved()
        stories.finish(bench)

    def _declined(self) -> None:
        self._chapter(
            ("余额不足：改扫付款码", "Not enough money: pay by code instead"),
            ("每个应答码都有原因、应做的事和告知顾客的话。换方式付款不必重输金额。",
             "Every response code comes with its cause, what to do and what to tell the customer. "
             + "Paying another way needs no second keying of the amount."))
        bench = self.bench
        bench.swipe(stories.POOR_CARD)
        bench.press("ENTER")
        bench.type("4500")
        bench.press("ENTER")
        bench.type(stories.PIN)
        bench.press("ENTER")
        self._shot("原因与建议", "The reason, and what to do")
        bench.read()
        bench.press("ENTER")
        self._shot("换卡、扫码或取消", "Another card, a code, or not at all")
        bench.press("2")
        bench.scan(payment_code(TEST_CARDS[1]))
        self._shot("扫顾客的付款码", "The customer's payment code, scanned")
        bench.press("ENTER")
        self._approved()
        self._shot("同一金额，扫码付清", "Same amount, paid by code")
        stories.finish(bench)

    def _lost_reply(self) -> None:
        self._chapter(
            ("应答丢了：顾客到底付没付？", "The reply is lost: was the customer charged?"),
            ("主机已经入账，应答没有回来。终端知道自己不知道：记下待冲正，告诉操作员不要重刷，"
             + "再向主机查询真相。",
             "The host has booked the sale, the answer never came. The terminal knows that it does "
             + "not know: it notes the reversal, says not to repeat the sale, and can ask the host "
             + "for the truth."))
        bench = self.bench
        bench.line.drop_next("reply")
        stories.sale(bench, 20_00, wait=False)
        bench.clock.advance(30)
        self._shot("等待应答，倒数秒数", "Waiting, the seconds counted down")
        bench.wait_until(lambda: bench.journal()[-1].state == "reversal_due", 90)
        bench.clock.advance(1)
        self._shot("没有应答，勿重刷", "No reply: do not repeat")
        bench.to_idle()
        self._shot("待机屏提醒未完成交易", "The idle screen says that one is open")
        bench.choose(self._text("unfinished"))
        self._shot("未完成交易清单", "The list of what is open")
        bench.press("ENTER", "ENTER")
        self._shot("此时允许的办法", "What may be done now")
        bench.press("1")
        bench.clock.advance(2)
        self._shot("主机说：已入账", "The host says: booked")
        bench.press("ENTER")
        self._shot("算已付款，还是退还？", "Accept it, or give it back?")
        bench.press("1")
        bench.clock.advance(1)
        self._shot("接受迟到的结果", "The late result is accepted")
        stories.finish(bench)

    def _power_cut(self) -> int:
        self._chapter(
            ("写结果时断电", "The power fails while the outcome is written"),
            ("断在闪存写到一半的那一次操作。开机后发现交易没有结果，下一笔之前先自动冲正。",
             "Cut in the middle of the flash operation that records the outcome. After the restart "
             + "the sale has no outcome, and it is reversed before the next one."))
        bench = self.bench
        bench.power_cut(at_flash_op=1, torn=True)
        stories.sale(bench, 30_00, wait=False)
        self._shot("黑屏", "Dark")
        bench.power_on()
        self._shot("重新开机", "Switched on again")
        bench.sign_on()
        self._shot("断电的那一笔还在", "The sale that was cut off is there")
        cut_off = bench.journal()[-1].trace
        stories.sale(bench, 30_00)
        self._shot("冲正之后，新的一笔成功", "Reversed first; then the new sale")
        return cut_off

    def _dead_line(self) -> None:
        self._chapter(
            ("线路断了", "The line is dead"),
            ("发送之前先问线路通不通。没有发出，就没有扣款，也不需要冲正。",
             "Before sending the terminal asks whether anybody is there. What was never sent was "
             + "never charged and needs no reversal."))
        bench = self.bench
        bench.line.cut()
        stories.sale(bench, 50_00, wait=False)
        bench.clock.advance(8)
        self._shot("未发送，没有扣款", "Nothing was sent, no money moved")
        bench.line.restore()
        bench.to_idle()

    def _refund(self) -> None:
        self._chapter(
            ("退货", "A refund"),
            ("按原参考号退一部分。同一笔消费的退货总额不得超过原金额。",
             "A part, by the reference number of the sale. All refunds of a sale together never "
             + "exceed it."))
        bench = self.bench
        stories.refund(bench, self.kept.rrn, f"{bench.clock.now:%m%d}", 10_00, wait=False)
        self._approved()
        self._shot("退货成功", "Refunded")
        stories.finish(bench)

    def _balance(self) -> None:
        self._chapter(
            ("余额查询", "Balance enquiry"),
            ("只显示，不打印。", "Shown, never printed."))
        bench = self.bench
        bench.choose(self._text("balance"))
        bench.swipe(stories.CARD)
        bench.press("ENTER")
        bench.type(stories.PIN)
        bench.press("ENTER")
        self._shot("余额", "The balance")
        bench.to_idle()

    def _settlement(self) -> None:
        self._chapter(
            ("结算", "Settlement"),
            ("终端与主机核对总额，一次原子写入关闭批次。对账不平时自动批上送。",
             "Terminal and host compare their totals; one atomic record closes the batch. Were "
             + "they unequal, every transaction would be uploaded."))
        bench = self.bench
        bench.choose(self._text("settle"))
        bench.press("ENTER")
        self._shot("核对前的总额", "The totals before they are compared")
        bench.press("ENTER")
        bench.wait_for(self._text("print_details"), timeout=600)
        self._shot("对账平，批次已关闭", "Equal: the batch is closed")
        bench.press("ENTER")
        bench.to_idle()
        self._shot("新的批次", "A new batch")

    # -- what is left behind ---------------------------------------------------------------------

    def _save(self) -> None:
        bench = self.bench
        self._write("paper.txt", bench.paper())
        for number, receipt in enumerate(bench.receipts()):
            self._write(f"receipt-{number + 1:02}.txt", receipt)
            bench.paper_png(self.folder / f"receipt-{number + 1:02}.png", receipt=number)
        for name, region in zip(IMAGES, (wiring.JOURNAL, wiring.VAULT), strict=True):
            (self.folder / name).write_bytes(bytes(bench.rig.flash[region].mem))
        self._write("ledger.txt", bench.host.ledger().text())
        self._write("trace.txt", "\n\n".join(entry.text() for entry in bench.trace()))

    def write_journal(self) -> None:
        """The journal in words. Not while another thread prints: it takes standard output over."""
        self._write("journal.txt", self._journal("dump"))
        self._write("journal.json", self._journal("dump", "--format", "json"))
        self._write("story.txt", self._journal("story", "--language", self.language))

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text.rstrip("\n") + "\n", encoding="utf-8")

    def _journal(self, what: str, *options: str) -> str:
        # What `mobi journal` says of the image.
        from host_tools import cli

        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            cli.main(["journal", what, str(self.folder / IMAGES[0]), *options])
        return said.getvalue()


def play(out: Path, progress: Callable[[str], None]) -> Path:
    """Play the day in both languages into ``out``, both at once; the path of the page.

    A demo that lies there is replaced, also one that was interrupted. ``NotEmpty`` when it is
    anything else. ``progress`` is called by one thread at a time.
    """
    from host_tools.bench import demo_page

    index = out / INDEX
    _make_room(out)
    telling = threading.Lock()

    def tell(text: str) -> None:
        with telling:
            progress(f"  {text}")

    progress("一天的交易 / A day of trading")
    days = [Day(out / language, language, tell) for language in LANGUAGES]
    with ThreadPoolExecutor(len(days)) as threads:
        try:
            played = [one.result() for one in [threads.submit(day.play) for day in days]]
        finally:
            for day in days:
                day.stopped.set()  # the other one must not go on when this one has failed
    for day in days:
        day.write_journal()
    _write_whole(index, demo_page.page(played))
    return index


def _make_room(out: Path) -> None:
    # From the first moment the folder is known as a demo's, so that whatever an interruption
    # leaves behind is replaced the next time.
    from host_tools.bench import demo_page

    index = out / INDEX
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()) and not (
        index.is_file() and demo_page.MARK in index.read_text(encoding="utf-8", errors="replace")
    ):
        raise NotEmpty(
            f"{out} holds something else than a demo. Nothing was changed; name a new or an "
            + "empty folder with --out.")
    _write_whole(index, demo_page.unfinished())
    for old in out.iterdir():
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        elif old != index:
            old.unlink()


def _write_whole(path: Path, text: str) -> None:
    # There is the old file or the new one, never a part of it.
    draft = path.with_suffix(".part")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
