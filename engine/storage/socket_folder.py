"""Where the sockets of a home's stores lie: a short, private folder, since socket paths end at 107 bytes."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from engine.errors import StoreUnavailable

# What a Unix socket's address has room for, without the closing zero.
SOCKET_PATH_BYTES = 107


def hash_of(home: Path) -> str:
    """Sixteen characters that stand for this home, the same for every process that opens it."""
    return hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:16]


def make_socket_folder(home: Path, parent: Path) -> Path:
    """The home's socket folder below `parent`, made if need be; anybody else's is refused.

    Its name can be foreseen, so another user may have made it first to listen in: owner, mode
    and kind are looked at each time, and a wrong one is never repaired.
    """
    folder = socket_folder(home, parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise _not_ours(folder, "is not a folder")
    if found.st_uid != os.geteuid():
        raise _not_ours(folder, f"belongs to user id {found.st_uid}, not to {os.geteuid()}")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise _not_ours(folder, f"can be entered by others (mode {stat.S_IMODE(found.st_mode):04o})")
    return folder


def socket_folder(home: Path, parent: Path) -> Path:
    return parent / f"hawker-{os.geteuid()}-{hash_of(home)}"


def _not_ours(folder: Path, reason: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"{folder}, where the sockets of the stores belong, {reason}; have it removed, then start again",
        code="socket_folder_refused",
    )
