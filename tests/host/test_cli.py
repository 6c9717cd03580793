"""The command line as a whole: help, wrong use of every command, and `mobi doctor`.

What is wrong with one command in particular is tested with that command.
"""

import importlib.metadata
import os
import re
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from host_tools import __version__, cli
from tests.programs import mobi, program

COMMANDS = ("run", "demo", "sweep", "storm", "host", "gateway", "journal", "evidence", "flash",
            "bench", "doctor", "explain")


def test_every_command_is_listed_and_helps(capsys):
    code, out, _ = mobi(capsys, "--help")
    assert code == 0
    for command in COMMANDS:
        assert f"\n    {command} " in out, command
        code, text, _ = mobi(capsys, command, "--help")
        assert code == 0 and f"usage: mobi {command}" in text
    listed = [line for line in out.splitlines() if line.startswith("    ") and line[4] != " "]
    assert len(listed) == len(COMMANDS)


def test_without_a_command_there_is_help(capsys):
    code, out, err = mobi(capsys)
    assert code == 2 and not out and "demo" in err


def test_the_version_is_that_of_the_package(capsys):
    assert mobi(capsys, "--version")[1].strip() == f"mobi {__version__}"
    assert importlib.metadata.version("mobi-terminal") == __version__


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in ("sweep", "gateway", "journal",
                                                                      "explain")])
def test_an_unknown_option_is_told_in_the_words_of_its_command(capsys, command):
    code, _, err = mobi(capsys, command, "--nonsense")
    assert code == 2 and f"usage: mobi {command}" in err and "--nonsense" in err


@pytest.mark.parametrize(("line", "wanted"), [
    ("nothing", "'demo'"),
    ("sweep", "STORY"),
    ("gateway", "--connect"),
    ("journal", "WHAT"),
    ("journal dump", "IMAGE"),
    ("journal dump {missing}", "No such file"),
    ("journal verify {file}", "whole sectors"),
    ("explain zz", "hexadecimal"),
    ("evidence 2", "--journal"),
    ("host", "--listen"),
    ("host --listen nowhere", "HOST:PORT"),
    ("host --listen 127.0.0.1:{port}", "{port}"),
    ("host --listen 127.0.0.1:0 --database nope://x", "nope"),
    ("host --port {missing}", "{missing}"),
    ("gateway --port {missing} --connect 127.0.0.1:1", "{missing}"),
    ("run --page {port}", "--page 0"),
    ("run --page 99999", "no port"),
    ("run --keep {file}", "no folder"),
    ("run --no-page --board arduino", "unix"),
    ("run --no-page --host-port {missing}", "{missing}"),
    ("run --no-page --connect 127.0.0.1:1", "Start it first"),
    ("run --no-page --connect nowhere", "HOST:PORT"),
    ("run --line-pty --host-port x", "not allowed with"),
    ("demo --out {file}", "--out"),
    ("demo --out {file}/x", "--out"),
    ("bench --out {file}/x", "Nothing was measured"),
    ("bench --out {folder}", "Nothing was measured"),
    ("bench journal --out {file}", "no numbers of an earlier run"),
    ("run --notices {missing}/x", "Nothing was started"),
    ("run --notices {folder}", "Nothing was started"),
    ("host --listen 127.0.0.1:0 --notices {missing}/x", "Nothing was started"),
])
def test_wrong_use_says_what_to_do(capsys, tmp_path, line, wanted):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (tmp_path / "file").write_text("no flash image")
        names = {"missing": tmp_path / "missing", "folder": tmp_path, "file": tmp_path / "file",
                 "port": taken.getsockname()[1]}
        code, _, err = mobi(capsys, *line.format(**names).split())
        assert code == 2 and wanted.format(**names) in err, err


# -- told to end -----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["demo --out {out}/demo", "run --no-page", "sweep void-last"])
def test_a_program_that_is_told_to_end_leaves_nothing_behind(tmp_path, command):
    # SIGTERM goes to it alone: what it has started it must end itself.
    (tmp_path / "tmp").mkdir()
    line = [sys.executable, "-m", "host_tools.cli", *command.format(out=tmp_path).split()]
    with program(*line, env=dict(os.environ, TMPDIR=str(tmp_path / "tmp"))) as said:
        deadline = time.monotonic() + 30
        while not _children(said.process.pid):
            assert time.monotonic() < deadline and said.process.poll() is None, said.lines
        terminals = _children(said.process.pid)
        said.process.send_signal(signal.SIGTERM)
        assert said.process.wait(20) == 143
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not any(_runs(pid) for pid in terminals)
    assert not any("Traceback" in text for text in said.lines), said.lines


def test_ctrl_c_while_the_command_line_is_being_put_together(monkeypatch, capsys):
    # Importing every command takes a good part of the first second.
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "parser", interrupted)
    assert mobi(capsys, "demo")[0] == 130


def _children(pid):
    # Of all its threads.
    try:
        return [
            child for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()]
    except OSError:
        return []


def _runs(pid):
    try:
        return "micropython" in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False


# -- doctor ----------------------------------------------------------------------------------------


def test_doctor_finds_everything_here(capsys):
    code, out, _ = mobi(capsys, "doctor")
    assert code == 0, out
    for name in ("Python", "packages", "MicroPython", "terminal", "glyph table"):
        assert f"good  {name}" in out, out
    assert "操作员" in out


def test_doctor_names_the_fix_for_a_micropython_that_is_none(capsys, monkeypatch):
    for binary, wanted in (("/nowhere/micropython", "Unset it"), ("/bin/false", "exit code 1"),
                           ("/bin/echo", "no MicroPython")):
        monkeypatch.setenv("MICROPYTHON", binary)
        code, out, _ = mobi(capsys, "doctor")
        assert code == 1 and "2 of " in out
        assert f"BAD   MicroPython      {binary}" in out or f"={binary}" in out
        assert wanted in out and "BAD   terminal" in out


def test_doctor_names_packages_that_are_missing_or_others(capsys, monkeypatch):
    real = importlib.metadata.version

    def version(name):
        if name == "aiohttp":
            raise importlib.metadata.PackageNotFoundError(name)
        return "0.1" if name == "pyserial" else real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    code, out, _ = mobi(capsys, "doctor")
    assert code == 1 and "make setup" in out
    assert "aiohttp" in out and "(here: 0.1)" in out


def test_doctor_tells_what_only_some_people_need(capsys, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    code, out, _ = mobi(capsys, "doctor")
    assert code == 0 and re.search("none  mpremote .*flashing", out), out
