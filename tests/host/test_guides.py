"""docs/bench.md and docs/faults.md, as a stranger would follow them.

The package is built as a wheel and installed into an environment of its own; the examples are
written to a folder outside of the checkout and run there. The libraries come from this environment.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv

import pytest

from host_tools.bench import Bench, storm, sweep
from host_tools.micropython import find
from host_tools.places import ROOT

GUIDES = {name: (ROOT / "docs" / name).read_text(encoding="utf-8")
          for name in ("bench.md", "faults.md")}
PACKAGED = ("host_tools", "firmware", "boards", "pyproject.toml", "setup.py", "README.md",
            "LICENSE")


SCOPES = """
import pytest
from host_tools.bench import menu


@pytest.fixture(scope="module")
def shared(make_module_bench):
    bench = make_module_bench(language="en")
    bench.power_on()
    bench.sign_on()
    return bench


@pytest.fixture(scope="session")
def longest(make_session_bench):
    return make_session_bench()


def test_first(shared):
    shared.swipe("good")


def test_second(shared):
    assert shared.shows("Card number")


def test_third(longest):
    assert not longest.powered


def test_signed_on(signed_on, bench):
    assert bench is signed_on and menu.is_idle(signed_on)
"""


def blocks(name, kind):
    """The fenced blocks of that kind in a guide."""
    return re.findall(rf"```{kind}\n(.*?)```", GUIDES[name], re.DOTALL)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The package as people get it."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    for name in PACKAGED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name,
                            ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tree / name)
    before = sorted(os.listdir(tree))
    run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "-w", folder, tree], folder)
    assert sorted(os.listdir(tree)) == before  # building leaves nothing in the checkout
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def stranger(wheel, tmp_path_factory):
    """A folder with the examples in it, and the environment of somebody who installed Mobi."""
    folder = tmp_path_factory.mktemp("stranger")
    home = folder / "venv"
    venv.create(home)
    python = home / "bin" / "python"
    run([sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps",
         "--disable-pip-version-check", wheel], folder)
    packages = next((home / "lib").glob("python*/site-packages"))
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    work = folder / "work"
    work.mkdir()
    for name in GUIDES:
        for block in blocks(name, "python"):
            file = re.match(r"# (\w+\.py)\n", block)
            assert file is not None, f"a block of {name} does not say its file: {block[:60]}"
            (work / file[1]).write_text(block, encoding="utf-8")
    env = {**os.environ, "PATH": f"{home / 'bin'}:{os.environ['PATH']}", "MICROPYTHON": find()}
    for unwanted in ("PYTHONPATH", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER"):
        env.pop(unwanted, None)
    return work, env


def run(command, folder, env=None, expected=0):
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=110)
    assert done.returncode == expected, done.stdout + done.stderr
    return done.stdout


def called(command, stranger, expected=0):
    """Run a line of a guide in the stranger's folder; `pytest` is that of their environment."""
    work, env = stranger
    words = re.findall(r'"[^"]*"|\S+', command)
    words = [word.strip('"') for word in words]
    if words[0] == "pytest":
        words[:1] = ["python", "-m", "pytest", "-p", "no:cacheprovider"]
    return run([shutil.which(words[0], path=env["PATH"]), *words[1:]], work, env, expected)


def test_the_installed_package_brings_its_firmware(stranger):
    said = called("mobi doctor", stranger)
    assert "good  terminal" in said and "glyph table" not in said
    work, env = stranger
    where = run([shutil.which("python", path=env["PATH"]), "-c",
                 "import host_tools.places as p; print(p.ROOT, p.IS_CHECKOUT)"], work, env)
    assert "site-packages/host_tools/device False" in where and str(ROOT) not in where


@pytest.mark.parametrize("file", [
    "test_first.py", "test_faults.py", "test_my_acquirer.py", "test_many.py"])
def test_the_examples_of_the_bench_guide_pass(stranger, file):
    said = called(f"pytest -q {file}", stranger)
    assert re.search(r"\d+ passed", said) and "failed" not in said


@pytest.mark.parametrize("command", [
    line for name in GUIDES for block in blocks(name, "sh") for line in block.splitlines()
    if line != "pytest -q test_first.py"
])
def test_the_commands_of_the_guides_run(stranger, command):
    said = called(command, stranger)
    assert said and "BROKEN" not in said
    if command == "mobi sweep sale":
        (table,) = (block for block in blocks("faults.md", "text") if "cut in" in block)
        shown = [line.rstrip() for line in said.splitlines()]
        assert shown[: len(table.splitlines())] == table.splitlines()


def test_every_example_is_run():
    files = re.findall(r"```python\n# (\w+\.py)", "".join(GUIDES.values()))
    assert files == ["test_first.py", "test_faults.py", "conftest.py", "test_my_acquirer.py",
                     "test_many.py", "test_every_cut.py"]


def test_a_failure_names_folder_and_line_that_runs_it_again(stranger):
    work, _ = stranger
    (work / "test_wrong.py").write_text(
        "def test_wrong(bench):\n    bench.power_on()\n    bench.wait_for('nonsense', 3)\n")
    said = called("pytest -q test_wrong.py --mobi-seed 5", stranger, expected=1)
    assert "waited 3 virtual seconds for 'nonsense' on the panel" in said
    assert "pytest 'test_wrong.py::test_wrong' --mobi-board unix --mobi-seed 5" in said
    folder = re.search(r"what the bench was left with: (\S+)", said)[1]
    assert {"journal.bin", "screen.png", "trace.txt"} <= set(os.listdir(folder))


def test_a_run_without_benches_pays_nothing_for_the_plugin(stranger):
    work, env = stranger
    (work / "imported.py").write_text(
        "import sys, pytest, host_tools.bench.pytest_plugin\n"
        + "heavy = {'host_tools', 'sqlalchemy', 'PIL', 'aiohttp', 'cryptography', 'serial'}\n"
        + "print(*sorted(name for name in sys.modules if name.partition('.')[0] in heavy))\n")
    said = run(["python", "imported.py"], work, env)
    assert said.split() == ["host_tools", "host_tools.bench", "host_tools.bench.pytest_plugin"]


def test_benches_of_wider_scopes_and_one_that_is_signed_on(stranger):
    work, _ = stranger
    (work / "test_scopes.py").write_text(SCOPES, encoding="utf-8")
    assert "4 passed" in called("pytest -q test_scopes.py", stranger)


def test_the_guides_name_every_story_option_word_and_fault():
    faults, bench = GUIDES["faults.md"], GUIDES["bench.md"]
    for name in [*sweep.STORIES, *storm.RULES, *sweep.HOW]:
        assert f"`{name}`" in faults or f":{name}`" in faults, name
    for word in [*storm._DEED_WORDS, *storm._FAULT_WORDS]:
        assert f"`{word}" in faults, word
    for name in Bench.__init__.__kwdefaults__.keys() | {"board", "seed"}:
        assert f"`{name}=" in bench or f", `{name}=" in bench, name


@pytest.mark.parametrize("name", GUIDES)
def test_links_lead_somewhere(name):
    for link, anchor in re.findall(r"\]\(([\w./-]*)(#[\w-]+)?\)", GUIDES[name]):
        path = ROOT / "docs" / (link or name)
        assert path.exists(), link
        if anchor:
            titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
            assert anchor[1:] in [re.sub(r"[^\w -]", "", t).lower().replace(" ", "-")
                                  for t in titles]
