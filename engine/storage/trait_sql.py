"""Traits in SQL: the topics that are aggregated from the happenings, one temporary table a topic, joined by user.

Each function gives a SELECT over the view `chosen` (happenings of the users that are computed, none after `now`) with a
row a person. Windows are `(now - days, now]`. Order numbers and sessions are compared by 64-bit hashes within a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from engine.events import EVENT_TYPES
from engine.storage.lake_moments import instant_sql
from engine.storage.lake_touches import touches_sql
from engine.targeting.traits import MOST_INTERESTS, WINDOWS

_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Moment:
    """When traits are computed: `now` aware, and the zone whose hours and weekdays count."""

    now: datetime
    zone: str = "UTC"

    def since(self, days: int) -> str:
        """The SQL of: within the last `days`."""
        return f"time > {instant_sql(self.now - timedelta(days=days))}"

    def local_us(self, column: str = "time") -> str:
        """The SQL of a time's microseconds on the clocks of the zone, for the two years before `now`.

        As a few constants, since DuckDB's own conversion of thirty million times takes longer than all the rest.
        """
        zone = ZoneInfo(self.zone)
        offsets: list[tuple[datetime, timedelta]] = []
        at = self.now - timedelta(days=740)
        while at <= self.now:
            offset = at.astimezone(zone).utcoffset() or timedelta()
            if not offsets or offsets[-1][1] != offset:
                offsets.append((at, offset))
            at += timedelta(hours=1)
        shift = f"{_us(offsets[0][1])}"
        for start, offset in offsets[1:]:
            whole = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
            shift = f"CASE WHEN {column} >= {instant_sql(whole)} THEN {_us(offset)} ELSE {shift} END"
        return f"(epoch_us({column}) + {shift})"


def topics(moment: Moment) -> Mapping[str, str]:
    """The SELECT of each topic, in an order in which each may read those before it."""
    return {
        "t_sessions": _SESSIONS,
        "t_visits": _visits(moment),
        "t_hours": _most_of("hour", moment),
        "t_weekdays": _most_of("weekday", moment),
        "t_activity": _activity(moment),
        "t_labels": _LABELS,
        "t_cart": _cart(moment),
        "t_order": _ORDER,
        "t_orders": _orders(moment),
        "t_pieces": _pieces(moment),
        "t_interest": _interest(moment),
        "t_interests": _INTERESTS,
        "t_taste": _taste(moment),
        "t_answers": _answers(moment),
        "t_complaints": _complaints(moment),
        "t_touches": _TOUCHES,
        "t_sources": touches_sql("person", "t_touches"),
    }


#: Tables of `topics` with one row a person; the others feed them.
OF_A_USER = (
    "t_visits", "t_hours", "t_weekdays", "t_activity", "t_labels", "t_cart", "t_orders", "t_pieces", "t_interests",
    "t_taste", "t_answers", "t_complaints", "t_sources",
)  # fmt: skip


def _us(offset: timedelta) -> int:
    return int(offset.total_seconds()) * 1_000_000


def _counts(prefix: str, condition: str, moment: Moment, *, time: str = "time") -> str:
    told = [
        f"count(*) FILTER ({condition} AND {moment.since(days).replace('time', time, 1)}) AS {prefix}_{days}d"
        for days in WINDOWS
    ]
    return ", ".join(told)


_SESSIONS = """
SELECT person, session_number AS session, min(time) AS began, bool_or(type = 'purchase') AS bought
FROM chosen WHERE session_number IS NOT NULL GROUP BY person, session"""


def _visits(moment: Moment) -> str:
    recent = moment.since(90).replace("time", "began", 1)
    return f"""
SELECT person, {_counts("visits", "true", moment, time="began")},
  count(*) FILTER (bought AND {recent}) / nullif(count(*) FILTER ({recent}), 0) AS conversion_90d
FROM t_sessions GROUP BY person"""


def _activity(moment: Moment) -> str:
    year = moment.since(365)
    counted = {
        "searches_90d": ("search", 90),
        "cart_adds_90d": ("cart_add", 90),
        "wishlist_adds_365d": ("wishlist_add", 365),
        "check_ins_90d": ("check_in", 90),
        "activities_365d": ("activity", 365),
        "shares_365d": ("share", 365),
        "returns_365d": ("return", 365),
        "coupons_seen_365d": ("coupon_view", 365),
    }
    more = ", ".join(
        f"count(*) FILTER (type = '{kind}' AND {moment.since(days)}) AS {name}"
        for name, (kind, days) in counted.items()
    )
    return f"""
SELECT person, min(time) AS first_seen_at, max(time) AS last_seen_at,
  {_counts("views", "type = 'view'", moment)}, {more},
  count(*) FILTER (type = 'referral') AS referrals,
  count(*) FILTER (type = 'coupon_redeem' AND {year}) AS coupons_redeemed,
  sum(amount) FILTER (type = 'return' AND {year}) AS returned_365d,
  sum(quantity) FILTER (type = 'return' AND {year}) AS pieces_returned,
  arg_max(type = 'subscribe', (time, type = 'unsubscribe'))
    FILTER (type IN ('subscribe', 'unsubscribe')) AS subscribed
FROM chosen GROUP BY person"""


def _most_of(part: Literal["hour", "weekday"], moment: Moment) -> str:
    """The hour, or weekday (1 is Monday), with most events of a year; of several the earliest."""
    hours = f"{moment.local_us()} // 3600000000"
    number, first, told = (f"{hours} % 24", 0, "") if part == "hour" else (
        f"({hours} // 24 + 3) % 7", 1, ", sum(n) FILTER (number >= 5) / sum(n) AS weekend_share"
    )  # fmt: skip
    # As one number, so that nothing but numbers is compared: more of them first, then the smaller one.
    return f"""
SELECT person, {31 + first} - max(n * 32 + 31 - number) % 32 AS favourite_{part}{told}
FROM (SELECT person, {number} AS number, count(*) AS n FROM chosen WHERE {moment.since(365)} GROUP BY person, number)
GROUP BY person"""


# Texts are compared only where a person's first and last times are.
_TOUCHES = """
SELECT chosen.* FROM chosen JOIN (SELECT person, min(time) AS first, max(time) AS last FROM chosen
  WHERE source IS NOT NULL GROUP BY person) ends USING (person)
WHERE source IS NOT NULL AND (time = first OR time = last)"""


# JSON is read only where the word stands in the text: most properties are empty.
_LABELS = """
SELECT person, arg_max(value, (number, value)) FILTER (name = 'channel') AS channel,
  arg_max(value, (number, value)) FILTER (name = 'device') AS device
FROM (SELECT person, name, value, count(*) AS number FROM (
    SELECT person, 'channel' AS name, json_extract_string(properties, '$.channel') AS value
    FROM chosen WHERE contains(properties, '"channel"')
    UNION ALL SELECT person, 'device', json_extract_string(properties, '$.device')
    FROM chosen WHERE contains(properties, '"device"'))
  WHERE value IS NOT NULL GROUP BY ALL)
GROUP BY person"""


def _cart(moment: Moment) -> str:
    return f"""
SELECT person, count(*) AS cart_items, max(placed) AS cart_left_at
FROM (SELECT person, item, arg_max(type, (time, type = 'purchase')) AS last, max(time) AS placed FROM chosen
  WHERE type IN ('cart_add', 'cart_remove', 'purchase') AND item IS NOT NULL AND {moment.since(30)}
  GROUP BY person, item)
WHERE last = 'cart_add' GROUP BY person"""


# A purchase that names no order is an order of its own.
_ORDER = """
SELECT person, coalesce(order_number, hash(time)) AS number, min(time) AS placed, sum(coalesce(amount, 0)) AS amount,
  sum(coalesce(list_amount, amount, 0)) AS list_amount, sum(quantity) AS pieces, count(coupon_code) AS coupons
FROM chosen WHERE type = 'purchase' GROUP BY person, number"""


def _orders(moment: Moment) -> str:
    within = {days: moment.since(days).replace("time", "placed", 1) for days in WINDOWS}
    windows = ", ".join(
        f"count(*) FILTER ({told}) AS orders_{days}d, coalesce(sum(amount) FILTER ({told}), 0) AS spend_{days}d"
        for days, told in within.items()
    )
    year = within[365]
    return f"""
SELECT person, count(*) AS orders, sum(amount)::BIGINT AS spend, {windows},
  min(placed) AS first_order_at, max(placed) AS last_order_at, avg(amount) AS basket_value,
  avg(pieces) AS basket_pieces,
  avg(gap) AS order_interval_days,
  CASE WHEN count(gap) >= 2 AND avg(gap) > 0 THEN 1 / (1 + stddev_pop(gap) / avg(gap)) END AS order_regularity,
  1 - sum(amount) FILTER ({year}) / nullif(sum(list_amount) FILTER ({year}), 0) AS discount_share_365d,
  sum(pieces) FILTER ({year}) AS pieces_365d, count(*) FILTER (coupons > 0 AND {year}) AS coupon_orders
FROM (SELECT *, (epoch_us(placed) - epoch_us(lag(placed) OVER (PARTITION BY person ORDER BY placed))) / {_DAY_US} AS gap
  FROM t_order)
GROUP BY person"""


def _pieces(moment: Moment) -> str:
    return f"""
SELECT person, count(DISTINCT item) AS items_bought,
  sum(level * quantity) FILTER ({moment.since(365)})
    / nullif(sum(quantity) FILTER (level IS NOT NULL AND {moment.since(365)}), 0) AS price_level
FROM chosen LEFT JOIN thing_levels USING (item) WHERE type = 'purchase' GROUP BY person"""


def _interest(moment: Moment) -> str:
    """Score and evidence of each category that a customer showed interest in.

    Events fade until the customer's last one, so that a score stays as it is while nothing happens.
    """
    weighing = [each for each in EVENT_TYPES.values() if each.weight > 0]
    weight = " ".join(f"WHEN '{each.name}' THEN {each.weight}" for each in weighing)
    half = " ".join(f"WHEN '{each.name}' THEN {each.half_life_days}" for each in weighing)
    names = ", ".join(f"'{each.name}'" for each in weighing)
    age = f"(epoch_us(last_seen_at) - epoch_us(time)) / {_DAY_US}"
    return f"""
SELECT person, category, count(*) FILTER (type = 'view') AS views, count(*) FILTER (type = 'search') AS searches,
  count(*) FILTER (type = 'cart_add') AS carts, count(*) FILTER (type = 'purchase') AS purchases,
  sum((CASE type {weight} END) * pow(0.5, {age} / (CASE type {half} END))) AS score
FROM (
  SELECT person, type, time, category FROM chosen JOIN thing_levels USING (item) WHERE type IN ({names})
  UNION ALL
  SELECT person, type, time, category_names.category FROM chosen
  JOIN category_names ON category_names.name = lower(json_extract_string(properties, '$.query'))
  WHERE type = 'search' AND item IS NULL AND contains(properties, '"query"'))
JOIN t_activity USING (person)
WHERE category IS NOT NULL AND {moment.since(365)} GROUP BY person, category"""


_INTERESTS = f"""
SELECT person, [each.category FOR each IN found] AS interests, CAST(to_json(found) AS VARCHAR) AS interest_evidence
FROM (SELECT person, max({{'score': round(score, 4), 'category': category, 'views': views, 'searches': searches,
    'carts': carts, 'purchases': purchases}}, {MOST_INTERESTS}) AS found FROM t_interest GROUP BY person)"""


def _taste(moment: Moment) -> str:
    def largest(column: str) -> str:
        return f"""
SELECT person, arg_max(value, (paid, value)) AS favourite_{column}, max(paid) / nullif(sum(paid), 0) AS share
FROM (SELECT person, {column} AS value, sum(coalesce(amount, 0)) AS paid FROM chosen JOIN thing_levels USING (item)
  WHERE type = 'purchase' AND {column} IS NOT NULL AND {moment.since(365)} GROUP BY person, value)
GROUP BY person"""

    return f"""
SELECT person, favourite_category, category.share AS favourite_category_share, favourite_brand,
  brand.share AS favourite_brand_share
FROM ({largest("category")}) category FULL JOIN ({largest("brand")}) brand USING (person)"""


def _answers(moment: Moment) -> str:
    def told(name: str) -> str:
        return f"TRY_CAST(json_extract_string(properties, '$.{name}') AS DOUBLE)"

    late = "json_extract_string(properties, '$.{0}')"
    return f"""
SELECT person, count(answer) AS ratings_365d,
  avg(least(greatest(answer, 0), 1)) FILTER (answer IS NOT NULL) AS satisfaction,
  count(*) FILTER (late) AS late_deliveries_365d
FROM (SELECT person, CASE type
    WHEN 'rating' THEN {told("value")} / coalesce({told("scale")}, 5)
    WHEN 'survey' THEN {told("score")} / coalesce({told("scale")}, 5)
    WHEN 'review' THEN ({told("sentiment")} + 1) / 2 END AS answer,
    type = 'delivered' AND coalesce(TRY_CAST({late.format("delivered_at")} AS TIMESTAMPTZ), time)
      > TRY_CAST({late.format("promised_at")} AS TIMESTAMPTZ) AS late
  FROM chosen WHERE type IN ('rating', 'survey', 'review', 'delivered') AND {moment.since(365)})
GROUP BY person"""


def _complaints(moment: Moment) -> str:
    # A complaint without an id is closed by any closing after it.
    return f"""
SELECT person, sum(recent) AS complaints_90d, sum(year) AS complaints_365d,
  count(*) FILTER (last = 'complaint_opened') AS complaints_open
FROM (SELECT person, json_extract_string(properties, '$.complaint_id') AS complaint,
    arg_max(type, (time, type = 'complaint_closed')) AS last,
    count(*) FILTER (type = 'complaint_opened' AND {moment.since(90)}) AS recent,
    count(*) FILTER (type = 'complaint_opened' AND {moment.since(365)}) AS year
  FROM chosen WHERE type IN ('complaint_opened', 'complaint_closed') GROUP BY person, complaint)
GROUP BY person"""
