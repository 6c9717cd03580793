"""No start-up says damage without any, and none hides it: lives, and the same lives spoilt."""

from __future__ import annotations

import json

import pytest

from tests.powercut import verdicts

pytestmark = pytest.mark.timeout(600)
SHARE = 50


@pytest.mark.parametrize("share", range(8))
def test_damage_is_named_and_nothing_else(share, record_property):
    counts = verdicts.run(range(share * SHARE, (share + 1) * SHARE))
    told = {
        "lives": counts.lives, "start-ups": counts.starts, "power cuts": counts.cuts,
        "spoilt": counts.spoilt, "wrong": len(counts.wrong),
    }  # fmt: skip
    record_property("powercut", json.dumps(("journal: what start-ups say", told)))
    assert not counts.wrong, "\n".join(counts.wrong)
    assert counts.starts > 1000 and counts.named > counts.spoilt // 2
