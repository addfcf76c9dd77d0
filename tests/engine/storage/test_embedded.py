"""The stores belong to the home: who starts, adopts, revives and stops them."""

from __future__ import annotations

import os
import signal
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psutil
import psycopg
import pytest

from engine.errors import StoreUnavailable
from engine.storage.embedded import STORES, Machine, open_stores
from engine.storage.flock import wait_for_lock
from engine.storage.home import Home
from engine.storage.online import connect_live, connect_stream
from tests.engine.storage.homes import pid_of, postgres_of, running, seed, servers_of, start_user, valkey_of
from tests.stores import settings_of


def test_a_new_home_gets_three_servers_that_answer_and_the_last_one_out_stops_them(new_home: Path) -> None:
    home = new_home
    with open_stores(settings_of(home), STORES) as stores:
        connect_live(stores.live_url, seconds=10.0).close()
        connect_stream(stores.stream_url, seconds=10.0).close()
        with psycopg.connect(stores.ledger_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        sockets = postgres_of(home).sockets
        assert running(home) == {"ledger", "stream", "live"}
    assert running(home) == set()
    assert not sockets.exists()


def test_no_server_can_be_reached_from_the_network(home: Path) -> None:
    with open_stores(settings_of(home), STORES):
        for server in servers_of(home).values():
            assert psutil.Process(pid_of(server)).net_connections(kind="inet") == []
        assert stat.S_IMODE(postgres_of(home).sockets.stat().st_mode) == 0o700


def test_the_ledgers_password_is_private_and_asked_for(home: Path) -> None:
    password = Home(home).stores / "postgres.password"
    assert stat.S_IMODE(password.stat().st_mode) == 0o600
    with (
        open_stores(settings_of(home), {"ledger"}) as stores,
        pytest.raises(psycopg.OperationalError, match="password authentication failed"),
    ):
        psycopg.connect(stores.ledger_url.replace(password.read_text().strip(), "wrong"))


def test_only_what_is_needed_is_started(tmp_path: Path) -> None:
    with open_stores(settings_of(tmp_path), {"live"}) as stores:
        assert running(tmp_path) == {"live"}
        assert not (Home(tmp_path).stores / "postgres").exists()
        with pytest.raises(LookupError, match="ledger was not asked for"):
            _ = stores.ledger_url


def test_a_store_that_is_given_by_address_is_not_started(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, HAWKER_REDIS_URL="redis://shop.example:6379", HAWKER_STREAM_URL="redis://b:1")
    with open_stores(settings, {"live", "stream"}) as stores:
        assert (stores.live_url, stores.stream_url) == ("redis://shop.example:6379", "redis://b:1")
    assert list(tmp_path.iterdir()) == []


def test_ten_processes_at_once_start_one_server(new_home: Path) -> None:
    with ExitStack() as entered:
        users = [entered.enter_context(start_user(new_home, "ledger", "live")) for _ in range(10)]
        answers = [user.said() for user in users]
        assert all(answer == answers[0] for answer in answers), answers
        assert _servers_working_in(new_home) == {"ledger": 1, "live": 1}
    assert running(new_home) == set()
    assert postgres_of(new_home).log.read_text().count("starting PostgreSQL") == 1
    assert valkey_of(new_home, "live").log.read_text().count("Server initialized") == 1


def test_servers_outlive_whoever_started_them_and_a_ctrl_c_in_its_terminal(home: Path) -> None:
    with start_user(home, *STORES, process_group=0) as first:
        first.said()
        pids = {name: pid_of(server) for name, server in servers_of(home).items()}
        with open_stores(settings_of(home), STORES):
            os.killpg(first.process.pid, signal.SIGINT)
            first.process.communicate(timeout=60)
            assert {name: pid_of(server) for name, server in servers_of(home).items()} == pids
            assert all(os.getsid(pid) == pid for pid in pids.values())
    assert running(home) == set()


def test_servers_left_by_a_killed_process_are_adopted_and_stopped_by_the_last_one_out(home: Path) -> None:
    with start_user(home, *STORES) as user:
        user.said()
        pids = {name: pid_of(server) for name, server in servers_of(home).items()}
        user.kill()
    assert running(home) == {"ledger", "stream", "live"}
    with open_stores(settings_of(home), {"live"}):
        assert {name: pid_of(server) for name, server in servers_of(home).items()} == pids
    assert running(home) == set()


def test_a_nested_use_leaves_the_stores_to_the_outer_one(home: Path) -> None:
    with open_stores(settings_of(home), {"live"}) as outer:
        with open_stores(settings_of(home), {"live"}):
            pass
        connect_live(outer.live_url, seconds=10.0).close()


def test_nobody_comes_or_goes_while_another_starts_or_stops_the_stores(home: Path) -> None:
    hasty = Machine(patience_seconds=0)
    refused = pytest.raises(StoreUnavailable, match="starting or stopping the stores")
    with open_stores(settings_of(home), {"live"}) as stores:
        with refused, open_stores(settings_of(home), {"live"}, machine=hasty):
            busy = wait_for_lock(Home(home).stores / "start.lock", seconds=0, doing="testing")
        os.close(busy)
        busy = wait_for_lock(Home(home).stores / "start.lock", seconds=0, doing="testing")
        with refused, open_stores(settings_of(home), {"live"}, machine=hasty):
            pass
        os.close(busy)
        connect_live(stores.live_url, seconds=10.0).close()
    assert running(home) == set()


def test_users_that_come_and_go_at_the_same_time_always_find_the_stores(home: Path) -> None:
    def come_and_go(_: int) -> int:
        answers = 0
        for _round in range(10):
            with open_stores(settings_of(home), {"live"}) as stores:
                connect_live(stores.live_url, seconds=10.0).close()
                answers += 1
        return answers

    # Locks belong to open files, so threads stand in each other's way just as processes do.
    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(come_and_go, range(3))) == [10] * 3
    assert running(home) == set()


@pytest.mark.parametrize("who_dies", ["servers", "servers and user"])
def test_what_was_acknowledged_survives_a_kill_of(home: Path, who_dies: str) -> None:
    with start_user(home, *STORES) as user:
        urls = user.said()["urls"]
        _write(urls["ledger"], urls["stream"])
        for server in servers_of(home).values():
            os.kill(pid_of(server), signal.SIGKILL)
        if who_dies == "servers and user":
            user.kill()
        with open_stores(settings_of(home), STORES) as stores:
            _assert_written(stores.ledger_url, stores.stream_url)
    assert running(home) == set()


def test_a_user_of_the_home_revives_a_server_that_died(home: Path) -> None:
    with open_stores(settings_of(home), STORES) as stores:
        _write(stores.ledger_url, stores.stream_url)
        survivor = pid_of(valkey_of(home, "live"))
        for name in ("ledger", "stream"):
            os.kill(pid_of(servers_of(home)[name]), signal.SIGKILL)
        stores.ensure()
        _assert_written(stores.ledger_url, stores.stream_url)
        assert pid_of(valkey_of(home, "live")) == survivor


def test_a_pid_file_that_names_somebody_elses_process_is_no_obstacle(home: Path) -> None:
    postgres_of(home).pid_file.write_text(f"{os.getpid()}\n{postgres_of(home).data}\n0\n5432\n\n\n")
    with open_stores(settings_of(home), {"ledger"}) as stores, psycopg.connect(stores.ledger_url):
        pass


def test_a_first_start_that_was_killed_half_way_is_begun_again(new_home: Path) -> None:
    half_made = Home(new_home).stores / "postgres" / "data.new"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")
    with open_stores(settings_of(new_home), {"ledger"}) as stores, psycopg.connect(stores.ledger_url):
        assert not half_made.exists()


def test_a_home_with_a_long_path_works(new_home: Path, seeded: Path) -> None:
    home = seed(new_home / ("l" * 120) / ("o" * 120), seeded)
    with open_stores(settings_of(home), STORES) as stores:
        connect_live(stores.live_url, seconds=10.0).close()
        psycopg.connect(stores.ledger_url).close()


def test_a_data_folder_without_its_password_is_refused(home: Path) -> None:
    (Home(home).stores / "postgres.password").unlink()
    with (
        pytest.raises(StoreUnavailable, match="password is not in this home"),
        open_stores(settings_of(home), ["ledger"]),
    ):
        pass
    assert running(home) == set()


def test_a_home_that_is_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(StoreUnavailable) as refusal, open_stores(settings_of(tmp_path / "home"), {"live"}):
        pass
    assert "HAWKER_HOME must be a folder" in refusal.value.message
    assert "\n" not in refusal.value.message


def test_a_server_that_does_not_start_names_its_log(home: Path) -> None:
    data = postgres_of(home).data
    (data / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(StoreUnavailable) as refusal, open_stores(settings_of(home), {"ledger"}):
        pass
    assert "incompatible with server" in refusal.value.message
    assert refusal.value.message.endswith(str(postgres_of(home).log))
    assert "\n" not in refusal.value.message
    assert running(home) == set()


def test_a_long_log_is_set_aside_at_the_next_start(tmp_path: Path) -> None:
    log = valkey_of(tmp_path, "live").log
    log.parent.mkdir()
    with log.open("wb") as file:
        file.truncate(17 * 2**20)
    with open_stores(settings_of(tmp_path), {"live"}):
        pass
    assert log.stat().st_size < 2**20
    assert log.with_suffix(".log.old").stat().st_size == 17 * 2**20


def _servers_working_in(home: Path) -> dict[str, int]:
    """Main processes of each store, by the folder they work in; children have a parent that works there too."""
    folders = {str(server.data): name for name, server in servers_of(home).items()}
    found: dict[str, int] = {}
    for process in psutil.process_iter():
        try:
            name, parent = folders.get(process.cwd()), process.parent()
            if name is not None and (parent is None or parent.pid == 1 or folders.get(parent.cwd()) != name):
                found[name] = found.get(name, 0) + 1
        except psutil.Error:
            continue
    return found


def _write(ledger_url: str, stream_url: str) -> None:
    with psycopg.connect(ledger_url) as connection:
        connection.execute("CREATE TABLE promise AS SELECT 7 AS kept")
    with connect_stream(stream_url, seconds=10.0) as stream:
        stream.xadd("events", {"event": "kept"})


def _assert_written(ledger_url: str, stream_url: str) -> None:
    with psycopg.connect(ledger_url) as connection:
        assert connection.execute("SELECT kept FROM promise").fetchall() == [(7,)]
    with connect_stream(stream_url, seconds=10.0) as stream:
        assert [event for _, event in stream.xrange("events")] == [{b"event": b"kept"}]
