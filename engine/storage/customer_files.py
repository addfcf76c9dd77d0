"""The customers' files: happenings, people, things and traits as Parquet with small integers for ids.

They are made from the lake, and can be made again from it at any time: grouping thirty million events by a text takes
ten times as long as by a number. One process writes; `state.json` names the files that hold together, so that readers
of other processes see one state while the next is written. Files that none names are removed after a
while.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from engine.errors import NotEnoughData, StoreUnavailable
from engine.storage.home import Home
from engine.storage.lake_moments import instant_sql
from engine.storage.lake_sql import UNREADABLE, open_sql, parquet, quoted
from engine.storage.trait_view import traits_sql

FORMAT = 4
#: Files that the newest state does not name are kept so long for those who still read an older one.
KEPT_SECONDS = 600.0

#: `order_number` and `session_number` are hashes: they are grouped by, and read five times faster than the texts.
HAPPENINGS = (
    "person", "type", "time", "item", "quantity", "amount", "list_amount", "order_id", "session_id", "source",
    "coupon_code", "properties", "order_number", "session_number",
)  # fmt: skip

#: Empty stand-ins, with the columns and types that the files have.
EMPTY: Mapping[str, str] = {
    "happenings": "SELECT 0::UINTEGER AS person, '' AS type, now() AS time, 0::UINTEGER AS item, 0::DOUBLE AS quantity,"
    " 0::BIGINT AS amount, 0::BIGINT AS list_amount, '' AS order_id, '' AS session_id, '' AS source,"
    " '' AS coupon_code, '' AS properties, 0::UBIGINT AS order_number, 0::UBIGINT AS session_number",
    "names": "SELECT 0::UINTEGER AS person, '' AS name",
    "gone": "SELECT 0::UINTEGER AS person",
    "things": "SELECT 0::UINTEGER AS item, '' AS item_id, ['']::VARCHAR[] AS categories, '' AS brand,"
    " ['']::VARCHAR[] AS tags, 0::BIGINT AS price, 0::BIGINT AS cost, 0::BIGINT AS dropped_from, now() AS dropped_at",
    # `moved` are the changes since `memberships` was written, `since` null of those who left; the words of `standing`
    # say the same as both. See bit_words.py for the columns of words.
    "memberships": "SELECT '' AS segment, 0::UINTEGER AS person, now() AS since",
    "moved": "SELECT '' AS segment, 0::UINTEGER AS person, now() AS since",
    "leaves": "SELECT 0::UINTEGER AS person",
    "standing": "SELECT 0::UINTEGER AS person",
    "predictions": "SELECT 0::UINTEGER AS person, '' AS name, 0::DOUBLE AS score",
    "held": "SELECT 0::UINTEGER AS person",
    "said": "SELECT '' AS user_id, '' AS channel, true AS granted, 0::BIGINT AS place",
    "agreed": "SELECT 0::UINTEGER AS person, '' AS channel, true AS granted, 0::BIGINT AS place",
    "contacted": "SELECT 0::UINTEGER AS person, '' AS channel, current_date AS day, 0::BIGINT AS messages",
}


@dataclass(frozen=True, slots=True)
class State:
    """What the files hold. `files` maps a table to its files in order; `versions` are the lake's that were read.

    `as_of` is the clock (epoch seconds) that the traits were computed at, `segments` are those that were evaluated and
    `sizes` how many are in each, `leaves` the parts of rules whose answers are kept, all in the order of their bits;
    `recorded` is how far the record of memberships is in them (microseconds), `reach` how far the ledger is. Segments
    were evaluated at `evaluated`, but for those that cannot be at present: `stood` says when they were last.
    """

    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)
    as_of: float = 0.0
    zone: str = "UTC"
    people: int = 0
    rows: int = 0
    segments: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    leaves: tuple[str, ...] = ()
    recorded: int = -1
    reach: Mapping[str, int] = field(default_factory=dict)
    evaluated: float = 0.0
    stood: Mapping[str, float] = field(default_factory=dict)

    def with_files(self, **files: tuple[str, ...]) -> State:
        return replace(self, files={**self.files, **files})


class CustomerFiles:
    """The folder of one shop."""

    def __init__(self, home: Home) -> None:
        self.folder = home.shop_folder / "customers"

    def state(self) -> State | None:
        """The newest state, None where there is none, or one of another format: make it again from the lake."""
        path = self.folder / "state.json"
        try:
            told = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            return None  # cut by a power failure
        except OSError as problem:
            raise StoreUnavailable(f"{path} cannot be read ({problem})") from problem
        if told.pop("format", None) != FORMAT:
            return None
        files = {name: tuple(each) for name, each in told["files"].items()}
        if not all((self.folder / name).exists() for each in files.values() for name in each):
            return None
        lists = {name: tuple(told[name]) for name in ("segments", "sizes", "leaves")}
        return State(**{**told, **lists, "files": files})

    def publish(self, state: State) -> None:
        """Make this the newest state, and remove what none has named for a while."""
        told = {name: getattr(state, name) for name in State.__slots__}
        # In one step, but not forced to the disk, which the event stream waits for: what a power cut loses here is made
        # again from the lake, and a state that names lost files is found out when it is read.
        fresh = self.folder / ".state.json.new"
        fresh.write_text(json.dumps({"format": FORMAT, **told}))
        fresh.rename(self.folder / "state.json")
        named = {name for files in state.files.values() for name in files}
        for path in self.folder.glob("*.parquet"):
            if path.name not in named and time.time() - path.stat().st_mtime > KEPT_SECONDS:
                path.unlink(missing_ok=True)

    def discard(self, state: State, *, besides: State) -> None:
        """Remove the files of a state that was never published, but for those that `besides` names too."""
        kept = {name for files in besides.files.values() for name in files}
        for name in {name for files in state.files.values() for name in files} - kept:
            (self.folder / name).unlink(missing_ok=True)

    def write(self, sql: Any, table: str, select: str) -> str:
        """The rows of a SELECT as a new file; its name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{table}-{uuid4().hex[:12]}.parquet"
        # Snappy reads twice as fast as zstd here and is a quarter larger; these files are read at each preview.
        sql.execute(f"COPY ({select}) TO {quoted(self.folder / name)} (FORMAT parquet, COMPRESSION snappy)")
        return name

    def source(self, state: State, table: str) -> str:
        """The SQL that reads a table's files, or its empty stand-in."""
        files = state.files.get(table, ())
        if not files:
            return f"(SELECT * FROM ({EMPTY[table]}) WHERE false)"
        return parquet([self.folder / name for name in files])

    def lay_out(self, sql: Any, state: State, now: float) -> None:
        """Views `people`, `everybody`, `traits` and the tables of their own names, as of `now`.

        `everybody` are all users that there ever were; of `people` those are left out who were deleted or merged away.
        """
        for table in ("happenings", "things", "predictions", "held", "agreed", "contacted"):
            sql.execute(f"CREATE OR REPLACE VIEW {table} AS SELECT * FROM {self.source(state, table)}")
        sql.execute(f"CREATE OR REPLACE VIEW memberships AS {self.members(state)}")
        sql.execute(
            "CREATE OR REPLACE VIEW everybody AS SELECT person, substr(name, 2) AS user_id"
            f" FROM {self.source(state, 'names')} WHERE starts_with(name, 'u')"
        )
        sql.execute(
            "CREATE OR REPLACE VIEW people AS SELECT * FROM everybody"
            f" WHERE person NOT IN (SELECT person FROM {self.source(state, 'gone')})"
        )
        moment = datetime.fromtimestamp(now, UTC)
        tables = {name: self._traits(state, name) for name in ("traits", "changed", "ranks")}
        sql.execute(f"CREATE OR REPLACE VIEW traits AS {traits_sql(tables, moment, state.zone)}")

    def members(self, state: State) -> str:
        """The SELECT of segment, person and since of all who are in one."""
        whole = f"SELECT segment, person, since FROM {self.source(state, 'memberships')}"
        if not state.files.get("moved"):
            return whole
        moved = self.source(state, "moved")
        return (
            f"{whole} old ANTI JOIN {moved} moved USING (segment, person)"
            f" UNION ALL SELECT segment, person, since FROM {moved} WHERE since IS NOT NULL"
        )

    def _traits(self, state: State, name: str) -> str | None:
        files = state.files.get(name, ())
        return parquet([self.folder / each for each in files]) if files else None

    @contextmanager
    def reading(self, now: float, *, threads: int | None = None, memory: str = "1GB") -> Iterator[Any]:
        """DuckDB over the newest state as of `now` (epoch seconds), which sees no other files.

        Raises NotEnoughData where nothing was computed yet, StoreUnavailable where a file is damaged.
        """
        state = self.state()
        if state is None:
            raise NotEnoughData("the customers were not computed yet; run `hawker user refresh`, or wait a minute")
        try:
            with open_sql(self.folder / "spill", threads=threads, memory=memory) as sql:
                sql.execute(f"SET allowed_directories = [{quoted(self.folder.absolute())}]")
                self.lay_out(sql, state, now)
                sql.execute("SET enable_external_access = false; SET lock_configuration = true")
                yield sql
        except UNREADABLE as error:
            raise StoreUnavailable(
                f"the customers' files below {self.folder} cannot be read ({str(error).splitlines()[0]}); remove the"
                " folder, and they are made again",
                code="customers_damaged",
            ) from error


def moment_sql(seconds: float) -> str:
    """The SQL of a time given in epoch seconds."""
    return instant_sql(datetime.fromtimestamp(seconds, UTC))
