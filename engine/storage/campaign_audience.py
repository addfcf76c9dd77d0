"""Who a campaign talks to: the customers of its audience, who of them can be reached, and what is known of those.

Everything is read at one moment from the customers' files; what was said of consent comes from the ledger. Consent is
asked for again when a message is sent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.errors import NotAllowed
from engine.settings import Settings
from engine.storage.class_batches import class_members
from engine.storage.classes import find_class, find_classification
from engine.storage.customer_files import CustomerFiles, moment_sql
from engine.storage.home import Home
from engine.storage.lake_sql import all_cores, quoted
from engine.storage.ledger import Ledger, connection_of, rows_of
from engine.storage.live_segments import words_of
from engine.storage.segment_members import static_members
from engine.storage.segment_reach import UNREACHABLE
from engine.storage.segment_sql import members_sql
from engine.storage.segments import find_segment
from engine.storage.set_aside import check_usable
from engine.targeting.campaign import Campaign
from engine.targeting.groups import DIMENSIONS, group_of, groups
from engine.targeting.labels import class_segment
from engine.targeting.segment_json import parse_rule_json
from engine.targeting.segments import Words, needs

_NOBODY = "SELECT 0::UINTEGER AS person WHERE false"
_LISTED = "SELECT person FROM people SEMI JOIN listed_ids USING (user_id)"
_EVERYBODY = 2**31 - 1


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Those who can be reached, `user_ids` (n,) and what is known of each in arrays (n,).

    `size` counts the whole audience, `unreachable_by` those who are left out, by the first reason that holds. `basket`
    is the mean order of the reachable, else of the shop, minor units; None before the first order. `segment` is empty
    for those in no group of the campaign's dimension. `before_orders` and `before_revenue` (minor units) are of the
    campaign's window before now; `tenure_days` is NaN for who never came.
    """

    user_ids: list[str]
    size: int
    unreachable_by: Mapping[str, int]
    basket: float | None
    segment: NDArray[np.str_]
    before_orders: NDArray[np.int64]
    before_revenue: NDArray[np.int64]
    tenure_days: NDArray[np.float64]
    region: NDArray[np.str_]
    device: NDArray[np.str_]


def read_people(
    home: Home,
    ledger: Ledger,
    campaign: Campaign,
    settings: Settings,
    *,
    now: float,
    only: Collection[str] | None = None,
) -> People:
    """The audience as of `now` (epoch seconds), or those of it who are among the user ids `only`.

    Raises UnknownThing for a segment or class that is not there, NotAllowed for an archived one, NotEnoughData before
    the customers were computed.
    """
    with CustomerFiles(home).reading(now, threads=all_cores(), memory="2GB") as sql:
        select = _audience(sql, ledger, campaign, settings, now)
        if only is not None:
            _list(sql, "only_ids", only)
            few = "SELECT person FROM people SEMI JOIN only_ids USING (user_id)"
            select = f"SELECT person FROM ({select}) SEMI JOIN ({few}) USING (person)"
        sql.execute(f"CREATE TEMP TABLE audience AS SELECT DISTINCT person FROM ({select})")
        sql.register("said", _said(ledger, campaign))
        sql.execute(_REACHED.format(reasons=_reasons(campaign)))
        counted = dict(sql.execute("SELECT reason, count(*) FROM reached GROUP BY reason").fetchall())
        sql.execute(f"CREATE TEMP TABLE grouped AS {_groups(campaign, settings, now)}")
        since = now - timedelta(days=campaign.window_days).total_seconds()
        sql.execute(_BEFORE.format(since=moment_sql(since), now=moment_sql(now)))
        found = sql.sql(_FOUND).to_arrow_table()
        ((basket,),) = sql.execute(
            "SELECT coalesce(avg(basket_value) FILTER (person IN (SELECT person FROM reached WHERE reason IS NULL)),"
            " avg(basket_value)) FROM traits"
        ).fetchall()
    return People(
        found["user_id"].to_pylist(),
        sum(counted.values()),
        {name: counted.get(name, 0) for name in UNREACHABLE},
        basket,
        _texts(found["segment"]),
        found["before_orders"].to_numpy(),
        found["before_revenue"].to_numpy(),
        found["tenure_days"].to_numpy(),
        _texts(found["region"]),
        _texts(found["device"]),
    )


_REACHED = """
CREATE TEMP TABLE reached AS SELECT person, CASE {reasons} END AS reason
FROM audience LEFT JOIN traits USING (person) LEFT JOIN people USING (person) LEFT JOIN said USING (user_id)"""

_BEFORE = """
CREATE TEMP TABLE before AS SELECT person, count(DISTINCT order_number) AS orders, sum(amount)::BIGINT AS revenue
FROM happenings WHERE type = 'purchase' AND time > {since} AND time <= {now} AND person IN
  (SELECT person FROM reached WHERE reason IS NULL) GROUP BY person"""

_FOUND = """
SELECT user_id, coalesce(segment, '') AS segment, coalesce(before.orders, 0)::BIGINT AS before_orders,
  coalesce(before.revenue, 0)::BIGINT AS before_revenue, coalesce(tenure_days, 'nan'::DOUBLE)::DOUBLE AS tenure_days,
  coalesce(region, 'unknown') AS region, coalesce(device, 'unknown') AS device
FROM reached JOIN people USING (person) LEFT JOIN traits USING (person) LEFT JOIN grouped USING (person)
  LEFT JOIN before USING (person) WHERE reason IS NULL ORDER BY person"""


def _audience(sql: Any, ledger: Ledger, campaign: Campaign, settings: Settings, now: float) -> str:
    kind, value = campaign.audience.kind, campaign.audience.value
    _check_usable(ledger, campaign, words_of(settings))
    if kind == "rule":
        return _rule(value, settings, now)
    if kind == "segment":
        return _segment(sql, ledger, value, settings, now)
    if kind == "class":
        return _class(sql, ledger, value, settings, now)
    _list(sql, "listed_ids", value)
    return _LISTED


def _check_usable(ledger: Ledger, campaign: Campaign, words: Words) -> None:
    """Raises NotAllowed where the audience is a segment that is set aside, or hangs on one."""
    kind, value = campaign.audience.kind, campaign.audience.value
    named: Collection[str] = ()
    if kind == "rule":
        named = needs(parse_rule_json(value, words)).segments
    elif kind == "segment":
        named = [value]
    elif kind == "class":
        named = [class_segment(*value.split("/", 1))]
    check_usable(ledger, words, named, field="audience")


def _segment(sql: Any, ledger: Ledger, name: str, settings: Settings, now: float) -> str:
    """The rule as it is now, so that somebody who entered a minute ago is in."""
    dimension, _, value = name.partition(":")
    ready = {each.id: each for each in groups(settings.groups)}
    if name in ready:
        return _rule(ready[name].rule, settings, now)
    if value and dimension in ("region", "interest"):
        return _rule(group_of(dimension, value).rule, settings, now)
    found = find_segment(ledger, name)
    if found.archived_at is not None:
        raise NotAllowed(
            f"audience: the segment {name!r} is archived; restore it first", code="archived", field="audience"
        )
    if found.definition is not None:
        return _rule(found.definition, settings, now)
    _list(sql, "listed_ids", static_members(ledger, name))
    return _LISTED


def _class(sql: Any, ledger: Ledger, name: str, settings: Settings, now: float) -> str:
    """Who was put into it by hand, and of all others those for whom it is the first class whose rule fits."""
    classification, _, wanted = name.partition("/")
    find_class(ledger, classification, wanted)
    by_hand = class_members(ledger, classification, limit=_EVERYBODY)
    _list(sql, "listed_ids", [each["user_id"] for each in by_hand if each["class_id"] == wanted])
    _list(sql, "assigned_ids", [each["user_id"] for each in by_hand])
    mine, before = _NOBODY, []
    for each in find_classification(ledger, classification).classes:
        rule = _NOBODY if each.definition is None else _rule(each.definition, settings, now)
        if each.id == wanted:
            mine = rule
            break
        before.append(f"SELECT person FROM ({rule})")
    taken = " UNION ALL ".join([*before, "SELECT person FROM people SEMI JOIN assigned_ids USING (user_id)"])
    return f"{_LISTED} UNION ALL (SELECT person FROM ({mine}) ANTI JOIN ({taken}) USING (person))"


def _rule(rule: Any, settings: Settings, now: float) -> str:
    return members_sql(parse_rule_json(rule, words_of(settings)), datetime.fromtimestamp(now, UTC))


def _list(sql: Any, name: str, user_ids: Any) -> None:
    sql.register(name, pa.table({"user_id": pa.array(list(user_ids), pa.string())}))


def _said(ledger: Ledger, campaign: Campaign) -> pa.Table:
    """What was said last of the campaign's purpose, of its channel or of all of them; few ever say anything."""
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            "SELECT DISTINCT ON (user_id) user_id, granted FROM consents WHERE purpose = :purpose"
            " AND channel IN (:channel, 'all') ORDER BY user_id, place DESC",
            purpose=campaign.purpose,
            channel=campaign.channel,
        )
    users, granted = zip(*rows, strict=True) if rows else ((), ())
    return pa.table({"user_id": pa.array(users, pa.string()), "granted": pa.array(granted, pa.bool_())})


def _reasons(campaign: Campaign) -> str:
    """What keeps somebody from being reached, in its order; consent is that of the campaign's purpose and channel."""
    if campaign.channel == "storefront" or campaign.purpose == "service":
        silent = "true"  # who comes anyway, or asked for it, is told until they refuse
    else:
        silent = "coalesce(subscribed, false)" if campaign.purpose == "marketing" else "false"
    # Who complains is answered, whoever they are.
    before = {} if campaign.purpose == "service" else UNREACHABLE
    reasons = {**before, "no_consent": f"NOT coalesce(granted, {silent})"}
    return " ".join(f"WHEN {condition} THEN '{name}'" for name, condition in reasons.items())


def _groups(campaign: Campaign, settings: Settings, now: float) -> str:
    """The one group of the campaign's dimension that each is in, the first where there are several."""
    assert campaign.segments_by in DIMENSIONS
    mine = [each for each in groups(settings.groups) if each.dimension == campaign.segments_by]
    parts = " UNION ALL ".join(
        f"SELECT person, {place} AS place, {quoted(each.id)} AS segment FROM ({_rule(each.rule, settings, now)})"
        for place, each in enumerate(mine)
    )
    return (
        f"SELECT person, arg_min(segment, place) AS segment FROM ({parts}) SEMI JOIN audience USING (person) GROUP BY 1"
    )


def _texts(column: Any) -> NDArray[np.str_]:
    return np.asarray(column.to_numpy(zero_copy_only=False), np.str_)
