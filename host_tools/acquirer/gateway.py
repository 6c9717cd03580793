"""Carries a terminal's messages to somebody else's acquirer and the answers back.

The terminal's serial line ends here; the inner messages (TPDU + header + ISO 8583) travel over
TCP behind a two-byte big-endian length, unchanged. An answer is given to the terminal only if it
belongs to the request the terminal is waiting for; anything else is dropped with a line that
says why, because a stale answer must never pass for a fresh one.

A host may hang up after each answer: it is called again at once. While it is away, terminals are
not answered, so that they say that the line is down before they send anything; a request that
comes all the same is held for a few seconds.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from host_tools.acquirer.codec import FormatError, Request, Unanswerable, decode
from host_tools.acquirer.lines import Line, LineClosed, TcpLine, now_ms
from host_tools.acquirer.loop import Loop
from host_tools.link import MAX_MESSAGE

FIRST_RETRY_MS = 500
LONGEST_RETRY_MS = 15_000
CONNECT_MS = 10_000  # for the last address of the host
NEXT_MS = 2_000  # for an address when there are others
HOLD_MS = 5_000  # a request that cannot be sent is kept for so long


@dataclass(slots=True)
class _Open:
    # A request on its way to the host.
    line: Line
    message: bytes
    request: Request
    sent_ms: int

    def __str__(self) -> str:
        request = self.request
        return (f"{request.mti} trace {request.get('11') or '?'} of terminal " +
                f"{request.get('41') or '?'}")


def readable(message: bytes) -> Request | None:
    """As much of a foreign message as can be read; None when nothing can."""
    try:
        return decode(message)
    except FormatError as error:
        return error.request
    except Unanswerable:
        return None


def answers(reply: Request, request: Request) -> bool:
    """Does a reply belong to that request? By its type, terminal and trace."""
    if reply.mti != f"{int(request.mti) + 10:04d}":
        return False
    if reply.get("41") not in ("", request.get("41")):
        return False
    # Echo tests and downloads need not repeat the trace.
    return reply.get("11") == request.get("11") or request.mti in ("0800", "0820")


class Gateway(Loop):
    """Serial lines on one side, one TCP connection to the acquirer on the other."""

    def __init__(self, host: str, port: int, say: Callable[[str], None] = print):
        super().__init__(say)
        self.address = (host, port)
        self._host: TcpLine | None = None
        self._connecting: socket.socket | None = None
        self._addresses: list[tuple[Any, ...]] = []  # of the host, that are still to be tried
        self._was_of_use = False  # has this connection brought an answer?
        self._retry_at = 0
        self._retry_ms = FIRST_RETRY_MS
        self._open: list[_Open] = []
        self._held: list[_Open] = []

    @property
    def connected(self) -> bool:
        """Is the acquirer there?"""
        return self._host is not None

    # The acquirer's side

    def ready(self) -> bool:
        """Is the acquirer there? If not, it is called now."""
        self._look()
        if self._host is None and self._connecting is None:
            self._retry_at = 0
        return self._host is not None

    def work(self) -> None:
        self._give_up_held()
        if self._host is not None or now_ms() < self._retry_at:
            return
        if self._connecting is not None:
            self._failed(f"no connection within {CONNECT_MS // 1000} s")
            return
        try:
            self._addresses = list(socket.getaddrinfo(*self.address, type=socket.SOCK_STREAM))
        except OSError as error:
            self._away(str(error))
            return
        self._call()

    def _call(self) -> None:
        # Begin a connection to the next of the host's addresses.
        family, kind, protocol, _, address = self._addresses.pop(0)
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:
            self._failed(str(error))
            return
        sock.setblocking(False)
        self._connecting = sock
        self._retry_at = now_ms() + (NEXT_MS if self._addresses else CONNECT_MS)
        self.watch(sock, self._connected, write=True)
        code = sock.connect_ex(address)
        if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
            self._failed(os.strerror(code))

    def deadlines(self) -> list[int]:
        times = [entry.sent_ms + HOLD_MS for entry in self._held]
        return times if self._host is not None else [*times, self._retry_at]

    def _connected(self) -> None:
        sock = self._connecting
        if sock is None:
            return  # given up in this very step
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._failed(os.strerror(error))
            return
        self.unwatch(sock)
        self._connecting = None
        self._retry_ms = FIRST_RETRY_MS
        self._was_of_use = False
        self._host = TcpLine(sock, f"host {self.address[0]}:{self.address[1]}")
        self.add(self._host)
        self.say(f"{self._host.name}: connected")
        held, self._held = self._held, []
        for entry in held:
            self._send(entry)

    def _failed(self, why: str) -> None:
        # One address of the host cannot be reached: try the next one.
        if self._connecting is not None:
            self.unwatch(self._connecting)
            self._connecting.close()
            self._connecting = None
        if self._addresses:
            self._call()
        else:
            self._away(why)

    def _away(self, why: str) -> None:
        self._retry_at = now_ms() + self._retry_ms
        self.say(f"host {self.address[0]}:{self.address[1]} is away: {why}. Next try in " +
                 f"{self._retry_ms / 1000:g} s; terminals are told that the line is down.")
        self._retry_ms = min(2 * self._retry_ms, LONGEST_RETRY_MS)

    def dropped(self, line: Line, why: str) -> None:
        if line is not self._host:
            self._open = [entry for entry in self._open if entry.line is not line]
            self._held = [entry for entry in self._held if entry.line is not line]
            return
        self._host = None
        if self._open:
            self.say(f"{line.name}: {len(self._open)} unanswered: " +
                     ", ".join(map(str, self._open)) +
                     ". Their outcome is unknown; the terminal will reverse or ask.")
            self._open.clear()
        if self._was_of_use:
            self._retry_at = 0  # many hosts hang up after each answer, or now and then
        else:
            self._away(why)

    def release(self) -> None:
        if self._connecting is not None:
            self._connecting.close()

    # Messages

    def received(self, line: Line, messages: list[bytes]) -> None:
        for message in messages:
            if line is self._host:
                self._deliver(message)
            else:
                self._forward(line, message)

    def _forward(self, line: Line, message: bytes) -> None:
        request = readable(message)
        if request is None:
            self.say(f"{line.name}: {len(message)} bytes that are no message; dropped")
            return
        entry = _Open(line, message, request, now_ms())
        # A terminal waits for its newest request only.
        self._open = [old for old in self._open if old.line is not line]
        self._held = [old for old in self._held if old.line is not line]
        self._look()
        if self._host is None:
            self._held.append(entry)
            self.say(f"{line.name}: {entry} waits for the host, up to {HOLD_MS / 1000:g} s")
        else:
            self._send(entry)

    def _look(self) -> None:
        # A host that has hung up meanwhile is noticed before the first byte is sent to it.
        if self._host is not None:
            self.take(self._host)

    def _send(self, entry: _Open) -> None:
        assert self._host is not None
        self._open.append(entry)
        self._host.send(bytes(entry.message))
        self.say(f"{entry.line.name}: {entry} sent")

    def _give_up_held(self) -> None:
        for entry in [entry for entry in self._held if entry.sent_ms + HOLD_MS <= now_ms()]:
            self._held.remove(entry)
            self.say(f"{entry.line.name}: {entry} was not sent, the host is away. It has not " +
                     "seen this message; what it booked before stands. The terminal will say " +
                     "that no answer came.")

    def _deliver(self, message: bytes) -> None:
        if len(message) > MAX_MESSAGE:
            self.say(f"host: a message of {len(message)} bytes, the line takes {MAX_MESSAGE}; " +
                     "dropped")
            return
        reply = readable(message)
        if reply is None:
            self.say(f"host: {len(message)} bytes that are no message; dropped")
            return
        what = (f"{reply.mti} trace {reply.get('11') or '?'} of terminal " +
                f"{reply.get('41') or '?'}")
        entry = self._match(reply)
        if entry is None:
            waiting = ", ".join(map(str, self._open)) or "nothing"
            self.say(f"host: {what} answers no open request (open: {waiting}); dropped")
            return
        took = f"{(now_ms() - entry.sent_ms) / 1000:.1f} s"
        self._open.remove(entry)
        self._was_of_use = True
        try:
            sent = entry.line.send(message, entry.message)
        except LineClosed as error:
            self.drop(entry.line, str(error))
            return
        if sent:
            self.say(f"{entry.line.name}: {what} answered after {took}")
        else:
            self.say(f"{entry.line.name}: {what} came after {took}, too late: the terminal has " +
                     "gone on; dropped")

    def _match(self, reply: Request) -> _Open | None:
        return next((entry for entry in self._open if answers(reply, entry.request)), None)
