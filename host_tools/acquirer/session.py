"""Session requests: 签到, 签退, 回响测试, 参数下载, and the status query of one transaction."""

from __future__ import annotations

import hmac
import re

from sqlalchemy import exists, select

from host_tools.acquirer import books as bk
from host_tools.acquirer.books import rrn_of
from host_tools.acquirer.case import Case, Refused, next_batch
from host_tools.acquirer.codec import FormatError, mask_pan
from host_tools.acquirer.payments import bar, is_another
from host_tools.acquirer.security import WorkingKeys
from host_tools.acquirer.settlement import batch_row, close_batch, counts_anew

SIGN_ON_AGAIN = 3  # processing demand
_LONG_NUMBER = re.compile(r"\d{12,}")


def authenticate(case: Case) -> None:
    """Is the terminal signed on, and is the MAC made with its keys? Else 99 or A0."""
    row = case.row
    if not row.signed_on:
        raise Refused("99", "the terminal is not signed on", SIGN_ON_AGAIN)
    keys = case.register.keys(case.terminal, row.key_kind, row.keys)
    given = bytes.fromhex(case.request.get("64"))
    if not given:
        raise Refused("A0", "field 64 (MAC) is missing", SIGN_ON_AGAIN)
    data = case.request.body[:-8]
    wanted = keys.mac(data)
    if hmac.compare_digest(given, wanted):
        case.outcome.keys = keys
        return
    if row.old_keys:
        old = WorkingKeys(row.old_kind, bytes.fromhex(row.old_keys), case.terminal.tmk)
        if old.mac(data) == given:
            raise Refused("A0", "the MAC was made with the keys of the sign-on before",
                          SIGN_ON_AGAIN)
    # The answer carries no MAC: a terminal with other keys could not check it either.
    raise Refused("A0", f"the MAC over {len(data)} bytes should be {wanted.decode()}, it is " +
                        f"{given.decode('ascii', 'replace')}", SIGN_ON_AGAIN)


def sign_on(case: Case) -> None:
    """签到: fresh working keys, the batch number, the clock."""
    row = case.row
    kind = case.request.get("60")[8:11]
    session = row.session + 1
    seed = case.register.seed
    keys = WorkingKeys.fresh(
        kind, case.terminal.tmk, None if seed is None else f"{seed}/{row.terminal}/{session}",
        case.policy.double_mak)
    batch = agree_batch(case)
    case.books.set_terminal(
        case.db, row.terminal, session=session, signed_on=True, key_kind=kind,
        keys=keys.wrapped.hex(), old_kind=row.key_kind, old_keys=row.keys)
    case.reply(f60=f"00{batch:06d}{kind}", f62=keys.field62())
    case.done(f"signed on, batch {batch:06d}, session {session}, check values " +
              keys.check_values())


def agree_batch(case: Case) -> int:
    """The batch the terminal shall work in; adopts or closes one where that is harmless.

    A terminal that counts its traces anew is offered the next batch, so that old and new numbers
    are not confused.

    The terminal's number counts only while this host has nothing in its own open batch (it may
    have been started with an empty database), or when it is the next one and the open batch was
    found balanced (some terminals do not send the end of a balanced batch).
    """
    row, asked = case.row, case.request.batch
    batch = int(row.batch)
    if counts_anew(case, batch):
        # It may also be a sign-on that was held up on its way: nothing is ended before a
        # transaction comes in the new batch (`payments.transact`).
        return next_batch(batch)
    if asked in (batch, 0):
        return batch
    settled = batch_row(case, batch)
    if asked == next_batch(batch) and settled is not None and settled.verdict == "11":
        close_batch(case, batch)
        return asked
    used = case.db.execute(select(exists().where(
        bk.transactions.c.terminal == row.terminal, bk.transactions.c.batch == batch))).scalar()
    if used or settled is not None or batch_row(case, asked) is not None:
        return batch
    case.books.set_terminal(case.db, row.terminal, batch=asked)
    return asked


def sign_off(case: Case) -> None:
    """签退: the keys are worth nothing any more."""
    case.books.set_terminal(case.db, case.row.terminal, signed_on=False)
    case.done("signed off")


def echo(case: Case) -> None:
    """回响测试: somebody is there."""
    case.done("answered")


def status(case: Case) -> None:
    """状态上送: a terminal may report in field 62 (GBK text) what its acquirer should know.

    The text goes to the merchant's notices as a risk, with anything like a card number masked.
    """
    report = bytes.fromhex(case.request.get("62")).decode("gbk", "replace").strip()[:200]
    if report:
        report = _LONG_NUMBER.sub(lambda found: mask_pan(found[0]), report)
        case.tell("risk", reason=report, source="terminal")
    case.done(f"taken: {report}" if report else "taken")


# Tag and value of a fixed length, tag after tag (参数下载, field 62). Balance, sale, void and
# refund are switched on; nothing else is served here.
_PARAMETERS = (
    ("11", b"60"), ("12", b"60"), ("13", b"3"), ("14", b" " * 14), ("15", b" " * 14),
    ("16", b" " * 14), ("17", b" " * 14), ("18", b"0"), ("19", b"00"), ("20", b"1"), ("21", b"0"),
    ("22", b""), ("23", b"3"), ("24", b"0"), ("25", b"0"), ("26", b"\x87\0\0\0"), ("27", b""))


def parameters(case: Case) -> None:
    """参数下载: the list of parameters, with the merchant's name in GBK, 40 bytes."""
    name = case.terminal.name.encode("gbk", "replace")[:40].decode("gbk", "ignore").encode("gbk")
    own = {"22": name.ljust(40), "27": f"{case.policy.void_cutoff:02d}".encode()}
    data = b"".join(tag.encode() + own.get(tag, value) for tag, value in _PARAMETERS)
    case.reply(f62=data.hex().upper())
    case.done(f"{len(_PARAMETERS)} parameters")


def query(case: Case) -> None:
    """交易状态查询 (0820/364): what became of the transaction in field 61.

    The answer has code 00 (approved), 22 (reversed or voided) or 25 (no money moved), and with 00
    and 22 the fields 4, 37 and 38. 25 is a promise: a request that is still on its way is
    refused when it comes. The promise is given only for a trace older than the query's own, so
    that a mistyped one does not bar a later transaction.
    """
    if not case.policy.status_query:
        raise Refused("40", "this host has no status query")
    about = case.request.get("61")
    if len(about) < 12:
        raise FormatError("field 61 must hold batch and trace", case.request)
    batch, trace = int(about[:6]), int(about[6:12])
    found = case.books.find(case.db, case.row.terminal, batch, trace)
    if found is not None and is_another(case.request.stamp, found.stamp):
        raise Refused("25", f"batch {batch:06d} trace {trace:06d} is a {found.kind} of " +
                            f"{found.stamp}, not the one asked about")
    if found is None:
        age = (case.request.trace - trace) % 999_999
        if batch == case.row.batch and 0 < age < 500_000:
            bar(case, "unseen", batch, trace)
        raise Refused("25", f"nothing known of batch {batch:06d} trace {trace:06d}")
    if found.state in ("declined", "barred"):
        raise Refused("25", f"it is {found.state}, no money moved")
    case.reply(f37=rrn_of(found.day, found.id), f38=found.auth, f4=f"{found.amount:012d}")
    if found.state != "approved":
        raise Refused("22", f"it is {found.state}")
    case.done(f"it is approved, {found.amount} fen")
