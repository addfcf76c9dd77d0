from __future__ import annotations

import os
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, text

from engine.errors import BadInput, StoreUnavailable
from engine.storage import postgres_place
from engine.storage.embedded import open_stores
from engine.storage.embedded_postgres import PostgresServer, install_folder
from engine.storage.home import Home
from engine.storage.ledger import at_once, connect, connection_of, open_ledger, rows_of, schema_of
from engine.storage.migrate import migrate
from engine.storage.run_as import UserNamespaces, run
from engine.storage.server import start, stop
from engine.storage.socket_folder import make_socket_folder, remove_socket_folder
from tests.engine.storage.homes import SOCKETS, postgres_of
from tests.stores import SHOP, settings_of


def test_a_shops_connections_live_in_its_schema_and_in_utc(ledger: Engine) -> None:
    with ledger.connect() as connection:
        connection.rollback()
        assert connection.execute(text("SELECT current_schema()")).scalar_one() == "shop_default"
        assert connection.execute(text("SHOW timezone")).scalar_one() == "UTC"


def test_shops_of_one_ledger_do_not_see_each_others_rows(ledger_url: str, ledger: Engine) -> None:
    other_shop = "caf\u00e9 'x\"; DROP SCHEMA shop_default; --%s"
    migrate(ledger_url, other_shop)
    other = open_ledger(ledger_url, other_shop)
    insert = text("INSERT INTO past_campaigns VALUES ('c1', 'A', now(), now())")
    count = text("SELECT count(*) FROM past_campaigns")
    with other.begin() as connection:
        connection.execute(insert)
        assert connection.execute(count).scalar_one() == 1
    with ledger.connect() as connection:
        assert connection.execute(count).scalar_one() == 0
    other.dispose()


@pytest.mark.parametrize("shop", ["", "a\0b", "s" * 59, "\u00e9" * 30])
def test_a_shop_name_that_would_be_cut_off_is_refused(shop: str) -> None:
    with pytest.raises(BadInput, match="cannot name a shop") as refusal:
        schema_of(shop)
    assert refusal.value.field == "HAWKER_SHOP"


def test_the_longest_shop_name_is_kept_whole(ledger_url: str) -> None:
    engine = connect(ledger_url, "s" * 58, pooled=False)
    migrate(ledger_url, "s" * 58)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT current_schema()")).scalar_one() == "shop_" + "s" * 58
    engine.dispose()


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_server_that_may_lose_what_it_acknowledged_is_refused(home: Path, setting: str) -> None:
    server = postgres_of(home, more_options=("-c", f"{setting}=off"))
    _assert_refused(home, server, setting)


def test_a_server_without_data_checksums_is_refused(home: Path) -> None:
    stores = Home(home).stores
    with open_stores(settings_of(home), {"ledger"}):
        pass
    place = postgres_place.choose(home, stores, outside=Path("/var/lib"), namespaces=UserNamespaces.ASK)
    command = [str(install_folder() / "bin" / "pg_checksums"), "--disable", "-D", str(place.folder / "data")]
    with (stores / "log").open("wb") as log:
        assert run(place.run_as, command, log=log).returncode == 0, (stores / "log").read_text()
    _assert_refused(home, postgres_of(home), "data_checksums")


def test_a_ledger_whose_sessions_do_not_wait_for_the_disk_is_refused(ledger_url: str) -> None:
    with psycopg.connect(ledger_url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with pytest.raises(StoreUnavailable, match="synchronous_commit off"):
        open_ledger(ledger_url, SHOP)
    with pytest.raises(StoreUnavailable, match="synchronous_commit off"):
        migrate(ledger_url, SHOP)


def test_a_ledger_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable) as refusal:
        open_ledger(f"postgresql://hawker:secret@/postgres?host={tmp_path}", SHOP)
    assert "secret" not in refusal.value.message
    assert "\n" not in refusal.value.message
    assert os.fspath(tmp_path) in refusal.value.message


@pytest.mark.parametrize("url", ["mysql://localhost/x", "nonsense"])
def test_an_address_of_something_else_is_refused(url: str) -> None:
    with pytest.raises(BadInput) as refusal:
        open_ledger(url, SHOP)
    assert refusal.value.field == "HAWKER_POSTGRES_URL"


def _assert_refused(home: Path, server: PostgresServer, setting: str) -> None:
    make_socket_folder(home, SOCKETS)
    start(server)
    try:
        with pytest.raises(StoreUnavailable, match=f"{setting} off") as refusal:
            open_ledger(server.url, SHOP)
        assert refusal.value.code == "ledger_not_durable"
        with pytest.raises(StoreUnavailable, match=f"{setting} off"):
            migrate(server.url, SHOP)
    finally:
        stop(server)
        remove_socket_folder(home, SOCKETS)


def test_a_statement_that_stands_alone_is_said_again_where_that_helps(ledger_url: str, ledger: Engine) -> None:
    pool = open_ledger(ledger_url, SHOP, connections=1)
    try:
        at_once(pool, "CREATE SEQUENCE turns")
        at_once(
            pool,
            "CREATE FUNCTION moody(state text) RETURNS bigint LANGUAGE plpgsql AS"
            " $$ DECLARE turn bigint := nextval('turns'); BEGIN IF turn % 3 <> 0 THEN"
            " RAISE EXCEPTION 'once more' USING ERRCODE = state; END IF; RETURN turn; END $$",
        )
        for state, turn in (("40001", 3), ("40P01", 6)):
            assert at_once(pool, "SELECT moody(:state)", state=state) == [(turn,)]
        with pytest.raises(Exception, match="once more"):
            at_once(pool, "SELECT moody(:state)", state="22012")
    finally:
        pool.dispose()


def test_a_connection_that_was_lost_meanwhile_is_not_the_callers_trouble(ledger_url: str, ledger: Engine) -> None:
    pool = open_ledger(ledger_url, SHOP, connections=2)
    try:
        backend = at_once(pool, "SELECT pg_backend_pid()")[0][0]
        with ledger.connect() as connection:
            connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": backend})
        assert at_once(pool, "SELECT pg_backend_pid()")[0][0] != backend
    finally:
        pool.dispose()


def test_a_pool_for_single_statements_keeps_one_plan_for_each_and_reads_by_index(
    ledger_url: str, ledger: Engine
) -> None:
    pool = open_ledger(ledger_url, SHOP, connections=1)
    try:
        for number in range(8):  # the driver prepares what is said often
            at_once(pool, "SELECT used FROM counters WHERE key = ANY (:keys)", keys=[f"k{number}"])
        (told,) = at_once(
            pool,
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE 'SELECT used FROM%'",
        )
        assert (told[0] > 1, told[1]) == (True, 0)
        plan = at_once(pool, "EXPLAIN SELECT used FROM counters WHERE key = 'k'")
        assert "Index Scan" in plan[0][0]  # although the table is empty
    finally:
        pool.dispose()


def test_a_transaction_over_a_pool_for_single_statements_is_whole_and_then_statements_stand_alone_again(
    ledger_url: str, ledger: Engine
) -> None:
    pool = open_ledger(ledger_url, SHOP, connections=1)
    insert, count = "INSERT INTO counters VALUES (:key, 0, 1)", "SELECT count(*) FROM counters"
    try:
        with pytest.raises(ZeroDivisionError), connection_of(pool) as connection:
            rows_of(connection, insert, key="a")
            raise ZeroDivisionError
        at_once(pool, insert, key="b")
        with connection_of(ledger) as connection:
            assert rows_of(connection, count) == [(1,)]
    finally:
        pool.dispose()
