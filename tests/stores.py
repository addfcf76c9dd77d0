"""Real stores for every room's tests: one set of servers a test worker, fresh contents a test."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from engine.settings import Settings, read_settings
from engine.storage.embedded import STORES, Stores, open_stores
from engine.storage.ledger import open_ledger
from engine.storage.migrate import migrate
from engine.storage.online import Client, connect_live, connect_stream

SHOP = "default"
_TEMPLATE = "migrated"
_ROOM_BYTES = 2 * 2**30
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def stores() -> Iterator[Stores]:
    """Running servers in a home of their own, which makes them this test worker's own."""
    with scratch_folder() as home, open_stores(settings_of(home), STORES) as opened:
        yield opened


@pytest.fixture(scope="session")
def ledger_template(stores: Stores) -> str:
    """Address of a migrated database that nobody writes to; the others are copies of it."""
    _administer(stores, f"CREATE DATABASE {_TEMPLATE}")
    url = _database(stores, _TEMPLATE)
    migrate(url, SHOP)
    return url


@pytest.fixture
def ledger_url(stores: Stores, ledger_template: str) -> Iterator[str]:
    """Address of a fresh, migrated ledger."""
    name = f"test_{next(_numbers)}"
    _administer(stores, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
    yield _database(stores, name)
    _administer(stores, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Engine]:
    engine = open_ledger(ledger_url, SHOP)
    yield engine
    engine.dispose()


@pytest.fixture
def live(stores: Stores) -> Iterator[Client]:
    """An empty live store. Its time limit is wide, since test machines are busy."""
    with connect_live(stores.live_url, seconds=10.0) as client:
        client.flushall()
        yield client


@pytest.fixture
def stream(stores: Stores) -> Iterator[Client]:
    """An empty stream."""
    with connect_stream(stores.stream_url, seconds=10.0) as client:
        client.flushall()
        yield client


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A private folder for store files, in memory where there is room: tests kill servers, not the machine."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free >= _ROOM_BYTES
    folder = Path(tempfile.mkdtemp(prefix="hawker-test-", dir=memory if roomy else None))
    try:
        yield folder
    finally:
        _end_what_works_in(folder)
        # Where namespaces are refused, a root's ledger lies outside of its home.
        for note in folder.glob("**/stores/postgres.elsewhere"):
            shutil.rmtree(note.read_text().strip(), ignore_errors=True)
        shutil.rmtree(folder)


def _end_what_works_in(folder: Path) -> None:
    """Servers that a failed test left running."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(folder):
                process.kill()


def settings_of(home: Path, **more: str) -> Settings:
    return read_settings({"HAWKER_HOME": str(home), **more})


def _database(stores: Stores, name: str) -> str:
    return make_url(stores.ledger_url).set(database=name).render_as_string(hide_password=False)


def _administer(stores: Stores, statement: str) -> None:
    with psycopg.connect(stores.ledger_url, autocommit=True) as connection:
        connection.execute(statement)
