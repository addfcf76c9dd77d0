"""Where the sockets of a home's stores lie: a short, private folder, since socket paths end at 107 bytes."""

from __future__ import annotations

import hashlib
import os
import shutil
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
    if reason := _why_not_ours(folder):
        raise StoreUnavailable(
            f"{folder}, where the sockets of the stores belong, {reason}; have it removed, then start again",
            code="socket_folder_refused",
        )
    return folder


def remove_socket_folder(home: Path, parent: Path) -> None:
    """Clear away our folder once no server uses it; anybody else's is left as it is."""
    folder = socket_folder(home, parent)
    if folder.exists() and not _why_not_ours(folder):
        shutil.rmtree(folder)


def socket_folder(home: Path, parent: Path) -> Path:
    return parent / f"hawker-{os.geteuid()}-{hash_of(home)}"


def _why_not_ours(folder: Path) -> str | None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        return "is not a folder"
    if found.st_uid != os.geteuid():
        return f"belongs to user id {found.st_uid}, not to {os.geteuid()}"
    if stat.S_IMODE(found.st_mode) & 0o077:
        return f"can be entered by others (mode {stat.S_IMODE(found.st_mode):04o})"
    return None
