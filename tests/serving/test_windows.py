"""Best sellers and trends within a window and of a segment, over HTTP."""

from __future__ import annotations

import pytest

from engine.storage.home import Home
from engine.storage.placements import placement_file
from engine.storage.sellers import renew_sellers
from tests.bundles import AS_OF, taste, toy_bundle
from tests.serving.conftest import publish, storefront
from tests.stores import settings_of


def rows(answer):
    return [int(item["id"][1:]) for item in answer.json()["items"]]


PLACEMENTS = """
[for-vips]
like = "best-sellers"
window = "7d"
segment = "vips"

[rising]
like = "trending"
window = "1d"
"""


@pytest.fixture
def shop(stores, live, tmp_path):
    home = Home(tmp_path / "home")
    publish(home, toy_bundle())
    placement_file(home).write_text(PLACEMENTS)
    settings = settings_of(home.root, HAWKER_REDIS_URL=stores.live_url)
    with storefront(home, now=AS_OF, settings=settings) as running:
        running.live = live
        yield running


def count(shop, lists, segments=("vips", "empty")):
    renew_sellers(shop.live, "default", segments, lambda name: lists.get(name, {}), now=AS_OF, is_over=lambda: False)


def test_what_sold_in_a_window_comes_first_and_the_bundles_best_sellers_fill_up(shop):
    count(shop, {"": {"7d": [("i50", 9, 1), ("gone", 8, 0), ("i3", 7, 7)], "1d": [("i60", 2, 0)]}})
    answer = shop.get("/v1/best-sellers", window="7d", limit=4, explain=True)
    assert rows(answer) == [50, 3, 0, 1]
    body = answer.json()
    assert [each["source"] for each in body["items"]] == ["selling", "selling", "popular", "popular"]
    assert body["items"][0]["reason"] == "bought 9 times in the last 7 days"
    assert not body["degraded"] and not body["personalized"]
    assert rows(shop.get("/v1/best-sellers", window="1d", limit=2)) == [60, 0]
    assert rows(shop.ask(placement="best-sellers", window="7d", limit=2, fill=False)) == [50, 3]
    assert rows(shop.get("/v1/best-sellers", limit=2)) == [0, 1]


def test_what_rose_in_a_window_is_held_against_the_time_before(shop):
    count(shop, {"": {"7d": [("i3", 30, 29), ("i50", 9, 1), ("i60", 2, 0), ("i61", 1, 0)]}})
    answer = shop.get("/v1/trending", window="7d", limit=3, explain=True)
    assert rows(answer) == [50, 60, 79], "one more than before is chance"
    assert answer.json()["items"][0]["reason"] == "bought 9 times in the last 7 days, once in the 7 days before"
    assert [each["source"] for each in answer.json()["items"]] == ["rising", "rising", "trending"]


def test_the_members_of_a_segment_have_lists_of_their_own(shop):
    count(shop, {"": {"30d": [("i1", 5, 0)]}, "vips": {"30d": [("i70", 3, 0)], "7d": [("i71", 1, 0)]}})
    body = shop.get("/v1/best-sellers", segment="vips", limit=1, explain=True).json()
    assert body["items"][0]["reason"] == "bought 3 times in the last 30 days by vips"
    assert rows(shop.get("/v1/best-sellers", segment="vips", window="7d", limit=1)) == [71]
    assert rows(shop.get("/v1/best-sellers", segment="empty", limit=2)) == [0, 1]
    assert rows(shop.get("/v1/best-sellers", window="30d", limit=1)) == [1]


def test_a_filter_keeps_what_passes_and_the_list_is_filled_from_it(shop):
    count(shop, {"": {"7d": [("i50", 9, 1), ("i3", 7, 7), ("i51", 5, 0)]}})
    answer = shop.get("/v1/best-sellers", window="7d", limit=4, filter='categories has "taste 3"')
    assert rows(answer) == [3, 51, 7, 11]
    assert {taste(row) for row in rows(answer)} == {3}
    answer = shop.get("/v1/trending", window="7d", limit=3, filter='categories has "taste 3"')
    assert rows(answer)[0] == 51
    assert {taste(row) for row in rows(answer)} == {3}


def test_placements_name_windows_and_segments_and_a_request_may_name_others(shop):
    count(shop, {"": {"1d": [("i9", 4, 0)]}, "vips": {"7d": [("i71", 1, 0)], "1d": [("i72", 1, 0)]}})
    assert rows(shop.ask(placement="for-vips", limit=2)) == [71, 0]
    assert rows(shop.ask(placement="for-vips", window="1d", limit=2)) == [72, 0]
    assert rows(shop.ask(placement="rising", limit=1)) == [9]
    lists = [{"placement": name, "limit": 1} for name in ("for-vips", "rising", "home")]
    told = shop.client.post("/v1/recommendations/batch", json={"lists": lists}).json()["lists"]
    assert [each["items"][0]["id"] for each in told] == ["i71", "i9", "i0"]


def test_new_counts_are_seen_by_the_next_request(shop):
    count(shop, {"": {"7d": [("i50", 9, 1)]}})
    assert rows(shop.get("/v1/best-sellers", window="7d", limit=1)) == [50]
    shop.live.delete("default:sellers")
    count(shop, {"": {"7d": [("i51", 9, 1)]}})
    assert rows(shop.get("/v1/best-sellers", window="7d", limit=1)) == [51]


@pytest.mark.parametrize(
    ("wish", "status", "field", "code"),
    [
        ({"window": "2d"}, 422, "window", "unknown_window"),
        ({"window": ""}, 422, "window", "unknown_window"),
        ({"window": 7}, 422, "window", None),
        ({"segment": "vip"}, 404, "segment", "unknown_segment"),
        ({"segment": ""}, 422, "segment", None),
        ({"segment": "a:b\n"}, 404, "segment", "unknown_segment"),
        ({"window": "7d", "placement": "home"}, 422, "window", "no_window"),
        ({"segment": "vips", "placement": "buy-again"}, 422, "segment", "no_window"),
    ],
)
def test_windows_and_segments_that_nobody_counts_are_refused_by_name(shop, wish, status, field, code):
    count(shop, {})
    answer = shop.ask(**{"placement": "best-sellers", **wish})
    assert (answer.status_code, answer.json()["field"]) == (status, field)
    if code is not None:
        assert answer.json()["code"] == code


def test_before_anything_was_counted_the_bundle_answers_and_says_that_it_lacks_something(shop):
    body = shop.get("/v1/best-sellers", window="7d", limit=2).json()
    assert ([each["id"] for each in body["items"]], body["degraded"]) == (["i0", "i1"], True)
    assert shop.get("/v1/best-sellers", segment="vips").status_code == 404


def test_without_a_live_store_a_list_is_the_bundles(tmp_path):
    home = Home(tmp_path / "home")
    publish(home, toy_bundle())
    with storefront(home, now=AS_OF) as alone:
        body = alone.get("/v1/best-sellers", window="7d", segment="vips", limit=2).json()
    assert ([each["id"] for each in body["items"]], body["degraded"]) == (["i0", "i1"], True)
