"""The line between terminal and acquirer: a null modem that can be cut, delayed, spoiled."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from host_tools.acquirer import Answer
from host_tools.bench.kernel import NEVER, Kernel
from host_tools.bench.wires import Wire
from host_tools.link import FLAG, FrameInfo, HostLink, Request

MESSAGES = ("request", "reply")


class LineError(ValueError):
    """That cannot be done to this line; the text says what can."""


class FarEnd(Protocol):
    """Whatever is at the other end of the line. ``knows_messages``: can it lose or delay one?"""

    knows_messages: bool

    def feed(self, data: bytes) -> None:
        """Bytes that arrived from the terminal."""


@dataclass(frozen=True)
class FrameSeen:
    """One frame as the far end had it. ``direction``: ">" to the host, "<" from it."""

    at_us: int
    direction: str
    info: FrameInfo


class Line:
    """Both directions of the terminal's line, with faults on demand.

    Faults on messages (``drop_next``, ``delay_next``, ``duplicate_next``) hit a whole message with
    all its resends; ``cut`` and ``noise`` hit the bytes on the wire.

    ``carried``: bytes that have come through, both ways together. ``frame_ends``: the values of
    ``carried`` at which a frame was complete. ``frames``: the frames themselves, as far as the far
    end tells them. ``log``: what the faults did.
    """

    def __init__(
        self, kernel: Kernel, baud: int, to_terminal: Callable[[bytes], None], seed: int
    ) -> None:
        self.kernel = kernel
        self.far: FarEnd | None = None
        self.is_cut = False
        self.ber = 0.0
        self.carried = 0
        self.frame_ends: list[int] = []
        self.frames: list[FrameSeen] = []
        self.log: list[str] = []
        self._random = random.Random(seed)
        self._to_terminal = to_terminal
        self._to_far = Wire(kernel, baud, self._at_far)
        self._to_near = Wire(kernel, baud, self._at_near)
        self._armed: list[tuple[str, str, float]] = []
        self._cut_at: int | None = None  # value of carried
        # Called with their number before bytes come through.
        self.before_bytes: Callable[[int], None] | None = None
        self._cuts = 0
        self._in_frame = {">": False, "<": False}

    # -- faults ------------------------------------------------------------------------------

    def cut(self, seconds: float | None = None, after_bytes: int | None = None) -> None:
        """Cut the line: bytes on it and bytes sent from now on are lost, both ways.

        ``seconds``: it mends itself after so long. ``after_bytes``: not now, but when so many
        more bytes have come through, both ways together.
        """
        if after_bytes is not None:
            if after_bytes < 0:
                raise LineError(f"cut(after_bytes={after_bytes}): 0 is before the next byte")
            if seconds is not None:
                raise LineError("cut takes seconds or after_bytes, not both")
            self._cut_at = self.carried + after_bytes
            return
        self.is_cut = True
        self._cut_at = None
        self._cuts += 1
        self.say("cut" if seconds is None else f"cut for {seconds:g} s")
        if seconds is not None:
            number = self._cuts
            self.kernel.after(int(seconds * 1e6), lambda: self._mend_itself(number))

    def _mend_itself(self, number: int) -> None:
        if self.is_cut and number == self._cuts:
            self.is_cut = False
            self.say("mended")

    def restore(self) -> None:
        """Mend the line after ``cut``, end ``noise``, disarm what waits for the next message."""
        if self.is_cut or self.ber:
            self.say("mended")
        self.is_cut = False
        self.ber = 0.0
        self.disarm()

    def disarm(self) -> None:
        """Forget what waits: a cut after some bytes, faults for the next message."""
        self.forget_cut()
        self._armed.clear()

    def forget_cut(self) -> None:
        """A cut that waits for its byte does not come."""
        self._cut_at = None

    @property
    def bytes_to_cut(self) -> int | None:
        """How many bytes come through before a cut that waits for them; None without one."""
        return None if self._cut_at is None else self._cut_at - self.carried

    def noise(self, ber: float) -> None:
        """Flip each bit on the wire with probability ``ber``, by the bench's seed. 0 ends it."""
        if not 0 <= ber <= 0.5:
            raise LineError(f"noise(ber={ber}): a bit error rate lies between 0 and 0.5")
        self.ber = ber

    def drop_next(self, what: str = "reply") -> None:
        """Lose the next "reply" (the host has booked it) or "request" (the host never sees it)."""
        self._arm("drop", what, 0)

    def delay_next(self, what: str = "reply", seconds: float = 45) -> None:
        """Let the next "reply" or "request" take ``seconds`` longer."""
        if seconds < 0:
            raise LineError(f"delay_next(seconds={seconds}): not even this line is that fast")
        self._arm("delay", what, seconds)

    def duplicate_next(self, what: str = "reply") -> None:
        """Deliver the next "reply" or "request" twice."""
        self._arm("duplicate", what, 0)

    def _arm(self, fault: str, what: str, seconds: float) -> None:
        if what not in MESSAGES:
            raise LineError(f"the line knows {' and '.join(MESSAGES)}, not {what!r}")
        if self.far is not None and not self.far.knows_messages:
            raise LineError(
                f"{fault}_next needs the bench's own acquirer: with another program at the end of "
                + "the line use cut() and noise(), or the faults of that program"
            )
        self._armed.append((fault, what, seconds))

    def fault_for(self, what: str) -> tuple[str, float]:
        """Take the fault that is armed for this message: ("", 0) when there is none."""
        for i, (fault, armed, seconds) in enumerate(self._armed):
            if armed == what:
                del self._armed[i]
                took = f" by {seconds:g} s" if fault == "delay" else ""
                self.say(f"{what}: {fault}{took}")
                return fault, seconds
        return "", 0

    @property
    def armed(self) -> list[str]:
        """The faults that still wait for their message, as text."""
        waiting = [f"{fault} next {what}" for fault, what, _ in self._armed]
        if self.bytes_to_cut is not None:
            waiting.append(f"cut after {self.bytes_to_cut} bytes")
        return waiting

    def say(self, text: str) -> None:
        """Write what happened, with its time, to ``log``."""
        self.log.append(f"{self.kernel.now_us / 1e6:.3f} s: {text}")

    # -- bytes -------------------------------------------------------------------------------

    def from_terminal(self, data: bytes) -> None:
        """Bytes the terminal has put on the line."""
        self._to_far.send(data)

    def from_far(self, data: bytes) -> None:
        """Bytes the far end has put on the line."""
        self._to_near.send(data)

    def _at_far(self, data: bytes) -> None:
        data = self._through(">", data)
        if data and self.far is not None:
            self.far.feed(data)

    def _at_near(self, data: bytes) -> None:
        data = self._through("<", data)
        if data:
            self._to_terminal(data)

    def _through(self, direction: str, data: bytes) -> bytes:
        if self.is_cut:
            return b""
        if self.before_bytes is not None:
            self.before_bytes(len(data))
        if self._cut_at is not None and self.carried + len(data) >= self._cut_at:
            data = data[: self._cut_at - self.carried]
            self._count(direction, data)
            self.cut()
        else:
            self._count(direction, data)
        return self._spoil(data)

    def _count(self, direction: str, data: bytes) -> None:
        for byte in data:
            self.carried += 1
            if byte != FLAG:
                self._in_frame[direction] = True
            elif self._in_frame[direction]:
                self._in_frame[direction] = False
                self.frame_ends.append(self.carried)

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

    ``handle(message)`` gives what the acquirer answers. ``number``: this host's number in its
    sessions; it comes from the seed, so that a run repeats byte for byte. ``ready``: see
    ``HostLink``.
    """

    knows_messages = True

    def __init__(
        self,
        line: Line,
        handle: Callable[[bytes], list[Answer]],
        latency_s: float,
        number: int,
        ready: Callable[[], bool] | None = None,
    ) -> None:
        self.line = line
        self.kernel = line.kernel
        self.link = HostLink(self._seen, number, ready)
        self.handle = handle
        self.latency_s = latency_s
        self._awake_at = NEVER

    def feed(self, data: bytes) -> None:
        for message in self.link.feed(data, self._now_ms()):
            self._request(message)
        self._output()

    def _seen(self, direction: str, info: FrameInfo) -> None:
        arrow = ">" if direction == "in" else "<"
        self.line.frames.append(FrameSeen(self.kernel.now_us, arrow, info))

    def _now_ms(self) -> int:
        return self.kernel.now_us // 1000

    def _request(self, message: Request) -> None:
        fault, seconds = self.line.fault_for("request")
        if fault == "delay":
            self.kernel.after(int(seconds * 1e6), lambda: self._process(message))
        elif fault != "drop":
            self._process(message)
            if fault == "duplicate":
                self._process(message)

    def _process(self, message: Request) -> None:
        for answer in self.handle(message):
            after_s = answer.after_s
            fault, seconds = self.line.fault_for("reply") if answer.message else ("", 0)
            if fault == "drop":
                continue
            if fault == "delay":
                after_s += seconds
            self._later(after_s + self.latency_s, answer, message)
            if fault == "duplicate":
                self._later(after_s + self.latency_s + 0.2, answer, message, rogue=True)

    def _later(
        self, after_s: float, answer: Answer, request: Request, rogue: bool = False
    ) -> None:
        def send() -> None:
            if answer.cut_s:
                self.line.cut(answer.cut_s)
            elif not self.link.send(answer.message, self._now_ms(), request):
                if rogue or answer.rogue:
                    self.line.from_far(self.link.unruly(request, answer.message))
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
