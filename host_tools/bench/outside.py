"""A program outside of the bench at the end of the terminal's line: over a pty or a serial port.

Such a program lives in real time, so a bench with one runs no faster than the clock on the wall.
"""

from __future__ import annotations

import os
import select
import time
import tty
from typing import Protocol

from host_tools.bench.line import Line, LineError


class Port(Protocol):
    """Bytes out and in, without waiting."""

    name: str

    def write(self, data: bytes) -> None:
        """Put out what fits; the rest is lost, as on a line without flow control."""

    def read(self) -> bytes:
        """What has come, possibly nothing."""

    def fileno(self) -> int:
        """For ``select``."""

    def close(self) -> None:
        """Let go."""


class Pty:
    """One end of a pseudo terminal; ``name`` is what the other program opens."""

    def __init__(self) -> None:
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)  # and kept open, so that the program may come and go
        os.set_blocking(self._ours, False)
        self.name = os.ttyname(self._theirs)

    def write(self, data: bytes) -> None:
        try:
            os.write(self._ours, data)
        except BlockingIOError:
            pass  # nobody reads: lost, as bytes on a line are

    def read(self) -> bytes:
        try:
            return os.read(self._ours, 4096)
        except BlockingIOError:
            return b""

    def fileno(self) -> int:
        return self._ours

    def close(self) -> None:
        os.close(self._ours)
        os.close(self._theirs)


class SerialPort:
    """A real serial port, or whatever pyserial opens by that name."""

    def __init__(self, name: str, baud: int) -> None:
        from host_tools.acquirer.lines import LineClosed, open_port

        try:
            self._port = open_port(name, baud)
        except LineClosed as error:
            raise LineError(
                f"{error}. line= takes \"pty\" or the serial port that leads to the acquirer."
            ) from None
        self.name = name

    def write(self, data: bytes) -> None:
        self._port.write(data)

    def read(self) -> bytes:
        return bytes(self._port.read(4096))

    def fileno(self) -> int:
        return int(self._port.fileno())

    def close(self) -> None:
        self._port.close()


class Outside:
    """The far end of ``line`` is ``port``; what the world outside needs is real time.

    ``pump`` carries bytes, ``wait`` sleeps until the world or the bench has something to do.
    """

    knows_messages = False

    def __init__(self, line: Line, port: Port) -> None:
        self.line = line
        self.port = port
        # The real time at which the bench's clock stood at 0.
        self._began_s = time.monotonic() - line.kernel.now_us / 1e6

    def feed(self, data: bytes) -> None:
        self.port.write(data)

    def now_us(self) -> int:
        """How far virtual time may have gone by now."""
        return int((time.monotonic() - self._began_s) * 1e6)

    def pump(self) -> None:
        """Take what has come from outside."""
        data = self.port.read()
        if data:
            self.line.from_far(data)

    def wait(self, until_us: int) -> None:
        """Sleep until the bench's time ``until_us`` or until bytes come, at most 50 ms."""
        left = (until_us - self.now_us()) / 1e6
        select.select([self.port], [], [], min(max(left, 0.0), 0.05))

    def close(self) -> None:
        """Let the port go."""
        self.port.close()
