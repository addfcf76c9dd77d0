"""Stores on a disk that is too small: one line that says so, and nothing half made."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import RedisError

from engine.errors import StoreUnavailable
from engine.storage.embedded import open_stores
from engine.storage.home import Home
from engine.storage.online import Client, connect_stream
from tests.engine.storage.homes import postgres_of, running, valkey_of
from tests.stores import settings_of


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """24 MB, less than a new PostgreSQL needs."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_ledger_that_does_not_fit_is_refused_in_one_line_and_leaves_nothing_half_made(small_disk: Path) -> None:
    with pytest.raises(StoreUnavailable) as refusal, open_stores(settings_of(small_disk), {"ledger"}):
        pass
    message = refusal.value.message
    assert "No space left on device" in message
    assert "\n" not in message
    assert message.endswith(str(postgres_of(small_disk).log))
    assert list((Home(small_disk).stores / "postgres").iterdir()) == []
    assert running(small_disk) == set()


def test_a_stream_that_filled_the_disk_comes_back_with_all_it_acknowledged(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    with open_stores(settings_of(small_disk), {"stream"}) as stores:
        with connect_stream(stores.stream_url, seconds=10.0) as stream:
            _fill(ballast)
            acknowledged = _write_until_refused(stream)
        with pytest.raises(StoreUnavailable), connect_stream(stores.stream_url, seconds=10.0):
            pass
        ballast.unlink()
        stores.ensure()
        with connect_stream(stores.stream_url, seconds=10.0) as stream:
            assert stream.xlen("events") == acknowledged
    assert running(small_disk) == set()


def test_a_server_that_finds_no_room_names_its_log_and_the_free_space(small_disk: Path) -> None:
    Home(small_disk).stores.mkdir()
    valkey = valkey_of(small_disk, "stream")
    valkey.data.mkdir()
    valkey.log.touch()
    _fill(small_disk / "ballast")
    with pytest.raises(StoreUnavailable) as refusal, open_stores(settings_of(small_disk), {"stream"}):
        pass
    assert "valkey-stream" in refusal.value.message
    assert "0 MiB free" in refusal.value.message
    assert refusal.value.message.endswith(str(valkey.log))


def _fill(file: Path) -> None:
    with pytest.raises(OSError, match="No space left"), file.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(2**12))


def _write_until_refused(stream: Client) -> int:
    for acknowledged in range(1_000):
        try:
            stream.xadd("events", {"event": bytes(1_024)})
        except RedisError:
            return acknowledged
    raise AssertionError("a full disk took a megabyte")
