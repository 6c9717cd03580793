"""The terminal's end of the line against a scripted host, on both interpreters."""

import gc

from line_peer import HOST, Peer

from mobi.link import frame
from mobi.link.arq import HOLD_MS, HOLD_POLL_MS, REQUEST_TRIES, Arq
from mobi.link.link import DOWN, NO_ACK, NO_REPLY, LinkError


def reason(peer, message=b"message", timeout_ms=5000):
    try:
        peer.ask(message, timeout_ms)
    except LinkError as error:
        return error.reason
    raise AssertionError("a reply came")


def kinds(peer):
    return [kind for kind, _, _ in peer.got]


def test_request_and_reply():
    peer = Peer()
    assert peer.ask(b"message") == b"reply"
    assert peer.got[1] == (frame.REQUEST, 1, b"message")
    assert kinds(peer) == [frame.SYNC, frame.REQUEST]
    assert not peer.link.busy and peer.link.alive


def test_numbers_count_up_and_begin_again_with_a_session():
    peer = Peer()
    for _ in range(32):
        peer.ask(b"message")
    numbers = [number for kind, number, _ in peer.got if kind == frame.REQUEST]
    assert numbers[:31] == list(range(1, 32)) and numbers[31:] == [1]
    assert kinds(peer).count(frame.SYNC) == 2


def test_the_session_number_stays_in_30_bits():
    class Clock:
        def ticks_ms(self):
            return 0

        def ticks_add(self, a, b):
            return a + b

    arq = Arq(Clock(), (1 << 30) - 1)
    arq.hello(100)
    assert arq.session == 1


def test_nobody_there():
    peer = Peer()
    peer.script = lambda kind, number, payload: []
    assert peer.run(peer.link.hello(1000)) is False
    assert reason(peer) == DOWN
    assert frame.REQUEST not in kinds(peer)


def test_no_sign_of_the_request():
    peer = Peer()
    peer.run(peer.link.hello(1000))
    peer.script = lambda kind, number, payload: []
    assert reason(peer, timeout_ms=20000) == NO_ACK
    assert kinds(peer).count(frame.REQUEST) == REQUEST_TRIES
    assert len({payload for kind, _, payload in peer.got if kind == frame.REQUEST}) == 1
    assert not peer.link.alive


def test_waits_while_the_host_says_so():
    peer = Peer()

    def script(kind, number, payload):
        if kind == frame.SYNC:
            return None
        if kind == frame.POLL and len(peer.got) > 20:
            return None
        return [(HOLD_MS if kind == frame.REQUEST else HOLD_POLL_MS, frame.WAIT, number, b"")]

    peer.script = script
    began = peer.ms
    assert peer.ask(b"message", 60000) == b"reply"
    assert peer.ms - began > 15000


def test_nothing_is_told_before_the_host_must_be_silent():
    peer = Peer()
    peer.run(peer.link.hello(1000))
    peer.script = lambda kind, number, payload: [(0, frame.WAIT, number, b"")] if (
        kind == frame.REQUEST) else []
    began = peer.ms
    assert reason(peer, timeout_ms=2500) == NO_REPLY
    # Two POLLs had 1400 ms each; the second was sent before the timeout was over.
    assert 2800 <= peer.ms - began < 2820
    assert not peer.link.busy


def test_the_answer_to_the_last_question_counts():
    peer = Peer()
    peer.run(peer.link.hello(1000))
    polls = []

    def script(kind, number, payload):
        if kind == frame.REQUEST:
            return [(0, frame.WAIT, number, b"")]
        polls.append(peer.ms)
        if len(polls) < 3:
            return [(1000, frame.WAIT, number, b"")]
        return [(1000, frame.REPLY, number, b"just in time")]

    peer.script = script
    assert peer.ask(b"message", 2500) == b"just in time"


def test_an_answer_ends_busy_at_once_unless_another_may_follow():
    peer = Peer()
    peer.ask(b"message")
    began = peer.ms
    peer.ask(b"message")
    assert peer.ms - began < 5
    peer.script = lambda kind, number, payload: [
        (0, frame.REPLY, number, b"a")] if len(peer.got) > 4 else []
    peer.ask(b"message")
    # After a repetition the answer to the first frame may still be on its way.
    assert peer.ms - began >= 1400 and not peer.link.busy


def test_a_cancelled_request_leaves_the_link_busy_as_long_as_the_host_may_speak():
    peer = Peer()
    peer.run(peer.link.hello(1000))
    peer.script = lambda kind, number, payload: []
    task = peer.loop.spawn("request", peer.link.request(b"message", 5000))
    peer.wait(100)
    task.cancel()
    peer.wait(1)
    assert task.done.is_set() and peer.link.busy
    peer.wait(700)
    assert not peer.link.busy


def test_replies_to_other_requests_stay_out():
    peer = Peer()
    peer.run(peer.link.hello(1000))
    peer.script = lambda kind, number, payload: [
        (1, frame.REPLY, (number + 5) % 32, b"other"),
        (2, frame.REPLY, number - 1, b"earlier"),
        (3, frame.WAIT, number + 1, b""),
        (4, frame.REPLY, number, b"mine"),
        (5, frame.REPLY, number, b"twice"),
    ]
    assert peer.ask(b"message") == b"mine"
    peer.wait(20)
    assert peer.link.stats.late == 3 and peer.link.stats.stray == 1


def test_a_reply_of_another_session_stays_out():
    peer = Peer()
    peer.run(peer.link.hello(1000))
    old = peer.seed
    peer.run(peer.link.hello(1000))
    stranger = frame.session_seed(99, HOST)
    peer.script = lambda kind, number, payload: []
    peer.say(1, peer.wire(frame.REPLY, 1, b"old", old))
    peer.say(2, peer.wire(frame.REPLY, 1, b"strange", stranger))
    assert reason(peer, timeout_ms=50) == NO_ACK
    assert peer.link.stats.late == 1 and peer.link.stats.bad == 1


def test_an_empty_reply_is_no_reply():
    peer = Peer()
    peer.run(peer.link.hello(1000))
    peer.script = lambda kind, number, payload: [(0, frame.REPLY, number, b"")]
    assert reason(peer) == NO_ACK


def test_a_host_that_lost_the_session_gets_the_request_again_if_it_went_out_once():
    peer = Peer()
    peer.run(peer.link.hello(1000))
    peer.seed = frame.session_seed(1, b"new!")
    fcs = []

    def write(data, original=peer.write):
        # The restarted host cannot read the request; it echoes the FCS it saw.
        data = bytes(data)
        if data[1] == frame.REQUEST | 1 and not fcs:
            body = data[1:-1].replace(b"\x7d\x5e", b"\x7e").replace(b"\x7d\x5d", b"\x7d")
            fcs.append(body[-2:])
            peer.say(1, peer.wire(frame.LOST, 0, body[-2:]))
            return len(data)
        return original(data)

    peer.write = write
    assert peer.ask(b"message") == b"reply"
    assert fcs and kinds(peer) == [frame.SYNC, frame.SYNC, frame.REQUEST]


def test_a_lost_that_echoes_something_else_is_ignored():
    peer = Peer()
    peer.run(peer.link.hello(1000))
    peer.script = lambda kind, number, payload: [
        (1, frame.LOST, 0, b"??"), (2, frame.REPLY, number, b"fine")]
    assert peer.ask(b"message") == b"fine"


def test_forged_syncs_are_ignored():
    peer = Peer()
    peer.script = lambda kind, number, payload: [
        (1, frame.SYNCED, 0, b""),
        (1, frame.SYNCED, 0, b"\x01\x00\x00\x00\x01host"),
        (1, frame.SYNCED, 0, b"\x02" + payload[1:] + HOST),
        (1, frame.SYNCED, 0, payload),
    ] if kind == frame.SYNC else None
    assert peer.run(peer.link.hello(500)) is False
    assert peer.link.stats.stray >= 4


def test_random_bytes_and_frames_do_no_harm():
    peer = Peer()
    peer.run(peer.link.hello(1000))
    state = 99991
    for _ in range(300):
        state = (state * 48271) % 2147483647
        if state & 1:
            kind = (0x00, 0x20, 0x40, 0x60, 0x80, 0xA0, 0xC0, 0xE0)[(state >> 4) & 7]
            content = bytes([(state >> shift) & 0xFF for shift in (0, 5, 11, 13)])
            peer.say(0, peer.wire(kind, (state >> 8) & 31, content))
        else:
            peer.say(0, bytes([(state >> shift) & 0xFF for shift in range(0, 16, 2)]))
        peer.wait(1)
    assert peer.ask(b"message") == b"reply"


def test_a_request_allocates_next_to_nothing_per_byte():
    if not hasattr(gc, "mem_alloc"):
        return
    peer = Peer()
    peer.reply = bytes(900)
    message = bytes(900)
    peer.ask(message)
    received = peer.link._received
    chunk = bytearray(64)
    received(chunk, 64)
    gc.collect()
    before = gc.mem_alloc()
    for _ in range(20):
        received(chunk, 64)
    assert gc.mem_alloc() - before < 20 * 64, "more than a few words per 64 bytes"
