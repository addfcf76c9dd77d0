"""ShopData: what the lake knows of a shop before a moment, as rows and columns for training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.catalog import NOT_TRACKED, Catalog
from engine.content import Content, words_of
from engine.errors import NotEnoughData
from engine.events import TYPE_CODES
from engine.ids import IdMap, TextTable
from engine.item_facts import ItemFacts, facts_of
from engine.storage.declared import declared_by_user
from engine.storage.lake import Lake
from training.interactions import Log

_COLUMNS = ("type", "time", "user_id", "session_id", "item_id", "quantity", "amount", "list_amount", "order_id")


@dataclass(frozen=True, slots=True)
class ShopData:
    """Users, items and events of one shop, all before `until` (epoch seconds, exclusive).

    `log` is ordered by time; `list_amounts` [len(log)] are minor units before discounts, NaN where
    the event names none. `item_words` and `user_words` [n] are the known attributes of each row, as
    `name=value`; `declared` [n_users] what a customer would be known by before doing anything, the source of the first
    visit included. `strangers` are events of sessions whose user nobody knows, in rows beyond those of the users. The
    catalogue has no history: it is read as it stands, so nothing learned may use
    its price or stock.
    """

    until: int
    users: IdMap
    items: IdMap
    catalog: Catalog
    log: Log
    list_amounts: np.ndarray
    content: Content
    facts: ItemFacts
    item_words: list[list[str]]
    user_words: list[list[str]]
    declared: list[tuple[str, ...]]
    versions: Mapping[str, int]
    strangers: Log | None = None


def read_shop(lake: Lake, until: datetime | None = None) -> ShopData:
    """The whole shop, or what was known before `until`; NotEnoughData names what is missing.

    The versions of the tables are fixed first, so that a run reads one state while events go on arriving.
    """
    versions = lake.versions()
    lake = lake.at(versions)
    events = lake.events(_COLUMNS, until=until)
    known_type = pc.is_in(events["type"], value_set=pa.array(list(TYPE_CODES)))
    told = events.filter(pc.and_(pc.is_valid(events["item_id"]), known_type))
    events = told.filter(pc.is_valid(told["user_id"]))
    if not events.num_rows:
        before = f" before {until.isoformat()}" if until else ""
        raise NotEnoughData(f"the shop has no events of known users and items{before}; import some first")
    items, users = lake.items(), lake.users()
    items = items.filter(pc.invert(pc.fill_null(items["deleted"], False)))
    item_ids = _all_ids(items["item_id"], events["item_id"])
    user_ids = _all_ids(events["user_id"])
    declared_of = declared_by_user(lake, until=until)
    events = _in_order(events, item_ids)
    times = _seconds(events)
    documents = _documents(items, item_ids)
    log = Log(
        n_users=len(user_ids),
        n_items=len(item_ids),
        user=_rows(events["user_id"], user_ids),
        item=_rows(events["item_id"], item_ids),
        type=_types(events),
        time=times,
        quantity=events["quantity"].to_numpy().astype(np.float32),
        order=_orders(events, times),
    )
    return ShopData(
        until=int(until.timestamp()) if until else int(times[-1]) + 1,
        users=IdMap.of(user_ids.to_pylist()),
        items=IdMap.of(item_ids.to_pylist()),
        catalog=_catalog(items, item_ids),
        log=log,
        list_amounts=pc.coalesce(events["list_amount"], events["amount"]).cast(pa.float64()).to_numpy(),
        content=Content.of([words_of(each) for each in documents]),
        facts=facts_of(documents),
        item_words=_words(items, "item_id", item_ids, ("brand",)),
        user_words=_words(users, "user_id", user_ids, ("region", "gender", "age_band")),
        declared=[declared_of.get(user, ()) for user in user_ids.to_pylist()],
        versions=versions,
        strangers=_strangers(told, item_ids, len(user_ids)),
    )


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _in_order(events: pa.Table, item_ids: pa.Array) -> pa.Table:
    """By time, then item row, so that a profile rebuilt from the lake comes out the same."""
    return events.take(pa.array(np.lexsort((_rows(events["item_id"], item_ids), _seconds(events)))))


def _seconds(events: pa.Table) -> np.ndarray:
    return np.asarray(events["time"].cast(pa.int64()).to_numpy() // 1_000_000)


def _all_ids(*columns: pa.ChunkedArray) -> pa.Array:
    joined = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string())
    ids = joined.unique()
    return ids.take(pc.sort_indices(ids))


def _rows(column: pa.ChunkedArray, ids: pa.Array) -> np.ndarray:
    return np.asarray(pc.index_in(column, value_set=ids), np.int32)


def _orders(events: pa.Table, times: np.ndarray) -> np.ndarray:
    """A number an order: of its id, else of the user and the second; lines bought at once belong together."""
    named = events["order_id"].combine_chunks().dictionary_encode()
    numbers = pc.fill_null(named.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    unnamed = numbers < 0
    if unnamed.any():
        users = events["user_id"].combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
        pairs = users[unnamed].astype(np.int64) << 33 | times[unnamed]
        numbers[unnamed] = len(named.dictionary) + np.unique(pairs, return_inverse=True)[1]
    return np.asarray(numbers)


def _types(events: pa.Table) -> np.ndarray:
    names = events["type"].unique()
    codes = np.array([TYPE_CODES[name] for name in names.to_pylist()], np.uint8)
    return np.asarray(codes[_rows(events["type"], names)])


def _strangers(events: pa.Table, item_ids: pa.Array, n_users: int) -> Log | None:
    """The visits that belong to no user, on items that the shop has; None where there are none."""
    unknown = pc.and_(pc.is_null(events["user_id"]), pc.is_valid(events["session_id"]))
    events = events.filter(pc.and_(unknown, pc.is_in(events["item_id"], value_set=item_ids)))
    if not events.num_rows:
        return None
    events = _in_order(events, item_ids)
    sessions = _all_ids(events["session_id"])
    return Log(
        n_users=n_users + len(sessions),
        n_items=len(item_ids),
        user=n_users + _rows(events["session_id"], sessions),
        item=_rows(events["item_id"], item_ids),
        type=_types(events),
        time=_seconds(events),
        quantity=events["quantity"].to_numpy().astype(np.float32),
        order=np.full(events.num_rows, -1, np.int64),
    )


def _catalog(items: pa.Table, item_ids: pa.Array) -> Catalog:
    at = pc.index_in(item_ids, value_set=items["item_id"].combine_chunks())
    rows = items.take(at)  # a null place gives a row of nulls: an item that only events name
    paths = rows["categories"].to_pylist()
    depth = max((len(path) for path in paths if path), default=1) or 1
    names: dict[str, int] = {}
    levels = np.full((len(paths), depth), NOT_TRACKED, np.int32)
    for row, path in enumerate(paths):
        # The same word below two sections is two categories: a code stands for the whole path.
        for level in range(depth if path else 0):
            levels[row, level] = names.setdefault(" / ".join(path[: level + 1]), len(names))
    brands = rows["brand"].combine_chunks().dictionary_encode()
    return Catalog(
        names=TextTable.of(pc.fill_null(rows["name"], "").to_pylist()),
        levels=levels,
        category_names=TextTable.of(names),
        brand=pc.fill_null(brands.indices, NOT_TRACKED).to_numpy(zero_copy_only=False).astype(np.int32),
        brand_names=TextTable.of(brands.dictionary.to_pylist()),
        family=_families(item_ids.to_pylist(), rows["parent_id"].to_pylist()),
        price=pc.fill_null(rows["price"], -1).to_numpy().astype(np.int64),
        stock=pc.fill_null(rows["stock"], NOT_TRACKED).to_numpy().astype(np.int64),
        available=pc.fill_null(rows["available"], True).to_numpy(zero_copy_only=False).astype(bool),
    )


def _families(ids: list[str], parents: list[str | None]) -> np.ndarray:
    """A code for each product that has variants, for these and for the product itself; -1 for all others."""
    codes = {parent: code for code, parent in enumerate(sorted({each for each in parents if each}))}
    found = (codes.get(parent or own, NOT_TRACKED) for own, parent in zip(ids, parents, strict=True))
    return np.fromiter(found, np.int32, len(ids))


def _documents(items: pa.Table, item_ids: pa.Array) -> list[dict[str, Any]]:
    """The item of each row, with its attributes as an object; of one that only events name, nothing."""
    rows = items.drop_columns(["description", "url", "image_url"])
    told: list[dict[str, Any]] = rows.take(
        pc.index_in(item_ids, value_set=items["item_id"].combine_chunks())
    ).to_pylist()
    for row in told:
        row["attributes"] = json.loads(row["attributes"]) if row["attributes"] else {}
    return told


def _words(table: pa.Table, key: str, ids: pa.Array, columns: tuple[str, ...]) -> list[list[str]]:
    """What is known of each row as words: its columns, its categories at every level, its plain attributes."""
    rows = table.take(pc.index_in(ids, value_set=table[key].combine_chunks()))
    words: list[list[str]] = [[] for _ in range(len(ids))]
    for column in columns:
        for row, value in enumerate(rows[column].to_pylist()):
            if value is not None:
                words[row].append(f"{column}={value}")
    if "categories" in rows.column_names:
        for row, path in enumerate(rows["categories"].to_pylist()):
            words[row] += [f"category={' / '.join(path[: level + 1])}" for level in range(len(path or ()))]
    for row, text in enumerate(rows["attributes"].to_pylist()):
        told = json.loads(text) if text else {}
        words[row] += [f"{name}={value}" for name, value in told.items() if isinstance(value, str | bool)]
    return words


def some_users(shop: ShopData, most: int, *, seed: int) -> ShopData:
    """The same shop with the events of `most` users drawn at random; all rows stay."""
    chosen = np.random.default_rng(seed).permutation(shop.log.n_users)[:most]
    kept = np.isin(shop.log.user, chosen)
    return replace(shop, log=shop.log.where(kept), list_amounts=shop.list_amounts[kept])
