"""The scorecard of a classification: for each class its size, drift, revenue, repeat rate, response to campaigns and
overlap with the ready-made groups, and another threshold where it holds too few or too many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from engine.errors import BadInput
from engine.storage.class_drift import Drift, read_drift
from engine.storage.class_response import lay_responses, responses
from engine.storage.class_trials import read_trials
from engine.storage.classes import Class, find_classification
from engine.storage.customer_files import CustomerFiles
from engine.storage.home import Home
from engine.storage.lake_sql import name_quoted, one_row, quoted
from engine.storage.ledger import LedgerPool
from engine.targeting.class_thresholds import Room, is_odd, stability, suggest_threshold, trait_of
from engine.targeting.groups import groups
from engine.targeting.labels import class_segment
from engine.targeting.segment_json import parse_rule_json, rule_to_json
from engine.targeting.segment_text import rule_to_text
from engine.targeting.segments import Words

#: What a class is compared with where no moment is told.
_DAYS_BACK = 30
#: Ready-made groups that are told of each class: those that set it apart from everybody most.
_MOST_GROUPS = 5


@dataclass(frozen=True, slots=True)
class _Figures:
    """Of one class as it was last evaluated; money in minor units."""

    size: int = 0
    spend: int = 0
    mean_spend: float | None = None
    buyers: int = 0
    repeated: int = 0


def scorecard(
    home: Home,
    ledger: LedgerPool,
    classification_id: str,
    *,
    words: Words,
    thresholds: Mapping[str, float],
    now: float,
    since: datetime | None = None,
) -> dict[str, Any]:
    """How the classes of a classification do, as they were last evaluated, and since `since` (default: 30 days ago).

    Raises UnknownThing, NotEnoughData before the first refresh, BadInput for a moment that is not in the past.
    """
    found = find_classification(ledger, classification_id)
    start = _moment(since, now)
    segments = [class_segment(classification_id, each.id) for each in found.classes]
    with (files := CustomerFiles(home)).reading(now, memory="2GB") as sql:
        state = files.state()
        lay_responses(sql, ledger, classification_id)
        listed = ", ".join(map(quoted, segments)) or "NULL"
        sql.execute(f"CREATE TEMP TABLE classed AS SELECT segment, person FROM memberships WHERE segment IN ({listed})")
        customers, spend = one_row(sql, _WHOLE)
        figures = {name: _Figures(*rest) for name, *rest in sql.execute(_FIGURES).fetchall()}
        overlaps = _overlaps(sql, thresholds, customers)
        answered = responses(sql)
        drift = read_drift(home, sql, segments, start)
        trials = read_trials(home, sql, ledger, segments, now=now)
        sizes = [figures[name].size if name in figures else 0 for name in segments]
        advice = _advice(sql, found.classes, sizes, customers=customers, words=words)
    told = [
        {
            **_told(each, name, figures.get(name, _Figures()), customers=customers, spend=spend),
            "drift": drift and drift.of(name),
            "response": answered.get(name),
            "against_holdout": trials.get(name),
            "overlap": overlaps.get(name, []),
            "suggestion": advised,
        }
        for each, name, advised in zip(found.classes, segments, advice, strict=True)
    ]
    return {
        "classification_id": classification_id,
        "as_of": datetime.fromtimestamp(state.as_of if state else 0.0, UTC).isoformat(),
        "since": start.isoformat(),
        "customers": customers,
        "unclassified": customers - sum(sizes),
        "stability_index": drift and _stability(drift, segments, sizes, customers),
        "classes": told,
    }


_WHOLE = "SELECT count(*), (SELECT coalesce(sum(spend_365d), 0)::BIGINT FROM traits) FROM people"
_FIGURES = """
SELECT segment, count(*), coalesce(sum(spend_365d), 0)::BIGINT, avg(spend_365d),
  count(*) FILTER (orders_365d >= 1), count(*) FILTER (orders_365d >= 2)
FROM classed LEFT JOIN traits USING (person) GROUP BY segment"""


def _moment(since: datetime | None, now: float) -> datetime:
    end = datetime.fromtimestamp(now, UTC)
    start = end - timedelta(days=_DAYS_BACK) if since is None else since
    if start.tzinfo is None or not start < end:
        raise BadInput("since: a time with its zone, such as 2026-01-31T12:00:00Z, that lies before now", field="since")
    return start.astimezone(UTC)


def _told(one: Class, segment: str, mine: _Figures, *, customers: int, spend: int) -> dict[str, Any]:
    return {
        "class_id": one.id,
        "segment_id": segment,
        "names": one.names,
        "size": mine.size,
        "by_hand": one.members,
        "share": _share(mine.size, customers),
        "revenue_365d": mine.spend,
        "revenue_share": _share(mine.spend, spend),
        "mean_revenue_365d": mine.mean_spend,
        "buyers_365d": mine.buyers,
        "repeat_rate_365d": _share(mine.repeated, mine.buyers),
    }


def _stability(drift: Drift, segments: Sequence[str], sizes: Sequence[int], customers: int) -> float:
    before = [drift.sizes.get(name, 0) for name in segments]
    return stability([*before, max(drift.customers - sum(before), 0)], [*sizes, max(customers - sum(sizes), 0)])


def _overlaps(sql: Any, thresholds: Mapping[str, float], customers: int) -> dict[str, list[dict[str, Any]]]:
    """The ready-made groups that are most over-represented in each class."""
    names = ", ".join(quoted(each.id) for each in groups(thresholds))
    rows = sql.execute(
        'WITH sizes AS (SELECT segment AS "group", count(*) AS size FROM memberships'
        f" WHERE segment IN ({names}) GROUP BY segment),"
        " classes AS (SELECT segment, count(*) AS size FROM classed GROUP BY segment),"
        ' shared AS (SELECT c.segment, m.segment AS "group", count(*) AS n FROM classed c'
        f" JOIN memberships m USING (person) WHERE m.segment IN ({names}) GROUP BY ALL)"
        ' SELECT segment, "group", n, n / classes.size AS share, sizes.size / ? AS of_all'
        ' FROM shared JOIN sizes USING ("group") JOIN classes USING (segment)'
        ' WHERE share > of_all ORDER BY segment, share - of_all DESC, "group"',
        [max(customers, 1)],
    ).fetchall()
    found: dict[str, list[dict[str, Any]]] = {}
    for segment, group, number, share, of_all in rows:
        one = found.setdefault(segment, [])
        if len(one) < _MOST_GROUPS:
            one.append({"group": group, "customers": number, "share": share, "share_of_all": of_all})
    return found


def _advice(
    sql: Any, classes: Sequence[Class], sizes: Sequence[int], *, customers: int, words: Words
) -> list[dict[str, Any] | None]:
    return [
        _suggestion(sql, classes, place, size, customers=customers, words=words) for place, size in enumerate(sizes)
    ]


def _suggestion(
    sql: Any, classes: Sequence[Class], place: int, size: int, *, customers: int, words: Words
) -> dict[str, Any] | None:
    """Another threshold for a class that holds too few or too many, or why there is none."""
    one, share = classes[place], _share(size, customers)
    if share is None or not is_odd(share):
        return None
    rule = None if one.definition is None else parse_rule_json(one.definition, words)
    trait, values = trait_of(rule), np.zeros(0)
    if trait is not None:
        earlier = [class_segment(each.classification_id, each.id) for each in classes[:place]]
        taken = f"(SELECT person FROM classed WHERE segment IN ({', '.join(map(quoted, earlier)) or 'NULL'}))"
        found = sql.sql(
            f"SELECT {name_quoted(trait)}::DOUBLE AS value FROM people JOIN traits USING (person)"
            f" ANTI JOIN {taken} taken USING (person) ANTI JOIN handed USING (user_id) WHERE value IS NOT NULL"
        ).to_arrow_table()
        values = found["value"].to_numpy()
    advice = suggest_threshold(rule, Room(customers, one.members, values), classes=len(classes))
    return {
        "why": f"it holds {share:.1%} of the customers",
        "reason": advice.reason,
        "text": advice.rule and rule_to_text(advice.rule),
        "definition": advice.rule and rule_to_json(advice.rule),
        "expected_size": advice.size,
        "expected_share": None if advice.size is None else _share(advice.size, customers),
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
