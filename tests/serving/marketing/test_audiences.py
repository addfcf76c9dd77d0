"""Audiences over HTTP: users for an item out of the published bundle, and those who resemble a segment."""

import json

import numpy as np
import pyarrow as pa
import pytest

from engine.storage.customer_refresh import refresh_customers
from engine.storage.lake_predictions import replace_predictions
from engine.storage.lake_tables import USERS
from engine.storage.live_segments import group_rules
from engine.storage.lookalikes import find_lookalikes
from engine.targeting.item_audience import item_audience
from engine.thresholds import read_thresholds
from tests.bundles import AS_OF, toy_bundle
from tests.engine.storage.shoppers import NOW, Shoppers, order
from tests.engine.storage.test_lake_predictions import rows
from tests.serving.conftest import publish

ITEM = 6


def refreshed(office, now):
    office.runtime._real_time = lambda: float(now)
    rules = group_rules(read_thresholds(""))
    refresh_customers(office.home, now=now, zone="UTC", rules=rules)


def wanting(office, **asked):
    answer = office.get(f"/v1/items/i{ITEM}/audience", **asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_users_for_an_item_are_those_of_the_bundle_with_the_place_that_each_source_gives(office):
    bundle = toy_bundle()
    version = publish(office.home, bundle)
    found = wanting(office, limit=5)
    expected = item_audience(bundle, ITEM, now=AS_OF, most=5)
    assert [each["user_id"] for each in found["users"]] == [f"u{row}" for row in expected.rows]
    assert [each["score"] for each in found["users"]] == pytest.approx(expected.scores.tolist())
    assert found["users"][0]["ranks"] == {
        name: place or None for name, place in zip(expected.sources, expected.ranks[0].tolist(), strict=True)
    }
    assert (found["bundle_version"], found["prediction"]) == (version, None)
    fresh = wanting(office, limit=100, new_only=True)["users"]
    assert all(each["ranks"]["own"] is None for each in fresh)
    again = publish(office.home, bundle)
    assert wanting(office)["bundle_version"] == again


def test_the_prediction_of_the_items_category_has_a_say_and_deleted_users_have_none(office):
    publish(office.home, toy_bundle())
    best = [each["user_id"] for each in wanting(office, limit=3)["users"]]
    shop = Shoppers(office.home)
    shop.knows(**{f"u{n}": {} for n in range(60)})
    refreshed(office, AS_OF)
    category = toy_bundle().catalog.category_names[int(toy_bundle().catalog.category[ITEM])]
    replace_predictions(office.home, "category", rows([best[2], "u0"], subject=category, score=0.8))
    gone = {**dict.fromkeys(USERS.schema.names), "user_id": best[0], "deleted": True}
    shop.lake.put_users(pa.Table.from_pylist([gone], USERS.schema))
    refreshed(office, AS_OF + 1)
    found = wanting(office, limit=100)
    assert found["prediction"] == f"category:{category}"
    told = {each["user_id"]: each["ranks"]["category"] for each in found["users"]}
    assert best[0] not in told
    assert (told[best[1]], told[best[2]], told["u0"]) == (None, 1, 1)


@pytest.mark.parametrize("item", ["none", "i6x"])
def test_an_item_that_the_bundle_does_not_have_is_not_found(office, item):
    publish(office.home, toy_bundle())
    answer = office.get(f"/v1/items/{item}/audience")
    assert (answer.status_code, answer.json()["field"]) == (404, "item_id")


def test_before_anything_is_published_it_is_said_what_to_do(office):
    answer = office.get("/v1/items/i1/audience")
    assert (answer.status_code, answer.json()["code"]) == (404, "nothing_published")
    assert "hawker train" in answer.json()["detail"]


@pytest.fixture
def shop(office):
    """Thirty loyal customers, thirty who are like them but were never active lately, and sixty of another kind."""
    made = Shoppers(office.home)
    draw = np.random.default_rng(3)
    loyal = ((n, 5 if n < 30 else 120, at) for n in range(60) for at in range(6))
    made.happened(
        *(order(f"loyal{n}", late + 20 * at + draw.random(), 4_000) for n, late, at in loyal),
        *(order(f"other{n}", 150 + draw.random(), 300) for n in range(60)),
    )
    refreshed(office, NOW.timestamp())
    return office


SEEDS = "activity.active"


def alike(office, **body):
    return office.post(f"/v1/segments/{SEEDS}/lookalike", **body)


def test_those_who_resemble_a_segment_come_first_and_its_members_never(shop):
    found = alike(shop, size=30).json()
    inside = {each["user_id"] for each in shop.get(f"/v1/segments/{SEEDS}/members").json()["members"]}
    assert (found["members"], found["size"], found["segment"]) == (len(inside), 30, None)
    users = [each["user_id"] for each in found["users"]]
    assert not inside & set(users)
    assert sum(each.startswith("loyal") for each in users) == 30
    assert [each["likeness"] for each in found["users"]] == sorted(
        (each["likeness"] for each in found["users"]), reverse=True
    )


def test_a_named_lookalike_becomes_a_static_segment_whole_or_not_at_all(shop):
    made = alike(shop, size=10, names={"en": "Like the active", "zh": "相似"}).json()
    assert (made["segment"]["segment_id"], made["segment"]["members"], made["users"]) == ("like-the-active", 10, [])
    taken = alike(shop, size=10, names="x", segment_id="like-the-active")
    assert (taken.status_code, taken.json()["code"]) == (409, "id_taken")
    assert len(shop.get("/v1/segments").json()["segments"]) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"size": 0}, "size"),
        ({"size": 100_001}, "size"),
        ({"size": 10_001}, "names"),
        ({"size": 5, "segment_id": "x"}, "names"),
        ({"size": 5, "names": {"fr": "x"}}, "names"),
        ({"size": 5, "names": "x", "segment_id": "X"}, "segment_id"),
        ({}, "size"),
    ],
)
def test_what_is_no_wish_is_refused_by_its_field(office, body, field):
    answer = alike(office, **body)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text


def test_a_segment_of_nobody_or_of_few_has_no_lookalike(shop):
    assert shop.post("/v1/segments/never/lookalike", size=5).status_code == 404
    few = shop.post("/v1/segments/care.birthday/lookalike", size=5)
    assert (few.status_code, "at least 20" in few.json()["detail"]) == (409, True)


def test_a_size_beyond_everybody_is_everybody_outside(shop):
    found = find_lookalikes(shop.home, SEEDS, size=1_000, now=NOW.timestamp())
    assert found.found.num_rows == 120 - found.members
    assert json.dumps(found.found.slice(0, 1).to_pylist())
