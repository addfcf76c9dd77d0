"""Segment's e-commerce events as JSON lines: what its SDKs send, one call a line.

Track calls become events, an order one event a line of it. Identify calls become user attributes and are
no events; of their traits, those that tell who a person is are left out. Other calls are quarantined.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.segment_words import EVENT_NAMES, NOT_ATTRIBUTES, ORDERS, WITH_PRODUCTS
from engine.storage.imports.draft import Draft, json_object
from engine.storage.imports.money import minor_units, number
from engine.storage.imports.sources import LINE, ROW, SOURCE, Source, open_source
from engine.storage.imports.table_columns import preset_file
from engine.storage.imports.times import instant
from engine.storage.lake_sql import quoted

_CURRENCY = "upper(coalesce(props ->> '$.currency', product ->> '$.currency'))"
_QUANTITY = number("product ->> '$.quantity'")
_PRICE = number("product ->> '$.price'")
# Only orders have amounts: nothing is paid by looking.
_IN_ORDER = f"CASE WHEN name IN ({', '.join(map(quoted, ORDERS))}) THEN ({_PRICE}) * coalesce({_QUANTITY}, 1) END"
# A discount on the whole order is shared out by the lines' prices.
_DISCOUNT = number("props ->> '$.discount'")
_PAID_SHARE = (
    f"CASE WHEN order_total > 0 AND ({_DISCOUNT}) IS NOT NULL"
    f" THEN greatest(0, 1 - ({_DISCOUNT}) / order_total) ELSE 1 END"
)

_TRAITS = "coalesce(call -> '$.traits', call -> '$.context.traits')"


def segment(sql: Any, path: Path | None) -> tuple[Source, Draft]:
    """The calls of a JSON lines file."""
    source = open_source(preset_file(path, "segment"), "jsonl")
    return source, Draft(
        rows=_rows(),
        raw=(LINE,),
        refused=_refused(),
        profile="coalesce(kind = 'identify', false)",
        events=_EVENTS,
        items=_ITEMS,
        users=_USERS,
        called={"user_id": "userId", "session_id": "anonymousId", "item_id": "product_id", "time": "timestamp"},
    )


_EVENTS = {
    "event_id": "CASE WHEN place > 1 THEN concat(call ->> '$.messageId', '-', place) ELSE call ->> '$.messageId' END",
    "type": "CASE name "
    + " ".join(f"WHEN {quoted(theirs)} THEN {quoted(ours)}" for theirs, ours in EVENT_NAMES.items())
    + " END",
    "time": instant(
        "coalesce(call ->> '$.timestamp', call ->> '$.originalTimestamp', call ->> '$.receivedAt')", "VARCHAR"
    ),
    "user_id": "nullif(call ->> '$.userId', '')",
    "session_id": "nullif(call ->> '$.anonymousId', '')",
    "item_id": "coalesce(product ->> '$.product_id', product ->> '$.sku')",
    "quantity": _QUANTITY,
    "amount": minor_units(f"{_IN_ORDER} * {_PAID_SHARE}", _CURRENCY),
    "list_amount": minor_units(_IN_ORDER, _CURRENCY),
    "currency": _CURRENCY,
    "order_id": "props ->> '$.order_id'",
    "recommendation_id": "props ->> '$.recommendation_id'",
    "coupon_code": "coalesce(props ->> '$.coupon', product ->> '$.coupon', props ->> '$.coupon_id')",
    "source": "call ->> '$.channel'",
    "properties": json_object([(name, f"props ->> '$.{name}'") for name in ("query", "rating", "share_via")]),
}

_ITEMS = {
    "name": "product ->> '$.name'",
    "brand": "product ->> '$.brand'",
    "categories": "CASE WHEN product ->> '$.category' <> ''"
    " THEN list_transform(regexp_split_to_array(product ->> '$.category', '[/>]'), lambda level: trim(level)) END",
    "price": minor_units(_PRICE, _CURRENCY),
    "currency": f"CASE WHEN {_PRICE} IS NOT NULL THEN {_CURRENCY} END",
    "attributes": json_object(
        [(name, f"product ->> '$.{name}'") for name in ("variant", "sku", "url", "image_url")],
    ),
}

_IMPERSONAL = "nullif(CAST(json_merge_patch({traits}, json_object({removed})) AS VARCHAR), '{{}}')".format(
    traits=_TRAITS, removed=", ".join(f"{quoted(name)}, NULL" for name in NOT_ATTRIBUTES)
)

_USERS = {
    "region": f"coalesce({_TRAITS} ->> '$.address.state', {_TRAITS} ->> '$.address.country',"
    f" {_TRAITS} ->> '$.address.city')",
    "zone": f"coalesce({_TRAITS} ->> '$.timezone', call ->> '$.context.timezone')",
    "gender": f"{_TRAITS} ->> '$.gender'",
    "age_band": f"{_TRAITS} ->> '$.age_band'",
    "birthday": f"regexp_replace({_TRAITS} ->> '$.birthday', '^(\\d{{4}}-\\d\\d-\\d\\d)T.*$', '\\1')",
    "attributes": f"CASE WHEN json_type({_TRAITS}) = 'OBJECT' THEN {_IMPERSONAL} END",
}


def _rows() -> str:
    """One row a call, and for an order one row a product; `place` counts them from 1."""
    with_lines = ", ".join(map(quoted, WITH_PRODUCTS))
    price, quantity = number("line_item ->> '$.price'"), number("line_item ->> '$.quantity'")
    return f"""(
        SELECT *, unnest(lines) AS product, unnest(range(1, len(lines) + 1)) AS place,
            list_sum(list_transform(lines, lambda line_item: ({price}) * coalesce({quantity}, 1))) AS order_total
        FROM (
            SELECT *, CASE WHEN name IN ({with_lines}) AND len(products) > 0 THEN products ELSE [props] END AS lines
            FROM (
                SELECT *, call ->> '$.type' AS kind, lower(trim(call ->> '$.event')) AS name,
                    call -> '$.properties' AS props, json_extract(call, '$.properties.products[*]') AS products
                FROM (SELECT {ROW}, {LINE}, TRY_CAST({LINE} AS JSON) AS call FROM {SOURCE})
            )
        )
    )"""


def _refused() -> str:
    known = ", ".join(map(quoted, EVENT_NAMES))
    return (
        "CASE WHEN call IS NULL OR json_type(call) <> 'OBJECT' THEN 'the line is no JSON object'"
        " WHEN kind IS NULL THEN 'type: the call has none'"
        " WHEN kind NOT IN ('track', 'identify') THEN 'type: a ' || kind || ' call is no event'"
        " WHEN kind = 'track' AND coalesce(name, '') = '' THEN 'event: the track call has no name'"
        f" WHEN kind = 'track' AND name NOT IN ({known}) THEN 'event: no event type for ' || (call ->> '$.event') END"
    )
