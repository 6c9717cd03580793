"""Cuts the power in the vault's life: every operation, every byte, twice, with unstable cells.

One cut is replayed with the line a failure prints, for example

    python -m tests.powercut.vault_cuts --unit 1 --op 17 --mode weak1 --seed 3
"""

from __future__ import annotations

import argparse
import sys

from tests.powercut.sweep import MODES, Nor, PowerCut, Report

# Only now can the firmware be imported.
# isort: split
from host_tools.journal.vault import decode_vault
from mobi.journal.vault import Vault

# (key, value or None to delete) or a word: what a terminal does with its vault.
LIFE = [
    (b"p1", b"parameter"),
    (b"kT", bytes(range(16))),
    (b"o1", b"operator 01" * 6),
    (b"l", b"\1"),
    (b"l", b"\2"),
    (b"kC", b"first card key.."),
    (b"big", b"B" * 1024),
    "idle",
    (b"kC", b"second card key."),  # the first one must go from the chip
    "idle",
    (b"o1", None),
    (b"big", b"C" * 1000),
    (b"other", b"D" * 900),
    (b"l", b"\3"),
    (b"big", b"E" * 1024),
    "idle",
    (b"kC", None),
    "shred",
    (b"p1", b"new parameter"),
    "restart",
    (b"p2", b"x" * 300),
]  # fmt: skip


def _play(vault: Vault, step, nor: Nor, unit: int, make: type[Vault]) -> Vault:
    if step == "idle":
        while vault.idle():
            pass
    elif step == "shred":
        vault.shred()
    elif step == "restart":
        vault = make(nor, unit)
        vault.mount()
    elif step[1] is None:
        vault.delete(step[0])
    else:
        vault.put(*step)
    return vault


def _contents(vault: Vault) -> dict:
    return {key: vault.get(key) for key in vault.keys()}


def record(unit: int, make: type[Vault] = Vault) -> list:
    """Every operation of the life: (image, address, data, before, after, operation)."""
    nor = Nor(8192, unit=unit)
    vault = make(nor, unit)
    vault.format()
    cuts: list = []
    model: dict = {}
    state: dict = {"before": model, "after": model}

    def on_op(kind, sector, offset, length, us):
        cuts.append([bytes(nor.mem), sector * 4096 + offset, None, state["before"], state["after"]])

    nor.on_op = on_op
    nor.trace = []
    for step in LIFE:
        after = dict(model)
        if not isinstance(step, str):
            if step[1] is None:
                after.pop(step[0], None)
            else:
                after[step[0]] = step[1]
        state.update(before=model, after=after)
        vault = _play(vault, step, nor, unit, make)
        model = after
        assert _contents(vault) == model, step
    for number, (cut, (_, data)) in enumerate(zip(cuts, nor.trace, strict=True)):
        cut[2] = data
        cut.append(number)
    return cuts


def check(nor: Nor, unit: int, cut: list, report: Report, replay: str, make: type[Vault]) -> None:
    """Three start-ups must agree with each other, with the model and with the decoder."""
    report.counts["cut points"] += 1
    before, after = cut[3], cut[4]
    first = None
    for _ in range(3):
        vault = make(nor, unit)
        verdict = vault.mount()
        if verdict == Vault.EMPTY:
            report.fail("mounts refused", replay, "the vault is gone")
            return
        seen = _contents(vault)
        if first is None:
            first = seen
        elif seen != first:
            report.fail("start-ups that disagree", replay, f"{first} then {seen}")
            return
    if first not in (before, after):
        lost = any(first.get(key) != before[key] for key in before if key in after)
        kind = "states lost" if lost else "states invented"
        report.fail(kind, replay, f"{sorted(before)} wanted, {sorted(first)} seen")
        return
    _, values = decode_vault(bytes(nor.mem), with_values=True)
    if values != first:
        report.fail("decoder disagrees", replay, f"{sorted(first)} and {sorted(values)}")
    vault.put(b"later", b"1")
    while vault.idle():
        pass
    vault = make(nor, unit)
    vault.mount()
    if _contents(vault) != {**first, b"later": b"1"}:
        report.fail("older records changed", replay, "after another value")


def sweep(
    unit: int,
    modes: tuple[str, ...],
    second: tuple[str, ...] = (),
    seed: int = 0,
    make: type[Vault] = Vault,
    stride: int = 1,
) -> Report:
    """Cut everywhere; ``second``: and every start-up after it everywhere again."""
    report = Report()
    for cut in record(unit, make)[seed % stride :: stride]:
        for mode in modes:
            prefixes: list = [None]
            if mode == "bytes":
                data = cut[2] or b""
                used = len(data.rstrip(b"\xff"))
                first = next((i for i, b in enumerate(data) if b != 0xFF), 0)
                prefixes = list(range(first, used, 1 if used - first < 100 else 9))
            for prefix in prefixes:
                real = "prefix" if mode == "bytes" else mode
                if not second:
                    _cut(cut, unit, real, prefix, seed, report, make)
                for again in second:
                    op = 0
                    while _cut(cut, unit, real, prefix, seed, report, make, again, op):
                        op += 1
    return report


def _cut(
    cut: list,
    unit: int,
    mode: str,
    prefix: int | None,
    seed: int,
    report: Report,
    make: type[Vault],
    again: str | None = None,
    op: int = 0,
) -> bool:
    """One cut, and one in the start-up after it. False: that start-up has no such operation."""
    replay = f"python -m tests.powercut.vault_cuts --unit {unit} --op {cut[5]} --mode {mode}"
    replay += f" --seed {seed}" + (f" --prefix {prefix}" if prefix is not None else "")
    nor = Nor(8192, image=cut[0], unit=unit, seed=cut[5] * 31 + seed)
    nor.tear(cut[1], cut[2], mode, prefix)
    if again is not None:
        replay += f" --then {again} --at {op}"
        nor.cut_after(op, mode=again)
        try:
            vault = make(nor, unit)
            vault.mount()
            while vault.idle():
                pass
            return False
        except PowerCut:
            nor.revive()
    check(nor, unit, cut, report, replay, make)
    return True


def main(argv: list[str] | None = None) -> int:
    """Replay one cut and say what is wrong with it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--unit", type=int, choices=(1, 256), required=True)
    parser.add_argument("--op", type=int, required=True)
    parser.add_argument("--mode", choices=MODES, required=True)
    parser.add_argument("--prefix", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--then", choices=MODES, help="mode of a second cut, in the start-up")
    parser.add_argument("--at", type=int, default=0, help="its operation")
    args = parser.parse_args(argv)
    report = Report()
    cut = record(args.unit)[args.op]
    _cut(cut, args.unit, args.mode, args.prefix, args.seed, report, Vault, args.then, args.at)
    print("\n".join(report.failures) or "nothing is wrong")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
