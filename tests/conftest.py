"""Runs every file of tests/firmware a second time, under MicroPython with a board-like heap."""

import ast
import os
import subprocess
from pathlib import Path

import hypothesis
import pytest

from host_tools.micropython import find
from tests.e2e import golden as screens
from tests.e2e.golden import golden  # noqa: F401 - a fixture

ROOT = Path(__file__).resolve().parent.parent
FIRMWARE_TESTS = ROOT / "tests" / "firmware"
# The power-cut ring takes minutes: it runs when it is named (`make test-powercut`).
collect_ignore = ["powercut"]
# 237 kB are free on a bare Pico; objects of the 64-bit port are about 1.3 times as large, and
# on the board the firmware is frozen while here its byte code lies on the heap.
HEAP = os.environ.get("MOBI_TEST_HEAP", "448k")

# The same examples in every run, and no haste: what turns red is the change, not chance or load.
hypothesis.settings.register_profile("mobi", deadline=None, derandomize=True)
hypothesis.settings.load_profile("mobi")


def pytest_addoption(parser):
    parser.addoption("--golden-update", action="store_true",
                     help="accept the panel's screens as they are now (tests/e2e/golden)")


def pytest_sessionstart(session):
    screens.begin(session.config)


def pytest_collection_modifyitems(config, items):
    if config.getoption("--mobi-board") == "unix":
        return
    for item in items:
        only = item.get_closest_marker("unix_only")
        if only is not None:
            item.add_marker(pytest.mark.skip(reason=f"unix board only: {only.args[0]}"))
        if item.get_closest_marker("timeout") is None:
            # An emulated second of computing takes most of a minute.
            item.add_marker(pytest.mark.timeout(1800))


class MicroPythonFile(pytest.File):
    """One file of tests/firmware; its functions are run by one MicroPython process."""

    def collect(self):
        self.results = None
        self.heap = HEAP  # a file that needs most of the firmware as source names its own
        tree = ast.parse(self.path.read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "HEAP":
                self.heap = ast.literal_eval(node.value)
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield MicroPythonItem.from_parent(self, name=f"{node.name}[micropython]")

    def outcome(self, name: str) -> str | None:
        """What went wrong in the test ``name``; None when it passed."""
        if self.results is None:
            self.results = self._run()
        return self.results.get(name, self.results.get("", "the test did not run"))

    def _run(self):
        env = dict(os.environ, MICROPYPATH=f"{ROOT}/firmware:{FIRMWARE_TESTS}:.frozen")
        done = subprocess.run(
            [find(), "-X", f"heapsize={self.heap}", FIRMWARE_TESTS / "_run.py", self.path],
            env=env, capture_output=True, text=True, timeout=110,
        )
        results: dict[str, str | None] = {}
        name = None
        for line in done.stdout.splitlines():
            if line.startswith("@begin "):
                name = line[7:]
                results[name] = ""
            elif line.startswith("@passed "):
                results[line[8:]] = None
                name = None
            elif name is not None:
                results[name] = f"{results[name]}{line}\n"
        for key, text in results.items():
            if text == "":
                results[key] = f"MicroPython ended in this test (exit code {done.returncode})"
        if done.returncode and not results:
            results[""] = done.stdout + done.stderr
        return results


class MicroPythonItem(pytest.Item):
    """One test function under MicroPython."""

    def runtest(self):
        text = self.parent.outcome(self.name.split("[")[0])
        if text is not None:
            raise AssertionError(text)

    def repr_failure(self, excinfo):
        return str(excinfo.value)

    def reportinfo(self):
        return self.path, 0, f"{self.name}"


def pytest_collect_file(file_path, parent):
    if FIRMWARE_TESTS in file_path.parents and file_path.name.startswith("test_"):
        return MicroPythonFile.from_parent(parent, path=file_path)
    return None
