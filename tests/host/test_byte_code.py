"""The byte code that benches start from: always that of the sources as they are."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from host_tools.bench import byte_code
from host_tools.places import ROOT


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A copy of what is compiled, with a cache of its own."""
    copy = tmp_path / "checkout"
    for folder in byte_code.SOURCES:
        shutil.copytree(ROOT / folder, copy / folder,
                        ignore=shutil.ignore_patterns("__pycache__", "flows", "journal", "ui"))
    monkeypatch.setattr(byte_code, "ROOT", copy)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    byte_code._compiled.cache_clear()
    yield copy
    byte_code._compiled.cache_clear()


def kept():
    return sorted(path.name for path in (Path(os.environ["XDG_CACHE_HOME"]) / "mobi/byte-code")
                  .iterdir())


def test_every_source_is_compiled_once(sources):
    folder = Path(byte_code.path())
    assert kept() == [folder.name]
    wanted = {file.relative_to(sources / place).with_suffix(".mpy")
              for place in byte_code.SOURCES for file in (sources / place).rglob("*.py")}
    assert {file.relative_to(folder) for file in folder.rglob("*.mpy")} == wanted
    stamp = (folder / "main.mpy").stat().st_mtime_ns
    byte_code._compiled.cache_clear()
    assert byte_code.path() == str(folder)
    assert (folder / "main.mpy").stat().st_mtime_ns == stamp


def test_a_changed_source_is_compiled_anew_even_in_the_same_second(sources):
    before = byte_code.path()
    main = sources / "firmware" / "main.py"
    main.write_text("print('another')\n")
    after = byte_code.path()
    assert after != before and b"another" in (Path(after) / "main.mpy").read_bytes()


def test_many_at_once_keep_one(sources):
    script = "import sys; from pathlib import Path; from host_tools.bench import byte_code; "
    script += "byte_code.ROOT = Path(sys.argv[1]); print(byte_code.path())"
    command = [sys.executable, "-c", script, str(sources)]
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(
            lambda _: subprocess.run(command, check=True, capture_output=True, text=True).stdout,
            range(4)))
    assert len(set(said)) == 1
    assert kept() == [Path(said[0].strip()).name]  # and nothing half made


@pytest.mark.parametrize("why", ["no compiler", "nowhere to write", "a source that is wrong"])
def test_else_the_terminal_compiles(sources, monkeypatch, why):
    if why == "no compiler":
        monkeypatch.setattr(byte_code, "_compiler", lambda: None)
    elif why == "nowhere to write":
        Path(os.environ["XDG_CACHE_HOME"]).write_text("a file")
    else:
        (sources / "firmware" / "main.py").write_text("def\n")
    assert byte_code.path() == ":".join(str(sources / place) for place in byte_code.SOURCES)


def test_what_nobody_used_for_long_goes(sources):
    old = Path(byte_code.path())
    os.utime(old, (0, 0))
    (sources / "firmware" / "main.py").write_text("pass\n")
    new = Path(byte_code.path())
    assert kept() == [new.name]
