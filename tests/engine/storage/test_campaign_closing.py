"""Closing a campaign: figures stay whoever is erased, outcomes go to the lake, and the next suggestion knows them."""

from datetime import timedelta

import numpy as np
import pytest

from engine.errors import NotAllowed
from engine.storage.campaign_closing import keep_figures
from engine.storage.campaign_outcomes import read_outcomes
from engine.storage.campaigns import find_campaign
from engine.storage.home import Home
from engine.storage.ledger import connection_of, rows_of
from engine.storage.past_campaigns import past_redemptions
from engine.storage.suggestion_facts import measured_outcomes
from tests.engine.storage.campaigns import launched, offered, redeemed
from tests.engine.storage.shoppers import NOW, Shoppers, order

LAUNCH = NOW - timedelta(days=40)
WHEN = {"now": NOW.timestamp(), "zone": "UTC"}


@pytest.fixture
def shop(tmp_path, ledger):
    """Forty treated of whom ten buy again, forty held out of whom two do; all bought once before the launch."""
    offered(ledger, now=LAUNCH.timestamp())
    shop = Shoppers(Home(tmp_path))
    treated, held = [f"t{number}" for number in range(40)], [f"h{number}" for number in range(40)]
    shop.happened(*(order(user, 50 + number % 7, 10_000) for number, user in enumerate([*treated, *held])))
    shop.happened(*(order(user, 30, 9_000) for user in [*treated[:10], *held[:2]]))
    shop.refreshed()
    members = [*((user, "treatment", {}) for user in treated), *((user, "holdout", {}) for user in held),
               ("g", "global_holdout", {"propensity": 0.01})]  # fmt: skip
    launched(ledger, members, at=LAUNCH, state="completed")
    for number in range(5):
        redeemed(ledger, f"c{number}", f"t{number}", LAUNCH + timedelta(days=3), 1000)
    return shop


def erase(ledger, *users):
    with connection_of(ledger) as connection:
        rows_of(connection, "DELETE FROM campaign_members WHERE user_id = ANY(:users)", users=list(users))


def test_figures_that_were_kept_stay_when_customers_are_erased(shop, ledger):
    kept = keep_figures(shop.home, ledger, "spring", **WHEN)
    assert kept["totals"]["treatment"]["orders"] == 10
    erase(ledger, "t1", "t2", "h1")
    assert keep_figures(shop.home, ledger, "spring", **WHEN) == kept
    assert find_campaign(ledger, "spring").figures == kept


def test_figures_of_open_windows_are_made_anew_unless_somebody_was_erased(shop, ledger):
    early = {**WHEN, "now": (LAUNCH + timedelta(days=5)).timestamp()}
    assert keep_figures(shop.home, ledger, "spring", **early)["totals"]["treatment"]["orders"] == 0
    later = {**WHEN, "now": (LAUNCH + timedelta(days=15)).timestamp()}
    again = keep_figures(shop.home, ledger, "spring", **later)
    assert (again["totals"]["treatment"]["orders"], again["windows_over"]) == (10, 0.0)
    erase(ledger, "t1")
    assert keep_figures(shop.home, ledger, "spring", **WHEN) == again


def test_outcomes_go_to_the_lake_with_what_was_known_at_launch(shop, ledger):
    keep_figures(shop.home, ledger, "spring", **WHEN)
    keep_figures(shop.home, ledger, "spring", **WHEN)
    rows = {each["user_id"]: each for each in read_outcomes(shop.lake).to_pylist()}
    assert len(rows) == 80  # the shop's own holdout is no arm of it
    first, held = rows["t0"], rows["h39"]
    assert (first["arm"], first["offer_id"], first["orders"], first["redeemed"], first["cost"]) == (
        "ten", "ten", 1, True, 1000
    )  # fmt: skip
    assert (held["arm"], held["offer_id"], held["orders"], held["depth"]) == ("holdout", None, 0, 0)
    assert first["depth"] == pytest.approx(0.1)
    assert first["propensity"] == 0.5
    # Ten days after the only order then, whatever came since.
    assert first["x_orders_365d"] == 1
    assert first["x_days_since_order"] == pytest.approx(10)
    assert first["launched_at"] == LAUNCH


def test_those_held_out_of_a_planned_campaign_tell_what_they_would_have_got(shop, ledger):
    offered(ledger, "five")
    members = [("t0", "treatment", {"propensity": 0.8}), ("t1", "treatment", {"offer_id": "five", "variant": "five"}),
               ("h0", "holdout", {"variant": "ten", "propensity": 0.2}), ("h1", "holdout", {"variant": "five"}),
               ("h2", "holdout", {})]  # fmt: skip
    launched(ledger, members, at=LAUNCH, state="completed", campaign_id="planned", assignment="plan",
             offers=["ten", "five"])  # fmt: skip
    keep_figures(shop.home, ledger, "planned", **WHEN)
    rows = {each["user_id"]: each for each in read_outcomes(shop.lake).to_pylist()}
    told = {user: (each["arm"], each["offer_id"], each["propensity"]) for user, each in rows.items()}
    assert told == {
        "t0": ("ten", "ten", 0.8), "t1": ("five", "five", 0.5), "h0": ("holdout", "ten", 0.2),
        "h1": ("holdout", "five", 0.5),
    }  # fmt: skip
    assert rows["h0"]["depth"] == rows["t0"]["depth"] == pytest.approx(0.1)
    assert (rows["h0"]["redeemed"], rows["h0"]["orders"]) == (False, 1)


def test_what_a_finished_campaign_measured_is_what_suggestions_rest_on(shop, ledger):
    assert measured_outcomes(ledger, 10_000) == ()
    keep_figures(shop.home, ledger, "spring", **WHEN)
    (found,) = measured_outcomes(ledger, 10_000)
    assert (found.goal, found.depth) == ("win-back", 0.1)
    assert found.uplift == pytest.approx(10 / 40 - 2 / 40)
    assert 0 < found.error < 0.2
    assert past_redemptions(ledger) == (40, 5)


def test_a_campaign_with_uneven_arms_or_open_windows_teaches_no_suggestion(shop, ledger):
    early = {**WHEN, "now": (LAUNCH + timedelta(days=5)).timestamp()}
    keep_figures(shop.home, ledger, "spring", **early)
    assert measured_outcomes(ledger, 10_000) == ()
    uneven = [(f"t{number}", "treatment", {}) for number in range(40)] + [("h0", "holdout", {}), ("h1", "holdout", {})]
    launched(ledger, uneven, at=LAUNCH, state="completed", campaign_id="uneven")
    assert keep_figures(shop.home, ledger, "uneven", **WHEN)["sample_ratio"]["alarm"]
    assert measured_outcomes(ledger, 10_000) == ()


def test_a_campaign_that_is_not_completed_keeps_nothing(shop, ledger):
    launched(ledger, [], at=LAUNCH, campaign_id="running")
    with pytest.raises(NotAllowed, match="not completed"):
        keep_figures(shop.home, ledger, "running", **WHEN)


def test_effects_rest_on_each_customers_own_window(shop, ledger):
    kept = keep_figures(shop.home, ledger, "spring", **WHEN)
    orders = next(each for each in kept["effects"] if each["measure"] == "orders")
    assert np.isclose(orders["total"]["value"], 8)
