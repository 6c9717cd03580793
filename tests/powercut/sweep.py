"""Cuts the power at every flash operation of a whole life and looks at what the next start-ups say.

Every cut is checked against the plain model (``journal_player.Model``) and the independent decoder:
the state after it must be the one before or after the step that was cut, all later start-ups must
say the same, life must go on, and nothing older may change by it.

One cut is replayed with the line a failure prints, for example

    python -m tests.powercut.sweep --life short --unit 1 --op 17 --mode weak1 --seed 3
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for folder in ("tests/firmware", "boards/cpython", "firmware", "."):
    if str(ROOT / folder) not in sys.path:
        sys.path.insert(0, str(ROOT / folder))

from journal_chip import MODES, Cipher, Nor, PowerCut  # noqa: E402
from journal_player import Life, Model, Player, history_holds, picture  # noqa: E402

from host_tools.journal import decode  # noqa: E402
from mobi import transactions as tx  # noqa: E402
from mobi.journal.log import Journal  # noqa: E402

SECTORS = 6
UNSTABLE = ("weak1", "weak0")
TORN = ("none", "prefix", "bits", "full")
COUNTERS = (
    "cut points", "states lost", "states invented", "start-ups that disagree",
    "older records changed", "mounts refused", "decoder disagrees", "life stuck",
)  # fmt: skip

SHORT = [
    ["begin", tx.SALE, 1000, -1, 0], ["approve", 0], ["print", 0, 1], ["print", 0, 2],
    ["begin", tx.SALE, 2000, -1, 30], ["decline", 1],
    ["trace"],
    ["begin", tx.SALE, 3000, -1, 0], ["reverse", 2, "98"], ["attempt", 2], ["attempt", 2],
    ["note", "C", "asked the bank", 2],
    ["undone", 2],
    ["begin", tx.VOID, 1000, 0, 0], ["approve", 3], ["print", 3, 1],
    ["begin", tx.REFUND, 500, -1, 0], ["lose", 4],
    ["stage", 1, "asked"], ["stage", 2, "3 of 5"],
    ["settle", 2, "totals of batch 1"],
    ["begin", tx.SALE, 4000, -1, 0], ["approve", 5],
    ["approve", 4],
]  # fmt: skip


def _full() -> list:
    # A day with everything in it, on a ring so small that it turns several times.
    life = [["idle", 40], *SHORT]
    n = 6
    for batch in range(3, 8):
        first = n
        for i in range(9):
            life.append(["begin", tx.SALE, 100 + n, -1, 100])
            life.append(["decline", n] if i == 4 else ["approve", n])
            if i % 3 == 0:
                life.append(["print", n, 1])
            if i % 4 == 1:
                life.append(["idle", 30])
            life.append(["note", "A", f"audit {n} " + "x" * 180, -1])
            n += 1
        life += [["begin", tx.SALE, 7, -1, 0], ["reverse", n, "A0"], ["attempt", n], ["undone", n]]
        n += 1
        life += [["begin", tx.VOID, 100 + first, first, 0], ["approve", n], ["print", n, 3]]
        n += 1
        life += [["begin", tx.VOID, 100 + n - 3, n - 3, 0], ["reverse", n, "98"], ["undone", n]]
        n += 1
        life += [["begin", tx.REFUND, 50, first + 1, 0], ["approve", n]]
        n += 1
        life += [["begin", tx.REFUND, 60, -1, 0], ["lose", n], ["note", "C", f"case {n}", n]]
        n += 1
        life += [["begin", tx.BALANCE, 0, -1, 0], ["drop", n], ["print", first + 2, 2]]
        n += 1
        life += [["restart"], ["stage", 1, "asked"], ["stage", 2, "8"], ["settle", batch, "sums"]]
        life += [["begin", tx.SALE, 9, -1, 0], ["reverse", n, "06"], ["attempt", n]]
        life += [["release", n], ["idle", 60]]
        n += 1
    return life


def _cramped() -> list:
    # A journal that is full, started up again and again, and finished nevertheless.
    life: list = [["begin", tx.REFUND, 1, -1, 160], ["lose", 0], ["begin", tx.SALE, 2, -1, 0]]
    life += [["reverse", 1, "98"], ["idle", 30]]
    for n in range(2, 44):
        life += [["begin", tx.SALE, n, -1, 160], ["approve", n, "?"], ["idle", 8]]
    life += [["attempt", 1], ["restart"]] * 9
    life += [["stage", 2, f"{i} " + "s" * 60] for i in range(12)] + [["trace"], ["restart"]] * 6
    life += [["attempt", 1]] * 5 + [["undone", 1], ["restart"], ["settle", 2, "sums"], ["idle", 30]]
    return [*life, ["begin", tx.SALE, 5, -1, 0], ["restart"], ["idle", 20]]


LIVES = {"short": SHORT, "full": _full(), "cramped": _cramped()}
# A sector that stops taking programs, and one that stops erasing, in the middle of the life.
FAULTS = {"full": {40: (3, "program wrong"), 90: (1, "erase error")}}


@dataclass
class Cut:
    """A flash operation of the uninterrupted life, and what is known at that moment."""

    op: int
    image: bytes
    address: int
    data: bytes | None
    before: Model
    after: Model
    traces: list
    faults: dict
    step: int


@dataclass
class Report:
    """What was tried and what went wrong."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    failures: list[str] = field(default_factory=list)

    def fail(self, kind: str, replay: str, text: str) -> None:
        """Count a failure and keep the line that replays it."""
        self.counts[kind] += 1
        if len(self.failures) < 10:
            self.failures.append(f"{kind}: {text}\n    replay: {replay}")


def record(
    life: list,
    unit: int,
    faults: dict | None = None,
    sectors: int = SECTORS,
    make: type[Journal] = Journal,
) -> list[Cut]:
    """Play a life without cuts; every flash operation of it, with the chip before it."""
    cuts: list[Cut] = []
    nor = Nor(sectors * 4096, unit=unit)
    journal = make(nor, unit, Cipher())
    journal.format(1, 1)
    model = Model()
    player = Player(journal)
    state = {"before": model, "after": model, "step": -1}

    def on_op(kind: str, sector: int, offset: int, length: int, us: int) -> None:
        known = (state["before"], state["after"], list(player.traces), dict(nor.faults))
        place = sector * 4096 + offset
        cuts.append(Cut(len(cuts), bytes(nor.mem), place, None, *known, state["step"]))

    nor.on_op = on_op
    nor.trace = []
    for i, step in enumerate(life):
        if faults and i in faults:
            sector, fault = faults[i]
            nor.faults[sector] = fault
        after = model.copy()
        if step[-1] == "?" and step[1] >= len(player.traces):
            continue  # its begin was refused
        if step[0] != "restart":
            after.play(step, i)
        state.update(before=model, after=after, step=i)
        if step[0] == "restart":
            journal = make(nor, unit, Cipher())
            journal.mount()
            player = Player(journal, player.traces)
        else:
            if player.play(step, i):
                after = model  # begin was refused: there is no room
        model = after
        assert picture(journal) == model.picture(), f"step {i} {step} without any cut"
    for cut, (_, data) in zip(cuts, nor.trace, strict=True):
        cut.data = data
    return cuts


def modes(cut: Cut, which: tuple[str, ...]) -> Iterator[tuple[str, int | None]]:
    """The ways to cut this operation: (mode, bytes of the prefix)."""
    for mode in which:
        if mode == "bytes":
            if cut.data is not None:
                first = next((i for i, b in enumerate(cut.data) if b != 0xFF), 0)
                last = len(cut.data.rstrip(b"\xff"))
                for prefix in range(first, last):
                    yield "prefix", prefix
        else:
            yield mode, None


def chip_after(cut: Cut, unit: int, mode: str, prefix: int | None, seed: int) -> Nor:
    """The chip as this cut leaves it, power back."""
    nor = Nor(len(cut.image), image=cut.image, unit=unit, seed=cut.op * 31 + seed)
    nor.tear(cut.address, cut.data, mode, prefix)
    nor.faults = dict(cut.faults)
    return nor


def check(
    nor: Nor,
    unit: int,
    cut: Cut,
    report: Report,
    replay: str,
    thorough: bool = True,
    make: type[Journal] = Journal,
) -> None:
    """Start up and compare; ``thorough``: three times, with the decoder, and go on living."""
    report.counts["cut points"] += 1
    wanted = [cut.before.picture(), cut.after.picture()]
    if thorough and not nor.weak and _decoded(decode(bytes(nor.mem))) not in map(_plain, wanted):
        report.fail("decoder disagrees", replay, "on the image before the start-up")
    first = None
    for _ in range(3 if thorough else 1):
        journal = make(nor, unit, Cipher())
        verdict = journal.mount()
        if not verdict.usable or verdict.read_only:
            report.fail("mounts refused", replay, verdict.text)
            return
        if any(sector not in cut.faults for sector, _ in verdict.damage):
            report.fail("older records changed", replay, verdict.text)
            return
        seen = picture(journal)
        if first is None:
            first = seen
        elif seen != first:
            report.fail("start-ups that disagree", replay, _difference(first, seen))
            return
    if first not in wanted:
        kind = "states lost" if _poorer(first, wanted[0]) else "states invented"
        report.fail(kind, replay, _difference(wanted[0], first))
        return
    text = ""
    for model in (cut.before, cut.after):
        if model.picture() == first:
            text = history_holds(journal, model)
            if not text:
                break
    if text:
        report.fail("older records changed", replay, text)
        return
    if thorough:
        seen_by_decoder = decode(bytes(nor.mem))
        if _decoded(seen_by_decoder) != _plain(first):
            report.fail("decoder disagrees", replay, "on the image after the start-up")
        elif seen_by_decoder.damage and not cut.faults:
            report.fail("decoder disagrees", replay, seen_by_decoder.damage[0])
        _go_on(nor, unit, journal, model.copy(), report, replay, make)


def _go_on(
    nor: Nor,
    unit: int,
    journal: Journal,
    model: Model,
    report: Report,
    replay: str,
    make: type[Journal],
) -> None:
    # Another sale, its receipt, some idle time, another start-up.
    traces = [(txn["trace"], txn["batch"]) for txn in model.txns]
    player = Player(journal, traces)
    n = len(model.txns)
    sold = [["begin", tx.SALE, 4242, -1, 60], ["approve", n], ["idle", 25]]
    for i, step in enumerate([*sold, ["print", n, 1], ["idle", 9]]):
        if player.play(step, i):
            break  # full is a right answer to begin
        model.play(step, i)
    journal = make(nor, unit, Cipher())
    if not journal.mount().usable:
        report.fail("life stuck", replay, "no start-up after another sale")
    elif picture(journal) != model.picture():
        text = _difference(model.picture(), picture(journal))
        report.fail("older records changed", replay, text)
    else:
        text = history_holds(journal, model)
        if text:
            report.fail("older records changed", replay, text)


def _plain(seen: tuple) -> tuple:
    # What the decoder can know: all but the card number.
    batch, trace, lines, unfinished, stage, _, newest, sums = seen
    return (
        batch, trace, [line[:-1] for line in lines], [line[:-1] for line in unfinished], stage,
        newest, sums,
    )  # fmt: skip


def _decoded(journal) -> tuple:
    # An image as ``_plain`` gives the model.
    kinds = {"sale": 1, "void": 2, "refund": 3, "balance": 4}
    states = {name: number for number, name in tx.STATE_NAMES.items()}

    def line(t) -> tuple:
        supervisor = 255 if t.supervisor is None else t.supervisor
        return (
            t.trace, t.batch, kinds[t.kind], t.amount, states[t.state], t.printed, t.attempts,
            t.rrn, t.auth, t.code, t.reason, supervisor, t.note, t.masked_pan,
        )  # fmt: skip

    batch = [t for t in journal.transactions if journal._is_open(t)]
    moved = [
        t for t in batch if t.state in ("approved", "voided", "refunded") and t.kind != "balance"
    ]
    sums = [value for pair in journal.totals.values() for value in pair]
    return (
        journal.batch, journal.next_trace, [line(t) for t in batch],
        [line(t) for t in journal.unfinished], journal.stage or (0, b""),
        moved[-1].trace if moved else 0, sums,
    )  # fmt: skip


def _poorer(seen: tuple, before: tuple) -> bool:
    return len(seen[2]) < len(before[2]) or seen[1] < before[1] or seen[3] != before[3]


def _difference(wanted: tuple, seen: tuple) -> str:
    names = ["batch", "trace", "transactions", "unfinished", "stage", "last batch", "newest"]
    names.append("sums")
    for name, a, b in zip(names, wanted, seen, strict=True):
        if a != b:
            if isinstance(a, list) and len(a) == len(b):
                a, b = next((x, y) for x, y in zip(a, b, strict=True) if x != y)
            return f"{name}: {a} wanted, {b} seen"
    return "the same"


def line_of(life: str, unit: int, cut: Cut, mode: str, prefix: int | None, seed: int) -> str:
    """The command that replays one cut."""
    text = f"python -m tests.powercut.sweep --life {life} --unit {unit} --op {cut.op}"
    return f"{text} --mode {mode} --seed {seed}" + ("" if prefix is None else f" --prefix {prefix}")


def sweep(
    life: str,
    unit: int,
    which: tuple[str, ...],
    share: tuple[int, int] = (0, 1),
    seed: int = 0,
    thorough: bool = True,
    make: type[Journal] = Journal,
) -> Report:
    """Cut a life at every operation. ``share``: (which, of how many) parts of the operations."""
    report = Report()
    for cut in record(LIVES[life], unit, FAULTS.get(life), make=make):
        if cut.op % share[1] != share[0]:
            continue
        for mode, prefix in modes(cut, which):
            nor = chip_after(cut, unit, mode, prefix, seed)
            replay = line_of(life, unit, cut, mode, prefix, seed)
            check(nor, unit, cut, report, replay, thorough, make)
    return report


def sweep_twice(
    life: str,
    unit: int,
    first: tuple[str, ...],
    second: tuple[str, ...],
    share: tuple[int, int] = (0, 1),
    seed: int = 0,
    make: type[Journal] = Journal,
) -> Report:
    """Cut a life at every operation, and the start-up after it at every operation again."""
    report = Report()
    for cut in record(LIVES[life], unit, FAULTS.get(life), make=make):
        if cut.op % share[1] != share[0]:
            continue
        for mode, prefix in modes(cut, first):
            for again in second:
                _cut_start_up(life, unit, cut, mode, prefix, again, seed, report, make)
    return report


def _cut_start_up(
    life: str,
    unit: int,
    cut: Cut,
    mode: str,
    prefix: int | None,
    again: str,
    seed: int,
    report: Report,
    make: type[Journal],
) -> None:
    op = 0
    while True:
        nor = chip_after(cut, unit, mode, prefix, seed)
        nor.cut_after(op, mode=again)
        try:
            journal = make(nor, unit, Cipher())
            journal.mount()
            for _ in range(20):
                journal.idle()  # the first erase after a start-up belongs to it
        except PowerCut:
            nor.revive()
            replay = line_of(life, unit, cut, mode, prefix, seed) + f" --then {again} --at {op}"
            check(nor, unit, cut, report, replay, make=make)
            op += 1
        else:
            return


def sweep_queued(
    life: str, unit: int, seeds: int, stride: int = 1, make: type[Journal] = Journal
) -> Report:
    """The same with a driver that queues writes and lands them in any order until it is synced."""
    report = Report()
    op = 0
    while all([_cut_queued(life, unit, op, seed, report, make) for seed in range(seeds)]):
        op += stride
    return report


def _cut_queued(
    life: str, unit: int, op: int, seed: int, report: Report, make: type[Journal]
) -> bool:
    """One cut of that kind. False: the life has no such operation."""
    nor = Nor(SECTORS * 4096, unit=unit, seed=op * 7 + seed, queued=True)
    journal = make(nor, unit, Cipher())
    journal.format(1, 1)
    player = Player(journal)
    model = after = Model()
    nor.cut_after(op, mode=("prefix", "bits", "none", "weak1")[seed % 4])
    try:
        for i, step in enumerate(LIVES[life]):
            after = model.copy()
            if step[-1] == "?" and step[1] >= len(player.traces):
                continue
            if step[0] == "restart":
                journal = make(nor, unit, Cipher())
                journal.mount()
                player = Player(journal, player.traces)
                continue
            after.play(step, i)
            if player.play(step, i):
                after = model
            model = after
        return False
    except PowerCut:
        nor.revive()
    cut = Cut(op, b"", 0, None, model, after, list(player.traces), {}, 0)
    replay = f"python -m tests.powercut.sweep --queued --life {life} --unit {unit}"
    check(nor, unit, cut, report, f"{replay} --op {op} --seed {seed}", make=make)
    return True


def main(argv: list[str] | None = None) -> int:
    """Replay one cut and say what is wrong with it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", help="a life as JSON instead, with its own cuts")
    parser.add_argument("--life", choices=LIVES)
    parser.add_argument("--unit", type=int, choices=(1, 256))
    parser.add_argument("--op", type=int)
    parser.add_argument("--mode", choices=MODES)
    parser.add_argument("--prefix", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--queued", action="store_true", help="with a driver that queues writes")
    parser.add_argument("--then", choices=MODES, help="mode of a second cut, in the start-up")
    parser.add_argument("--at", type=int, default=0, help="its operation")
    args = parser.parse_args(argv)
    if args.steps:
        told = json.loads(args.steps)
        life = Life(told["unit"], told["seed"], told["trace"])
        for step in told["steps"]:
            print(step)
            life.play(step)
        print("nothing is wrong")
        return 0
    report = Report()
    if args.queued:
        _cut_queued(args.life, args.unit, args.op, args.seed, report, Journal)
        print("\n".join(report.failures) or "nothing is wrong")
        return 1 if report.failures else 0
    cut = record(LIVES[args.life], args.unit, FAULTS.get(args.life))[args.op]
    what = "erase" if cut.data is None else f"program of {len(cut.data)} bytes"
    where = f"sector {cut.address // 4096}, offset {cut.address % 4096}"
    print(f"step {cut.step}: {LIVES[args.life][cut.step]}; {what}, {where}")
    nor = chip_after(cut, args.unit, args.mode, args.prefix, args.seed)
    if args.then:
        nor.cut_after(args.at, mode=args.then)
        try:
            journal = Journal(nor, args.unit, Cipher())
            journal.mount()
            for _ in range(20):
                journal.idle()
        except PowerCut:
            nor.revive()
    check(nor, args.unit, cut, report, "this")
    print("\n".join(report.failures) or "nothing is wrong")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
