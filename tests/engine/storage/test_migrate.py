from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from sqlalchemy import Engine, inspect, text

from engine.errors import NotAllowed
from engine.storage.ledger import connection_of
from engine.storage.migrate import is_current, migrate
from tests.stores import SHOP


def test_migrating_makes_the_shops_tables_and_doing_it_again_changes_nothing(ledger: Engine, ledger_url: str) -> None:
    migrate(ledger_url, SHOP)
    with ledger.connect() as connection:
        tables = set(inspect(connection).get_table_names(schema="shop_default"))
        assert {"past_campaigns", "past_redemptions", "alembic_version"} <= tables
        assert inspect(connection).get_table_names(schema="public") == []
        assert is_current(connection, SHOP)


def test_a_shop_that_was_never_migrated_is_not_current(ledger: Engine) -> None:
    with ledger.connect() as connection:
        assert not is_current(connection, "another")


def test_ten_processes_may_migrate_at_once(ledger: Engine, ledger_url: str) -> None:
    fork_server = get_context("forkserver")
    fork_server.set_forkserver_preload(["engine.storage.migrate"])
    with ProcessPoolExecutor(10, mp_context=fork_server) as processes:
        # A schema of that name that is never committed holds all ten back until they are at it together.
        with ledger.connect() as obstacle:
            obstacle.execute(text("CREATE SCHEMA shop_crowded"))
            done = [processes.submit(migrate, ledger_url, "crowded") for _ in range(10)]
            _wait_until(ledger, waiting=10)
            obstacle.rollback()
        assert [one.result(timeout=120) for one in done] == [None] * 10
    with ledger.connect() as connection:
        assert is_current(connection, "crowded")


def test_a_ledger_newer_than_the_code_is_refused_and_left_alone(ledger: Engine, ledger_url: str) -> None:
    with connection_of(ledger) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NotAllowed, match="at revision 9999") as refusal:
        migrate(ledger_url, SHOP)
    assert refusal.value.code == "ledger_newer"
    with connection_of(ledger) as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"


def _wait_until(ledger: Engine, *, waiting: int) -> None:
    """Until so many sessions of this database wait for a lock."""
    count = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with ledger.connect() as connection:
            if connection.execute(count).scalar_one() == waiting:
                return
        time.sleep(0.02)
    raise AssertionError(f"fewer than {waiting} sessions came to wait")
