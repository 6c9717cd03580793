"""Reports of risks to the acquirer (状态上送, 0820/362): kept in the vault until the host has them.

A limit that was passed, a locked supervisor, a part of the firmware that died: the acquirer should
hear of it, but nobody shall wait for that. So a report is kept and sent while the terminal is idle.
"""

from micropython import const

from mobi.acquiring import codes
from mobi.acquiring.messages import BadMac, BadMessage, Rejected
from mobi.flows import online
from mobi.link.link import LinkError

_KEY = b"r"
_MOST = const(4)  # kept at once; the oldest gives way
_LENGTH = const(60)
_AGAIN_MS = const(300000)
_REPLY_MS = const(15000)


def tell(t, text):
    """Keep ``text`` (ASCII, up to 60 characters, no card numbers) for the acquirer."""
    waiting = _waiting(t)
    waiting.append(text.encode()[:_LENGTH])
    t.vault.put(_KEY, b"\n".join(waiting[-_MOST:]))
    t.report_at = None


def _waiting(t):
    stored = t.vault.get(_KEY)
    return stored.split(b"\n") if stored else []


def due(t):
    """Is there something to send, and is it time?"""
    if not t.vault.get(_KEY):
        return False
    return t.report_at is None or t.loop.left(t.report_at) <= 0


def keep(t):
    """So that a time that has passed stays passed, although ticks wrap."""
    if t.report_at is not None and t.loop.left(t.report_at) < 0:
        t.report_at = None


async def send(t):
    """Send what waits, oldest first. Shows nothing; what fails is tried again after a while."""
    t.report_at = t.loop.after(_AGAIN_MS)
    if not await t.link.hello(2000):
        return
    for text in _waiting(t):
        txn = online.about(t)
        txn.report = text
        try:
            raw = await t.link.request(t.composer.build("status", txn), _REPLY_MS)
            reply = t.composer.read("status", txn, raw)
        except (LinkError, Rejected, BadMessage, BadMac) as error:
            t.fault("status", error)
            return
        t.set_host_time(reply.host_time)
        t.session.obey(reply.demand, reply.code)
        if not codes.is_approved(reply.code, 0):
            return
        rest = _waiting(t)[1:]
        if rest:
            t.vault.put(_KEY, b"\n".join(rest))
        else:
            t.vault.delete(_KEY)


