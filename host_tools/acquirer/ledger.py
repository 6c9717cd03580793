"""A snapshot of the books: transactions, entries, balances, and the proof that they agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from host_tools.acquirer import books as bk
from host_tools.acquirer.books import rrn_of
from host_tools.acquirer.cards import TestCard


class LedgerError(AssertionError):
    """The books do not agree with themselves; the text names every place."""


@dataclass(frozen=True)
class Transaction:
    """A card request as the host remembers it. Amounts are 分.

    ``kind``: sale, void, refund, balance. ``state``: approved, declined, voided, reversed,
    refunded (a sale with refunds, see ``refunded``), settled (its batch has ended).
    ``original_trace`` and ``original_rrn`` are those of the sale that a void or refund names
    (0 and "" otherwise). ``time`` is ISO 8601.
    """

    terminal: str
    merchant: str
    batch: int
    trace: int
    kind: str
    amount: int
    state: str
    code: str
    rrn: str
    auth: str
    card: str
    masked_pan: str
    refunded: int
    original_trace: int
    original_rrn: str
    reason: str
    time: str


@dataclass(frozen=True)
class Entry:
    """One line of a posting: ``amount`` 分, credit positive."""

    posting: str
    account: str
    amount: int


@dataclass(frozen=True)
class Discrepancy:
    """What a terminal claimed at settlement against what was booked, signed 分.

    ``what``: not-booked, not-claimed, amount, card.
    """

    terminal: str
    batch: int
    trace: int
    what: str
    claimed: int
    booked: int


class Ledger:
    """The books at one moment.

    ``transactions`` in order of arrival; ``unseen`` are places kept for requests that never came
    (their reversal did, or a status query about them); ``entries``; ``discrepancies``;
    ``batches`` as {(terminal, batch): (verdict, ended)}.
    """

    def __init__(self, db: Connection, card: Callable[[str], TestCard | None]):
        self._card = card
        ended = {}
        self.batches: dict[tuple[str, int], tuple[str, bool]] = {}
        for row in db.execute(select(bk.batches)):
            self.batches[row.terminal, row.batch] = (row.verdict, row.ended)
            ended[row.terminal, row.batch] = row.ended
        rows = db.execute(select(bk.transactions).order_by(bk.transactions.c.id)).all()
        self._rows = {row.id: row for row in rows}
        self.transactions: list[Transaction] = []
        self.unseen: list[Transaction] = []
        for row in rows:
            item = self._transaction(row, ended.get((row.terminal, row.batch), False))
            (self.unseen if row.state == "barred" else self.transactions).append(item)
        self.entries = [Entry(row.posting, row.account, int(row.amount)) for row in db.execute(
            select(bk.entries).order_by(bk.entries.c.posting, bk.entries.c.account))]
        self.discrepancies = [Discrepancy(**row._mapping) for row in db.execute(
            select(bk.discrepancies))]
        self._held = {row.card: int(row.balance) for row in db.execute(select(bk.cards))}
        self._sums: dict[str, int] = defaultdict(int)
        for entry in self.entries:
            self._sums[entry.account] += entry.amount

    def _transaction(self, row: Any, ended: bool) -> Transaction:
        original = self._rows.get(row.original) if row.original is not None else None
        state = row.state
        if state == "approved" and row.kind != "balance":
            state = "refunded" if row.refunded else "settled" if ended else state
        return Transaction(
            row.terminal, row.merchant, row.batch, row.trace, row.kind, int(row.amount), state,
            row.code, "" if row.state == "barred" else rrn_of(row.day, row.id), row.auth, row.card,
            row.masked_pan, int(row.refunded), original.trace if original else 0,
            rrn_of(original.day, original.id) if original else "", row.reason, row.time)

    def find(self, trace: int, batch: int | None = None,
             terminal: str | None = None) -> Transaction | None:
        """The newest transaction with this trace (of that batch and terminal if given)."""
        for item in reversed(self.transactions):
            if (item.trace == trace and batch in (None, item.batch)
                    and terminal in (None, item.terminal)):
                return item
        return None

    def postings(self, item: Transaction) -> list[Entry]:
        """The entries that ``item`` made: when it was booked and when it was taken back."""
        names = {f"{row.id}.{part}" for row in self._rows.values() for part in (1, 2)
                 if (row.terminal, row.batch, row.trace) == (item.terminal, item.batch, item.trace)}
        return [entry for entry in self.entries if entry.posting in names]

    def balance(self, account: str) -> int:
        """What an account holds, 分: "merchant" (all merchants together), "merchant:NUMBER",
        "fee", "clearing", "suspense", a card number, or the name of a card."""
        if account == "merchant":
            return sum(amount for name, amount in self._sums.items()
                       if name.startswith("merchant:"))
        if account.startswith("merchant:") or account in ("fee", "clearing", "suspense"):
            return self._sums.get(account, 0)
        card = self._card(account)
        name = card.name if card is not None else account
        if name not in self._held:
            raise KeyError("no such account: name merchant, fee, clearing, suspense or a test card")
        return self._held[name]

    def check(self) -> None:
        """``LedgerError`` unless every posting sums to zero, every card holds the sum of its
        entries, and every transaction has moved exactly what its state says."""
        wrong = []
        postings: dict[str, dict[str, int]] = defaultdict(dict)
        for entry in self.entries:
            postings[entry.posting][entry.account] = entry.amount
        for name, parts in postings.items():
            if sum(parts.values()):
                wrong.append(f"posting {name} sums to {sum(parts.values())}")
        if sum(self._sums.values()):
            wrong.append(f"the whole ledger sums to {sum(self._sums.values())}")
        for name, held in self._held.items():
            booked = self._sums.get(f"card:{name}", 0)
            if held != booked:
                wrong.append(f"card {name} holds {held}, its entries sum to {booked}")
        for account in self._sums:
            if account.startswith("card:") and account[5:] not in self._held:
                wrong.append(f"entries for {account}, which has no account")
        self._check_states(postings, wrong)
        if wrong:
            raise LedgerError("; ".join(wrong))

    def _check_states(self, postings: dict[str, dict[str, int]], wrong: list[str]) -> None:
        refunds: dict[int, int] = defaultdict(int)
        voids: dict[int, int] = defaultdict(int)
        for row_id, row in self._rows.items():
            card = f"card:{row.card}"
            booked = postings.get(f"{row_id}.1", {}).get(card, 0)
            undone = postings.get(f"{row_id}.2", {}).get(card, 0)
            moves = {"sale": -row.amount, "void": row.amount, "refund": row.amount}
            expected = moves.get(row.kind, 0)
            if row.state in ("declined", "barred"):
                expected = 0
            if booked != expected:
                wrong.append(f"{row.kind} {row.trace}: {row.state} but {booked} moved on the card")
            if undone != (-expected if row.state == "reversed" else 0):
                wrong.append(f"{row.kind} {row.trace}: {row.state} but {undone} moved back")
            if row.state == "approved" and row.kind == "void":
                voids[row.original] += 1
            if row.state == "approved" and row.kind == "refund":
                refunds[row.original] += int(row.amount)
        for row_id, row in self._rows.items():
            if row.kind != "sale":
                continue
            if voids[row_id] != (1 if row.state == "voided" else 0):
                wrong.append(f"sale {row.trace}: {row.state}, approved voids {voids[row_id]}")
            if refunds[row_id] != row.refunded or row.refunded > row.amount:
                wrong.append(f"sale {row.trace}: {row.refunded} of {row.amount} refunded, " +
                             f"the refunds sum to {refunds[row_id]}")

    def text(self) -> str:
        """The transactions and account balances, for people."""
        lines = [f"{'terminal':8} {'batch':6} {'trace':6} {'kind':7} {'state':8} " +
                 f"{'amount':>12} {'code':4} {'reference':12} card"]
        for item in self.transactions:
            lines.append(
                f"{item.terminal:8} {item.batch:06d} {item.trace:06d} {item.kind:7} " +
                f"{item.state:8} {item.amount / 100:12.2f} {item.code:4} {item.rrn:12} " +
                f"{item.masked_pan}")
        lines.append("")
        for account in sorted(self._sums):
            lines.append(f"{account:30} {self._sums[account] / 100:16.2f}")
        return "\n".join(lines)
