"""One refresh of the customers: follow the lake, compute the traits that changed, publish them together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from engine.storage.customer_files import CustomerFiles, State
from engine.storage.customer_follow import follow, following
from engine.storage.customer_traits import compute_all, compute_touched
from engine.storage.durable import locked
from engine.storage.home import Home
from engine.storage.trait_sql import Moment


@dataclass(frozen=True, slots=True)
class Refreshed:
    """`whole`: everything was computed anew. `events` are those that the files hold."""

    whole: bool
    people: int
    events: int
    as_of: float


def refresh_traits(
    home: Home, *, now: float, zone: str, whole: bool = False, threads: int | None = None, memory: str = "2GB"
) -> Refreshed:
    """Bring the customers' files up to the lake and the clock (`now`, epoch seconds). One process at a time."""
    files = CustomerFiles(home)
    moment = Moment(datetime.fromtimestamp(now, UTC), zone)
    with locked(files.folder / "refresh.lock"), following(home, threads=threads, memory=memory) as sql:
        before = None if whole else files.state()
        if before is not None and before.as_of > now:
            before = None  # the clock was set back: windows end elsewhere
        followed = follow(sql, home, files, before, zone)
        compute = compute_all if followed.whole else compute_touched
        state = compute(sql, files, followed.state, moment)
        files.publish(state)
    return _told(state, whole=followed.whole)


def _told(state: State, *, whole: bool) -> Refreshed:
    return Refreshed(whole, state.people, state.rows, state.as_of)
