"""The cut sweep: a story is run once for every place where power or line can be cut.

    sweep = Sweep(Story("a sale", lambda b: stories.sale(b, 50_00)))
    for cut in sweep.measure().cuts():
        result = sweep.run(cut)
        assert not result.wrong, result

A dry run counts the flash operations and the bytes on the line. Then the same story is told again
from the same start, and at each cut a copy of the whole bench (`host_tools.bench.branch`) goes its
own way with it: power and line come back, the operator logs in and makes one more sale, which must
find nothing left to reverse, and settles, after which nothing may be open. The money must be right
at both ends (`host_tools.bench.invariants`). Where no copy can be made, and when a single cut is
replayed, the story is told from the start for that cut: the result is the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from host_tools.bench import branch, invariants, stories
from host_tools.bench.bench import Bench, Timeout
from host_tools.bench.nor import MODES
from host_tools.bench.oracle import Counts
from host_tools.bench.states import Snapshot

if TYPE_CHECKING:
    from host_tools.journal import Transaction

LAST_SALE = 1_00  # 分, the sale after the recovery
HOW = ("clean", "torn", *MODES[1:])
_CUT = re.compile(rf"(power:(?P<op>\d+):(?P<how>{'|'.join(HOW)}))|(line:(?P<bytes>\d+))")
# So many results a listener waits for at most.
_AT_A_TIME = 40
# Behind so many flash operations a story is over and the terminal tidies up.
_DENSE = 8


class BadPlan(ValueError):
    """The text is no cut; it says what one looks like."""


class SweepError(AssertionError):
    """After some cuts the money is not where it should be; the text lists them."""


@dataclass(frozen=True)
class Cut:
    """Where power or line is cut. ``at``: the n-th flash operation of the story (0 is the first),
    or the number of bytes, both ways together, that still come through. ``how`` the operation is
    hit: "clean", it does not begin; "torn", it leaves what a real chip leaves, by the seed; or one
    of the ways of `nor.MODES` by name."""

    kind: str  # "power" or "line"
    at: int
    how: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.at}" + (f":{self.how}" if self.how else "")

    @classmethod
    def parse(cls, text: str) -> Cut:
        """The cut that ``str`` gives as ``text``."""
        match = _CUT.fullmatch(text)
        if match is None:
            raise BadPlan(f"{text!r} is no cut: power:N:HOW ({', '.join(HOW)}) or line:BYTES")
        if match["bytes"] is not None:
            return cls("line", int(match["bytes"]))
        return cls("power", int(match["op"]), match["how"])

    def arm(self, bench: Bench) -> None:
        """Let it happen from now on."""
        if self.kind == "power":
            torn: bool | str = self.how if self.how in MODES else self.how == "torn"
            bench.power_cut(at_flash_op=self.at, torn=torn)
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

    def cuts(
        self, power: bool = True, line: bool = True, *, how: Sequence[str] = ("clean", "torn"),
        every_byte: bool = False, thin: int = 1,
    ) -> list[Cut]:
        """All cuts of such a story: each flash operation in the ways ``how``; the line behind each
        frame and in the middle of each, or with ``every_byte`` at every byte. ``thin``: behind the
        8th flash operation, where the terminal mostly tidies up, only every so-many-th."""
        out: list[Cut] = []
        if power:
            ops = [op for op in range(self.flash_ops) if op < _DENSE or op % thin == 0]
            out += [Cut("power", op, way) for op in ops for way in how]
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
    """How one cut ended. ``here`` and ``there``: kind and state of the story's transactions at the
    terminal and at the host after the next sale; ``wrong``: what is broken, () when all is well."""

    cut: Cut
    reached: bool
    here: str
    there: str
    wrong: tuple[str, ...]
    looked: Counts = field(default_factory=Counts, compare=False)  # by the oracle, in this run

    def __str__(self) -> str:
        verdict = "; ".join(self.wrong) or "the money is where it should be"
        return f"{self.cut}: {self.here} here, {self.there} there: {verdict}"


# -- stories ---------------------------------------------------------------------------------------


def _last_sale_of(bench: Bench) -> Transaction:
    return next(txn for txn in reversed(bench.journal()) if txn.kind == "sale")


def _refund(bench: Bench) -> None:
    sale = _last_sale_of(bench)
    stories.refund(bench, sale.rrn, f"{bench.clock.now:%m%d}", 20_00)


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
        lambda b: stories.lost_sale(b, 30_00),
    ),
    "settlement": Story("a settlement", stories.settle, lambda b: stories.sale(b, 50_00)),
    "upload": Story("a settlement with unequal totals: batch upload", _upload, _three_sales),
}


# -- running ---------------------------------------------------------------------------------------


class Sweep:
    """Runs ``story`` from the same start as often as wanted. ``options``: of every `Bench`."""

    def __init__(self, story: Story, seed: int = 1, board: str = "unix", **options: Any) -> None:
        self.story = story
        self._make = partial(Bench, board, seed, **options)
        self._start: Snapshot | None = None

    def _bench(self) -> Bench:
        # A bench at the start of the story, signed on and idle.
        if self._start is None:
            with self._make() as teller:
                teller.power_on()
                teller.sign_on()
                self.story.prepare(teller)
                self._start = Snapshot(teller)
        bench = self._make()
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
        """One run with ``cut``, from the start of the story."""
        with self._bench() as bench:
            cut.arm(bench)
            self._tell(bench)
            return _ended(bench, cut)

    def run_all(self, cuts: Sequence[Cut], jobs: int = 1) -> list[Result]:
        """The results of ``cuts``, in their order; the story is told once for all of them as far as
        the board can be copied. ``jobs``: how many copies run at a time."""
        cuts = list(dict.fromkeys(cuts))
        found: dict[Cut, Result] = {}
        with self._bench() as bench:
            here = [cut for cut in cuts if branch.can(bench, cut.kind)]
            if len(here) > 1:
                found = branch.results(bench, here, lambda: self._tell(bench), _ended, jobs)
                # What was run for another cut was looked at there.
                found = {cut: result if result.cut == cut
                         else replace(result, cut=cut, looked=Counts())
                         for cut, result in found.items()}
        rest = [cut for cut in cuts if cut not in found]
        if jobs > 1 and len(rest) > 1:
            found.update(branch.apart(rest, self.run, jobs))
        return [found[cut] if cut in found else self.run(cut) for cut in cuts]

    def _tell(self, bench: Bench) -> None:
        try:
            self.story.act(bench)
        except (Timeout, LookupError):
            pass  # the story could not go on; what matters is what becomes of the money

    def check(self, cuts: Sequence[Cut] | None = None) -> list[Result]:
        """Run with all ``cuts``, by default with every one there is; ``SweepError`` names those
        that end badly."""
        results = self.run_all(self.measure().cuts() if cuts is None else cuts)
        broken = [str(result) for result in results if result.wrong]
        if broken:
            raise SweepError(
                f"{self.story.text}: {len(broken)} of {len(results)} cuts end badly\n"
                + "\n".join(broken))
        return results


def _ended(bench: Bench, cut: Cut) -> Result:
    # The story with ``cut`` is over: what became of it.
    reached = cut.has_happened(bench)
    bench.disarm()
    result = _aftermath(bench, cut, reached)
    if reached:
        return result
    short = "replay: the story ended before the cut, unlike in the dry run"
    return replace(result, wrong=(*result.wrong, short))


def _aftermath(bench: Bench, cut: Cut, reached: bool) -> Result:
    # What a person does next, and what is wrong then.
    cuts = int(cut.kind == "power" and reached)
    here = there = ""
    wrong: list[str] = []
    try:
        stories.recover(bench)
        stories.sale(bench, LAST_SALE, pan=stories.SECOND_CARD)
        here = _states(bench.journal())
        there = _states(bench.host.ledger().transactions)
        wrong += invariants.found(bench, cuts=cuts) + _still_open(bench)
        stories.settle(bench)
        wrong += invariants.found(bench, rest=True, cuts=cuts)
    except (Timeout, LookupError) as error:
        wrong.append(f"recovery: {error}")
    wrong += [f"crash: {crash}" for crash in bench.crashes]
    return Result(cut, reached, here, there, tuple(dict.fromkeys(wrong)), bench.oracle.counts)


def _still_open(bench: Bench) -> list[str]:
    # The sale after the recovery had to send every reversal first; only what nobody can reverse, a
    # refund without an answer, waits for the settlement.
    return [f"open: {txn.kind} {txn.trace:06d} is {txn.state} after the next sale"
            for txn in bench.journal() if txn.state in ("pending", "reversal_due")]


def _states(transactions: Sequence[invariants.Txn]) -> str:
    # All but the sale after the recovery.
    found = Counter(f"{txn.kind} {txn.state}" for txn in transactions[:-1])
    return ", ".join(text if n == 1 else f"{n}x {text}" for text, n in found.items()) or "nothing"


def run_all(
    story: str, cuts: Sequence[Cut], seed: int = 1, board: str = "unix", jobs: int = 1
) -> Iterator[Result]:
    """The results of ``cuts``, in order; ``jobs`` at a time."""
    sweep = Sweep(STORIES[story], seed, board)
    for begin in range(0, len(cuts), _AT_A_TIME):
        yield from sweep.run_all(cuts[begin : begin + _AT_A_TIME], jobs)
