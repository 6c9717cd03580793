"""An acquirer of somebody else behind TCP, asked in the bench's virtual time.

Messages (TPDU, header, ISO 8583) go behind a two-byte big-endian length, as `mobi gateway` sends
them. While the acquirer thinks, virtual time stands still; what it took on the wall is what the
terminal waits. So tests are as fast as the acquirer, and every fault of the line works.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from datetime import datetime

from host_tools.acquirer import Answer
from host_tools.acquirer.codec import FormatError, Request, masked
from host_tools.acquirer.gateway import answers, readable
from host_tools.acquirer.lines import LineClosed, TcpLine, host_port
from host_tools.acquirer.requests import operation_of
from host_tools.acquirer.trace import Entry, Trace
from host_tools.bench.line import LineError
from host_tools.link import MAX_MESSAGE

PREFIX = "tcp:"
# An acquirer that is silent for so long in real time does not answer this request.
PATIENCE_S = 5.0
# One that was there and is gone may be starting anew: it is called for so long in real time.
RESTART_S = 2.0
_PAUSE_S = 0.02
# Whoever hangs up after an answer does it within this real time. In virtual time the terminal's
# next request may follow at once, and would meet the end of the connection on its way.
_HANGS_UP_S = 0.02


class Abroad:
    """``address``: "HOST:PORT", also its ``name``. ``say`` is told what became of messages that led
    nowhere."""

    def __init__(self, address: str, trace: Trace, say: Callable[[str], None]) -> None:
        try:
            self._address = host_port(address)
        except ValueError as error:
            raise LineError(f"line={PREFIX + address!r}: after {PREFIX} comes HOST:PORT") from error
        self.name = address
        self._trace = trace
        self._say = say
        self._line: TcpLine | None = None
        self._was_there = True
        self._answered_at = 0.0  # on the wall, when this connection brought its newest answer
        self._one_each = False  # a connection for each message: this host hangs up after each
        try:
            self._connect()
        except OSError as error:
            raise LineError(
                f"no acquirer at {address}: {error}. Start it first; the bench connects to it."
            ) from error

    def ready(self) -> bool:
        """Is the acquirer there, or does it come back soon? While it is not, the terminal's line
        is down."""
        try:
            self._reach()
        except OSError as error:
            if self._was_there:
                self._say(f"acquirer: gone: {error}; the line is down until it is there again")
            self._was_there = False
            return False
        return True

    def handle(self, message: bytes, now: datetime) -> list[Answer]:
        """The acquirer's answer to a message of the terminal; none when there is none in time."""
        request = readable(message)
        if request is None:
            return []
        operation = _operation(request)
        what = f"{request.mti} {request.get('11')}"
        try:
            line = self._reach()
        except OSError as error:
            self._say(f"acquirer: {error}; {what} was not sent")
            return []
        self._note(now, ">", operation, request)
        began = time.monotonic()
        try:
            reply, data = self._ask(line, message, request, began + PATIENCE_S)
        except (OSError, LineClosed) as error:
            self.close()
            self._say(f"acquirer: {error}; {what} has no answer")
            return []
        if reply is None:
            some = f", {line.unfinished} bytes of a message in" if line.unfinished else ""
            self._say(f"acquirer: silent for {PATIENCE_S:g} real seconds{some}; {what}")
            return []
        self._note(now, "<", operation, reply)
        return [Answer(time.monotonic() - began, data, operation)]

    def close(self) -> None:
        """Hang up; the next message connects again."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _connect(self) -> TcpLine:
        if self._line is None:
            sock = socket.create_connection(self._address, PATIENCE_S)
            self._line = TcpLine(sock, "acquirer")
            self._was_there = True
        return self._line

    def _reach(self) -> TcpLine:
        # A connection that, as far as anybody can know, is up. One that the acquirer has closed is
        # noticed here, before the first byte of a request: then it is called again.
        self._drop_stale()
        until = time.monotonic() + (RESTART_S if self._was_there else 0)
        while True:
            try:
                return self._connect()
            except OSError:
                if time.monotonic() > until:
                    raise
            time.sleep(_PAUSE_S)

    def _ask(
        self, line: TcpLine, message: bytes, request: Request, deadline: float
    ) -> tuple[Request | None, bytes]:
        line.send(message)
        while line.flush():
            select.select([], [line], [], max(0.0, deadline - time.monotonic()))
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([line], [], [], left)[0]:
                break
            for data in line.receive():
                reply = readable(data)
                if reply is not None and len(data) <= MAX_MESSAGE and answers(reply, request):
                    self._answered_at = time.monotonic()
                    if self._one_each:
                        self.close()
                    return reply, data
                self._say(f"acquirer: {_no_answer(data)}; dropped")
        return None, b""

    def _drop_stale(self) -> None:
        # What comes too late must never pass for the answer to something else.
        try:
            while self._line is not None:
                wait = max(0.0, self._answered_at + _HANGS_UP_S - time.monotonic())
                if not self._line.broken and not select.select([self._line], [], [], wait)[0]:
                    return
                for data in self._line.receive():
                    self._say(f"acquirer: {len(data)} bytes came too late; dropped")
        except LineClosed as error:
            self._say(f"acquirer: {error}; it is called again")
            self._one_each = time.monotonic() < self._answered_at + _HANGS_UP_S
            self.close()

    def _note(self, now: datetime, direction: str, operation: str, message: Request) -> None:
        terminal = message.get("41")
        self._trace.add(Entry(now, direction, operation, terminal, masked(message.fields), ""))


def _no_answer(data: bytes) -> str:
    if len(data) > MAX_MESSAGE:
        return f"{len(data)} bytes, the longest message of the line has {MAX_MESSAGE}"
    return f"{len(data)} bytes that answer nothing"


def _operation(request: Request) -> str:
    try:
        return operation_of(request).name
    except FormatError:
        return "?"
