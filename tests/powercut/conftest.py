"""The power-cut ring: only run when it is asked for, ends with the table of what was tried."""

from __future__ import annotations

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent


def pytest_ignore_collect(collection_path, config):
    """`pytest` alone leaves the ring out; `pytest tests/powercut` runs it."""
    asked = any("powercut" in str(arg) for arg in config.invocation_params.args)
    return None if asked else HERE in Path(collection_path).resolve().parents or None


def pytest_terminal_summary(terminalreporter):
    """What was cut and what was found, summed up over all tests and processes."""
    totals: dict[str, dict[str, int]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == "powercut":
                    table, counts = json.loads(value)
                    sums = totals.setdefault(table, {})
                    for key, count in counts.items():
                        sums[key] = sums.get(key, 0) + count
    for table in sorted(totals):
        terminalreporter.section(table)
        for key, count in totals[table].items():
            terminalreporter.write_line(f"{key:<26} {count:>10,}")
