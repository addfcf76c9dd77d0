"""What training reads of the lake."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from engine.errors import NotEnoughData
from engine.events import TYPE_CODES
from engine.storage.home import Home
from engine.storage.lake import Lake
from training.shop_data import read_shop, some_users

UTC_TIMES = pa.timestamp("us", tz="UTC")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def events(*rows: dict) -> pa.Table:
    """Purchases of i1 by u1 at noon, but for what a row says."""
    whole = [
        {
            "event_id": f"e{number}",
            "type": "purchase",
            "time": at("2025-01-01T12:00"),
            "user_id": "u1",
            "item_id": "i1",
            "quantity": 1.0,
            **row,
        }
        for number, row in enumerate(rows)
    ]
    columns = {name: [row.get(name) for row in whole] for name in dict.fromkeys(key for row in whole for key in row)}
    arrays = {
        name: pa.array(values, UTC_TIMES) if name == "time" else pa.array(values) for name, values in columns.items()
    }
    for name in ("amount", "list_amount"):
        if name in arrays:
            arrays[name] = arrays[name].cast(pa.int64())
    return pa.table(arrays)


@pytest.fixture
def lake(tmp_path):
    return Lake(Home(tmp_path))


def test_the_tiny_shop_is_read_as_it_was_generated(tiny_data, tiny_shop):
    told = tiny_shop.events.filter(
        pc.and_(pc.is_valid(tiny_shop.events["user_id"]), pc.is_valid(tiny_shop.events["item_id"]))
    )
    log = tiny_data.log
    assert len(log) == told.num_rows
    found = sorted(
        zip(
            (tiny_data.users.ids[row] for row in log.user),
            (tiny_data.items.ids[row] for row in log.item),
            log.type.tolist(),
            log.time.tolist(),
            strict=True,
        )
    )
    names = ("user_id", "item_id", "type", "time")
    users, items, types, times = (told[name].to_pylist() for name in names)
    wanted = zip(
        users, items, (TYPE_CODES[name] for name in types), (int(each.timestamp()) for each in times), strict=True
    )
    assert found == sorted(wanted)
    assert np.all(np.diff(log.time) >= 0)
    assert len(tiny_data.items) == tiny_shop.items.num_rows
    assert tiny_data.until == log.time[-1] + 1


def test_the_catalogue_is_that_of_the_lake(tiny_data, tiny_shop):
    rows = {row["item_id"]: row for row in tiny_shop.items.to_pylist()}
    catalog = tiny_data.catalog
    for at_row in range(0, len(tiny_data.items), 9):
        row = rows[tiny_data.items.ids[at_row]]
        facts = catalog.fields(at_row)
        assert facts["name"] == row["name"]
        assert facts["brand"] == row["brand"]
        assert facts["price"] == row["price"]
        assert catalog.stock[at_row] == row["stock"]
        assert catalog.available[at_row] == row["available"]
        words = tiny_data.item_words[at_row]
        assert f"brand={row['brand']}" in words
        assert f"category={' / '.join(row['categories'])}" in words
        assert f"style={json.loads(row['attributes'])['style']}" in words


def test_events_without_user_or_item_and_of_unknown_types_play_no_part(lake):
    lake.append_events(
        events({}, {"user_id": None}, {"item_id": None}, {"type": "sneeze"}, {"user_id": "u0", "item_id": "i0"})
    )
    shop = read_shop(lake)
    assert (len(shop.log), len(shop.users), len(shop.items)) == (2, 2, 2)


def test_only_what_was_before_until_is_read_and_a_user_of_later_is_nobody(lake):
    lake.append_events(
        events({}, {"time": at("2025-01-02T00:00"), "user_id": "later", "item_id": "later"}, {"user_id": "u2"})
    )
    shop = read_shop(lake, at("2025-01-02T00:00"))
    assert shop.until == int(at("2025-01-02T00:00").timestamp())
    assert [shop.users.ids[row] for row in range(len(shop.users))] == ["u1", "u2"]
    assert shop.items.row("later") == -1
    with pytest.raises(NotEnoughData, match="before 2025-01-01T00:00:00"):
        read_shop(lake, at("2025-01-01T00:00"))


def test_what_is_read_stays_the_state_of_its_versions_while_events_arrive(lake):
    lake.append_events(events({}))
    first = read_shop(lake)
    lake.append_events(events({}, {"event_id": "new", "user_id": "u9"}))
    again = read_shop(lake.at(first.versions))
    assert len(again.log) == len(first.log) == 1
    assert again.versions == first.versions
    assert len(read_shop(lake).log) == 2


def test_a_deleted_item_loses_its_facts_but_not_its_events(lake):
    lake.append_events(events({}))
    lake.put_items(pa.table({"item_id": ["i1", "i2"], "name": ["one", "two"], "deleted": [True, False]}))
    shop = read_shop(lake)
    assert len(shop.items) == 2
    assert shop.catalog.names[shop.items.row("i1")] == ""
    assert shop.catalog.names[shop.items.row("i2")] == "two"


def test_lines_of_one_order_share_a_number_named_or_not(lake):
    moment, later = at("2025-01-01T12:00"), at("2025-01-01T12:01")
    lake.append_events(
        events(
            {"item_id": "a", "order_id": "o1", "time": moment},
            {"item_id": "b", "order_id": "o1", "time": later},
            {"item_id": "c", "order_id": None, "time": moment},
            {"item_id": "d", "order_id": None, "time": moment},
            {"item_id": "e", "order_id": None, "time": later},
            {"item_id": "f", "order_id": None, "time": moment, "user_id": "u2"},
        )
    )
    shop = read_shop(lake)
    number = {shop.items.ids[item]: int(order) for item, order in zip(shop.log.item, shop.log.order, strict=True)}
    assert number["a"] == number["b"]
    assert number["c"] == number["d"]
    assert len(set(number.values())) == 4


def test_the_list_amount_counts_before_what_was_paid(lake):
    lake.append_events(
        events(
            {"item_id": "a", "amount": 90, "list_amount": 100},
            {"item_id": "b", "amount": 80, "list_amount": None},
            {"item_id": "c", "amount": None, "list_amount": None},
        )
    )
    shop = read_shop(lake)
    amounts = {shop.items.ids[item]: amount for item, amount in zip(shop.log.item, shop.list_amounts, strict=True)}
    assert (amounts["a"], amounts["b"]) == (100.0, 80.0)
    assert np.isnan(amounts["c"])


def test_some_users_are_drawn_by_the_seed_and_keep_all_of_their_events(tiny_data):
    some = some_users(tiny_data, 20, seed=3)
    chosen = np.unique(some.log.user)
    assert 0 < len(chosen) <= 20
    assert len(some.log) == np.isin(tiny_data.log.user, chosen).sum() == len(some.list_amounts)
    assert len(some.users) == len(tiny_data.users)
    np.testing.assert_array_equal(some.log.user, some_users(tiny_data, 20, seed=3).log.user)
    assert not np.array_equal(chosen, np.unique(some_users(tiny_data, 20, seed=4).log.user))


def test_the_visits_of_strangers_are_kept_apart_from_the_users(lake):
    stranger = {"type": "view", "user_id": None, "session_id": "s1"}
    lake.append_events(
        events(
            {},
            {**stranger, "item_id": "i2", "time": at("2025-01-01T12:02")},
            {**stranger, "time": at("2025-01-01T12:01")},
            {"type": "view", "session_id": "s1", "user_id": "u1", "item_id": "i2"},
            {**stranger, "session_id": "s2", "item_id": "nobody knows it"},
            {**stranger, "session_id": None},
        )
    )
    shop = read_shop(lake)
    assert len(shop.users) == 1 and len(shop.log) == 2
    found = shop.strangers
    assert found is not None and (found.n_users, found.n_items) == (2, len(shop.items))
    assert found.user.tolist() == [1, 1]
    assert [shop.items.ids[row] for row in found.item] == ["i1", "i2"]
    assert np.diff(found.time).tolist() == [60]


def test_a_shop_that_knows_everybody_has_no_strangers(lake):
    lake.append_events(events({}))
    assert read_shop(lake).strangers is None
