"""What the rules work with: policy, registered terminals and cards, and one request's case."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from host_tools.acquirer.books import Books
from host_tools.acquirer.cards import TestCard, is_payment_code, wallet_of
from host_tools.acquirer.codec import Fields, Request
from host_tools.acquirer.requests import Operation
from host_tools.acquirer.security import WorkingKeys

BATCH_END = 24  # as ``void_cutoff``


@dataclass(frozen=True)
class Policy:
    """How this host decides where acquirers differ.

    ``fee_bp``: merchant fee of a sale in 1/10000, rounded half up to 分.
    ``refund_returns_fee``: does a refund give the fee back in proportion?
    ``refund_days``: a refund later than this after the sale is refused with 22.
    ``void_cutoff``: until when a sale of the open batch may be voided: 0 the end of its calendar
    day, 1 to 23 the end of a business day that ends at that hour, 24 as long as the batch is open.
    ``status_query``: does the host know 0820/364? Without it the answer is 40.
    ``double_mak``: give MAC keys of 16 different bytes and make MACs with triple DES.
    """

    fee_bp: int = 0
    refund_returns_fee: bool = False
    refund_days: int = 30
    void_cutoff: int = 0
    status_query: bool = True
    double_mak: bool = False

    def voidable(self, sold: str, now: str) -> bool:
        """May a sale of that time be voided now? Both as the books keep them."""
        if self.void_cutoff == BATCH_END:
            return True
        shift = timedelta(hours=self.void_cutoff)
        return (datetime.fromisoformat(sold) - shift).date() == (
            datetime.fromisoformat(now) - shift).date()

    def fee(self, amount: int) -> int:
        """The merchant's fee for ``amount``, both in 分."""
        return (amount * self.fee_bp + 5000) // 10000


@dataclass(frozen=True)
class Terminal:
    """A registered terminal with its merchant and master key (16 bytes)."""

    terminal: str
    merchant: str
    tmk: bytes = field(repr=False)
    name: str = "末笔测试商户"


class Refused(Exception):
    """The host says no. ``demand`` is the processing demand digit for the header."""

    def __init__(self, code: str, why: str, demand: int = 0):
        super().__init__(why)
        self.code = code
        self.why = why
        self.demand = demand


@dataclass(slots=True)
class Outcome:
    """What the answer will be. ``keys`` is set when the answer can carry a MAC."""

    code: str = "00"
    why: str = ""
    fields: Fields = field(default_factory=dict)
    keys: WorkingKeys | None = None
    demand: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)


def next_batch(batch: int) -> int:
    """999999 is followed by 1."""
    return batch % 999_999 + 1


def is_approved(code: str) -> bool:
    """Does the response code mean that the transaction stands?"""
    return code in ("00", "10", "11", "A2", "A4", "A5", "A6")


class Register:
    """Terminals and cards this host knows. Of PINs it keeps keyed digests only."""

    def __init__(self, seed: int | None):
        self.seed = seed
        self.terminals: dict[str, Terminal] = {}
        self._by_pan: dict[str, TestCard] = {}
        self._by_name: dict[str, TestCard] = {}
        self._pin_secret = hashlib.sha256(f"pin/{seed}".encode()).digest()
        self._pins: dict[str, bytes] = {}
        self._keys: dict[str, tuple[str, WorkingKeys]] = {}

    def add_cards(self, cards: Iterable[TestCard]) -> None:
        """Make cards known."""
        for card in cards:
            self._by_pan[card.pan] = card
            self._by_name[card.name] = card
            self._pins[card.name] = self._pin_digest(card, card.pin)

    def card(self, pan: str) -> TestCard | None:
        """The card with this number."""
        return self._by_pan.get(pan)

    def wallet(self, code: str) -> TestCard | None:
        """The card behind a payment code; None when it is no test wallet's."""
        if not is_payment_code(code):
            return None
        place = wallet_of(code)
        return next((card for card in self._by_pan.values() if card.pan[-5:-1] == place), None)

    def named(self, name: str) -> TestCard | None:
        """The card with this name."""
        return self._by_name.get(name)

    def _pin_digest(self, card: TestCard, pin: str) -> bytes:
        return hmac.digest(self._pin_secret, f"{card.pan}/{pin}".encode(), "sha256")

    def pin_fits(self, card: TestCard, pin: str) -> bool:
        """Is this the card's PIN?"""
        return hmac.compare_digest(self._pin_digest(card, pin), self._pins[card.name])

    def keys(self, terminal: Terminal, kind: str, wrapped: str) -> WorkingKeys:
        """Working keys as the books hold them (hex under the TMK), ready for use."""
        known = self._keys.get(terminal.terminal)
        if known is not None and known[0] == wrapped:
            return known[1]
        keys = WorkingKeys(kind, bytes.fromhex(wrapped), terminal.tmk)
        self._keys[terminal.terminal] = (wrapped, keys)
        return keys


class Case:
    """One request on its way through the rules.

    ``force``: a fault rule's code: a refusal to give, or the kind of approval to give.
    ``partial``: approve only so many 分 of a sale (10).
    """

    def __init__(self, db: Connection, books: Books, register: Register, policy: Policy,
                 operation: Operation, request: Request, now: datetime, terminal: Terminal,
                 outcome: Outcome, force: str, partial: int):
        self.db = db
        self.books = books
        self.register = register
        self.policy = policy
        self.operation = operation
        self.request = request
        self.terminal = terminal
        self.row: Row[Any] = books.terminal(db, terminal.terminal)
        self.outcome = outcome
        self.force = force
        self.partial = partial
        self.card: TestCard | None = None
        self.masked_pan = ""
        self.mark = ""
        self.time = now.isoformat(timespec="seconds")
        self.day = self.time[:10]
        self.month = now.strftime("%y%m")
        self.merchant_account = f"merchant:{terminal.merchant}"

    @property
    def by_code(self) -> bool:
        """Does a payment code (付款码) take the card's place?"""
        return self.request.get("22").startswith("03")

    def reply(self, code: str = "00", **fields: str) -> None:
        """Set the answer's code and add fields; keys are ``f37`` and so on."""
        self.outcome.code = code
        self.outcome.fields.update({key[1:]: value for key, value in fields.items()})

    def done(self, why: str) -> None:
        """Say in the trace what was decided."""
        self.outcome.why = why

    def tell(self, event: str, **more: Any) -> None:
        """An event for the merchant's notices. Never give it more of a card than its last four."""
        self.outcome.events.append({
            "event": event, "terminal": self.row.terminal, "merchant": self.row.merchant,
            "batch": self.request.batch, "trace": self.request.trace, "time": self.time, **more})
