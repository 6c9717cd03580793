"""The cut sweep: a story is run once for every place where power or line can be cut.

A dry run counts the flash operations and the bytes on the line. Then the same story runs again
from the same start, once for each cut; afterwards power and line come back, the operator logs in,
makes one more sale and settles, and the money must be right at both ends
(`host_tools.bench.invariants`). A failure prints the one line that runs it again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from host_tools.bench import invariants, stories
from host_tools.bench.bench import Bench, Timeout
from host_tools.bench.states import Snapshot

if TYPE_CHECKING:
    from host_tools.journal import Transaction

LAST_SALE = 1_00  # 分, the sale after the recovery
_CUT = re.compile(r"(power:(?P<op>\d+):(?P<how>torn|clean))|(line:(?P<bytes>\d+))")


class BadPlan(ValueError):
    """The text is no cut; it says what one looks like."""


@dataclass(frozen=True)
class Cut:
    """Where power or line is cut. ``at``: the n-th flash operation of the story (0 is the first),
    or the number of bytes, both ways together, that still come through. ``torn``: the flash
    operation is hit in its middle; else it does not begin."""

    kind: str  # "power" or "line"
    at: int
    torn: bool = False

    def __str__(self) -> str:
        how = (":torn" if self.torn else ":clean") if self.kind == "power" else ""
        return f"{self.kind}:{self.at}{how}"

    @classmethod
    def parse(cls, text: str) -> Cut:
        """The cut that ``str`` gives as ``text``."""
        match = _CUT.fullmatch(text)
        if match is None:
            raise BadPlan(f"{text!r}: a cut is power:N:torn, power:N:clean or line:BYTES")
        if match["bytes"] is not None:
            return cls("line", int(match["bytes"]))
        return cls("power", int(match["op"]), match["how"] == "torn")

    def arm(self, bench: Bench) -> None:
        """Let it happen from now on."""
        if self.kind == "power":
            bench.power_cut(at_flash_op=self.at, torn=self.torn)
        else:
            bench.line.cut(after_bytes=self.at)

    def has_happened(self, bench: Bench) -> bool:
        """Was the story long enough for it?"""
        return not bench.powered if self.kind == "power" else bench.line.is_cut


@dataclass(frozen=True)
class Story:
    """``prepare`` brings a signed-on terminal to the start; ``act`` is what is cut.

    Both are told as any test is. ``prepare`` runs once and its end is kept, but nothing of the
    acquirer's rules: those belong into ``act``.
    """

    text: str
    act: Callable[[Bench], object]
    prepare: Callable[[Bench], object] = lambda bench: None


@dataclass(frozen=True)
class Size:
    """What a dry run counted: flash operations, and the bytes at which each frame was complete."""

    flash_ops: int
    frame_ends: tuple[int, ...]

    def cuts(self, power: bool = True, line: bool = True, every_byte: bool = False) -> list[Cut]:
        """All cuts of such a story: each flash operation, torn and not begun; the line behind each
        frame and in the middle of each, or with ``every_byte`` at every byte."""
        out: list[Cut] = []
        if power:
            for op in range(self.flash_ops):
                out += [Cut("power", op, torn=False), Cut("power", op, torn=True)]
        if line and every_byte and self.frame_ends:
            out += [Cut("line", at) for at in range(self.frame_ends[-1])]
        elif line:
            begin = 0
            for end in self.frame_ends:
                out += [Cut("line", begin), Cut("line", (begin + end) // 2)]
                begin = end
        return out


@dataclass(frozen=True)
class Result:
    """How one cut ended. ``here`` and ``there``: the states of the transactions at the terminal
    and at the host in the end; ``wrong``: what is broken, () when all is well."""

    cut: Cut
    reached: bool
    here: str
    there: str
    wrong: tuple[str, ...]


# -- stories ---------------------------------------------------------------------------------------


def _last_sale_of(bench: Bench) -> Transaction:
    return next(txn for txn in reversed(bench.journal()) if txn.kind == "sale")


def _refund(bench: Bench) -> None:
    sale = _last_sale_of(bench)
    stories.refund(bench, sale.rrn, f"{bench.clock.now:%m%d}", 20_00)


def _reversal_due(bench: Bench) -> None:
    bench.line.drop_next("reply")
    stories.sale(bench, 30_00, wait=False)
    bench.wait_until(lambda: bench.journal()[-1].state == "reversal_due", 120, "a reversal")
    bench.to_idle()


def _three_sales(bench: Bench) -> None:
    for number in range(3):
        stories.sale(bench, 40_00 + number)


def _upload(bench: Bench) -> None:
    bench.host.rule("settlement", verdict="2")
    stories.settle(bench)


STORIES: dict[str, Story] = {
    "sale": Story("a sale", lambda b: stories.sale(b, 50_00)),
    "void-last": Story("void the last sale", stories.void_last, lambda b: stories.sale(b, 50_00)),
    "void": Story(
        "void an older sale by its number",
        lambda b: stories.void(b, b.journal()[-2].trace),
        lambda b: (stories.sale(b, 50_00), stories.sale(b, 60_00)),
    ),
    "refund": Story("a refund in part", _refund, lambda b: stories.sale(b, 50_00)),
    "reversal": Story(
        "the reversal of a sale, before the next one", lambda b: stories.sale(b, 70_00),
        _reversal_due,
    ),
    "settlement": Story("a settlement", stories.settle, lambda b: stories.sale(b, 50_00)),
    "upload": Story("a settlement with unequal totals: batch upload", _upload, _three_sales),
}


# -- running ---------------------------------------------------------------------------------------


class Sweep:
    """Runs ``story`` from the same start as often as wanted."""

    def __init__(self, story: Story, seed: int = 1, board: str = "unix") -> None:
        self.story = story
        self._how = {"seed": seed, "board": board}
        self._start: Snapshot | None = None

    def _bench(self) -> Bench:
        # A bench at the start of the story, signed on and idle.
        if self._start is None:
            with Bench(**self._how) as teller:  # type: ignore[arg-type]
                teller.power_on()
                teller.sign_on()
                self.story.prepare(teller)
                self._start = Snapshot(teller)
        bench = Bench(**self._how)  # type: ignore[arg-type]
        self._start.restore(bench)
        bench.power_on()
        stories.recover(bench)
        return bench

    def measure(self) -> Size:
        """The dry run."""
        with self._bench() as bench:
            ops, carried = bench.flash_ops(), bench.line.carried
            self.story.act(bench)
            ends = tuple(end - carried for end in bench.line.frame_ends if end > carried)
            return Size(bench.flash_ops() - ops, ends)

    def run(self, cut: Cut) -> Result:
        """One run with ``cut``."""
        with self._bench() as bench:
            cut.arm(bench)
            try:
                self.story.act(bench)
            except (Timeout, LookupError):
                pass  # the story could not go on; what matters is what becomes of the money
            reached = cut.has_happened(bench)
            bench.disarm()
            wrong = _after(bench, cuts=cut.kind == "power" and reached)
            if not reached:
                wrong.append("replay: the story ended before the cut, unlike in the dry run")
            return Result(cut, reached, _states(bench.journal()[:-1]),
                          _states(bench.host.ledger().transactions[:-1]), tuple(wrong))


def _after(bench: Bench, cuts: bool) -> list[str]:
    # What a person does next, and what is wrong then.
    try:
        stories.recover(bench)
        stories.sale(bench, LAST_SALE, pan=stories.SECOND_CARD)
    except (Timeout, LookupError) as error:
        return [f"recovery: {error}"]
    wrong = invariants.found(bench, cuts=int(cuts))
    try:
        stories.settle(bench)
    except (Timeout, LookupError) as error:
        return [*wrong, f"settlement: {error}"]
    wrong += invariants.found(bench, rest=True, cuts=int(cuts))
    wrong += [f"crash: {crash}" for crash in bench.crashes]
    return list(dict.fromkeys(wrong))


def _states(transactions: Iterable[invariants.Txn]) -> str:
    # All but the sale after the recovery.
    found = Counter(f"{txn.kind} {txn.state}" for txn in transactions)
    return ", ".join(text if n == 1 else f"{n}x {text}" for text, n in found.items()) or "nothing"


def run_all(
    story: str, cuts: Sequence[Cut], seed: int = 1, board: str = "unix", jobs: int = 1
) -> Iterator[Result]:
    """The results of ``cuts``, in order; in ``jobs`` processes."""
    if jobs <= 1 or len(cuts) < 2 * jobs:
        sweep = Sweep(STORIES[story], seed, board)
        yield from map(sweep.run, cuts)
        return
    with ProcessPoolExecutor(jobs, initializer=_prepare, initargs=(story, seed, board)) as pool:
        yield from pool.map(_run_in_pool, cuts, chunksize=1)


_sweep: Sweep | None = None  # of this worker process


def _prepare(story: str, seed: int, board: str) -> None:
    global _sweep
    _sweep = Sweep(STORIES[story], seed, board)


def _run_in_pool(cut: Cut) -> Result:
    assert _sweep is not None
    return _sweep.run(cut)
