"""A little bank for the acquirer's tests: an acquirer, message-level terminals, a clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from host_tools.acquirer import STANDARD_CARD, TEST_CARDS, Acquirer
from host_tools.acquirer.client import Client, Done
from host_tools.acquirer.codec import Request, decode

CARDS = {card.name: card for card in TEST_CARDS}
GOOD = STANDARD_CARD
MERCHANT = "123456789012345"


class Bank:
    """``bank.send(message)`` gives the decoded answer, None when there is none."""

    def __init__(self, database: str = "sqlite://", signed_on: bool = True, **options: object):
        self.now = datetime(2026, 11, 22, 9, 0, 0)
        self.host = Acquirer(database, seed=1, **options)
        self.pos = Client()
        if signed_on:
            self.sign_on(self.pos)

    def later(self, **span: float) -> None:
        """Let time pass: ``days=1``."""
        self.now += timedelta(**span)

    def terminal(self, number: str, merchant: str = MERCHANT) -> Client:
        """A second terminal, registered and signed on."""
        self.host.add_terminal(number, merchant)
        client = Client(number, merchant)
        self.sign_on(client)
        return client

    def sign_on(self, client: Client, kind: str = "003") -> Request:
        return client.signed_on(self.host.handle(client.sign_on(kind), self.now)[0].message)

    def answers(self, message: bytes) -> list[Request]:
        """All answers, decoded."""
        return [decode(answer.message) for answer in self.host.handle(message, self.now)]

    def send(self, message: bytes) -> Request | None:
        found = self.answers(message)
        assert len(found) <= 1
        return found[0] if found else None

    def code(self, message: bytes) -> str:
        """The response code of the answer."""
        answer = self.send(message)
        assert answer is not None, self.why()
        return answer.get("39")

    def why(self) -> str:
        """The verdict on the newest request."""
        return [entry for entry in self.host.trace if entry.direction == ">"][-1].verdict

    def sold(self, amount: int, client: Client | None = None, **options: object
             ) -> tuple[Done, Request]:
        """An approved sale: what was sent, and the answer."""
        client = client or self.pos
        answer = self.send(client.sale(amount, **options))
        assert answer is not None and answer.get("39") == "00", self.why()
        assert client.last is not None
        return client.last, answer

    def ledger(self):
        """The books, checked."""
        ledger = self.host.ledger()
        ledger.check()
        return ledger

    def states(self) -> list[tuple[str, str]]:
        """Kind and state of every transaction, in order."""
        return [(item.kind, item.state) for item in self.ledger().transactions]
