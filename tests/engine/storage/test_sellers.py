"""What sold lately, by window and segment: counted in the customers' files, told to the live store."""

from __future__ import annotations

import pytest

from engine.recommend.windows import WINDOWS
from engine.storage.customer_files import CustomerFiles
from engine.storage.customer_refresh import refresh_customers
from engine.storage.home import Home
from engine.storage.memberships import Rule
from engine.storage.sellers import EVERYBODY, read_lines, renew_sellers, sellers_key
from engine.storage.sellers_count import Counter
from tests.engine.storage.shoppers import NOW, Shoppers, order

NOW_SECONDS = NOW.timestamp()


@pytest.fixture
def shop(tmp_path):
    shoppers = Shoppers(Home(tmp_path))
    shoppers.happened(
        *(order("ann", ago, 100, "milk") for ago in (0.2, 0.5, 3, 5, 20)),
        *(order("bob", ago, 100, "beer") for ago in (0.1, 1.5, 8, 9, 10, 40)),
        order("cat", 100, 100, "salt"),
        ("s:1", "purchase", 0.3, {"item_id": "beer"}),
        ("ann", "view", 0.1, {"item_id": "wine"}),
        ("ann", "purchase", -1, {"item_id": "wine"}),
    )
    listed = Rule("mine", 1, "SELECT person FROM listed", ["ann", "nobody"])
    refresh_customers(shoppers.home, now=NOW_SECONDS, zone="UTC", rules=[listed])
    return shoppers


def counted(shop, segment):
    with CustomerFiles(shop.home).reading(NOW_SECONDS) as sql:
        return Counter(sql, NOW_SECONDS)(segment)


def test_lines_of_everybody_are_counted_in_each_window_and_in_the_time_before(shop):
    assert counted(shop, EVERYBODY) == {
        "1d": [("beer", 2, 1), ("milk", 2, 0)],
        "7d": [("milk", 4, 0), ("beer", 3, 3)],
        "30d": [("beer", 6, 1), ("milk", 5, 0)],
    }


def test_those_of_a_segment_are_its_members_alone(shop):
    found = counted(shop, "mine")
    assert found == {"1d": [("milk", 2, 0)], "7d": [("milk", 4, 0)], "30d": [("milk", 5, 0)]}
    assert counted(shop, "never heard of")["30d"] == []


def test_of_many_items_the_best_sold_and_those_that_rose_most_are_kept(shop, monkeypatch):
    monkeypatch.setattr("engine.storage.sellers_count.MOST_SOLD", 1)
    assert counted(shop, EVERYBODY)["1d"] == [("beer", 2, 1), ("milk", 2, 0)]
    assert counted(shop, EVERYBODY)["7d"] == [("milk", 4, 0)]


def lists(live, segment):
    return {window: read_lines(live.get(sellers_key("shop", window, segment))) for window in WINDOWS}


def renew(live, segments, counts, now, most=100):
    asked = []

    def count(segment):
        asked.append(segment)
        return {"1d": counts.get(segment, [])}

    renew_sellers(live, "shop", segments, count, now=now, is_over=lambda: len(asked) >= most)
    return asked


def test_each_segment_has_lists_at_once_and_is_counted_when_its_turn_comes(live):
    assert renew(live, ["a", "b"], {"": [("milk", 3, 1)]}, 1_000.0, most=1) == [EVERYBODY]
    assert lists(live, EVERYBODY)["1d"] == (1_000.0, [("milk", 3, 1)])
    assert lists(live, "a")["30d"] == (0.0, [])
    assert renew(live, ["a", "b"], {"a": [("beer", 1, 0)]}, 1_010.0) == ["a", "b"]
    assert lists(live, "a")["1d"] == (1_010.0, [("beer", 1, 0)])
    assert renew(live, ["a", "b"], {}, 1_020.0) == []
    assert renew(live, ["a", "b"], {}, 1_305.0) == [EVERYBODY]
    assert renew(live, ["a", "b"], {}, 1_320.0) == ["a", "b"]


def test_a_segment_that_is_published_no_more_has_no_lists(live):
    renew(live, ["a", "b"], {}, 1_000.0)
    renew(live, ["b"], {}, 1_001.0)
    assert not [key for key in live.scan_iter("shop:sellers:*") if key.endswith(b":a")]
    assert live.hkeys("shop:sellers") == [b"", b"b"] or set(live.hkeys("shop:sellers")) == {b"", b"b"}


def test_after_the_clock_was_set_back_everything_is_counted_anew(live):
    renew(live, ["a"], {}, 9_000.0)
    assert renew(live, ["a"], {}, 1_000.0) == [EVERYBODY, "a"]
