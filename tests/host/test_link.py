"""Both ends of the line together: the firmware's Link and the bench's HostLink, in virtual time."""

import heapq
import random

import crcmod
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_tools import link as host_link
from host_tools.link import HostLink
from mobi.link.frame import Decoder, Encoder, fcs16, session_seed
from mobi.link.link import (
    CONNECTING,
    DOWN,
    NO_ACK,
    NO_REPLY,
    SENDING,
    WAITING,
    Link,
    LinkError,
)
from mobi.loop import Event, Loop, sleep_ms

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
        self.spoke_unasked = 0
        self.silence_from_us = 0
        self.hosts = 0
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
            if not self.link.busy and self.us > self.silence_from_us:
                self.spoke_unasked += len(data)
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

    def pass_ms(self, ms):
        """Let time pass for the terminal's tasks and the line."""
        self.run(self._pause(ms))

    async def _pause(self, ms):
        await sleep_ms(ms)


    def lose(self, direction, count, skip=0):
        """Lose ``count`` pieces put on the wire in that direction, after ``skip`` others."""
        left = [skip, count]

        def fault(way, data):
            if way == direction:
                if left[0]:
                    left[0] -= 1
                elif left[1]:
                    left[1] -= 1
                    return []
            return [(0, data)]

        self.fault = fault

    async def reason(self, message, timeout_ms):
        """As a task: how the request ended."""
        try:
            await self.link.request(message, timeout_ms)
        except LinkError as error:
            return error.reason
        return "done"

    def request(self, message, timeout_ms=10000):
        return bytes(self.run(self.link.request(message, timeout_ms)))

    # the host
    def start_host(self):
        self.frames = []
        self.hosts += 1
        self.host = HostLink(
            on_frame=lambda way, info: self.frames.append((way, info)), number=self.hosts)

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


# -- how it should go ------------------------------------------------------------------------------


def kinds(world):
    return [info.kind for _, info in world.frames]


def test_a_request_gets_its_reply():
    world = World()
    assert world.request(b"hello") == b"re:hello"
    assert [m for m, _, _ in world.delivered] == [b"hello"]
    # The reply acknowledged the request: two frames for the session, two for the request.
    assert kinds(world) == ["sync", "synced", "request", "reply"]
    assert world.spoke_unasked == 0
    assert not world.link.busy


def test_a_quick_second_request_needs_no_new_session():
    world = World()
    world.request(b"a")
    world.frames.clear()
    assert world.request(b"b") == b"re:b"
    assert kinds(world) == ["request", "reply"]


def test_after_silence_the_line_is_tried_before_anything_is_sent():
    world = World()
    world.request(b"a")
    world.pass_ms(2500)
    world.fault = lambda direction, data: []
    with pytest.raises(LinkError) as caught:
        world.request(b"b")
    assert caught.value.reason == DOWN
    assert len(world.delivered) == 1 and world.link.stats.failures == 1


def test_a_slow_host_is_waited_for():
    world = World()
    world.think_ms = lambda message: 42_000
    began = world.us
    assert world.request(b"slow", 60_000) == b"re:slow"
    assert 42_000 <= (world.us - began) / 1000 < 42_100
    seen = kinds(world)
    assert seen[-1] == "reply" and 40 <= seen.count("wait") <= 43
    assert len(world.delivered) == 1
    assert world.spoke_unasked == 0


def test_the_reply_timeout_ends_the_asking_and_says_the_host_has_it():
    world = World()
    world.think_ms = lambda message: None
    world.run(world.link.hello(1000))
    began = world.us
    with pytest.raises(LinkError) as caught:
        world.request(b"never", 30_000)
    assert caught.value.reason == NO_REPLY
    # The answer to the last question is waited for, so that the host is silent afterwards.
    assert 30_000 <= (world.us - began) / 1000 < 31_100
    assert not world.link.busy and world.spoke_unasked == 0


def test_progress_tells_the_stages_and_the_time_left():
    world = World()
    world.think_ms = lambda message: 3000
    seen = []
    world.run(world.link.request(b"x", 10_000, lambda stage, left: seen.append((stage, left))))
    assert seen[0] == (CONNECTING, None)
    assert seen[1] == (SENDING, None)
    waits = [left for stage, left in seen if stage == WAITING]
    assert len(waits) == 3 and waits == sorted(waits, reverse=True) and waits[0] < 10_000


def test_a_dead_line_is_down_and_nothing_was_sent():
    world = World()
    world.fault = lambda direction, data: []
    with pytest.raises(LinkError) as caught:
        world.request(b"x")
    assert caught.value.reason == DOWN
    assert b"x" not in bytes(world.wire["up"])
    assert not world.run(world.link.hello(1000))


def test_a_line_that_dies_under_the_request_gives_no_ack():
    world = World()
    world.run(world.link.hello(1000))
    world.fault = lambda direction, data: []
    with pytest.raises(LinkError) as caught:
        world.request(b"x")
    assert caught.value.reason == NO_ACK
    world.fault = lambda direction, data: [(0, data)]
    assert world.request(b"y") == b"re:y"
    # Not delivered afterwards: its session is gone.
    assert [m for m, _, _ in world.delivered] == [b"y"]


def test_a_lost_reply_is_asked_for_again_and_the_host_acts_once():
    world = World()
    world.run(world.link.hello(1000))
    world.lose("down", 1)
    assert world.request(b"once") == b"re:once"
    assert [m for m, _, _ in world.delivered] == [b"once"]
    assert world.host.stats.repeated == 1 and world.host.stats.resent == 1
    assert world.link.stats.resent == 1
    assert world.spoke_unasked == 0


def test_a_lost_wait_and_a_lost_poll_cost_a_second_each():
    world = World()
    world.run(world.link.hello(1000))
    world.think_ms = lambda message: 5000
    world.lose("down", 1)
    assert world.request(b"x") == b"re:x"
    world.lose("up", 2, skip=1)
    assert world.request(b"y", 20_000) == b"re:y"
    assert len(world.delivered) == 2


def test_the_line_may_die_and_come_back_while_the_host_thinks():
    world = World()
    world.think_ms = lambda message: 10_000
    world.at(world.us + 2_000_000, lambda: setattr(world, "fault", lambda d, b: []))
    world.at(world.us + 20_000_000, lambda: setattr(world, "fault", lambda d, b: [(0, b)]))
    assert world.request(b"x", 60_000) == b"re:x"
    assert len(world.delivered) == 1


# -- the past never becomes the present ------------------------------------------------------------


def test_a_late_reply_is_never_taken_for_the_next_one():
    world = World()
    world.think_ms = lambda message: 20_000 if message == b"first" else 0
    with pytest.raises(LinkError):
        world.request(b"first", 10_000)
    assert world.request(b"second", 10_000) == b"re:second"
    world.pass_ms(30_000)
    # The host's own end dropped it: nobody asks for it any more.
    assert world.host.stats.unclaimed == 1
    assert world.request(b"third") == b"re:third"


def test_a_reply_that_the_line_delays_is_counted_and_kept_out():
    world = World()
    world.run(world.link.hello(1000))
    late = []

    def fault(direction, data):
        if direction == "down" and not late:
            late.append(data)
            return [(4_000_000, data)]
        return [(0, data)]

    world.fault = fault
    world.think_ms = lambda message: 0 if message == b"first" else 6000
    # The first reply comes again on demand; its delayed twin comes during the second request.
    assert world.request(b"first") == b"re:first"
    assert world.request(b"second") == b"re:second"
    assert world.link.stats.late == 1


def test_a_reply_of_the_session_before_is_counted_as_late():
    world = World()
    world.request(b"first")
    old = world.frames[-1][1].wire
    world.run(world.link.hello(1000))
    world.arrive("down", old)
    world.pass_ms(1)
    assert world.link.stats.late == 1 and world.link.stats.bad == 0
    assert world.request(b"second") == b"re:second"


def test_a_rude_host_that_answers_an_old_request_is_not_believed():
    world = World()
    requests = []
    world.run(world.link.hello(1000))
    original = world.host.feed
    world.host.feed = lambda data, now: requests.extend(original(data, now)) or requests[-1:]
    world.request(b"first")
    world.arrive("down", HostLink.unruly(requests[0], b"forged"))
    world.pass_ms(1)
    world.arrive("down", HostLink.unruly(requests[0], b"forged"))
    world.think_ms = lambda message: 2000
    assert world.request(b"second") == b"re:second"
    assert world.link.stats.late == 2


def test_a_number_is_used_once_in_a_session():
    world = World()
    for i in range(70):
        assert world.request(b"%d" % i) == b"re:%d" % i
    used = [(session, number) for _, session, number in world.delivered]
    assert len(set(used)) == 70
    assert max(number for _, number in used) == 31
    assert len({session for session, _ in used}) == 3


# -- restarts --------------------------------------------------------------------------------------


def test_the_terminal_restarts_while_the_host_thinks():
    world = World()
    world.think_ms = lambda message: 5000
    task = world.loop.spawn("story", world.link.request(b"before", 10_000))
    world.pass_ms(1000)
    assert not task.done.is_set() and len(world.delivered) == 1
    world.start_terminal(session=77777)
    world.think_ms = lambda message: 0
    assert world.request(b"after") == b"re:after"
    world.pass_ms(10_000)
    assert world.host.stats.unclaimed == 1


def test_a_host_restarted_between_requests_is_not_noticed():
    world = World()
    world.request(b"a")
    world.start_host()
    # LOST, a new session, and the request again: it had gone out once and was refused.
    assert world.request(b"b") == b"re:b"
    assert kinds(world) == ["bad", "lost", "sync", "synced", "request", "reply"]
    assert [m for m, _, _ in world.delivered] == [b"a", b"b"]


def test_a_host_restarted_over_a_request_is_never_given_it_again():
    world = World()
    world.think_ms = lambda message: None
    task = world.loop.spawn("story", world.reason(b"once", 60_000))
    world.pass_ms(100)
    world.start_host()
    world.think_ms = lambda message: 0
    world.pass_ms(60_000)
    # Sent twice, so the copy that was refused proves nothing about the first.
    assert task.result in (NO_ACK, NO_REPLY)
    assert len(world.delivered) == 1


def test_a_host_restarted_after_its_wait_means_no_reply_at_once():
    world = World()
    world.think_ms = lambda message: None
    task = world.loop.spawn("story", world.reason(b"once", 60_000))
    world.pass_ms(1000)
    world.start_host()
    world.pass_ms(4000)
    assert task.result == NO_REPLY
    assert len(world.delivered) == 1


def test_a_copy_of_an_old_sync_changes_nothing():
    world = World()
    world.request(b"a")
    old_sync = bytes(world.wire["up"]).split(b"\x7e\x7e")[0] + b"\x7e"
    world.run(world.link.hello(1000))
    world.request(b"b")
    world.to_host(old_sync)
    assert world.host.stats.stale == 1
    assert world.request(b"c") == b"re:c"
    assert world.host.stats.sessions == 2


# -- noise and hostility ---------------------------------------------------------------------------


@pytest.mark.parametrize("ber", [1e-5, 1e-4, 3e-4])
def test_noise_costs_time_and_nothing_else(ber):
    world = World()
    rng = random.Random(7)

    def noisy(direction, data):
        spoilt = bytearray(data)
        for bit in range(len(data) * 8):
            if rng.random() < ber:
                spoilt[bit >> 3] ^= 1 << (bit & 7)
        return [(0, bytes(spoilt))]

    world.fault = noisy
    done = 0
    for i in range(100):
        message = b"%03d" % i + rng.randbytes(240)
        try:
            assert world.request(message, 30_000) == b"re:" + message
            done += 1
        except LinkError:
            pass
    assert done >= 90
    seen = [m for m, _, _ in world.delivered]
    assert len(seen) == len(set(seen))
    assert world.spoke_unasked == 0
    if ber >= 1e-4:
        assert world.host.stats.bad > 0 and world.link.stats.resent > 0


def test_a_loopback_plug_is_no_host():
    world = World()
    world.fault = lambda direction, data: []
    write = world.write

    def echo(data):
        world.at(world.us + len(data) * BYTE_US, lambda: world.arrive("down", bytes(data)))
        return write(data)

    world.write = echo
    assert not world.run(world.link.hello(2000))
    assert world.link.stats.stray > 0


def test_messages_of_every_byte_and_of_the_greatest_length_pass():
    world = World()
    world.answer = lambda message: bytes(message)[::-1]
    for message in (bytes(range(256)) * 4, b"\x7e" * 1024, b"\x7d" * 1023, b"\x00"):
        assert world.request(message) == message[::-1]
    assert world.spoke_unasked == 0


def test_a_message_too_long_is_refused_before_anything_happens():
    world = World()
    with pytest.raises(ValueError):
        world.request(b"x" * 1025)
    with pytest.raises(ValueError):
        world.request(b"")
    assert not world.wire["up"]
    with pytest.raises(ValueError):
        world.host.send(b"x" * 1025, 0)
    assert world.request(b"fine") == b"re:fine"


def test_one_request_at_a_time():
    world = World()
    world.think_ms = lambda message: 1000
    world.loop.spawn("first", world.link.request(b"a", 5000))
    world.pass_ms(10)
    with pytest.raises(RuntimeError):
        world.request(b"b")


def test_a_cancelled_request_frees_the_link_and_busy_ends_by_itself():
    world = World()
    world.think_ms = lambda message: None
    task = world.loop.spawn("first", world.link.request(b"a", 60_000))
    world.pass_ms(1000)
    task.cancel()
    world.pass_ms(1)
    assert task.done.is_set() and world.link.busy
    world.pass_ms(1500)
    assert not world.link.busy
    world.think_ms = lambda message: 0
    assert world.request(b"b", 1000) == b"re:b"
    assert world.spoke_unasked == 0


def test_a_port_that_takes_bytes_slowly_or_not_at_all():
    world = World()
    slow = {"n": 0}
    write = world.write

    def some(data):
        slow["n"] += 1
        return write(data[:5]) if slow["n"] % 2 else None

    world.write = some
    assert world.request(bytes(300)) == b"re:" + bytes(300)
    world.write = lambda data: 0
    assert not world.run(world.link.hello(500))

    def broken(data):
        raise OSError(5)

    world.write = broken
    with pytest.raises(LinkError) as caught:
        world.request(b"x")
    assert caught.value.reason == DOWN and world.link.stats.io_errors > 0


def test_line_quality_follows_the_line():
    world = World()
    assert world.link.stats.quality() is None
    for i in range(30):
        world.request(b"%d" % i)
    assert world.link.stats.quality() == 100
    assert 0 <= world.link.stats.rtt_ms < 5 and world.link.stats.reply_ms >= 0
    world.lose("down", 8)
    with pytest.raises(LinkError):
        world.request(b"x")
    assert 50 < world.link.stats.quality() < 90


# -- the host's end by itself ----------------------------------------------------------------------


class Terminal:
    """Frames of a terminal, made by hand."""

    def __init__(self, host, session=77):
        self.host = host
        self.session = session
        self.now = 0
        self.seed = b""

    def say(self, kind, number=0, payload=b"", seed=None):
        """Send a frame; the messages it made the host deliver, and what it answered."""
        if kind == host_link.SYNC:
            payload = b"\x01" + self.session.to_bytes(4, "big")
        seed = self.seed if seed is None else seed
        got = self.host.feed(host_link.frame(kind, number, payload, seed), self.now)
        out = self.host.output(self.now)
        if kind == host_link.SYNC and out:
            self.seed = self.host.session
        return got, out


def test_a_lower_number_is_a_late_copy_and_takes_nothing_away():
    terminal = Terminal(HostLink(number=5))
    terminal.say(host_link.SYNC)
    assert terminal.say(host_link.REQUEST, 1, b"one")[0] == [b"one"]
    got, _ = terminal.say(host_link.REQUEST, 2, b"two")
    assert got == [b"two"]
    assert terminal.say(host_link.REQUEST, 1, b"one") == ([], b"")
    assert terminal.say(host_link.POLL, 1) == ([], b"")
    assert terminal.host.stats.stale == 2
    # The answer to request 2 is still owed.
    terminal.host.send(b"reply", 10, got[0])
    assert terminal.host.output(10) == host_link.frame(
        host_link.REPLY, 2, b"reply", terminal.seed)


def test_an_answer_that_is_too_late_is_not_sent():
    terminal = Terminal(HostLink(number=5))
    terminal.say(host_link.SYNC)
    for kind, hold in ((host_link.REQUEST, 300), (host_link.POLL, 1000)):
        terminal.say(kind, 1, b"one" if kind == host_link.REQUEST else b"")
        assert terminal.host.deadline() == terminal.now + hold
        assert terminal.host.output(terminal.now + hold - 1) == b""
        assert terminal.host.output(terminal.now + hold + 201) == b""
        assert terminal.host.deadline() is None
        terminal.say(kind, 1, b"one" if kind == host_link.REQUEST else b"")
        wait = host_link.frame(host_link.WAIT, 1, b"", terminal.seed)
        assert terminal.host.output(terminal.now + hold + 200) == wait
    assert terminal.host.stats.silent == 2
    terminal.host.feed(host_link.frame(host_link.SYNC, 0, b"\x01" + bytes(3) + b"\x09", b""), 0)
    assert terminal.host.output(201) == b"" and terminal.host.stats.silent == 3


def test_a_repeated_sync_is_answered_and_forgets_nothing():
    terminal = Terminal(HostLink(number=5))
    first = terminal.say(host_link.SYNC)[1]
    assert first == terminal.say(host_link.SYNC)[1] != b""
    terminal.say(host_link.REQUEST, 1, b"one")
    assert terminal.say(host_link.SYNC)[1] == first
    assert terminal.say(host_link.REQUEST, 1, b"one")[0] == []
    assert terminal.host.stats.sessions == 1 and terminal.host.stats.repeated == 1


def test_a_restarted_host_does_not_take_an_old_request_even_in_a_session_of_that_number():
    before = Terminal(HostLink(number=5))
    before.say(host_link.SYNC)
    assert before.say(host_link.REQUEST, 1, b"once")[0] == [b"once"]
    # A copy of the SYNC was still on its way and begins that session with the new host.
    after = Terminal(HostLink(number=6))
    after.say(host_link.SYNC)
    assert after.say(host_link.REQUEST, 1, b"once", before.seed) == ([], b"")
    assert after.host.stats.bad == 1


def test_syncs_of_another_version_or_length_are_ignored():
    host = HostLink()
    for payload in (b"", b"\x01", b"\x02\0\0\0\1", b"\x01\0\0\0\1\0"):
        host.feed(host_link.frame(host_link.SYNC, 0, payload, b""), 0)
        assert host.output(0) == b"" and host.session == b""
    assert host.stats.stale == 4


def test_every_start_of_a_host_has_another_number():
    assert len({Terminal(HostLink()).say(host_link.SYNC)[1] for _ in range(20)}) == 20


def test_a_poll_for_a_request_that_never_came_is_lost():
    terminal = Terminal(HostLink(number=5))
    terminal.say(host_link.SYNC)
    sent = host_link.frame(host_link.POLL, 3, b"", terminal.seed)
    assert terminal.say(host_link.POLL, 3)[1] == host_link.frame(
        host_link.LOST, 0, sent[2:4], b"")


def test_replies_that_nobody_wants_are_refused():
    terminal = Terminal(HostLink(number=5))
    assert not terminal.host.send(b"reply", 0)
    terminal.say(host_link.SYNC)
    (one,), _ = terminal.say(host_link.REQUEST, 1, b"one")
    assert terminal.host.send(b"reply", 0, one)
    assert not terminal.host.send(b"again", 0, one)
    terminal.say(host_link.REQUEST, 2, b"two")
    assert not terminal.host.send(b"late", 0, one)
    terminal.session += 1
    terminal.say(host_link.SYNC)
    assert not terminal.host.send(b"later", 0, one) and not terminal.host.send(b"to whom?", 0)
    # One of them had been handed over and never fetched.
    assert terminal.host.stats.unclaimed == 6


def test_a_host_at_its_slowest_costs_no_repetition():
    world = World()
    world.think_ms = lambda message: 6000
    plain_output = HostLink.output

    class Slow(HostLink):
        def output(self, now_ms):
            # As late as the rules allow.
            if self._owed is None or now_ms < self._owed[1] + self._latest():
                return b""
            return plain_output(self, now_ms)

        def _latest(self):
            hold = {host_link.REQUEST: 300, host_link.POLL: 1000}.get(self._owed[0], 0)
            return hold + host_link.GRACE_MS

        def deadline(self):
            return None if self._owed is None else self._owed[1] + self._latest()

    world.host = Slow(number=9)
    world.answer = lambda message: b"\x7e" * 1024
    assert world.request(b"x" * 1024, 60_000) == b"\x7e" * 1024
    assert world.link.stats.resent == 0 and world.spoke_unasked == 0


# -- any mixture of faults -------------------------------------------------------------------------

FAULT = st.one_of(
    st.just(("ok", 0)), st.just(("ok", 0)), st.just(("drop", 0)), st.just(("double", 0)),
    st.tuples(st.just("flip"), st.integers(0, 511)),
    st.tuples(st.just("cut"), st.integers(0, 63)),
    st.tuples(st.just("late"), st.integers(1, 8000)),
    st.tuples(st.just("junk"), st.integers(0, 255)),
)
STEP = st.one_of(
    st.tuples(st.just("request"), st.integers(1, 150), st.sampled_from((0, 0, 100, 700, 2500))),
    st.tuples(st.just("request"), st.integers(1, 150), st.sampled_from((0, 400, 9000))),
    st.tuples(st.just("hello"), st.just(0), st.just(0)),
    st.tuples(st.just("pause"), st.integers(0, 4000), st.just(0)),
    st.tuples(st.just("terminal"), st.integers(1, 1000), st.just(0)),
    st.tuples(st.just("host"), st.integers(0, 2000), st.just(0)),
)


class Chaos(World):
    """A world with a plan of faults, one for each piece put on the wire; then all is well."""

    def __init__(self, plan):
        super().__init__()
        self.plan = list(plan)
        self.doubles = True
        self.fault = self.spoil
        self.stamp = 0
        self.unreal = False  # a line that delays or doubles frames: no wire does that

    def spoil(self, direction, data):
        kind, n = self.plan.pop(0) if self.plan else ("ok", 0)
        if kind == "drop":
            return []
        if kind == "double" and self.doubles:
            self.unreal = True
            return [(0, data), (0, data)]
        if kind == "flip":
            spoilt = bytearray(data)
            spoilt[n // 8 % len(data)] ^= 1 << n % 8
            return [(0, bytes(spoilt))]
        if kind == "cut":
            return [(0, data[: n % len(data)])]
        if kind == "late":
            self.unreal = True
            return [(n * 1000, data)]
        if kind == "junk":
            return [(0, bytes((n,))), (0, data)]
        return [(0, data)]


@settings(max_examples=400, deadline=None)
@given(st.lists(STEP, max_size=8), st.lists(FAULT, max_size=30))
def test_whatever_the_line_does_no_request_is_acted_on_twice_and_no_reply_mixed_up(steps, plan):
    world = Chaos(plan)
    # Only persistent memory could tell a doubled frame from a resend over a restart of the host.
    world.doubles = not any(name == "host" for name, _, _ in steps)
    never = set()
    for i, (name, n, think) in enumerate(steps):
        if name == "request":
            message = b"%d:" % i + bytes((n * 7 + j) & 0xFF for j in range(n))
            world.think_ms = lambda _, think=think: think
            try:
                assert world.request(message, 6000) == b"re:" + message
            except LinkError as error:
                if error.reason == DOWN:
                    never.add(message)
            assert not world.link.busy, "an outcome was told while the host may speak"
        elif name == "hello":
            world.run(world.link.hello(1500))
        elif name == "pause":
            world.pass_ms(n)
        elif name == "terminal":
            world.loop.spawn("lost", world.reason(b"%d:lost" % i, 5000))
            world.pass_ms(n)
            world.start_terminal(session=5000 * (i + 2))
            # What the terminal before it asked for may still be answered.
            world.silence_from_us = world.us + 2_000_000
        else:
            world.at(world.us + n * 1000, world.start_host)
    # Both ends recover as soon as the line does.
    world.plan.clear()
    world.think_ms = lambda _: 0
    world.pass_ms(20_000)
    assert world.run(world.link.hello(3000))
    assert world.request(b"the end") == b"re:the end"
    assert not world.link.busy
    seen = [m for m, _, _ in world.delivered]
    assert len(seen) == len(set(seen)), "acted on twice"
    assert not never & set(seen), "said DOWN, but the host has it"
    if not world.unreal:
        assert world.spoke_unasked == 0


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=3000), st.integers(1, 200))
def test_no_bytes_from_the_line_hurt_either_end(junk, piece):
    world = World()
    for at in range(0, len(junk), piece):
        world.inbox += junk[at : at + piece]
        world.input.set()
        world.to_host(junk[at : at + piece])
        world.pass_ms(1)
    world.pass_ms(1000)
    assert world.request(b"still here") == b"re:still here"
    assert [m for m, _, _ in world.delivered] == [b"still here"]


# -- the frame itself, against an independent CRC --------------------------------------------------

X25 = crcmod.mkCrcFun(0x11021, initCrc=0, rev=True, xorOut=0xFFFF)


@given(st.binary(max_size=300))
def test_the_fcs_is_that_of_rfc_1662(data):
    assert fcs16(data, len(data)) ^ 0xFFFF == X25(data)


@given(st.integers(1, 2**30 - 1), st.integers(1, 2**30 - 1), st.binary(min_size=1, max_size=40))
def test_a_session_starts_the_fcs_as_if_its_number_stood_in_front(session, other, data):
    number = session.to_bytes(4, "big")
    host = b"host"
    assert fcs16(data, len(data), session_seed(session, host)) ^ 0xFFFF == X25(number + host + data)
    if session != other and session >> 16 == other >> 16:
        # Sessions near to each other never share a seed.
        assert session_seed(session, host) != session_seed(other, host)


@given(st.binary(max_size=1024), st.integers(4, 200), st.sampled_from([0x01, 0x5F, 0x60, 0x9F]))
def test_frames_of_both_ends_are_the_same_bytes(payload, room, control):
    encoder = Encoder()
    session = b"\0\0\x12\x34host"
    plain = control & 0xE0 in (0x60, 0xC0, 0xE0)
    encoder.begin(control, payload, 0xFFFF if plain else session_seed(0x1234, b"host"))
    piece = bytearray(room)
    wire = b""
    while True:
        n = encoder.fill(piece)
        if not n:
            break
        wire += piece[:n]
    assert wire == host_link.frame(control & 0xE0, control & 0x1F, payload, session)
    assert wire.count(b"\x7e") == 2


@given(st.binary(min_size=1, max_size=200), st.integers(0, 10_000), st.booleans())
def test_a_damaged_frame_is_never_good(payload, where, two):
    session = b"\0\0\0\x63host"
    wire = bytearray(host_link.frame(host_link.REPLY, 3, payload, session))
    inner = wire[1:-1]
    inner[where // 8 % len(inner)] ^= 1 << where % 8
    if two:
        inner[(where // 8 + 1) % len(inner)] ^= 0x10
    decoder = Decoder()
    decoder.seed = session_seed(99, b"host")
    found = []
    data = b"\x7e" + bytes(inner) + b"\x7e"
    at = 0
    while at < len(data):
        at = decoder.feed(data, at, len(data))
        if decoder.payload is not None:
            found.append(bytes(decoder.payload))
    assert payload not in found or bytes(inner) == bytes(wire[1:-1])


def test_bytes_on_the_wire_are_told_apart_for_traces():
    world = World()
    world.think_ms = lambda message: 500
    world.request(b"\x7e\x7d payload")
    for way, info in world.frames:
        stream = world.wire["up" if way == "in" else "down"]
        assert bytes(stream[info.offset : info.offset + len(info.wire)]) == info.wire
        assert info.wire.endswith(b"\x7e")
    request = next(info for _, info in world.frames if info.kind == "request")
    assert request.payload == b"\x7e\x7d payload" and request.number == 1
