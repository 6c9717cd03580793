"""How much one process gets done: the firmware in the bench's own process, and many of it at once.

All terminals are whole: keys, pixels, paper, journal, line. The rate of one of them is measured
beside that of the unix board, by turns in the same run, so that the ratio says something on a
busy machine, too. Fleets are measured while every terminal sells, signs nothing off and sleeps
in between as people let it.
"""

from __future__ import annotations

import os
import statistics
import time

from host_tools.bench import stories
from host_tools.bench.bench import Bench
from host_tools.bench.fleet import Fleet

_SALES = 10  # a turn
_TURNS = 5
_TERMINALS = 200

DESCRIPTIONS = {
    "fleet.sales_per_s_unix": "sales a second of one bench, 15 keys and two copies, unix board",
    "fleet.sales_per_s_inprocess": "the same with the firmware in the process of the bench",
    "fleet.inprocess_gain": "sales_per_s_inprocess / sales_per_s_unix, by turns in the same run",
    "fleet.terminals": "whole terminals at once in one process",
    "fleet.virtual_s_per_s": "virtual seconds in a real second while all of them sell",
    "fleet.kib_each": "memory of the process each of them takes, KiB",
}


def measure() -> dict[str, float]:
    """All numbers of this part; see ``DESCRIPTIONS``."""
    return {**_one(), **_many()}


def _start(bench: Bench) -> None:
    bench.power_on()
    bench.sign_on()


def _one() -> dict[str, float]:
    rates: dict[str, list[float]] = {"unix": [], "inprocess": []}
    with Bench("unix", language="en") as unix, Bench("inprocess", language="en") as inprocess:
        for bench in (unix, inprocess):
            _start(bench)
            stories.sale(bench, 500)
        for turn in range(_TURNS):
            for bench in (unix, inprocess):
                began = time.perf_counter()
                for number in range(_SALES):
                    stories.sale(bench, 1000 + turn * _SALES + number)
                rates[bench.board.name].append(_SALES / (time.perf_counter() - began))
    gains = [a / b for a, b in zip(rates["inprocess"], rates["unix"], strict=True)]
    return {
        "fleet.sales_per_s_unix": statistics.median(rates["unix"]),
        "fleet.sales_per_s_inprocess": statistics.median(rates["inprocess"]),
        "fleet.inprocess_gain": statistics.median(gains),
    }


def _many() -> dict[str, float]:
    before = _resident_kib()
    with Fleet(_TERMINALS, language="en") as fleet:
        fleet.run(_start)
        began, virtual = time.perf_counter(), _earliest_s(fleet)
        fleet.run(lambda bench: stories.sale(bench, 500))
        gain = (_earliest_s(fleet) - virtual) / (time.perf_counter() - began)
        fleet.host.ledger().check()
        each = (_resident_kib() - before) / _TERMINALS
    return {"fleet.terminals": _TERMINALS, "fleet.virtual_s_per_s": gain, "fleet.kib_each": each}


def _earliest_s(fleet: Fleet) -> float:
    return min(bench.clock.seconds for bench in fleet.benches)


def _resident_kib() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024
