"""The power-cut ring ends with the table of what was tried."""

from __future__ import annotations

import json


def pytest_terminal_summary(terminalreporter):
    """What was cut and what was found, summed up over all tests and processes."""
    totals: dict[str, dict[str, int]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) != "call":
                continue  # the report of the teardown has the same properties once more
            for name, value in report.user_properties:
                if name == "powercut":
                    table, counts = json.loads(value)
                    sums = totals.setdefault(table, {})
                    for key, count in counts.items():
                        sums[key] = sums.get(key, 0) + count
    for table in sorted(totals):
        terminalreporter.section(table)
        for key, count in totals[table].items():
            terminalreporter.write_line(f"{key:<26} {count:>10,}")
