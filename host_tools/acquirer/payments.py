"""The rules of the trade for card requests: balance, sale, void, refund, reversals.

Each function decides one case inside one database transaction. A refusal is an exception; what
was written before it stays (that is: wrong PINs are counted).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import date
from typing import Any

from sqlalchemy import Row

from host_tools.acquirer.books import rrn_of
from host_tools.acquirer.cards import TestCard
from host_tools.acquirer.case import Case, Refused, is_approved, next_batch
from host_tools.acquirer.codec import FormatError, mask_pan
from host_tools.acquirer.security import PinFormatError
from host_tools.acquirer.settlement import abandon_batch, counts_anew

ACQUIRER = "48021000"  # our own institution number (fields 32 and 44)
MAX_WRONG_PINS = 3
_TRACK2 = re.compile(r"(\d{12,19})D(\d{4})\d*")
_SIGN_ON_AGAIN = 3


# Cards and PINs


def _card_of(case: Case) -> tuple[TestCard, str]:
    # The card of fields 2, 14 and 35, and the expiry given ("" if none). 14 if not a test card.
    request = case.request
    if case.by_code:
        return _wallet_of(case), ""
    pan, expiry, track = request.get("2"), request.get("14"), request.get("35")
    if track:
        if request.get("53")[2:3] == "1":
            assert case.outcome.keys is not None
            clear = case.outcome.keys.track2(track)
            if clear is None:
                raise Refused("99", "track 2 is encrypted, but this sign-on gave no track key",
                              _SIGN_ON_AGAIN)
            track = clear
        parts = _TRACK2.fullmatch(track)
        if parts is None:
            raise FormatError("track 2 is not number, separator, expiry", request)
        if pan and pan != parts[1]:
            raise Refused("14", "card number and track differ")
        pan, expiry = parts[1], expiry or parts[2]
    if not pan:
        raise FormatError("fields 2 and 35 are both missing", request)
    case.masked_pan = mask_pan(pan)
    case.card = case.register.card(pan)
    if case.card is None:
        raise Refused("14", f"{case.masked_pan} is no test card of this host")
    return case.card, expiry


def _code_of(case: Case) -> str:
    # The payment code (付款码) of field 62.
    code = bytes.fromhex(case.request.get("62")).decode("ascii", "replace")
    if not code:
        raise FormatError("entry mode 03, but field 62 (the payment code) is missing", case.request)
    return code


def _wallet_of(case: Case) -> TestCard:
    # The card that pays for a payment code. Each code is good for one payment.
    code = _code_of(case)
    case.masked_pan = mask_pan(code)
    case.card = case.register.wallet(code)
    if case.card is None:
        raise Refused("14", f"{case.masked_pan} is no payment code of a test wallet")
    if case.books.code_used(case.db, _digest(code)):
        raise Refused("14", "this payment code has been used: let the customer show a new one")
    return case.card


def _digest(code: str) -> str:
    return hashlib.sha256(f"code/{code}".encode()).hexdigest()


def _card_of_original(case: Case, sale: Row[Any] | None) -> TestCard | None:
    # The card of a void or refund. Of a sale that was paid with a payment code it is the wallet's:
    # there is no card to read then.
    if not case.by_code:
        return _card_of(case)[0]
    if sale is not None:
        case.masked_pan = sale.masked_pan
        case.card = case.register.named(sale.card)
    return case.card


def _usable_card(case: Case) -> tuple[TestCard, Row[Any]]:
    # The issuer's view of a card that shall pay or show its balance.
    card, expiry = _card_of(case)
    if card.code:
        raise Refused(card.code, card.note)
    if card.expiry < case.month:
        raise Refused("54", "the card has expired")
    if expiry and expiry != card.expiry:
        raise Refused("54", "the expiry differs from the issuer's")
    account = case.books.card(case.db, card.name)
    if not case.by_code:
        _check_pin(case, card, account)
    return card, account


def _check_pin(case: Case, card: TestCard, account: Row[Any]) -> None:
    request = case.request
    block, control, keys = request.get("52"), request.get("53"), case.outcome.keys
    assert keys is not None
    fails = account.wrong_pins if account.wrong_pin_day == case.day else 0
    if fails >= MAX_WRONG_PINS:
        raise Refused("38", "PIN tries used up for today")
    if not block:
        if request.get("22")[2:] == "1":
            raise FormatError("entry mode says PIN, but field 52 is missing", request)
        if card.pin_needed:
            raise Refused("55", "this card needs a PIN")
        return
    if control[:2] not in (("10", "20") if keys.single else ("16", "26")):
        raise Refused("99", f"security control {control[:2]!r} does not fit the keys of this " +
                            "sign-on", _SIGN_ON_AGAIN)
    try:
        # In the format without card number the account field is all zeros.
        pin = keys.pin(bytes.fromhex(block), card.pan if control[0] == "2" else "0" * 13)
    except PinFormatError:
        raise Refused("99", "the PIN block does not decrypt to a PIN", _SIGN_ON_AGAIN) from None
    if case.register.pin_fits(card, pin):
        if account.wrong_pins:
            case.books.set_card(case.db, card.name, wrong_pins=0)
        return
    fails += 1
    case.books.set_card(case.db, card.name, wrong_pins=fails, wrong_pin_day=case.day)
    if fails == MAX_WRONG_PINS:
        raise Refused("38", "wrong PIN, that was the last try for today")
    raise Refused("55", f"wrong PIN, tries left: {MAX_WRONG_PINS - fails}")


# Requests


def transact(case: Case) -> None:
    """Balance, sale, void, refund: what holds for all of them, then the kind's own rules."""
    request, row = case.request, case.row
    if request.trace == 0:
        raise FormatError("trace 000000 does not exist", request)
    if request.get("49") != "156":
        raise Refused("A1", f"currency {request.get('49')}, not 156")
    if request.batch == next_batch(row.batch) and counts_anew(case, row.batch):
        # It took the batch that its sign-on was offered: now the old one is lost for certain.
        abandon_batch(case, row.batch)
        row = case.row = case.books.terminal(case.db, row.terminal)
    if request.batch != row.batch:
        raise Refused("77", f"batch {request.batch:06d}, the open one is {row.batch:06d}",
                      _SIGN_ON_AGAIN)
    # The MAC is in the body: the same transaction built again after a new sign-on differs.
    case.mark = hashlib.sha256(request.body).hexdigest()[:32]
    earlier = case.books.find(case.db, row.terminal, request.batch, request.trace)
    if earlier is not None:
        _again(case, earlier)
        return
    try:
        if case.force and not is_approved(case.force):
            raise Refused(case.force, f"a rule refuses it with {case.force}")
        _KINDS[case.operation.name](case)
    except Refused as refusal:
        row_id = _add(case, "declined", refusal.code, request.amount)
        case.reply(f37=rrn_of(case.day, row_id))
        raise


def _again(case: Case, earlier: Row[Any]) -> None:
    # The trace was used before: by the very same request, or by another one?
    if earlier.state == "barred":
        raise Refused("22", "its reversal, or a query about it, came before it")
    if earlier.mark != case.mark:
        raise Refused("94", f"trace {earlier.trace:06d} was used by a {earlier.kind} before")
    if earlier.state == "reversed":
        raise Refused("22", "it was reversed meanwhile")
    if not is_approved(earlier.code):
        case.reply(f37=rrn_of(earlier.day, earlier.id))
        raise Refused(earlier.code, "the same request again, the same answer")
    case.card = case.register.named(earlier.card)
    if earlier.kind == "balance":
        _reply_balance(case, case.books.card(case.db, earlier.card).balance)
    _reply_approved(case, earlier.id, earlier.day, earlier.auth, earlier.amount, earlier.code)
    case.done("the same request again: the same answer, nothing booked")


def _add(case: Case, state: str, code: str, amount: int, auth: str = "",
         original: int | None = None) -> int:
    request = case.request
    return case.books.add(
        case.db, terminal=case.row.terminal, merchant=case.row.merchant, batch=request.batch,
        trace=request.trace, kind=case.operation.name, state=state, amount=amount,
        card=case.card.name if case.card else "", masked_pan=case.masked_pan, code=code,
        auth=auth, original=original, day=case.day, time=case.time, mark=case.mark,
        stamp=request.stamp)


def is_another(named: str, stamp: str) -> bool:
    """Is the transaction with that ``stamp`` another one than the ``named`` one?

    A terminal that was replaced counts its traces anew; fields 12 and 13, where both messages have
    them, tell its transactions from those before.
    """
    return bool(named and stamp) and named != stamp


def bar(case: Case, kind: str, batch: int, trace: int) -> None:
    """Take the place of a request that was not seen, so that it is refused if it comes late."""
    case.books.add(
        case.db, terminal=case.row.terminal, merchant=case.row.merchant, batch=batch, trace=trace,
        kind=kind, state="barred", amount=case.request.amount, card="",
        masked_pan=mask_pan(case.request.get("2")), code="", auth="", original=None,
        reason=case.request.get("39"), day=case.day, time=case.time, mark="")


def _authorisation(case: Case) -> str:
    source = (f"{case.register.seed}/{case.row.terminal}/{case.day}/{case.request.batch}" +
              f"/{case.request.trace}")
    return f"{int.from_bytes(hashlib.sha256(source.encode()).digest()[:4], 'big') % 10**6:06d}"


def _reply_approved(case: Case, row_id: int, day: str, auth: str, amount: int,
                    code: str) -> None:
    case.reply(code=code, f37=rrn_of(day, row_id))
    if case.operation.name in ("sale", "void"):
        case.reply(code=code, f38=auth)
    if case.operation.name != "balance":
        case.reply(code=code, f4=f"{amount:012d}")
    if case.card is not None:
        case.reply(code=code, f44=case.card.issuer.ljust(11) + ACQUIRER.ljust(11),
                   f63=case.card.organisation)


def _reply_balance(case: Case, balance: int) -> None:
    # Account type 10 (savings), amount type 02 (available), currency, sign, amount.
    case.reply(f54=f"1002156{'C' if balance >= 0 else 'D'}{abs(balance):012d}")


def _tell(case: Case, event: str, kind: str, amount: int, rrn: str, **more: Any) -> None:
    case.tell(event, kind=kind, amount=amount, card_last4=case.masked_pan[-4:], rrn=rrn, **more)


def balance(case: Case) -> None:
    """余额查询."""
    _, account = _usable_card(case)
    auth = _authorisation(case)
    row_id = _add(case, "approved", "00", 0, auth)
    _reply_balance(case, account.balance)
    _reply_approved(case, row_id, case.day, auth, 0, "00")
    case.done("balance given")


def sale(case: Case) -> None:
    """消费."""
    card, account = _usable_card(case)
    amount, code = case.request.amount, case.force or "00"
    if amount < 1:
        raise Refused("13", "amount 0")
    if 0 < case.partial < amount:
        amount, code = case.partial, "10"
    if card.limit and amount > card.limit:
        raise Refused("61", f"above the card's limit of {card.limit} fen")
    if amount > account.balance:
        raise Refused("51", "balance too low")
    auth, fee = _authorisation(case), case.policy.fee(amount)
    row_id = _add(case, "approved", code, amount, auth)
    if case.by_code:
        case.books.use_code(case.db, _digest(_code_of(case)), row_id)
    case.books.book(case.db, f"{row_id}.1", {
        f"card:{card.name}": -amount, case.merchant_account: amount - fee, "fee": fee})
    _reply_approved(case, row_id, case.day, auth, amount, code)
    case.done("approved" if code != "10" else f"approved in part: {amount} fen")
    _tell(case, "approved", "sale", amount, rrn_of(case.day, row_id), auth=auth, fee=fee)


def void(case: Case) -> None:
    """消费撤销: same terminal, batch, day and card, the whole amount, once."""
    request = case.request
    about = request.get("61")
    if len(about) < 12:
        raise FormatError("field 61 must hold the original's batch and trace", request)
    batch, trace = int(about[:6]), int(about[6:12])
    sale = case.books.find(case.db, case.row.terminal, batch, trace, lock=True)
    card = _card_of_original(case, sale)
    if sale is None or card is None or sale.state == "barred":
        raise Refused("25", f"no original with batch {batch:06d} and trace {trace:06d}")
    _check_original(case, card, sale)
    if request.get("37").strip("0 ") and request.get("37") != rrn_of(sale.day, sale.id):
        raise Refused("25", "the reference number is not the original's")
    if request.get("38").strip() and request.get("38") != sale.auth:
        raise Refused("25", "the authorisation code is not the original's")
    if sale.batch != case.row.batch:
        raise Refused("12", "the original's batch is settled: refund instead")
    if not case.policy.voidable(sale.time, case.time):
        raise Refused("12", f"the original is of {sale.time}, voids end at " +
                            f"{case.policy.void_cutoff:02d}:00: refund instead")
    if sale.refunded:
        raise Refused("22", f"{sale.refunded} fen of the original are already refunded")
    if sale.amount != request.amount:
        raise Refused("64", f"the original is {sale.amount} fen, the void {request.amount}")
    if request.get("52"):
        _check_pin(case, card, case.books.card(case.db, card.name))
    auth = _authorisation(case)
    row_id = _add(case, "approved", "00", sale.amount, auth, original=sale.id)
    case.books.set_transaction(case.db, sale.id, state="voided")
    case.books.book_opposite(case.db, f"{row_id}.1", of=f"{sale.id}.1")
    _reply_approved(case, row_id, case.day, auth, sale.amount, "00")
    case.done(f"approved, sale {trace:06d} voided")
    _tell(case, "voided", "void", sale.amount, rrn_of(case.day, row_id), auth=auth,
          original_trace=trace)


def _check_original(case: Case, card: TestCard, sale: Row[Any]) -> None:
    # What void and refund ask of the transaction they name.
    if sale.kind != "sale":
        raise Refused("12", f"the original is a {sale.kind}, not a sale")
    if sale.state == "declined":
        raise Refused("12", "the original was not approved")
    if sale.card != card.name:
        raise Refused("14", f"the original's card is {sale.masked_pan}")
    if case.by_code != case.books.by_code(case.db, sale.id):
        raise Refused("14", "one of the two was paid by card and the other with a payment code")
    if sale.state != "approved":
        raise Refused("22", f"the original is already {sale.state}")


def refund(case: Case) -> None:
    """退货: by reference number and date, any terminal of the merchant, sum <= original."""
    request = case.request
    amount, rrn, about = request.amount, request.get("37"), request.get("61")
    if len(about) < 16:
        raise FormatError("field 61 must hold batch, trace and date of the original", request)
    sale = case.books.find_rrn(case.db, rrn)
    card = _card_of_original(case, sale)
    if sale is None or card is None or sale.merchant != case.row.merchant or sale.state == "barred":
        raise Refused("25", f"no transaction of this merchant has reference number {rrn}")
    if sale.day[5:7] + sale.day[8:10] != about[12:16]:
        raise Refused("25", f"the original is of {sale.day}, field 61 says {about[12:16]}")
    if about[:12].strip("0") and about[:12] != f"{sale.batch:06d}{sale.trace:06d}":
        raise Refused("25", "the original has another batch and trace")
    _check_original(case, card, sale)
    age = (date.fromisoformat(case.day) - date.fromisoformat(sale.day)).days
    if age > case.policy.refund_days:
        raise Refused("22", f"the original is {age} days old, the limit is " +
                            f"{case.policy.refund_days}")
    if amount < 1:
        raise Refused("13", "amount 0")
    left = sale.amount - sale.refunded
    if left == 0:
        raise Refused("22", "the original is already refunded in full")
    if amount > left:
        raise Refused("61", f"only {left} fen of the original remain")
    auth = _authorisation(case)
    row_id = _add(case, "approved", "00", amount, auth, original=sale.id)
    case.books.set_transaction(case.db, sale.id, refunded=sale.refunded + amount)
    fee = case.policy.fee(amount) if case.policy.refund_returns_fee else 0
    case.books.book(case.db, f"{row_id}.1", {
        f"card:{card.name}": amount, case.merchant_account: fee - amount, "fee": -fee})
    _reply_approved(case, row_id, case.day, auth, amount, "00")
    case.done(f"approved, {left - amount} fen of the original remain")
    _tell(case, "refunded", "refund", amount, rrn_of(case.day, row_id), auth=auth,
          original_trace=sale.trace, original_rrn=rrn)


_KINDS: dict[str, Callable[[Case], None]] = {
    "balance": balance, "sale": sale, "void": void, "refund": refund,
}


def reverse(case: Case) -> None:
    """冲正: undo the sale or void with this batch and trace, once; remember an unknown one."""
    request = case.request
    kind = case.operation.name.partition("-")[0]
    if kind == "void" and request.get("61")[:12] != f"{request.batch:06d}{request.trace:06d}":
        raise FormatError("field 61 must hold the void's own batch and trace", request)
    case.masked_pan = mask_pan(request.get("2"))
    found = case.books.find(case.db, case.row.terminal, request.batch, request.trace, lock=True)
    if found is None:
        bar(case, kind, request.batch, request.trace)
        raise Refused("25", "the original never came; it will be refused if it still comes")
    if found.state == "barred":
        raise Refused("25", "the original never came")
    if is_another(request.stamp, found.stamp):
        raise Refused("25", f"batch and trace are those of a {found.kind} of {found.stamp}: the " +
                            "original never came, and its trace is used up")
    if found.kind != kind:
        raise Refused("12", f"the original is a {found.kind}, not a {kind}")
    if found.state == "declined":
        raise Refused("12", "the original was not approved: nothing to undo")
    card = case.register.named(found.card)
    if request.get("2") and card is not None and request.get("2") != card.pan:
        raise Refused("14", f"the original's card is {found.masked_pan}")
    if request.amount != found.amount and found.code != "10":
        raise Refused("64", f"the original is {found.amount} fen, the reversal {request.amount}")
    case.masked_pan = found.masked_pan
    rrn = rrn_of(found.day, found.id)
    if found.state == "reversed":
        case.reply(f37=rrn)
        case.done("it was reversed before; nothing more to undo")
        return
    if found.state == "voided":
        raise Refused("22", "the original is voided")
    if found.refunded:
        raise Refused("22", f"{found.refunded} fen of the original are refunded")
    if found.batch != case.row.batch:
        raise Refused("12", "the original's batch is settled")
    if kind == "void":
        sale = case.books.find_id(case.db, found.original)
        assert sale is not None
        case.books.set_transaction(case.db, sale.id, state="approved")
    case.books.set_transaction(case.db, found.id, state="reversed", reason=request.get("39"))
    case.books.book_opposite(case.db, f"{found.id}.2", of=f"{found.id}.1")
    case.reply(f37=rrn)
    case.done("void undone, the sale stands again" if kind == "void" else "sale undone")
    _tell(case, "reversed", kind, found.amount, rrn, reason=request.get("39"))
