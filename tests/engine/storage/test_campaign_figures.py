"""What became of a campaign's members: counted by hand on a few customers, from the ledger and the happenings."""

from datetime import timedelta

import numpy as np
import pytest

from engine.errors import NotEnoughData, UnknownThing
from engine.storage.campaign_figures import campaign_figures
from engine.storage.campaigns import find_campaign
from engine.storage.coupon_issue import publish
from engine.storage.home import Home
from engine.targeting.campaign_report import as_asked
from tests.engine.storage.campaigns import launched, offered, redeemed, sent
from tests.engine.storage.shoppers import NOW, Shoppers, order

LAUNCH = NOW - timedelta(days=40)
DAY = timedelta(days=1)


@pytest.fixture
def shop(tmp_path, ledger):
    offered(ledger, now=LAUNCH.timestamp())
    return Shoppers(Home(tmp_path))


def figures(shop, ledger, *, now=NOW, campaign="spring"):
    shop.refreshed()
    found, gathered = campaign_figures(
        shop.home, ledger, find_campaign(ledger, campaign), now=now.timestamp(), zone="UTC"
    )
    return found, gathered


def test_each_customer_counts_in_the_arm_they_were_assigned_to_and_within_their_window(shop, ledger):
    shop.sells(a={"cost": 300, "price": 1000})
    shop.happened(
        order("t1", 39, 1000), order("t1", 30, 500), order("t1", 5, 7000),  # the last after the window
        order("t1", 45, 4000),  # and this before it
        ("t1", "return", 29, {"amount": 500, "item_id": "a"}),
        order("t2", 20, 800, quantity=2.0), order("h1", 15, 900), order("g1", 15, 700), order("other", 15, 99_999),
    )  # fmt: skip
    members = [("t1", "treatment", {}), ("t2", "treatment", {}), ("t3", "treatment", {}),
               ("h1", "holdout", {}), ("h2", "holdout", {}), ("g1", "global_holdout", {})]  # fmt: skip
    launched(ledger, members, at=LAUNCH)
    code = publish(ledger, "ten", "t1", "spring-1-0", now=LAUNCH.timestamp()).code
    publish(ledger, "ten", "t2", "spring-2-0", now=LAUNCH.timestamp())
    redeemed(ledger, code, "t1", LAUNCH + DAY, 1000, returned=400)
    redeemed(ledger, "late", "t2", LAUNCH + 29 * DAY, 1000)
    sent(ledger, "t1", LAUNCH)
    sent(ledger, "t2", LAUNCH, state="skipped", reason="no_consent")
    found, _ = figures(shop, ledger)
    assert found["members"] == {"treatment": 3, "holdout": 2, "global_holdout": 1}
    assert found["totals"]["treatment"] == {
        "members": 3, "messaged": 1, "exposed": 0, "issued": 2, "redeemed": 1, "cost": 600, "orders": 3,
        "revenue": 1800, "margin": 1800 - 300 - 600,
    }  # fmt: skip
    assert found["totals"]["holdout"] == {
        "members": 2, "messaged": 0, "exposed": 0, "issued": 0, "redeemed": 0, "cost": 0, "orders": 1, "revenue": 900,
        "margin": 600,
    }  # fmt: skip
    assert found["totals"]["global_holdout"]["revenue"] == 700
    assert (found["currency"], found["control"], found["windows_over"]) == ("EUR", "holdout", 1.0)
    assert found["messages"] == {"waiting": 0, "sent": 1, "skipped": 1, "dead": 0, "skipped_by": {"no_consent": 1}}
    effects = {each["measure"]: each for each in as_asked(found, sequential=False)["effects"]}
    assert effects["revenue"]["each"]["value"] == pytest.approx(1800 / 3 - 900 / 2)
    assert effects["revenue"]["total"]["value"] == pytest.approx(1800 - 3 * 450)
    assert found["cumulative"][-1]["value"] == pytest.approx(effects["margin"]["total"]["value"])


def test_a_redemption_that_was_taken_back_is_none(shop, ledger):
    launched(ledger, [("t", "treatment", {}), ("h", "holdout", {})], at=LAUNCH)
    redeemed(ledger, "back", "t", LAUNCH + DAY, 1000, returned=1000, state="rolled_back")
    shop.happened(order("t", 39, 1))
    totals = figures(shop, ledger)[0]["totals"]["treatment"]
    assert (totals["redeemed"], totals["cost"]) == (0, 0)


def test_seeing_the_campaign_or_its_offer_is_an_exposure_and_those_held_out_who_did_are_told(shop, ledger):
    launched(ledger, [("a", "treatment", {}), ("b", "treatment", {}), ("c", "treatment", {}), ("h", "holdout", {})],
             at=LAUNCH)  # fmt: skip
    shop.happened(
        ("a", "exposure", 39, {"properties": {"campaign": "spring"}}),
        ("b", "coupon_view", 38, {"properties": {"offer_id": "ten"}}),
        ("c", "exposure", 39, {"properties": {"campaign": "other"}, "item_id": "a"}),
        ("c", "exposure", 5, {"properties": {"campaign": "spring"}}),
        ("h", "exposure", 30, {"properties": {"offer_id": "ten"}}),
    )
    found, _ = figures(shop, ledger)
    assert found["totals"]["treatment"]["exposed"] == 2
    assert found["contacted_control"] == 1
    assert found["days"] == [
        {"day": (LAUNCH + DAY).date().isoformat(), "messaged": 0, "exposed": 1, "issued": 0, "redeemed": 0},
        {"day": (LAUNCH + 2 * DAY).date().isoformat(), "messaged": 0, "exposed": 1, "issued": 0, "redeemed": 0},
    ]


def test_without_costs_there_is_no_margin_unless_the_campaign_says_one(shop, ledger):
    shop.sells(a={"cost": 300}, b={})
    shop.happened(order("t", 39, 1000), order("h", 39, 1000, item="b", list_amount=2000))
    launched(ledger, [("t", "treatment", {}), ("h", "holdout", {})], at=LAUNCH)
    launched(ledger, [("t", "treatment", {}), ("h", "holdout", {})], at=LAUNCH, campaign_id="said", margin=0.6)
    unknown, said = figures(shop, ledger)[0], figures(shop, ledger, campaign="said")[0]
    assert "margin" not in unknown["totals"]["treatment"]
    assert unknown["costs_known"] == 0.5
    assert (said["totals"]["treatment"]["margin"], said["totals"]["holdout"]["margin"]) == (700, 200)
    assert (said["costs_known"], said["costs_by_items"]) == (1.0, 0.5)


def test_a_member_who_was_merged_into_somebody_is_that_person_and_two_who_are_one_count_once(shop, ledger):
    shop.happened(order("old", 35, 100), order("new", 30, 1000), order("both", 30, 50))
    shop.merges("user", "old", "new")
    shop.merges("user", "twin", "both")
    launched(ledger, [("old", "treatment", {}), ("twin", "treatment", {}), ("both", "holdout", {})], at=LAUNCH)
    found, _ = figures(shop, ledger)
    assert found["totals"]["treatment"]["revenue"] + found["totals"]["holdout"]["revenue"] == 1150
    assert found["totals"]["treatment"]["revenue"] >= 1100


def test_a_deleted_customer_still_counts(shop, ledger):
    shop.happened(order("t", 39, 1000))
    shop.knows(t={"deleted": True})
    launched(ledger, [("t", "treatment", {}), ("h", "holdout", {})], at=LAUNCH)
    assert figures(shop, ledger)[0]["totals"]["treatment"]["revenue"] == 1000


def test_a_report_in_the_middle_of_the_window_reads_until_now(shop, ledger):
    shop.happened(order("t", 39, 1000), order("t", 20, 1000))
    launched(ledger, [("t", "treatment", {}), ("t2", "treatment", {}), ("h", "holdout", {}), ("h2", "holdout", {})],
             at=LAUNCH)  # fmt: skip
    shop.refreshed()
    found, _ = figures(shop, ledger, now=LAUNCH + 5 * DAY)
    assert found["totals"]["treatment"]["revenue"] == 1000
    assert (found["windows_over"], len(found["cumulative"])) == (0.0, 6)


def test_names_with_every_kind_of_character_come_through(shop, ledger):
    users = ['a"b', "c,d", "e\nf", "'; DROP TABLE campaigns; --", "饼", "\\N", " "]
    shop.happened(*(order(user, 39, 100) for user in users))
    launched(ledger, [(user, "treatment", {}) for user in users], at=LAUNCH, campaign_id="'x\"")
    found, gathered = figures(shop, ledger, campaign="'x\"")
    assert sorted(gathered.rows["user_id"].to_pylist()) == sorted(users)
    assert found["totals"]["treatment"]["revenue"] == 700
    assert found["control"] is None


def test_variants_and_segments_are_columns_of_the_members(shop, ledger):
    shop.happened(order("a", 39, 100))
    launched(
        ledger,
        [("a", "treatment", {"variant": "x", "segment": "new"}), ("b", "treatment", {"variant": "y"}),
         ("h", "holdout", {"segment": "new"})],
        at=LAUNCH,
    )  # fmt: skip
    members = figures(shop, ledger)[1].members
    assert [(members.variants[v] if v >= 0 else None) for v in members.variant] == ["x", "y", None]
    assert np.array_equal(members.segment, [0, -1, 0])


def test_what_is_not_there_is_said(shop, ledger):
    with pytest.raises(UnknownThing, match="no campaign"):
        find_campaign(ledger, "none")
    launched(ledger, [], at=LAUNCH)
    with pytest.raises(NotEnoughData):
        campaign_figures(shop.home, ledger, find_campaign(ledger, "spring"), now=NOW.timestamp(), zone="UTC")
    found, _ = figures(shop, ledger)
    assert found["members"]["treatment"] == 0
