"""What happened to customers that a trigger of a campaign waits for, out of the customers' files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from engine.storage.customer_files import CustomerFiles, moment_sql
from engine.storage.home import Home
from engine.storage.lake_sql import quoted
from engine.targeting.arbitration import midnight
from engine.targeting.campaign_parts import Trigger
from engine.targeting.labels import class_segment
from engine.targeting.triggers import LOOK_BACK_SECONDS, Occurrence, calendar_moment, least_drop, shift_of

_DAY_SECONDS = 86_400.0
#: Each gives user_id and the moment of what happened, without the trigger's shift, of those after {since}.
_SELECTS: Mapping[str, str] = {
    "entered": "SELECT person, since AS moment FROM memberships WHERE segment = {segment}",
    "cart_left": "SELECT person, cart_left_at AS moment FROM traits WHERE cart_items > 0",
    "due_again": "SELECT person, last_order_at + to_microseconds(CAST(order_interval_days * 86400e6 AS BIGINT))"
    " AS moment FROM traits WHERE order_interval_days IS NOT NULL",
    "delivered": "SELECT person, time AS moment FROM happenings WHERE type = 'delivered'",
    "signed_up": "SELECT person, first_seen_at AS moment FROM traits",
    # A level that somebody loses leads into another, or into none, of which nobody writes.
    "tier_change": "SELECT person, since AS moment FROM memberships WHERE {tier}",
    "price_drop": """
SELECT person, dropped_at AS moment FROM (SELECT person, item, arg_max(type, time) AS last FROM happenings
  WHERE type IN ('cart_add', 'cart_remove', 'purchase', 'wishlist_add', 'wishlist_remove')
    AND time > {month} AND item IN (SELECT item FROM things WHERE dropped_at IS NOT NULL)
  GROUP BY person, item) JOIN things USING (item)
WHERE last IN ('cart_add', 'wishlist_add') AND price <= dropped_from * (1 - {least})""",
}


def occurrences(home: Home, trigger: Trigger, *, since: float, now: float, zone: str) -> list[Occurrence]:
    """What led to a message within the look back, and happened after `since` (epoch seconds both).

    Raises NotEnoughData before the customers were computed.
    """
    local = ZoneInfo(zone)
    with CustomerFiles(home).reading(now) as sql:
        if trigger.on == "calendar":
            at = calendar_moment(trigger, now, local)
            users = [] if at is None or at <= since else sql.execute("SELECT user_id FROM people").fetchall()
            return [Occurrence(user, at or 0.0) for (user,) in users]
        if trigger.on == "birthday":
            return _birthdays(sql, trigger, since, now, local)
        return _found(sql, trigger, since, now)


def _found(sql: Any, trigger: Trigger, since: float, now: float) -> list[Occurrence]:
    shift = shift_of(trigger)
    select = _SELECTS[trigger.on].format(
        segment=quoted(str(trigger.more.get("segment", ""))),
        month=moment_sql(now - 30 * _DAY_SECONDS),
        least=least_drop(trigger),
        tier=_tier(trigger),
    )
    first, last = now - LOOK_BACK_SECONDS - shift, now - shift
    rows = sql.execute(
        f"SELECT user_id, epoch_us(moment) FROM ({select}) JOIN people USING (person)"
        f" WHERE moment > {moment_sql(max(first, since))} AND moment <= {moment_sql(last)}"
    ).fetchall()
    return [Occurrence(user, at / 1e6 + shift) for user, at in rows]


def _tier(trigger: Trigger) -> str:
    told = class_segment(str(trigger.more.get("classification", "")), str(trigger.more.get("class", "")))
    return f"segment = {quoted(told)}" if "class" in trigger.more else f"starts_with(segment, {quoted(told)})"


def _birthdays(sql: Any, trigger: Trigger, since: float, now: float, zone: ZoneInfo) -> list[Occurrence]:
    shift = shift_of(trigger)
    most = int(-shift // _DAY_SECONDS) + 1
    today = datetime.fromtimestamp(now, zone).date()
    rows = sql.execute(
        f"SELECT user_id, days_to_birthday FROM traits JOIN people USING (person) WHERE days_to_birthday <= {most}"
    ).fetchall()
    found = [Occurrence(user, midnight(today + timedelta(days=days), zone) + shift) for user, days in rows]
    return [each for each in found if max(since, now - LOOK_BACK_SECONDS) < each.at <= now]
