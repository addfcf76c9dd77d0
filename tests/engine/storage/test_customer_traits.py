"""Traits: every customer's, from happenings that are few enough to be counted by hand."""

import json
import random
from datetime import timedelta

import pytest

from engine.errors import NotEnoughData
from engine.storage.customer_files import CustomerFiles
from engine.storage.home import Home
from engine.storage.trait_sql import Moment
from engine.storage.trait_view import STORED
from engine.targeting.traits import OF_ALL, OF_THE_CLOCK, TRAIT_FIELDS
from tests.engine.storage.shoppers import NOW, Shoppers, order


@pytest.fixture
def shop(tmp_path):
    return Shoppers(Home(tmp_path))


def test_a_shop_without_anybody_has_no_customers_and_no_error(shop):
    assert shop.refreshed().people == 0
    assert shop.traits() == {}


def test_reading_before_the_first_refresh_says_what_to_do(shop):
    with pytest.raises(NotEnoughData, match="hawker user refresh"), CustomerFiles(shop.home).reading(0.0):
        pass


def test_every_documented_trait_is_computed_and_no_other(shop):
    shop.happened(order("u", 1, 500))
    shop.refreshed()
    (row,) = shop.traits().values()
    assert set(row) - {"person"} == set(TRAIT_FIELDS)
    assert set(STORED) == set(TRAIT_FIELDS) - set(OF_THE_CLOCK) - set(OF_ALL)


def test_windows_hold_what_happened_after_their_beginning_up_to_now(shop):
    shop.happened(order("u", 0, 100), order("u", 6.99, 200), order("u", 7, 400), order("u", 300, 800))
    shop.happened(order("u", -0.1, 7_777))  # dated ahead: not yet
    shop.refreshed()
    row = shop.traits()["u"]
    assert (row["spend_7d"], row["spend_30d"], row["spend_365d"], row["spend"]) == (300, 700, 1_500, 1_500)
    assert (row["orders_7d"], row["orders_30d"], row["orders"]) == (2, 3, 4)


def test_what_is_dated_ahead_counts_once_its_time_has_come(shop):
    shop.happened(order("u", 1, 100), order("u", -0.1, 50))
    shop.refreshed()
    shop.refreshed(days_later=1)
    assert shop.traits(days_later=1)["u"]["spend"] == 150


def test_a_window_is_left_by_the_passing_of_time_alone(shop):
    shop.happened(order("u", 6.5, 100), order("v", 1, 100))
    shop.refreshed()
    assert shop.traits()["u"]["spend_7d"] == 100
    done = shop.refreshed(days_later=0.6)
    assert not done.whole
    assert shop.traits(days_later=0.6)["u"]["spend_7d"] == 0
    assert shop.traits(days_later=0.6)["v"]["spend_7d"] == 100


def test_days_since_move_with_the_clock_without_a_refresh(shop):
    shop.happened(order("u", 10, 100), order("u", 30, 100))
    shop.refreshed()
    assert shop.traits(days_later=5)["u"]["days_since_order"] == pytest.approx(15)
    assert shop.traits(days_later=5)["u"]["due_in_days"] == pytest.approx(5)


def test_the_lines_of_an_order_are_one_order(shop):
    shop.happened(order("u", 1, 100, order_id="o"), order("u", 1, 200, "b", order_id="o"), order("u", 5, 300))
    shop.refreshed()
    row = shop.traits()["u"]
    assert (row["orders"], row["basket_value"], row["basket_pieces"], row["items_bought"]) == (2, 300, 1.5, 2)


def test_even_intervals_are_regular_and_uneven_ones_are_not(shop):
    shop.happened(*(order("clock", ago, 1) for ago in (0, 10, 20, 30)))
    shop.happened(*(order("mood", ago, 1) for ago in (0, 1, 2, 30)))
    shop.refreshed()
    found = shop.traits()
    assert found["clock"]["order_regularity"] == pytest.approx(1)
    assert found["mood"]["order_regularity"] < 0.6
    assert found["clock"]["order_interval_days"] == pytest.approx(10)


def test_discounts_and_returns_are_shares_of_what_was_bought(shop):
    shop.happened(order("u", 3, 80, list_amount=100), order("u", 2, 40, "b", list_amount=100))
    shop.happened(("u", "return", 1, {"item_id": "b", "amount": 40}))
    shop.refreshed()
    row = shop.traits()["u"]
    assert row["discount_share_365d"] == pytest.approx(0.4)
    assert (row["return_rate_365d"], row["returned_365d"], row["returns_365d"]) == (0.5, 40, 1)


def test_nothing_done_is_zero_times_and_no_average(shop):
    shop.knows(quiet={"region": "north"})
    shop.happened(order("u", 1, 100))
    shop.refreshed()
    row = shop.traits()["quiet"]
    assert (row["orders"], row["spend_90d"], row["views_7d"], row["region"]) == (0, 0, 0, "north")
    assert row["basket_value"] is row["satisfaction"] is row["days_since_seen"] is row["spend_rank"] is None


def test_interests_come_with_their_evidence_and_searches_count_for_a_category_of_that_name(shop):
    shop.sells(a={"categories": ["Food", "Milk"]}, b={"categories": ["Food", "Bread"]}, c={"categories": ["Toys"]})
    shop.happened(order("u", 1, 100), ("u", "view", 2, {"item_id": "b"}))
    shop.happened(("u", "search", 0, {"properties": {"query": "toys"}}))
    shop.refreshed()
    row = shop.traits()["u"]
    assert row["interests"] == ["Milk", "Bread", "Toys"]
    evidence = {each["category"]: each for each in json.loads(row["interest_evidence"])}
    assert evidence["Milk"]["purchases"] == 1
    assert evidence["Bread"]["views"] == 1
    assert evidence["Toys"]["searches"] == 1


def test_favourites_are_where_the_money_goes(shop):
    shop.sells(a={"categories": ["Milk"], "brand": "A"}, b={"categories": ["Bread"], "brand": "B"})
    shop.happened(order("u", 1, 100), order("u", 2, 300, "b"))
    shop.refreshed()
    row = shop.traits()["u"]
    assert (row["favourite_category"], row["favourite_category_share"]) == ("Bread", 0.75)
    assert (row["favourite_brand"], row["favourite_brand_share"]) == ("B", 0.75)


def test_the_price_band_tells_how_dear_things_are_within_their_category(shop):
    shop.sells(**{f"i{at}": {"categories": ["Milk"], "price": 100 * at} for at in range(1, 11)})
    shop.happened(order("thrifty", 1, 1, "i1"), order("lavish", 1, 1, "i10"), order("fair", 1, 1, "i5"))
    shop.refreshed()
    assert [shop.traits()[who]["price_band"] for who in ("thrifty", "fair", "lavish")] == ["low", "middle", "high"]


def test_satisfaction_is_the_mean_of_all_answers_on_one_scale(shop):
    shop.happened(
        ("u", "rating", 1, {"item_id": "a", "properties": {"value": 5}}),
        ("u", "rating", 1, {"item_id": "a", "properties": {"value": 5, "scale": 10}}),
        ("u", "survey", 1, {"properties": {"score": 0, "scale": 10}}),
        ("u", "review", 1, {"item_id": "a", "properties": {"sentiment": 1.0}}),
        ("u", "review", 1, {"item_id": "a", "properties": {"text": "no sentiment told"}}),
    )
    shop.refreshed()
    assert (shop.traits()["u"]["satisfaction"], shop.traits()["u"]["ratings_365d"]) == (pytest.approx(0.625), 4)


def test_a_complaint_is_open_until_it_is_closed(shop):
    told = {"properties": {"complaint_id": "c1"}}
    shop.happened(("u", "complaint_opened", 9, told), ("v", "complaint_opened", 9, told))
    shop.happened(("v", "complaint_closed", 2, told))
    shop.refreshed()
    assert [shop.traits()[who]["complaints_open"] for who in "uv"] == [1, 0]
    assert shop.traits()["v"]["complaints_90d"] == 1


def test_the_cart_holds_what_was_put_there_and_neither_taken_out_nor_bought(shop):
    shop.happened(*(("u", "cart_add", 3, {"item_id": item}) for item in "abc"))
    shop.happened(("u", "cart_remove", 2, {"item_id": "a"}), order("u", 1, 100, "b"))
    shop.refreshed()
    row = shop.traits()["u"]
    assert (row["cart_items"], row["cart_left_at"]) == (1, NOW - timedelta(days=3))


def test_visits_are_sessions_and_convert_by_a_purchase(shop):
    shop.happened(*(("u", "view", ago, {"item_id": "a", "session_id": f"v{ago}"}) for ago in (1, 2, 3, 50)))
    shop.happened(order("u", 1, 100, session_id="v1"))
    shop.refreshed()
    row = shop.traits()["u"]
    assert (row["visits_7d"], row["visits_90d"], row["conversion_90d"]) == (3, 4, 0.25)


def test_hours_and_weekdays_are_those_of_the_shops_zone(tmp_path):
    shop = Shoppers(Home(tmp_path), zone="Asia/Shanghai")
    shop.happened(("u", "view", 0, {"item_id": "a"}))  # Monday 12:00 in UTC
    shop.happened(("late", "view", 13 / 24, {"item_id": "a"}))  # Sunday 23:00 in UTC
    shop.refreshed()
    assert (shop.traits()["u"]["favourite_hour"], shop.traits()["u"]["favourite_weekday"]) == (20, 1)
    assert (shop.traits()["late"]["favourite_hour"], shop.traits()["late"]["favourite_weekday"]) == (7, 1)


def test_the_hours_of_summer_time_are_told_apart(tmp_path):
    shop = Shoppers(Home(tmp_path), zone="Europe/Berlin")
    shop.happened(("summer", "view", 0, {"item_id": "a"}), ("winter", "view", 120, {"item_id": "a"}))
    shop.refreshed()
    assert [shop.traits()[who]["favourite_hour"] for who in ("summer", "winter")] == [14, 13]
    assert "CASE" in Moment(NOW, "Europe/Berlin").local_us()


def test_the_first_and_the_last_source_are_kept_with_their_campaigns(shop):
    shop.happened(
        ("u", "view", 9, {"item_id": "a", "source": "paid", "properties": {"campaign": "spring"}}),
        ("u", "view", 5, {"item_id": "a"}),
        ("u", "view", 1, {"item_id": "a", "source": "organic"}),
    )
    shop.refreshed()
    row = shop.traits()["u"]
    assert (row["first_source"], row["first_campaign"]) == ("paid", "spring")
    assert (row["last_source"], row["last_campaign"]) == ("organic", None)


@pytest.mark.parametrize(
    ("birthday", "days"),
    [("1990-06-01", 0), ("1990-06-02", 1), ("1990-05-31", 364), ("06-03", 2), ("nonsense", None), ("1992-02-29", 272)],
)
def test_the_next_birthday_is_so_many_days_away(shop, birthday, days):
    shop.knows(u={"birthday": birthday})
    shop.refreshed()
    assert shop.traits()["u"]["days_to_birthday"] == days


@pytest.mark.parametrize(
    ("told", "minor"),
    [
        ({"birthday": "2012-06-02"}, True),
        ({"birthday": "2012-06-01"}, False),
        ({"age_band": "10-13"}, True),
        ({"age_band": "under 14"}, False),
        ({"age_band": "25-34"}, False),
        ({}, None),
    ],
)
def test_who_is_under_fourteen_is_a_minor(shop, told, minor):
    shop.knows(u=told)
    shop.refreshed()
    assert shop.traits()["u"]["minor"] is minor


def test_the_last_word_on_messages_counts(shop):
    shop.happened(("u", "subscribe", 9, {}), ("u", "unsubscribe", 2, {}), ("v", "subscribe", 1, {}))
    shop.happened(("w", "view", 1, {"item_id": "a"}))
    shop.refreshed()
    assert [shop.traits()[who]["subscribed"] for who in "uvw"] == [False, True, None]


def test_buyers_stand_in_fifths_and_ranks_among_each_other(shop):
    shop.happened(*(order(f"u{at}", at, 100 * at) for at in range(1, 11)))
    shop.knows(quiet={})
    shop.refreshed()
    found = shop.traits()
    assert [found[f"u{at}"]["rfm_money"] for at in range(1, 11)] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert (found["u1"]["rfm_recency"], found["u10"]["rfm_recency"]) == (5, 1)
    assert (found["u1"]["spend_rank"], found["u10"]["spend_rank"]) == (0, 1)
    assert found["quiet"]["rfm_money"] is None


def test_a_session_that_turns_out_to_be_a_user_hands_its_happenings_over(shop):
    shop.happened(("s:1", "view", 3, {"item_id": "a"}), order("u", 1, 100))
    shop.refreshed()
    assert shop.traits()["u"]["views_7d"] == 0
    shop.merges("session", "s:1", "u")
    assert not shop.refreshed().whole
    assert shop.traits()["u"]["views_7d"] == 1
    shop.happened(("s:1", "view", 2, {"item_id": "a"}))
    shop.refreshed()
    assert shop.traits()["u"]["views_7d"] == 2


def test_a_user_who_was_merged_into_another_is_no_person_any_more(shop):
    shop.happened(order("old", 3, 100), order("new", 1, 100))
    shop.refreshed()
    shop.merges("user", "old", "new")
    assert shop.refreshed().whole
    assert {name: row["spend"] for name, row in shop.traits().items()} == {"new": 200}


def test_a_deleted_user_is_no_person_any_more(shop):
    shop.knows(u={}, v={})
    shop.refreshed()
    shop.knows(u={"deleted": True})
    shop.refreshed()
    assert set(shop.traits()) == {"v"}


def test_what_is_declared_anew_is_seen_without_any_event(shop):
    shop.knows(u={"region": "north", "attributes": '{"tags":["vip"],"household_size":"3"}'})
    shop.refreshed()
    assert (shop.traits()["u"]["tags"], shop.traits()["u"]["household"]) == (["vip"], "3")
    shop.knows(u={"region": "south"})
    assert not shop.refreshed().whole
    assert shop.traits()["u"]["region"] == "south"


def test_following_the_lake_gives_what_computing_everything_anew_gives(shop):
    draw = random.Random(7)
    shop.sells(**{f"i{at}": {"categories": [f"c{at % 5}"], "brand": f"b{at % 3}", "price": at} for at in range(20)})
    kinds = ("view", "cart_add", "search", "rating", "return", "complaint_opened", "wishlist_add")
    for round_number in range(8):
        told = []
        for _ in range(60):
            user, item, ago = f"u{draw.randrange(25)}", f"i{draw.randrange(20)}", draw.uniform(-1, 400)
            if draw.random() < 0.4:
                told.append(order(user, ago, draw.randrange(1, 500), item))
            else:
                more = {"item_id": item, "session_id": f"s{draw.randrange(60)}", "properties": {"value": 4}}
                told.append((user, draw.choice(kinds), ago, {**more, "source": draw.choice(["paid", "organic", None])}))
        shop.happened(*told)
        shop.refreshed(days_later=round_number * 0.2)
    followed = shop.traits(days_later=2)
    assert shop.refreshed(days_later=1.4, whole=True).whole
    anew = shop.traits(days_later=2)
    ties = {"person", "rfm_recency", "rfm_frequency", "rfm_money"}  # fifths of equals are dealt by number
    for user, row in anew.items():
        for name, value in row.items():
            if name not in ties and isinstance(value, float):
                assert followed[user][name] == pytest.approx(value), (user, name)
            elif name not in ties:
                assert followed[user][name] == value, (user, name)


def test_a_clock_that_was_set_back_computes_everything_anew(shop):
    shop.happened(order("u", 1, 100))
    shop.refreshed(days_later=3)
    assert shop.refreshed().whole


def test_purchases_that_name_no_order_are_orders_of_their_own(shop):
    shop.happened(*(order("u", ago, 100, order_id=None) for ago in (1, 2, 3)))
    shop.refreshed()
    assert shop.traits()["u"]["orders"] == 3
