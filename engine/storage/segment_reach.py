"""Whom of a segment campaigns reach on a channel, as SQL over the customers' files, with the first reason why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

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
    """A channel on a day; `cap` messages a day, None for no bound.

    The day is the customer's own: `day` where their zone is not known, `elsewhere` that of zones where it is another.
    """

    name: str
    day: date
    cap: int | None = None
    elsewhere: Mapping[str, date] = field(default_factory=dict)


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
    zones = " LEFT JOIN (SELECT person, zone FROM traits) living USING (person)" if channel.elsewhere else ""
    joins = (
        " LEFT JOIN held USING (person)"
        " LEFT JOIN (SELECT person, arg_max(granted, place) AS granted FROM agreed"
        f" WHERE channel IN ({name}, 'all') GROUP BY person) words USING (person)"
        f" LEFT JOIN (SELECT person, messages FROM contacted{zones} WHERE channel = {name} AND day = {_today(channel)})"
        " met USING (person)"
    )
    return f"CASE {told} END", joins


def _today(channel: Channel) -> str:
    by_day: dict[date, list[str]] = {}
    for zone, day in channel.elsewhere.items():
        by_day.setdefault(day, []).append(zone)
    cases = " ".join(
        f"WHEN zone IN ({', '.join(map(quoted, zones))}) THEN DATE {quoted(day.isoformat())}"
        for day, zones in by_day.items()
    )
    here = f"DATE {quoted(channel.day.isoformat())}"
    return f"CASE {cases} ELSE {here} END" if cases else here


def days_elsewhere(zones: Iterable[str], today: date, now: float) -> dict[str, date]:
    """The day at `now` in those of the zones where it is another than `today`; names that are no zones are left out."""
    found = {}
    for zone in zones:
        with suppress(ZoneInfoNotFoundError, ValueError, OSError):
            day = datetime.fromtimestamp(now, ZoneInfo(zone)).date()
            if day != today:
                found[zone] = day
    return found
