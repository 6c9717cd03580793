"""Both ends of the line together: the firmware's Link and the bench's HostLink, in virtual time."""

import heapq
import random

from mobi.link.link import Link
from mobi.loop import Event, Loop

from host_tools.link import HostLink

BYTE_US = 87
_MASK = (1 << 30) - 1


class World:
    """A clock, a wire with faults, the terminal's Link on its loop, and a HostLink."""

    def __init__(self, start_ms=(1 << 30) - 5000, seed=1):
        self.us = start_ms * 1000
        self.events = []
        self.count = 0
        self.random = random.Random(seed)
        self.free_us = {"up": 0, "down": 0}
        # (direction, bytes) -> [(extra delay in us, bytes)]: what the line makes of a piece.
        self.fault = lambda direction, data: [(0, data)]
        self.wire = {"up": bytearray(), "down": bytearray()}
        self.inbox = bytearray()
        self.input = Event()
        self.delivered = []  # (message, session, number) as the host application got them
        self.think_ms = lambda message: 0
        self.answer = lambda message: b"re:" + bytes(message)
        self.speaking_while_not_busy = 0
        self.start_host()
        self.start_terminal(session=1000)

    # the clock and the sleep of the loop
    def ticks_ms(self):
        return self.us // 1000 & _MASK

    def ticks_us(self):
        return self.us & _MASK

    def ticks_add(self, t, d):
        return (t + d) & _MASK

    def ticks_diff(self, a, b):
        return ((a - b + (1 << 29)) & _MASK) - (1 << 29)

    def sleep(self, ms):
        until = self.us + ms * 1000 if ms is not None else None
        if self.events and (until is None or self.events[0][0] <= until):
            self.us, _, what = heapq.heappop(self.events)
            what()
        else:
            assert until is not None, "nothing will ever happen again"
            self.us = until

    def at(self, us, what):
        self.count += 1
        heapq.heappush(self.events, (max(us, self.us), self.count, what))

    # the wire
    def put(self, direction, data):
        if not data:
            return
        self.wire[direction] += data
        for delay, piece in self.fault(direction, bytes(data)):
            begin = max(self.us, self.free_us[direction])
            end = begin + len(piece) * BYTE_US
            if not delay:
                self.free_us[direction] = end
            self.at(end + delay, lambda piece=piece: self.arrive(direction, piece))

    def arrive(self, direction, data):
        if direction == "up":
            self.to_host(data)
        else:
            if not self.link.busy:
                self.speaking_while_not_busy += len(data)
            self.inbox += data
            self.input.set()

    # the terminal
    def start_terminal(self, session):
        self.loop = Loop(self, self.sleep)
        self.inbox.clear()
        self.input.clear()
        self.link = Link(self, self.loop, self.input, session)
        self.loop.spawn("line", self.link.run())

    def any(self):
        return len(self.inbox)

    def readinto(self, buffer):
        n = min(len(buffer), len(self.inbox))
        buffer[:n] = self.inbox[:n]
        del self.inbox[:n]
        return n or None

    def write(self, data):
        self.put("up", bytes(data))
        return len(data)

    def run(self, coro):
        return self.loop.run(self.loop.spawn("story", coro))

    def request(self, message, timeout_ms=10000):
        return bytes(self.run(self.link.request(message, timeout_ms)))

    # the host
    def start_host(self):
        self.frames = []
        self.host = HostLink(on_frame=lambda way, info: self.frames.append((way, info)))

    def to_host(self, data):
        host = self.host
        for request in host.feed(data, self.us // 1000):
            self.delivered.append((bytes(request), request.session, request.number))
            think = self.think_ms(request)
            if think is not None:
                self.at(self.us + think * 1000, lambda request=request: self.reply(host, request))
        self.host_output()

    def reply(self, host, request):
        if host is self.host:
            host.send(self.answer(request), self.us // 1000, request)
            self.host_output()

    def host_output(self):
        host = self.host
        self.put("down", host.output(self.us // 1000))
        deadline = host.deadline()
        if deadline is not None:
            self.at(deadline * 1000, lambda: host is self.host and self.host_output())


def test_a_request_gets_its_reply():
    world = World()
    assert world.request(b"hello") == b"re:hello"
    assert [m for m, _, _ in world.delivered] == [b"hello"]
    # The reply acknowledged the request: two frames for the session, two for the request.
    assert [info.kind for _, info in world.frames] == ["sync", "synced", "request", "reply"]
    assert world.speaking_while_not_busy == 0
