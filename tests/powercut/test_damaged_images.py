"""A million damaged images: no exception, no hang, no approved transaction that never was one."""

from __future__ import annotations

import json

import pytest

from tests.powercut import fuzz

pytestmark = pytest.mark.timeout(600)
SHARE = 25_000


@pytest.mark.parametrize("share", range(1_000_000 // SHARE))
def test_nothing_is_invented(share, record_property):
    wrong = fuzz.run(range(share * SHARE, (share + 1) * SHARE))
    counts = {"images": SHARE, "exceptions, hangs, inventions": len(wrong)}
    record_property("powercut", json.dumps(("journal: damaged images", counts)))
    assert not wrong, "\n".join(wrong)
