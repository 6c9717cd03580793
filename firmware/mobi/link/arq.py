"""The terminal's half of the stop-and-wait protocol as a state machine: no I/O, no waiting.

The terminal asks, the host answers: every frame of the terminal entitles the host to exactly one
frame, begun within a fixed time. So the host never speaks unasked, a lost answer is asked for
again by the terminal, and the moment from which the host must be silent is always known:
``busy`` is false then, and flash may be touched.

    SYNC s      ->  SYNCED s h          a session begins; numbers start again at 1
    REQUEST n   ->  REPLY n             the reply was ready within HOLD_MS: it acknowledges all
                ->  WAIT n              I have it; ask again with POLL
    POLL n      ->  REPLY n or WAIT n   held back up to HOLD_POLL_MS for the reply
    any of them ->  LOST                I do not know this session: I was restarted

A number is used once in a session; a session is named by a number of the terminal (s, another
one each time) and one of the host (h, another one after every start), and every frame's FCS
covers both. So neither a late reply nor one from before a restart of either end can be taken for
the reply to this request, and a restarted host cannot be given an old request again.
"""

from micropython import const

from mobi.link.frame import (
    KIND,
    LOST,
    NUMBER,
    PLAIN_SEED,
    POLL,
    REPLY,
    REQUEST,
    SYNC,
    SYNCED,
    WAIT,
    session_seed,
)

VERSION = const(1)  # of the protocol; the first byte of SYNC and SYNCED

HOLD_MS = const(300)  # the host answers a REQUEST within this, with WAIT when it has no reply yet
HOLD_POLL_MS = const(1000)  # the same for a POLL
# What the terminal allows on top: 200 ms for a host that is late, 200 ms for the longest answer
# at 115200 baud.
SLACK_MS = const(400)
SENDING_MS = const(3000)  # more than any frame takes to leave
SYNC_MS = const(300)  # a SYNC is answered at once
REQUEST_TRIES = const(8)
SYNC_TRIES = const(4)
# Silence after which a request is preceded by a SYNC, so that a line found dead there costs
# nothing: no request has left, nothing needs a reversal.
QUIET_MS = const(2000)
_LAST_NUMBER = const(31)

# Outcomes of a request; the first is a success.
DONE = "done"
DOWN = "down"  # nothing was sent that the host can have acted on
NO_ACK = "no_ack"  # sent, and no sign that the host has it; it may have it all the same
NO_REPLY = "no_reply"  # the host has it, and no reply came

# Phases.
IDLE = const(0)
SYNCING = const(1)
SENDING = const(2)  # request not acknowledged yet
WAITING = const(3)  # acknowledged; the reply is asked for


class Stats:
    """Counters since the start, for the line quality display and for tests."""

    def __init__(self):
        self.requests = 0
        self.replies = 0
        self.sent = 0  # frames
        self.received = 0  # good frames
        self.resent = 0  # frames sent because no answer came in time
        self.bad = 0  # frames with a wrong FCS, or none
        self.too_long = 0
        self.late = 0  # replies to an earlier request, kept out
        self.stray = 0  # other frames that answered nothing
        self.syncs = 0  # sessions begun
        self.failures = 0  # requests that ended without a reply
        self.bytes_out = 0
        self.bytes_in = 0
        self.io_errors = 0
        self.rtt_ms = -1  # of the last SYNC that was answered at the first try; -1 none yet
        self.reply_ms = -1  # from the last byte of the last request to its reply; -1 none yet
        self._asked = 0  # answered frames as bits, newest lowest: 1 at the first try
        self._asks = 0

    def asked(self, answered):
        """Note whether a frame was answered; the last 24 count for ``quality``."""
        self._asked = (self._asked << 1 | (1 if answered else 0)) & 0xFFFFFF
        self._asks = min(self._asks + 1, 24)

    def quality(self):
        """Percentage of the last 24 frames that were answered in time; None before the first."""
        if not self._asks:
            return None
        bits = self._asked
        count = 0
        while bits:
            count += bits & 1
            bits >>= 1
        return count * 100 // self._asks


class Arq:
    """``clock``: as for the loop. ``session``: the first session number, 1 to 2**30 - 1.

    It should be random or counted at every start: the host takes a number it remembers for a
    copy of an old frame. Times are ticks in ms.
    """

    def __init__(self, clock, session):
        self._clock = clock
        self.session = session
        self.seed = PLAIN_SEED
        self.old_seed = PLAIN_SEED  # of the session before: to tell its late replies from noise
        self.number = 0
        self.phase = IDLE
        self.alive = False  # the last exchange ended well
        self.outcome = None
        self.stats = Stats()
        self.last_fcs = 0  # of the last frame sent; set by who sends
        self._wanted = None  # timeout of the request that waits for a session
        self._tries = 0
        self._resyncs = 0
        self._unanswered = 0  # frames of this exchange without an answer
        self._open = False  # the host may speak until _window
        self._window = 0
        self._give_up = None
        self._heard = 0
        self._sent_at = 0

    # -- what the caller wants ------------------------------------------------------------------

    def hello(self, timeout_ms):
        """Begin a new session; ``outcome`` becomes DONE or DOWN."""
        self._begin(None)
        self._sync(timeout_ms)

    def request(self, timeout_ms):
        """Begin a request; ``outcome`` will say how it ended.

        ``timeout_ms`` counts from the end of its first transmission; it ends the asking, and the
        answer to the last question may come up to 1.4 s later.
        """
        self._begin(timeout_ms)
        self._resyncs = 0
        self.stats.requests += 1
        silence = self._clock.ticks_diff(self._clock.ticks_ms(), self._heard)
        if not self.alive or not 0 <= silence <= QUIET_MS or self.number == _LAST_NUMBER:
            self._sync(None)
        else:
            self._start()

    def abandon(self):
        """The caller no longer waits. ``busy`` still holds until the host must be silent."""
        self.phase = IDLE

    @property
    def busy(self):
        """True while the host may speak, or while there is something to send."""
        if self._open and self._left(self._window) <= 0:
            self._open = False  # now: ticks wrap, and an old deadline would come again
        return self._open or self.phase != IDLE

    # -- what the one who does the I/O asks -----------------------------------------------------

    def next(self):
        """The control byte of the frame to send now, or None: then ``wait_ms`` tells how long."""
        if self.phase == IDLE:
            return None
        # The answer to the last frame is waited for even when the timeout is over: the host may
        # still speak, so nothing else could be done anyway.
        if self._unanswered and self._left(self._window) > 0:
            return None
        if self._give_up is not None and self._left(self._give_up) <= 0:
            self._fail()
            return None
        if self._unanswered:
            self.stats.asked(False)
            tries = SYNC_TRIES if self.phase == SYNCING else REQUEST_TRIES
            # While the host is known to have the request, only its reply timeout ends the asking.
            if self._tries >= tries and (self.phase == SENDING or self._wanted is not None):
                self._fail()
                return None
            self.stats.resent += 1
        # From its first byte on, the frame entitles the host to an answer.
        self._open = True
        self._window = self._clock.ticks_add(self._clock.ticks_ms(), SENDING_MS)
        if self.phase == SYNCING:
            return SYNC
        return self.number | (REQUEST if self.phase == SENDING else POLL)

    def sent(self, control, takes_ms):
        """The frame is on its way; its last byte leaves in ``takes_ms``."""
        kind = control & KIND
        window = SYNC_MS
        if kind == REQUEST:
            window = HOLD_MS + SLACK_MS
        elif kind == POLL:
            window = HOLD_POLL_MS + SLACK_MS
        now = self._clock.ticks_ms()
        if not self._tries:
            self._sent_at = self._clock.ticks_add(now, takes_ms)
        if self.phase == SENDING and self._give_up is None:
            self._give_up = self._clock.ticks_add(now, takes_ms + self._wanted)
            self._wanted = None
        self._tries += 1
        self._unanswered += 1
        self._window = self._clock.ticks_add(now, takes_ms + window)
        self.stats.sent += 1

    def wait_ms(self):
        """Milliseconds until the time for the answer to the last frame is over."""
        return max(self._left(self._window), 0)

    def left_ms(self):
        """Milliseconds until the request times out; None before it was sent."""
        return None if self._give_up is None else self._left(self._give_up)

    def payload(self):
        """The payload of a SYNC."""
        return bytes((VERSION,)) + self.session.to_bytes(4, "big")

    # -- what comes in --------------------------------------------------------------------------

    def received(self, control, payload):
        """Take a good frame. True when it is the reply that was asked for."""
        stats = self.stats
        stats.received += 1
        self._heard = self._clock.ticks_ms()
        kind = control & KIND
        mine = control & NUMBER == self.number and self.phase >= SENDING
        if kind == SYNCED:
            fits = len(payload) == 9 and bytes(payload[:5]) == self.payload()
            if fits and self.phase == SYNCING:
                self._synced(bytes(payload[5:]))
                return False
        elif kind == LOST:
            if self.phase >= SENDING and bytes(payload) == self.last_fcs.to_bytes(2, "little"):
                self._lost()
                return False
        elif kind == WAIT:
            if mine:
                self._answered()
                self.phase = WAITING
                return False
        elif kind == REPLY:
            if mine and len(payload):
                self._answered()
                stats.replies += 1
                stats.reply_ms = self._clock.ticks_diff(self._heard, self._sent_at)
                self._end(DONE)
                return True
            stats.late += 1
            return False
        stats.stray += 1
        return False

    # -- inside ---------------------------------------------------------------------------------

    def _left(self, deadline):
        return self._clock.ticks_diff(deadline, self._clock.ticks_ms())

    def _begin(self, wanted):
        self.outcome = None
        self._wanted = wanted
        self._give_up = None

    def _sync(self, timeout_ms):
        self.phase = SYNCING
        self._tries = 0
        self._unanswered = 0
        if timeout_ms is not None:
            self._give_up = self._clock.ticks_add(self._clock.ticks_ms(), timeout_ms)
        self.alive = False
        self.session = self.session % 0x3FFFFFFF + 1

    def _start(self):
        self.phase = SENDING
        self._tries = 0
        self._unanswered = 0
        self.number += 1

    def _synced(self, host):
        self.old_seed = self.seed
        self.seed = session_seed(self.session, host)
        if self._tries == 1:
            self.stats.rtt_ms = self._clock.ticks_diff(self._heard, self._sent_at)
        self._answered()
        self.stats.syncs += 1
        self.alive = True
        self.number = 0
        if self._wanted is None:
            self._end(DONE)
        else:
            self._start()

    def _lost(self):
        # The host does not know the session. If the request went out once only, this very frame
        # was the refused one, and the host has acted on nothing.
        once = self.phase == SENDING and self._tries == 1 and not self._resyncs
        self._answered()
        if once:
            self._resyncs = 1
            timeout = self._left(self._give_up)
            self._begin(timeout)
            self._sync(None)
        else:
            self._fail()

    def _answered(self):
        self.stats.asked(True)
        # An answer after a resend may be the one to the frame before it: another may follow.
        if self._unanswered == 1:
            self._open = False
        self._unanswered = 0
        self._tries = 0

    def _fail(self):
        if self.phase == SYNCING:
            outcome = DOWN
        else:
            outcome = NO_ACK if self.phase == SENDING else NO_REPLY
        # A host that acknowledges and is slow is alive; the others must prove it again.
        self.alive = self.phase == WAITING and not self._unanswered
        if self._wanted is not None or self.phase != SYNCING:
            self.stats.failures += 1
        self._end(outcome)

    def _end(self, outcome):
        self.phase = IDLE
        self.outcome = outcome
