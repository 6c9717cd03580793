"""Cuts the power in the vault's life: every operation, every byte, twice, with unstable cells."""

from __future__ import annotations

from journal_chip import Nor, PowerCut

from host_tools.journal.vault import decode_vault
from mobi.journal.vault import Vault
from tests.powercut.sweep import Report

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
                replay = f"vault unit {unit} op {cut[5]} {real} {prefix} seed {seed}"
                if not second:
                    check(_chip(cut, unit, real, prefix, seed), unit, cut, report, replay, make)
                for again in second:
                    _cut_start_up(cut, unit, real, prefix, seed, again, report, replay, make)
    return report


def _chip(cut: list, unit: int, mode: str, prefix: int | None, seed: int) -> Nor:
    nor = Nor(8192, image=cut[0], unit=unit, seed=cut[5] * 31 + seed)
    nor.tear(cut[1], cut[2], mode, prefix)
    return nor


def _cut_start_up(
    cut: list, unit: int, mode: str, prefix: int | None, seed: int, again: str, report: Report,
    replay: str, make: type[Vault],
) -> None:  # fmt: skip
    op = 0
    while True:
        nor = _chip(cut, unit, mode, prefix, seed)
        nor.cut_after(op, mode=again)
        try:
            vault = make(nor, unit)
            vault.mount()
            while vault.idle():
                pass
            return
        except PowerCut:
            nor.revive()
        check(nor, unit, cut, report, f"{replay} then {again} at {op}", make)
        op += 1
