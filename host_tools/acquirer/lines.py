"""Lines to the outside: TCP with a two-byte length, and a serial port with the link protocol.

A line is non-blocking and belongs to one selector loop. It turns bytes into messages and back
and knows nothing of what they mean.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any, Protocol

import serial

from host_tools.acquirer.codec import HEADER, MAX_MESSAGE, TPDU, read_body
from host_tools.link import HostLink, Request

BAUD = 115200
_ABSURD = 4096  # bytes; a message of more than MAX_MESSAGE is received, so that it can be named


class LineClosed(Exception):
    """The other end is gone; the text says how."""


def host_port(text: str) -> tuple[str, int]:
    """"HOST:PORT" taken apart, an IPv6 address in brackets or not; ``ValueError`` if it is not
    that."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{text!r} is not HOST:PORT, for example 127.0.0.1:8583")
    return host.strip("[]"), int(port)


def now_ms() -> int:
    """The milliseconds that lines go by."""
    return time.monotonic_ns() // 1_000_000


class Line(Protocol):
    """What a server or gateway needs of a line."""

    name: str

    def fileno(self) -> int:
        """For the selector."""

    def receive(self) -> list[bytes]:
        """Take what has come; complete messages. ``LineClosed`` when the other end is gone."""

    def send(self, message: bytes, request: bytes, rogue: bool = False) -> bool:
        """Send ``message`` as the answer to ``request`` (an object that ``receive`` gave).

        False when it was dropped because the terminal has gone on. ``rogue``: send it all the
        same, against the rules.
        """

    def cut(self, seconds: float) -> None:
        """Be dead for so long."""

    def flush(self) -> bool:
        """Put out what can be put out now; True while something still waits."""

    def deadline(self) -> int | None:
        """When ``flush`` must be called at the latest, in ``now_ms``."""

    def close(self) -> None:
        """Let go."""


class TcpLine:
    """Messages behind a two-byte big-endian length. An empty one is a sign of life, ignored.

    What came before bytes that make no sense is still delivered and answered; then the line ends
    with a text that says what they were.
    """

    def __init__(self, sock: socket.socket, name: str):
        self.name = name
        self.sock = sock
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._in = bytearray()
        self._out = bytearray()
        self._fault = ""

    def fileno(self) -> int:
        return self.sock.fileno()

    def receive(self) -> list[bytes]:
        if self._fault:
            raise LineClosed(self._fault)
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return []
        except OSError as error:
            raise LineClosed(f"lost: {error}") from None
        if not data:
            raise LineClosed("hung up in the middle of a message" if self._in else "hung up")
        self._in += data
        messages = []
        while not self._fault and len(self._in) >= 2:
            length = int.from_bytes(self._in[:2], "big")
            if len(self._in) < 2 + length:
                self._fault = _misfit(self._in)
                break
            if length:
                messages.append(bytes(self._in[2:2 + length]))
            del self._in[:2 + length]
        if self._fault and not messages:
            raise LineClosed(self._fault)
        return messages

    def send(self, message: bytes, request: bytes = b"", rogue: bool = False) -> bool:
        self._out += len(message).to_bytes(2, "big") + message
        return True

    def cut(self, seconds: float) -> None:
        raise LineClosed("cut by a rule")

    def flush(self) -> bool:
        try:
            while self._out:
                del self._out[:self.sock.send(self._out)]
        except BlockingIOError:
            return True
        except OSError as error:
            raise LineClosed(f"lost: {error}") from None
        if self._fault:
            raise LineClosed(self._fault)
        return False

    def deadline(self) -> int | None:
        return None

    @property
    def broken(self) -> str:
        """Why this line ends once what came before is dealt with; "" while it does not."""
        return self._fault

    @property
    def unfinished(self) -> int:
        """Bytes that have come of a message that is not there yet."""
        return len(self._in)

    def close(self) -> None:
        self.sock.close()


def _misfit(data: bytearray) -> str:
    # What is wrong with a length that announces more than has come; "" when more may come.
    length, rest = int.from_bytes(data[:2], "big"), bytes(data[2:])
    for mistake, fits in (
        ("counts its own two bytes", length == len(rest) + 2),
        ("has its low byte first", int.from_bytes(data[:2], "little") == len(rest)),
        ("is in BCD", data[:2].hex() == f"{len(rest):04d}"),
    ):
        if fits and rest[:1] == b"\x60" and read_body(rest[TPDU + HEADER:])[2] is None:
            head = data[:2].hex().upper()
            return (f"sent a message of {len(rest)} bytes behind the length {head}, which " +
                    f"{mistake}: it must be {len(rest):04X}, two bytes, high byte first, from " +
                    "the TPDU to the last field")
    if length > _ABSURD or (length > MAX_MESSAGE and rest and rest[0] != 0x60):
        return (f"announced a message of {length} bytes: it does not speak a two-byte big-endian " +
                "length before TPDU and header")
    return ""


class SerialLine:
    """A terminal on a serial port (or pty), through the link protocol's host end. ``ready``: see
    ``HostLink``."""

    def __init__(self, path: str, baud: int = BAUD, ready: Callable[[], bool] | None = None):
        self.name = path
        self.baud = baud
        self._port = open_port(path, baud)
        self.link = HostLink(ready=ready)
        self._out = bytearray()
        self._dead_until = 0

    def fileno(self) -> int:
        return int(self._port.fileno())

    def receive(self) -> list[bytes]:
        try:
            data = self._port.read(4096)
        except (OSError, serial.SerialException) as error:
            raise LineClosed(f"lost: {error}") from None
        if now_ms() < self._dead_until:
            return []
        return list(self.link.feed(data, now_ms()))

    def send(self, message: bytes, request: bytes, rogue: bool = False) -> bool:
        assert isinstance(request, Request)
        sent = self.link.send(message, now_ms(), request)
        if not sent and rogue:
            self._out += self.link.unruly(request, message)
        return sent or rogue

    def cut(self, seconds: float) -> None:
        self._dead_until = now_ms() + int(seconds * 1000)
        self._out.clear()

    def flush(self) -> bool:
        self._out += self.link.output(now_ms())
        if now_ms() < self._dead_until:
            self._out.clear()
        try:
            while self._out:
                written = self._port.write(self._out)
                if not written:
                    return True
                del self._out[:written]
        except serial.SerialTimeoutException:
            return True
        except (OSError, serial.SerialException) as error:
            raise LineClosed(f"lost: {error}") from None
        return False

    def deadline(self) -> int | None:
        return self.link.deadline()

    def close(self) -> None:
        self._port.close()


def open_port(path: str, baud: int) -> Any:
    """A serial port, not shared with anybody; ``LineClosed`` says why it cannot be had."""
    try:
        return serial.Serial(path, baud, timeout=0, write_timeout=0, exclusive=True)
    except (OSError, ValueError, serial.SerialException) as error:
        raise LineClosed(f"cannot open {path}: {error}") from None
