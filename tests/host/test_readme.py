"""The README and its Chinese twin: every command in them runs, every link leads somewhere."""

import contextlib
import io
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

from host_tools.bench import pictures
from host_tools.bench.bench import LANGUAGES
from host_tools.places import ROOT
from tests.host.test_messages import EXPECTED, answer, reply_values, with_mac
from tests.programs import program

TWINS = {"en": ROOT / "README.md", "zh": ROOT / "README.zh.md"}
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in TWINS.items()}
# The environment `make setup` made has nothing to do with what runs here: make uses this one.
MAKE = ("make", "-o", ".venv/.ready")
ENV = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

# Run for real by .ci/run, which takes longer than a test may.
BY_CI = ("make test", "make uf2", "make test-pico", "make bench")


def blocks(language, kind):
    """The fenced blocks of that kind."""
    return re.findall(rf"```{kind}\n(.*?)```", TEXTS[language], re.DOTALL)


def commands(language):
    """All command lines."""
    return [line for block in blocks(language, "sh") for line in block.splitlines()]


def run(command, folder):
    """Run a command to its end; what it says."""
    words = command.split()
    words = [*MAKE, "-C", str(ROOT), *words[1:]] if words[0] == "make" else words
    done = subprocess.run(words, cwd=folder, env=ENV, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def demo(command, folder):
    run(command, folder)
    index = (ROOT / "build" / "demo" / "index.html").read_text(encoding="utf-8")
    for name in re.findall(r'(?:src|href)="([^"]+)"', index):
        assert (ROOT / "build" / "demo" / name).stat().st_size, name


def terminal(command, folder):
    # Comes up, serves its page, and goes at Ctrl-C.
    env = {**ENV, "LC_ALL": "zh_CN.UTF-8"}
    with program(*MAKE, "run", cwd=ROOT, env=env, stdin=subprocess.DEVNULL) as said:
        url = said.wait(r"http://127\.0\.0\.1:\d+/")[0]
        with urllib.request.urlopen(url, timeout=20) as page:
            assert b"Mobi" in page.read()
        said.wait("操作员登录")
        said.interrupt()
    assert not any("Traceback" in line for line in said.lines)


def serving(command, folder):
    # As written, with a pseudo terminal for the serial port.
    here, there = os.openpty()
    try:
        words = command.replace("/dev/ttyUSB0", os.ttyname(there)).split()
        with program(*words, cwd=folder, env=ENV) as said:
            said.wait("serving /dev/")
            # 130 when Ctrl-C comes between its first word and its first turn.
            assert said.interrupt() in (0, 130) and "Traceback" not in "".join(said.lines)
    finally:
        os.close(here)
        os.close(there)


def line_pty(command, folder):
    with program(*command.split(), cwd=folder, env=ENV, stdin=subprocess.DEVNULL) as said:
        port = said.wait(r"line: (\S+) at 115200")[1]
        assert os.path.exists(port)
        assert said.interrupt() == 0, said.lines


def explain(command, folder):
    (folder / "request.hex").write_text(with_mac(EXPECTED["sale"]).hex())
    (folder / "reply.hex").write_text(answer("sale", reply_values("sale")).hex())
    assert "message type 0210" in run(command, folder)


def storm(command, folder):
    assert run(command, folder).count("the money is right") == 1


def sweep(command, folder):
    assert ", 0 broken" in run(command, folder)


HOW = {
    "make demo": demo,
    "make run": terminal,
    "mobi sweep void-last": sweep,
    "mobi storm --seed 7": storm,
    "mobi run --line-pty": line_pty,
    "mobi host --port /dev/ttyUSB0": serving,
    "mobi gateway --port /dev/ttyUSB0 --connect 127.0.0.1:8583": serving,
    "mobi explain @request.hex @reply.hex": explain,
    "mobi flash --example": run,
}


@pytest.mark.parametrize("command", sorted(HOW))
def test_a_command_does_what_it_is_shown_for(command, tmp_path):
    HOW[command](command, tmp_path)


def test_all_commands_are_run():
    assert set(commands("en")) == {*HOW, *BY_CI}
    rings = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for command in BY_CI:
        ring = command.replace("make", "ring")
        assert ring in rings.splitlines(), f".ci/run leaves out {command}"
        subprocess.run([*MAKE, "-n", *command.split()[1:]], cwd=ROOT, check=True,
                       env=ENV, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_python_prints_what_stands_below_it(language):
    (code,), (promised,) = blocks(language, "python"), blocks(language, "text")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(code, TWINS[language].name, "exec"), {})
    assert said.getvalue() == promised


def test_the_twins_say_the_same():
    assert commands("en") == commands("zh")
    headings = {name: len(re.findall(r"^#+ ", text, re.MULTILINE)) for name, text in TEXTS.items()}
    assert headings["en"] == headings["zh"]
    links = {
        name: [link for link in re.findall(r"\]\((docs/[^)]+)\)", text) if "pictures" not in link]
        for name, text in TEXTS.items()
    }
    assert links["en"] == links["zh"]


def test_every_link_leads_somewhere():
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    for document in documents:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text(encoding="utf-8")):
            assert "://" in link or (document.parent / link).exists(), f"{document.name}: {link}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_picture_is_there_and_can_be_drawn_anew(language):
    # Whether it shows the very words of today, `make pictures` decides.
    assert f"docs/pictures/terminal-{language}.png" in TEXTS[language]
    with Image.open(pictures.path(language)) as committed:
        assert committed.size == pictures.draw(language).size
