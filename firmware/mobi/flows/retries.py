"""Reversals that the terminal tries by itself while nobody uses it (自动冲正), and when.

Every ``reversal_minutes`` one try, as long as something is due and the terminal is signed on. A
line that is down costs no try. It goes on after the tries of ``reversal_tries`` are used up and the
terminal is blocked, so that a host that comes back unblocks it without anybody's doing, and ends at
as many tries as the journal has reserved room for.
"""

from micropython import const

from mobi import transactions as tx

MOST_TRIES = const(10)
_MINUTE_MS = const(60000)


def plan(t):
    """The next try is one interval from now."""
    minutes = t.settings.get("reversal_minutes")
    t.next_try = t.loop.after(minutes * _MINUTE_MS) if minutes else None


def keep(t):
    """So that a time that has passed stays passed: ticks wrap, and nobody may log in for weeks."""
    if t.next_try is not None and t.loop.left(t.next_try) < 0:
        t.next_try = t.loop.after(0)


def candidate(t):
    """The transaction the next try is for; None when there will be none."""
    if t.next_try is None or not t.session.trusted:
        return None
    for txn in t.journal.unfinished():
        if txn.state == tx.REVERSAL_DUE and txn.attempts < MOST_TRIES:
            return txn
    return None


def wait_ms(t, longest):
    """How long the idle screen may wait for a key: until the next try, at most ``longest``."""
    if candidate(t) is None:
        return longest
    return max(0, min(longest, t.loop.left(t.next_try)))


def due(t):
    """The transaction to try now; None when it is not time."""
    txn = candidate(t)
    return txn if txn is not None and t.loop.left(t.next_try) <= 0 else None


def next_time(t):
    """When the next try is, seconds since 2000; None when there will be none."""
    if candidate(t) is None:
        return None
    return t.now() + max(0, t.loop.left(t.next_try)) // 1000
