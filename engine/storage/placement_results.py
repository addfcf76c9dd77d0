"""Results of a placement: what became of each list that was served of it, from the lake, by whom it was served to.

An exposure or a click names its list by `recommendation_id`; only items that were in the list count. A purchase belongs
to the list that it names, else to that of the last click of the same person on the item within a week before. Whoever
is asked for by user is one person, by session alone another: that is how experiments draw.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.errors import UnknownThing
from engine.recommend.experiment_reader import NAME_PATTERN
from engine.recommend.placement_report import Outcomes
from engine.recommend.what_if import Places
from engine.storage.lake import Lake
from engine.storage.lake_moments import month_sql

#: A purchase so long after a click on the item is no result of it any more; days.
ATTRIBUTION_DAYS = 7
#: What somebody spent so long before their first list tells how much they would have spent anyway; days.
BEFORE_DAYS = 28

# A list that was logged twice, since the stream did not say whether it had it, counts once.
_LISTS = """
lists AS (
  SELECT DISTINCT ON (recommendation_id) recommendation_id, time, user_id, session_id, bundle_version,
    {variant} AS variant, variant_share, item_ids, sources, propensities,
    coalesce('u:' || user_id, 's:' || session_id) AS unit
  FROM served
  WHERE placement = $placement AND time >= $since AND time < $until AND {drawn}
  ORDER BY recommendation_id, time),
told AS (
  SELECT type, time, user_id, session_id, coalesce('u:' || user_id, 's:' || session_id) AS person, item_id,
    recommendation_id, order_id, coalesce(amount, 0) AS amount
  FROM events_by_month
  WHERE type IN ('exposure', 'click', 'purchase') AND month >= {month} AND time >= $before AND time < $until),
clicks AS (
  SELECT person, item_id, time, recommendation_id FROM told
  WHERE type = 'click' AND recommendation_id IS NOT NULL AND item_id IS NOT NULL AND person IS NOT NULL),
bought AS (
  SELECT coalesce(told.recommendation_id, CASE WHEN told.time - clicks.time <= $window THEN clicks.recommendation_id
      END) AS recommendation_id, told.item_id, told.amount,
    coalesce(told.order_id, told.person || '/' || epoch_us(told.time)::VARCHAR) AS number
  FROM (FROM told WHERE type = 'purchase') told ASOF LEFT JOIN clicks
    ON told.person = clicks.person AND told.item_id = clicks.item_id AND told.time >= clicks.time),
seen AS (
  SELECT recommendation_id, lists.item_ids, told.item_id, type
  FROM told JOIN lists USING (recommendation_id)
  WHERE type IN ('exposure', 'click')
    AND (list_contains(lists.item_ids, told.item_id) OR (type = 'exposure' AND told.item_id IS NULL))),
sold AS (
  SELECT recommendation_id, bought.item_id, number, amount FROM bought JOIN lists USING (recommendation_id)
  WHERE list_contains(lists.item_ids, bought.item_id)),
"""

# One row a person and bundle version. Everything that they bought since their first list, and before it, stands in the
# first of their rows. Events of a user who was merged into another are the other's, so that the user's id is followed;
# of two who turned out to be one, what they spent is the first one's.
_BY_PERSON = (
    "WITH "
    + _LISTS
    + """
shows AS (
  SELECT recommendation_id,
    CASE WHEN bool_or(type = 'exposure' AND item_id IS NULL) THEN any_value(len(list_distinct(item_ids)))
      ELSE count(DISTINCT item_id) END AS shown,
    count(DISTINCT item_id) FILTER (type = 'click') AS clicks, bool_or(type = 'exposure') AS exposed
  FROM seen GROUP BY recommendation_id),
sales AS (
  SELECT recommendation_id, count(DISTINCT number) AS orders, sum(amount) AS revenue FROM sold
  GROUP BY recommendation_id),
parts AS (
  SELECT unit, bundle_version, count(*) AS lists, sum(len(item_ids)) AS places,
    sum(coalesce(shown, 0)) AS shown, sum(coalesce(clicks, 0)) AS clicks,
    bool_or(coalesce(exposed, false)) AS exposed, sum(coalesce(orders, 0)) AS orders,
    sum(coalesce(revenue, 0)) AS revenue
  FROM lists LEFT JOIN shows USING (recommendation_id) LEFT JOIN sales USING (recommendation_id)
  WHERE unit IS NOT NULL GROUP BY unit, bundle_version),
people AS (
  SELECT unit, arg_min(variant, time) AS variant, arg_min(variant_share, time) AS share,
    count(DISTINCT variant) > 1 AS crossed, count(DISTINCT variant_share) > 1 AS reweighed, min(time) AS first,
    any_value(user_id) AS user_id, any_value(session_id) FILTER (user_id IS NULL) AS session_id
  FROM lists WHERE unit IS NOT NULL GROUP BY unit),
named AS (
  SELECT DISTINCT ON (user_id, session_id) * FROM (
    SELECT unit, first, {owner} AS user_id, session_id FROM people {merged})
  ORDER BY user_id, session_id, first, unit),
spending AS (
  SELECT coalesce(users.unit, sessions.unit) AS unit, coalesce(users.first, sessions.first) AS first, told.time, amount
  FROM (FROM told WHERE type = 'purchase') told
    LEFT JOIN named users ON users.user_id = told.user_id
    LEFT JOIN named sessions ON sessions.session_id = told.session_id AND sessions.user_id IS NULL),
spent AS (
  SELECT unit, sum(amount) FILTER (time >= first) AS spent, sum(amount) FILTER (time < first AND time >= first - $ago)
    AS before FROM spending WHERE unit IS NOT NULL GROUP BY unit)
SELECT dense_rank() OVER (ORDER BY unit) - 1 AS unit, variant, share, crossed, reweighed, bundle_version, lists, places,
  shown, clicks, exposed, orders, revenue,
  CASE WHEN row_number() OVER mine = 1 THEN coalesce(spent, 0) ELSE 0 END AS spent,
  CASE WHEN row_number() OVER mine = 1 THEN coalesce(before, 0) ELSE 0 END AS before
FROM parts JOIN people USING (unit) LEFT JOIN spent USING (unit)
WINDOW mine AS (PARTITION BY unit ORDER BY bundle_version) ORDER BY unit, bundle_version"""
)

# One row a place of each list that left something to chance.
_BY_PLACE = (
    "WITH "
    + _LISTS
    + """
chosen AS (
  SELECT * FROM lists WHERE propensities IS NOT NULL AND unit IS NOT NULL ORDER BY hash(recommendation_id) LIMIT $most),
places AS (
  SELECT recommendation_id, unit, user_id, variant, unnest(item_ids) AS item_id, unnest(propensities) AS propensity,
    unnest(sources) = 'explored' AS explored, generate_subscripts(item_ids, 1) AS place FROM chosen)
SELECT dense_rank() OVER (ORDER BY recommendation_id) - 1 AS list, dense_rank() OVER (ORDER BY unit) - 1 AS unit,
  user_id, variant, place, places.item_id, propensity, explored, clicked.item_id IS NOT NULL AS clicked,
  coalesce(earned.amount, 0)::DOUBLE AS revenue
FROM places
  LEFT JOIN (SELECT DISTINCT recommendation_id, item_id FROM seen WHERE type = 'click') clicked
    USING (recommendation_id, item_id)
  LEFT JOIN (SELECT recommendation_id, item_id, sum(amount) AS amount FROM sold GROUP BY ALL) earned
    USING (recommendation_id, item_id)
ORDER BY list, place"""
)


@dataclass(frozen=True, slots=True)
class Period:
    """Lists served from `since` on and before `until`, aware datetimes."""

    since: datetime
    until: datetime


def period_before(now: float, days: float) -> Period:
    """The last `days` before `now` (epoch seconds)."""
    until = datetime.fromtimestamp(now, UTC)
    return Period(until - timedelta(days=days), until)


def experiment_of(lake: Lake, placement: str, period: Period) -> str | None:
    """The name of the experiment that served this placement's lists last, None where none did.

    UnknownThing where no list of the placement was served in the period.
    """
    _check_name(placement, "placement", "name")
    found = lake.query(
        "SELECT count(*) AS lists, arg_max(experiment, time) AS last FROM served"
        " WHERE placement = $placement AND time >= $since AND time < $until",
        {"placement": placement, "since": period.since, "until": period.until},
    ).to_pylist()[0]
    if not found["lists"]:
        told = f"no list of a placement {placement[:80]!a} was served in this time"
        raise UnknownThing(told, code="unknown_placement", field="name")
    return None if found["last"] is None else str(found["last"])


def outcomes_of(lake: Lake, placement: str, period: Period, experiment: str | None) -> Outcomes:
    """What the people did who were served; of an experiment, those whom it drew. Without one everybody together."""
    has_merges = bool(lake.query("SELECT count(*) AS n FROM merges WHERE kind = 'user'")["n"][0].as_py())
    owner, merged = "user_id", ""
    if has_merges:
        owner, merged = "coalesce(target, user_id)", "LEFT JOIN merged_users ON merged_users.id = user_id"
    rows = lake.query(
        _BY_PERSON.format(**_drawn(experiment, period), owner=owner, merged=merged),
        {**_given(placement, period, experiment), "ago": timedelta(days=BEFORE_DAYS)},
    ).combine_chunks()
    return _outcomes(rows)


def places_of(lake: Lake, placement: str, period: Period, experiment: str | None, *, most: int) -> Places:
    """The places of lists that left something to chance, of at most so many lists."""
    given = {**_given(placement, period, experiment), "most": most}
    rows = lake.query(_BY_PLACE.format(**_drawn(experiment, period)), given).combine_chunks()
    return Places(
        list=_ints(rows["list"]),
        unit=_ints(rows["unit"]),
        user=rows["user_id"].to_pylist(),
        place=_ints(rows["place"]),
        item=np.array(rows["item_id"].to_pylist(), object),
        propensity=_floats(rows["propensity"]),
        explored=np.asarray(rows["explored"].to_numpy(), bool),
        clicked=np.asarray(rows["clicked"].to_numpy(), bool),
        revenue=_floats(rows["revenue"]),
    )


def _drawn(experiment: str | None, period: Period) -> dict[str, str]:
    month = month_sql(period.since - timedelta(days=BEFORE_DAYS))
    if experiment is None:
        return {"drawn": "true", "variant": "''", "month": month}
    return {"drawn": "experiment = $experiment", "variant": "coalesce(variant, '')", "month": month}


def _check_name(name: str, kind: str, field: str) -> None:
    if not re.fullmatch(NAME_PATTERN, name):
        raise UnknownThing(f"no {kind} is called {name[:80]!a}", code=f"unknown_{kind}", field=field)


def _given(placement: str, period: Period, experiment: str | None) -> dict[str, Any]:
    _check_name(placement, "placement", "name")
    if experiment is not None:
        _check_name(experiment, "experiment", "experiment")
    given: Mapping[str, Any] = {
        "placement": placement,
        "since": period.since,
        "until": period.until,
        "before": period.since - timedelta(days=BEFORE_DAYS),
        "window": timedelta(days=ATTRIBUTION_DAYS),
    }
    return {**given, **({} if experiment is None else {"experiment": experiment})}


def _outcomes(rows: pa.Table) -> Outcomes:
    variants = sorted(pc.unique(rows["variant"]).to_pylist()) if rows.num_rows else []
    exposed = bool(pc.any(rows["exposed"]).as_py())
    shares = {
        each["variant"]: each["share_max"]
        for each in rows.select(["variant", "share"]).group_by("variant").aggregate([("share", "max")]).to_pylist()
    }
    return Outcomes(
        unit=_ints(rows["unit"]),
        variant=_ints(pc.index_in(rows["variant"], pa.array(variants, pa.string()))),
        variants=tuple(variants),
        version=_ints(pc.fill_null(rows["bundle_version"], 0)),
        lists=_floats(rows["lists"]),
        # A shop that sends no exposures is taken to show what it asks for.
        shown=_floats(rows["shown"] if exposed else rows["places"]),
        clicks=_floats(rows["clicks"]),
        orders=_floats(rows["orders"]),
        revenue=_floats(rows["revenue"]),
        spent=_floats(rows["spent"]),
        before=_floats(rows["before"]),
        shares={name: shares[name] for name in variants if shares[name] is not None},
        exposed=exposed,
        crossed=len(pc.unique(rows.filter(rows["crossed"])["unit"])),
        reweighed=bool(pc.any(rows["reweighed"]).as_py()) or _differ(rows),
    )


def _differ(rows: pa.Table) -> bool:
    """Whether the same variant was drawn with several shares."""
    told = rows.group_by("variant").aggregate([("share", "min"), ("share", "max")])
    differences = pc.subtract(told["share_max"], told["share_min"])
    return bool(pc.any(pc.greater(differences, 1e-9)).as_py())


def _ints(column: pa.ChunkedArray) -> NDArray[np.int64]:
    return np.asarray(column.to_numpy(), np.int64)


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)
