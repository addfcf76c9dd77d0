"""The shop generator: what it promises about sizes, order, money, launches and repetition."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest

from engine.errors import BadInput
from engine.events import EVENT_TYPES
from experiments.shop import Shop, ShopSize, generate, write_parquet
from experiments.shop.people import BLOCK_USERS
from experiments.shop.tables import EVENT_SCHEMA, ITEM_SCHEMA, USER_SCHEMA

SIZE = ShopSize(users=800, items=400, days=120, start=date(2024, 10, 1))
TABLES = ("events", "items", "users", "reasons", "tastes", "natures")


@pytest.fixture(scope="module")
def shop() -> Shop:
    return generate(SIZE, seed=5)


def _launches(shop: Shop) -> dict[str, datetime]:
    return dict(zip(shop.natures["item_id"].to_pylist(), shop.natures["launch"].to_pylist(), strict=True))


def test_the_same_seed_makes_the_same_tables_and_another_seed_others(shop):
    again, other = generate(SIZE, seed=5), generate(SIZE, seed=6)
    for name in TABLES:
        assert getattr(again, name).equals(getattr(shop, name)), name
        assert not getattr(other, name).equals(getattr(shop, name)), name


def test_the_sizes_asked_for_are_honoured(shop):
    assert shop.users.num_rows == shop.tastes.num_rows == SIZE.users
    assert shop.items.num_rows == shop.natures.num_rows == SIZE.items
    first = datetime(2024, 10, 1, tzinfo=UTC)
    bounds = pc.min_max(shop.events["time"]).as_py()
    assert first <= bounds["min"] < first + timedelta(days=1)
    assert first + timedelta(days=SIZE.days - 1) <= bounds["max"] < first + timedelta(days=SIZE.days)
    assert 50 * SIZE.users < shop.events.num_rows < 400 * SIZE.users


def test_the_tables_have_the_columns_of_the_lake(shop):
    assert (shop.events.schema, shop.items.schema, shop.users.schema) == (EVENT_SCHEMA, ITEM_SCHEMA, USER_SCHEMA)


def test_every_event_is_of_a_known_type_and_names_an_existing_user_and_item(shop):
    events = shop.events
    assert set(events["type"].to_pylist()) <= set(EVENT_TYPES)
    assert set(pc.drop_null(events["user_id"]).to_pylist()) <= set(shop.users["user_id"].to_pylist())
    assert set(pc.drop_null(events["item_id"]).to_pylist()) <= set(shop.items["item_id"].to_pylist())
    assert events.filter(pc.is_null(events["item_id"]))["type"].unique().to_pylist() == ["search"]
    nobody = events.filter(pc.is_null(events["user_id"]))
    assert 0 < nobody.num_rows < 0.1 * events.num_rows
    assert nobody["session_id"].null_count == 0
    assert "purchase" not in nobody["type"].to_pylist()


def test_event_ids_are_unique_and_short(shop):
    ids = shop.events["event_id"].to_pylist()
    assert len(set(ids)) == len(ids)
    assert max(len(each.encode()) for each in ids) <= 16


def test_events_are_in_the_order_of_time_and_a_visit_follows_the_funnel(shop):
    times = shop.events["time"].cast(pa.int64()).to_numpy()
    assert (np.diff(times) >= 0).all()
    reached: dict[tuple[str, str], set[str]] = {}
    for row in shop.events.select(["type", "session_id", "item_id"]).to_pylist():
        if row["session_id"] is None or row["item_id"] is None:
            continue
        before = reached.setdefault((row["session_id"], row["item_id"]), set())
        if row["type"] in ("cart_add", "wishlist_add"):
            assert "view" in before
        if row["type"] in ("purchase", "cart_remove"):
            assert "cart_add" in before
        assert not (row["type"] == "purchase" and "purchase" in before)
        before.add(row["type"])


def test_lines_of_an_order_share_user_visit_and_time(shop):
    bought = shop.events.filter(pc.equal(shop.events["type"], "purchase"))
    columns = ("user_id", "session_id", "time", "source")
    orders = bought.group_by("order_id").aggregate([(name, "count_distinct") for name in columns])
    for name in columns:
        assert pc.max(orders[f"{name}_count_distinct"]).as_py() == 1
    assert orders.num_rows < bought.num_rows


def test_visits_of_a_user_do_not_overlap(shop):
    inside = shop.events.filter(pc.is_valid(shop.events["session_id"]))
    visits = inside.group_by("session_id").aggregate([("time", "min"), ("time", "max")]).to_pylist()
    by_user: dict[str, list[tuple[datetime, datetime]]] = {}
    for visit in visits:
        user = visit["session_id"].split("-")[0]
        by_user.setdefault(user, []).append((visit["time_min"], visit["time_max"]))
    for spans in by_user.values():
        spans.sort()
        assert all(earlier[1] < later[0] for earlier, later in pairwise(spans))


def test_late_items_have_no_events_before_their_launch_and_are_announced_before_it(shop):
    launches = _launches(shop)
    start = min(launches.values())
    late = {item for item, launch in launches.items() if launch > start}
    assert 0.05 * SIZE.items < len(late) < 0.3 * SIZE.items
    first: dict[str, datetime] = {}
    for row in shop.events.select(["item_id", "time"]).to_pylist():
        first.setdefault(row["item_id"], row["time"])
    assert late & first.keys()
    assert all(first[item] >= launches[item] for item in late & first.keys())
    announced = dict(zip(shop.items["item_id"].to_pylist(), shop.items["updated_at"].to_pylist(), strict=True))
    assert all(announced[item] <= launches[item] for item in late)
    assert any(announced[item] < launches[item] for item in late)


def test_some_items_are_seen_but_never_sold(shop):
    never = set(shop.natures.filter(shop.natures["never_sold"])["item_id"].to_pylist())
    sold = set(shop.reasons["item_id"].to_pylist())
    assert never
    assert not never & sold
    assert never & set(shop.events["item_id"].to_pylist())


def test_items_that_are_not_available_any_more_were_sold_once(shop):
    gone = set(shop.items.filter(pc.invert(shop.items["available"]))["item_id"].to_pylist())
    last = max(shop.reasons["time"].to_pylist())
    sold = [row for row in shop.reasons.to_pylist() if row["item_id"] in gone]
    assert sold
    assert max(row["time"] for row in sold) < last


def test_nobody_does_anything_before_signing_up(shop):
    signed_up = dict(zip(shop.users["user_id"].to_pylist(), shop.users["updated_at"].to_pylist(), strict=True))
    rows = shop.events.select(["user_id", "time"]).to_pylist()
    assert all(row["time"] >= signed_up[row["user_id"]] for row in rows if row["user_id"])
    assert max(signed_up.values()) > datetime(2024, 12, 1, tzinfo=UTC)


def test_amounts_are_whole_and_at_most_the_list_amounts_and_some_are_discounted(shop):
    events = shop.events
    paid = events.filter(pc.is_valid(events["amount"]))
    assert set(paid["type"].to_pylist()) == {"purchase", "return"}
    amount, list_amount = paid["amount"].to_numpy(), paid["list_amount"].to_numpy()
    assert amount.dtype == np.int64
    assert (amount > 0).all()
    assert (amount <= list_amount).all()
    assert 0.05 < (amount < list_amount).mean() < 0.6
    assert paid["currency"].null_count == paid["order_id"].null_count == 0
    items = shop.items
    assert (items["price"].to_numpy() <= items["list_price"].to_numpy()).all()
    assert (items["cost"].to_numpy() < items["list_price"].to_numpy()).all()


def test_returns_and_ratings_follow_a_purchase_of_the_same_order_and_item(shop):
    bought: set[tuple[str, str]] = set()
    orders: set[tuple[str, str]] = set()
    seen = {"return": 0, "rating": 0}
    for row in shop.events.filter(pc.is_in(shop.events["type"], pa.array(["purchase", *seen]))).to_pylist():
        if row["type"] == "purchase":
            bought.add((row["user_id"], row["item_id"]))
            orders.add((row["order_id"], row["item_id"]))
            continue
        seen[row["type"]] += 1
        assert (row["user_id"], row["item_id"]) in bought
        assert row["type"] == "rating" or (row["order_id"], row["item_id"]) in orders
    assert min(seen.values()) > 0


def test_properties_are_json_and_say_what_their_type_promises(shop):
    promised = {"search": {"query", "results"}, "click": {"position"}, "return": {"reason"}, "rating": {"value"}}
    for row in shop.events.select(["type", "properties"]).to_pylist():
        found = json.loads(row["properties"])
        assert found.keys() == promised.get(row["type"], set())
        if row["type"] == "rating":
            assert found["value"] in range(1, 6)
    for table in (shop.items, shop.users):
        assert all(json.loads(text) for text in table["attributes"].to_pylist())


def _rows(table: pa.Table) -> list[dict]:
    key = next(name for name in ("event_id", "user_id", "item_id") if name in table.schema.names)
    return table.sort_by(key).to_pylist()


def test_a_shop_written_in_chunks_is_the_shop_generated_whole(tmp_path):
    size = ShopSize(users=BLOCK_USERS + 300, items=150, days=20)
    whole = generate(size, seed=2)
    written = write_parquet(tmp_path / "shop", size, seed=2, chunk_users=1)
    assert written == whole.events.num_rows
    assert len(list((tmp_path / "shop" / "events").iterdir())) == 2
    for name in TABLES:
        stored = ds.dataset(tmp_path / "shop" / name).to_table()
        assert stored.schema.equals(getattr(whole, name).schema), name
        assert _rows(stored) == _rows(getattr(whole, name)), name


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(BadInput, match="not an empty folder"):
        write_parquet(tmp_path, ShopSize(users=1, items=1, days=1))
    assert [each.name for each in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    "size",
    [
        ShopSize(users=0, items=1, days=1),
        ShopSize(users=0, items=30, days=30),
        ShopSize(users=1, items=1, days=1),
        ShopSize(users=40, items=1, days=60),
        ShopSize(users=40, items=3, days=400),
        ShopSize(users=3, items=500, days=2),
    ],
)
def test_tiny_shops_are_whole(size, tmp_path):
    shop = generate(size, seed=1)
    assert (shop.users.num_rows, shop.items.num_rows) == (size.users, size.items)
    assert shop.events.schema == EVENT_SCHEMA
    assert shop.events.num_rows >= size.users // 40
    assert write_parquet(tmp_path / "shop", size, seed=1) == shop.events.num_rows
    assert ds.dataset(tmp_path / "shop" / "events").to_table().num_rows == shop.events.num_rows


@pytest.mark.parametrize(("field", "value"), [("users", -1), ("items", 0), ("days", 0), ("days", 10_000)])
def test_an_impossible_size_is_refused_by_name(field, value):
    with pytest.raises(BadInput) as caught:
        ShopSize(**{field: value})
    assert caught.value.field == field


def test_a_negative_seed_and_empty_chunks_are_refused(tmp_path):
    with pytest.raises(BadInput, match="seed"):
        generate(ShopSize(users=1, items=1, days=1), seed=-1)
    with pytest.raises(BadInput, match="chunk_users"):
        write_parquet(tmp_path / "shop", ShopSize(users=1, items=1, days=1), chunk_users=0)
    assert not list(tmp_path.iterdir())
