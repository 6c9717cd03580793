"""A terminal against an acquirer behind TCP, in virtual time: `mobi host` in a process of its own.

The host of a stranger stands for the same; what it does wrong is done here by a socket.
"""

import re
import socket
import sys
import threading

import pytest

from host_tools.acquirer import Acquirer
from host_tools.bench import Bench, abroad, stories
from host_tools.bench.line import LineError
from tests.programs import program


@pytest.fixture
def host(tmp_path):
    """Where it listens, and its database."""
    database = f"sqlite:///{tmp_path}/host.sqlite"
    command = (sys.executable, "-u", "-m", "host_tools.cli", "host", "--no-magic",
               "--listen", "127.0.0.1:0", "--database", database)
    with program(*command) as said:
        port = said.wait(r"listening on [\d.]+:(\d+)")[1]
        yield f"tcp:127.0.0.1:{port}", database


def ledger(database):
    books = Acquirer(database)
    found = books.ledger()
    books.close()
    found.check()
    return found


def test_a_day_in_virtual_time_with_the_faults_of_the_line(make_bench, host):
    address, database = host
    b = make_bench(line=address)
    assert not b.is_real_time and f"tcp:{b.leads_to}" == address
    b.power_on()
    b.sign_on()
    sale = stories.sale(b, 4300)
    b.line.drop_next("reply")
    stories.sale(b, 1200, wait=False)
    b.clock.advance(70)  # on the wall this is nothing
    b.to_idle()
    assert b.journal()[-1].state == "reversal_due"
    stories.sale(b, 500)
    b.line.delay_next("reply", 40)
    stories.void(b, sale.trace)
    stories.settle(b)
    assert [t.state for t in b.journal()] == ["voided", "reversed", "settled", "settled"]
    found = ledger(database)
    assert [(t.kind, t.state) for t in found.transactions] == [
        ("sale", "voided"), ("sale", "reversed"), ("sale", "settled"), ("void", "settled")]
    assert found.balance("merchant") == 500
    assert [e.operation for e in b.trace() if e.direction == ">"][:2] == ["sign-on", "sale"]
    assert stories.CARD not in "".join(e.text() for e in b.trace())


class Stub:
    """A TCP server that answers each connection's messages with what ``reply`` gives: bytes, or
    None to hang up. ``hang_up``: it does so after each answer, too."""

    def __init__(self, reply, hang_up=False):
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp:127.0.0.1:{self._server.getsockname()[1]}"
        self._reply = reply
        self._hang_up = hang_up
        self.connections = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                line, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            with line:
                while data := line.recv(4096):
                    answer = self._reply(data[2:])
                    if answer is None:
                        break
                    line.sendall(answer)
                    if self._hang_up:
                        break

    def close(self):
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(10)


class Bank:
    """Our acquirer behind a stub that hangs up after each answer; ``lose`` says what it loses."""

    def __init__(self):
        self.acquirer = Acquirer(seed=1)
        self.clock = None
        self.lose = []
        self.stub = Stub(self._reply, hang_up=True)

    def _reply(self, message):
        answers = self.acquirer.handle(message, self.clock.now)
        if message[11:13] in self.lose:
            self.lose.remove(message[11:13])
            return None
        data = answers[0].message
        return len(data).to_bytes(2, "big") + data

    def close(self):
        self.stub.close()
        self.acquirer.close()


@pytest.fixture
def bank():
    """A bank that is closed in the end."""
    made = Bank()
    yield made
    made.close()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_host_that_hangs_up_after_each_reply_loses_nothing(make_bench, bank, language):
    b = make_bench(line=bank.stub.address, language=language)
    bank.clock = b.clock
    b.power_on()
    b.sign_on()
    sale = stories.sale(b, 4300)
    stories.void(b, sale.trace)
    stories.sale(b, 700)
    stories.settle(b)
    assert [t.state for t in b.journal()] == ["voided", "settled", "settled"]
    ledger = bank.acquirer.ledger()
    ledger.check()
    assert ledger.balance("merchant") == 700
    # One connection for each of sign-on, sale, void, sale, settlement and the end of the batch.
    assert bank.stub.connections >= 6
    assert not any("no answer" in line or "not sent" in line for line in b.line.log), b.line.log


def test_a_due_reversal_does_not_block_sales_with_such_a_host(make_bench, bank):
    b = make_bench(line=bank.stub.address)
    bank.clock = b.clock
    b.power_on()
    b.sign_on()
    bank.lose = [b"\x02\x00"]  # booked, and the connection ends without an answer
    stories.sale(b, 4300, wait=False)
    b.clock.advance(70)
    b.to_idle()
    assert b.journal()[-1].state == "reversal_due"
    stories.sale(b, 700)
    assert [(t.state, t.attempts) for t in b.journal()] == [("reversed", 1), ("approved", 0)]
    ledger = bank.acquirer.ledger()
    ledger.check()
    assert ledger.balance("merchant") == 700


def test_a_host_that_starts_anew_between_two_requests_loses_nothing(make_bench, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    database = f"sqlite:///{tmp_path}/host.sqlite"
    command = (sys.executable, "-u", "-m", "host_tools.cli", "host", "--no-magic",
               "--listen", f"127.0.0.1:{port}", "--database", database)
    with program(*command) as said:
        said.wait("listening")
        b = make_bench(line=f"tcp:127.0.0.1:{port}")
        b.power_on()
        b.sign_on()
        stories.sale(b, 500)
    with program(*command) as said:
        said.wait("listening")
        stories.sale(b, 600)
        b.line.drop_next("reply")
        stories.sale(b, 700, wait=False)
        b.clock.advance(70)
        b.to_idle()
    # Nobody is there: the line is down, and that costs the reversal no try.
    for _ in range(4):
        stories.sale(b, 800, wait=False)
        b.wait_for("线路不通")
        b.to_idle()
    assert [(t.state, t.attempts) for t in b.journal()] == [
        ("approved", 0), ("approved", 0), ("reversal_due", 0)]
    with program(*command) as said:
        said.wait("listening")
        stories.sale(b, 900)
    assert [t.state for t in b.journal()] == ["approved", "approved", "reversed", "approved"]
    assert ledger(database).balance("merchant") == 500 + 600 + 900


@pytest.mark.parametrize(("reply", "said"), [
    (lambda message: b"", "silent"),
    (lambda message: None, "hung up"),
    (lambda message: b"\x00\x05hello", "answer nothing"),
    (lambda message: len(message).to_bytes(2, "big") + message, "answer nothing"),
    (lambda message: b"\xff\xff", "two-byte"),
    (lambda message: b"\x04\x02\x60" + bytes(1025), "1026 bytes, the longest message"),
    (lambda message: b"\x00\x20\x60abc", "6 bytes of a message"),
    (lambda message: (len(message) + 2).to_bytes(2, "big") + message, "counts its own two bytes"),
])
def test_a_host_that_makes_no_sense_is_no_answer(make_bench, monkeypatch, reply, said):
    monkeypatch.setattr(abroad, "PATIENCE_S", 0.2)
    stub = Stub(reply)
    try:
        b = make_bench(line=stub.address)
        b.power_on()
        for digits in ("01", "0000"):
            b.type(digits)
            b.press("ENTER")
        b.clock.advance(90)
        assert any(said in line for line in b.line.log), b.line.log
        assert b.trace() and b.powered and not b.crashes
        b.close()
    finally:
        stub.close()


def test_wrong_addresses_are_explained():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(LineError, match=f"no acquirer at 127.0.0.1:{port}.*Start it first"):
        Bench(line=f"tcp:127.0.0.1:{port}")
    for line in ("tcp:", "tcp:localhost", "tcp:localhost:http", "tcp::99999"):
        with pytest.raises(LineError, match=re.escape("HOST:PORT")):
            Bench(line=line)
