"""`mobi doctor`: is everything here that the project needs, and what to do about what is not."""

from __future__ import annotations

import argparse
import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from host_tools import micropython

ROOT = Path(__file__).resolve().parents[1]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command of this part."""
    doctor = commands.add_parser("doctor", help="check this machine; every finding names its fix")
    doctor.set_defaults(run=_doctor)


class Finding(Exception):
    """Something is missing; the text says what to do."""


def _python() -> str:
    return sys.version.split()[0]


def _packages() -> str:
    missing = []
    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line.split("==") for line in pins if "==" in line and not line.startswith("#")]
    for name, version in wanted:
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(f"{name} {version}")
            continue
        if found != version:
            missing.append(f"{name} {version} (here: {found})")
    if missing:
        raise Finding("run `make setup`; not as pinned: " + ", ".join(missing))
    return f"{len(wanted)} as pinned"


def _micropython() -> str:
    try:
        binary = micropython.find()
    except micropython.NoMicroPython as error:
        raise Finding(str(error)) from error
    script = "import sys; print(sys.version.split('; ')[-1])"
    done = subprocess.run([binary, "-c", script], capture_output=True, text=True)
    if done.returncode:
        raise Finding(f"{binary} does not run: {done.stderr.strip()}")
    return done.stdout.strip()


def _terminal() -> str:
    from host_tools.bench.bench import Bench

    with Bench() as bench:
        bench.power_on()
        rows = " | ".join(row.strip() for row in bench.screen() if row.strip())
        if not bench.powered or not rows:
            raise Finding("the terminal does not boot here; its log: " + bench.log.read_text())
    return f"boots and shows: {rows}"


def _glyphs() -> str:
    done = subprocess.run(
        [sys.executable, "-m", "host_tools.font", "--check"], cwd=ROOT,
        capture_output=True, text=True,
    )
    if done.returncode:
        raise Finding("run `make font`: " + (done.stdout + done.stderr).strip())
    return "current"


def _optional(program: str, purpose: str) -> Callable[[], str]:
    def check() -> str:
        found = shutil.which(program)
        return found or f"not here; needed only for {purpose}"

    return check


CHECKS: tuple[tuple[str, Callable[[], str]], ...] = (
    ("Python", _python),
    ("packages", _packages),
    ("MicroPython", _micropython),
    ("glyph table", _glyphs),
    ("terminal", _terminal),
    ("mpremote", _optional("mpremote", "flashing a board that runs MicroPython")),
    ("ARM compiler", _optional("arm-none-eabi-gcc", "building the Pico image")),
)


def _doctor(args: argparse.Namespace) -> int:
    bad = 0
    for name, check in CHECKS:
        try:
            print(f"good  {name:<14} {check()}")
        except Finding as finding:
            bad += 1
            print(f"BAD   {name:<14} {finding}")
    if bad:
        print(f"{bad} of {len(CHECKS)} need attention.")
    return 1 if bad else 0
