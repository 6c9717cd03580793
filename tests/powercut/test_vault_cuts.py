"""The vault loses nothing either: keys, parameters, lock-outs."""

from __future__ import annotations

import json

import pytest

from tests.powercut import vault_cuts
from tests.powercut.sweep import TORN, UNSTABLE

pytestmark = pytest.mark.timeout(600)


def _report(record_property, table, report):
    record_property("powercut", json.dumps((table, report.counts)))
    assert not report.failures, "\n".join(report.failures)


@pytest.mark.parametrize("unit", (1, 256))
def test_cut_at_every_operation(unit, record_property):
    for seed in range(3):
        _report(record_property, "vault: one cut", vault_cuts.sweep(unit, TORN, seed=seed))


@pytest.mark.parametrize("unit", (1, 256))
def test_unstable_cells(unit, record_property):
    for seed in range(6):
        report = vault_cuts.sweep(unit, UNSTABLE, seed=seed)
        _report(record_property, "vault: one cut, unstable cells", report)


@pytest.mark.parametrize("unit", (1, 256))
def test_cut_at_every_byte(unit, record_property):
    _report(record_property, "vault: cut at every byte", vault_cuts.sweep(unit, ("bytes",)))


@pytest.mark.parametrize("unit", (1, 256))
@pytest.mark.parametrize("first", (("prefix", "bits"), UNSTABLE))
@pytest.mark.parametrize("second", (("prefix", "bits"), UNSTABLE))
def test_second_cut_in_the_start_up(first, second, unit, record_property):
    report = vault_cuts.sweep(unit, first, second, seed=unit, stride=4)
    _report(record_property, "vault: cut again in the start-up", report)
