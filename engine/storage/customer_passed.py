"""Who is affected by the passing of time alone: those with an event that the beginning of a window passed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.storage.customer_files import CustomerFiles, State
from engine.storage.lake_moments import instant_sql
from engine.storage.lake_sql import parquet, quoted

_NOBODY = "SELECT 0::UINTEGER AS person WHERE false"


def passed_sql(
    sql: Any, files: CustomerFiles, state: State, since: float, now: float, windows: Mapping[timedelta, Collection[str]]
) -> str:
    """The SELECT of persons, some of them often, of whom an event left a window after `since` up to `now` (both epoch
    seconds). `windows` are their lengths with the types of events that count there, none for all.

    A window of no length finds what was dated after the clock at `since`, and is not any more. It is a SELECT a window,
    over those files only that reach into it: parts of files are skipped by one span of time, not by one of several.
    """
    spans = _spans(sql, files, state)
    selects = [_NOBODY]
    for window, types in windows.items():
        low, high = (datetime.fromtimestamp(each, UTC) - window for each in (since, now))
        reached = [
            name for name, (first, last) in spans.items() if first <= high.timestamp() and last >= low.timestamp()
        ]
        if reached:
            of_types = f" AND type IN ({', '.join(map(quoted, sorted(types)))})" if types else ""
            selects.append(
                f"SELECT person FROM {parquet([files.folder / name for name in reached])}"
                f" WHERE time >= {instant_sql(low)} AND time <= {instant_sql(high)}{of_types}"
            )
    return " UNION ALL ".join(selects)


def _spans(sql: Any, files: CustomerFiles, state: State) -> dict[str, tuple[float, float]]:
    """The first and the last time in each file of happenings, as the files themselves tell."""
    names = state.files.get("happenings", ())
    if not names:
        return {}
    paths = ", ".join(quoted(files.folder / name) for name in names)
    rows = sql.execute(
        "SELECT file_name, min(stats_min_value::TIMESTAMPTZ).epoch(), max(stats_max_value::TIMESTAMPTZ).epoch()"
        f" FROM parquet_metadata([{paths}]) WHERE path_in_schema = 'time' GROUP BY file_name"
    ).fetchall()
    told = {str(path).rpartition("/")[2]: (first, last) for path, first, last in rows if first is not None}
    return {name: told[name] for name in names if name in told}
