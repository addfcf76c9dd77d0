"""What plans expect, from what training wrote; and the outcomes that training learns from."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from engine.errors import BadInput
from engine.storage.campaign_outcomes import read_outcomes, record_outcomes
from engine.storage.customer_refresh import refresh_customers
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.lake_predictions import replace_predictions
from engine.storage.past_campaigns import PastCampaigns, record_past_campaigns
from engine.storage.plan_predictions import RESPONSE, predictions_for
from engine.targeting.expected_response import ASSUMED_UPLIFT
from engine.targeting.fairness import check_inputs
from engine.targeting.offers import checked_offer
from engine.targeting.plans import PlanLimits, PlannedOffer, make_plan
from engine.targeting.response_inputs import INPUTS, TRAIT_INPUTS
from engine.targeting.suggestion_goals import PRIORS, depth_effect
from engine.targeting.traits import TRAIT_FIELDS

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def offer(offer_id: str, **benefit):
    return checked_offer({"offer_id": offer_id, "name": offer_id, "benefit": benefit}, shop_currency="USD")


TEN, FIVE_OFF = offer("ten", kind="percent", percent=10), offer("five", kind="amount", amount=500)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Home:
    """Two who ordered, of 2,000 and of 4,000, and one who only looked."""
    home = Home(tmp_path_factory.mktemp("plans"))
    told = [("a", "purchase", 2_000), ("b", "purchase", 4_000), ("c", "view", None)]
    Lake(home).append_events(pa.table({
        "event_id": [f"e{number}" for number in range(3)],
        "type": [kind for _, kind, _ in told],
        "time": pa.array([NOW.replace(day=1, month=2)] * 3, pa.timestamp("us", tz="UTC")),
        "user_id": [user for user, _, _ in told],
        "item_id": ["i"] * 3,
        "amount": pa.array([amount for _, _, amount in told], pa.int64()),
    }))  # fmt: skip
    refresh_customers(home, now=NOW.timestamp(), zone="UTC")
    return home


def asked(home, ledger, users=("a", "b", "c", "stranger"), offers=(TEN, FIVE_OFF), margin=0.5):
    return predictions_for(home, ledger, users, offers, now=NOW.timestamp(), margin=margin)


def write(home, scores):
    rows = [(user, subject, score) for subject, by_user in scores.items() for user, score in by_user.items()]
    moment = pa.array([NOW] * len(rows), pa.timestamp("us", tz="UTC"))
    score = [each[2] for each in rows]
    replace_predictions(home, RESPONSE, pa.table({
        "user_id": [each[0] for each in rows], "subject": pa.array([each[1] for each in rows], pa.string()),
        "score": score, "low": score, "high": score, "baseline": pa.nulls(len(rows), pa.float64()),
        "model": ["dr"] * len(rows), "as_of": moment, "run_id": ["r7"] * len(rows), "written_at": moment,
    }))  # fmt: skip


@pytest.fixture
def written(home):
    yield lambda scores: write(home, scores)
    replace_predictions(home, RESPONSE, Lake(home).query("SELECT * EXCLUDE (name) FROM predictions WHERE false"))


def test_with_nothing_known_all_is_assumed_and_said_so(home, ledger):
    found = asked(home, ledger)
    assert found.evidence == "prior"
    assert found.models[0].inputs == INPUTS["prior"]
    assert found.margin.tolist() == [1_000, 2_000, 1_500, 1_500]
    assert found.extra[:, 0] == pytest.approx([ASSUMED_UPLIFT * depth_effect(0.1)] * 4)
    # 500 off is a quarter of a's basket and an eighth of b's.
    assert found.extra[:2, 1] == pytest.approx(ASSUMED_UPLIFT * depth_effect([0.25, 0.125]))
    assert found.redeem[0, 0] > found.redeem[2, 0]
    assert asked(home, ledger, margin=None).margin[0] == 2_000 * PRIORS["margin"][0]


def test_imported_campaigns_say_how_many_redeem_before_anything_was_trained(home, ledger):
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    record_past_campaigns(ledger, PastCampaigns(
        [("1", "A", moment, moment)], [("1", user) for user in "abcd"], [("p", "1")], [], [("a", "p", "1", moment)]
    ))  # fmt: skip
    found = asked(home, ledger)
    assert (found.evidence, found.models[0].inputs) == ("propensity", ())
    assert found.redeem.tolist() == [[0.25, 0.25]] * 4


def test_a_learned_propensity_shares_out_the_assumed_effect(home, ledger, written):
    written({"redeem": {"a": 0.3, "b": 0.1}})
    found = asked(home, ledger)
    assert (found.evidence, found.models[0].version) == ("propensity", "r7")
    # Of whom nothing was said, the mean is.
    assert found.redeem[:, 0] == pytest.approx([0.3, 0.1, 0.2, 0.2])
    assert found.extra[0, 0] == pytest.approx(3 * found.extra[1, 0])


def test_learned_uplift_is_read_off_between_the_depths_that_were_tried(home, ledger, written):
    written({
        "redeem 0.05": {"a": 0.1}, "redeem 0.15": {"a": 0.3}, "extra 0.05": {"a": 0.02}, "extra 0.15": {"a": 0.04},
    })  # fmt: skip
    found = asked(home, ledger)
    assert found.evidence == "uplift"
    assert (found.models[0].name, found.models[0].inputs) == ("response:dr", TRAIT_INPUTS)
    assert (found.redeem[0, 0], found.extra[0, 0]) == pytest.approx((0.2, 0.03))
    # 500 off a's basket is deeper than anything that was tried: no more than the deepest.
    assert (found.redeem[0, 1], found.extra[0, 1]) == pytest.approx((0.3, 0.04))
    small = asked(home, ledger, offers=(offer("two", kind="percent", percent=2.5),))
    assert small.extra[0, 0] == pytest.approx(0.01)


def test_a_plan_takes_the_predictions_as_they_are(home, ledger):
    offers = [PlannedOffer("ten", 200, "recency"), PlannedOffer("five", 500, "recency")]
    plan = make_plan(asked(home, ledger), offers, PlanLimits(10_000)).plan
    assert (plan.evidence, plan.customers) == ("prior", 4)


def test_an_offer_whose_discount_nobody_can_tell_is_refused(home, ledger):
    with pytest.raises(BadInput, match="takes off a basket"):
        asked(home, ledger, offers=(offer("free", kind="free_shipping"),))


def test_what_models_of_responses_read_are_traits_that_may_set_a_discount():
    for names in INPUTS.values():
        check_inputs(names)
    assert {TRAIT_FIELDS[name] for name in TRAIT_INPUTS} == {"number"}


def outcomes(campaign: str = "spring", rows: int = 4, **changed) -> pa.Table:
    told = {
        "campaign_id": [campaign] * rows,
        "user_id": [f"u{number}" for number in range(rows)],
        "arm": ["holdout" if number % 2 else "ten" for number in range(rows)],
        "offer_id": pa.array([None if number % 2 else "ten" for number in range(rows)], pa.string()),
        "depth": [0.0 if number % 2 else 0.1 for number in range(rows)],
        "propensity": [0.5] * rows,
        "launched_at": pa.array([NOW] * rows, pa.timestamp("us", tz="UTC")),
        "redeemed": [number == 0 for number in range(rows)],
        "orders": [1] * rows,
        "x_orders_90d": np.arange(rows, dtype=float),
    }
    return pa.table({**told, **changed})


def test_the_outcomes_of_a_campaign_come_and_go_together(tmp_path):
    home = Home(tmp_path)
    record_outcomes(home, outcomes())
    record_outcomes(home, outcomes("o'clock", 2))
    record_outcomes(home, outcomes(rows=6))
    alone = outcomes("no holdout", 2, arm=["ten", "ten"])
    record_outcomes(home, alone)
    found = read_outcomes(Lake(home))
    assert found["campaign_id"].to_pylist() == ["o'clock"] * 2 + ["spring"] * 6
    assert found["x_orders_90d"].to_pylist() == [0, 1, 0, 1, 2, 3, 4, 5]
    assert found["x_visits_30d"].null_count == 8


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"propensity": [0.0, 0.5, 0.5, 0.5]}, "propensity"),
        ({"propensity": [float("nan"), 0.5, 0.5, 0.5]}, "propensity"),
        ({"depth": [1.5, 0.0, 0.0, 0.0]}, "depth"),
        ({"campaign_id": ["a", "b", "a", "a"]}, "campaign_id"),
        ({"user_id": ["u", "u", "v", "w"]}, "user_id"),
        ({"arm": pa.array([None, "a", "b", "c"], pa.string())}, "arm"),
        ({"x_tenure_days": [1.0, 2.0, 3.0, 4.0]}, "x_tenure_days"),
    ],
)
def test_outcomes_that_would_teach_something_wrong_are_refused(tmp_path, changed, field):
    with pytest.raises(BadInput) as caught:
        record_outcomes(Home(tmp_path), outcomes(**changed))
    assert caught.value.field == field
