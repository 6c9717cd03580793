"""Knows when a sentence is a lie: every screen and slip against books and journal.

The oracle looks at the panel each time it has come to rest, also between the calls of a test, and
at every slip. It finds the claims there (`host_tools.bench.claims`), finds out whose money they
speak about, and compares: an outcome with the books at that moment, an amount digit by digit.

Whose money: as the clerk understands it. What the sentence or its row names by its voucher number;
else the matter at hand: what was named last on the way from the idle screen, be it the case that
was opened, the transaction that was begun, or the new one that card, amount or PIN are asked for.

A host that breaks the protocol under a valid MAC (a rule that changes a field, forces the answer to
a reversal or a query, or sets the verdict of a settlement) makes nobody here a liar: what it says
of that transaction is not compared with its books.

Looking costs no virtual time and changes nothing. ``Bench.expect_lies`` is the way out for tests
that make somebody lie in another way.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from host_tools.acquirer.trace import Entry
from host_tools.bench import claims, slip_check, texts
from host_tools.bench.texts import Text, bare

if TYPE_CHECKING:
    from host_tools.acquirer.ledger import Transaction as Booked
    from host_tools.bench.bench import Bench
    from host_tools.journal import Transaction

# The panel is at rest when the terminal sleeps so long, or has not written to it for so long.
_SLEEPS_US = 15_000
_STILL_US = 100_000

STANDS = ("approved", "voided", "refunded", "settled")
PAID = ("approved", "refunded", "settled")
OPEN = ("pending", "reversal_due", "unknown")

# An amount as the terminal shows it.
_MONEY = r"-?[\d,]+\.\d\d"
_NAMED = re.compile(r"(?<!\d)\d{6}(?![\d])")
_NUMBER_AND_AMOUNT = re.compile(rf"(\d{{6}}) +({_MONEY})")
_NUMBER_AND_STATE = re.compile(r"(\d{6}) +(\D+)")
_RMB = re.compile(rf"RMB +({_MONEY})")
_MARKS = "↓↑↕"
# Behind these a number is no voucher number.
_OTHER_NUMBERS = ("批次", "Batch", "batch", "终端", "主机", "here ", "host ", "工单", "ase no")
# Titles of the flows that begin a transaction, and its kind.
_FLOWS = (("sale", "sale"), ("sale_code", "sale"), ("void", "void"), ("void_last", "void"),
          ("correct_amount", "void"), ("refund", "refund"), ("refund_code", "refund"),
          ("balance", "balance"))
# What is asked for before a transaction begins.
_PROMPTS = ("swipe_card", "or_key_number", "enter_amount", "enter_pin", "original_voucher",
            "original_rrn", "original_date", "refund_amount", "supervisor_password", "scan_code",
            "right_amount")
# Operations of the host, by its own names: the first close a batch, the others speak of another
# message.
_SETTLEMENT = ("settlement", "upload", "upload-refund", "upload-end")
_ABOUT_ANOTHER = ("query", "sale-reversal", "void-reversal")
# Claims that are true of what has not begun.
_NOTHING = (claims.NOT_MOVED, claims.NOT_SENT, claims.NOT_CHARGED, claims.NOT_REFUNDED,
            claims.STANDS)
_PAST = ("step_history", "audit_trail", "help", "statistics", "test_amounts")
# Words that tell what to do next, for a message that says "unknown".
_NEXT = re.compile(
    "查询|冲正|结算|联系|致电|核对|请稍候|通知|先处理|下一步|勿|再试|query|reverse|settle|call|"
    + "wait|moment|resolve|next|check|do not|try|see |No proof", re.IGNORECASE)


@dataclass
class Counts:
    """How much was looked at. ``unplaced``: claims of nobody in particular, not compared."""

    screens: int = 0
    slips: int = 0
    claims: int = 0
    amounts: int = 0
    unplaced: int = 0

    def add(self, other: Counts) -> None:
        """Add up."""
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def __str__(self) -> str:
        return (f"{self.screens} screens and {self.slips} slips looked at, {self.claims} claims "
                + f"and {self.amounts} amounts compared")


@dataclass(frozen=True)
class _New:
    # The transaction that is about to begin; of a void: which sale it is to undo.
    kind: str
    original: int = 0
    asked: bool = True  # was anything asked for? Else the title alone says so.


@dataclass
class _Way:
    # From the idle screen to here.
    began_behind: int = -1  # the newest transaction that was there before, by its ordinal
    matter: Transaction | _New | None = None
    candidates: list[Transaction] = field(default_factory=list)  # where two look alike
    keyed: int = 0  # voucher number that is being keyed
    last_begun: int = -1  # the newest one that was seen to begin, by its place in the journal


class Books:
    """Both ends at one moment; looked up when something is compared with them."""

    def __init__(self, bench: Bench, before: Books | None = None,
                 journal: bool = False, host: bool = False) -> None:
        """``before``: a moment at which the ``journal`` or the ``host`` was the same."""
        self._bench = bench
        for name, same in (("journal", journal), ("host", host)):
            if before is not None and same and name in vars(before):
                vars(self)[name] = vars(before)[name]
        # Abroad the books are elsewhere: then the journal alone is compared with.
        self.own = not bench.leads_to

    @functools.cached_property
    def journal(self) -> list[Transaction]:
        """The terminal's transactions, oldest first."""
        return self._bench.journal()

    @functools.cached_property
    def host(self) -> dict[tuple[int, int], Booked]:
        """The acquirer's, of this terminal, by batch and trace. Its number may have been changed;
        an acquirer of its own has no other's."""
        bench = self._bench
        return {(txn.batch, txn.trace): txn for txn in bench.host.ledger().transactions
                if bench.stands_alone or txn.terminal == bench.terminal}

    @property
    def last(self) -> int:
        """The newest transaction of the journal, by its ordinal; -1 without one."""
        return self.journal[-1].ordinal if self.journal else -1

    def since(self, ordinal: int) -> list[Transaction]:
        """What was begun behind that one. The oldest are dropped from a journal, never these."""
        found = []
        for txn in reversed(self.journal):
            if txn.ordinal == ordinal:
                break
            found.append(txn)
        return found[::-1]

    def newest(self, trace: int) -> Transaction | None:
        """The newest transaction of the journal with that voucher number."""
        return next((txn for txn in reversed(self.journal) if txn.trace == trace), None)

    def at_host(self, txn: Transaction | None) -> Booked | None:
        """The same transaction there."""
        return None if txn is None else self.host.get((txn.batch, txn.trace))

    def again(self, txn: Transaction) -> Transaction:
        """``txn`` as the journal has it now."""
        return next((t for t in self.journal
                     if (t.batch, t.trace, t.ordinal) == (txn.batch, txn.trace, txn.ordinal)), txn)

    def original(self, txn: Transaction) -> Transaction | None:
        """The sale that a void names."""
        return next((t for t in reversed(self.journal) if t.trace == txn.original_trace
                     and t.batch == txn.original_batch and t.kind == "sale"), None)

    def has_open_void(self, sale: Transaction) -> bool:
        """Is the outcome of a void of that sale open?"""
        return any(t.kind == "void" and t.original_trace == sale.trace
                   and t.state in (*OPEN, "released", "unproven") for t in self.journal)

    def contradiction(self, claim: str, here: Transaction) -> str:
        """Why what the host has makes ``claim`` about ``here`` wrong; "" when it does not."""
        there = self.at_host(here)
        state = there.state if there is not None else "nothing of it"
        sale = here if here.kind == "sale" else self.original(here)
        booked = self.at_host(sale)
        sale_state = booked.state if booked is not None else ""
        if here.kind == "sale" and "voided" in (state, sale_state) and self.has_open_void(here):
            state = sale_state = "approved"  # as far as anybody here can know
        return outcome(claim, here.kind, state, sale_state,
                       there.refunded if there is not None else 0)


@functools.lru_cache(4096)
def _is_start(rows: tuple[str, ...]) -> bool:
    # Where the clerk's way begins: idle, not signed on, or nobody logged in.
    return texts.says(rows[1:], "idle_keys", "any_key_signs_on", "operator_number") or (
        bare(rows[0]) in texts.words_of("login"))


@functools.lru_cache(4096)
def _flow(title: str, rows: tuple[str, ...]) -> tuple[str, bool]:
    # Which kind of transaction is being entered; is something asked for that it begins with?
    flow = next((kind for name, kind in _FLOWS if title in texts.words_of(name)), "")
    return flow, bool(flow) and (texts.says(rows, *_PROMPTS) or any(
        bare(row) in texts.words_of(*_PROMPTS) for row in rows))


class Oracle:
    """Looks at the panel and the paper of ``bench``; ``violations`` are what it found."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.violations: list[str] = []
        self.counts = Counts()
        self.excuse = ""  # why nothing is compared any more
        self._way = _Way()
        self._transfers = -1
        self._changed_us = 0
        self._state: tuple[int, int] = (-1, -1)
        self._rows: list[str] = []
        self._message: list[str] = []  # the pages of the message so far
        self._goes_on = False
        self._said: set[str] = set()
        self._printed = 0  # lines of paper that were read
        self._lied_about: set[int] = set()  # traces of which the host said what it has not
        self._lied_at_settlement = False
        self._heard = 0
        self._dark = True
        self._books: Books | None = None

    def look(self) -> None:
        """Look now, if there is something new to see; called whenever the terminal sleeps."""
        if self.excuse:
            return
        rig = self.bench.rig
        now = self.bench.kernel.now_us
        transfers = rig.panel.transfers
        fresh = transfers != self._transfers
        if fresh:
            self._transfers = transfers
            self._changed_us = now
            self._rows = []
        elif self._rows and self._state == self._now():
            return
        if (self.bench.board.next_wake_at() - now < _SLEEPS_US
                and now - self._changed_us < _STILL_US):
            return
        self._look()

    def pass_over_the_paper(self) -> None:
        """What has been printed so far was looked at when it came out."""
        self._printed = len(self.bench.rig.paper.printed)

    def count_anew(self) -> None:
        """What was looked at before is counted by somebody else."""
        self.counts = Counts()

    def look_up(self) -> None:
        """Look at what is there now, the last slip included, even where it is not whole yet."""
        if self.excuse:
            return
        if self.bench.powered:
            self._look()
        self._look_at_paper(all_of_it=True)

    def _now(self) -> tuple[int, int]:
        return self.bench.flash_ops(), self.bench.host.trace.count

    def _books_now(self) -> Books:
        state = self._now()
        if self._books is None or state != self._state:
            self._books = Books(self.bench, self._books, state[0] == self._state[0],
                                state[1] == self._state[1])
            self._state = state
            self._listen()
        return self._books

    def _look(self) -> None:
        rows = self.bench.screen()
        if not any(rows):
            self._dark = True
            return
        again = rows == self._rows
        if again and self._now() == self._state:
            return
        books = self._books_now()
        if self._dark:
            self._dark = False
            self._way = _Way(books.last)
            self._goes_on = False
        if not again:
            self._rows = rows
            self.counts.screens += 1
        self._read(rows, again)
        self._look_at_paper()

    def _listen(self) -> None:
        # What the host was made to say against its books.
        trace = self.bench.host.trace
        asked: set[int] = set()
        for entry in trace.since(self._heard):
            if entry.terminal != self.bench.terminal:
                continue
            if entry.direction == ">":
                asked = traces_of(entry)
            elif lies(entry):
                self._lied_at_settlement |= entry.operation in _SETTLEMENT
                self._lied_about |= traces_of(entry) | asked
        self._heard = trace.count

    # -- the panel -----------------------------------------------------------------------------

    def _read(self, rows: list[str], again: bool) -> None:
        books = self._books
        assert books is not None
        title = rows[0].rstrip(_MARKS + " ").strip()
        title = re.sub(r" (?:[A-Z0-9]{2}|\d+/\d+)$", "", title).rstrip()
        if _is_start(tuple(rows)):
            self._way = _Way(books.last)
            self._message, self._goes_on = [], False
            return
        above = self._message if self._goes_on else []
        if not again:
            self._message = [*above, *rows[1:]]
            self._goes_on = rows[0][-1:] in ("↓", "↕")
        self._find_matter(title, rows)
        if bare(title) in texts.words_of(*_PAST):
            return
        found = [(text, self._subjects(text, rows)) for text in texts.found_in(tuple(rows[1:]))]
        if above and not again:
            # A sentence may begin on the page before.
            known = {text for text, _ in found} | set(texts.found_in(tuple(above)))
            found += [(text, self._subjects(text, rows))
                      for text in texts.found_in((*above[-3:], *rows[1:])) if text not in known]
        found += self._states(title, rows)
        for text, subjects in found:
            self._compare(text, subjects, rows)
        self._compare_amounts(title, rows)

    def _named(self, rows: Sequence[str]) -> list[Transaction]:
        assert self._books is not None
        found = []
        for row in rows:
            if any(word in row for word in _OTHER_NUMBERS):
                continue
            for number in _NAMED.findall(row):
                txn = self._books.newest(int(number))
                if txn is not None and txn not in found:
                    found.append(txn)
        return found

    def _find_matter(self, title: str, rows: list[str]) -> None:
        books, way = self._books, self._way
        assert books is not None
        flow, prompted = _flow(bare(title), tuple(rows[1:]))
        named = self._named(rows)
        begun = books.since(way.began_behind)
        if prompted and texts.says(rows[1:3], "original_voucher"):
            digits = rows[3].strip()
            way.keyed = int(digits) if digits.isdigit() else 0
        if begun and (not isinstance(way.matter, _New) or not prompted) and (
                begun[-1].ordinal != way.last_begun):
            way.last_begun = begun[-1].ordinal
            way.matter, way.candidates = begun[-1], []
        elif prompted:
            if not isinstance(way.matter, _New) or way.matter.kind != flow or not way.matter.asked:
                original = way.matter.trace if (
                    flow == "void" and way.matter is not None
                    and not isinstance(way.matter, _New)) else 0
                way.matter, way.candidates = _New(flow, original), []
        elif isinstance(way.matter, _New) and (flow or not named):
            if named and way.matter.kind == "void":
                way.matter = _New("void", named[-1].trace)
        elif named:
            way.matter, way.candidates = named[-1], named
        elif way.matter is None and flow:
            way.matter = _New(flow, asked=False)
        if not named and not prompted:
            self._find_by_amount(rows)
        if way.matter is not None and not isinstance(way.matter, _New):
            way.matter = books.again(way.matter)

    def _find_by_amount(self, rows: list[str]) -> None:
        # An entry of the list of unfinished ones, or the head of a case: kind, amount and card.
        books, way = self._books, self._way
        assert books is not None
        page = " ".join(rows[1:])
        amounts = re.findall(_MONEY, page)
        cards = re.findall(r"\*+(\d{4})", page)
        words = {bare(word) for row in rows[1:] for word in row.split("  ")}
        kinds = [kind for kind in ("sale", "void", "refund", "balance")
                 if words & set(texts.words_of(kind))]
        if len(amounts) != 1 or not cards or not kinds:
            return
        alike = [txn for txn in books.journal if txn.kind in kinds
                 and slip_check.money(slip_check.value(txn)) == amounts[0]
                 and txn.masked_pan.endswith(cards[0])]
        unfinished = [txn for txn in alike if txn.state in OPEN]
        if isinstance(way.matter, _New) or not alike:
            return
        if way.matter is not None and any(
                txn.ordinal == way.matter.ordinal for txn in (unfinished or alike)):
            return
        way.candidates = unfinished or alike
        way.matter = way.candidates[-1]

    def _states(self, title: str, rows: list[str]) -> list[tuple[Text, list[object]]]:
        # Words of a state in the title, behind the kind, or behind a voucher number.
        known = texts.states()
        found: list[tuple[Text, list[object]]] = []
        if bare(title) in known:
            text = known[bare(title)]
            found.append((text, self._subjects(text, [])))
        for row in rows[1:]:
            numbered = _NUMBER_AND_STATE.fullmatch(row.strip())
            left, _, right = row.rstrip().rpartition("  ")
            if numbered and bare(numbered[2]) in known:
                found.append((known[bare(numbered[2])], list(self._named([row]))))
            elif left.strip() and bare(right) in known and bare(left) in texts.words_of(
                    "sale", "void", "refund", "balance", "state_is"):
                text = known[bare(right)]
                found.append((text, self._subjects(text, [])))
        return found

    def _subjects(self, text: Text, rows: list[str]) -> list[object]:
        # Whose money the sentence speaks about; several where a clerk cannot tell them apart.
        books, way = self._books, self._way
        assert books is not None
        if "%06d" in text.words[0]:
            named = self._named(rows[1:])
            if named:
                return list(named)
        if text.name.startswith(("already_", "original_")):
            number = way.keyed or (way.matter.original if isinstance(way.matter, _New) else 0)
            txn = books.newest(number) if number else None
            if txn is None and not isinstance(way.matter, _New):
                txn = way.matter
            return [] if txn is None else [txn]
        if len(way.candidates) > 1:
            return list(map(books.again, way.candidates))
        return [] if way.matter is None else [way.matter]

    # -- comparing -----------------------------------------------------------------------------

    def _compare(self, text: Text, subjects: Iterable[object], rows: list[str]) -> None:
        claim = text.claim
        if claim == claims.UNKNOWN:
            self.counts.claims += 1
            if text.name.startswith(("state_", "code ")) or self._goes_on:
                return  # a name in a list; or the step is on the page below
            if not _NEXT.search(" ".join(self._message)):
                self._break(text, "it is unknown, and no next step is named", rows, None)
            return
        if claim in claims.ALWAYS or claim in (claims.AGREES, claims.SETTLED):
            return
        subjects = list(subjects)
        if not subjects:
            if claim in _NOTHING:
                subjects = [_New("")]
            else:
                self.counts.unplaced += 1
                return
        self.counts.claims += 1
        wrong = [self._wrong(claim, subject) for subject in subjects]
        if all(wrong):
            self._break(text, wrong[-1], rows, subjects[-1])

    def _wrong(self, claim: str, subject: object) -> str:
        # Why the claim is not true; "" when it is, or nobody can tell.
        books = self._books
        assert books is not None
        if isinstance(subject, _New):
            return self._wrong_of_new(claim, subject)
        txn = subject
        assert not isinstance(txn, str) and hasattr(txn, "trace")
        here: Transaction = txn  # type: ignore[assignment]
        if here.trace in self._lied_about or here.original_trace in self._lied_about:
            return ""
        if claim == claims.WILL_BE_TAKEN_BACK:
            due = [t for t in books.journal if t.state in ("reversal_due", "pending")]
            linked = [t for t in due if t.trace == here.trace or t.original_trace == here.trace]
            return "" if linked else f"the journal has it as {here.state}, no reversal is due"
        if here.kind == "balance":
            return ""
        if not books.own:
            return ""
        return books.contradiction(claim, here)

    def _wrong_of_new(self, claim: str, subject: _New) -> str:
        books = self._books
        assert books is not None
        begun = books.since(self._way.began_behind)
        if claim == claims.WILL_BE_TAKEN_BACK:
            return "" if any(t.state in ("reversal_due", "pending") for t in books.journal) else (
                "no reversal is due in the journal")
        if claim == claims.NOT_CHARGED and subject.kind == "void" and subject.original:
            there = books.at_host(books.newest(subject.original))
            if there is not None and there.state in PAID:
                return f"the sale {subject.original:06d} that is to be voided stands at the host"
            return ""
        if claim in _NOTHING:
            for txn in begun:
                there = books.at_host(txn)
                if there is not None and there.state in (*STANDS, "reversed") and (
                        subject.kind in ("", txn.kind)) and txn.trace not in self._lied_about:
                    return f"the host has {txn} as {there.state}"
            return ""
        if claim != claims.GONE and subject.kind and subject.asked and not any(
                txn.kind == subject.kind for txn in begun):
            return f"no {subject.kind} was begun"
        return ""

    def _compare_amounts(self, title: str, rows: list[str]) -> None:
        books = self._books
        assert books is not None
        for row in rows[1:]:
            pair = _NUMBER_AND_AMOUNT.fullmatch(row.strip())
            txn = books.newest(int(pair[1])) if pair else None
            if pair and txn is not None:
                self._amount(txn, pair[2], rows)
        if bare(title) in texts.words_of("balance") or self._way.candidates[1:]:
            return
        named = self._named(rows)
        for row in rows[1:]:
            shown = _RMB.fullmatch(row.strip())
            if shown and len(named) == 1:
                self._amount(named[0], shown[1], rows)
            elif shown and texts.says(rows[1:], "approved") and self._way.matter is not None and (
                    not isinstance(self._way.matter, _New)):
                self._amount(self._way.matter, shown[1], rows)

    def _amount(self, txn: Transaction, shown: str, rows: list[str]) -> None:
        assert self._books is not None
        self.counts.amounts += 1
        there = self._books.at_host(txn)
        wanted = {slip_check.money(slip_check.value(txn)), slip_check.money(txn.amount)}
        if there is not None and there.state in STANDS and txn.trace not in self._lied_about and (
                txn.state in STANDS):
            wanted = {slip_check.money(there.amount)}
        if shown not in wanted:
            self._break(None, f"the amount of {txn} is {' or '.join(sorted(wanted))}", rows, txn)

    def _break(self, text: Text | None, why: str, rows: Sequence[str], subject: object) -> None:
        books = self._books
        assert books is not None
        if text is None:
            said = "an amount"
        else:
            words = text.words[self.bench.language == "en"].replace("\n", " ")
            said = f"{words!r} ({text.name}: {text.claim})"
        about = "no transaction in particular"
        if isinstance(subject, _New):
            about = f"the new {subject.kind or 'transaction'}"
        elif subject is not None:
            there = books.at_host(subject)  # type: ignore[arg-type]
            about = f"{subject}; the host has " + (
                "nothing of it" if there is None else f"{there.kind} {there.amount} {there.state}")
        line = f"{said} is wrong: {why}; about {about}"
        if line in self._said:
            return
        self._said.add(line)
        screen = " | ".join(rows)
        self.violations.append(f"claim: at {self.bench.clock.seconds:.1f} s [{screen}] {line}")

    # -- the paper -----------------------------------------------------------------------------

    def _look_at_paper(self, all_of_it: bool = False) -> None:
        lines = self.bench.rig.paper.printed
        self._printed = min(self._printed, len(lines))  # somebody may tear all of it off
        whole = len(lines)
        while not all_of_it and whole > self._printed and not lines[whole - 1].cut:
            whole -= 1
        fresh, self._printed = lines[self._printed:whole], whole
        if not fresh:
            return
        self._books_now()
        books = Books(self.bench)  # a slip is a proof: whoever has changed them since
        for slip in slip_check.parts([line.text() for line in fresh]):
            self.counts.slips += 1
            wrong, compared, amounts = slip_check.check(
                slip, books, self._lied_about, self._lied_at_settlement)
            self.counts.claims += compared
            self.counts.amounts += amounts
            for why in wrong:
                if why not in self._said:
                    self._said.add(why)
                    self.violations.append(
                        f"claim: at {self.bench.clock.seconds:.1f} s on a slip: {why}")


def outcome(claim: str, kind: str, state: str, sale: str, refunded: int) -> str:
    """Why ``claim`` is wrong about a transaction; "" when it is true. ``state``: what the host has
    of it. ``sale``: of the sale that it is, or that it names. ``refunded``: 分 of that sale."""
    stands = state in STANDS
    moved = stands or state == "reversed"
    paid = sale in PAID
    done = {"sale": paid, "void": stands, "refund": stands}.get(kind, stands)
    true = {
        claims.DONE: done,
        claims.FINAL: stands,
        claims.CHARGED: paid if kind != "refund" else stands,
        claims.NOT_CHARGED: (not moved if kind != "void" else not paid),
        claims.TAKEN_BACK: state == "reversed",
        claims.GONE: not stands,
        claims.REFUNDED: refunded > 0 if kind == "sale" else stands,
        claims.NOT_REFUNDED: not stands,
        claims.VOIDED: sale == "voided" or (kind != "sale" and stands),
        claims.STANDS: paid or (not sale and not stands),
        claims.NOT_MOVED: not moved,
        claims.NOT_SENT: state == "nothing of it",
    }.get(claim, True)
    if true:
        return ""
    return f"the host has this {kind} as {state}" + (
        f", its sale as {sale or 'nothing'}" if kind == "void" else "")


def lies(entry: Entry) -> bool:
    """Did a rule make the host say, under a valid MAC, what is not in its books?"""
    if entry.direction != "<" or "wrong_mac" in entry.verdict or "no_mac" in entry.verdict:
        return False
    if "wrong_field" in entry.verdict or "verdict=" in entry.verdict:
        return True
    return "code=" in entry.verdict and entry.operation in (*_SETTLEMENT, *_ABOUT_ANOTHER)


def traces_of(entry: Entry) -> set[int]:
    """The voucher numbers that a message is about."""
    found = {entry.fields.get("11", "")}
    found |= {entry.fields.get("61", "")[at:at + 6] for at in (0, 6)}
    return {int(text) for text in found if text.isdigit()}
