"""Triggered campaigns over real files and a real ledger: who becomes a member, once, and who is held out."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from engine.storage.campaign_triggers import pull_triggers
from engine.storage.campaigns import create_campaign
from engine.storage.customer_reach import Reach
from engine.storage.customer_refresh import refresh_customers
from engine.storage.home import Home
from engine.storage.ledger import connection_of, rows_of
from engine.storage.memberships import Rule
from engine.targeting.campaign import checked_campaign
from tests.engine.storage.shoppers import NOW, Shoppers, order
from tests.stores import settings_of

EVERYBODY = {"rule": {"trait": "tenure_days", "op": ">=", "value": 0}}


class TriggerShop:
    def __init__(self, root, ledger):
        self.shoppers, self.ledger = Shoppers(Home(root)), ledger
        self.settings = settings_of(root, HAWKER_GLOBAL_HOLDOUT="0")

    def campaign(self, trigger, campaign_id="c", launched_days_ago=10.0, **more):
        told = {"name": "x", "audience": EVERYBODY, "channel": "storefront", "holdout": 0.0, "trigger": trigger, **more}
        create_campaign(self.ledger, checked_campaign(told), campaign_id=campaign_id, actor=None, now=NOW.timestamp())
        self.sql(
            "UPDATE campaigns SET state = 'running', launched_at = :at WHERE campaign_id = :id",
            id=campaign_id, at=NOW - timedelta(days=launched_days_ago),
        )  # fmt: skip

    def sql(self, statement, **values):
        with connection_of(self.ledger) as connection:
            return rows_of(connection, statement, **values)

    def pull(self, days_later=0.0):
        """Refreshed, then looked at twice: the second look finds nothing new."""
        self.shoppers.refreshed(days_later=days_later)
        return self.look(days_later)

    def look(self, days_later=0.0):
        now = (NOW + timedelta(days=days_later)).timestamp()
        pull_triggers(self.shoppers.home, self.ledger, self.settings, now=now)
        pull_triggers(self.shoppers.home, self.ledger, self.settings, now=now)
        return self.sql("SELECT user_id, step FROM campaign_outbox ORDER BY 1, 2")


@pytest.fixture
def shop(tmp_path, ledger):
    return TriggerShop(tmp_path / "home", ledger)


def test_a_cart_that_was_left_is_told_of_once_and_one_that_was_bought_never(shop):
    shop.shoppers.happened(
        ("left", "cart_add", 0.3, {"item_id": "a"}),
        ("fresh", "cart_add", 0.05, {"item_id": "a"}),
        ("bought", "cart_add", 0.3, {"item_id": "a"}),
        order("bought", 0.2, 100),
    )
    shop.campaign({"on": "cart_left", "after": "PT4H"})
    assert shop.pull() == [("left", 0)]
    assert shop.pull(days_later=0.5) == [("fresh", 0), ("left", 0)]
    shop.shoppers.happened(("left", "cart_add", -0.6, {"item_id": "b"}))
    assert shop.pull(days_later=1.0) == [("fresh", 0), ("left", 0)]


def test_what_happens_again_is_told_again_when_again_after_is_over_and_not_before(shop):
    shop.shoppers.happened(("u", "delivered", 1.0, {}), ("old", "delivered", 5.0, {}))
    shop.campaign({"on": "delivered", "again_after": "P3D"})
    assert shop.pull() == [("u", 0)]
    shop.shoppers.happened(*[("u", "delivered", -hours / 24, {}) for hours in range(1, 47)])
    assert shop.pull(days_later=1.9) == [("u", 0)]
    shop.shoppers.happened(("u", "delivered", -2.5, {}))
    assert shop.pull(days_later=2.6) == [("u", 0), ("u", 1)]
    assert shop.sql("SELECT count(*) FROM campaign_members") == [(1,)]
    assert shop.look(days_later=0.0) == [("u", 0), ("u", 1)]  # the clock is set back: nothing more


@pytest.mark.parametrize("again", [True, False])
def test_what_was_told_before_a_merge_counts_for_whom_its_customer_turned_out_to_be(shop, again):
    def followed(days_later):
        now = (NOW + timedelta(days=days_later)).timestamp()
        refresh_customers(shop.shoppers.home, now=now, zone="UTC", reach=Reach(shop.ledger, "salt", 0.0))
        return shop.look(days_later)

    shop.shoppers.happened(("old", "delivered", 1.0, {}), ("new", "login", 5.0, {}))
    shop.campaign({"on": "delivered", **({"again_after": "P3D"} if again else {})})
    assert followed(0.0) == [("old", 0)]
    shop.shoppers.merges("user", "old", "new")
    assert followed(0.1) == [("old", 0)]  # what happened to the one is not told again to the other
    shop.shoppers.happened(("new", "delivered", -1.0, {}))
    assert followed(1.1) == [("old", 0)]
    shop.shoppers.happened(("old", "delivered", -2.5, {}))
    # It is the next step: the same one would be withdrawn as the other's.
    assert followed(2.6) == ([("new", 1), ("old", 0)] if again else [("old", 0)])


def test_who_enters_a_segment_after_the_launch_is_written_to(shop):
    shop.shoppers.happened(("old", "login", 9.0, {}))
    rule = Rule("s", 1, "SELECT person FROM traits WHERE last_seen_at IS NOT NULL")

    def refreshed(days_later):
        now = (NOW + timedelta(days=days_later)).timestamp()
        refresh_customers(shop.shoppers.home, now=now, zone="UTC", rules=[rule])

    refreshed(-5.0)
    shop.campaign({"on": "entered", "segment": "s"}, launched_days_ago=1.0)
    shop.shoppers.happened(("new", "login", 0.1, {}))
    refreshed(0.0)
    assert shop.look() == [("new", 0)]


def test_who_comes_into_another_level_is_written_to_and_who_stays_is_not(shop):
    shop.shoppers.happened(order("rises", 9.0, 100), order("stays", 9.0, 100))
    levels = [Rule(f"class:levels:{name}", 1, f"SELECT person FROM traits WHERE orders {sign} 1")
              for name, sign in (("silver", "<="), ("gold", ">"))]  # fmt: skip

    def refreshed(days_later):
        now = (NOW + timedelta(days=days_later)).timestamp()
        refresh_customers(shop.shoppers.home, now=now, zone="UTC", rules=levels)

    refreshed(-5.0)
    shop.campaign({"on": "tier_change", "classification": "levels"}, launched_days_ago=1.0)
    shop.campaign({"on": "tier_change", "classification": "levels", "class": "silver"}, "other", launched_days_ago=1.0)
    shop.campaign({"on": "tier_change", "classification": "level"}, "unknown", launched_days_ago=1.0)
    shop.shoppers.happened(order("rises", 0.1, 100))
    refreshed(0.0)
    assert shop.look() == [("rises", 0)]
    assert shop.sql("SELECT DISTINCT campaign_id FROM campaign_outbox") == [("c",)]


def test_birthdays_first_visits_and_due_orders_are_told_on_their_day(shop):
    shop.shoppers.knows(
        born={"birthday": "1990-06-04", "attributes": "{}"}, other={"birthday": "1990-06-09", "attributes": "{}"}
    )
    shop.shoppers.happened(
        ("born", "login", 90.0, {}), ("other", "login", 90.0, {}), ("new", "login", 0.5, {}),
        *[order("due", ago, 100) for ago in (21.0, 11.0)],
    )  # fmt: skip
    shop.campaign({"on": "birthday", "before": "P3D"}, "birthday")
    shop.campaign({"on": "signed_up"}, "hello")
    shop.campaign({"on": "due_again", "before": "P2D"}, "again")
    shop.pull()
    found = shop.sql("SELECT campaign_id, user_id FROM campaign_outbox ORDER BY 1")
    # Ten days after the last order the next was due, a day ago; two days before it was three days ago: too long.
    assert found == [("birthday", "born"), ("hello", "new")]
    shop.shoppers.happened(order("due", 8.5, 100), order("due", 0.5, 100))
    shop.pull(days_later=5.6)
    assert ("again", "due") in shop.sql("SELECT campaign_id, user_id FROM campaign_outbox")


def test_a_day_of_the_calendar_reaches_the_audience_once(shop):
    shop.shoppers.happened(*[(f"u{number}", "login", 3.0, {}) for number in range(40)])
    shop.campaign({"on": "calendar", "day": "06-03", "before": "P2D"}, holdout=0.5, launched_days_ago=0.01)
    treated = {user for user, _ in shop.pull()}
    arms = dict(shop.sql("SELECT arm, count(*) FROM campaign_members GROUP BY 1"))
    assert (sum(arms.values()), arms["treatment"], len(treated)) == (40, len(treated), len(treated))
    assert 5 < len(treated) < 35
    assert {user for user, _ in shop.pull(days_later=0.5)} == treated
    ((propensity,),) = shop.sql("SELECT DISTINCT propensity FROM campaign_members")
    assert propensity == 0.5


def test_what_became_cheaper_is_told_to_those_who_saved_it(shop):
    shop.shoppers.sells(a={"price": 1_000}, b={"price": 1_000})
    shop.shoppers.happened(
        ("saved", "wishlist_add", 5.0, {"item_id": "a"}),
        ("cart", "cart_add", 5.0, {"item_id": "a"}),
        ("gone", "cart_add", 5.0, {"item_id": "a"}),
        ("gone", "cart_remove", 4.0, {"item_id": "a"}),
        ("else", "cart_add", 5.0, {"item_id": "b"}),
        ("looked", "view", 1.0, {"item_id": "a"}),
    )
    shop.campaign({"on": "price_drop", "least": 0.1})
    assert shop.pull() == []
    at = NOW + timedelta(hours=1)
    shop.shoppers.sells(a={"price": 800, "updated_at": at}, b={"price": 950, "updated_at": at})
    assert shop.pull(days_later=0.1) == [("cart", 0), ("saved", 0)]
    shop.shoppers.sells(a={"price": 900, "updated_at": at + timedelta(hours=9)})
    assert shop.pull(days_later=0.6) == [("cart", 0), ("saved", 0)]


def test_only_who_is_in_the_audience_and_can_be_reached_becomes_a_member(shop):
    shop.shoppers.knows(off={"attributes": json.dumps({"personalization": "off"})}, child={"birthday": "2020-01-01"})
    shop.shoppers.happened(*[(name, "delivered", 0.5, {}) for name in ("in", "out", "off", "child")])
    shop.campaign({"on": "delivered"}, audience={"users": ["in", "off", "child"]})
    assert shop.pull() == [("in", 0)]
    assert shop.sql("SELECT user_id FROM campaign_members") == [("in",)]
