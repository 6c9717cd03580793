"""The selector loop that `mobi host` and `mobi gateway` share: lines, timers, lost ports."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from typing import Any

from host_tools.acquirer.lines import BAUD, Line, LineClosed, SerialLine, now_ms

REOPEN_MS = 2000  # a serial port that went away is tried again this often


class Loop:
    """One thread, one selector. ``say`` takes one line of text per event worth telling."""

    def __init__(self, say: Callable[[str], None] = print):
        self.say = say
        self.lines: list[Line] = []
        self._selector = selectors.DefaultSelector()
        self._lost: list[tuple[int, str, int]] = []
        self._running = True
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self.watch(self._wake_in, lambda: self._wake_in.recv(4096))

    # For subclasses

    def watch(self, what: Any, ready: Callable[[], object], write: bool = False) -> None:
        """Call ``ready`` whenever ``what`` can be read (or written)."""
        event = selectors.EVENT_WRITE if write else selectors.EVENT_READ
        self._selector.register(what, event, ready)

    def unwatch(self, what: Any) -> None:
        """No more."""
        self._selector.unregister(what)

    def add(self, line: Line) -> None:
        """Serve a line: its messages go to ``received``."""
        self.lines.append(line)
        self.watch(line, lambda: self._receive(line))

    def drop(self, line: Line, why: str) -> None:
        """Close a line that is gone. A serial port is tried again later."""
        if line not in self.lines:
            return
        self.say(f"{line.name}: {why}")
        self.unwatch(line)
        self.lines.remove(line)
        line.close()
        if isinstance(line, SerialLine):
            self._lost.append((now_ms() + REOPEN_MS, line.name, line.baud))
        self.dropped(line, why)

    def received(self, line: Line, messages: list[bytes]) -> None:
        """Messages have come from a line."""

    def dropped(self, line: Line, why: str) -> None:
        """A line was closed."""

    def work(self) -> None:
        """Called once in every step, after what has come was received."""

    def deadlines(self) -> list[int]:
        """When ``work`` must be called at the latest, in ``now_ms``."""
        return []

    def ready(self) -> bool:
        """May a terminal on a serial line begin a session?"""
        return True

    def release(self) -> None:
        """Close what ``lines`` does not hold."""

    # For everybody

    def serial(self, path: str, baud: int = BAUD) -> None:
        """Serve a serial port; ``LineClosed`` when it cannot be opened."""
        self.add(SerialLine(path, baud, self.ready))

    def stop(self) -> None:
        """End ``run`` soon; may be called from a signal handler or another thread."""
        self._running = False
        self._wake_out.send(b".")

    def run(self) -> None:
        """Work until ``stop``."""
        try:
            while self._running:
                self.step(None)
        finally:
            self.close()

    def step(self, timeout_s: float | None) -> None:
        """Wait for something to do, at most ``timeout_s`` seconds (None: no limit); do it."""
        for key, _ in self._selector.select(self._patience(timeout_s)):
            key.data()
        self.work()
        self._reopen()
        for line in list(self.lines):
            self._flush(line)

    def close(self) -> None:
        """Let go of everything."""
        for line in self.lines:
            line.close()
        self.lines.clear()
        self.release()
        self._selector.close()
        self._wake_in.close()
        self._wake_out.close()

    def _patience(self, timeout_s: float | None) -> float | None:
        times = [at for line in self.lines if (at := line.deadline()) is not None]
        times += [entry[0] for entry in self._lost]
        times += self.deadlines()
        if not times:
            return timeout_s
        left = max(0, min(times) - now_ms()) / 1000
        return left if timeout_s is None else min(left, timeout_s)

    def take(self, line: Line) -> None:
        """Receive what has come from a line by now, and notice if it is gone."""
        self._receive(line)

    def _receive(self, line: Line) -> None:
        if line not in self.lines:
            return  # dropped earlier in this step
        try:
            messages = line.receive()
        except LineClosed as error:
            self.drop(line, str(error))
            return
        if messages:
            self.received(line, messages)

    def _flush(self, line: Line) -> None:
        try:
            waits = line.flush()
        except LineClosed as error:
            self.drop(line, str(error))
            return
        key = self._selector.get_key(line)
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if waits else 0)
        if key.events != events:
            self._selector.modify(line, events, key.data)

    def _reopen(self) -> None:
        for entry in [entry for entry in self._lost if entry[0] <= now_ms()]:
            self._lost.remove(entry)
            try:
                self.serial(entry[1], entry[2])
                self.say(f"{entry[1]}: back again")
            except LineClosed:
                self._lost.append((now_ms() + REOPEN_MS, *entry[1:]))
