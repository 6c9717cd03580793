"""What the journal costs, beside littlefs (append, rename) and two raw slots in the same run.

The chip is modelled (``host_tools.bench.nor``: data-sheet times); the stores are real and run under
MicroPython with 256-byte programs as on an RP2040, except where a name says otherwise. CPU times
are those of the unix port on this machine. A commit's includes the driver, which is the model of
the chip, in Python; ``without_driver`` is the rest: Python for the journal, C for littlefs.
Start-up and finding are measured without it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from host_tools import micropython
from host_tools.places import ROOT

_HERE = Path(__file__).resolve().parent
_DEVICE = _HERE / "_journal_device.py"
_SALES = 1000

_COMPARED = {
    "write_amplification": "bytes whose bits changed / payload",
    "erases_per_1000_sales": "sector erases per 1000 sales",
    "commit_ms_typ_p50": "flash time of a commit, typical, median, ms",
    "commit_ms_typ_p99": "flash time of a commit, typical, 99th percentile, ms",
    "commit_ms_worst": "longest commit with the data sheet's maximum times, ms",
    "pages_per_commit_p50": "page programs per commit, median",
    "pages_per_commit_max": "page programs per commit, most",
    "erases_in_payment_path": "erases inside commits, in 1000 sales",
    "wear_spread": "erases of the most / of the least erased sector",
    "cpu_us_per_commit_p50": "CPU time of a commit, median, us",
    "cpu_us_per_commit_mean": "CPU time of a commit, mean, us",
    "cpu_us_without_driver_p50": "the store's own CPU time of a commit, median, us",
    "cpu_us_without_driver_mean": "the store's own CPU time of a commit, mean, us",
    "sent_amplification": "bytes sent to the chip, blank ones too / payload",
}
BASELINES = {
    "littlefs_append": "one file on littlefs, appended and flushed",
    "littlefs_rename": "a file per transaction on littlefs, temporary file and rename",
    "two_slots": "two raw sectors that take turns, remembers one transaction",
}
_ONLY_OURS = {
    "journal.capacity_sales_64k": "sales of the workload until begin refuses, 64 KiB, the least",
    "journal.mount_bytes_read_64k": "bytes read by a start-up, full 64 KiB",
    "journal.mount_bytes_read_1m": "bytes read by a start-up, full 1 MiB",
    "journal.mount_ms_64k": "start-up of a full 64 KiB: modelled flash + CPU, ms",
    "journal.mount_ms_1m": "start-up of a full 1 MiB: modelled flash + CPU, ms",
    "journal.mount_cpu_ms_64k": "the CPU part of journal.mount_ms_64k",
    "journal.mount_cpu_ms_1m": "the CPU part of journal.mount_ms_1m",
    "journal.find_trace_us": "find by trace, full 64 KiB, CPU, median, us",
    "journal.find_trace_us_1m": "find by trace, full 1 MiB, CPU, median, us",
    "journal.find_trace_ratio": "find by trace, 1 MiB / 64 KiB",
    "journal.find_last_voidable_us": "the newest approved transaction, full 64 KiB, CPU, us",
    "journal.find_last_voidable_us_1m": "the same, full 1 MiB",
    "journal.find_last_voidable_ratio": "the same, 1 MiB / 64 KiB",
    "journal.ram_bytes_64k": "heap a mounted journal keeps, 64 KiB, unix port",
    "journal.ram_bytes_1m": "heap a mounted journal keeps, 1 MiB, unix port",
    "journal.cpu_vs_littlefs_append": "cpu_us_per_commit_p50 / that of littlefs append, same run",
    "journal.cpu_vs_littlefs_append_any_length": "the same with a driver that programs any length",
    "journal.cpu_us_per_commit_p50_any_length": "CPU time of a commit with that driver, median, us",
    "journal.commit_ms_typ_p50_any_length": "the same with a driver that programs any length, ms",
    "journal.commit_ms_typ_p99_any_length": "the same, 99th percentile, ms",
    "journal.littlefs_append.capacity_sales_64k": "sales until it is full, the least",
    "journal.littlefs_rename.capacity_sales_64k": "sales until it is full, the least",
    "journal.littlefs_append.mount_ms_64k": "mount and read the file, full, flash + CPU, ms",
    "journal.littlefs_append.mount_bytes_read_64k": "bytes read by that",
}
DESCRIPTIONS = {
    **{f"journal.{name}": f"{text} (64 KiB)" for name, text in _COMPARED.items()},
    **{
        f"journal.{store}.{name}": f"{text}; {what}"
        for store, what in BASELINES.items()
        for name, text in _COMPARED.items()
    },
    **_ONLY_OURS,
}
GOALS = {
    "journal.write_amplification": "<= 1.15",
    "journal.pages_per_commit_p50": "<= 1",
    "journal.pages_per_commit_max": "<= 2",
    "journal.erases_per_1000_sales": "<= 72",
    "journal.erases_in_payment_path": "<= 0",
    "journal.commit_ms_typ_p50": "<= 0.45",
    "journal.commit_ms_typ_p99": "<= 0.9",
    "journal.commit_ms_worst": "<= 6.5",
    "journal.cpu_us_per_commit_p50": "<= 120",
    "journal.cpu_vs_littlefs_append": "<= 0.2",
    "journal.wear_spread": "<= 1.3",
    "journal.capacity_sales_64k": ">= 220",
    "journal.mount_bytes_read_64k": "<= 12288",
    "journal.mount_bytes_read_1m": "<= 40960",
    "journal.mount_ms_64k": "<= 5",
    "journal.mount_ms_1m": "<= 12",
    "journal.find_trace_us": "<= 500",
    "journal.find_trace_ratio": "<= 2",
    "journal.find_last_voidable_us": "<= 50",
    "journal.find_last_voidable_ratio": "<= 2",
    "journal.ram_bytes_64k": "<= 4096",
    "journal.ram_bytes_1m": "<= 8192",
}


def _run(store: str, kib: int, unit: int, sales: int, *more: str) -> dict[str, Any]:
    paths = [ROOT / "firmware", _HERE.parent / "bench", ".frozen"]
    done = subprocess.run(
        [micropython.find(), "-X", "heapsize=24M", _DEVICE, store, str(kib), str(unit),
         str(sales), *more],
        env=dict(os.environ, MICROPYPATH=":".join(map(str, paths))),
        capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{store} {kib} {unit}: {done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def measure() -> dict[str, float]:
    """Run every store; the numbers by name."""
    # CPU times: the best of three runs, so that a busy machine says less.
    ours = min((_run("journal", 64, 256, _SALES, "look") for _ in range(3)), key=_cpu)
    large = min((_run("journal", 1024, 256, _SALES, "look") for _ in range(2)), key=_cpu)
    any_length = min((_run("journal", 64, 1, _SALES) for _ in range(2)), key=_cpu)
    theirs_any_length = min((_run("littlefs_append", 64, 1, _SALES) for _ in range(2)), key=_cpu)
    others = {
        "littlefs_append": min(
            (_run("littlefs_append", 64, 256, _SALES) for _ in range(3)), key=_cpu
        ),
        "littlefs_rename": _run("littlefs_rename", 64, 256, 300),
        "two_slots": _run("two_slots", 64, 256, _SALES),
    }
    out = _of_ours(ours, large)
    for store, values in others.items():
        out.update({f"journal.{store}.{name}": values[name] for name in _COMPARED})
    for store in ("littlefs_append", "littlefs_rename"):
        full = others[store]["kept_until_full"]
        out[f"journal.{store}.capacity_sales_64k"] = min(full)
    for name in ("mount_ms", "mount_bytes_read"):
        out[f"journal.littlefs_append.{name}_64k"] = others["littlefs_append"][name]
    out["journal.cpu_vs_littlefs_append"] = _cpu(ours) / _cpu(others["littlefs_append"])
    out["journal.cpu_vs_littlefs_append_any_length"] = _cpu(any_length) / _cpu(theirs_any_length)
    for name in ("commit_ms_typ_p50", "commit_ms_typ_p99", "cpu_us_per_commit_p50"):
        out[f"journal.{name}_any_length"] = any_length[name]
    return out


def alone() -> dict[str, float]:
    """Our journal's own numbers from one run, in a few seconds; no store beside it."""
    return _of_ours(*(_run("journal", kib, 256, _SALES, "look") for kib in (64, 1024)))


def _of_ours(ours: dict[str, Any], large: dict[str, Any]) -> dict[str, float]:
    # From a run with 64 KiB and one with 1 MiB.
    out: dict[str, float] = {f"journal.{name}": ours[name] for name in _COMPARED}
    out["journal.capacity_sales_64k"] = min(ours["kept_until_full"])
    for name in ("mount_bytes_read", "mount_ms", "mount_cpu_ms", "ram_bytes"):
        out[f"journal.{name}_64k"] = ours[name]
        out[f"journal.{name}_1m"] = large[name]
    for name in ("find_trace", "find_last_voidable"):
        out[f"journal.{name}_us"] = ours[f"{name}_us"]
        out[f"journal.{name}_us_1m"] = large[f"{name}_us"]
        out[f"journal.{name}_ratio"] = large[f"{name}_us"] / ours[f"{name}_us"]
    return out


def _cpu(values: dict[str, Any]) -> float:
    return values["cpu_us_per_commit_p50"]
