"""`mobi host` on real lines: TCP, serial ports (ptys), several terminals, notices, command line."""

import argparse
import http.server
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import tty
from contextlib import contextmanager
from pathlib import Path

import pytest

from host_tools.acquirer import Acquirer, cli, notices
from host_tools.acquirer.client import Client, TerminalEnd
from host_tools.acquirer.codec import decode
from host_tools.acquirer.lines import LineClosed
from host_tools.acquirer.notices import Courier, FileSink, SinkFailed, Webhook
from host_tools.acquirer.server import Server
from host_tools.cli import UserError
from tests.host.acquirer_kit import CARDS, GOOD, Bank
from tests.programs import program

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 20


@contextmanager
def serving(acquirer, **options):
    """A server on its own thread; gives it and what it says."""
    said: list[str] = []
    server = Server(acquirer, said.append, **options)
    server.said = said
    thread = threading.Thread(target=server.run)

    class Started:
        def __enter__(self):
            thread.start()
            return self

        def __exit__(self, *_):
            server.stop()
            thread.join(PATIENCE_S)
            assert not thread.is_alive()

    yield server, Started()


def until(condition, what="it"):
    """Wait for another thread or process; the only kind of waiting in these tests."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen"
        select.select([], [], [], 0.005)


class Tcp:
    """A terminal on TCP."""

    def __init__(self, address, terminal="00000001"):
        self.sock = socket.create_connection(address, PATIENCE_S)
        self.client = Client(terminal)
        self.file = self.sock.makefile("rb")

    def put(self, message):
        self.sock.sendall(len(message).to_bytes(2, "big") + message)

    def get(self):
        length = self.file.read(2)
        return self.file.read(int.from_bytes(length, "big")) if len(length) == 2 else None

    def ask(self, message):
        self.put(message)
        return decode(self.get())

    def sign_on(self):
        self.put(self.client.sign_on())
        self.client.signed_on(self.get())
        return self

    def close(self):
        self.file.close()
        self.sock.close()


class Pty:
    """A terminal on the other end of a pty."""

    def __init__(self, session=7):
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        os.close(slave)
        self.end = TerminalEnd(session)
        self.client = Client()

    def put(self, message):
        os.write(self.master, self.end.send(message))
        assert self._work(lambda: not self.end.waiting, PATIENCE_S), "no session began"

    def get(self, patience=PATIENCE_S):
        """The next reply; None when none comes."""
        if self._work(lambda: self.end.replies, patience):
            return self.end.replies.pop(0)
        return None

    def _work(self, condition, patience):
        # A host on a busy machine may miss its time to speak: then ask again, as terminals do.
        # Not where the test expects silence.
        pause = 1.0 if patience == PATIENCE_S else patience
        end = time.monotonic() + patience
        while not condition():
            if select.select([self.master], [], [], pause)[0]:
                os.write(self.master, self.end.feed(os.read(self.master, 4096)))
            elif time.monotonic() >= end:
                return False
            elif pause < patience:
                os.write(self.master, self.end.again())
        return True

    def ask(self, message):
        self.put(message)
        return decode(self.get())

    def sign_on(self):
        self.put(self.client.sign_on())
        self.client.signed_on(self.get())
        return self

    def close(self):
        os.close(self.master)


# TCP


def test_several_terminals_on_tcp_at_once():
    bank = Acquirer(seed=1)
    for number in range(2, 9):
        bank.add_terminal(f"{number:08d}")
    with serving(bank) as (server, started):
        address = server.listen("127.0.0.1", 0)
        with started:
            terminals = [Tcp(address, f"{number:08d}").sign_on() for number in range(1, 9)]
            for round_ in range(5):
                for terminal in terminals:
                    terminal.put(terminal.client.sale(100 + round_))
                for terminal in terminals:
                    answer = decode(terminal.get())
                    assert answer.get("39") == "00"
                    assert answer.get("41") == terminal.client.terminal
            for terminal in terminals:
                terminal.close()
    ledger = bank.ledger()
    ledger.check()
    assert ledger.balance("merchant") == 8 * (100 + 101 + 102 + 103 + 104)
    bank.close()


def test_without_free_descriptors_it_waits_in_silence_and_goes_on():
    # The limit holds for a process of its own. It leaves room for some ten connections.
    words = (sys.executable, "-u", "-m", "host_tools.cli", "host", "--listen", "127.0.0.1:0",
             "--database", "sqlite://")
    with program("sh", "-c", "ulimit -n 24; exec \"$@\"", "host", *words) as said:
        address = ("127.0.0.1", int(said.wait(r"listening on [\d.]+:(\d+)")[1]))
        sockets = [socket.create_connection(address, PATIENCE_S) for _ in range(40)]
        said.wait("no further connection can be taken: Too many open files; [0-9]+ lines")
        before = len(said.lines), cpu_s(said.process.pid)
        waited(2.5)
        after = len(said.lines), cpu_s(said.process.pid)
        assert after[0] == before[0], said.lines[before[0]:]
        assert after[1] - before[1] < 0.5, "it spins"
        # Those that were let in are served, and those that wait, as soon as others end.
        for sock in sockets[:30]:
            sock.close()
        late = Tcp.__new__(Tcp)
        late.sock, late.client, late.file = sockets[39], Client(), sockets[39].makefile("rb")
        late.sign_on()
        for sock in sockets[30:]:
            sock.close()


def cpu_s(pid):
    """Seconds of processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def waited(seconds):
    """Let real time pass, as only a test of idleness must."""
    select.select([], [], [], seconds)


def test_idle_connections_end_and_busy_ones_do_not(monkeypatch):
    bank = Acquirer(seed=1)
    bank.rule("sale", delay=1.5)
    with serving(bank, idle_s=1) as (server, started):
        address = server.listen("127.0.0.1", 0)
        with started:
            idle = socket.create_connection(address, PATIENCE_S)
            busy = Tcp(address).sign_on()
            busy.put(busy.client.sale(100))  # its answer takes longer than a connection may idle
            assert idle.recv(1) == b""
            assert decode(busy.get()).get("39") == "00"
            assert busy.file.read(1) == b"", "in the end it is idle, too"
            until(lambda: sum("silent for 1 s; closed" in line for line in server.said) == 2)
            idle.close()
            busy.close()
    bank.close()


@pytest.mark.parametrize("idle", ["x", "-1", "1.5"])
def test_a_wrong_idle_time_is_explained(idle, capsys):
    parser = argparse.ArgumentParser()
    cli.add_parsers(parser.add_subparsers())
    with pytest.raises(SystemExit):
        parser.parse_args(["host", "--listen", "127.0.0.1:0", f"--idle={idle}"])
    assert "no number of seconds" in capsys.readouterr().err


def test_what_is_wrong_with_bytes_on_tcp_is_said_after_the_good_ones_are_answered():
    bank = Acquirer(seed=1)
    with serving(bank) as (server, started):
        address = server.listen("127.0.0.1", 0)
        with started:
            terminal = Tcp(address).sign_on()
            message = terminal.client.sale(100)
            terminal.sock.sendall(len(message).to_bytes(2, "big") + message + b"\xff\xff")
            assert decode(terminal.get()).get("39") == "00"
            assert terminal.get() is None
            terminal.close()
            until(lambda: any("announced a message of 65535 bytes" in line
                              for line in server.said))
            terminal = Tcp(address)
            message = terminal.client.manage("0820", "301", f57="5A" * 990)
            assert len(message) > 1024
            terminal.put(message)
            until(lambda: any(f"{len(message)} bytes are more than any message has" in line
                              for line in server.said), server.said)
            terminal.put(terminal.client.manage("0820", "301"))
            assert decode(terminal.get()).get("39") == "00", "the connection goes on"
            terminal.sock.sendall((len(message) + 2).to_bytes(2, "big"))
            terminal.close()
    bank.close()


def test_a_message_in_single_bytes_and_two_in_one_piece():
    bank = Acquirer(seed=1)
    with serving(bank) as (server, started):
        address = server.listen("127.0.0.1", 0)
        with started:
            terminal = Tcp(address).sign_on()
            message = terminal.client.sale(100)
            for byte in len(message).to_bytes(2, "big") + message:
                terminal.sock.sendall(bytes((byte,)))
            assert decode(terminal.get()).get("39") == "00"
            two = [terminal.client.sale(1), terminal.client.sale(2)]
            terminal.sock.sendall(b"\0\0" + b"".join(
                len(m).to_bytes(2, "big") + m for m in two))
            assert [decode(terminal.get()).get("39") for _ in two] == ["00", "00"]
            terminal.close()
            until(lambda: any("hung up" in text for text in server.said), "the farewell")
    bank.close()


def test_who_speaks_another_framing_is_told_so():
    bank = Acquirer(seed=1)
    with serving(bank) as (server, started):
        address = server.listen("127.0.0.1", 0)
        with started:
            stranger = Tcp(address)
            stranger.sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert stranger.get() is None, "the line is closed"
            stranger.close()
            until(lambda: any("two-byte big-endian length" in text for text in server.said))
    bank.close()


def test_late_answers_do_not_hold_up_the_others_and_a_cut_closes_the_line():
    bank = Acquirer(seed=1)
    with serving(bank) as (server, started):
        address = server.listen("127.0.0.1", 0)
        with started:
            terminal = Tcp(address).sign_on()
            bank.rule("sale", delay=0.3)
            terminal.put(terminal.client.sale(100))
            assert terminal.ask(terminal.client.manage("0820", "301")).mti == "0830"
            assert decode(terminal.get()).get("39") == "00"
            bank.rule("sale", duplicate=True)
            terminal.put(terminal.client.sale(100))
            assert terminal.get() == terminal.get()
            bank.rule("sale", cut=5)
            terminal.put(terminal.client.sale(100))
            assert terminal.get() is None
            terminal.close()
    assert bank.ledger().balance("merchant") == 300
    bank.close()


def test_an_answer_for_a_line_that_is_gone_is_dropped():
    bank = Acquirer(seed=1)
    with serving(bank) as (server, started):
        address = server.listen("127.0.0.1", 0)
        with started:
            terminal = Tcp(address).sign_on()
            bank.rule("sale", delay=0.2)
            terminal.put(terminal.client.sale(100))
            until(lambda: len(list(bank.trace)) >= 4)
            terminal.close()
            until(lambda: any("the line is gone" in text for text in server.said))
    bank.close()


# Serial


def test_a_terminal_on_a_serial_port():
    bank = Acquirer(seed=1)
    terminal = Pty()
    with serving(bank) as (server, started):
        server.serial(terminal.path)
        with started:
            terminal.sign_on()
            for number in range(40):  # more requests than one session of the link has numbers
                assert terminal.ask(terminal.client.sale(number + 1)).get("39") == "00"
            os.write(terminal.master, b"noise \x7e\x01\x02\x7e" + bytes(range(256)))
            assert terminal.ask(terminal.client.balance()).get("39") == "00"
            bank.rule("sale", duplicate=True)
            terminal.put(terminal.client.sale(1))
            first, again = terminal.get(), terminal.get()
            terminal.put(b"nonsense")
            until(lambda: any("not answered: " in text and "too short" in text
                              for text in server.said))
            assert first == again, "a host that keeps no rules sends it twice"
    terminal.close()
    assert bank.ledger().balance("merchant") == sum(range(1, 41)) + 1
    bank.close()


def test_a_cut_serial_line_is_dead_both_ways():
    bank = Acquirer(seed=1)
    terminal = Pty()
    with serving(bank) as (server, started):
        server.serial(terminal.path)
        with started:
            terminal.sign_on()
            bank.rule("sale", cut=0.8)
            terminal.put(terminal.client.sale(5))
            assert terminal.get(0.2) is None
            terminal.put(terminal.client.sale(7))
            assert terminal.get(1.0) is None
            terminal.end = TerminalEnd(99)
            assert terminal.ask(terminal.client.sale(11)).get("39") == "00"
    terminal.close()
    assert bank.ledger().balance("merchant") == 5 + 11, "the sale in the dead time never came"
    bank.close()


def test_a_port_that_goes_away_is_taken_back_when_it_returns(tmp_path, monkeypatch):
    from host_tools.acquirer import loop

    monkeypatch.setattr(loop, "REOPEN_MS", 50)
    bank = Acquirer(seed=1)
    first, second = Pty(), Pty(50)
    link = tmp_path / "tty"
    link.symlink_to(first.path)
    with serving(bank) as (server, started):
        server.serial(str(link))
        with started:
            first.sign_on()
            link.unlink()
            first.close()
            until(lambda: any("lost" in text or "hung up" in text for text in server.said))
            link.symlink_to(second.path)
            until(lambda: any("back again" in text for text in server.said))
            second.sign_on()
            assert second.ask(second.client.sale(5)).get("39") == "00"
    second.close()
    bank.close()


def test_a_port_that_is_not_there_is_named():
    bank = Acquirer()
    server = Server(bank, print)
    with pytest.raises(LineClosed, match="/dev/nowhere"):
        server.serial("/dev/nowhere")
    server.close()
    bank.close()


# Notices


class Receiver(http.server.BaseHTTPRequestHandler):
    """A webhook that can be told to fail. ``got`` and ``answers`` are set by the fixture."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        code = self.answers.pop(0) if self.answers else 204
        if code < 300:
            self.got.append((self.headers["Idempotency-Key"], body))
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    handler = type("Handler", (Receiver,), {"got": [], "answers": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    handler.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


def trading_day():
    bank = Bank(notices=True)
    sale, answer = bank.sold(100_00)
    bank.send(bank.pos.refund(10_00, answer.get("37"), "1122"))
    sale, _ = bank.sold(5_00)
    bank.send(bank.pos.void(sale))
    sale, _ = bank.sold(6_00)
    bank.send(bank.pos.reversal(sale))
    for _ in range(3):
        bank.send(bank.pos.sale(1_00, pin="000000"))
    bank.send(bank.pos.settle(105_00, 2, 15_00, 2))
    bank.send(bank.pos.end(True, 0))
    return bank


EVENTS = ["approved", "refunded", "approved", "voided", "approved", "reversed", "risk", "settled"]


def test_events_go_to_a_file_line_by_line(tmp_path):
    bank = trading_day()
    path = tmp_path / "events.jsonl"
    said = []
    assert Courier(bank.host, [FileSink(path)], said.append).deliver_waiting()
    events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [event["event"] for event in events] == EVENTS and not said
    assert events[0]["amount"] == 100_00 and events[0]["card_last4"] == "0128"
    assert events[3]["original_trace"] == 4 and events[5]["reason"] == "98"
    assert events[7]["debit"] == 105_00 and events[7]["credits"] == 2
    assert [event["number"] for event in events] == sorted(event["number"] for event in events)
    text = path.read_text()
    assert GOOD.pan not in text and GOOD.pan[:6] not in text
    assert not bank.host.waiting_notices()


def test_events_go_to_a_webhook_and_wait_while_it_fails(receiver):
    bank = trading_day()
    said = []
    courier = Courier(bank.host, [Webhook(receiver.url, said.append)], said.append)
    receiver.answers += [204, 503]
    assert not courier.deliver_waiting()
    assert len(receiver.got) == 1 and "503" in said[-1] and "kept" in said[-1]
    assert len(bank.host.waiting_notices()) == len(EVENTS) - 1
    receiver.answers += [400]
    assert courier.deliver_waiting()
    assert "refuses event" in said[-1]
    assert [body["event"] for _, body in receiver.got] == [EVENTS[0], *EVENTS[2:]]
    assert all(key == str(body["number"]) for key, body in receiver.got)


def test_a_sink_that_works_is_not_given_an_event_twice_for_one_that_fails(receiver, tmp_path):
    bank = trading_day()
    path = tmp_path / "events.jsonl"
    receiver.answers += [500, 500]
    courier = Courier(bank.host, [FileSink(path), Webhook(receiver.url)], lambda _: None)
    while not courier.deliver_waiting():
        pass
    assert len(path.read_text().splitlines()) == len(EVENTS) == len(receiver.got)


def test_the_courier_retries_by_itself(receiver, monkeypatch):
    monkeypatch.setattr(notices, "FIRST_RETRY_S", 0.01)
    bank = trading_day()
    courier = Courier(bank.host, [Webhook(receiver.url)], lambda _: None)
    receiver.answers += [500, 500, 500]
    courier.start()
    until(lambda: len(receiver.got) == len(EVENTS), "the delivery")
    bank.pos.batch = 2
    bank.sold(1, card=CARDS["second"])
    courier.poke()
    until(lambda: len(receiver.got) == len(EVENTS) + 1, "the next one")
    courier.stop()


def test_a_webhook_nobody_answers_is_a_failure_to_retry():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/"
    with pytest.raises(SinkFailed):
        Webhook(url).deliver(1, {"event": "approved"})
    with pytest.raises(ValueError, match="http"):
        Webhook("ftp://x")


def test_without_notices_nothing_is_kept():
    bank = Bank()
    bank.sold(1)
    assert bank.host.waiting_notices() == []


# Command line


def arguments(*words):
    parser = argparse.ArgumentParser()
    cli.add_parsers(parser.add_subparsers())
    return parser.parse_args(words)


def test_the_tables_are_printed(capsys):
    assert cli.run_host(arguments("host", "--amounts")) == 0
    assert "| .51 | declined with 51 |" in capsys.readouterr().out
    assert cli.run_host(arguments("host", "--cards")) == 0
    assert "6222021234567890128" in capsys.readouterr().out


@pytest.mark.parametrize("words,complaint", [
    ((), "--port"), (("--port", "/dev/nowhere"), "/dev/nowhere"),
    (("--listen", "nowhere"), "HOST:PORT"), (("--listen", "127.0.0.1:99999"), "HOST:PORT"),
    (("--listen", "203.0.113.1:1"), "Cannot listen"),
    (("--listen", "127.0.0.1:0", "--database", "foo"), "no database URL"),
    (("--listen", "127.0.0.1:0", "--database", "sqlite:////nowhere/x"), "unable to open"),
    (("--listen", "127.0.0.1:0", "--personality", "x"), "honest"),
    (("--listen", "127.0.0.1:0", "--rules", "/nowhere.json"), "cannot read"),
    (("--listen", "127.0.0.1:0", "--webhook", "x"), "http"),
    (("--listen", "127.0.0.1:0", "--terminal", "1"), "8 ASCII"),
])
def test_what_cannot_work_is_explained(words, complaint):
    if "--database" not in words:
        words = (*words, "--database", "sqlite://")
    with pytest.raises(UserError, match=complaint):
        cli.run_host(arguments("host", *words))


_MOBI = """
import argparse, sys
from host_tools.acquirer import cli
parser = argparse.ArgumentParser()
cli.add_parsers(parser.add_subparsers())
args = parser.parse_args()
sys.exit(args.run(args))
"""


@contextmanager
def process(*words):
    """`mobi host` as a process of its own; gives it and a way to read its lines."""
    running = subprocess.Popen([sys.executable, "-c", _MOBI, *words], cwd=ROOT, text=True,
                               stdout=subprocess.PIPE)
    try:
        yield running
    finally:
        running.kill()
        running.wait()
        running.stdout.close()


def line_with(running, text):
    for line in running.stdout:
        if text in line:
            return line
    raise AssertionError(f"no line with {text!r}")


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_mobi_host_as_a_program(tmp_path, sign):
    rules = tmp_path / "rules.json"
    rules.write_text('[{"match": "sale", "code": "05"}]')
    events = tmp_path / "events.jsonl"
    words = ("host", "--listen", "127.0.0.1:0", "--database", f"sqlite:///{tmp_path}/books",
             "--rules", str(rules), "--notices", str(events), "--trace", "--fee", "60",
             "--terminal", "00000002")
    with process(*words) as running:
        port = int(line_with(running, "listening").rsplit(":", 1)[1])
        terminal = Tcp(("127.0.0.1", port), "00000002").sign_on()
        assert terminal.ask(terminal.client.sale(100_00)).get("39") == "05", "the rule"
        assert terminal.ask(terminal.client.sale(100_51)).get("39") == "51", "the magic amount"
        assert terminal.ask(terminal.client.sale(100_00)).get("39") == "00"
        assert GOOD.masked in line_with(running, "card number")
        terminal.close()
        running.send_signal(sign)
        assert running.wait(PATIENCE_S) == 0
        assert "ended" in running.stdout.read()
    host = Acquirer(f"sqlite:///{tmp_path}/books")
    assert host.ledger().balance("fee") == 60
    host.close()
    assert json.loads(events.read_text().splitlines()[-1])["event"] == "approved"
