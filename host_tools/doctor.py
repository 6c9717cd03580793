"""`mobi doctor`: is everything here that the project needs, and what to do about what is not."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from host_tools import micropython
from host_tools.places import IS_CHECKOUT, ROOT

_PACKAGE = "mobi-terminal"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command of this part."""
    doctor = commands.add_parser(
        "doctor", help="check this machine; every finding names its fix",
        description="Looks for everything the project needs, starts the terminal once, and says "
        + "what to do about what is missing. Exit code 1 when something is.")
    doctor.set_defaults(run=_doctor)


class Finding(Exception):
    """Something is missing; the text says what to do."""


class Absent(Exception):
    """Something is missing that only some people need; the text says for what."""


def _python() -> str:
    return f"{sys.version.split()[0]}, {sys.executable}"


def _pins() -> Iterator[tuple[str, str]]:
    # Names and versions that this checkout was tested with; an installed package has ranges only.
    if IS_CHECKOUT:
        for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
            if "==" in line and not line.startswith("#"):
                name, _, version = line.partition("==")
                yield name, version
        return
    for line in importlib.metadata.requires(_PACKAGE) or ():
        yield line.partition(";")[0].split("<")[0].split(">")[0].split("=")[0].strip(), ""


def _packages() -> str:
    missing, count = [], 0
    for name, version in _pins():
        count += 1
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(f"{name} {version}".strip())
            continue
        if version and found != version:
            missing.append(f"{name} {version} (here: {found})")
    if missing and IS_CHECKOUT:
        raise Finding("run `make setup`; not as pinned: " + ", ".join(missing))
    if missing:
        raise Finding(f"run `pip install --upgrade {_PACKAGE}`; missing: " + ", ".join(missing))
    return f"{count} as pinned" if IS_CHECKOUT else f"{count} of them"


def _micropython() -> str:
    try:
        binary = micropython.find()
    except micropython.NoMicroPython as error:
        raise Finding(str(error)) from error
    script = "import sys; print(sys.version.split('; ')[-1])"
    try:
        done = subprocess.run([binary, "-c", script], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Finding(f"{binary} does not run here: {error}") from error
    said = done.stdout.strip()
    if done.returncode or "MicroPython" not in said:
        said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise Finding(
            f"{binary} is no MicroPython ({said}). Unset MICROPYTHON, or name a unix port.")
    return f"{said}, {binary}"


def _terminal() -> str:
    from host_tools.bench import Bench, Timeout
    from host_tools.bench.provisioning import ProvisioningFailed

    try:
        with Bench() as bench:
            bench.power_on()
            rows = " | ".join(row.strip() for row in bench.screen() if row.strip())
    except (Timeout, ProvisioningFailed, micropython.NoMicroPython, OSError) as error:
        raise Finding(f"the terminal does not boot here. {error}") from error
    return f"boots and shows: {rows}"


def _glyphs() -> str:
    check = [sys.executable, "-m", "host_tools.font", "--check"]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise Finding("run `make font`: " + (done.stdout + done.stderr).strip())
    return "current"


def _pty() -> str:
    try:
        here, there = os.openpty()
    except OSError as error:
        raise Absent(f"none to be had ({error}); `mobi run --line-pty` needs them") from error
    name = os.ttyname(there)
    os.close(here)
    os.close(there)
    return name


def _optional(program: str, purpose: str) -> Callable[[], str]:
    def check() -> str:
        beside = str(Path(sys.executable).parent)
        found = shutil.which(program, path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
        if found is None:
            raise Absent(f"not here; needed only for {purpose}")
        return found

    return check


_HERE: tuple[tuple[str, Callable[[], str]], ...] = (
    ("Python", _python),
    ("packages", _packages),
    ("MicroPython", _micropython),
    ("terminal", _terminal),
    ("pseudo terminal", _pty),
    ("mpremote", _optional("mpremote", "flashing a board that runs MicroPython")),
)
_CHECKOUT: tuple[tuple[str, Callable[[], str]], ...] = (
    ("glyph table", _glyphs),
    ("ARM compiler", _optional("arm-none-eabi-gcc", "`make uf2`, the Pico image")),
)


def _doctor(args: argparse.Namespace) -> int:
    checks = _HERE + (_CHECKOUT if IS_CHECKOUT else ())
    bad = 0
    for name, check in checks:
        try:
            verdict, text = "good", check()
        except Absent as absent:
            verdict, text = "none", str(absent)
        except Finding as finding:
            verdict, text = "BAD ", str(finding)
            bad += 1
        print(f"{verdict}  {name:<16} {text}", flush=True)
    print(f"{bad} of {len(checks)} need attention." if bad else "All that is needed is here.")
    return 1 if bad else 0
