"""Drives an `Acquirer` over real lines: serial ports and TCP, several terminals at once.

All messages that have come are answered together, so that many terminals share one commit; no
answer leaves before its booking is durable.
"""

from __future__ import annotations

import heapq
import socket
from collections.abc import Callable
from datetime import datetime

from host_tools.acquirer.host import Acquirer, Answer
from host_tools.acquirer.lines import Line, LineClosed, TcpLine, now_ms
from host_tools.acquirer.loop import Loop


class Server(Loop):
    """Terminals on all lines, one acquirer behind them.

    ``now`` gives the local time for the books; ``settled`` is called after each group of messages
    (for whoever delivers notices).
    """

    def __init__(self, acquirer: Acquirer, say: Callable[[str], None] = print,
                 now: Callable[[], datetime] = datetime.now,
                 settled: Callable[[], None] = lambda: None):
        super().__init__(say)
        self.acquirer = acquirer
        self._now = now
        self._settled = settled
        self._listeners: list[socket.socket] = []
        self._came: list[tuple[Line, bytes]] = []
        self._waiting: list[tuple[int, int, Line, Answer, bytes]] = []
        self._count = 0

    def listen(self, host: str, port: int) -> tuple[str, int]:
        """Accept TCP connections; the address really used (port 0 picks one).

        ``OSError`` when the address cannot be had.
        """
        sock = socket.create_server((host, port))
        sock.setblocking(False)
        self._listeners.append(sock)
        self.watch(sock, lambda: self._accept(sock))
        address = sock.getsockname()
        return str(address[0]), int(address[1])

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, address = listener.accept()
        except OSError as error:
            self.say(f"a connection failed before it began: {error}")
            return
        line = TcpLine(sock, f"{address[0]}:{address[1]}")
        self.say(f"{line.name}: connected")
        self.add(line)

    def received(self, line: Line, messages: list[bytes]) -> None:
        self._came += [(line, message) for message in messages]

    def work(self) -> None:
        if self._came:
            came, self._came = self._came, []
            self._answer(came)
        while self._waiting and self._waiting[0][0] <= now_ms():
            _, _, line, answer, request = heapq.heappop(self._waiting)
            try:
                self.say(f"{line.name}: {self._send(line, answer, request)}")
            except LineClosed as error:
                self.drop(line, str(error))

    def _answer(self, came: list[tuple[Line, bytes]]) -> None:
        seen = self.acquirer.trace.count
        groups = self.acquirer.handle_many([bytes(message) for _, message in came], self._now())
        at = now_ms()
        asked = [entry for entry in self.acquirer.trace.since(seen) if entry.direction == ">"]
        for place, ((line, message), group) in enumerate(zip(came, groups, strict=True)):
            if not group:
                why = f"a message of {len(message)} bytes"
                if len(asked) == len(came):  # else the ring of the trace is too short
                    why = str(asked[place])
                self.say(f"{line.name}: not answered: {why}")
            for answer in group:
                self._count += 1
                heapq.heappush(self._waiting, (
                    at + int(answer.after_s * 1000), self._count, line, answer, message))
        self._settled()

    def _send(self, line: Line, answer: Answer, request: bytes) -> str:
        if line not in self.lines:
            return f"{answer.note}; the line is gone, the answer is dropped"
        if answer.cut_s:
            line.cut(answer.cut_s)
            return f"{answer.note}; cut for {answer.cut_s:g} s"
        if line.send(answer.message, request, answer.rogue):
            return answer.note
        return f"{answer.note}; too late, the terminal has gone on"

    def deadlines(self) -> list[int]:
        return [self._waiting[0][0]] if self._waiting else []

    def release(self) -> None:
        for sock in self._listeners:
            sock.close()
