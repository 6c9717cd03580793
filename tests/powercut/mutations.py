"""Breaks the rules that never bend, one after the other, in a copy of the project: tests must fail.

``mutations.txt`` says what is broken, where, how, and which tests must notice. Replay one with

    python -m tests.powercut.mutations NAME
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOT_COPIED = (".git", ".venv", "build", "__pycache__", ".*_cache", "*.egg-info")


@dataclass
class Mutation:
    """A rule, a file below ``firmware/mobi``, texts and what takes their place, the tests."""

    rule: str = ""
    file: str = ""
    changes: list[tuple[list[str], list[str]]] = field(default_factory=list)
    tests: list[str] = field(default_factory=list)


def read(text: str) -> dict[str, Mutation]:
    """The mutations by name."""
    found: dict[str, Mutation] = {}
    last = ""
    for row in text.splitlines():
        if row.startswith("== "):
            mutation = found[row[3:]] = Mutation()
        elif row.startswith("-"):
            if last != "-":
                mutation.changes.append(([], []))
            mutation.changes[-1][0].append(row[1:])
        elif row.startswith("+"):
            mutation.changes[-1][1].append(row[1:])
        elif row.startswith("rule: "):
            mutation.rule = row[6:]
        elif row.startswith("file: "):
            mutation.file = row[6:]
        elif row.startswith("test: "):
            mutation.tests.append(row[6:])
        last = row[:1]
    return found


MUTATIONS = read(Path(__file__).with_suffix(".txt").read_text(encoding="utf-8"))


def copy_of_the_project(folder: Path) -> Path:
    """A copy that tests can run in."""
    target = folder / "copy"
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(*NOT_COPIED))
    return target


def run(copy: Path, tests: list[str]) -> subprocess.CompletedProcess[str]:
    """These tests, in the copy."""
    # One after the other, the first failure ends it; no cache, no plug-in of the outer run.
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    return subprocess.run(
        command, cwd=copy, env=kept, capture_output=True, text=True, timeout=1200
    )


def try_out(copy: Path, mutation: Mutation) -> str:
    """Break the rule in the copy, run its tests, mend it; "" when they failed as they must."""
    path = copy / "firmware" / "mobi" / mutation.file
    whole = path.read_text(encoding="utf-8")
    broken = whole
    for lines, others in mutation.changes:
        old, new = "\n".join(lines), "\n".join(others)
        if broken.count(old) != 1:
            return f"{mutation.file} has {broken.count(old)} times: {old!r}"
        broken = broken.replace(old, new)
    path.write_text(broken, encoding="utf-8")
    try:
        done = run(copy, mutation.tests)
    finally:
        path.write_text(whole, encoding="utf-8")
    if done.returncode == 1 and " failed" in done.stdout:
        return ""
    said = done.stdout[-2000:] + done.stderr
    return f"exit code {done.returncode}, the tests did not fail\n{said}"


def main(names: list[str]) -> int:
    """Try the named ones, or all."""
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_of_the_project(Path(folder))
        for name in names or MUTATIONS:
            text = try_out(copy, MUTATIONS[name])
            print(f"{name}: {text or 'noticed'}", flush=True)
            wrong += bool(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
