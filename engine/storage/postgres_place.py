"""Where PostgreSQL's data lies and who owns it: in the home, or beside it where root has no other way.

PostgreSQL does not run as root, and an ordinary user cannot enter root's folders. In a user
namespace it runs under an ordinary name and still owns root's files. Where the kernel refuses
namespaces, the data goes to a 0700 folder of an ordinary user, named after a hash of the home:
in the home when everybody may pass through it (a container's volume keeps it then), else in a
folder of the system. The home records which, since losing sight of it would mean an empty ledger.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from engine.errors import StoreUnavailable
from engine.storage import run_as as runner
from engine.storage.run_as import RunAs, UserNamespaces
from engine.storage.socket_folder import SOCKET_PATH_BYTES, hash_of

PORT = 5432  # only a part of the socket's name
SOCKET = f".s.PGSQL.{PORT}"


@dataclass(frozen=True, slots=True)
class Place:
    folder: Path
    run_as: RunAs


def choose(home: Path, stores: Path, *, outside: Path, namespaces: UserNamespaces) -> Place:
    """The place that an earlier start chose, or the best that this machine allows; the folder exists then."""
    elsewhere = recorded(stores)
    if elsewhere is not None:
        place = _place_of_before(stores, elsewhere)
    else:
        run_as = runner.choose(stores, namespaces)
        inside = folder(stores)
        if run_as.who != "ordinary":
            inside.mkdir(mode=0o700, exist_ok=True)
            place = Place(inside, run_as)
        else:
            place = _fall_back(home, inside, outside, run_as)
    _refuse_foreign_data(stores, place)
    return place


def folder(stores: Path) -> Path:
    """Where the data is or will be, as far as the home knows."""
    return recorded(stores) or stores / "postgres"


def recorded(stores: Path) -> Path | None:
    """The folder outside of `stores`, where an earlier start had to put the data; None when it is inside."""
    note = _note(stores)
    return Path(note.read_text().strip()) if note.exists() else None


def record(stores: Path, place: Place) -> None:
    """Remember a place outside; called once its data is whole."""
    if place.run_as.who == "ordinary" and recorded(stores) is None:
        new = _note(stores).with_suffix(".new")
        new.write_text(f"{place.folder}\n")
        new.rename(_note(stores))


def _note(stores: Path) -> Path:
    return stores / "postgres.elsewhere"


def _place_of_before(stores: Path, elsewhere: Path) -> Place:
    if not (elsewhere / "data").exists():
        raise StoreUnavailable(
            f"the ledger of this home was kept in {elsewhere}, which is gone; bring it back, or restore a backup "
            f"and remove {_note(stores)}",
            code="ledger_missing",
        )
    owner = elsewhere.stat()
    return Place(elsewhere, RunAs("ordinary", owner.st_uid, owner.st_gid))


def _fall_back(home: Path, inside: Path, outside: Path, run_as: RunAs) -> Place:
    if os.geteuid() != 0:
        raise StoreUnavailable(
            f"PostgreSQL needs a user that the password file knows, user id {os.geteuid()} is not in it, and this "
            "machine refuses user namespaces; run as a known user or set HAWKER_POSTGRES_URL"
        )
    if (inside / "data").exists():
        raise StoreUnavailable(
            f"the ledger in {inside} was made inside a user namespace, which this machine refuses now; allow user "
            "namespaces again, or run as the user who owns a home of its own",
            code="namespaces_refused",
        )
    within = home / f"hawker-{hash_of(home)}"
    fits = len(os.fsencode(within / SOCKET)) <= SOCKET_PATH_BYTES
    chosen = within if fits and _everybody_may_pass(home) else outside / within.name
    chosen.mkdir(mode=0o700, exist_ok=True)
    found = chosen.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (0, run_as.uid) or stat.S_IMODE(found.st_mode) != 0o700:
        raise StoreUnavailable(f"{chosen}, where the ledger's data belongs, is not a private folder of ours; move it")
    os.chown(chosen, run_as.uid, run_as.gid)
    return Place(chosen, run_as)


def _everybody_may_pass(home: Path) -> bool:
    resolved = home.resolve()
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in (resolved, *resolved.parents))


def _refuse_foreign_data(stores: Path, place: Place) -> None:
    data = place.folder / "data"
    if not data.exists():
        return
    owner = place.run_as.uid if place.run_as.who == "ordinary" else os.geteuid()
    if data.stat().st_uid != owner:
        raise StoreUnavailable(
            f"{data} belongs to user id {data.stat().st_uid}; run as that user, or choose another HAWKER_HOME"
        )
    if not (stores / "postgres.password").exists():
        raise StoreUnavailable(
            f"{data} holds a ledger whose password is not in this home; put {stores / 'postgres.password'} back, "
            f"or remove {place.folder} if its home was deleted",
            code="password_missing",
        )
