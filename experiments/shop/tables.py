"""The generated shop as Arrow tables, with the columns of the lake."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.storage.lake_tables import EVENTS, ITEMS, USERS
from experiments.shop.catalog import COLOURS, STYLES, Catalog
from experiments.shop.departments import DEPARTMENTS, SHELVES
from experiments.shop.draws import Flags, Floats, Ints
from experiments.shop.looks import CAUSES
from experiments.shop.people import AGE_BANDS, GENDERS, REGIONS, SOURCES, People
from experiments.shop.sessions import KINDS, Rows

CURRENCY = "EUR"
_UTC = pa.timestamp("us", tz="UTC")
_TEXT = pa.string()
_TEXTS = pa.list_(pa.string())
_VECTOR = pa.list_(pa.float32())

_UNSAID = {"parent_id", "description", "available_from", "available_until", "url", "image_url", "updated_by"}
#: Of the lake's columns, those that the generated shop speaks of.
EVENT_SCHEMA = EVENTS.schema
ITEM_SCHEMA, USER_SCHEMA = (
    pa.schema([field for field in table.schema if field.name not in _UNSAID]) for table in (ITEMS, USERS)
)
#: Why each purchase was made: a word of `experiments.shop.looks.CAUSES`.
REASON_SCHEMA = pa.schema(
    [("event_id", _TEXT), ("user_id", _TEXT), ("item_id", _TEXT), ("time", _UTC), ("cause", _TEXT)]
)
#: What each user likes: `shelf` is the third-level category that taste leads to most, `department` likewise.
TASTE_SCHEMA = pa.schema(
    [
        ("user_id", _TEXT),
        ("taste", _VECTOR),
        ("department", _TEXT),
        ("shelf", _TEXT),
        ("price_sensitivity", pa.float32()),
    ]
)
#: What each item is really like; a durable good has no interval.
NATURE_SCHEMA = pa.schema(
    [
        ("item_id", _TEXT),
        ("taste", _VECTOR),
        ("popularity", pa.float64()),
        ("growth", pa.float32()),
        ("interval_days", pa.float64()),
        ("launch", _UTC),
        ("never_sold", pa.bool_()),
    ]
)


def event_table(rows: Rows, start: date) -> pa.Table:
    """Events in the order of the rows."""
    kind = rows.kind
    text = pa.array(KINDS).take(pa.array(kind))
    user = _ids("u", rows.user)
    session = _joined("s", rows.user, "-", rows.session)
    order = _joined("o", rows.user, "-", rows.session)
    paid = np.isin(text.to_numpy(zero_copy_only=False), ["purchase", "return"])
    columns = {
        "event_id": _event_ids(rows),
        "type": text,
        "time": _times(rows.time, start),
        "user_id": _where(~rows.anonymous, user),
        "session_id": _where(~rows.outside, session),
        "item_id": _where(rows.item >= 0, _ids("i", rows.item)),
        "quantity": pa.array(rows.quantity.astype(np.float64)),
        "amount": pa.array(rows.unit * rows.quantity, mask=~paid),
        "list_amount": pa.array(rows.list_unit * rows.quantity, mask=~paid),
        "currency": _where(paid, _same(CURRENCY, len(kind))),
        "order_id": _where(paid, order),
        "recommendation_id": pa.nulls(len(kind), _TEXT),
        "coupon_code": pa.nulls(len(kind), _TEXT),
        "source": _where(~rows.outside, pa.array(SOURCES).take(pa.array(rows.source))),
        "properties": _properties(rows, text),
    }
    return pa.table(columns, schema=EVENT_SCHEMA)


def reason_table(rows: Rows, start: date) -> pa.Table:
    """The planted cause of every purchase."""
    bought = rows.kept(rows.kind == KINDS.index("purchase"))
    columns = {
        "event_id": _event_ids(bought),
        "user_id": _ids("u", bought.user),
        "item_id": _ids("i", bought.item),
        "time": _times(bought.time, start),
        "cause": pa.array(CAUSES).take(pa.array(bought.cause)),
    }
    return pa.table(columns, schema=REASON_SCHEMA)


def item_table(catalog: Catalog) -> pa.Table:
    """The catalogue as it stands at the end; late items became known shortly before their launch."""
    number = len(catalog.shelf)
    shelves = pa.array([each.path[2] for each in SHELVES]).take(pa.array(catalog.shelf))
    paths = pa.array([list(each.path) for each in SHELVES], _TEXTS)
    style = pa.array(STYLES).take(pa.array(catalog.style))
    colour = pa.array(COLOURS).take(pa.array(catalog.colour))
    brand = _joined("brand ", catalog.brand)
    launched = pc.strftime(_times(catalog.launch_day * _DAY, catalog.size.start), format="%Y-%m-%d")
    available = catalog.last_day >= catalog.size.days
    columns = {
        "item_id": _ids("i", np.arange(number)),
        "name": _joined(style, " ", colour, " ", shelves, " no. ", np.arange(number)),
        "brand": brand,
        "categories": paths.take(pa.array(catalog.shelf)),
        "tags": _lists([style, colour]),
        "price": pa.array(catalog.price),
        "list_price": pa.array(catalog.list_price),
        "cost": pa.array(catalog.cost),
        "currency": _same(CURRENCY, number),
        "stock": pa.array(np.where(available, catalog.stock, 0)),
        "available": pa.array(available),
        "attributes": _joined('{"style":"', style, '","colour":"', colour, '","launched":"', launched, '"}'),
        "updated_at": _times(catalog.announced_day * _DAY, catalog.size.start),
        "deleted": pa.array(np.zeros(number, dtype=bool)),
    }
    return pa.table(columns, schema=ITEM_SCHEMA)


def nature_table(catalog: Catalog) -> pa.Table:
    """The planted truth about the items."""
    number = len(catalog.shelf)
    columns = {
        "item_id": _ids("i", np.arange(number)),
        "taste": _vectors(catalog.vector),
        "popularity": pa.array(catalog.popularity),
        "growth": pa.array(catalog.growth),
        "interval_days": pa.array(catalog.interval_days, mask=catalog.interval_days == 0),
        "launch": _times(catalog.launch_day * _DAY, catalog.size.start),
        "never_sold": pa.array(catalog.never_sold),
    }
    return pa.table(columns, schema=NATURE_SCHEMA)


def user_table(people: People, start: date) -> pa.Table:
    """Users; `updated_at` is the sign-up."""
    signup = _times(people.signup_day * _DAY, start)
    source = pa.array(SOURCES).take(pa.array(people.source))
    signed_up = pc.strftime(signup, format="%Y-%m-%d")
    number = len(people.region)
    columns = {
        "user_id": _ids("u", people.first + np.arange(number)),
        "region": pa.array([name for name, _ in REGIONS]).take(pa.array(people.region)),
        "zone": pa.array([zone for _, zone in REGIONS]).take(pa.array(people.region)),
        "gender": pa.array(GENDERS).take(pa.array(people.gender)),
        "age_band": pa.array(AGE_BANDS).take(pa.array(people.age_band)),
        "birthday": pc.strftime(pa.array(people.birth_day.astype("datetime64[D]")), format="%Y-%m-%d"),
        "attributes": _joined('{"source":"', source, '","signed_up":"', signed_up, '"}'),
        "updated_at": signup,
        "deleted": pa.array(np.zeros(number, dtype=bool)),
    }
    return pa.table(columns, schema=USER_SCHEMA)


def taste_table(people: People) -> pa.Table:
    """The planted truth about the users."""
    of_department = np.zeros((len(SHELVES), len(DEPARTMENTS)))
    of_department[np.arange(len(SHELVES)), [each.department for each in SHELVES]] = 1.0
    department = (people.shelf_share @ of_department).argmax(axis=1)
    columns = {
        "user_id": _ids("u", people.first + np.arange(len(people.region))),
        "taste": _vectors(people.vector),
        "department": pa.array([each.name for each in DEPARTMENTS]).take(pa.array(department)),
        "shelf": pa.array([each.path[2] for each in SHELVES]).take(pa.array(people.shelf_share.argmax(axis=1))),
        "price_sensitivity": pa.array(people.sensitivity),
    }
    return pa.table(columns, schema=TASTE_SCHEMA)


_DAY = 86_400_000_000  # microseconds


def _joined(*parts: str | Ints | pa.Array) -> pa.Array:
    """The parts of each row as one text."""
    columns = [pc.cast(pa.array(part), _TEXT) if isinstance(part, np.ndarray) else part for part in parts]
    return pc.binary_join_element_wise(*columns, "")


def _ids(letter: str, numbers: Ints) -> pa.Array:
    return _joined(letter, numbers)


def _event_ids(rows: Rows) -> pa.Array:
    """At most 16 bytes for up to ten million users of a million events each."""
    return _joined("e", rows.user * 1_000_000 + rows.ordinal)


def _same(text: str, number: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, _TEXT), number)


def _where(flags: Flags, texts: pa.Array) -> pa.Array:
    return pc.if_else(pa.array(flags), texts, pa.scalar(None, _TEXT))


def _times(microseconds: Ints, start: date) -> pa.Array:
    first = np.datetime64(start, "us").astype(np.int64)
    return pa.array(microseconds + first, pa.int64()).cast(_UTC)


def _vectors(matrix: Floats) -> pa.Array:
    offsets = np.arange(len(matrix) + 1, dtype=np.int32) * matrix.shape[1]
    return pa.ListArray.from_arrays(offsets, pa.array(matrix.ravel().astype(np.float32)))


def _lists(columns: list[pa.Array]) -> pa.Array:
    """Lists of one text from each column."""
    number = len(columns[0])
    order = np.arange(number * len(columns)).reshape(len(columns), number).T.ravel()
    offsets = np.arange(number + 1, dtype=np.int32) * len(columns)
    return pa.ListArray.from_arrays(offsets, pa.concat_arrays(columns).take(pa.array(order)))


def _properties(rows: Rows, kinds: pa.Array) -> pa.Array:
    """JSON text: what a search asked and found, where a click was, why a return, how many stars."""
    plain = _same("{}", len(rows.kind))
    shelf = pa.array([each.path[2] for each in SHELVES]).take(pa.array(rows.shelf))
    reasons = [DEPARTMENTS[each.department].return_reasons for each in SHELVES]
    width = max(len(each) for each in reasons)
    flat = pa.array([each[at % len(each)] for each in reasons for at in range(width)])
    reason = flat.take(pa.array(rows.shelf * width + np.minimum(rows.detail, width - 1)))
    texts = {
        "search": _joined('{"query":"', shelf, '","results":', rows.detail, "}"),
        "click": _joined('{"position":', rows.detail, "}"),
        "return": _joined('{"reason":"', reason, '"}'),
        "rating": _joined('{"value":', rows.detail, "}"),
    }
    for kind, text in texts.items():
        plain = pc.if_else(pc.equal(kinds, kind), text, plain)
    return plain
