"""`mobi gateway`: a terminal on a pty, somebody else's acquirer on TCP, and everything between."""

import argparse
import os
import socket
import threading

import pytest

from host_tools.acquirer import Acquirer, cli
from host_tools.acquirer import gateway as module
from host_tools.acquirer.client import TerminalEnd
from host_tools.acquirer.codec import decode
from host_tools.acquirer.gateway import Gateway
from host_tools.cli import UserError
from tests.host.test_acquirer_host import Pty, serving, until


class Foreign:
    """Somebody else's acquirer: the test reads requests and writes whatever it likes."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(20)
        self.address = self.listener.getsockname()
        self.sock = None

    def accept(self):
        self.sock, _ = self.listener.accept()
        self.sock.settimeout(20)
        self.file = self.sock.makefile("rb")

    def get(self):
        return self.file.read(int.from_bytes(self.file.read(2), "big"))

    def put(self, message):
        self.sock.sendall(len(message).to_bytes(2, "big") + message)

    def hang_up(self):
        self.file.close()
        self.sock.close()

    def close(self):
        if self.sock is not None:
            self.hang_up()
        self.listener.close()


class Setup:
    """A gateway on its own thread between a pty and an address."""

    def __init__(self, address):
        self.said = []
        self.terminal = Pty()
        self.gateway = Gateway(*address, self.said.append)
        self.gateway.serial(self.terminal.path)
        self.thread = threading.Thread(target=self.gateway.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.gateway.stop()
        self.thread.join(20)
        self.terminal.close()

    def hears(self, text):
        until(lambda: any(text in line for line in self.said), repr(text))

    def accept(self, foreign):
        """The host answers the call, and the gateway knows it."""
        foreign.accept()
        until(lambda: self.gateway.connected, "the connection")


@pytest.fixture
def foreign(monkeypatch):
    monkeypatch.setattr(module, "FIRST_RETRY_MS", 30)
    monkeypatch.setattr(module, "LONGEST_RETRY_MS", 100)
    host = Foreign()
    yield host
    host.close()


def test_a_day_through_the_gateway_to_our_own_acquirer():
    bank = Acquirer(seed=1)
    with serving(bank) as (server, started):
        address = server.listen("127.0.0.1", 0)
        with started, Setup(address) as setup:
            setup.hears("connected")
            terminal = setup.terminal.sign_on()
            sale = terminal.ask(terminal.client.sale(100))
            assert sale.get("39") == "00"
            first = terminal.client.last
            assert terminal.ask(terminal.client.void(first, sale.get("37"))).get("39") == "00"
            for _ in range(40):
                assert terminal.ask(terminal.client.balance()).get("39") == "00"
            assert terminal.ask(terminal.client.settle(100, 1, 100, 1)).get("48")[30] == "1"
    bank.ledger().check()
    bank.close()


def test_messages_are_carried_unchanged(foreign):
    with Setup(foreign.address) as setup:
        setup.accept(foreign)
        message = setup.terminal.client.sale(100)
        setup.terminal.put(message)
        assert foreign.get() == message
        # An answer in a dialect of its own: a field we do not know, behind 11 and 41.
        request = decode(message)
        body = bytearray(bytes.fromhex("0210") + bytes(8) + bytes.fromhex(request.get("11")))
        body[2 + 1] |= 0x20  # 11
        body[2 + 5] |= 0x80  # 41
        body[2 + 7] |= 0x10  # 60: cut short
        answer = message[:11] + bytes(body) + b"00000001" + b"\x99"
        foreign.put(answer)
        assert setup.terminal.get() == answer


def test_without_a_host_the_terminals_line_is_down(foreign):
    address = foreign.address
    foreign.listener.close()
    with Setup(address) as setup:
        setup.hears("is away")
        # A terminal asks first whether anybody is there: nobody answers, and nothing is sent.
        message = setup.terminal.client.sale(100)
        os.write(setup.terminal.master, setup.terminal.end.send(message))
        assert setup.terminal.get(0.3) is None and setup.terminal.end.waiting
        foreign.listener = socket.create_server(address)
        foreign.listener.settimeout(20)
        setup.accept(foreign)
        message = setup.terminal.client.sale(200)
        setup.terminal.put(message)
        assert foreign.get() == message, "only the new one, nothing is sent behind one's back"


def test_a_request_that_comes_while_the_host_is_called_again_is_held(foreign):
    with Setup(foreign.address) as setup:
        setup.accept(foreign)
        first = setup.terminal.client.sale(100)
        setup.terminal.put(first)
        assert foreign.get() == first
        foreign.put(reply_to(first))
        assert decode(setup.terminal.get()).trace == 1
        address = foreign.address
        foreign.listener.close()
        foreign.hang_up()
        setup.hears("is away")
        # The session goes on, so no SYNC asks whether anybody is there.
        second = setup.terminal.client.sale(200)
        setup.terminal.put(second)
        setup.hears("0200 trace 000002 of terminal 00000001 waits for the host")
        foreign.listener = socket.create_server(address)
        foreign.listener.settimeout(20)
        foreign.accept()
        assert foreign.get() == second
        foreign.put(reply_to(second))
        assert decode(setup.terminal.get()).trace == 2


def test_what_was_held_too_long_is_not_sent_and_the_words_speak_of_the_message(
        foreign, monkeypatch):
    monkeypatch.setattr(module, "HOLD_MS", 100)
    with Setup(foreign.address) as setup:
        setup.accept(foreign)
        sale = setup.terminal.client.sale(100)
        setup.terminal.put(sale)
        assert foreign.get() == sale
        foreign.put(reply_to(sale))
        assert setup.terminal.get()
        foreign.listener.close()
        foreign.hang_up()
        setup.hears("is away")
        setup.terminal.put(setup.terminal.client.reversal(setup.terminal.client.last))
        setup.hears("0400 trace 000001 of terminal 00000001 was not sent, the host is away. It "
                    + "has not seen this message; what it booked before stands.")
        assert not any("Nothing was booked" in line for line in setup.said)


def test_a_host_that_hangs_up_after_each_reply_loses_no_request(foreign):
    with Setup(foreign.address) as setup:
        for number in range(1, 6):
            foreign.accept()
            message = setup.terminal.client.sale(100)
            setup.terminal.put(message)
            assert foreign.get() == message
            foreign.put(reply_to(message))
            assert decode(setup.terminal.get()).trace == number
            foreign.hang_up()
        assert not any("unanswered" in line or "is away" in line for line in setup.said)


def test_every_address_of_the_host_is_tried(foreign, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()
    kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    found = [(*kind, nobody), (*kind, nobody), (*kind, foreign.address)]
    monkeypatch.setattr(module.socket, "getaddrinfo", lambda *_, **__: list(found))
    with Setup(("acquirer.example", 8583)) as setup:
        setup.accept(foreign)
        assert not any("away" in line for line in setup.said)


def test_a_host_that_hangs_up_leaves_the_outcome_open_and_is_called_again(foreign):
    with Setup(foreign.address) as setup:
        setup.accept(foreign)
        setup.terminal.put(setup.terminal.client.sale(100))
        foreign.get()
        foreign.hang_up()
        setup.hears("1 unanswered: 0200 trace 000001 of terminal 00000001. Their outcome")
        setup.accept(foreign)
        message = setup.terminal.client.manage("0820", "301")
        setup.terminal.put(message)
        assert foreign.get() == message


def reply_to(message, **fields):
    request = decode(message)
    from host_tools.acquirer.codec import encode

    values = {"t": f"{int(request.mti) + 10:04d}", "11": request.get("11"), "39": "00",
              "41": request.get("41"), "42": request.get("42"), **fields}
    return message[:11] + encode({k: v for k, v in values.items() if v})


def test_a_late_answer_never_passes_for_a_fresh_one(foreign):
    with Setup(foreign.address) as setup:
        setup.accept(foreign)
        client = setup.terminal.client
        first, second = client.sale(100), client.sale(200)
        setup.terminal.put(first)
        assert foreign.get() == first
        setup.terminal.put(second)
        assert foreign.get() == second
        foreign.put(reply_to(first))
        setup.hears("0210 trace 000001 of terminal 00000001 answers no open request")
        foreign.put(reply_to(second))
        assert decode(setup.terminal.get()).trace == 2
        foreign.put(reply_to(second))
        setup.hears("0210 trace 000002 of terminal 00000001 answers no open request (open: nothing")


@pytest.mark.parametrize("fields", [
    {"t": "0230"}, {"11": "000777"}, {"41": "99999999"}])
def test_an_answer_that_fits_no_request_is_dropped_and_named(foreign, fields):
    with Setup(foreign.address) as setup:
        setup.accept(foreign)
        message = setup.terminal.client.sale(100)
        setup.terminal.put(message)
        foreign.get()
        foreign.put(reply_to(message, **fields))
        setup.hears("answers no open request (open: 0200 trace 000001 of terminal 00000001)")
        foreign.put(b"nonsense")
        setup.hears("8 bytes that are no message")
        foreign.put(reply_to(message))
        assert decode(setup.terminal.get()).get("39") == "00"


def test_an_echo_may_come_back_with_another_trace(foreign):
    with Setup(foreign.address) as setup:
        setup.accept(foreign)
        message = setup.terminal.client.manage("0820", "301")
        setup.terminal.put(message)
        foreign.get()
        foreign.put(reply_to(message, **{"11": "000000"}))
        assert decode(setup.terminal.get()).mti == "0830"


def test_an_answer_after_the_terminal_began_anew_is_too_late(foreign):
    with Setup(foreign.address) as setup:
        setup.accept(foreign)
        message = setup.terminal.client.sale(100)
        setup.terminal.put(message)
        foreign.get()
        setup.terminal.end = TerminalEnd(1234)  # it was switched off and on
        setup.terminal.put(setup.terminal.client.manage("0820", "301"))
        foreign.get()
        foreign.put(reply_to(message))
        setup.hears("0210 trace 000001 of terminal 00000001 answers no open request")
        assert setup.terminal.get(0.1) is None


def test_an_answer_too_long_for_the_line_is_dropped(foreign):
    with Setup(foreign.address) as setup:
        setup.accept(foreign)
        message = setup.terminal.client.sale(100)
        setup.terminal.put(message)
        foreign.get()
        foreign.put(reply_to(message, **{"59": "AA" * 590, "62": "BB" * 500}))
        setup.hears("bytes, the line takes 1024; dropped")


@pytest.mark.parametrize("prefix, mistake", [
    (lambda size: (size + 2).to_bytes(2, "big"), "counts its own two bytes"),
    (lambda size: size.to_bytes(2, "little"), "has its low byte first"),
    (lambda size: bytes.fromhex(f"{size:04d}"), "is in BCD"),
])
def test_a_length_of_another_kind_is_named(foreign, prefix, mistake):
    with Setup(foreign.address) as setup:
        setup.accept(foreign)
        message = setup.terminal.client.sale(100)
        setup.terminal.put(message)
        foreign.get()
        reply = reply_to(message)
        foreign.sock.sendall(prefix(len(reply)) + reply)
        setup.hears(f"which {mistake}: it must be {len(reply):04X}")
        foreign.hang_up()
        setup.accept(foreign)


def test_a_good_answer_before_bytes_that_make_no_sense_still_arrives(foreign):
    with Setup(foreign.address) as setup:
        setup.accept(foreign)
        message = setup.terminal.client.sale(100)
        setup.terminal.put(message)
        foreign.get()
        reply = reply_to(message)
        foreign.sock.sendall(len(reply).to_bytes(2, "big") + reply + b"\xff\xffabc")
        assert setup.terminal.get() == reply
        setup.hears("announced a message of 65535 bytes")


def test_a_host_with_another_framing_is_told_off(foreign):
    with Setup(foreign.address) as setup:
        setup.accept(foreign)
        foreign.sock.sendall(b"0123 ASCII length")
        setup.hears("two-byte big-endian length")
        foreign.hang_up()
        setup.accept(foreign)  # and called again


def test_two_terminals_share_the_host(foreign):
    with Setup(foreign.address) as setup:
        second = Pty(500)
        second.client.terminal = "00000002"
        setup.gateway.serial(second.path)
        setup.accept(foreign)
        messages = [setup.terminal.client.sale(1), second.client.sale(2)]
        setup.terminal.put(messages[0])
        assert foreign.get() == messages[0]
        second.put(messages[1])
        assert foreign.get() == messages[1]
        foreign.put(reply_to(messages[1]))
        foreign.put(reply_to(messages[0]))
        assert decode(second.get()).get("41") == "00000002"
        assert decode(setup.terminal.get()).get("41") == "00000001"
        second.close()


@pytest.mark.parametrize("words,complaint", [
    (("--port", "/dev/nowhere", "--connect", "127.0.0.1:1"), "/dev/nowhere"),
    (("--port", "/dev/nowhere", "--connect", "nonsense"), "HOST:PORT"),
])
def test_what_cannot_work_is_explained(words, complaint):
    parser = argparse.ArgumentParser()
    cli.add_parsers(parser.add_subparsers())
    with pytest.raises(UserError, match=complaint):
        cli.run_gateway(parser.parse_args(["gateway", *words]))


