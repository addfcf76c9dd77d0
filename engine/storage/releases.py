"""Releases: a shop's bundle folders, and the one pointer that says which of them is served.

`bundles/v000001`, `v000002`, ... are immutable once they carry that name. `bundles/current` is a small
JSON file, replaced in one step: the only truth that serving reads. Whoever changes either holds
`bundles/.lock`.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from engine.bundle import Bundle
from engine.bundle_files import read_manifest
from engine.errors import BundleUnusable, NotAllowed, UnknownThing
from engine.storage.durable import locked, replace_file, sync_folder
from engine.storage.home import Home
from engine.storage.verified import remember, stamped, untouched

_BUILDING, _DROPPED = ".building-", ".dropped-"
_ROLLBACKS = 2  # versions before the served one that stay, however old


@dataclass(frozen=True, slots=True)
class Pointer:
    """Which version is served, which ones were before it (the last one is what a rollback returns to), and since when.

    `published_at` is in epoch seconds.
    """

    version: int
    history: tuple[int, ...]
    published_at: int


@dataclass(frozen=True, slots=True)
class Reserved:
    """A version number that is taken, and the folder to build it in, which does not exist yet."""

    version: int
    folder: Path


def versions(home: Home) -> list[int]:
    """The finished versions, ascending."""
    return sorted(_number(path) for path in _folders(home, "v") if path.name[1:].isdigit())


def current(home: Home) -> Pointer | None:
    """What is served, None before the first publish; BundleUnusable when the pointer cannot be understood."""
    path = pointer_path(home)
    try:
        stored = json.loads(path.read_bytes())
        return Pointer(int(stored["version"]), tuple(map(int, stored["history"])), int(stored["published_at"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise BundleUnusable(
            f"the pointer {path} cannot be read ({problem}); `hawker publish VERSION` writes it anew", field="current"
        ) from problem


def open_bundle(home: Home, version: int | None = None, *, anew: bool = False) -> Bundle:
    """Load and verify a version, by default the one that is served.

    What was verified before and is untouched since is not read for it again, unless all is to be verified `anew`.
    UnknownThing when there is no such version or nothing is published yet, BundleUnusable when it is broken.
    """
    if version is None:
        pointer = current(home)
        if pointer is None:
            raise UnknownThing(
                f"shop {home.shop!r} has no published bundle yet; run `hawker train`, then `hawker publish`",
                code="nothing_published",
            )
        version = pointer.version
    else:
        _check_there(home, version)
    folder, note = version_folder(home, version), home.bundles / f".verified-{version:06d}.json"
    stamps = stamped(folder, read_manifest(folder)["files"])  # before: what is written meanwhile is seen next time
    known = frozenset() if anew else untouched(note, stamps)
    bundle = Bundle.load(folder, known)
    if len(known) < len(stamps):
        remember(note, stamps)
    return bundle


def point_to(home: Home, version: int, now: float) -> Pointer:
    """Serve `version` from now on; the former one becomes the last of the history. Repeating it changes nothing."""
    with _changing(home):
        _check_there(home, version)
        former = _current_or_none(home)
        if former is not None and former.version == version:
            return former
        history = (*former.history, former.version) if former else ()
        return _write(home, Pointer(version, history, int(now)))


def point_back(home: Home, now: float) -> Pointer:
    """Serve what was served before; NotAllowed when there is nothing to return to."""
    with _changing(home):
        former = current(home)
        there = set(versions(home))
        earlier = [version for version in former.history if version in there] if former else []
        if not earlier:
            raise NotAllowed("there is no earlier bundle to roll back to", code="nothing_to_roll_back")
        return _write(home, Pointer(earlier[-1], tuple(earlier[:-1]), int(now)))


@contextmanager
def new_version_folder(home: Home) -> Iterator[Reserved]:
    """Reserve the next version number: what is built in the folder becomes `vNNNNNN` when the block ends well.

    Nothing appears under its final name before it is whole. A builder that raises leaves nothing; what a
    killed one left is cleared by the next. Two builders at once get two numbers.
    """
    with _changing(home):
        _clear_abandoned(home)
        taken = [*versions(home), *(_number(path) for path in _folders(home, _BUILDING))]
        version = max(taken, default=0) + 1
        workplace = home.bundles / f"{_BUILDING}{version:06d}"
        workplace.mkdir()
        alive = _hold(workplace)
    assert alive is not None
    try:
        reserved = Reserved(version, workplace / f"v{version:06d}")
        yield reserved
        reserved.folder.rename(version_folder(home, version))
        sync_folder(home.bundles)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)
        alive.close()


def drop_old_versions(home: Home, keep: int) -> tuple[int, ...]:
    """Remove all but the newest `keep` versions, what is served and what a rollback returns to; which ones went.

    A storefront that still answers from one keeps its files until it lets go of them.
    """
    with _changing(home):
        pointer = _current_or_none(home)
        there = versions(home)
        needed = set(there[-keep:])
        if pointer is not None:
            needed |= {pointer.version, *[each for each in pointer.history if each in there][-_ROLLBACKS:]}
        elif pointer_path(home).exists():
            return ()  # nobody knows what is served
        dropped = tuple(version for version in there if version not in needed)
        for version in dropped:
            # Under another name first: a version that is there is whole.
            gone = home.bundles / f"{_DROPPED}{version:06d}"
            version_folder(home, version).rename(gone)
            (home.bundles / f".verified-{version:06d}.json").unlink(missing_ok=True)
        for left in _folders(home, _DROPPED):  # what a killed one left, too
            shutil.rmtree(left, ignore_errors=True)
    return dropped


def version_folder(home: Home, version: int) -> Path:
    return home.bundles / f"v{version:06d}"


def pointer_path(home: Home) -> Path:
    return home.bundles / "current"


def _check_there(home: Home, version: int) -> None:
    known = versions(home)
    if version not in known:
        listed = ", ".join(map(str, known[-5:])) or "none; run `hawker train`"
        raise UnknownThing(
            f"there is no bundle version {version}; there are: {listed}", code="unknown_version", field="version"
        )


def _current_or_none(home: Home) -> Pointer | None:
    """Publishing is how an unreadable pointer is repaired, so it must not fail on one."""
    try:
        return current(home)
    except BundleUnusable:
        return None


def _write(home: Home, pointer: Pointer) -> Pointer:
    document: dict[str, Any] = {
        "version": pointer.version,
        "history": list(pointer.history),
        "published_at": pointer.published_at,
    }
    replace_file(pointer_path(home), json.dumps(document).encode())
    return pointer


@contextmanager
def _changing(home: Home) -> Iterator[None]:
    with locked(home.bundles / ".lock"):
        yield


def _folders(home: Home, prefix: str) -> list[Path]:
    return [path for path in home.bundles.glob(f"{prefix}*") if path.is_dir()]


def _number(folder: Path) -> int:
    digits = folder.name.removeprefix(_BUILDING).removeprefix("v")
    return int(digits) if digits.isdigit() else 0


def _hold(workplace: Path) -> IO[str] | None:
    """The lock that says that a builder is alive, None when another process holds it."""
    lock = (workplace / "alive").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _clear_abandoned(home: Home) -> None:
    for workplace in _folders(home, _BUILDING):
        lock = _hold(workplace)
        if lock is not None:
            shutil.rmtree(workplace, ignore_errors=True)
            lock.close()
