"""批结算: compare the terminal's totals with the books, take its details, close the batch.

Debits are the sales (voided ones too), credits the voids and refunds; declined and reversed
transactions and balances do not count. Cards of our own network (内卡) and foreign ones (外卡)
are compared apart. The host's books decide what is paid; what the terminal claims otherwise is
listed and booked between `clearing` and `suspense`, where a person will see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, func, insert, select

from host_tools.acquirer import books as bk
from host_tools.acquirer.books import rrn_of
from host_tools.acquirer.case import Case, Refused, next_batch
from host_tools.acquirer.codec import FormatError, mask_pan

OWN = "CUP"  # card organisation; every other one is foreign
BALANCED, UNBALANCED, FAILED = "1", "2", "3"  # reply digits in field 48
_BALANCED_END = "207"
_DETAIL = 40  # digits: kind 2, trace 6, card number 20, amount 12


@dataclass(slots=True)
class Totals:
    """Amounts in 分 and counts of one group of cards."""

    debit: int = 0
    debits: int = 0
    credit: int = 0
    credits: int = 0

    def digits(self) -> str:
        """As in field 48, without the reply digit."""
        return f"{self.debit:012d}{self.debits:03d}{self.credit:012d}{self.credits:03d}"


def batch_row(case: Case, batch: int) -> Row[Any] | None:
    """What is known of the settlement of a batch; None before its first 0500."""
    return case.db.execute(select(bk.batches).where(
        bk.batches.c.terminal == case.row.terminal, bk.batches.c.batch == batch)).one_or_none()


def close_batch(case: Case, batch: int) -> None:
    """Mark ``batch`` ended; the next number is open from now on."""
    case.db.execute(bk.batches.update().where(
        bk.batches.c.terminal == case.row.terminal,
        bk.batches.c.batch == batch).values(ended=True, time=case.time))
    case.books.set_terminal(case.db, case.row.terminal, batch=next_batch(batch))


def counts_anew(case: Case, batch: int) -> bool:
    """Has ``batch`` a trace that is not older than the request's own? Then the terminal counts
    anew: it was replaced, or its journal is gone."""
    trace = case.request.trace
    used = case.db.execute(select(bk.transactions.c.trace).where(
        bk.transactions.c.terminal == case.row.terminal,
        bk.transactions.c.batch == batch)).scalars()
    return trace > 0 and any((number - trace) % 999_999 < 500_000 for number in used)


def abandon_batch(case: Case, batch: int) -> None:
    """End ``batch`` without its terminal, which has lost it: our books decide."""
    known = batch_row(case, batch)
    if known is None:
        case.db.execute(insert(bk.batches).values(
            terminal=case.row.terminal, batch=batch, verdict=UNBALANCED * 2, ended=True,
            time=case.time))
    close_batch(case, batch)
    case.tell("risk", reason="terminal counts anew", closed_batch=batch)


def _is_own(case: Case, card_name: str) -> bool:
    card = case.register.named(card_name)
    return card is None or card.organisation == OWN


def _counted(case: Case, batch: int) -> Any:
    # The condition that picks what settlement counts.
    table = bk.transactions.c
    return ((table.terminal == case.row.terminal) & (table.batch == batch)
            & table.kind.in_(("sale", "void", "refund"))
            & table.state.in_(("approved", "voided")))


def totals(case: Case, batch: int) -> tuple[Totals, Totals]:
    """Our own totals of the batch: own cards, foreign cards."""
    table = bk.transactions.c
    own, foreign = Totals(), Totals()
    rows = case.db.execute(
        select(table.kind, table.card, func.sum(table.amount), func.count())
        .where(_counted(case, batch)).group_by(table.kind, table.card))
    for kind, card, amount, count in rows:
        group = own if _is_own(case, card) else foreign
        if kind == "sale":
            group.debit += int(amount)
            group.debits += count
        else:
            group.credit += int(amount)
            group.credits += count
    return own, foreign


def compare(case: Case) -> None:
    """0500: our totals and a verdict digit for each group. May be asked as often as one likes."""
    claimed = case.request.get("48")
    if len(claimed) != 62:
        raise FormatError(f"field 48 has {len(claimed)} digits instead of 62", case.request)
    batch = case.request.batch
    own, foreign = totals(case, batch)
    known = batch == case.row.batch or batch_row(case, batch) is not None
    verdicts = ""
    for ours, theirs in ((own, claimed[:30]), (foreign, claimed[31:61])):
        verdicts += FAILED if not known else BALANCED if ours.digits() == theirs else UNBALANCED
    if known and not _ended(case, batch):
        case.db.execute(delete(bk.batches).where(
            bk.batches.c.terminal == case.row.terminal, bk.batches.c.batch == batch))
        case.db.execute(insert(bk.batches).values(
            terminal=case.row.terminal, batch=batch, verdict=verdicts, ended=False,
            time=case.time, totals=own.digits() + foreign.digits()))
    case.reply(f48=own.digits() + verdicts[0] + foreign.digits() + verdicts[1])
    case.done(f"batch {batch:06d}: 内卡 {_verdict(verdicts[0])}, ours {own}, theirs " +
              f"{claimed[:30]}; 外卡 {_verdict(verdicts[1])}")


def _verdict(digit: str) -> str:
    return {BALANCED: "平", UNBALANCED: "不平"}.get(digit, "出错: this batch is not known here")


def _ended(case: Case, batch: int) -> bool:
    known = batch_row(case, batch)
    return known is not None and bool(known.ended)


def _open_batch(case: Case) -> bool:
    # True when details for the request's batch are still wanted, False when it has ended.
    batch = case.request.batch
    if _ended(case, batch):
        case.done(f"batch {batch:06d} has ended before; nothing changed")
        return False
    if batch != case.row.batch:
        raise Refused("77", f"batch {batch:06d}, the open one is {case.row.batch:06d}", 3)
    return True


def upload(case: Case) -> None:
    """0320/201: up to eight details of online sales and voids. A repeat replaces itself."""
    digits = case.request.get("48")
    count = int(digits[:2])
    if len(digits) != 2 + count * _DETAIL:
        raise FormatError(f"field 48 says {count} details but has {len(digits)} digits",
                          case.request)
    if not _open_batch(case):
        return
    for at in range(2, len(digits), _DETAIL):
        item = digits[at:at + _DETAIL]
        _claim(case, int(item[2:8]), "detail", item[8:28].lstrip("0"), int(item[28:]))
    case.done(f"{count} details taken")


def upload_refund(case: Case) -> None:
    """0320 with 60.1 = 25: one refund, in the fields of its request without the MAC."""
    if not _open_batch(case):
        return
    request = case.request
    _claim(case, request.trace, "refund", request.get("2"), request.amount, request.get("37"))
    case.done("refund taken")


def _claim(case: Case, trace: int, kind: str, pan: str, amount: int, rrn: str = "") -> None:
    card = case.register.card(pan)
    table = bk.claims.c
    case.db.execute(delete(bk.claims).where(
        table.terminal == case.row.terminal, table.batch == case.request.batch,
        table.trace == trace))
    case.db.execute(insert(bk.claims).values(
        terminal=case.row.terminal, batch=case.request.batch, trace=trace, kind=kind,
        card=card.name if card else "", masked_pan=mask_pan(pan), amount=amount,
        original_rrn=rrn))


def end(case: Case) -> None:
    """0320/202 or 207: details against books where totals differed, then the batch is closed.

    207 claims that the totals agreed: they are looked at again, because something may have been
    booked since. 95 when they do not: the terminal has to compare once more.
    """
    if not _open_batch(case):
        return
    batch, terminal = case.request.batch, case.row.terminal
    known = batch_row(case, batch)
    own, foreign = totals(case, batch)
    now = own.digits() + foreign.digits()
    if case.request.get("60")[8:11] == _BALANCED_END and (
            known is None or known.verdict != BALANCED * 2 or known.totals not in ("", now)):
        was = "never compared" if known is None else f"{known.verdict} over {known.totals}"
        raise Refused("95", f"batch {batch:06d}: the totals are {now} now, compared was {was}")
    if known is None:
        # The terminal settled against a host that has lost its books: every claim is in doubt.
        case.db.execute(insert(bk.batches).values(
            terminal=terminal, batch=batch, verdict=UNBALANCED * 2, ended=False, time=case.time))
    verdict = UNBALANCED * 2
    if known is not None and known.totals in ("", now):
        verdict = known.verdict
    claimed = case.db.execute(select(bk.claims).where(
        bk.claims.c.terminal == terminal, bk.claims.c.batch == batch)).all()
    found: list[dict[str, Any]] = []
    if verdict != BALANCED * 2 or claimed:
        found = _differences(case, batch, verdict, claimed)
    for item in found:
        difference = item["claimed"] - item["booked"]
        case.books.book(case.db, f"batch:{terminal}:{batch}:{item['trace']}",
                        {"suspense": difference, "clearing": -difference})
    if found:
        case.db.execute(insert(bk.discrepancies), found)
    close_batch(case, batch)
    case.done(f"batch {batch:06d} ended with {len(claimed)} details, {len(found)} differences")
    case.tell("settled", verdict=verdict, differences=len(found),
              debit=own.debit + foreign.debit, debits=own.debits + foreign.debits,
              credit=own.credit + foreign.credit, credits=own.credits + foreign.credits)
    if found:
        case.tell("risk", reason="batch differs", differences=[
            {"trace": item["trace"], "what": item["what"], "claimed": item["claimed"],
             "booked": item["booked"]} for item in found])


def _differences(case: Case, batch: int, verdict: str,
                 claimed: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    table = bk.transactions.c
    booked = {row.trace: row for row in case.db.execute(
        select(bk.transactions).where(_counted(case, batch)))
        # A group whose totals agreed is not uploaded: nothing is missing there.
        if verdict[0 if _is_own(case, row.card) else 1] != BALANCED}
    claims = {row.trace: row for row in claimed}
    _rename_refunds(case, booked, claims)
    found = []

    def add(trace: int, what: str, claim: int, book: int) -> None:
        found.append({"terminal": case.row.terminal, "batch": batch, "trace": trace,
                      "what": what, "claimed": claim, "booked": book})

    # A claim about a group whose totals agreed is looked up all the same.
    others = {row.trace: row for row in case.db.execute(select(
        table.trace, table.kind, table.amount, table.card).where(_counted(case, batch)))}
    for trace, claim in sorted(claims.items()):
        row = booked.get(trace) or others.get(trace)
        kind = row.kind if row is not None else ("refund" if claim.kind == "refund" else "sale")
        sign = 1 if kind == "sale" else -1
        if row is None:
            add(trace, "not-booked", sign * claim.amount, 0)
        elif row.amount != claim.amount:
            add(trace, "amount", sign * claim.amount, sign * row.amount)
        elif row.card != claim.card and not _no_card(claim):
            add(trace, "card", sign * claim.amount, sign * row.amount)
    for trace, row in sorted(booked.items()):
        if trace not in claims:
            add(trace, "not-claimed", 0, row.amount if row.kind == "sale" else -row.amount)
    return found


def _no_card(claim: Row[Any]) -> bool:
    # A payment code took the card's place: the terminal has no number to tell.
    return not claim.card and claim.masked_pan == mask_pan("")


def _rename_refunds(case: Case, booked: dict[int, Row[Any]], claims: dict[int, Row[Any]]) -> None:
    # Terminals upload a refund with its own trace or with a new one. A new one is recognised by
    # card, amount and the original's reference number.
    open_refunds = [row for row in booked.values()
                    if row.kind == "refund" and row.trace not in claims]
    for trace, claim in list(claims.items()):
        if claim.kind != "refund" or trace in booked:
            continue
        for row in open_refunds:
            original = case.books.find_id(case.db, row.original)
            if (row.card == claim.card and row.amount == claim.amount and original is not None
                    and rrn_of(original.day, original.id) == claim.original_rrn):
                claims[row.trace] = claims.pop(trace)
                open_refunds.remove(row)
                break
