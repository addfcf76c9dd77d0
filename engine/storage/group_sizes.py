"""How large the ready-made groups are, and how customers moved between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from engine.errors import BadInput, NotEnoughData
from engine.storage.customer_clusters import cluster_sizes
from engine.storage.customer_files import CustomerFiles
from engine.storage.customer_follow import following
from engine.storage.customer_traits import compute_all
from engine.storage.durable import locked
from engine.storage.home import Home
from engine.storage.lake_sql import one_row, quoted
from engine.storage.live_segments import group_rules
from engine.storage.trait_sql import Moment
from engine.targeting.groups import DIMENSIONS

#: Regions and interests that are told, largest first.
_MOST_VALUES = 20


@dataclass(frozen=True, slots=True)
class Sizes:
    """`as_of` is when memberships were evaluated; customers of each segment, and the largest regions and interests."""

    as_of: str
    customers: int
    segments: Mapping[str, int]
    regions: list[dict[str, Any]]
    interests: list[dict[str, Any]]
    clusters: list[dict[str, Any]]


def group_sizes(home: Home, now: float) -> Sizes:
    """As of the last refresh. NotEnoughData before the first."""
    files = CustomerFiles(home)
    with files.reading(now) as sql:
        state = files.state()
        counted = "SELECT {0} AS value, count(*) AS size FROM {1} WHERE value IS NOT NULL GROUP BY value"
        last = f" ORDER BY size DESC, value LIMIT {_MOST_VALUES}"
        interests = "(SELECT unnest(interests) AS interest FROM traits)"
        return Sizes(
            as_of=datetime.fromtimestamp(state.as_of if state else 0.0, UTC).isoformat(),
            customers=one_row(sql, "SELECT count(*) FROM people")[0],
            segments=dict(sql.execute("SELECT segment, count(*) FROM memberships GROUP BY segment").fetchall()),
            regions=_rows(sql, counted.format("region", "traits") + last),
            interests=_rows(sql, counted.format("interest", interests) + last),
            clusters=cluster_sizes(sql, home),
        )


def group_moves(
    home: Home,
    dimension: str,
    *,
    since: datetime,
    until: datetime | None,
    now: float,
    zone: str,
    thresholds: Mapping[str, float],
) -> dict[str, Any]:
    """Customers by their group of `dimension` at both moments, as the happenings known now tell it.

    The traits of both moments are computed from the whole history, with today's catalogue and thresholds. BadInput for
    a dimension that is none, or moments that are not in order.
    """
    end = until or datetime.fromtimestamp(now, UTC)
    if dimension not in DIMENSIONS:
        raise BadInput(f"dimension: one of {', '.join(DIMENSIONS)}, not {dimension!a}", field="dimension")
    if since.tzinfo is None or end.tzinfo is None:
        raise BadInput("since, until: a time with its zone, such as 2026-01-31T12:00:00Z", field="since")
    if not since < end <= datetime.fromtimestamp(now, UTC):
        raise BadInput("since: must lie before until, and both not after now", field="since")
    files = CustomerFiles(home)
    with locked(files.folder / "refresh.lock"), following(home, threads=None, memory="2GB") as sql:
        state = files.state()
        if state is None:
            raise NotEnoughData("the customers were not computed yet; run `hawker user refresh`, or wait a minute")
        for name, moment in (("before", since), ("after", end)):
            past = compute_all(sql, files, state, Moment(moment, zone))
            files.lay_out(sql, past, moment.timestamp())
            cells = " UNION ALL ".join(
                f"SELECT {quoted(rule.segment)} AS cell, person FROM ({rule.sql(moment)})"
                for rule in group_rules(thresholds)
                if rule.segment.startswith(f"{dimension}.")
            )
            # Whoever was never seen by then was nobody's customer.
            sql.execute(
                f"CREATE TEMP TABLE standing_{name} AS SELECT person, cell FROM ({cells})"
                " SEMI JOIN (SELECT person FROM traits WHERE first_seen_at IS NOT NULL) USING (person)"
            )
            files.discard(past, besides=state)
        moves = _rows(
            sql,
            'SELECT one.cell AS "from", two.cell AS "to", count(*) AS customers'
            " FROM standing_before one FULL JOIN standing_after two USING (person) GROUP BY ALL ORDER BY 1, 2",
        )
    told = {"since": since.astimezone(UTC).isoformat(), "until": end.astimezone(UTC).isoformat()}
    return {"dimension": dimension, **told, "moves": moves}


def _rows(sql: Any, statement: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sql.sql(statement).to_arrow_table().to_pylist()
    return found
