"""The door to PostgreSQL, the record of promises and money.

Each shop has a schema of its own, and connections of a shop see nothing else without naming it.
A server that may lose what it acknowledged is refused.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import NullPool

from engine.errors import BadInput, StoreUnavailable

#: A pool of connections, and either that or one connection in a transaction of the caller.
LedgerPool = Engine
LedgerConnection = Connection
Ledger = Engine | Connection

_CONNECT_SECONDS = 5
# PostgreSQL cuts longer names off without a word, and two shops would share a schema.
_NAME_BYTES = 63
_MOST_TURNS = 5
_AT_ONCE = "hawker_at_once"

# Statements of a pool for `at_once` find their few rows by key. PostgreSQL would make each of their plans anew at every
# call, since it takes an array for longer than these are: that costs as much as the statements themselves. And a plan
# that was made while a table was small must not read the whole of it for ever.
_BY_KEY = ("plan_cache_mode TO force_generic_plan", "enable_seqscan TO off", "jit TO off")

# What each setting must not be; data_checksums is decided when the data folder is made.
_UNSAFE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "data_checksums": "off"}


def open_ledger(url: str, shop: str, *, connections: int | None = None) -> Engine:
    """A pool of connections to the shop's schema of a ledger that was found safe.

    `connections` are those of a pool for `at_once`: it does not ask each connection whether it still stands, and keeps
    one plan for each statement, which finds its rows by index.
    Raises StoreUnavailable when it cannot be reached or may lose what it acknowledged, BadInput
    for an address or a shop name that cannot be used. Dispose of the engine when done.
    """
    engine = connect(url, shop, connections=connections)
    try:
        with connection_of(engine) as connection:
            check_durability(connection)
    except BaseException:
        engine.dispose()
        raise
    return engine


def connect(url: str, shop: str, *, pooled: bool = True, connections: int | None = None) -> Engine:
    """An engine whose connections live in the shop's schema and in UTC; nothing is checked yet."""
    schema = schema_of(shop)
    options: dict[str, Any] = {"pool_pre_ping": True} if pooled else {"poolclass": NullPool}
    if connections is not None:
        options = {"pool_size": connections, "max_overflow": 0, "isolation_level": "AUTOCOMMIT"}
        # Nothing is open after a statement, so that nothing has to be rolled back.
        options |= {"pool_reset_on_return": None, "execution_options": {_AT_ONCE: True}}
    engine = create_engine(_address(url), connect_args={"connect_timeout": _CONNECT_SECONDS}, **options)

    @event.listens_for(engine, "connect")
    def settle(connection: psycopg.Connection[Any], _record: object) -> None:
        # Outside of a transaction, or the first rollback would take the settings back.
        connection.autocommit = True
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema)))
        connection.execute("SET timezone TO 'UTC'")
        for setting in _BY_KEY if connections is not None else ():
            connection.execute(sql.SQL("SET {}").format(sql.SQL(setting)))
        connection.autocommit = connections is not None

    return engine


def check_durability(connection: Connection) -> None:
    """Refuse a server that may lose what it acknowledged, by asking the server itself."""
    for setting, unsafe in _UNSAFE.items():
        # Names come from the table above; SHOW takes no parameters.
        if connection.execute(text(f"SHOW {setting}")).scalar_one() == unsafe:
            hint = "make the data folder anew with checksums" if setting == "data_checksums" else "turn it on"
            raise StoreUnavailable(
                f"the ledger runs with {setting} off and may lose acknowledged redemptions; {hint}",
                code="ledger_not_durable",
            )


@contextmanager
def connection_of(ledger: Ledger) -> Iterator[Connection]:
    """A transaction of an engine, or the caller's own connection, left to the caller to commit."""
    if isinstance(ledger, Connection):
        yield ledger
        return
    try:
        connection = ledger.connect()
    except OperationalError as error:
        where = ledger.url.render_as_string(hide_password=True)
        raise StoreUnavailable(f"the ledger at {where} does not answer: {_first_line(error)}") from error
    try:
        if ledger.get_execution_options().get(_AT_ONCE):
            connection = connection.execution_options(isolation_level="READ COMMITTED")
        with connection, connection.begin():
            yield connection
    except OperationalError as error:  # the commit too may find nobody there
        raise StoreUnavailable(f"the ledger does not answer: {_first_line(error)}") from error


def rows_of(connection: Connection, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """The rows of one statement, none for one that gives none; values are named `:name` in it.

    Raises StoreUnavailable when the ledger went away, or its tables are not there yet.
    """
    try:
        found = connection.execute(text(statement), values)
        return [tuple(row) for row in found] if found.returns_rows else []
    except OperationalError as error:
        raise StoreUnavailable(f"the ledger does not answer: {_first_line(error)}") from error
    except ProgrammingError as error:
        if isinstance(error.orig, psycopg.errors.UndefinedTable):
            raise StoreUnavailable("the ledger's tables are not made yet; try again in a moment") from error
        raise


def copied(connection: Connection, select: str, **values: Any) -> Iterator[bytes]:
    """The rows of a SELECT as CSV with a header, piece by piece: a million of them take a second.

    Values are named `%(name)s` in it. Null is an empty field, and an empty text one in quotes.
    """
    raw = connection.connection.driver_connection
    if raw is None:
        raise StoreUnavailable("the connection to the ledger is closed")
    try:
        with raw.cursor() as cursor, cursor.copy(f"COPY ({select}) TO STDOUT (FORMAT csv, HEADER)", values) as rows:
            for piece in rows:
                yield bytes(piece)
    except psycopg.OperationalError as error:
        raise StoreUnavailable(f"the ledger does not answer: {str(error).splitlines()[0]}") from error


def at_once(ledger: LedgerPool, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """The rows of one statement that is a transaction of its own: they are there only after its commit.

    It is said again where PostgreSQL asks for that (deadlock, serialization) and where a connection was lost, so it
    must be one that may be repeated. Raises StoreUnavailable, also for a statement that waited too long for a lock.
    """
    for turn in range(_MOST_TURNS):
        try:
            return _said(ledger, _in_psycopg(statement), values)
        except (psycopg.Error, DBAPIError, PoolTimeout) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            if isinstance(cause, _AGAIN) and turn < _MOST_TURNS - 1:
                time.sleep(0.002 * 2**turn)
                continue
            if isinstance(cause, psycopg.OperationalError | psycopg.errors.UndefinedTable | PoolTimeout):
                raise StoreUnavailable(f"the ledger does not answer: {_first_line(error)}") from error
            raise
    raise AssertionError("unreachable")


class _ConnectionLost(psycopg.OperationalError):
    """The same may succeed over another connection."""


#: What may pass in a moment. A server that starts anew refuses connections for longer than that.
_AGAIN = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.UniqueViolation,
    _ConnectionLost,
)


def _said(ledger: LedgerPool, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """One statement by the driver itself: going through all of SQLAlchemy costs more than the statement."""
    held = ledger.raw_connection()
    raw: Any = held.driver_connection
    was = raw.autocommit
    try:
        if not was:
            raw.autocommit = True
        found = raw.execute(statement, values)
        return found.fetchall() if found.description else []
    except psycopg.Error as error:
        if raw.closed:
            held.invalidate(error)
            raise _ConnectionLost(*error.args) from error
        raise
    finally:
        if not was and not raw.closed:
            raw.autocommit = was
        held.close()


@lru_cache
def _in_psycopg(statement: str) -> str:
    """Values named `:name` as the driver names them; `::` is a cast."""
    return re.sub(r"(?<![:\w]):(\w+)(?!:)", r"%(\1)s", statement.replace("%", "%%"))


@contextmanager
def opened_ledger(url: str, shop: str) -> Iterator[Engine]:
    """`open_ledger` for a while."""
    engine = open_ledger(url, shop)
    try:
        yield engine
    finally:
        engine.dispose()


def insert_new(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> int:
    """Copy `rows` into `table`, leaving those alone whose key is there already; returns how many were new.

    Raises BadInput when a row names a parent that does not exist, or holds what no column can.
    """
    fresh = sql.Identifier(f"new_{table}")
    into, names = sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    raw = connection.connection.driver_connection
    if raw is None:
        raise StoreUnavailable("the connection to the ledger is closed")
    try:
        with raw.cursor() as cursor:
            # DEFAULTS would be evaluated for rows that are thrown away; no column here has one.
            cursor.execute(sql.SQL("CREATE TEMP TABLE {} (LIKE {}) ON COMMIT DROP").format(fresh, into))
            with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(fresh, names)) as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(
                sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ON CONFLICT DO NOTHING").format(
                    into, names, names, fresh
                )
            )
            new = int(cursor.rowcount)
            cursor.execute(sql.SQL("DROP TABLE {}").format(sql.SQL(".").join([sql.Identifier("pg_temp"), fresh])))
            return new
    except (psycopg.IntegrityError, psycopg.DataError) as error:
        detail = error.diag.message_detail or error.diag.message_primary or str(error)
        raise BadInput(f"{table}: {detail}", code="row_refused", field=table) from error
    except UnicodeEncodeError as error:
        raise BadInput(f"{table}: {error.object!r} is not text", code="row_refused", field=table) from error


def copy_csv(connection: Connection, table: str, columns: Sequence[str], chunks: Iterable[bytes]) -> None:
    """Copy lines of CSV, in any pieces and without a header, into `table`: the fastest way for a million rows.

    Raises BadInput when a row is there already, names a parent that does not exist, or holds what no column can.
    """
    raw = connection.connection.driver_connection
    if raw is None:
        raise StoreUnavailable("the connection to the ledger is closed")
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(sql.Identifier(table), names)
    try:
        with raw.cursor() as cursor, cursor.copy(statement) as copy:
            for chunk in chunks:
                copy.write(chunk)
    except (psycopg.IntegrityError, psycopg.DataError) as error:
        detail = error.diag.message_detail or error.diag.message_primary or str(error)
        raise BadInput(f"{table}: {detail}", code="row_refused", field=table) from error
    except psycopg.OperationalError as error:
        raise StoreUnavailable(f"the ledger does not answer: {_first_line(error)}") from error


def schema_of(shop: str) -> str:
    """The name of the shop's schema. Any characters will do, within PostgreSQL's 63 bytes."""
    schema = f"shop_{shop}"
    if not shop or "\0" in shop or len(schema.encode()) > _NAME_BYTES:
        raise BadInput(
            f"{shop!r} cannot name a shop: 1 to {_NAME_BYTES - len('shop_')} bytes, none of them zero",
            field="HAWKER_SHOP",
        )
    return schema


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except ArgumentError as error:
        raise BadInput("HAWKER_POSTGRES_URL is not an address", field="HAWKER_POSTGRES_URL") from error
    if address.get_backend_name() not in ("postgresql", "postgres"):
        raise BadInput(
            f"HAWKER_POSTGRES_URL must begin with postgresql://, not {address.drivername}://",
            field="HAWKER_POSTGRES_URL",
        )
    return address.set(drivername="postgresql+psycopg")


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", error)).strip().splitlines()[0]
