"""Many whole terminals in one process, against one acquirer, all of them at the same time.

    with Fleet(200, seed=1) as fleet:
        fleet.run(Bench.power_on)
        fleet.run(Bench.sign_on)
        fleet.run(lambda bench: stories.sale(bench, 10_00))
        fleet.host.ledger().check()

A story is told for one terminal, as in any test, and runs for all of them side by side: whenever
one has nothing to do for a while, the one whose time is earliest goes on. Each terminal keeps its
own clock and is, alone or in a crowd, the same to the byte for the same seed; what they share is
the acquirer, which meets their messages at most ``SLICE_US`` out of turn. A terminal that sleeps
costs nothing: nobody looks at it before its time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, TypeVar

from greenlet import greenlet

from host_tools.acquirer import Acquirer
from host_tools.bench.bench import Bench

# How far a terminal may run ahead of the others: less than a reply of the acquirer takes.
SLICE_US = 50_000
_T = TypeVar("_T")


class FleetError(AssertionError):
    """Stories failed on some terminals; the text names them with the first error of each."""


class Fleet:
    """``count`` terminals with the numbers 00000001 and up. ``seed``: of the first, the next has
    the next. ``host``: an acquirer to share, by default one of the fleet's own. ``options``: of
    every `Bench`."""

    def __init__(
        self, count: int, seed: int = 1, *, host: Acquirer | None = None, **options: Any
    ) -> None:
        self.host = host or Acquirer(seed=seed)
        self.benches: list[Bench] = []
        self._hub: greenlet | None = None
        self._horizon_us = 0
        try:
            for number in range(count):
                bench = Bench("inprocess", seed + number, host=self.host, **options)
                bench.pace = self._pace
                # The books of a crowd are compared at the end, not at every screen of each.
                bench.oracle.excuse = "one of a fleet"
                self.benches.append(bench)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Switch all of them off. May be called twice."""
        for bench in self.benches:
            bench.close()

    def run(self, story: Callable[[Bench], _T]) -> list[_T]:
        """Tell ``story`` on every terminal, side by side; what it gave, in their order.

        ``FleetError`` when it failed on some; the others have gone on to its end by then.
        """
        self._hub = greenlet.getcurrent()
        results: list[Any] = [None] * len(self.benches)
        failed: list[str] = []

        def tell(number: int) -> None:
            bench = self.benches[number]
            try:
                results[number] = story(bench)
            except (AssertionError, LookupError, ValueError) as error:
                failed.append(f"terminal {bench.terminal}: {error}")

        told = [greenlet(tell) for _ in self.benches]
        waiting = [(bench.kernel.now_us, number) for number, bench in enumerate(self.benches)]
        heapq.heapify(waiting)
        try:
            while waiting:
                _, number = heapq.heappop(waiting)
                others_us = waiting[0][0] if waiting else self.benches[number].kernel.now_us
                self._horizon_us = max(others_us, self.benches[number].kernel.now_us) + SLICE_US
                next_us = told[number].switch(number)
                if not told[number].dead:
                    heapq.heappush(waiting, (next_us, number))
        finally:
            self._hub = None
        if failed:
            raise FleetError(
                f"{len(failed)} of {len(self.benches)} terminals failed\n" + "\n\n".join(failed))
        return results

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` of virtual time pass for all of them."""
        self.run(lambda bench: bench.clock.advance(seconds))

    def _pace(self, bench: Bench, until_us: int, stop: Callable[[], bool] | None) -> None:
        # In the place of the board's own run: in pieces, so that the others can keep up.
        if self._hub is None:
            bench.board.run(until_us, stop)
            return
        while True:
            limit = min(until_us, self._horizon_us)
            if limit > bench.kernel.now_us or limit == until_us:
                bench.board.run(limit, stop)
                if bench.kernel.now_us < limit or limit == until_us:
                    return
            soonest = min(bench.kernel.next_at(), bench.board.next_wake_at(), until_us)
            self._hub.switch(max(soonest, bench.kernel.now_us))
