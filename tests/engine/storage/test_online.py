from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import TimeoutError as RedisTimeout

from engine.errors import BadInput, StoreUnavailable
from engine.storage.embedded import open_stores
from engine.storage.online import Client, connect_live, connect_stream
from tests.engine.storage.homes import pid_of, valkey_of
from tests.stores import settings_of


@pytest.fixture
def stream_home(new_home: Path) -> Iterator[tuple[Path, str]]:
    """A stream that a test may spoil."""
    with open_stores(settings_of(new_home), {"stream"}) as stores:
        yield new_home, stores.stream_url


def test_the_embedded_stores_are_set_for_what_they_hold(live: Client, stream: Client) -> None:
    def setting(client: Client, name: str) -> str:
        return str(client.config_get(name)[name])

    assert [setting(stream, name) for name in ("appendonly", "appendfsync", "maxmemory-policy", "port")] == [
        *("yes", "always", "noeviction", "0")
    ]
    assert [setting(live, name) for name in ("appendonly", "appendfsync", "maxmemory-policy", "port")] == [
        *("yes", "everysec", "volatile-lru", "0")
    ]
    assert int(setting(live, "maxmemory")) > 0
    assert int(setting(stream, "maxmemory")) > 0


def test_a_stream_without_an_append_only_file_is_refused(stream_home: tuple[Path, str]) -> None:
    _, url = stream_home
    with connect_stream(url, seconds=10.0) as client:
        client.config_set("appendonly", "no")
    with pytest.raises(StoreUnavailable, match="cannot promise to keep an event") as refusal:
        connect_stream(url, seconds=10.0)
    assert refusal.value.code == "stream_not_durable"


def test_a_stream_that_may_evict_events_is_refused(stream_home: tuple[Path, str]) -> None:
    _, url = stream_home
    with connect_stream(url, seconds=10.0) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(StoreUnavailable, match="may evict events") as refusal:
        connect_stream(url, seconds=10.0)
    assert refusal.value.code == "stream_not_durable"


def test_a_store_that_hangs_costs_no_more_than_its_time_limit(stream_home: tuple[Path, str]) -> None:
    home, url = stream_home
    pid = pid_of(valkey_of(home, "stream"))
    with connect_live(url, seconds=0.2) as client:
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(RedisTimeout):
                client.ping()
            with pytest.raises(StoreUnavailable, match="does not answer"):
                connect_live(url, seconds=0.2)
        finally:
            os.kill(pid, signal.SIGCONT)


def test_a_store_that_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable) as refusal:
        connect_live(f"unix://:secret@{tmp_path}/none.sock")
    assert f"{tmp_path}/none.sock" in refusal.value.message
    assert "secret" not in refusal.value.message


def test_an_address_of_something_else_is_refused() -> None:
    with pytest.raises(BadInput) as refusal:
        connect_stream("postgresql://localhost")
    assert refusal.value.field == "HAWKER_STREAM_URL"
