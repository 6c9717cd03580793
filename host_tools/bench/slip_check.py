"""Slips against both ends: every field of a sales slip, every figure of a settlement slip.

A slip is a proof. What it says must be true when it comes out, digit by digit.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from host_tools.bench import claims, texts
from host_tools.bench.texts import bare

if TYPE_CHECKING:
    from host_tools.bench.oracle import Books
    from host_tools.journal import Transaction

_STANDS = ("approved", "voided", "refunded", "settled")
_PLACE = {"batch": re.compile(r"(?m)^(?:批次号|Batch) +(\d{6})$"),
          "trace": re.compile(r"(?m)^(?:凭证号|Voucher) +(\d{6})$")}
_AMOUNT = re.compile(r"(?m)^ *RMB (-?[\d,]+\.\d\d)$")
_RRN = re.compile(r"(?m)^(?:参考号|RRN) +(\d{12})$")
_AUTH = re.compile(r"(?m)^(?:授权码|Auth) +(\w{6})$")
_CARD = re.compile(r"(?m)^(\d{6}\*+\d{4}) /\w$")
_STATE = re.compile(r"(?m)^(?:状态|State) +(\S.*)$")
_SUM = r"(?m)^(?:{}) +(\d+) +(-?[\d,]+\.\d\d)$"
_NET = re.compile(r"(?m)^(?:净额|Net) +(-?[\d,]+\.\d\d)$")
_CREDITS = ("void", "refund")


def money(fen: int) -> str:
    """分 as the terminal shows it: 1,234.56."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


# Titles of the slips that prove a transaction.
SALES = ("slip_title", "slip_title_void", "slip_title_refund")


def value(txn: Any) -> int:
    """分 that it moves: of an approval in part that part."""
    part = getattr(txn, "approved_amount", None)
    return int(txn.amount if part is None else part)


def parts(rows: Iterable[str]) -> list[str]:
    """The slips on rows of paper: after the end of a roll two may hang together."""
    titles = {bare(words) for name in (*SALES, "fault_slip", "totals_slip", "details_slip")
              for words in texts.strings()[name]}
    found: list[list[str]] = [[]]
    for row in rows:
        if bare(row) in titles and any(bare(old) in titles for old in found[-1]):
            found.append([])
        found[-1].append(row)
    return ["\n".join(rows) for rows in found]


def check(
    slip: str, books: Books, lied_about: Collection[int], lied_at_settlement: bool
) -> tuple[list[str], int, int]:
    """(what is wrong, how many claims were compared, how many amounts)."""
    rows = slip.split("\n")
    if _has(rows, "totals_slip"):
        return _totals(slip, rows, books, lied_at_settlement)
    if any(_has(rows, name) for name in SALES):
        return _sale(slip, books, lied_about)
    return [], 0, 0


def _has(rows: Iterable[str], name: str) -> bool:
    return any(bare(row) in texts.words_of(name) for row in rows)


def _sale(slip: str, books: Books, lied_about: Collection[int]) -> tuple[list[str], int, int]:
    batch, trace = _PLACE["batch"].search(slip), _PLACE["trace"].search(slip)
    if not batch or not trace:
        return [], 0, 0  # the roll ended
    place = int(batch[1]), int(trace[1])
    name = f"the slip of {place[0]:06d}/{place[1]:06d}"
    here = next((txn for txn in reversed(books.journal) if (txn.batch, txn.trace) == place), None)
    if here is None:
        return [f"{name} is about no transaction of the journal"], 1, 0
    there = books.at_host(here)
    wrong: list[str] = []
    amounts = 0
    if books.own and here.trace not in lied_about and (
            there is None or there.state not in _STANDS) and here.state != "released":
        wrong.append(f"{name} proves {here}; the host has "
                     + ("nothing of it" if there is None else there.state))
    signed = _AMOUNT.search(slip)
    if signed or "RMB" in slip:
        amounts += 1
        want = value(here) * (-1 if here.kind in _CREDITS else 1)
        shown = signed[1] if signed else "cut off"
        if shown != money(want):
            wrong.append(f"{name} has the amount {shown}, the journal {money(want)}")
        if there is not None and there.amount != value(here) and here.trace not in lied_about:
            wrong.append(f"{name} has the amount {shown}, the host {money(there.amount)}")
    for what, shape, mine, theirs in (
        ("reference", _RRN, here.rrn, there.rrn if there else ""),
        ("authorisation", _AUTH, here.auth, there.auth if there else ""),
        ("card", _CARD, here.masked_pan, there.masked_pan if there else ""),
    ):
        found = shape.search(slip)
        if found and (found[1] != mine or (theirs and found[1] != theirs
                                           and here.trace not in lied_about)):
            wrong.append(f"{name} has the {what} {found[1]}, the journal {mine}, the host {theirs}")
    said = list(texts.found_in(tuple(slip.split("\n"))))
    state = _STATE.search(slip)
    if state and bare(state[1]) in texts.states():
        said.append(texts.states()[bare(state[1])])
    compared = 0
    if books.own and here.trace not in lied_about and here.state != "released":
        for text in said:
            compared += 1
            why = books.contradiction(text.claim, here)
            if why:
                wrong.append(f"{name} says {text.words[0]!r} ({text.name}: {text.claim}): {why}")
    return wrong, 1 + compared, amounts


def _totals(
    slip: str, rows: list[str], books: Books, lied: bool
) -> tuple[list[str], int, int]:
    batch = _PLACE["batch"].search(slip)
    if not batch:
        return [], 0, 0
    number = int(batch[1])
    name = f"the totals of batch {number:06d}"
    wrong: list[str] = []
    amounts = 0
    here = [txn for txn in books.journal if txn.batch == number]
    there = [txn for (b, _), txn in books.host.items() if b == number]
    agrees = any(bare(row) in texts.words_of("verdict_1") for row in rows)
    if agrees and books.own and not lied and here and _sums(here) != _sums(there):
        wrong.append(f"{name} say {claims.AGREES}: the journal has {_sums(here)}, the host "
                     + f"{_sums(there)}")
    for what, label, index in (("debits", "借记|Debit", 0), ("credits", "贷记|Credit", 2)):
        found = re.search(_SUM.format(label), slip)
        if found and here:
            amounts += 1
            want = _sums(here)[index:index + 2]
            if (int(found[1]), found[2]) != (want[0], money(want[1])):
                wrong.append(f"{name} have {found[1]} {what} of {found[2]}, the journal "
                             + f"{want[0]} of {money(want[1])}")
    net = _NET.search(slip)
    if net and here:
        amounts += 1
        sums = _sums(here)
        if net[1] != money(sums[1] - sums[3]):
            wrong.append(f"{name} have the net {net[1]}, the journal {money(sums[1] - sums[3])}")
    return wrong, int(agrees), amounts


def _sums(transactions: Iterable[Transaction | Any]) -> tuple[int, int, int, int]:
    # Count and amount of debits and credits: a voided sale stays a debit.
    stand = [txn for txn in transactions if txn.state in _STANDS]
    debits = [value(txn) for txn in stand if txn.kind == "sale"]
    credit = [value(txn) for txn in stand if txn.kind in _CREDITS]
    return len(debits), sum(debits), len(credit), sum(credit)
