"""Whom of a segment campaigns reach on a channel, as SQL over the customers' files, with the first reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from engine.storage.lake_sql import quoted

#: Why somebody is not reached whatever was said in the ledger, as SQL over the traits. The first that holds is told.
UNREACHABLE: Mapping[str, str] = {
    "minor": "minor",
    "opted_out": "lower(personalization) = 'off'",
    "suppressed": "complaints_open > 0",
    "no_consent": "subscribed IS DISTINCT FROM true",
}
REASONS = (*UNREACHABLE, "held_out", "capped")


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel on a day; `cap` messages a day, None for no bound."""

    name: str
    day: date
    cap: int | None = None


def reach_sql(channel: Channel) -> tuple[str, str]:
    """The SQL of the reason (null where somebody is reached) over `traits` and what must be joined to it by person."""
    silent = "true" if channel.name == "storefront" else "subscribed, false"
    reasons = {
        **UNREACHABLE,
        "no_consent": f"NOT coalesce(granted, {silent})",
        "held_out": "held.person IS NOT NULL",
        "capped": "false" if channel.cap is None else f"coalesce(met.messages, 0) >= {int(channel.cap)}",
    }
    told = " ".join(f"WHEN {condition} THEN '{name}'" for name, condition in reasons.items())
    name = quoted(channel.name)
    joins = (
        " LEFT JOIN held USING (person)"
        " LEFT JOIN (SELECT person, arg_max(granted, place) AS granted FROM agreed"
        f" WHERE channel IN ({name}, 'all') GROUP BY person) words USING (person)"
        f" LEFT JOIN (SELECT person, messages FROM contacted WHERE channel = {name}"
        f" AND day = DATE {quoted(channel.day.isoformat())}) met USING (person)"
    )
    return f"CASE {told} END", joins
