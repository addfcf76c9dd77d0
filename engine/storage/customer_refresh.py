"""One refresh of the customers: follow the lake, compute what changed, evaluate the segments, publish it all at once.

One process does it at a time. Whatever is stopped in between is done again by the next refresh; readers see the state
before until then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from engine.storage.customer_files import CustomerFiles, State
from engine.storage.customer_follow import follow, following
from engine.storage.customer_reach import Reach, with_reach
from engine.storage.customer_traits import compute_all, compute_touched
from engine.storage.durable import locked
from engine.storage.home import Home
from engine.storage.kept_leaves import kept_leaves, renew_leaves
from engine.storage.lake_delta import DeltaStore
from engine.storage.lake_sql import parquet
from engine.storage.lake_tables import PREDICTIONS
from engine.storage.memberships import Change, Rule, changed_users, refresh_memberships
from engine.storage.trait_sql import Moment

#: What is done with those who entered and left a segment: (segment, "entered" or "left", user_ids).
Moved = Callable[[str, str, Sequence[str]], None]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """`whole`: everything was computed anew. `events` are those that the files hold, `changes` one a segment."""

    whole: bool
    people: int
    events: int
    as_of: float
    changes: tuple[Change, ...] = ()

    def as_json(self) -> dict[str, Any]:
        told = {name: getattr(self, name) for name in ("whole", "people", "events")}
        return {**told, "as_of": datetime.fromtimestamp(self.as_of, UTC).isoformat(), "segments": len(self.changes)}


def refresh_customers(
    home: Home,
    *,
    now: float,
    zone: str,
    rules: Sequence[Rule] | None = None,
    whole: bool = False,
    threads: int | None = None,
    memory: str = "2500MB",
    moved: Moved | None = None,
    watched: Collection[str] = (),
    reach: Reach | None = None,
) -> Refreshed:
    """Bring the customers' files up to the lake and the clock (`now`, epoch seconds), and `rules` up to both.

    Without `rules` memberships stay as they are. `moved` is told, before anything is published, who entered and who
    left those segments that are in `watched`, from their second evaluation on; a refresh that is repeated after a stop
    tells the same again. With `reach` the files say what the ledger does of whom campaigns may reach.
    """
    files = CustomerFiles(home)
    moment = Moment(datetime.fromtimestamp(now, UTC), zone)
    with locked(files.folder / "refresh.lock"), following(home, threads=threads, memory=memory) as sql:
        before = None if whole else files.state()
        if before is not None and before.as_of > now:
            before = None  # the clock was set back: windows end elsewhere
        followed = follow(sql, home, files, before, zone)
        compute = compute_all if followed.whole else compute_touched
        state = compute(sql, files, followed.state, moment)
        state = _with_predictions(sql, home, files, state)
        state = state if reach is None else with_reach(sql, files, state, reach, now)
        if followed.whole:
            state = _renumbered(sql, files, state, before or files.state())
        changes: list[Change] = []
        if rules is None:
            state = replace(state, leaves=()).with_files(leaves=())
        else:
            files.lay_out(sql, state, now)
            leaves = kept_leaves(each.select for each in rules if not isinstance(each.select, str))
            state = renew_leaves(sql, files, state, None if followed.whole else before, leaves, now)
            state, changes = refresh_memberships(sql, home, files, state, list(rules), now)
            known = set(before.segments) if before else set()
            _tell(sql, changes, moved, known & set(watched))
        files.publish(state)
    return Refreshed(followed.whole, state.people, state.rows, state.as_of, tuple(changes))


def _renumbered(sql: Any, files: CustomerFiles, state: State, before: State | None) -> State:
    """Memberships under the new numbers of the same users, so that nobody enters anew when all is made anew."""
    if before is None:
        return state
    old, now = files.source(before, "names"), files.source(state, "names")
    select = (
        f"SELECT segment, mine.person, since FROM ({files.members(before)}) was"
        f" JOIN {old} named ON named.person = was.person JOIN {now} mine ON mine.name = named.name"
    )
    state = replace(state, recorded=before.recorded, evaluated=before.evaluated, stood=before.stood)
    return state.with_files(memberships=(files.write(sql, "memberships", f"{select} ORDER BY ALL"),))


def _with_predictions(sql: Any, home: Home, files: CustomerFiles, state: State) -> State:
    """What training wrote of users, under their numbers; only when it wrote since."""
    store = DeltaStore(home.lake)
    version = store.version(PREDICTIONS)
    if version == state.versions.get(PREDICTIONS.name, -1):
        return state
    written = parquet(store.files(PREDICTIONS, version))
    select = (
        "SELECT person, told.name || CASE WHEN subject IS NULL THEN '' ELSE ':' || subject END AS name, score"
        f" FROM {written} told JOIN {files.source(state, 'names')} names ON names.name = 'u' || told.user_id"
    )
    state = replace(state, versions={**state.versions, PREDICTIONS.name: version})
    return state.with_files(predictions=(files.write(sql, "predictions", select),))


def _tell(sql: Any, changes: Sequence[Change], moved: Moved | None, watched: Collection[str]) -> None:
    if moved is None:
        return
    for each in changes:
        if each.segment in watched:
            for change, number in (("entered", each.entered), ("left", each.left)):
                if number:
                    moved(each.segment, change, changed_users(sql, each.segment, change))
