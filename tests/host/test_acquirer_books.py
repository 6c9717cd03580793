"""The books: random days against a small model, tampering, concurrency, crashes, group commit."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import create_engine, text

from host_tools.acquirer import Acquirer, DatabaseError, LedgerError, TestCard
from host_tools.acquirer.cards import fleet
from host_tools.acquirer.client import Client, Done
from host_tools.acquirer.codec import decode
from tests.host.acquirer_kit import CARDS, GOOD, MERCHANT, Bank

NOW = datetime(2026, 11, 22, 9, 0, 0)
ROOT = Path(__file__).resolve().parents[2]


# Random days against a model of the money


@dataclass(eq=False)
class Fact:
    """What the model knows of one card request."""

    kind: str
    client: Client
    message: bytes
    done: Done
    amount: int
    card: TestCard
    session: int  # the sign-on whose keys made the message
    state: str = "declined"
    code: str = ""
    rrn: str = ""
    refunded: int = 0
    original: "Fact | None" = None

    @property
    def batch(self) -> int:
        return self.done.batch


class RandomDays(RuleBasedStateMachine):
    """Three terminals, two merchants, three cards; any request in any order, also repeated, late
    and nonsensical. The model is two dicts of balances and the rules in a few lines."""

    clients_index = st.integers(0, 2)
    amounts = st.integers(1, 8_00)
    names = st.sampled_from(("good", "second", "low"))
    picks = st.integers(0, 10**6)

    def __init__(self):
        super().__init__()
        self.bank = Bank()
        self.facts: list[Fact] = []
        self.lost: list[Fact] = []  # built, not delivered; perhaps reversed already
        self.cards = {name: CARDS[name].balance for name in ("good", "second", "low")}
        self.merchants = {MERCHANT: 0, "999999999999999": 0}
        self.clients = [self.bank.pos, self.bank.terminal("00000002"),
                        self.bank.terminal("00000003", "999999999999999")]
        self.sessions = dict.fromkeys(self.clients, 1)

    def fact(self, kind, client, message, amount, card, original=None):
        return Fact(kind, client, message, client.last, amount, card, self.sessions[client],
                    original=original)

    def move(self, fact, sign):
        amount = fact.amount if fact.kind == "sale" else -fact.amount
        self.cards[fact.card.name] -= sign * amount
        self.merchants[fact.client.merchant] += sign * amount

    def sales(self, approved_once=False):
        return [f for f in self.facts if f.kind == "sale" and (f.rrn or not approved_once)]

    def deliver(self, fact, expected):
        answer = self.bank.send(fact.message)
        assert answer.get("39") == expected, (fact, self.bank.why())
        fact.code = expected
        if expected == "00":
            fact.state, fact.rrn = "approved", answer.get("37")
            self.move(fact, 1)
        self.facts.append(fact)

    def expected_sale(self, fact):
        if fact.done.fields["14"] != fact.card.expiry:
            return "54"
        return "00" if fact.amount <= self.cards[fact.card.name] else "51"

    @rule(at=clients_index, amount=amounts, name=names, expiry=st.sampled_from(("3012", "3011")),
          keep=st.booleans())
    def sale(self, at, amount, name, expiry, keep):
        client, card = self.clients[at], CARDS[name]
        message = client.sale(amount, card, track=False, f14=expiry)
        fact = self.fact("sale", client, message, amount, card)
        if keep:
            self.lost.append(fact)
        else:
            self.deliver(fact, self.expected_sale(fact))

    @precondition(lambda self: self.lost)
    @rule(pick=picks)
    def a_late_request_arrives(self, pick):
        fact = self.lost.pop(pick % len(self.lost))
        if fact.session != self.sessions[fact.client]:
            assert self.bank.code(fact.message) == "A0"
        elif fact.batch != fact.client.batch:
            assert self.bank.code(fact.message) == "77"
        elif fact.state == "barred":
            assert self.bank.code(fact.message) == "22"
        else:
            self.deliver(fact, self.expected_sale(fact))

    @precondition(lambda self: self.facts)
    @rule(pick=picks)
    def the_network_repeats_a_request(self, pick):
        fact = self.facts[pick % len(self.facts)]
        if fact.session != self.sessions[fact.client]:
            expected = "A0"
        elif fact.batch != fact.client.batch:
            expected = "77"
        else:
            expected = "22" if fact.state == "reversed" else fact.code
        assert self.bank.code(fact.message) == expected, self.bank.why()

    @precondition(lambda self: self.sales())
    @rule(pick=picks, short=st.sampled_from((0, 0, 1)), other=st.one_of(st.none(), names))
    def void(self, pick, short, other):
        sale = self.sales()[pick % len(self.sales())]
        client = sale.client
        card = CARDS[other] if other else sale.card
        message = client.void(sale.done, amount=sale.amount + short, card=card)
        fact = self.fact("void", client, message, sale.amount, sale.card, sale)
        if sale.state == "declined":
            expected = "12"
        elif card is not sale.card:
            expected = "14"
        elif sale.state != "approved":
            expected = "22"
        elif sale.batch != client.batch:
            expected = "12"
        elif sale.refunded:
            expected = "22"
        else:
            expected = "64" if short else "00"
        self.deliver(fact, expected)
        if expected == "00":
            sale.state = "voided"

    @precondition(lambda self: self.sales(approved_once=True))
    @rule(pick=picks, at=clients_index, amount=amounts)
    def refund(self, pick, at, amount):
        sales = self.sales(approved_once=True)
        sale, client = sales[pick % len(sales)], self.clients[at]
        message = client.refund(amount, sale.rrn, "1122", sale.card)
        fact = self.fact("refund", client, message, amount, sale.card, sale)
        if client.merchant != sale.client.merchant:
            expected = "25"
        elif sale.state != "approved" or sale.refunded == sale.amount:
            expected = "22"
        else:
            expected = "00" if sale.refunded + amount <= sale.amount else "61"
        self.deliver(fact, expected)
        if expected == "00":
            sale.refunded += amount

    @precondition(lambda self: self.sales() or self.lost)
    @rule(pick=picks, more=st.sampled_from((0, 0, 0, 1)))
    def reverse(self, pick, more):
        facts = [f for f in self.facts + self.lost if f.kind in ("sale", "void")]
        fact = facts[pick % len(facts)]
        if fact in self.lost:
            expected = "25"
            fact.state = "barred"
        elif fact.state == "declined":
            expected = "12"
        elif more:
            expected = "64"
        elif fact.state == "reversed":
            expected = "00"
        elif fact.state == "voided" or fact.refunded:
            expected = "22"
        elif fact.batch != fact.client.batch:
            expected = "12"
        else:
            expected = "00"
            self.move(fact, -1)
            fact.state = "reversed"
            if fact.kind == "void":
                fact.original.state = "approved"
        amount = int(fact.done.fields["4"]) + more
        assert self.bank.code(fact.client.reversal(fact.done, f4=f"{amount:012d}")) == expected, (
            fact, self.bank.why())

    @precondition(lambda self: self.facts or self.lost)
    @rule(pick=picks)
    def query(self, pick):
        facts = self.facts + self.lost
        fact = facts[pick % len(facts)]
        if fact in self.lost:
            expected = "25"
            if fact.batch == fact.client.batch:
                fact.state = "barred"
        else:
            expected = {"approved": "00", "declined": "25"}.get(fact.state, "22")
        assert self.bank.code(fact.client.query(fact.batch, fact.done.trace)) == expected

    @rule(at=clients_index)
    def sign_on_again(self, at):
        client = self.clients[at]
        batch = client.batch
        assert self.bank.sign_on(client).batch == batch
        self.sessions[client] += 1

    @rule(at=clients_index, off=st.integers(0, 1))
    def settle(self, at, off):
        client = self.clients[at]
        mine = [f for f in self.facts if f.client is client and f.batch == client.batch
                and f.state in ("approved", "voided")]
        debit = [f.amount for f in mine if f.kind == "sale"]
        credit = [f.amount for f in mine if f.kind in ("void", "refund")]
        answer = self.bank.send(client.settle(
            sum(debit) + off, len(debit), sum(credit), len(credit)))
        assert answer.get("48")[30] == ("2" if off else "1")
        if not off:
            assert self.bank.code(client.end(True, 0)) == "00"
            client.batch += 1

    @invariant()
    def the_money_is_where_the_model_says(self):
        ledger = self.bank.host.ledger()
        ledger.check()
        for name, balance in self.cards.items():
            assert ledger.balance(name) == balance
        for merchant, balance in self.merchants.items():
            assert ledger.balance(f"merchant:{merchant}") == balance
        assert sum(entry.amount for entry in ledger.entries) == 0

    def teardown(self):
        self.bank.host.close()


RandomDays.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None)
TestRandomDays = RandomDays.TestCase


# Tampering


@pytest.mark.parametrize("damage,complaint", [
    ("UPDATE cards SET balance = balance + 1 WHERE card = 'good'", "its entries sum to"),
    ("UPDATE entries SET amount = amount + 1 WHERE posting = '1.1' AND account LIKE 'm%'",
     r"posting 1\.1 sums to 1; the whole ledger sums to 1"),
    ("DELETE FROM entries WHERE posting = '2.2'", "reversed but 0 moved back"),
    ("DELETE FROM entries WHERE posting = '1.1'", "but 0 moved"),
    ("UPDATE transactions SET state = 'declined' WHERE id = 1", "declined but -100 moved"),
    ("UPDATE transactions SET state = 'voided' WHERE id = 1", "approved voids 0"),
    ("UPDATE transactions SET refunded = 50 WHERE id = 1", "refunds sum to 0"),
    ("INSERT INTO entries VALUES ('x', 'card:ghost', 5)", "card:ghost"),
])
def test_the_check_finds_every_kind_of_tampering(tmp_path, damage, complaint):
    url = f"sqlite:///{tmp_path}/books"
    bank = Bank(url)
    bank.sold(100)
    undone, _ = bank.sold(7)
    bank.send(bank.pos.reversal(undone))
    bank.ledger()
    bank.host.close()
    engine = create_engine(url)
    with engine.begin() as db:
        db.execute(text(damage))
    engine.dispose()
    host = Acquirer(url)
    with pytest.raises(LedgerError, match=complaint):
        host.ledger().check()
    host.close()


def test_the_books_survive_a_restart(tmp_path):
    url = f"sqlite:///{tmp_path}/books"
    bank = Bank(url)
    sale, _ = bank.sold(100)
    bank.host.close()
    bank.host = Acquirer(url)
    assert bank.code(bank.pos.sale(200)) == "00", "the sign-on survives, too"
    assert bank.code(bank.pos.void(sale)) == "00"
    assert bank.ledger().balance(GOOD.pan) == GOOD.balance - 200
    bank.host.close()


def test_an_sqlite_commit_reaches_the_disk(tmp_path):
    bank = Bank(f"sqlite:///{tmp_path}/books")
    with bank.host._books.view() as db:
        assert db.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert db.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL
    bank.host.close()


def test_a_terminal_may_change_hands(tmp_path):
    url = f"sqlite:///{tmp_path}/books"
    bank = Bank(url)
    bank.sold(100)
    bank.pos.merchant = "999999999999999"
    assert bank.code(bank.pos.sale(100)) == "03"
    bank.host.close()
    bank.host = Acquirer(url, terminals=())
    bank.host.add_terminal("00000001", "999999999999999")
    bank.sold(20)
    ledger = bank.ledger()
    assert ledger.balance(f"merchant:{MERCHANT}") == 100
    assert ledger.balance("merchant:999999999999999") == 20
    assert ledger.transactions[-1].merchant == "999999999999999"
    bank.host.close()


def test_books_of_another_version_are_left_alone(tmp_path):
    url = f"sqlite:///{tmp_path}/books"
    Acquirer(url).close()
    engine = create_engine(url)
    with engine.begin() as db:
        db.execute(text("UPDATE meta SET value = '999'"))
    engine.dispose()
    with pytest.raises(DatabaseError, match="version 999"):
        Acquirer(url)


def test_a_database_that_fails_is_answered_with_96_and_books_nothing(tmp_path):
    path = tmp_path / "books"
    bank = Bank(f"sqlite:///{path}")
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as db:
        db.execute(text("ALTER TABLE entries RENAME TO gone"))
    assert bank.code(bank.pos.sale(100)) == "96"
    with engine.begin() as db:
        db.execute(text("ALTER TABLE gone RENAME TO entries"))
    engine.dispose()
    assert bank.code(bank.pos.sale(100)) == "00"
    assert bank.states() == [("sale", "approved")]
    bank.host.close()


def test_finding_and_reading_the_books():
    bank = Bank()
    other = bank.terminal("00000002")
    sale, answer = bank.sold(100)
    other.trace = sale.trace
    bank.sold(200, client=other)
    ledger = bank.ledger()
    assert ledger.find(sale.trace).amount == 200, "the newest"
    assert ledger.find(sale.trace, terminal="00000001").amount == 100
    assert ledger.find(sale.trace, batch=2) is None and ledger.find(999) is None
    text_ = ledger.text()
    assert answer.get("37") in text_ and GOOD.masked in text_ and GOOD.pan not in text_
    assert any(line.split() == [f"merchant:{MERCHANT}", "3.00"] for line in text_.splitlines())
    with pytest.raises(KeyError) as error:
        ledger.balance("6225880137706868")
    assert "6225880137706868" not in str(error.value)


# Groups


def test_a_group_of_requests_is_answered_like_one_after_the_other(tmp_path):
    bank = Bank(f"sqlite:///{tmp_path}/books")
    other = bank.terminal("00000002")
    first = bank.pos.sale(100)
    reversal = bank.pos.reversal(bank.pos.last)
    group = [first, b"garbage", first, reversal, reversal, first, other.sale(300),
             bank.pos.sign_on(), other.manage("0820", "301")]
    answers = bank.host.handle_many(group, NOW)
    codes = [decode(a[0].message).get("39") if a else None for a in answers]
    assert codes == ["00", None, "00", "00", "00", "22", "00", "00", "00"]
    assert bank.ledger().balance("merchant") == 300
    bank.host.close()


def test_a_group_that_the_database_refuses_is_done_one_by_one(tmp_path):
    url = f"sqlite:///{tmp_path}/books"
    bank = Bank(url)
    other = bank.terminal("00000002")
    engine = create_engine(url)
    with engine.begin() as db:
        # Whoever is terminal 2 breaks the transaction it is in.
        db.execute(text(
            "CREATE TRIGGER broken BEFORE INSERT ON transactions WHEN new.terminal = '00000002' " +
            "BEGIN SELECT RAISE(ABORT, 'broken'); END"))
    engine.dispose()
    answers = bank.host.handle_many([bank.pos.sale(100), other.sale(200), bank.pos.sale(300)], NOW)
    assert [decode(a[0].message).get("39") for a in answers] == ["00", "96", "00"]
    assert bank.ledger().balance("merchant") == 400
    bank.host.close()


# Several processes


# One process of several: its own terminal, everybody's card, refunds of a common sale.
_HAMMER = """
import sys, time
from datetime import datetime
from host_tools.acquirer import TEST_CARDS, Acquirer
from host_tools.acquirer.client import Client
from host_tools.acquirer.codec import decode
url, terminal, start, rrn = sys.argv[1:]
now = datetime(2026, 11, 22, 9)
low = {card.name: card for card in TEST_CARDS}["low"]
host = Acquirer(url, seed=1)
host.add_terminal(terminal)
client = Client(terminal)
def code(message):
    return decode(host.handle(message, now)[0].message).get("39")
client.signed_on(host.handle(client.sign_on(), now)[0].message)
time.sleep(max(0.0, float(start) - time.time()))
for _ in range(40):
    print(code(client.sale(1_00, low, track=False)), code(client.refund(1_00, rrn, "1122")))
host.close()
"""


def _storm(url: str) -> None:
    bank = Bank(url)
    terminals = [f"{number:08d}" for number in range(2, 6)]
    _, answer = bank.sold(50_00)
    start = str(time.time() + 2.5)
    workers = [subprocess.Popen(
        [sys.executable, "-c", _HAMMER, url, terminal, start, answer.get("37")], cwd=ROOT,
        stdout=subprocess.PIPE, text=True) for terminal in terminals]
    codes = [code for worker in workers for code in worker.communicate(timeout=90)[0].split()]
    assert [worker.returncode for worker in workers] == [0] * 4
    ledger = bank.ledger()
    bank.host.close()
    # The card "low" has 10.00: ten sales of 1.00 in all, whoever makes them. The common sale of
    # 50.00 takes fifty refunds of 1.00.
    assert len(codes) == 320
    assert codes.count("00") == 60 and codes.count("51") == 150, codes
    assert codes.count("22") == 110
    assert ledger.balance("low") == 0 and ledger.balance(GOOD.pan) == GOOD.balance
    assert ledger.balance("merchant") == 10_00


def test_several_processes_on_one_sqlite_file(tmp_path):
    _storm(f"sqlite:///{tmp_path}/books")


@pytest.fixture(scope="module")
def postgres():
    """The URL of a private PostgreSQL server."""
    pytest.importorskip("pg8000", reason="needs the driver pg8000")
    if not shutil.which("initdb") or not shutil.which("pg_ctl"):
        pytest.skip("no PostgreSQL server programs (initdb, pg_ctl) on the path")
    become = []
    if os.geteuid() == 0:
        if not shutil.which("runuser") or subprocess.run(
                ["id", "postgres"], capture_output=True).returncode:
            pytest.skip("PostgreSQL does not run as root and there is no user postgres")
        become = ["runuser", "-u", "postgres", "--"]
    # The path of its Unix socket must be short.
    folder = Path(tempfile.mkdtemp(prefix="mobi-pg-", dir="/tmp"))
    if become:
        shutil.chown(folder, "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([*become, "initdb", "-D", data, "-U", "mobi", "-A", "trust", "--no-sync"],
                   **quiet)
    subprocess.run([*become, "pg_ctl", "-D", data, "-w", "-o",
                    f"-k {folder} -h 127.0.0.1 -p {port}", "-l", folder / "log", "start"], **quiet)
    yield f"postgresql+pg8000://mobi@127.0.0.1:{port}/postgres"
    subprocess.run([*become, "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"], **quiet)
    shutil.rmtree(folder, ignore_errors=True)


def test_several_processes_on_one_postgresql(postgres):
    _storm(postgres)


def test_a_void_waits_for_a_refund_of_the_same_sale(postgres):
    bank = Bank(postgres)
    bank.pos.trace = 4999  # behind those of the test before: it is the same terminal
    bank.sign_on(bank.pos)
    bank.pos.trace = 5000
    sale, _ = bank.sold(100)
    message = bank.pos.void(sale)
    engine = create_engine(postgres)
    codes = []
    voiding = threading.Thread(target=lambda: codes.append(bank.code(message)))
    with engine.begin() as db:
        # Somebody else refunds, and is not ready yet.
        db.execute(text("UPDATE transactions SET refunded = 40 WHERE trace = 5000"))
        voiding.start()
        with engine.connect() as watch:
            watch = watch.execution_options(isolation_level="AUTOCOMMIT")
            end = time.monotonic() + 20
            while not watch.execute(text(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                    )).scalar():
                assert time.monotonic() < end, "the void does not wait"
    voiding.join(20)
    assert codes == ["22"]
    with engine.begin() as db:
        db.execute(text("UPDATE transactions SET refunded = 0 WHERE trace = 5000"))
    engine.dispose()
    bank.ledger()
    bank.host.close()


def test_several_processes_may_make_the_tables_at_once(postgres, tmp_path):
    engine = create_engine(postgres, isolation_level="AUTOCOMMIT")
    with engine.connect() as db:
        db.execute(text("CREATE DATABASE fresh"))
    engine.dispose()
    for url in (postgres.replace("/postgres", "/fresh"), f"sqlite:///{tmp_path}/fresh"):
        code = ("import sys; from host_tools.acquirer import Acquirer; " +
                "a = Acquirer(sys.argv[1]); a.ledger().check(); a.close()")
        many = [subprocess.Popen([sys.executable, "-c", code, url], cwd=ROOT) for _ in range(4)]
        assert [one.wait(60) for one in many] == [0] * 4


# Crashes


_SELLER = """
import sys
from datetime import datetime
from host_tools.acquirer import Acquirer
from host_tools.acquirer.client import Client, Done
from host_tools.acquirer.codec import decode
host = Acquirer(sys.argv[1], seed=1)
client = Client()
now = datetime(2026, 11, 22, 9)
client.trace = int(sys.argv[2])
client.signed_on(host.handle(client.sign_on(), now)[0].message)
while True:
    group = [client.sale(1, track=False) for _ in range(5)]
    for answer in host.handle_many(group, now):
        reply = decode(answer[0].message)
        print(reply.get("39"), reply.get("11"), flush=True)
"""


def test_what_was_answered_is_in_the_books_after_a_kill(tmp_path):
    url = f"sqlite:///{tmp_path}/books"
    answered = []
    for round_ in range(4):
        seller = subprocess.Popen(
            [sys.executable, "-c", _SELLER, url, str(100_000 * (round_ + 1))], cwd=ROOT,
            stdout=subprocess.PIPE, text=True)
        for _ in range(20 + 7 * round_):
            answered.append(seller.stdout.readline().split())
        seller.send_signal(signal.SIGKILL)
        answered += [line.split() for line in seller.stdout.read().splitlines()
                     if line.count(" ") == 1 and len(line) == 9]
        seller.wait()
        seller.stdout.close()
    assert {code for code, _ in answered} == {"00"}
    host = Acquirer(url)
    ledger = host.ledger()
    ledger.check()
    booked = {f"{item.trace:06d}" for item in ledger.transactions if item.state == "approved"}
    assert {trace for _, trace in answered} <= booked
    assert ledger.balance("merchant") == len(booked)
    host.close()


def test_reference_numbers_that_are_used_up_book_nothing(tmp_path, monkeypatch):
    from host_tools.acquirer import books

    bank = Bank()
    bank.sold(1)
    monkeypatch.setattr(books, "LAST_ID", 1)
    assert bank.code(bank.pos.sale(1)) == "96" and "new database" in bank.why()
    assert bank.states() == [("sale", "approved")]


def test_fleet_cards_are_test_cards():
    cards = fleet(8000)
    numbers = {card.pan for card in cards} | {card.pan for card in CARDS.values()}
    assert len(numbers) == 8000 + len(CARDS)
    with pytest.raises(ValueError):
        fleet(8001)


def test_books_of_the_version_before_are_taken_over(tmp_path):
    url = f"sqlite:///{tmp_path}/books"
    bank = Bank(url)
    sale, _ = bank.sold(5)
    bank.host.close()
    with create_engine(url).begin() as db:
        for table, column in (("transactions", "stamp"), ("batches", "totals")):
            db.execute(text(f"ALTER TABLE {table} DROP COLUMN {column}"))
        db.execute(text("UPDATE meta SET value = '1' WHERE name = 'version'"))
    again = Bank(url, signed_on=False)
    again.pos.trace = 100
    again.sign_on(again.pos)
    again.sold(7)
    assert again.code(again.pos.reversal(sale)) == "00"
    assert again.states() == [("sale", "reversed"), ("sale", "approved")]
    again.send(again.pos.settle(7, 1, 0, 0))
    assert again.code(again.pos.end(True, 1)) == "00"
    again.host.close()
