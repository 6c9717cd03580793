"""Virtual time: events in the order of their time, run from one thread, the same in every run."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

NEVER = 1 << 62


class Kernel:
    """The bench's clock and what is going to happen. Times are microseconds of virtual time."""

    def __init__(self) -> None:
        self.now_us = 0
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def at(self, when_us: int, action: Callable[[], None]) -> None:
        """Run ``action`` at ``when_us``, or now if that is past. Equal times keep their order."""
        heapq.heappush(self._events, (max(when_us, self.now_us), next(self._order), action))

    def after(self, us: int, action: Callable[[], None]) -> None:
        """Run ``action`` in ``us`` microseconds."""
        self.at(self.now_us + us, action)

    def next_at(self) -> int:
        """When the next event is due; ``NEVER`` without one."""
        return self._events[0][0] if self._events else NEVER

    def run_due(self, now_us: int) -> None:
        """Let the time be ``now_us`` and run what is due by then, in order."""
        while self._events and self._events[0][0] <= now_us:
            when, _, action = heapq.heappop(self._events)
            self.now_us = max(self.now_us, when)
            action()
        self.now_us = max(self.now_us, now_us)
