from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from engine.errors import StoreUnavailable
from engine.storage.flock import is_held, try_lock, wait_for_lock


def test_a_lock_is_held_by_whoever_inherited_it_until_all_of_them_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = try_lock(path)
    assert lock is not None
    child = subprocess.Popen(["sleep", "60"], pass_fds=(lock,))
    os.close(lock)
    assert is_held(path)
    child.kill()
    child.wait()
    assert not is_held(path)


def test_shared_holders_do_not_stand_in_each_others_way(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first, second = try_lock(path, shared=True), try_lock(path, shared=True)
    assert first is not None and second is not None
    assert try_lock(path) is None
    os.close(first)
    assert is_held(path)
    os.close(second)
    assert not is_held(path)


def test_waiting_for_a_lock_ends_with_what_its_holder_may_be_doing(tmp_path: Path) -> None:
    lock = wait_for_lock(tmp_path / "lock", seconds=0, doing="counting")
    with pytest.raises(StoreUnavailable, match="has been counting for 0 s"):
        wait_for_lock(tmp_path / "lock", seconds=0, doing="counting")
    os.close(lock)
