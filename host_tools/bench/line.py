"""The line between the terminal and the acquirer: a null modem that can be cut, delayed, spoiled."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

from host_tools.bench.kernel import NEVER, Kernel
from host_tools.bench.wires import Wire
from host_tools.link import HostLink, Request

MESSAGES = ("request", "reply")


class FarEnd(Protocol):
    """Whatever is at the other end of the line."""

    def feed(self, data: bytes) -> None:
        """Bytes that arrived from the terminal."""


class Line:
    """Both directions of the terminal's line, with faults on demand.

    Faults on messages (``drop_next``, ``delay_next``, ``duplicate_next``) hit a whole message with
    all its resends; ``cut`` and ``noise`` hit the bytes on the wire.
    """

    def __init__(
        self, kernel: Kernel, baud: int, to_terminal: Callable[[bytes], None], seed: int
    ) -> None:
        self.kernel = kernel
        self.far: FarEnd | None = None
        self.is_cut = False
        self.ber = 0.0
        self.log: list[str] = []
        self._random = random.Random(seed)
        self._to_terminal = to_terminal
        self._to_far = Wire(kernel, baud, self._at_far)
        self._to_near = Wire(kernel, baud, self._at_near)
        self._armed: list[tuple[str, str, float]] = []

    # -- faults ------------------------------------------------------------------------------

    def cut(self) -> None:
        """Cut the line: bytes on it and bytes sent from now on are lost, both ways."""
        self.is_cut = True

    def restore(self) -> None:
        """Mend the line after ``cut``, and end ``noise``."""
        self.is_cut = False
        self.ber = 0.0

    def noise(self, ber: float) -> None:
        """Flip each bit on the wire with probability ``ber``, by the bench's seed. 0 ends it."""
        self.ber = ber

    def drop_next(self, what: str = "reply") -> None:
        """Lose the next "reply" (the host has booked it) or "request" (the host never sees it)."""
        self._arm("drop", what, 0)

    def delay_next(self, what: str = "reply", seconds: float = 45) -> None:
        """Let the next "reply" or "request" take ``seconds`` longer."""
        self._arm("delay", what, seconds)

    def duplicate_next(self, what: str = "reply") -> None:
        """Deliver the next "reply" or "request" twice."""
        self._arm("duplicate", what, 0)

    def _arm(self, fault: str, what: str, seconds: float) -> None:
        if what not in MESSAGES:
            raise ValueError(f"the line knows {' and '.join(MESSAGES)}, not {what!r}")
        self._armed.append((fault, what, seconds))

    def fault_for(self, what: str) -> tuple[str, float]:
        """Take the fault that is armed for this message: ("", 0) when there is none."""
        for i, (fault, armed, seconds) in enumerate(self._armed):
            if armed == what:
                del self._armed[i]
                return fault, seconds
        return "", 0

    # -- bytes -------------------------------------------------------------------------------

    def from_terminal(self, data: bytes) -> None:
        """Bytes the terminal has put on the line."""
        self._to_far.send(data)

    def from_far(self, data: bytes) -> None:
        """Bytes the far end has put on the line."""
        self._to_near.send(data)

    def _at_far(self, data: bytes) -> None:
        if not self.is_cut and self.far is not None:
            self.far.feed(self._spoil(data))

    def _at_near(self, data: bytes) -> None:
        if not self.is_cut:
            self._to_terminal(self._spoil(data))

    def _spoil(self, data: bytes) -> bytes:
        if not self.ber:
            return data
        spoilt = bytearray(data)
        for at in range(len(spoilt)):
            for bit in range(8):
                if self._random.random() < self.ber:
                    spoilt[at] ^= 1 << bit
        return bytes(spoilt)


class HostEnd:
    """An acquirer at the far end, in this process and in virtual time.

    ``handle(message)`` gives what the acquirer answers, as (seconds, message) pairs.
    """

    def __init__(
        self, line: Line, handle: Callable[[bytes], list[tuple[float, bytes]]], latency_s: float
    ) -> None:
        self.line = line
        self.kernel = line.kernel
        self.link = HostLink()
        self.handle = handle
        self.latency_s = latency_s
        self._awake_at = NEVER

    def feed(self, data: bytes) -> None:
        for message in self.link.feed(data, self._now_ms()):
            self._request(message)
        self._output()

    def _now_ms(self) -> int:
        return self.kernel.now_us // 1000

    def _request(self, message: Request) -> None:
        fault, seconds = self.line.fault_for("request")
        if fault == "drop":
            self.line.log.append("request lost on the line")
        elif fault == "delay":
            self.kernel.after(int(seconds * 1e6), lambda: self._process(message))
        else:
            self._process(message)
            if fault == "duplicate":
                self._process(message)

    def _process(self, message: Request) -> None:
        for after_s, answer in self.handle(message):
            fault, seconds = self.line.fault_for("reply")
            if fault == "drop":
                self.line.log.append("reply lost on the line")
                continue
            if fault == "delay":
                after_s += seconds
            for _ in range(2 if fault == "duplicate" else 1):
                self._later(after_s + self.latency_s, answer, message)

    def _later(self, after_s: float, answer: bytes, request: Request) -> None:
        def send() -> None:
            self.link.send(answer, self._now_ms(), request)
            self._output()

        self.kernel.after(int(after_s * 1e6), send)

    def _output(self) -> None:
        self.line.from_far(self.link.output(self._now_ms()))
        deadline = self.link.deadline()
        if deadline is None:
            self._awake_at = NEVER
            return
        at_us = max(deadline * 1000, self.kernel.now_us + 1000)
        if at_us < self._awake_at or self._awake_at <= self.kernel.now_us:
            self._awake_at = at_us
            self.kernel.at(at_us, self._timer)

    def _timer(self) -> None:
        if self.kernel.now_us >= self._awake_at:
            self._output()
