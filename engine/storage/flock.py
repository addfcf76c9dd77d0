"""Locks that the kernel gives back when their last holder dies, however it dies.

A lock belongs to the open file, not to the process: a child that inherits the descriptor
holds it too. So a lock that is handed to a server says whether the server, or any process
it forked, is still alive; no process number has to be believed.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from engine.errors import StoreUnavailable


def try_lock(path: Path, *, shared: bool = False) -> int | None:
    """Take the lock on `path` if nobody stands in the way.

    Returns an open descriptor; closing it gives the lock back. None when it is held elsewhere.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def wait_for_lock(path: Path, *, seconds: float, doing: str) -> int:
    """Take the lock on `path`, waiting at most `seconds`; `doing` says what its holder may be at."""
    deadline = time.monotonic() + seconds
    while (descriptor := try_lock(path)) is None:
        if time.monotonic() > deadline:
            raise StoreUnavailable(f"another process has been {doing} for {seconds:.0f} s and still holds {path}")
        time.sleep(0.02)
    return descriptor


def is_held(path: Path) -> bool:
    """Whether anybody holds the lock on `path`, shared or alone."""
    if not path.exists():
        return False
    descriptor = try_lock(path)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False
