"""What `make bench` says about its numbers, and the numbers of the whole terminal."""

import json
from types import SimpleNamespace

import pytest

from host_tools.cli import main
from host_tools.measure import cli, journal, report, terminal
from host_tools.places import ROOT

PARTS = {name: cli.load(name) for name in cli.parts()}
# Times of this machine's processor: how busy it is decides them.
OF_THE_MACHINE = ("boot_ms", "loop.idle_share", "journal.cpu_", "journal.mount_ms_",
                  "journal.find_")


def test_the_documentation_describes_every_number():
    written = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert written == cli.describe(), "run: mobi bench --describe > docs/benchmarks.md"


@pytest.mark.parametrize("part", sorted(PARTS))
def test_goals_belong_to_numbers_and_can_be_read(part):
    module = PARTS[part]
    assert (module.__doc__ or "").strip() and callable(module.measure)
    for name, goal in report.goals(module).items():
        assert name in module.DESCRIPTIONS, name
        assert goal.split(" ")[0] in ("<=", ">="), goal
        report.is_met(0.0, goal)


def test_no_number_has_two_descriptions():
    names = [name for module in PARTS.values() for name in module.DESCRIPTIONS]
    assert len(names) == len(set(names))


def missed(part, measured):
    """The goals that are not met, whatever the machine."""
    return report.missed(part, {name: value for name, value in measured.items()
                                if not name.startswith(OF_THE_MACHINE)})


def test_the_journal_reaches_its_goals():
    measured = journal.alone()
    assert len(measured) > 20 and set(measured) <= set(journal.DESCRIPTIONS)
    assert missed(journal, measured) == []


def test_the_terminal_reaches_its_goals(monkeypatch):
    monkeypatch.setattr(terminal, "_SALES", 3)
    monkeypatch.setattr(terminal, "_IDLE_MIN", 5)
    measured = terminal.measure()
    assert set(measured) == set(terminal.DESCRIPTIONS)
    assert missed(terminal, measured) == []
    # A digit waits for its debouncing and its time on the bus, never less.
    assert measured["ui.key_to_pixels_ms"] > 1
    assert measured["heap.free_deepest"] < measured["heap.free_idle"] < 1200 * 1024
    assert 0 < measured["loop.idle_turns_per_min"] < 600


def test_the_table_shows_goals_and_baselines():
    part = SimpleNamespace(
        __doc__="What it is.\n\nMore.",
        DESCRIPTIONS={"a.x": "an x", "a.other.x": "the other's x", "a.y": "a y"},
        GOALS={"a.x": "<= 2", "a.y": ">= 5"},
        BASELINES={"other": "somebody else"},
    )
    measured = {"a.x": 1234.5, "a.other.x": 0.25, "a.y": 5}
    title, x, beside, y = report.table(part, measured)
    assert title == "What it is."
    assert x.split()[:5] == ["a.x", "1,234.5", "<=", "2", "MISS"]
    assert "beside it: other 0.250" in beside
    assert y.split()[:5] == ["a.y", "5", ">=", "5", "good"]
    assert report.missed(part, measured) == ["a.x is 1,234.5, goal <= 2"]


def test_a_part_alone_keeps_the_numbers_of_the_others(tmp_path, capsys):
    out = tmp_path / "bench.json"
    out.write_text('{"kept": 1, "line.upload_s": 9}')
    assert main(["bench", "line", "--out", str(out)]) == 0
    written = json.loads(out.read_text())
    assert written["kept"] == 1 and written["line.upload_s"] != 9
    assert set(written) == {"kept", *PARTS["line"].DESCRIPTIONS}
    assert "line.efficiency" in capsys.readouterr().out


def test_an_unknown_part_is_named(capsys):
    assert main(["bench", "weather"]) == 2
    assert "nothing measures weather" in capsys.readouterr().err
