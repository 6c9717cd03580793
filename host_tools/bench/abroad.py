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
from host_tools.acquirer.lines import LineClosed, TcpLine
from host_tools.acquirer.requests import operation_of
from host_tools.acquirer.trace import Entry, Trace
from host_tools.bench.line import LineError
from host_tools.link import MAX_MESSAGE

PREFIX = "tcp:"
# An acquirer that is silent for so long in real time does not answer this request.
PATIENCE_S = 5.0


class Abroad:
    """``address``: "HOST:PORT", also its ``name``. ``say`` is told what became of messages that led
    nowhere."""

    def __init__(self, address: str, trace: Trace, say: Callable[[str], None]) -> None:
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:
            raise LineError(f"line={PREFIX + address!r}: after {PREFIX} comes HOST:PORT")
        self.name = address
        self._address = (host, int(port))
        self._trace = trace
        self._say = say
        self._line: TcpLine | None = None
        try:
            self._connect()
        except OSError as error:
            raise LineError(
                f"no acquirer at {address}: {error}. Start it first; the bench connects to it."
            ) from error

    def handle(self, message: bytes, now: datetime) -> list[Answer]:
        """The acquirer's answer to a message of the terminal; none when there is none in time."""
        request = readable(message)
        if request is None:
            return []
        operation = _operation(request)
        self._note(now, ">", operation, request)
        began = time.monotonic()
        try:
            reply, data = self._ask(message, request, began + PATIENCE_S)
        except (OSError, LineClosed) as error:
            self.close()
            self._say(f"acquirer: {error}; {request.mti} {request.get('11')} has no answer")
            return []
        if reply is None:
            self._say(f"acquirer: silent for {PATIENCE_S:g} real seconds")
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
        return self._line

    def _ask(
        self, message: bytes, request: Request, deadline: float
    ) -> tuple[Request | None, bytes]:
        line = self._connect()
        self._drop_stale(line)
        line.send(message)
        while line.flush():
            select.select([], [line], [], max(0.0, deadline - time.monotonic()))
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([line], [], [], left)[0]:
                break
            for data in line.receive():
                reply = readable(data)
                if reply is not None and len(data) <= MAX_MESSAGE and answers(reply, request):
                    return reply, data
                self._say(f"acquirer: {len(data)} bytes that answer nothing; dropped")
        return None, b""

    def _drop_stale(self, line: TcpLine) -> None:
        # What comes too late must never pass for the answer to something else.
        while select.select([line], [], [], 0)[0]:
            for data in line.receive():
                self._say(f"acquirer: {len(data)} bytes came too late; dropped")

    def _note(self, now: datetime, direction: str, operation: str, message: Request) -> None:
        terminal = message.get("41")
        self._trace.add(Entry(now, direction, operation, terminal, masked(message.fields), ""))


def _operation(request: Request) -> str:
    try:
        return operation_of(request).name
    except FormatError:
        return "?"
