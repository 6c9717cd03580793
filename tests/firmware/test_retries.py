"""Times that are waited for longer than half the range of the ticks."""

from mobi import transactions as tx
from mobi.flows import reports, retries
from mobi.loop import Loop

_MASK = (1 << 30) - 1
_DAY_MS = 86400000


class Clock:
    """A 30-bit clock that is put forward by hand."""

    def __init__(self):
        self.ms = 0

    def ticks_ms(self):
        return self.ms & _MASK

    def ticks_us(self):
        return self.ms * 1000 & _MASK

    def ticks_add(self, t, d):
        return (t + d) & _MASK

    def ticks_diff(self, a, b):
        return ((a - b + (1 << 29)) & _MASK) - (1 << 29)


class Terminal:
    """As much of one as a planned try looks at."""

    def __init__(self, clock):
        self.loop = Loop(clock, None)
        self.settings = {"reversal_minutes": 5}
        self.vault = {b"r": b"a report"}
        self.session = self
        self.trusted = True
        self.journal = self
        self.due = tx.Transaction(tx.SALE)
        self.due.state = tx.REVERSAL_DUE
        self.report_at = self.loop.after(300000)

    def unfinished(self):
        return [self.due]


def test_a_try_stays_due_however_long_nobody_logs_in():
    clock = Clock()
    t = Terminal(clock)
    retries.plan(t)
    assert retries.due(t) is None and not reports.due(t)
    for day in range(40):
        for _ in range(24):
            clock.ms += _DAY_MS // 24
            retries.keep(t)
            reports.keep(t)
        assert retries.due(t) is t.due, day
        assert retries.wait_ms(t, 60000) == 0
        assert reports.due(t), day
