"""Event health: what arrives at a shop, what is missing in it, and what that costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.events import EVENT_TYPES
from engine.storage.checkup import Finding
from engine.storage.lake import Lake

#: The window that is looked at.
DAYS = 7
#: A share above this is worth a sentence.
_NOTABLE = 0.05
#: What a shop sends first, and what it goes without as long as it does not.
_WORTH_HAVING: Mapping[str, str] = {
    "view": "browsing tells what people want before they buy; without it lists learn from purchases only",
    "click": "without clicks nobody knows which lists work",
    "exposure": "without exposures there is no click-through, and no list can be compared with another",
    "cart_add": "without carts abandoned ones cannot be won back",
    "purchase": "without purchases nothing is learned of what people buy",
}
#: What a shop can do without, and what it would gain.
_WOULD_HELP: Mapping[str, str] = {
    "search": "it tells what people look for and do not find",
    "cart_remove": "it speaks against an item that a cart speaks for",
    "dismiss": "nobody is shown again what they do not want",
}


@dataclass(frozen=True, slots=True)
class Arrived:
    """Events of one type within the window. `last` is an aware datetime."""

    type: str
    count: int
    last: datetime
    with_user: float


@dataclass(frozen=True, slots=True)
class EventHealth:
    """What arrived, and a finding for each thing that was looked for."""

    arrived: tuple[Arrived, ...]
    findings: tuple[Finding, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "days": DAYS,
            "arrived": [
                {"type": each.type, "count": each.count, "last": each.last.isoformat(), "with_user": each.with_user}
                for each in self.arrived
            ],
            "findings": [{"name": each.name, "ok": each.ok, "sentence": each.sentence} for each in self.findings],
        }

    def text(self) -> str:
        lines = [
            f"{each.count:>10,}  {each.type:<18} {each.with_user:>5.0%} with a user, last {each.last:%Y-%m-%d %H:%M}"
            for each in self.arrived
        ] or [f"nothing arrived within {DAYS} days"]
        return "\n".join(
            [*lines, *(f"{'ok ' if each.ok else 'NOT'} {each.name}: {each.sentence}" for each in self.findings)]
        )


def examine_events(lake: Lake, now: float) -> EventHealth:
    """The last days before `now` (epoch seconds), as the lake has them."""
    since = datetime.fromtimestamp(now, UTC) - timedelta(days=DAYS)
    until = datetime.fromtimestamp(now, UTC) + timedelta(minutes=10)
    window = {"since": since, "until": until}
    rows = lake.query(
        f"SELECT type, count(*) AS n, max(time) AS last, avg((user_id IS NOT NULL)::INT) AS with_user {_RECENT}"
        " GROUP BY type ORDER BY n DESC, type",
        window,
    ).to_pylist()
    arrived = tuple(Arrived(row["type"], row["n"], row["last"], float(row["with_user"])) for row in rows)
    counts = {each.type: each.count for each in arrived}
    findings = (
        *_types(counts),
        *_gaps(lake, window, counts),
        *_lists(lake, window),
        *_clocks(lake, window),
        *_people(lake, window),
        *_refused(lake, window),
    )
    return EventHealth(arrived, findings)


_RECENT = "FROM events WHERE time >= $since AND time < $until"


def _types(counts: Mapping[str, int]) -> Iterator[Finding]:
    for name, cost in _WORTH_HAVING.items():
        told = f"{counts[name]:,} arrived" if counts.get(name) else f"none arrived: {cost}"
        yield Finding(name, bool(counts.get(name)), f"{told}.")
    gains = [f"{name} ({gain})" for name, gain in _WOULD_HELP.items() if not counts.get(name)]
    if gains:
        yield Finding("would help", True, f"None arrived of {', '.join(gains)}.")
    own = sorted(set(counts) - set(EVENT_TYPES))
    if own:
        yield Finding("own types", True, f"Types of the shop's own: {', '.join(own)}.")


def _gaps(lake: Lake, window: Mapping[str, Any], counts: Mapping[str, int]) -> Iterator[Finding]:
    """What events lack, each with the share that lacks it."""
    checks = (
        ("clicks' lists", "click", "recommendation_id IS NULL", "name no recommendation_id; they count for no list"),
        # The exposure of an offer names no item and belongs to no list.
        (
            "exposures' lists",
            "exposure",
            "recommendation_id IS NULL AND item_id IS NOT NULL",
            "name no recommendation_id; they count for no list",
        ),
        ("orders", "purchase", "order_id IS NULL", "name no order_id; lines are joined by the second instead"),
        ("amounts", "purchase", "amount IS NULL", "name no amount; they are worth nothing in any report"),
        ("searches", "search", "properties IS NULL", "hold no query"),
        (
            "items",
            None,
            "item_id IS NOT NULL AND item_id NOT IN (SELECT item_id FROM items)",  # a deleted one is known
            "are about items that the catalogue does not know; they have no name, price or category",
        ),
    )
    for name, kind, lacking, cost in checks:
        total = counts.get(kind, 0) if kind else sum(counts.values())
        if not total:
            continue
        of_type = f" AND type = '{kind}'" if kind else ""
        lack = _number(lake, f"SELECT count(*) AS n {_RECENT}{of_type} AND {lacking}", window)
        what = f"{kind} events" if kind else "events"
        yield Finding(
            name, lack / total <= _NOTABLE, f"{lack:,} of {total:,} {what} {cost if lack else 'lack nothing'}."
        )


def _lists(lake: Lake, window: Mapping[str, Any]) -> Iterator[Finding]:
    """Served, shown, clicked, by placement."""
    rows = lake.query(
        "SELECT placement, count(*) AS lists, count(DISTINCT shown.recommendation_id) AS shown,"
        " coalesce(sum(shown.items), 0) AS exposures, coalesce(sum(clicked.items), 0) AS clicks"
        " FROM served"
        f" LEFT JOIN (SELECT recommendation_id, count(*) AS items {_RECENT} AND type = 'exposure' GROUP BY ALL) shown"
        " USING (recommendation_id)"
        f" LEFT JOIN (SELECT recommendation_id, count(*) AS items {_RECENT} AND type = 'click' GROUP BY ALL) clicked"
        " USING (recommendation_id)"
        " WHERE served.time >= $since AND served.time < $until GROUP BY placement ORDER BY placement",
        window,
    ).to_pylist()
    for row in rows:
        exposures, clicks = int(row["exposures"]), int(row["clicks"])
        told = f"{row['lists']:,} served, {row['shown']:,} shown, {exposures:,} exposures, {clicks:,} clicks"
        rate = f"; click-through {clicks / exposures:.1%}" if exposures else "; click-through unknown without exposures"
        yield Finding(f"placement {row['placement']}", exposures > 0, f"{told}{rate}.")


def _clocks(lake: Lake, window: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether what names a list fits what was served, by id and by time; and what lies in the future."""
    row = lake.query(
        "SELECT count(*) AS n, count(*) FILTER (answer.time IS NULL) AS strange,"
        # Some seconds are the way from page to shop.
        " count(*) FILTER (told.time < answer.time - INTERVAL 5 SECOND) AS early"
        f" FROM (SELECT recommendation_id, time {_RECENT}"
        " AND type IN ('exposure', 'click') AND recommendation_id IS NOT NULL) told"
        " LEFT JOIN (SELECT recommendation_id, min(time) AS time FROM served GROUP BY ALL) answer"
        " USING (recommendation_id)",
        window,
    ).to_pylist()[0]
    total, strange, early = row["n"], row["strange"], row["early"]
    if total:
        told = f"{strange:,} of {total:,} exposures and clicks name a list that was never served"
        cost = "; send back the recommendation_id of the answer, or click-through is wrong" if strange else ""
        yield Finding("lists' names", strange / total <= _NOTABLE, f"{told}{cost}.")
    ahead = _number(lake, "SELECT count(*) AS n FROM events WHERE time >= $until", {"until": window["until"]})
    told = f"{ahead:,} events lie ahead of the shop's clock, {early:,} of {total:,} before their list was served"
    cost = "; correct the sender's clock, or let it send no time: what is late or early fades wrongly"
    ok = not ahead and early <= total * _NOTABLE
    yield Finding("clocks", ok, f"{told}{'' if ok else cost}.")


def _people(lake: Lake, window: Mapping[str, Any]) -> Iterator[Finding]:
    row = lake.query(
        "SELECT count(DISTINCT session_id) AS sessions,"
        " count(DISTINCT session_id) FILTER (user_id IS NOT NULL) AS known,"
        f" count(*) FILTER (user_id IS NULL) AS nobody, count(*) AS n {_RECENT}",
        window,
    ).to_pylist()[0]
    if row["sessions"]:
        share = row["known"] / row["sessions"]
        told = f"{row['known']:,} of {row['sessions']:,} sessions belong to a user"
        cost = "" if share > _NOTABLE else "; merge a session when its shopper signs in, or its history is lost"
        yield Finding("sessions", share > _NOTABLE, f"{told}{cost}.")


def _refused(lake: Lake, window: Mapping[str, Any]) -> Iterator[Finding]:
    dead = _number(lake, "SELECT count(*) AS n FROM dead_letters WHERE time >= $since AND time < $until", window)
    why = "; the lake's table dead_letters has them with the reason" if dead else ""
    yield Finding("dead letters", not dead, f"{dead:,} rows could not be stored{why}.")


def _number(lake: Lake, statement: str, window: Mapping[str, Any]) -> int:
    return int(lake.query(statement, window)["n"][0].as_py())
