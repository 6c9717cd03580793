"""Power cut at every flash operation, at every byte, twice in a row, with unstable cells."""

from __future__ import annotations

import json

import pytest

from tests.powercut.sweep import TORN, UNSTABLE, sweep, sweep_queued, sweep_twice

pytestmark = pytest.mark.timeout(600)
SHARES = 4


def _report(record_property, table, report):
    record_property("powercut", json.dumps((table, report.counts)))
    assert not report.failures, "\n".join(report.failures)


@pytest.mark.parametrize("unit", (1, 256))
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("life", ("short", "full", "cramped"))
def test_cut_at_every_operation(life, share, unit, record_property):
    report = sweep(life, unit, TORN, (share, SHARES))
    _report(record_property, "journal: one cut, firm cells", report)


@pytest.mark.parametrize("unit", (1, 256))
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("life", ("short", "full", "cramped"))
def test_unstable_cells_and_three_start_ups(life, share, unit, record_property):
    for seed in range(2):
        report = sweep(life, unit, UNSTABLE, (share, SHARES), seed)
        _report(record_property, "journal: one cut, unstable cells", report)


@pytest.mark.parametrize("unit", (1, 256))
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("life", ("short", "full", "cramped"))
def test_cut_at_every_byte(life, share, unit, record_property):
    report = sweep(life, unit, ("bytes",), (share, SHARES), thorough=life == "short")
    _report(record_property, "journal: cut at every byte", report)


@pytest.mark.parametrize("unit", (1, 256))
@pytest.mark.parametrize("share", range(2))
@pytest.mark.parametrize("first", (("prefix", "bits"), UNSTABLE))
def test_second_cut_in_the_start_up(first, share, unit, record_property):
    for second in (("prefix", "bits"), UNSTABLE):
        for seed in range(2):
            report = sweep_twice("short", unit, first, second, (share, 2), seed)
            _report(record_property, "journal: cut again in the start-up", report)


@pytest.mark.parametrize("unit", (1, 256))
@pytest.mark.parametrize("share", range(SHARES))
def test_second_cut_when_the_journal_is_full(share, unit, record_property):
    report = sweep_twice("cramped", unit, UNSTABLE, ("weak1",), (share, SHARES), unit)
    _report(record_property, "journal: cut again in the start-up", report)
    report = sweep_twice("cramped", unit, ("bits",), ("weak0", "prefix"), (share, SHARES), unit)
    _report(record_property, "journal: cut again in the start-up", report)


@pytest.mark.parametrize("unit", (1, 256))
def test_writes_land_out_of_order(unit, record_property):
    report = sweep_queued("short", unit, 8)
    _report(record_property, "journal: queued writes", report)
    report = sweep_queued("full", unit, 2, stride=7)
    _report(record_property, "journal: queued writes", report)
