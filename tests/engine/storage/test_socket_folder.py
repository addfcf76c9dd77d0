from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from engine.errors import StoreUnavailable
from engine.storage.embedded import Machine, open_stores
from engine.storage.socket_folder import SOCKET_PATH_BYTES, make_socket_folder, socket_folder
from tests.engine.storage.homes import AS_ROOT, NOBODY
from tests.stores import settings_of


def test_every_home_has_its_own_short_private_folder(tmp_path: Path) -> None:
    one, other = (make_socket_folder(tmp_path / home, tmp_path) for home in ("one", "l" * 250))
    assert one != other
    assert make_socket_folder(tmp_path / "one", tmp_path) == one
    assert stat.S_IMODE(one.stat().st_mode) == 0o700
    assert len(os.fsencode(socket_folder(tmp_path / ("l" * 250), Path("/tmp")) / ".s.PGSQL.5432")) <= SOCKET_PATH_BYTES


@pytest.mark.skipif(not AS_ROOT, reason="only root can give a folder away")
def test_somebody_elses_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    folder = socket_folder(tmp_path, tmp_path)
    folder.mkdir(mode=0o700)
    os.chown(folder, NOBODY, NOBODY)
    with pytest.raises(StoreUnavailable, match=f"belongs to user id {NOBODY}") as refusal, _opened(tmp_path):
        pass
    assert refusal.value.code == "socket_folder_refused"
    assert folder.stat().st_uid == NOBODY


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    folder = socket_folder(tmp_path, tmp_path)
    folder.mkdir()
    folder.chmod(0o755)
    with pytest.raises(StoreUnavailable, match="can be entered by others"), _opened(tmp_path):
        pass
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_a_link_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    socket_folder(tmp_path, tmp_path).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreUnavailable, match="is not a folder"), _opened(tmp_path):
        pass


def _opened(home: Path):
    return open_stores(settings_of(home), {"live"}, machine=Machine(socket_parent=home))
