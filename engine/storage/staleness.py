"""Staleness: what happened since a bundle was made, and how far that is from what it learned."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from engine.bundle import Bundle
from engine.drift import LEAST, by_group, mix_of, popularity_groups, purchases_of, score_stability, stability
from engine.events import TYPE_CODES
from engine.profile import Profile, unknown, with_tail
from engine.recommend.placements import PLACEMENTS
from engine.recommend.query import Query
from engine.recommend.recommender import recommend
from engine.storage.lake import Lake

#: What `drift_of` measures, as far as enough is known.
DRIFTS = ("event_mix", "item_popularity", "scores")

_MOST_USERS = 200  # whose lists stand for all scores
_LONG = 20
_DAY = 86_400


def count_events(lake: Lake, as_of: int) -> tuple[int, int]:
    """All events of the lake, and those from `as_of` (epoch seconds) on, which a bundle of that moment does not know.

    Those that came late with an earlier time do not count among the latter.
    """
    counts = "count(*) AS n, count(*) FILTER (time >= $since) AS since"
    row = lake.query(f"SELECT {counts} FROM events", {"since": _moment(as_of)}).to_pylist()[0]
    return int(row["n"]), int(row["since"])


def drift_of(bundle: Bundle, lake: Lake, now: float) -> Mapping[str, float]:
    """Stability indices by name, of what happened since the bundle's moment; those that too little is known for are
    left out.

    `event_mix`: events of known types by type. `item_popularity`: purchases by how popular the item was. `scores`:
    those of the home lists of customers who came since, against those of customers who came before.
    """
    as_of, found = bundle.manifest.as_of, {}
    since = {"since": _moment(as_of), "until": _moment(now + _DAY)}
    telling = np.asarray(bundle.type_weights != 0)
    counts = _types(lake, since) * telling
    expected = mix_of(bundle.history, as_of, telling)
    if counts.sum() >= LEAST and expected.sum() >= LEAST:
        found["event_mix"] = stability(expected, counts)
    bought, strange = _purchases(bundle, lake, since)
    usual = purchases_of(bundle.history, as_of, len(bundle.items))
    if bought.sum() + strange >= LEAST and usual.sum() >= LEAST:
        groups = popularity_groups(usual)
        found["item_popularity"] = stability(by_group(groups, usual, 0.0), by_group(groups, bought, strange))
    before, later = _scores(bundle, _came_before(bundle), as_of), _scores(bundle, _came_since(bundle, lake, now), now)
    if min(len(before), len(later)) >= LEAST:
        found["scores"] = score_stability(before, later)
    return found


def _types(lake: Lake, since: Mapping[str, datetime]) -> np.ndarray:
    """Events of known users and items by type code: what a history would keep."""
    rows = lake.query(
        "SELECT type, count(*) AS n FROM events WHERE time >= $since AND time < $until"
        " AND user_id IS NOT NULL AND item_id IS NOT NULL GROUP BY type",
        since,
    ).to_pylist()
    counts = np.zeros(len(TYPE_CODES))
    for row in rows:
        if row["type"] in TYPE_CODES:
            counts[TYPE_CODES[row["type"]]] = row["n"]
    return counts


def _purchases(bundle: Bundle, lake: Lake, since: Mapping[str, datetime]) -> tuple[np.ndarray, float]:
    """Purchase lines of each of the bundle's items, and those of others."""
    table = lake.query(
        "SELECT item_id, count(*) AS n FROM events WHERE time >= $since AND time < $until"
        " AND type = 'purchase' AND user_id IS NOT NULL AND item_id IS NOT NULL GROUP BY item_id",
        since,
    )
    rows, n = bundle.items.rows(table["item_id"].to_pylist()), table["n"].to_numpy()
    known = rows >= 0
    return np.bincount(rows[known], n[known], minlength=len(bundle.items)), float(n[~known].sum())


def _came_before(bundle: Bundle) -> list[Profile]:
    """Those with the latest events that the bundle knows: who was about when it was made."""
    indptr = bundle.history.indptr
    there = np.flatnonzero(np.diff(indptr))
    latest = there[np.argsort(-bundle.history.times[indptr[there + 1] - 1], kind="stable")]
    return [bundle.history.profile(int(row)) for row in latest[:_MOST_USERS]]


def _came_since(bundle: Bundle, lake: Lake, now: float) -> list[Profile]:
    """The latest visitors, each with what the bundle knows and what the lake tells since."""
    table = lake.query(
        "SELECT user_id, item_id, type, time, quantity FROM events SEMI JOIN (SELECT user_id FROM events"
        " WHERE time >= $since AND time < $until AND user_id IS NOT NULL AND item_id IS NOT NULL"
        f" GROUP BY user_id ORDER BY max(time) DESC, user_id LIMIT {_MOST_USERS}) latest USING (user_id)"
        " WHERE time >= $since AND time < $until AND item_id IS NOT NULL ORDER BY user_id, time, item_id",
        {"since": _moment(bundle.manifest.as_of), "until": _moment(now + _DAY)},
    )
    rows = bundle.items.rows(table["item_id"].to_pylist())
    types = np.array([TYPE_CODES.get(name, 0) for name in table["type"].to_pylist()], np.uint8)
    times = table["time"].cast(pa.int64()).to_numpy() // 1_000_000
    quantities = table["quantity"].to_numpy().astype(np.float32)
    users = np.array(table["user_id"].to_pylist(), dtype=object)
    telling = (rows >= 0) & np.asarray(bundle.type_weights[types] != 0)
    found = []
    for user in dict.fromkeys(users.tolist()):
        mine = np.flatnonzero((users == user) & telling)
        history = bundle.profile(user) or unknown()
        found.append(with_tail(history, rows[mine], types[mine], times[mine], quantities[mine]))
    return found


def _scores(bundle: Bundle, profiles: list[Profile], now: float) -> list[float]:
    home = PLACEMENTS["home"]
    # For somebody without a history the fallback answers, whose scores are of another scale.
    known = (each for each in profiles if len(each))
    return [found.score for each in known for found in recommend(Query(home, each, now, limit=_LONG), bundle)]


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
