"""A day on the bench with every fault, written down: one line a step, to compare two commits.

    python tests/e2e/recorded_day.py [BOARD [SEED]] > day.txt

Each line has the virtual time, what the step was, and hashes of all that the terminal did so far
with the microsecond of each: bytes to the panel, to the printer and on the line, flash operations;
then of the pixels, flash chips, paper, journal and the acquirer's trace. Two commits whose days are
equal do the same to the byte. It imports the checkout that PYTHONPATH names and uses nothing of the
bench but what has been there for long.
"""

import hashlib
import sys

from host_tools.bench import Bench, stories


class Recorder:
    """Writes down what comes through the wires of ``bench``."""

    def __init__(self, bench):
        self.bench = bench
        self.wires = hashlib.sha256()
        self.lines = []
        line = bench.rig.line
        for owner, name in ((bench.rig, "i2c"), (bench.rig, "uart"), (bench.rig, "flash_program"),
                            (bench.rig, "flash_erase"), (line, "from_terminal"),
                            (line, "from_far")):
            setattr(owner, name, self._heard(name, getattr(owner, name)))

    def _heard(self, name, call):
        def heard(*values):
            told = " ".join(bytes(v).hex() if hasattr(v, "__len__") else str(v) for v in values)
            self.wires.update(f"{self.bench.kernel.now_us} {name} {told}\n".encode())
            return call(*values)

        return heard

    def note(self, step):
        """Write down where everything stands behind ``step``."""
        b = self.bench
        pictures = [
            repr(b.rig.panel.pixels()), *(bytes(nor.mem).hex() for nor in b.rig.flash), b.paper(),
            repr(b.receipts()), repr([str(txn) for txn in b.journal()]),
            "\n".join(entry.text() for entry in b.trace()),
            repr((b.rig.beeps, b.rig.events, b.flash_ops(), b.line.carried, b.rig.lost_bytes)),
            repr([(nor.reads, nor.read_bytes, nor.typ_ns) for nor in b.rig.flash]),
        ]
        hashes = [self.wires, *(hashlib.sha256(text.encode()) for text in pictures)]
        told = " ".join(one.hexdigest()[:10] for one in hashes)
        self.lines.append(f"{b.kernel.now_us:>12} {step:<24} {told}")


def _late(b):
    b.line.delay_next("reply", 75)
    stories.sale(b, 77_00, wait=False)
    b.clock.advance(100)
    b.to_idle()


def _torn(b, at, how):
    b.power_cut(at_flash_op=at, torn=how)
    try:
        stories.sale(b, 60_00 + at)
    except (AssertionError, LookupError):
        pass  # the power is gone in the middle of it, as it should be
    b.disarm()
    b.power_on()
    stories.recover(b)


def _line_cut(b):
    b.line.cut(after_bytes=40)
    stories.sale(b, 41_00, wait=False)
    b.clock.advance(70)
    b.line.restore()
    b.to_idle()


def _noise(b):
    b.line.noise(0.001)
    stories.sale(b, 43_00, wait=False)
    b.clock.advance(30)
    b.line.noise(0)
    b.to_idle()


def _no_paper(b):
    b.rig.paper.runs_out_after(12)
    stories.sale(b, 44_00, wait=False)
    b.wait_for(stories.text(b, "no_paper"))
    b.rig.load_paper()
    b.press("ENTER")
    b.clock.advance(20)
    b.to_idle()


def _no_panel(b):
    b.rig.panel.unplug()
    b.press("1")
    b.clock.advance(3)
    b.rig.panel.plug()
    b.clock.advance(120)
    b.press("CANCEL")
    b.to_idle()


def _browse(b):
    b.choose(stories.text(b, "browse"))
    b.press("ENTER", "DOWN", "UP", "CANCEL", "CANCEL")
    b.to_idle()


DAY = {
    "switch on": Bench.power_on,
    "sign on": Bench.sign_on,
    "sale": lambda b: stories.sale(b, 10_00),
    "declined": lambda b: (stories.sale(b, 10_01, pan=stories.POOR_CARD, wait=False), b.to_idle()),
    "another": lambda b: stories.sale(b, 11_00, pan=stories.SECOND_CARD),
    "void last": lambda b: stories.void_last(b, pan=stories.SECOND_CARD),
    "lost reply": lambda b: stories.lost_sale(b, 30_00),
    "reversed by the next": lambda b: stories.sale(b, 12_00),
    "late reply": _late,
    "torn write": lambda b: _torn(b, 1, "bits"),
    "torn again": lambda b: _torn(b, 2, "weak1"),
    "line cut": _line_cut,
    "noise": _noise,
    "paper out": _no_paper,
    "panel unplugged": _no_panel,
    "browse": _browse,
    "settle": stories.settle,
    "half an hour of rest": lambda b: b.clock.advance(1800),
    "sale after it": lambda b: (stories.recover(b), stories.sale(b, 13_00)),
}


def record(board="unix", seed=1, language="zh"):
    """The lines of the day."""
    with Bench(board, seed, language=language, journal_kib=64) as bench:
        recorder = Recorder(bench)
        for name, step in DAY.items():
            step(bench)
            recorder.note(name)
        return recorder.lines


if __name__ == "__main__":
    print("\n".join(record(*sys.argv[1:2], *map(int, sys.argv[2:3]))))
