"""The acquirer: requests in, answers out. No sockets, no threads and no clock of its own.

`Acquirer.handle` takes one message and the time and gives the answers with the seconds to wait
before each is sent. Whoever drives it owns the line: `mobi host`, the bench and the load test do
it in their own ways. When `handle` returns, everything it booked is durable.
"""

from __future__ import annotations

import json
import logging
import random
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from host_tools.acquirer import payments, session, settlement
from host_tools.acquirer.books import Books, DatabaseError, rrn_of
from host_tools.acquirer.cards import TEST_CARDS, TestCard
from host_tools.acquirer.case import Case, Outcome, Policy, Refused, Register, Terminal, is_approved
from host_tools.acquirer.codec import (
    Fields,
    FormatError,
    Request,
    Unanswerable,
    decode,
    encode,
    envelope,
    masked,
    required,
)
from host_tools.acquirer.ledger import Ledger
from host_tools.acquirer.requests import OPERATIONS, REQUEST_TYPES, Operation, operation_of
from host_tools.acquirer.rules import Rule, magic, personality
from host_tools.acquirer.trace import Entry, Trace

log = logging.getLogger(__name__)

TEST_TMK = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
TEST_TERMINAL = Terminal("00000001", "123456789012345", TEST_TMK)

_SERVICES: dict[str, Callable[[Case], None]] = {
    "sign-on": session.sign_on, "sign-off": session.sign_off, "echo": session.echo,
    "status": session.status, "parameters": session.parameters, "query": session.query,
    "balance": payments.transact, "sale": payments.transact, "void": payments.transact,
    "refund": payments.transact,
    "sale-reversal": payments.reverse, "void-reversal": payments.reverse,
    "settlement": settlement.compare, "upload": settlement.upload,
    "upload-refund": settlement.upload_refund, "upload-end": settlement.end,
}
# What an answer repeats of its request.
_ECHO = {
    "financial": ("2", "3", "4", "11", "25", "41", "42", "49", "60"),
    "session": ("11", "41", "42", "60"),
    "settlement": ("2", "3", "4", "11", "25", "41", "42", "60"),
    "none": ("3", "11", "41", "42", "60"),
}
_ECHO["reversal"] = _ECHO["financial"]

# Refusals that a merchant's risk department would want to hear of.
_RISKS = {
    "04": "card to be kept", "34": "suspected fraud", "38": "PIN tries used up",
    "41": "lost card", "43": "stolen card", "61": "amount above a limit",
    "94": "trace used twice", "A0": "MAC wrong",
}
_TRIES = 3  # of a database transaction that another process disturbed
_HELD = 1000  # answers kept back for after a reversal


@dataclass(frozen=True, slots=True)
class Answer:
    """Something to send ``after_s`` seconds from now. ``note`` is for logs.

    With ``cut_s`` above zero ``message`` is what a whole line would carry: instead of sending it
    the line is to be dead in both directions for that many seconds from then on. ``rogue``: a
    well-behaved host would not send it (a second copy, an approval after the reversal).
    """

    after_s: float
    message: bytes
    note: str
    cut_s: float = 0.0
    rogue: bool = False


@dataclass(slots=True)
class _Job:
    # One message on its way through the host.
    request: Request | None = None
    operation: Operation | None = None
    rule: Rule | None = None
    outcome: Outcome | None = None
    why: str = ""  # there will be no answer, because


class Acquirer:
    """The host on the other end of the terminals' line.

    ``database``: an SQLAlchemy URL; several processes may share one. ``seed``: makes working
    keys and everything else reproducible; None takes random keys. ``amounts`` switches the magic
    amounts on; ``notices`` keeps merchant events in the database until they are taken.
    ``trace_limit``: messages that the trace remembers.

    Methods may be called from several threads; they run one at a time.
    """

    def __init__(self, database: str = "sqlite://", seed: int | None = None, *,
                 policy: Policy | None = None,
                 terminals: Iterable[Terminal] = (TEST_TERMINAL,),
                 cards: Iterable[TestCard] = TEST_CARDS,
                 amounts: bool = False, notices: bool = False, trace_limit: int = 1000):
        self.policy = policy or Policy()
        self.amounts = amounts
        self.notices = notices
        self.demand = 0  # standing processing demand digit of the header
        self.rules: list[Rule] = []
        self.trace = Trace(trace_limit)
        self._personality: list[Rule] = []
        self._books = Books(database)
        self._register = Register(seed)
        self._random = random.Random(seed)
        self._held: OrderedDict[tuple[str, str, str], bytes] = OrderedDict()
        self._lock = threading.RLock()
        self.database = self._books.name  # without a password
        try:
            self.add_cards(cards)
            for terminal in terminals:
                self.add_terminal(
                    terminal.terminal, terminal.merchant, terminal.tmk, terminal.name)
        except ValueError:
            self.close()
            raise

    def close(self) -> None:
        """Give the database back."""
        with self._lock:
            self._books.close()

    # Registration

    def add_terminal(self, terminal: str, merchant: str = TEST_TERMINAL.merchant,
                     tmk: bytes = TEST_TMK, name: str = TEST_TERMINAL.name,
                     batch: int = 1) -> None:
        """Register a terminal (8 characters) of a merchant (15) with its master key (16 bytes).

        One that the database knows already keeps its batch and its sign-on.
        """
        if len(terminal) != 8 or not terminal.isascii() or not terminal.isprintable():
            raise ValueError(f"terminal number {terminal!r}: 8 ASCII characters")
        if len(merchant) != 15 or not merchant.isascii() or not merchant.isprintable():
            raise ValueError(f"merchant number {merchant!r}: 15 ASCII characters")
        if len(tmk) != 16:
            raise ValueError(f"the master key of {terminal} has {len(tmk)} bytes, not 16")
        if not 1 <= batch <= 999_999:
            raise ValueError(f"batch {batch}: 1 to 999999")
        with self._lock:
            self._books.register(terminal, merchant, batch)
            self._register.terminals[terminal] = Terminal(terminal, merchant, tmk, name)

    @property
    def terminals(self) -> tuple[str, ...]:
        """The numbers of the terminals that are registered."""
        with self._lock:
            return tuple(self._register.terminals)

    def add_cards(self, cards: Iterable[TestCard]) -> None:
        """Make further test cards known; a new card's account opens with its balance."""
        cards = list(cards)
        with self._lock:
            self._books.fund([(card.name, card.balance) for card in cards])
            self._register.add_cards(cards)

    # Faults

    def rule(self, match: str | None = None, **parts: Any) -> Rule:
        """Add a fault rule, see `rules.Rule`; gives it back so that it can be removed."""
        rule = Rule(match, **parts)
        with self._lock:
            self.rules.append(rule)
        return rule

    def clear_rules(self) -> None:
        """Forget all rules and be an honest host again."""
        with self._lock:
            self.rules.clear()
            self._personality.clear()

    def personality(self, name: str) -> None:
        """Take on a character: "honest", "late", "bad-mac", ..., see `rules.personalities`."""
        with self._lock:
            self._personality = personality(name)

    def _rule_for(self, operation: str, request: Request) -> Rule | None:
        # Every rule counts what it sees; the first one that fires is applied.
        chosen = None
        terminal, amount = request.get("41"), request.amount
        for rule in [*self.rules, *self._personality]:
            if rule.fires(operation, terminal, amount) and chosen is None:
                chosen = rule
        self.rules = [rule for rule in self.rules if not rule.spent()]
        if chosen is None and self.amounts:
            chosen = magic(operation, amount)
        return chosen

    # Messages

    def handle(self, message: bytes, now: datetime) -> list[Answer]:
        """Answer one message (TPDU + header + ISO 8583, no length prefix) that came at ``now``.

        ``now`` is local time. An empty list: there is no answer.
        """
        return self.handle_many([message], now)[0]

    def handle_many(self, messages: Sequence[bytes], now: datetime) -> list[list[Answer]]:
        """Answer several messages at once; on SQLite with a single commit for all of them."""
        with self._lock:
            jobs = [self._receive(message) for message in messages]
            self._decide([job for job in jobs if job.operation and not job.outcome], now)
            return [self._finish(job, now) for job in jobs]

    def _receive(self, message: bytes) -> _Job:
        job = _Job()
        try:
            try:
                job.request = request = decode(message)
                if request.mti not in REQUEST_TYPES:
                    job.why = f"{request.mti} is no request"
                    return job
                required(request, ("11", "41", "42"))
                job.operation = operation_of(request)
            except FormatError as error:
                job.request = request = error.request or request
                if not all(request.get(key) for key in ("t", "11", "41", "42")):
                    job.why = f"cannot be answered: {error}"
                    return job
                if request.mti not in REQUEST_TYPES:
                    job.why = f"{request.mti} is no request, and {error}"
                    return job
                job.operation = OPERATIONS["unsupported"]
                job.outcome = Outcome("30", f"30: {error}")
                return job
        except Unanswerable as error:
            job.why = f"cannot be answered: {error}"
            return job
        job.rule = self._rule_for(job.operation.name, request)
        if job.rule is not None and job.rule.drop_request:
            job.why = f"not seen by the host ({job.rule.effect()})"
            job.operation = None
        return job

    def _decide(self, jobs: list[_Job], now: datetime) -> None:
        if len(jobs) > 1 and self._books.is_sqlite:
            try:
                with self._books.change() as db:
                    for job in jobs:
                        job.outcome = self._serve(db, job, now)
                return
            except (SQLAlchemyError, DatabaseError) as error:
                log.warning("A group of %d requests is done one by one: %s", len(jobs), error)
        for job in jobs:
            job.outcome = self._decide_alone(job, now)

    def _decide_alone(self, job: _Job, now: datetime) -> Outcome:
        why = ""
        for _ in range(_TRIES):
            try:
                with self._books.change() as db:
                    return self._serve(db, job, now)
            except DatabaseError as error:
                why = str(error)
                break
            except SQLAlchemyError as error:
                # Two processes got in each other's way, or the database is gone.
                why = f"{type(error).__name__}: {getattr(error, 'orig', None)}"
        log.error("The database refuses: %s", why)
        return Outcome("96", f"96: the database refuses, nothing was booked: {why}")

    def _serve(self, db: Connection, job: _Job, now: datetime) -> Outcome:
        request, operation, rule = job.request, job.operation, job.rule
        assert request is not None and operation is not None
        outcome = Outcome()
        try:
            if operation.name == "unsupported":
                raise Refused("40", "this host has no such service")
            terminal = self._registered(request)
            required(request, operation.fields)
            force = rule.code if rule is not None and rule.code else ""
            case = Case(db, self._books, self._register, self.policy, operation, request, now,
                        terminal, outcome, force, rule.partial if rule is not None else 0)
            if operation.family in ("financial", "reversal") or operation.name == "query":
                session.authenticate(case)
            if operation.family != "financial" and force and not is_approved(force):
                raise Refused(force, f"a rule refuses it with {force}")
            _SERVICES[operation.name](case)
        except Refused as refusal:
            outcome.code, outcome.demand = refusal.code, refusal.demand
            outcome.why = f"{refusal.code}: {refusal.why}"
            if refusal.code in _RISKS:
                outcome.events.append({
                    "event": "risk", "reason": _RISKS[refusal.code], "code": refusal.code,
                    "request": operation.name, "terminal": request.get("41"),
                    "merchant": request.get("42"), "trace": request.trace,
                    "amount": request.amount, "time": now.isoformat(timespec="seconds")})
        except FormatError as error:
            outcome.code, outcome.why = "30", f"30: {error}"
        if self.notices and outcome.events:
            self._books.notify(db, [
                json.dumps(item, ensure_ascii=False) for item in outcome.events])
        return outcome

    def _registered(self, request: Request) -> Terminal:
        known = self._register.terminals.get(request.get("41"))
        if known is None:
            raise Refused("97", f"terminal {request.get('41')!r} is not registered here")
        if known.merchant != request.get("42"):
            raise Refused("03", f"terminal {known.terminal} belongs to merchant " +
                                f"{known.merchant}, not to {request.get('42')!r}")
        return known

    # Answers

    def _finish(self, job: _Job, now: datetime) -> list[Answer]:
        request, operation, outcome = job.request, job.operation, job.outcome
        if request is None or operation is None or outcome is None:
            self.trace.add(Entry(now, ">", "?", request.get("41") if request else "",
                                 masked(request.fields) if request else {}, job.why))
            return []
        self.trace.add(Entry(now, ">", operation.name, request.get("41"), masked(request.fields),
                             outcome.why))
        rule = job.rule
        fields = self._answer_fields(operation, request, outcome, now)
        message = self._build(request, fields, outcome, rule)
        note = f"{operation.name} {request.get('11')}: {outcome.why}"
        if rule is not None:
            note += f" ({rule.effect()})"
        answers = self._schedule(job, message, note)
        self.trace.add(Entry(
            now, "<", operation.name, request.get("41"), masked(fields),
            "" if rule is None else f"{rule.effect()}" + ("" if answers else "; nothing is sent")))
        return answers

    def _answer_fields(self, operation: Operation, request: Request, outcome: Outcome,
                       now: datetime) -> Fields:
        fields = {key: request.fields[key] for key in _ECHO[operation.family]
                  if request.get(key)}
        fields["t"] = f"{int(request.mti) + 10:04d}"
        fields["12"] = now.strftime("%H%M%S")
        fields["13"] = now.strftime("%m%d")
        fields["32"] = payments.ACQUIRER
        fields["37"] = rrn_of(now.date().isoformat(), 0)  # unless a transaction has its own
        settles = operation.family in ("financial", "reversal") or operation.name == "settlement"
        if settles and operation.name != "balance":
            fields["15"] = now.strftime("%m%d")
        if operation.name != "settlement" or outcome.code != "00":
            fields["39"] = outcome.code  # the reply to a settlement that was compared has none
        fields.update(outcome.fields)
        return fields

    def _build(self, request: Request, fields: Fields, outcome: Outcome,
               rule: Rule | None) -> bytes:
        demand = outcome.demand or self.demand
        if rule is not None:
            _spoil(fields, rule)
            demand = demand if rule.demand is None else rule.demand
        if outcome.keys is None or (rule is not None and rule.no_mac):
            body = encode(fields)
        else:
            body = encode({**fields, "64": "00" * 8})[:-8]
            body += outcome.keys.mac(body)
            if rule is not None and rule.wrong_mac:
                body = body[:-1] + (b"0" if body[-1:] != b"0" else b"1")
        if rule is not None and rule.garble:
            damaged = bytearray(body)
            for _ in range(4):
                damaged[self._random.randrange(2, len(damaged))] ^= self._random.randrange(1, 256)
            body = bytes(damaged)
        return envelope(request, body, demand)

    def _schedule(self, job: _Job, message: bytes, note: str) -> list[Answer]:
        request, operation, outcome, rule = job.request, job.operation, job.outcome, job.rule
        assert request is not None and operation is not None and outcome is not None
        place = (request.get("41"), request.get("60")[2:8], request.get("11"))
        delay = rule.delay if rule is not None else 0.0
        answers = [Answer(delay, message, note)]
        if rule is not None:
            if rule.cut:
                answers = [Answer(delay, message, note, rule.cut)]
            elif rule.drop:
                answers = []
            elif rule.approve_after_reversal and is_approved(outcome.code):
                self._held[place] = message
                while len(self._held) > _HELD:
                    self._held.popitem(last=False)
                answers = []
            elif rule.duplicate:
                answers.append(Answer(delay + 0.2, message, note + ", again", rogue=True))
        if operation.family == "reversal":
            late = self._held.pop(place, None)
            if late is not None:
                answers.append(Answer(
                    delay + 0.2, late, "the approval, after its reversal", rogue=True))
        return answers

    # Looking in

    def ledger(self) -> Ledger:
        """The books as they are now."""
        with self._lock, self._books.view() as db:
            return Ledger(db, self._register.card)

    def trace_text(self, details: bool = True) -> str:
        """The trace as text."""
        with self._lock:
            return self.trace.text(details)

    def copy_books(self) -> sqlite3.Connection:
        """The books as they are now, to be given to ``replace_books`` of another acquirer."""
        with self._lock:
            return self._books.copy()

    def replace_books(self, by: sqlite3.Connection) -> None:
        """Go on with the books of another acquirer (both in SQLite); our own are gone."""
        with self._lock:
            self._books.replace(by)

    def end_session(self, terminal: str = TEST_TERMINAL.terminal) -> None:
        """Declare the working keys of ``terminal`` void, as a host does over night: its next
        request is answered 99 with the demand to sign on."""
        with self._lock, self._books.change() as db:
            self._books.set_terminal(db, terminal, signed_on=False)

    def waiting_notices(self, limit: int = 100) -> list[tuple[int, dict[str, Any]]]:
        """The oldest merchant events not yet taken: (number, event)."""
        with self._lock:
            return [(number, json.loads(body))
                    for number, body in self._books.waiting_notices(limit)]

    def drop_notices(self, numbers: Sequence[int]) -> None:
        """These events were delivered: forget them."""
        with self._lock:
            self._books.drop_notices(numbers)


def _spoil(fields: Fields, rule: Rule) -> None:
    if rule.verdict and "48" in fields and len(fields["48"]) == 62:
        own, foreign = rule.verdict[0], rule.verdict[-1]
        fields["48"] = fields["48"][:30] + own + fields["48"][31:61] + foreign
    if rule.wrong_field is not None:
        number, value = rule.wrong_field
        key = "t" if number == 0 else str(number)
        if value is None:
            fields.pop(key, None)
        else:
            fields[key] = value
