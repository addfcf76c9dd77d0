"""Results of placements from the lake: which click and which sale is whose, and what is nobody's."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.errors import UnknownThing
from engine.recommend.placement_report import figures_of
from engine.recommend.what_if import exploration_figures, lists_worth
from engine.storage.explored_items import count_tried, explores_by_results, read_tried, tried_file
from engine.storage.home import Home
from engine.storage.placement_results import experiment_of, places_of
from engine.storage.placements import placement_file
from tests.engine.storage.served_lists import NOW, PERIOD, ServedLists, click, explored_lists, sale


@pytest.fixture
def shop(tmp_path):
    return ServedLists(Home(tmp_path))


def test_an_empty_shop_has_no_results(shop):
    with pytest.raises(UnknownThing) as refused:
        experiment_of(shop.lake, "home", PERIOD)
    assert (refused.value.code, refused.value.field) == ("unknown_placement", "name")
    found = shop.outcomes()
    assert (len(found.unit), found.variants, found.exposed) == (0, (), False)
    assert figures_of(found)["variants"] == []
    assert exploration_figures(places_of(shop.lake, "home", PERIOD, None, most=10)) is None


def test_exposures_and_clicks_of_a_list_count_once_an_item_and_only_what_was_in_it(shop):
    shop.serve({"recommendation_id": "r1", "user_id": "u1"}, {"recommendation_id": "r2", "user_id": "u2"})
    exposure = {"type": "exposure", "user_id": "u1", "recommendation_id": "r1"}
    shop.tell(
        {**exposure, "item_id": "a"}, {**exposure, "item_id": "a"}, {**exposure, "item_id": "z"},
        click("r1", "b"), click("r1", "b"), click("r1", "z"), click("r9", "a"), click(None, "a"),
        {"type": "exposure", "user_id": "u2", "recommendation_id": "r2"},
    )  # fmt: skip
    found = shop.outcomes()
    assert found.exposed
    assert (found.shown.tolist(), found.clicks.tolist()) == ([2.0, 3.0], [1.0, 0.0])


def test_without_exposures_what_was_asked_for_counts_as_shown(shop):
    shop.serve({"recommendation_id": "r1", "user_id": "u1"})
    shop.tell(click("r1"))
    found = shop.outcomes()
    assert (found.exposed, found.shown.tolist(), found.clicks.tolist()) == (False, [3.0], [1.0])


def test_a_sale_is_that_of_the_list_it_names_else_of_the_last_click_within_a_week(shop):
    shop.serve(*({"recommendation_id": f"r{n}", "user_id": f"u{n}"} for n in range(1, 7)))
    days = {n: NOW - timedelta(days=n) for n in range(1, 10)}
    shop.tell(
        sale(user="u1", recommendation_id="r1", amount=100),
        sale("z", user="u1", recommendation_id="r1", amount=7, order_id="o9"),  # was not in the list
        click("r2", user="u2", time=days[9]), sale(user="u2", amount=200, time=days[3]),
        click("r3", user="u3", time=days[9]), sale(user="u3", amount=300, time=days[1]),  # too late
        click("r4", user="u4", time=days[4]), sale(user="u4", amount=400, time=days[5]),  # clicked afterwards
        click("r5", user="u5", time=days[5]), click("r6", user="u5", time=days[4]),
        sale(user="u5", amount=500, time=days[3]),
    )  # fmt: skip
    found = shop.outcomes()
    assert found.revenue.tolist() == [100.0, 200.0, 0.0, 0.0, 0.0, 500.0]  # r6 was the list of u6
    assert found.orders.tolist() == [1.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    assert found.spent.tolist() == [107.0, 200.0, 300.0, 400.0, 500.0, 0.0]


def test_two_lines_of_one_order_are_one_order(shop):
    shop.serve({"recommendation_id": "r1", "user_id": "u1"})
    shop.tell(sale("a", recommendation_id="r1"), sale("b", recommendation_id="r1"),
              sale("c", recommendation_id="r1", order_id=None, time=NOW - timedelta(days=2)))  # fmt: skip
    assert (shop.row(0, "orders"), shop.row(0, "revenue")) == (2.0, 300.0)


def test_what_somebody_spent_before_their_first_list_is_kept_apart(shop):
    shop.serve({"recommendation_id": "r1", "user_id": "u1", "bundle_version": 1},
               {"recommendation_id": "r2", "user_id": "u1", "bundle_version": 2})  # fmt: skip
    shop.tell(sale(amount=1, time=NOW - timedelta(days=50)), sale(amount=20, time=NOW - timedelta(days=11)),
              sale(amount=300, time=NOW - timedelta(days=9)))  # fmt: skip
    found = shop.outcomes()
    assert (found.unit.tolist(), found.version.tolist()) == ([0, 0], [1, 2])
    assert (found.before.tolist(), found.spent.tolist()) == ([20.0, 0.0], [300.0, 0.0])


def test_a_session_is_a_person_and_its_sales_are_followed_through_a_merge(shop):
    shop.serve({"recommendation_id": "r1", "session_id": "s1"}, {"recommendation_id": "r2", "user_id": "old"})
    shop.tell(click("r1", user=None, session_id="s1"), sale(user=None, session_id="s1", amount=100),
              click("r2", user="old"), sale(user="new", amount=50))  # fmt: skip
    assert shop.outcomes().revenue.tolist() == [100.0, 0.0]
    assert shop.outcomes().spent.tolist() == [100.0, 0.0]
    shop.merge("user", "old", "new")
    assert shop.outcomes().revenue.tolist() == [100.0, 50.0]
    assert shop.outcomes().spent.tolist() == [100.0, 50.0]
    shop.serve({"recommendation_id": "r3", "user_id": "new", "time": NOW - timedelta(days=11)})
    assert (shop.outcomes().revenue.tolist(), shop.outcomes().spent.tolist()) == (
        [100.0, 0.0, 50.0],
        [100.0, 50.0, 0.0],
    )


def test_a_list_that_was_logged_twice_counts_once(shop):
    for _ in range(2):
        shop.serve({"recommendation_id": "r1", "user_id": "u1"})
    shop.tell(click("r1"), sale(recommendation_id="r1"))
    assert [shop.row(0, name) for name in ("lists", "clicks", "revenue")] == [1.0, 1.0, 100.0]


def test_only_lists_of_the_placement_the_period_and_the_experiment_count(shop):
    shop.serve(
        {"recommendation_id": "r1", "user_id": "u1", "placement": "discover"},
        {"recommendation_id": "r2", "user_id": "u1", "time": NOW - timedelta(days=40)},
        {"recommendation_id": "r3", "user_id": "u1", "experiment": "earlier", "time": NOW - timedelta(days=20)},
        {"recommendation_id": "r4", "user_id": "u1", "experiment": None, "variant": None, "variant_share": None},
        {"recommendation_id": "r5", "user_id": "u1"},
        {"recommendation_id": "r6"},
    )
    shop.tell(*(click(f"r{n}") for n in range(1, 7)))
    assert experiment_of(shop.lake, "home", PERIOD) == "e"
    assert (shop.row(0, "lists"), shop.row(0, "clicks")) == (1.0, 1.0)
    whole = shop.outcomes(None)
    assert (whole.variants, whole.lists.tolist(), whole.clicks.tolist()) == (("",), [3.0], [3.0])


def test_people_who_changed_sides_and_weights_that_did_are_told(shop):
    shop.serve({"recommendation_id": "r1", "user_id": "u1", "time": NOW - timedelta(days=12)},
               {"recommendation_id": "r2", "user_id": "u1", "variant": "b"},
               {"recommendation_id": "r3", "user_id": "u2", "variant": "b"})  # fmt: skip
    found = shop.outcomes()
    assert (found.crossed, found.reweighed, dict(found.shares)) == (1, False, {"b": 0.5, "control": 0.5})
    assert [found.variants[each] for each in found.variant] == ["control", "b"]
    shop.serve({"recommendation_id": "r4", "user_id": "u3", "variant": "b", "variant_share": 0.1})
    assert shop.outcomes().reweighed
    assert figures_of(shop.outcomes())["sample_ratio"] is None


def test_what_exploring_found_and_what_other_lists_would_bring(shop):
    explored_lists(shop, 800)
    places = places_of(shop.lake, "home", PERIOD, "e", most=10_000)
    told = exploration_figures(places)
    assert (told["lists"], told["people"], told["places"]) == (800, 50, 1_600)
    assert told["explored"] == pytest.approx(320, abs=70)
    clicks = told["clicks"]
    assert clicks["without"]["ips"]["value"] == pytest.approx(0.7, abs=0.1)
    assert clicks["as_shown"]["value"] == pytest.approx(0.66, abs=0.08)
    lost = clicks["lost_by_exploring"]
    assert lost["value"] == pytest.approx(clicks["without"]["ips"]["value"] - clicks["as_shown"]["value"])
    assert lost["error"] < clicks["without"]["ips"]["error"]
    other = lists_worth(places, {f"u{n}": ["a", "y", "z"] for n in range(50)})
    for name in ("ips", "snips", "doubly_robust"):
        assert other[name]["value"] == pytest.approx(0.9, abs=0.2)
    assert other["covered"] == pytest.approx(1.0, abs=0.15)
    half = lists_worth(places, {f"u{n}": ["b", "y"] for n in range(25)}, by="place")
    assert (half["people"], half["lists"]) == (25, 400)
    assert half["covered"] == pytest.approx(0.5, abs=0.15)
    anywhere = lists_worth(places, {f"u{n}": ["b", "y"] for n in range(25)}, by="item")
    assert anywhere["covered"] == pytest.approx(1.0, abs=0.2)
    assert len(places_of(shop.lake, "home", PERIOD, "e", most=10).list) == 20


def test_what_was_tried_is_counted_for_placements_that_ask_for_it(shop):
    explored_lists(shop, 300)
    assert explores_by_results(shop.home) == []
    assert count_tried(shop.home, shop.lake, NOW.timestamp()) == 0
    assert read_tried(shop.home) == {}
    placement_file(shop.home).write_text(
        '[home]\nexplore = { share = 0.2, by = "results" }\n[cart]\nlike = "home"\nexplore = 0.1\n'
    )
    assert explores_by_results(shop.home) == ["home"]
    assert count_tried(shop.home, shop.lake, NOW.timestamp()) == 2
    (tried,) = read_tried(shop.home).values()
    assert set(tried.items) == {"x", "y"}
    shown, clicks = tried.items["y"]
    assert shown == pytest.approx(60, abs=25)
    assert clicks / shown == pytest.approx(0.4, abs=0.2)
    tried_file(shop.home).write_text("{")
    assert read_tried(shop.home) == {}
