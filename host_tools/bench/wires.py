"""Serial wires: bytes take their time at the baud rate and arrive in the order they were sent."""

from __future__ import annotations

from collections.abc import Callable

from host_tools.bench.kernel import Kernel


class Wire:
    """One direction of a serial connection, 8N1: ten bit times a byte."""

    def __init__(self, kernel: Kernel, baud: int, deliver: Callable[[bytes], None]) -> None:
        self.kernel = kernel
        self.baud = baud
        self.deliver = deliver
        self.free_at_us = 0
        self.bytes = 0

    def send(self, data: bytes) -> None:
        """Put ``data`` on the wire; it is delivered in one piece when its last bit is over."""
        if not data:
            return
        begin = max(self.kernel.now_us, self.free_at_us)
        self.free_at_us = begin + len(data) * 10_000_000 // self.baud
        self.bytes += len(data)
        self.kernel.at(self.free_at_us, lambda: self.deliver(data))
