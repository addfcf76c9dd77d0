"""Touches: where each person's visits first and last came from, computed from the lake's events."""

from __future__ import annotations

from typing import Literal


def touches_sql(owner: Literal["user_id", "session_id", "person"] = "user_id", events: str = "events") -> str:
    """A SELECT over `events`: the first and the last touch of each owner (user, session, person) with a known source.

    Columns: the owner, then first_ and last_ each with source, campaign, referrer and touch_at (timestamp, UTC). The
    rule is that of the live profiles: only an event that names a source touches; the earliest is the first, the latest
    the last, and at the same instant the source that comes first in the alphabet is the earlier.
    """
    columns = ", ".join(
        f"{end}.source AS {end}_source, json_extract_string({end}.properties, '$.campaign') AS {end}_campaign,"
        f" json_extract_string({end}.properties, '$.referrer') AS {end}_referrer, {end}.at AS {end}_touch_at"
        for end in ("first", "last")
    )
    touch = "struct_pack(at := time, source := source, properties := properties)"
    return (
        f"SELECT {owner}, {columns} FROM (SELECT {owner}, min({touch}) AS first, max({touch}) AS last"
        f" FROM {events} WHERE {owner} IS NOT NULL AND source IS NOT NULL GROUP BY {owner})"
    )
