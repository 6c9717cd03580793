"""The acquirer's books in a database: terminals, transactions, double entry, batches, notices.

SQLite by default, PostgreSQL where several machines share one database; other databases that
SQLAlchemy knows are not tried. Correctness under concurrency rests on three things:

* a request locks its terminal's row first, so requests of one terminal run one after another;
  then at most the original transaction(s), then one card, always in this order;
* ``(terminal, batch, trace)`` is unique, and so is ``(posting, account)``: nothing can be booked
  twice even by a mistake in the code;
* everything one request changes is one database transaction.

Money is integers of 分. A posting is a set of entries that sum to zero; credits are positive.
Card numbers, tracks, PINs and clear keys are never written: cards are known by their names.
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    bindparam,
    create_engine,
    event,
    insert,
    inspect,
    make_url,
    select,
    text,
    update,
)
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

VERSION = "2"
# What a version has that the one before had not: table, column, and its type. Added when older
# books are opened.
_ADDED = {
    "2": (("transactions", "stamp", "VARCHAR(10)"), ("batches", "totals", "VARCHAR(60)")),
}
_BIG = BigInteger().with_variant(Integer, "sqlite")
_LOCK = 0x6D6F6269  # advisory lock number for making the tables

metadata = MetaData()

meta = Table(
    "meta", metadata,
    Column("name", String(20), primary_key=True),
    Column("value", String(80), nullable=False),
)
terminals = Table(
    "terminals", metadata,
    Column("terminal", String(8), primary_key=True),
    Column("merchant", String(15), nullable=False),
    Column("batch", Integer, nullable=False),
    # Number of sign-ons so far; 0 before the first. The keys of the newest one, under the TMK.
    Column("session", Integer, nullable=False, default=0),
    Column("signed_on", Boolean, nullable=False, default=False),
    Column("key_kind", String(3), nullable=False, default=""),
    Column("keys", String(128), nullable=False, default=""),
    # The keys before those, only to explain a MAC that was made with them.
    Column("old_kind", String(3), nullable=False, default=""),
    Column("old_keys", String(128), nullable=False, default=""),
)
cards = Table(
    "cards", metadata,
    Column("card", String(40), primary_key=True),
    Column("balance", _BIG, nullable=False),
    Column("wrong_pins", Integer, nullable=False, default=0),
    Column("wrong_pin_day", String(10), nullable=False, default=""),
)
transactions = Table(
    "transactions", metadata,
    Column("id", _BIG, primary_key=True, autoincrement=True),
    Column("terminal", String(8), nullable=False),
    Column("merchant", String(15), nullable=False),
    Column("batch", Integer, nullable=False),
    Column("trace", Integer, nullable=False),
    Column("kind", String(8), nullable=False),  # sale void refund balance unseen
    Column("state", String(8), nullable=False),  # approved declined voided reversed barred
    Column("amount", _BIG, nullable=False),  # as booked; 0 for a balance
    Column("card", String(40), nullable=False),  # "" when no test card was recognised
    Column("masked_pan", String(19), nullable=False),
    Column("code", String(2), nullable=False),
    Column("auth", String(6), nullable=False, default=""),
    Column("original", _BIG, nullable=True),  # id of the sale that a void or refund names
    Column("refunded", _BIG, nullable=False, default=0),  # of a sale: approved refunds so far
    Column("reason", String(2), nullable=False, default=""),  # field 39 of its reversal
    Column("day", String(10), nullable=False),  # YYYY-MM-DD
    Column("time", String(19), nullable=False),  # YYYY-MM-DDTHH:MM:SS
    Column("mark", String(32), nullable=False),  # tells a repeat of the request from another one
    # Fields 13 and 12 of the request (MMDDhhmmss by the terminal's clock), "" when it had none.
    Column("stamp", String(10), nullable=False, server_default=""),
    Index("one_trace", "terminal", "batch", "trace", unique=True),
)
entries = Table(
    "entries", metadata,
    Column("posting", String(60), primary_key=True),
    Column("account", String(60), primary_key=True),
    Column("amount", _BIG, nullable=False),
    Index("by_account", "account"),
)
batches = Table(
    "batches", metadata,
    Column("terminal", String(8), primary_key=True),
    Column("batch", Integer, primary_key=True),
    Column("verdict", String(2), nullable=False),  # of the last 0500: 内卡 and 外卡 digit
    Column("ended", Boolean, nullable=False, default=False),
    Column("time", String(19), nullable=False),
    Column("totals", String(60), nullable=False, server_default=""),  # ours at that 0500
)
claims = Table(
    "claims", metadata,
    Column("terminal", String(8), primary_key=True),
    Column("batch", Integer, primary_key=True),
    Column("trace", Integer, primary_key=True),
    Column("kind", String(8), nullable=False),  # detail refund
    Column("card", String(40), nullable=False),
    Column("masked_pan", String(19), nullable=False),
    Column("amount", _BIG, nullable=False),
    Column("original_rrn", String(12), nullable=False, default=""),
)
discrepancies = Table(
    "discrepancies", metadata,
    Column("terminal", String(8), primary_key=True),
    Column("batch", Integer, primary_key=True),
    Column("trace", Integer, primary_key=True),
    Column("what", String(12), nullable=False),  # not-booked not-claimed amount card
    Column("claimed", _BIG, nullable=False),  # signed: what the merchant would get
    Column("booked", _BIG, nullable=False),
)
payment_codes = Table(
    # Payment codes that were used, as digests, and the sale each has paid for.
    "payment_codes", metadata,
    Column("code", String(64), primary_key=True),
    Column("sale", _BIG, nullable=False, index=True),
)
notices = Table(
    "notices", metadata,
    Column("id", _BIG, primary_key=True, autoincrement=True),
    Column("body", Text, nullable=False),
    # Taken notices are deleted; their numbers must not come again.
    sqlite_autoincrement=True,
)


class DatabaseError(Exception):
    """The database cannot be used; the text says why and what to do."""


def rrn_of(day: str, row_id: int) -> str:
    """Reference number (field 37): last digit of the year, day of the year, row number."""
    date = datetime.strptime(day, "%Y-%m-%d")
    return f"{date.year % 10}{date.timetuple().tm_yday:03d}{row_id:08d}"


LAST_ID = 99_999_999  # more do not fit into a reference number

# Statements used for every request are made once.
_terminal = select(terminals).where(terminals.c.terminal == bindparam("t")).with_for_update()
_by_trace = select(transactions).where(
    transactions.c.terminal == bindparam("t"), transactions.c.batch == bindparam("b"),
    transactions.c.trace == bindparam("n"))
_by_trace_locked = _by_trace.with_for_update()
_by_id_locked = select(transactions).where(
    transactions.c.id == bindparam("i")).with_for_update()
_card = select(cards).where(cards.c.card == bindparam("c")).with_for_update()
_move = update(cards).where(cards.c.card == bindparam("c")).values(
    balance=cards.c.balance + bindparam("by"))
_posting = select(entries.c.account, entries.c.amount).where(
    entries.c.posting == bindparam("p"))
_new = insert(transactions)
_new_entries = insert(entries)


class Books:
    """One database. Methods that take ``db`` run inside a transaction from ``change``.

    ``create`` false: only books that are there already; nothing is made.
    """

    def __init__(self, url: str, create: bool = True):
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise DatabaseError(
                f"{url!r} is no database URL: take sqlite:///FILE, sqlite:// for memory, or " +
                "postgresql+pg8000://USER:PASSWORD@HOST/NAME") from None
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.name = parsed.render_as_string(hide_password=True)
        if not create and self.is_sqlite and not Path(parsed.database or "").is_file():
            raise DatabaseError(f"{self.name}: there is no such file")
        try:
            self.engine = self._engine(url, parsed.database)
            # Whoever forgets ``close`` leaves no connection open behind the books.
            weakref.finalize(self, self.engine.dispose)
            if not create and not inspect(self.engine).has_table(meta.name):
                raise DatabaseError(f"{self.name} holds no books of `mobi host`")
            self._make_tables()
        except ModuleNotFoundError as error:
            raise DatabaseError(
                f"{self.name} needs the Python package {error.name!r}: install it into the same " +
                "environment (pip install ...)") from None
        except SQLAlchemyError as error:
            raise DatabaseError(
                f"Cannot use the database {self.name}: {getattr(error, 'orig', error)}") from None

    def _engine(self, url: str, path: str | None) -> Engine:
        if not self.is_sqlite:
            return create_engine(url)
        if path in (None, "", ":memory:"):
            engine = create_engine(
                url, poolclass=StaticPool, connect_args={"check_same_thread": False})
        else:
            engine = create_engine(
                url, connect_args={"timeout": 30, "check_same_thread": False})

        @event.listens_for(engine, "connect")
        def _prepare(connection: Any, _: Any) -> None:
            # Transactions are begun here, below, and not by the driver's own guess.
            connection.isolation_level = None
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            # A writer takes the lock at once: no deadlock between two that both read first.
            reading = connection.get_execution_options().get("reading", False)
            connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

        return engine

    def _make_tables(self) -> None:
        with self.engine.begin() as db:
            if db.dialect.name == "postgresql":
                db.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            metadata.create_all(db)
            version = db.execute(
                select(meta.c.value).where(meta.c.name == "version")).scalar_one_or_none()
            if version is None:
                db.execute(insert(meta).values(name="version", value=VERSION))
            elif version in ("1",):
                for table, column, kind in _ADDED[VERSION]:
                    db.execute(text(
                        f"ALTER TABLE {table} ADD COLUMN {column} {kind} NOT NULL DEFAULT ''"))
                db.execute(update(meta).where(meta.c.name == "version").values(value=VERSION))
            elif version != VERSION:
                raise DatabaseError(
                    f"{self.name} holds books of version {version}, this program keeps version " +
                    f"{VERSION}: name a new database, the old one stays as it is")

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    def copy(self) -> sqlite3.Connection:
        """The books as they are now, in a database in memory of their own (SQLite only)."""
        if not self.is_sqlite:
            raise DatabaseError(f"{self.name}: only books in SQLite can be copied")
        target = sqlite3.connect(":memory:", check_same_thread=False)
        self._driver().backup(target)
        return target

    def replace(self, by: sqlite3.Connection) -> None:
        """Take over the books of ``copy``; what was in these is gone."""
        if not self.is_sqlite:
            raise DatabaseError(f"{self.name}: only books in SQLite can be replaced")
        by.backup(self._driver())

    def _driver(self) -> sqlite3.Connection:
        connection = self.engine.raw_connection()
        try:
            return cast(sqlite3.Connection, connection.driver_connection)
        finally:
            connection.close()

    @contextmanager
    def change(self) -> Iterator[Connection]:
        """One database transaction: all of it is durable at the end, or none."""
        with self.engine.begin() as db:
            yield db

    @contextmanager
    def view(self) -> Iterator[Connection]:
        """A consistent view that changes nothing."""
        with self.engine.connect() as db:
            isolation = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
            db = db.execution_options(reading=True, **isolation)
            with db.begin():
                yield db

    # Registration

    def register(self, terminal: str, merchant: str, batch: int) -> None:
        """Make sure that ``terminal`` exists; one that does keeps its batch and session."""
        with self.change() as db:
            self._lock_registration(db)
            row = db.execute(_terminal, {"t": terminal}).one_or_none()
            if row is None:
                db.execute(insert(terminals).values(
                    terminal=terminal, merchant=merchant, batch=batch))
            elif row.merchant != merchant:
                db.execute(update(terminals).where(terminals.c.terminal == terminal).values(
                    merchant=merchant))

    def fund(self, wanted: Iterable[tuple[str, int]]) -> None:
        """Make sure that each (card name, opening balance) exists; opening is a posting, too."""
        with self.change() as db:
            self._lock_registration(db)
            known = set(db.execute(select(cards.c.card)).scalars())
            fresh = [(name, balance) for name, balance in wanted if name not in known]
            if not fresh:
                return
            db.execute(insert(cards), [{"card": n, "balance": b} for n, b in fresh])
            db.execute(_new_entries, [
                {"posting": f"open:{name}", "account": account, "amount": amount}
                for name, balance in fresh
                for account, amount in ((f"card:{name}", balance), ("clearing", -balance))])

    def _lock_registration(self, db: Connection) -> None:
        if db.dialect.name == "postgresql":
            db.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))

    # One request's needs

    def terminal(self, db: Connection, terminal: str) -> Row[Any]:
        """The terminal's row, locked."""
        return db.execute(_terminal, {"t": terminal}).one()

    def set_terminal(self, db: Connection, terminal: str, **values: Any) -> None:
        """Change columns of the terminal's row."""
        db.execute(update(terminals).where(terminals.c.terminal == terminal).values(**values))

    def find(self, db: Connection, terminal: str, batch: int, trace: int,
             lock: bool = False) -> Row[Any] | None:
        """The transaction with this trace."""
        statement = _by_trace_locked if lock else _by_trace
        return db.execute(statement, {"t": terminal, "b": batch, "n": trace}).one_or_none()

    def find_id(self, db: Connection, row_id: int) -> Row[Any] | None:
        """The transaction with this id, locked."""
        return db.execute(_by_id_locked, {"i": row_id}).one_or_none()

    def find_rrn(self, db: Connection, rrn: str) -> Row[Any] | None:
        """The transaction with this reference number, locked."""
        if not (rrn.isascii() and rrn.isdecimal() and len(rrn) == 12):
            return None
        row = self.find_id(db, int(rrn[4:]))
        return row if row is not None and rrn_of(row.day, row.id) == rrn else None

    def card(self, db: Connection, name: str) -> Row[Any]:
        """The card's account, locked."""
        return db.execute(_card, {"c": name}).one()

    def set_card(self, db: Connection, name: str, **values: Any) -> None:
        """Change columns of the card's row (never the balance: that is ``book``'s)."""
        db.execute(update(cards).where(cards.c.card == name).values(**values))

    def add(self, db: Connection, **values: Any) -> int:
        """Write a transaction; its id."""
        key = db.execute(_new, values).inserted_primary_key
        assert key is not None
        row_id = int(key[0])
        if row_id > LAST_ID:
            raise DatabaseError("all reference numbers are used up: start a new database")
        return row_id

    def use_code(self, db: Connection, code: str, sale: int) -> None:
        """Note that the sale ``sale`` was paid with the payment code whose digest is ``code``."""
        db.execute(insert(payment_codes).values(code=code, sale=sale))

    def code_used(self, db: Connection, code: str) -> bool:
        """Was the payment code with this digest used before?"""
        return db.execute(select(payment_codes.c.sale).where(
            payment_codes.c.code == code)).first() is not None

    def by_code(self, db: Connection, sale: int) -> bool:
        """Was this sale paid with a payment code?"""
        return db.execute(select(payment_codes.c.sale).where(
            payment_codes.c.sale == sale)).first() is not None

    def set_transaction(self, db: Connection, row_id: int, **values: Any) -> None:
        """Change columns of a transaction."""
        db.execute(update(transactions).where(transactions.c.id == row_id).values(**values))

    def book(self, db: Connection, posting: str, amounts: Mapping[str, int]) -> None:
        """Write a posting: account -> amount in 分, credits positive, sum zero."""
        if sum(amounts.values()):
            raise AssertionError(f"posting {posting} does not sum to zero")
        rows = [{"posting": posting, "account": account, "amount": amount}
                for account, amount in amounts.items() if amount]
        if rows:
            db.execute(_new_entries, rows)
        for account, amount in amounts.items():
            if amount and account.startswith("card:"):
                db.execute(_move, {"c": account[5:], "by": amount})

    def book_opposite(self, db: Connection, posting: str, of: str) -> None:
        """Write the posting that takes back the posting ``of`` exactly."""
        old = db.execute(_posting, {"p": of}).all()
        self.book(db, posting, {account: -amount for account, amount in old})

    # Notices wait in the database until somebody has taken them.

    def notify(self, db: Connection, bodies: Sequence[str]) -> None:
        """Leave notices for the courier."""
        db.execute(insert(notices), [{"body": body} for body in bodies])

    def waiting_notices(self, limit: int) -> list[tuple[int, str]]:
        """The oldest notices that nobody has taken."""
        with self.view() as db:
            found = db.execute(select(notices).order_by(notices.c.id).limit(limit)).all()
            return [(row.id, row.body) for row in found]

    def drop_notices(self, ids: Sequence[int]) -> None:
        """These were delivered."""
        with self.change() as db:
            db.execute(notices.delete().where(notices.c.id.in_(ids)))
