"""A day with every fault is the same day, to the byte and to the microsecond, however it is run.

`recorded_day.py` writes it down. A change that only makes the bench faster is held against the
commit before it:

    MOBI_BEFORE=main~3 pytest tests/e2e/test_recorded_day.py
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from host_tools.bench import byte_code
from host_tools.bench.nor import Nor
from tests.e2e import recorded_day

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def day():
    return recorded_day.record()


def differences(one, two):
    return [pair for pair in zip(one, two, strict=True) if pair[0] != pair[1]]


@pytest.mark.timeout(300)
def test_compiled_as_it_starts_it_is_the_same_day(day, monkeypatch):
    sources = ":".join(str(ROOT / folder) for folder in byte_code.SOURCES)
    monkeypatch.setattr(byte_code, "path", lambda: sources)
    assert not differences(day, recorded_day.record())


@pytest.mark.timeout(300)
def test_with_everything_asked_it_is_the_same_day(day, monkeypatch):
    # What the bench says about the future and about a whole sector must be true: without it the
    # terminal asks each time.
    monkeypatch.setattr(Nor, "steady", lambda chip, sector: b"")
    monkeypatch.setenv("MOBI_BUS_AT_ONCE", "1")
    assert not differences(day, recorded_day.record())


@pytest.mark.timeout(300)
def test_in_the_bench_s_process_it_is_the_same_day(day):
    assert not differences(day, recorded_day.record(board="inprocess"))


@pytest.mark.timeout(600)
@pytest.mark.skipif("MOBI_BEFORE" not in os.environ, reason="MOBI_BEFORE names no commit")
def test_it_is_the_day_of_the_commit_before(day, tmp_path):
    before = tmp_path / "before"
    subprocess.run(["git", "worktree", "add", "--detach", before, os.environ["MOBI_BEFORE"]],
                   cwd=ROOT, check=True)
    try:
        done = subprocess.run(
            [sys.executable, recorded_day.__file__], cwd=before, check=True, capture_output=True,
            text=True, env=dict(os.environ, PYTHONPATH=str(before)))
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", before], cwd=ROOT, check=True)
    assert not differences(day, done.stdout.splitlines())
