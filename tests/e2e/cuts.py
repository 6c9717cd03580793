"""Cuts at every place of a story: the same again and again, cut one step later each time.

    for cut in cuts.power(make_bench, story=lambda b: stories.sale(b, 500), after=next_sale):
        assert not cut.broken, cut

``power`` cuts the power at every flash operation of the story, ``line`` the line after every so
many bytes. After each cut the terminal goes on as it would in a shop: it is switched on again or
the line is mended, the operator logs in, ``after(bench)`` is the next thing that happens; then the
rules of ``invariants`` must hold at both ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from host_tools.bench import invariants, menu
from host_tools.bench.bench import Bench, Timeout

Make = Callable[[], Bench]
Part = Callable[[Bench], object]

# Screens that ENTER goes on from: a settlement that was interrupted.
_GOES_ON = ("结算未完成", "Settlement open")


@dataclass
class Cut:
    """One run of a sweep. ``at``: the flash operation or the byte; ``of``: how many there are."""

    what: str
    at: int
    of: int
    torn: bool = False
    states: list[str] = field(default_factory=list)  # "kind state" in the journal at the end
    broken: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        torn = ", torn" if self.torn else ""
        verdict = "; ".join(self.broken) or "the money is where it should be"
        states = ", ".join(self.states)
        return f"{self.what} cut at {self.at} of {self.of}{torn}: {states}: {verdict}"


def ready(bench: Bench) -> None:
    """Switched on, signed on, idle."""
    bench.power_on()
    bench.sign_on()


def come_back(bench: Bench, operator: str = "01", password: str = "0000") -> None:
    """After a power cut, as in a shop: switch on, log in, take what the terminal begins with (an
    interrupted settlement goes on), decline what it offers, until it is idle."""
    bench.power_on()
    for _ in range(60):
        if menu.is_idle(bench):
            return
        if menu.is_log_in(bench):
            bench.type(operator)
            bench.press("ENTER")
            bench.type(password)
            bench.press("ENTER")
        elif menu.is_not_signed_on(bench) or any(bench.shows(text) for text in _GOES_ON):
            bench.press("ENTER")
        else:
            before = bench.screen()
            bench.clock.advance(3)
            if bench.screen() == before:
                bench.press("CANCEL")
    bench.wait_until(lambda: menu.is_idle(bench), 1, "the idle screen after a power cut")


def power(
    make: Make, story: Part, after: Part, before: Part | None = None,
    torn: tuple[bool, ...] = (False, True), dense: int | None = None, every: int = 1,
) -> Iterator[Cut]:
    """Cut the power at every flash operation of ``story``; the first result is the run without.

    ``before`` sets the scene after sign-on. ``torn``: operations that are cut in their middle,
    that do not begin, or both. ``dense``: only the first so many operations, and of the others,
    which are the terminal's upkeep while it is idle, every ``every``-th.
    """
    with make() as bench:
        _scene(bench, before)
        first = _operations(bench)
        story(bench)
        total = _operations(bench) - first
        yield _judged(bench, Cut("power", total, total), after, 0)
    for at in range(total):
        if dense is not None and at >= dense and at % every:
            continue
        for tear in torn:
            with make() as bench:
                _scene(bench, before)
                bench.power_cut(at_flash_op=at, torn=tear)
                _as_far_as_it_goes(bench, story)
                if bench.powered:  # with a cut the story may need fewer operations
                    bench.power_cut()
                come_back(bench)
                yield _judged(bench, Cut("power", at, total, tear), after, 1)


def line(
    make: Make, story: Part, after: Part, before: Part | None = None, every: int = 1,
    seconds: float = 70,
) -> Iterator[Cut]:
    """Cut the line after 0, ``every``, 2 * ``every`` ... bytes of ``story``, both ways together,
    and around every end of a frame; mend it after ``seconds``."""
    with make() as bench:
        _scene(bench, before)
        first = bench.line.carried
        story(bench)
        total = bench.line.carried - first
        ends = [end - first for end in bench.line.frame_ends if end > first]
        yield _judged(bench, Cut("line", total, total), after, 0)
    places = set(range(0, total, every))
    places |= {end + step for end in ends for step in (-1, 0, 1) if 0 <= end + step < total}
    for at in sorted(places):
        with make() as bench:
            _scene(bench, before)
            bench.line.cut(after_bytes=at)
            _as_far_as_it_goes(bench, story)
            bench.clock.advance(seconds)
            bench.line.restore()
            bench.to_idle()
            yield _judged(bench, Cut("line", at, total), after, 0)


def _scene(bench: Bench, before: Part | None) -> None:
    ready(bench)
    if before is not None:
        before(bench)


def _operations(bench: Bench) -> int:
    return sum(nor.ops for nor in bench.rig.flash)


def _as_far_as_it_goes(bench: Bench, story: Part) -> None:
    try:
        story(bench)
    except Timeout:
        # The story waited for what does not come any more.
        pass


def _judged(bench: Bench, cut: Cut, after: Part, cuts: int) -> Cut:
    bench.to_idle()
    cut.broken = [f"before the next step: {rule}" for rule in invariants.found(bench, cuts=cuts)]
    after(bench)
    bench.to_idle()
    cut.broken += invariants.found(bench, rest=True, cuts=cuts)
    cut.states = [f"{txn.kind} {txn.state}" for txn in bench.journal()]
    return cut
