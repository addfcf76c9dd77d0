"""Batch: lists for a file of users or items, through the same answer as over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pyarrow.parquet as parquet

from engine.bundle import Bundle
from engine.errors import BadInput
from engine.events import TYPE_CODES
from engine.profile import Profile, unknown
from engine.recommend.answer import NOTHING_TOLD, Told, answer
from engine.recommend.placements import Placement
from engine.recommend.placements import placement as find_placement
from engine.storage.declared import declared_by_user
from engine.storage.durable import replace_file
from engine.storage.lake import Lake

LISTS = pa.schema(
    [
        ("rank", pa.int32()),
        ("item_id", pa.string()),
        ("score", pa.float64()),
        ("source", pa.string()),
        ("due_at", pa.timestamp("us", "UTC")),
        ("chance", pa.float64()),
    ]
)


def lists_for_users(
    bundle: Bundle,
    lake: Lake,
    user_ids: Sequence[str],
    placement: Placement | str,
    *,
    limit: int,
    now: float,
    as_of: datetime | None,
    told: Callable[[str], Told] = lambda _: NOTHING_TOLD,
) -> pa.Table:
    """Columns user_id, rank (from 1), item_id, score, source; of what is due again due_at and chance, within a week.

    With `as_of` the clock stands there and profiles are made of the lake's events before it, whatever
    the bundle remembers; otherwise profiles are the bundle's and the clock is `now` (epoch seconds). `told` says what
    a placement's wishes ask beside that, by user.
    """
    if as_of is None:
        profiles = {user: bundle.profile(user) or unknown() for user in user_ids}
    else:
        profiles, now = rebuilt_profiles(bundle, lake, user_ids, as_of), as_of.timestamp()
    nobody_knows = [user for user in user_ids if not len(profiles[user])]
    if nobody_knows and len(bundle.peers.words):
        for user, words in declared_by_user(lake, until=as_of, users=nobody_knows).items():
            profiles[user] = replace(profiles[user], declared=words)
    answers = (
        (user, answer(bundle, placement, profiles[user], now, limit=limit, told=told(user))) for user in user_ids
    )
    return _table("user_id", ((user, found.items) for user, found in answers))


def lists_for_items(
    bundle: Bundle, item_ids: Sequence[str], placement: Placement | str, *, limit: int, now: float
) -> pa.Table:
    """Columns item_id (the one in view), rank, similar_id, score, source (no more); an unknown item has no rows.

    BadInput for a placement that is not about items in view.
    """
    placement = find_placement(placement) if isinstance(placement, str) else placement
    if not placement.needs_items:
        raise BadInput(
            f"placement {placement.name!r} is for users, not beside items; ask `hawker recommend`", field="placement"
        )
    found = (
        (item, answer(bundle, placement, unknown(), now, item_ids=[item], limit=limit).items)
        for item in item_ids
        if bundle.items.row(item) >= 0
    )
    table = _table("in_view", found).drop_columns(["due_at", "chance"])
    return table.rename_columns(["item_id", "rank", "similar_id", "score", "source"])


def unfairness(bundle: Bundle, as_of: datetime) -> str:
    """Why lists as of that moment would flatter the bundle: it learned from later events. Empty when it did not."""
    if bundle.manifest.as_of <= as_of.timestamp():
        return ""
    return (
        f"version {bundle.manifest.version} was trained on events until "
        f"{datetime.fromtimestamp(bundle.manifest.as_of, UTC):%Y-%m-%dT%H:%MZ}, later than --as-of: "
        "what it learned knows more than the profiles; train with --until for a fair measurement"
    )


def rebuilt_profiles(bundle: Bundle, lake: Lake, user_ids: Sequence[str], as_of: datetime) -> dict[str, Profile]:
    """What is known of each user from the lake's events before `as_of` alone.

    A profile that turns out to be the stored one is marked so: what was learned for this very user then fits.
    """
    wanted = pa.array(sorted(set(user_ids)), pa.string())
    events = lake.events(("user_id", "item_id", "type", "time", "quantity"), until=as_of)
    events = events.filter(pc.and_(pc.is_in(events["user_id"], value_set=wanted), pc.is_valid(events["item_id"])))
    names = events["item_id"].unique()
    rows = bundle.items.rows(names.to_pylist())[pc.index_in(events["item_id"], value_set=names).to_numpy()]
    types = np.array([TYPE_CODES.get(name, 0) for name in events["type"].to_pylist()], np.uint8)
    users = pc.index_in(events["user_id"], value_set=wanted).to_numpy()
    times = events["time"].cast(pa.int64()).to_numpy() // 1_000_000
    order = np.lexsort((rows, times, users))
    order = order[(rows[order] >= 0) & (bundle.type_weights[types[order]] != 0)]
    starts = np.searchsorted(users[order], np.arange(len(wanted) + 1))
    quantities = events["quantity"].to_numpy().astype(np.float32)
    found = {}
    for at, user in enumerate(wanted.to_pylist()):
        mine = order[starts[at] : starts[at + 1]]
        profile = Profile(bundle.users.row(user), rows[mine], types[mine], times[mine], quantities[mine])
        found[user] = _stored_if_equal(profile, bundle)
    return found


def read_ids(path: Path, column: str) -> list[str]:
    """The ids of a Parquet, CSV or JSONL file's column, or of a text file with one id a line, each once, in order."""
    ids = [each for each in dict.fromkeys(_read(path, column)) if each]
    if not ids:
        raise BadInput(f"{path} names no {column}", field=column)
    return ids


def read_lists(path: Path) -> dict[str, list[str]]:
    """Item ids by user, best first, of a Parquet, CSV or JSONL file with the columns user_id, rank and item_id."""
    users, items = (_read(path, column) for column in ("user_id", "item_id"))
    ranks = [int(each) if each.isdigit() else 0 for each in _read(path, "rank")]
    if not len(users) == len(items) == len(ranks) or not all(ranks):
        raise BadInput(f"{path} needs user_id, item_id and a rank from 1 in every row", field="rank")
    found: dict[str, list[tuple[int, str]]] = {}
    for user, item, rank in zip(users, items, ranks, strict=True):
        found.setdefault(user, []).append((rank, item))
    return {user: [item for _, item in sorted(each)] for user, each in found.items()}


def check_ending(path: Path) -> None:
    """BadInput for a file name that does not say which format is wanted: better before the work than after it."""
    if path.suffix not in (".parquet", ".csv", ".jsonl"):
        raise BadInput(f"{path.name} must end in .parquet, .csv or .jsonl", field="out")


def write_lists(path: Path, lists: pa.Table) -> None:
    """As Parquet, CSV or JSONL by the ending; the file appears whole or not at all."""
    check_ending(path)
    sink = pa.BufferOutputStream()
    if path.suffix == ".parquet":
        parquet.write_table(lists, sink, compression="zstd")
    elif path.suffix == ".csv":
        csv.write_csv(lists, sink)
    else:
        sink.write("".join(json.dumps(row) + "\n" for row in lists.to_pylist()).encode("utf-8", "surrogatepass"))
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, sink.getvalue().to_pybytes())


def read_moment(text: str) -> datetime:
    """An ISO 8601 time; one without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(text)
        # Overflows when the zone moves the first or the last day of the calendar out of it.
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise BadInput(f"{text!r} is no time; write it like 2017-12-04 or 2017-12-04T18:30:00+01:00") from None


def _stored_if_equal(profile: Profile, bundle: Bundle) -> Profile:
    if profile.row < 0:
        return profile
    stored = bundle.history.profile(profile.row)
    same = (
        np.array_equal(stored.items, profile.items)
        and np.array_equal(stored.types, profile.types)
        and np.array_equal(stored.times, profile.times)
    )
    return stored if same else profile


def _read(path: Path, column: str) -> list[str]:
    try:
        return _column(path, column)
    except FileNotFoundError:
        raise BadInput(f"there is no file {path}", field=column) from None
    except (OSError, pa.ArrowException, ValueError) as problem:
        first = str(problem).partition("\n")[0]
        raise BadInput(f"{path} cannot be read: {first}", field=column) from problem


def _column(path: Path, column: str) -> list[str]:
    if path.suffix == ".parquet":
        table = parquet.read_table(path)
    elif path.suffix == ".csv":
        table = csv.read_csv(path, convert_options=csv.ConvertOptions(column_types={column: pa.string()}))
    elif path.suffix == ".jsonl":
        rows: list[Any] = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
        if not any(isinstance(row, dict) and column in row for row in rows):
            raise BadInput(f"{path} has no {column} in any line", field=column)
        told = (row.get(column) for row in rows if isinstance(row, dict))
        return [str(each) for each in told if each is not None]
    else:
        return path.read_text().splitlines()
    if table.column_names.count(column) != 1:
        which = "no column" if column not in table.column_names else "two columns"
        raise BadInput(f"{path} has {which} {column}; it has {', '.join(table.column_names)}", field=column)
    ids: list[str] = pc.drop_null(table[column].cast(pa.string())).to_pylist()
    return ids


def _micros(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1e6)


def _table(key: str, lists: Iterator[tuple[str, Sequence[Any]]]) -> pa.Table:
    rows = [
        (subject, place, item.id, item.score, item.source, _micros(item.due_at), item.chance)
        for subject, items in lists
        for place, item in enumerate(items, start=1)
    ]
    schema = LISTS.insert(0, pa.field(key, pa.string()))
    columns = zip(*rows, strict=True) if rows else ([] for _ in schema)
    return pa.table([pa.array(values, each.type) for values, each in zip(columns, schema, strict=True)], schema=schema)
