"""Drives an `Acquirer` over real lines: serial ports and TCP, several terminals at once.

All messages that have come are answered together, so that many terminals share one commit; no
answer leaves before its booking is durable.
"""

from __future__ import annotations

import errno
import heapq
import socket
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from functools import partial

from host_tools.acquirer.host import Acquirer, Answer
from host_tools.acquirer.lines import Line, LineClosed, TcpLine, now_ms
from host_tools.acquirer.loop import Loop

IDLE_S = 600
FULL_MS = 1000  # how long nobody is let in when no file descriptor is free
_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Server(Loop):
    """Terminals on all lines, one acquirer behind them.

    ``now`` gives the local time for the books; ``settled`` is called after each group of messages
    (for whoever delivers notices). ``idle_s``: a TCP connection on which nothing came or went for
    so long is closed; 0: never.
    """

    def __init__(self, acquirer: Acquirer, say: Callable[[str], None] = print,
                 now: Callable[[], datetime] = datetime.now,
                 settled: Callable[[], None] = lambda: None, idle_s: int = IDLE_S):
        super().__init__(say)
        self._idle_ms = idle_s * 1000
        self._heard: OrderedDict[Line, int] = OrderedDict()  # TCP lines, the quietest first
        self._full_until = 0  # no file descriptor is free: nobody is let in before that
        self._told_full = False
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
            if error.errno in _FULL:
                self._wait_for_room(error)
            else:
                self.say(f"a connection failed before it began: {error}")
            return
        line = TcpLine(sock, f"{address[0]}:{address[1]}")
        self._told_full = False
        self.say(f"{line.name}: connected")
        self.add(line)
        self._heard[line] = now_ms()

    def _wait_for_room(self, error: OSError) -> None:
        # A listener that cannot be served is ready for ever: it is left alone for a while.
        if not self._full_until:
            for sock in self._listeners:
                self.unwatch(sock)
        self._full_until = now_ms() + FULL_MS
        if not self._told_full:
            self._told_full = True
            self.say(f"no further connection can be taken: {error.strerror}; {len(self.lines)} " +
                     "lines are served. New ones wait until one ends; a higher limit (ulimit -n) " +
                     "or a shorter --idle helps.")

    def _let_in(self) -> None:
        self._full_until = 0
        for sock in self._listeners:
            self.watch(sock, partial(self._accept, sock))

    def received(self, line: Line, messages: list[bytes]) -> None:
        self._came += [(line, message) for message in messages]
        self._stir(line)

    def dropped(self, line: Line, why: str) -> None:
        self._heard.pop(line, None)
        if self._full_until:
            self._let_in()

    def _stir(self, line: Line) -> None:
        # The line is in use.
        if line in self._heard:
            self._heard[line] = now_ms()
            self._heard.move_to_end(line)

    def _end_idle(self) -> None:
        while self._idle_ms and self._heard:
            line, heard = next(iter(self._heard.items()))
            if heard + self._idle_ms > now_ms():
                return
            if any(entry[2] is line for entry in self._waiting):
                self._stir(line)  # an answer is still to come
            else:
                self.drop(line, f"silent for {self._idle_ms // 1000} s; closed")

    def work(self) -> None:
        if self._full_until and self._full_until <= now_ms():
            self._let_in()
        self._end_idle()
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
        self._stir(line)
        if line.send(answer.message, request, answer.rogue):
            return answer.note
        return f"{answer.note}; too late, the terminal has gone on"

    def deadlines(self) -> list[int]:
        times = [self._waiting[0][0]] if self._waiting else []
        if self._full_until:
            times.append(self._full_until)
        if self._idle_ms and self._heard:
            times.append(next(iter(self._heard.values())) + self._idle_ms)
        return times

    def release(self) -> None:
        for sock in self._listeners:
            sock.close()
