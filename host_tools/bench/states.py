"""Start states: benches that stand where a tester wants to begin, reached by driving the terminal.

    with Bench(state="pending-reversal") as b:    # switched on, logged in, a reversal is due
        ...

Every state is the end of a story told to a real terminal and a real acquirer, never a made-up
image. A story is told once per process and its end kept (``Snapshot``): flash chips, books, time,
paper; what runs in a bench with a state is a terminal that was switched off there and on again.
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from host_tools.acquirer.trace import Entry
from host_tools.bench import menu, stories

if TYPE_CHECKING:
    from host_tools.bench.bench import Bench

_REPLY_S = 65  # longer than a terminal waits for a reply
BATCH_LIMIT = 12  # of "batch-full", so that it is soon full


class Snapshot:
    """What is left of a bench whose terminal has no power: ``restore`` brings it into a new one."""

    def __init__(self, bench: Bench) -> None:
        """Switch the terminal of ``bench`` off and keep everything that survives that."""
        bench.power_cut()
        self.flash = [bytes(nor.mem) for nor in bench.rig.flash]
        self.now_us = bench.kernel.now_us
        self.random: Any = bench.rig.random.getstate()
        self.books: sqlite3.Connection = bench.host.copy_books()
        weakref.finalize(self, self.books.close)
        self.trace: list[Entry] = list(bench.host.trace)
        self.printed = list(bench.rig.paper.printed)
        self.out_of_paper = bench.rig.paper.paper_is_out

    def restore(self, bench: Bench) -> None:
        """Put it into a new bench of the same size that was not switched on yet."""
        for nor, image in zip(bench.rig.flash, self.flash, strict=True):
            nor.load(image)
        bench.kernel.now_us = self.now_us
        bench.rig.random.setstate(self.random)
        bench.host.replace_books(self.books)
        for entry in self.trace:
            bench.host.trace.add(entry)
        bench.rig.paper.printed += self.printed
        bench.oracle.pass_over_the_paper()
        if self.out_of_paper:
            bench.rig.paper.runs_out_after(0)


_kept: dict[str, Snapshot] = {}


def names() -> list[str]:
    """The states there are."""
    return list(_STORIES)


def table() -> str:
    """The states as a Markdown table: what has happened, and the end a tester brings it to."""
    lines = ["| state | what has happened | the right end |", "|---|---|---|"]
    for name, story in _STORIES.items():
        what, end = (story.__doc__ or "").split("\n\n")
        lines.append(f"| {name} | {' '.join(what.split())} | {' '.join(end.split())} |")
    return "\n".join(lines)


def options(state: str) -> dict[str, Any]:
    """Parameters of the terminal that a state needs beside the usual ones."""
    return dict(_SETTINGS.get(state, {}))


def enter(bench: Bench, state: str, how: dict[str, Any]) -> None:
    """Bring a ``bench`` that was never switched on into ``state``: on, operator 01 logged in.

    ``how``: what ``bench`` was made with. The story is told once for each of them.
    """
    key = f"{state} {sorted(how.items())!r}"
    if key not in _kept:
        with type(bench)(**how) as teller:
            teller.power_on()
            teller.sign_on()
            _STORIES[state](teller)
            _kept[key] = Snapshot(teller)
    _kept[key].restore(bench)
    bench.power_on()
    for digits in ("01", "0000"):
        bench.type(digits)
        bench.press("ENTER")
    _come_to_rest(bench)


def _come_to_rest(bench: Bench) -> None:
    # Messages pass by themselves; then the terminal is idle, or insists on something.
    for _ in range(20):
        before = bench.screen()
        if menu.is_idle(bench):
            return
        bench.clock.advance(4)
        if bench.screen() == before:
            return


# -- the stories -----------------------------------------------------------------------------------


def _pending_reversal(b: Bench) -> None:
    """The answer to a sale of 50.00 got lost: it is booked at the host, the reversal is due.

    Reversed: by the next sale, by itself after some minutes, or from 未完成交易; or accepted there
    after a query."""
    b.line.drop_next("reply")
    stories.sale(b, 5000, wait=False)
    b.clock.advance(_REPLY_S)


def _refund_unknown(b: Bench) -> None:
    """The answer to a refund of 30.00 got lost: it is booked at the host, unknown here.

    Approved, by a query from 未完成交易 or by the totals of the settlement; never sent again."""
    sale = stories.sale(b, 8000)
    b.line.drop_next("reply")
    stories.refund(b, sale.rrn, f"{b.clock.now:%m%d}", 3000, wait=False)
    b.clock.advance(_REPLY_S)


def _batch_full(b: Bench) -> None:
    """The batch holds all the sales it may (12 here): no further sale is taken.

    Settled; then sales go on."""
    for number in range(BATCH_LIMIT):
        stories.sale(b, 1000 + 100 * number)


def _upload_interrupted(b: Bench) -> None:
    """The totals differed, and the host fell silent in the middle of the batch upload.

    The upload goes on with any key, also after a power cut; nothing else is possible until then."""
    sales = [stories.sale(b, 1000 + 100 * number) for number in range(10)]
    stories.void(b, sales[0].trace)
    b.host.rule("settlement", verdict="2")
    b.host.rule("upload", nth=2, drop=True, times=None)
    b.choose(stories.text(b, "settle"))
    b.press("ENTER")
    b.press("ENTER")
    b.wait_until(lambda: sum(e.operation == "upload" for e in b.trace()) > 3, timeout=60)


def _keys_expired(b: Bench) -> None:
    """The host gave up the working keys over night; the terminal does not know yet.

    The next sale is refused with 99; the terminal signs on by itself, and the sale is done again
    with the customer's PIN keyed anew."""
    stories.sale(b, 4200)
    b.host.end_session(b.terminal)


def _paper_out(b: Bench) -> None:
    """A sale of 60.00 was approved and booked; the paper had ended and its slips did not come out.

    New paper; the terminal offers the slips at log-in, both copies come out once."""
    b.rig.paper.runs_out_after(0)
    stories.sale(b, 6000, wait=False)
    b.wait_for(stories.text(b, "no_paper"))


def _late_approval(b: Bench) -> None:
    """The approval of a sale of 77.00 came after the terminal had stopped waiting for it.

    The host is asked from 未完成交易 and its result accepted, or reversed there."""
    b.line.delay_next("reply", 75)
    stories.sale(b, 7700, wait=False)
    b.clock.advance(_REPLY_S + 20)


_STORIES: dict[str, Callable[[Bench], None]] = {
    "pending-reversal": _pending_reversal,
    "refund-unknown": _refund_unknown,
    "batch-full": _batch_full,
    "upload-interrupted": _upload_interrupted,
    "keys-expired": _keys_expired,
    "paper-out": _paper_out,
    "late-approval": _late_approval,
}
_SETTINGS: dict[str, dict[str, Any]] = {"batch-full": {"batch_limit": BATCH_LIMIT}}


