"""Declared, from the lake: what customers would be known by before they did anything."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from engine.declared import declared_words
from engine.storage.lake import Lake


def declared_by_user(
    lake: Lake, *, until: datetime | None = None, users: Sequence[str] | None = None
) -> Mapping[str, tuple[str, ...]]:
    """The words of each customer, or of these `users`; those of whom nothing is known are left out.

    The source is that of the first event that names one, before `until`. Documents have no history: they count as they
    are now.
    """
    only, which = ("", {}) if users is None else (" AND list_contains($users, user_id)", {"users": list(users)})
    documents = lake.query(
        f"SELECT user_id, region, gender, age_band, attributes FROM users WHERE deleted IS NOT TRUE{only}", which
    ).to_pylist()
    before, bound = ("", {}) if until is None else (" AND time < $until", {"until": until})
    sources = lake.query(
        "SELECT user_id, arg_min(source, (time, source)) AS source FROM events WHERE user_id IS NOT NULL"
        f" AND source IS NOT NULL{only}{before} GROUP BY user_id",
        {**which, **bound},
    )
    came_by = dict(zip(sources["user_id"].to_pylist(), sources["source"].to_pylist(), strict=True))
    told: dict[str, Mapping[str, Any]] = {
        row["user_id"]: {**row, "attributes": json.loads(row["attributes"]) if row["attributes"] else {}}
        for row in documents
    }
    found = {user: declared_words(told.get(user, {}), came_by.get(user)) for user in {*told, *came_by}}
    return {user: words for user, words in found.items() if words}
