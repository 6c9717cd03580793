"""The heap of the emulated Pico over many transactions; takes 40 minutes on a quiet machine."""

import pytest

from host_tools.measure import pico

pytestmark = [pytest.mark.pico, pytest.mark.slow, pytest.mark.timeout(6 * 3600)]


def test_two_hundred_transactions_leave_the_heap_as_it_was(make_bench):
    found = pico.drift(make_bench(settings={"copies": 1}), 200)
    assert found["pico.drift_bytes"] <= 512  # a few small blocks come and go
    assert found["pico.drift_largest_free"] >= 16_000, "the longest message must fit in one piece"
