"""`mobi flash` against MicroPython's raw REPL: the unix port at the other end of a pty, with the
bench's flash chips. The same firmware code answers on a Pico (tests/pico/test_flash.py)."""

import json
import os
import threading
import tty

import pytest

from host_tools import cli
from host_tools.bench import stories, wiring
from host_tools.bench.provisioning import DEFAULTS
from host_tools.flash.console import Console, ConsoleError, RemoteError
from host_tools.journal import decode

TMK = DEFAULTS["tmk"]
OPTIONS = {"terminal": "00000001", "merchant": "123456789012345", "merchant_name": "末笔便利店",
           "tmk": TMK}


class Plugged:
    """A bench whose terminal's prompt is on a pty. ``port``: its name; ``flash(...)``: the command.

    The world of the terminal runs in a thread until ``unplug``.
    """

    def __init__(self, bench):
        self.bench = bench
        self._prompt, self._end = os.openpty()
        tty.setraw(self._end)
        self.port = os.ttyname(self._end)
        bench.board.power_on(console=self._prompt)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stopped.wait(0.005):
            self.bench.clock.advance(0.005)

    def unplug(self):
        """Pull the plug; the terminal has no power then. May be called twice."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        if self.bench.board._process is not None:
            self.bench.board._process.kill()  # its world waits for what it does next
        self._thread.join()
        self.bench.power_cut()
        self.bench.expect_crashes()
        os.close(self._prompt)
        os.close(self._end)

    def flash(self, *args):
        return cli.main(["flash", "--no-image", "--port", self.port, "--patience", "5", *args])


@pytest.fixture
def plug(make_bench):
    """``plug(bench)`` plugs the console of its terminal in; all are unplugged before the benches
    go."""
    plugged = []

    def make(bench):
        plugged.append(Plugged(bench))
        return plugged[-1]

    yield make
    for one in plugged:
        one.unplug()


@pytest.fixture
def blank(make_bench):
    """A terminal that was never provisioned."""
    return make_bench(provision=False, board="unix")


@pytest.fixture
def answers(tmp_path):
    file = tmp_path / "terminal.json"
    file.write_text(json.dumps(OPTIONS), encoding="utf-8")
    file.chmod(0o600)
    return str(file)


@pytest.fixture
def traded(make_bench):
    """A terminal with one approved sale in its open batch, and no power."""
    bench = make_bench(settings={"copies": 1}, board="unix")
    bench.power_on()
    bench.sign_on()
    stories.sale(bench, 500)
    bench.power_cut()
    return bench


def money(bench):
    """What is in the journal; the terminal adds the note of its start when it is started again."""
    return [str(txn) for txn in bench.journal()]


def typed(monkeypatch, text):
    monkeypatch.setattr("sys.stdin.readline", lambda: text + "\n", raising=False)


# -- the console -----------------------------------------------------------------------------------


def test_code_runs_and_its_errors_come_back(plug, blank):
    port = plug(blank).port
    with Console(port, 5) as console:
        assert console.run("print('末笔', 6 * 7)") == "末笔 42\n"
        with pytest.raises(RemoteError) as caught:
            console.run("{}['no']")
        assert (caught.value.name, caught.value.message) == ("KeyError", "no")
        assert console.run("x = 'long' * 400\nprint(len(x))") == "1600\n"
        with pytest.raises(ConsoleError, match=r"silent for 0.3 s.*--patience"):
            console.run("import time\nfor i in range(10 ** 9): pass", 0.3)


def test_a_port_that_is_not_there_or_says_nothing():
    with pytest.raises(ConsoleError, match=r"plugged in.*dialout"), Console("/dev/nothing", 0.1):
        pass
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    with (
        pytest.raises(ConsoleError, match=r"nothing on .* answers as MicroPython does"),
        Console(os.ttyname(theirs), 0.2),
    ):
        pass
    os.close(ours)
    os.close(theirs)


# -- provisioning ----------------------------------------------------------------------------------


def test_a_blank_terminal_is_provisioned_and_trades(plug, blank, answers, capsys):
    board = plug(blank)
    assert board.flash("--provision", answers) == 0
    said = capsys.readouterr().out
    assert "not provisioned" in said and "provisioned: terminal 00000001" in said
    assert TMK not in said and "key check value 08D7B4FB" in said
    board.unplug()
    blank.power_on()
    blank.sign_on()
    assert stories.sale(blank, 500).state == "approved"


@pytest.mark.parametrize(("change", "text"), [
    ({"terminal": "12"}, "refused"),
    ({"no_such": 1}, "no_such"),
])
def test_what_the_terminal_refuses_is_told(plug, blank, tmp_path, capsys, change, text):
    file = tmp_path / "bad.json"
    file.write_text(json.dumps({**OPTIONS, **change}), encoding="utf-8")
    assert plug(blank).flash("--provision", str(file)) == 2
    assert text in capsys.readouterr().err


def test_without_anything_to_do_it_only_tells(plug, traded, capsys):
    before = money(traded)
    assert plug(traded).flash() == 0
    said = capsys.readouterr().out
    assert "self-test good: unix" in said
    assert "terminal 00000001, master key 08D7B4FB; journal clean, batch 1" in said
    assert "the terminal has been started" in said
    assert len(before) == 1 and money(traded) == before


# -- the journal is not to be lost -----------------------------------------------------------------


def test_unsettled_transactions_are_never_touched(plug, traded, answers, capsys):
    before = money(traded)
    assert plug(traded).flash("--provision", answers) == 2
    assert "nothing was changed. Settle on the terminal first" in capsys.readouterr().err
    assert len(before) == 1 and money(traded) == before


def test_wiping_wants_the_terminal_number_typed(plug, traded, tmp_path, monkeypatch, capsys):
    before = money(traded)
    typed(monkeypatch, "yes")
    assert plug(traded).flash("--wipe-journal", "--backup", str(tmp_path)) == 2
    said = capsys.readouterr()
    assert "not wiped" in said.err and "settle first" in said.out
    assert len(before) == 1 and money(traded) == before


def test_wiping_saves_the_journal_and_keeps_the_numbers(plug, traded, tmp_path, monkeypatch):
    (sale,) = traded.journal()
    typed(monkeypatch, "00000001")
    board = plug(traded)
    assert board.flash("--wipe-journal", "--backup", str(tmp_path)) == 0
    (backup,) = tmp_path.glob("mobi-journal-00000001-*.bin")
    assert decode(backup.read_bytes()).transactions == [sale]
    assert backup.stat().st_mode & 0o077 == 0
    board.unplug()
    assert decode(bytes(traded.rig.flash[wiring.JOURNAL].mem)).transactions == []
    traded.power_on()
    traded.sign_on()
    assert stories.sale(traded, 700).trace > sale.trace


def test_a_damaged_journal_counts_as_full(plug, traded, answers, capsys):
    nor = traded.rig.flash[wiring.JOURNAL]
    nor.load(bytes(range(256)) * (nor.size // 256))
    before = bytes(nor.mem)
    assert plug(traded).flash("--provision", answers) == 2
    assert "nothing was changed" in capsys.readouterr().err
    assert bytes(nor.mem) == before
