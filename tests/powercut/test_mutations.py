"""Each rule that never bends, broken on purpose: the tests must notice."""

from __future__ import annotations

import json

import pytest

from tests.powercut.mutations import MUTATIONS, copy_of_the_project, run, try_out

pytestmark = pytest.mark.timeout(1800)
SHARES = 8


@pytest.mark.parametrize("share", range(SHARES))
def test_broken_rules_are_noticed(share, tmp_path, record_property):
    copy = copy_of_the_project(tmp_path)
    names = list(MUTATIONS)[share::SHARES]
    # Unbroken the same tests pass in the copy: it is the rule they miss, and nothing else.
    tests = list(dict.fromkeys(test for name in names for test in MUTATIONS[name].tests))
    done = run(copy, tests)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = {}
    for name in names:
        text = try_out(copy, MUTATIONS[name])
        if text:
            wrong[f"python -m tests.powercut.mutations '{name}'"] = text
    counts = {"rules broken": len(names), "noticed": len(names) - len(wrong)}
    record_property("powercut", json.dumps(("the rules that never bend", counts)))
    assert not wrong, "\n".join(f"replay: {line}\n{text}" for line, text in wrong.items())
