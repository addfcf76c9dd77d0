"""`hawker train response`: from outcomes of campaigns, else from imported ones, to rows that plans read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from engine.errors import BadInput, NotEnoughData
from engine.storage import clock
from engine.storage.campaign_outcomes import record_outcomes
from engine.storage.customer_refresh import refresh_customers
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.past_campaigns import PastCampaigns, read_past_campaigns, record_past_campaigns
from engine.targeting.plans import EVIDENCE
from engine.targeting.response_inputs import PROPENSITY_INPUTS, REDEEMED_BEFORE, TRAIT_INPUTS
from tests.trained import close_mlflow, settings_of, with_mlflow
from tests.training.predictions.planted import filled, planted
from training.recipe import read_document
from training.response.learners import Wish, learn_effects
from training.response.outcomes import read_trial
from training.response.produce import record_responses
from training.response.propensity import Campaigns
from training.response.recipe import ResponseRecipe, is_response, parse_response
from training.response.run import train_responses

DAY = timedelta(days=1)


@pytest.fixture
def home(tmp_path: Path, mlflow_store: Path):
    home = with_mlflow(filled(tmp_path / "home", planted(300, 180, seed=7)), mlflow_store)
    yield home
    close_mlflow(home)


def end_of(home: Home) -> datetime:
    return Lake(home).query("SELECT max(time) AS last FROM events").to_pylist()[0]["last"]


def buyers(home: Home) -> list[str]:
    return Lake(home).query("SELECT DISTINCT user_id FROM events ORDER BY user_id")["user_id"].to_pylist()


def campaigns(home: Home, redeemers: int = 40) -> PastCampaigns:
    """Three campaigns to everybody, in each of which the same third redeems."""
    users, end = buyers(home), end_of(home)
    spans = [
        (str(number), "A", end - days * DAY, end - (days - 10) * DAY) for number, days in ((1, 90), (2, 60), (3, 30))
    ]
    return PastCampaigns(
        spans,
        [(name, user) for name, *_ in spans for user in users],
        [("paper", name) for name, *_ in spans],
        [],
        [(user, "paper", name, start + DAY) for name, _, start, _ in spans for user in users[:redeemers]],
    )


def outcomes(home: Home, rows: int = 1_500) -> pa.Table:
    """Whoever ordered often buys more with an offer; the others do not."""
    draw = np.random.default_rng(1)
    often, arm = draw.integers(0, 10, rows).astype(float), draw.integers(0, 3, rows)
    ordered = draw.random(rows) < 0.2 + np.where(arm > 0, 0.4 * (often > 5), 0)
    used = ordered & (arm > 0)
    return pa.table({
        "campaign_id": ["spring"] * rows,
        "user_id": [f"c{number}" for number in range(rows)],
        "arm": np.array(["holdout", "five", "ten"])[arm],
        "offer_id": pa.array([[None, "five", "ten"][each] for each in arm], pa.string()),
        "depth": np.array([0.0, 0.052, 0.1])[arm],
        "propensity": np.full(rows, 1 / 3),
        "launched_at": pa.array([end_of(home) - 30 * DAY] * rows, pa.timestamp("us", tz="UTC")),
        "redeemed": used,
        "orders": ordered.astype(int),
        "revenue": ordered * 5_000,
        "margin": ordered * 1_500,
        "cost": used * np.array([0, 250, 500])[arm],
        "x_orders_365d": often,
    })  # fmt: skip


def test_outcomes_of_a_randomised_campaign_become_what_plans_read(home):
    clock.set_offset(home, end_of(home).timestamp() - datetime.now(UTC).timestamp())
    refresh_customers(home, now=clock.now(home), zone="UTC")
    record_outcomes(home, outcomes(home))
    done = record_responses(home, settings_of(home), ResponseRecipe(candidates=("same", "dr")), PastCampaigns())
    told = done.as_json()
    assert (told["evidence"], told["evidence_says"]) == ("uplift", EVIDENCE["uplift"])
    assert told["inputs"] == list(TRAIT_INPUTS)
    assert told["outputs"] == ["redeem 0.05", "redeem 0.10", "extra 0.05", "extra 0.10"]
    assert told["chosen"] in told["validation"].keys() == {"same", "dr"}
    assert "of the test part" in told["sentence"]
    rows = Lake(home).query("SELECT subject, run_id, count(*) AS n FROM predictions GROUP BY subject, run_id")
    everybody = len(buyers(home))
    assert {each["subject"]: each["n"] for each in rows.to_pylist()} == dict.fromkeys(told["outputs"], everybody)
    assert {each["run_id"] for each in rows.to_pylist()} == {done.run_id}
    assert Lake(home).query("SELECT count(low) + count(high) AS n FROM predictions")["n"].to_pylist() == [0]


def planned(home, rows=6_000, campaign="plan", few=0):
    """A plan that gives the deep offer to those who buy often anyway. Both offers bring .2 orders; a fifth is held out.

    `few` got a third offer.
    """
    draw = np.random.default_rng(2)
    often, held = draw.integers(0, 10, rows).astype(float), draw.random(rows) < 0.2
    offer = np.where(often > 5, 1, 0)
    offer[:few] = 2
    ordered = draw.random(rows) < np.where(often > 5, 0.6, 0.1) + 0.2 * ~held
    return pa.table({
        "campaign_id": [campaign] * rows,
        "user_id": [f"p{number}" for number in range(rows)],
        "arm": np.where(held, "holdout", np.array(["five", "ten", "odd"])[offer]),
        "offer_id": np.array(["five", "ten", "odd"])[offer],
        "depth": np.array([0.05, 0.1, 0.4])[offer],
        "propensity": np.where(held, 0.2, 0.8),
        "launched_at": pa.array([end_of(home) - 30 * DAY] * rows, pa.timestamp("us", tz="UTC")),
        "redeemed": ordered & ~held,
        "orders": ordered.astype(int),
        "revenue": ordered * 5_000,
        "margin": ordered * 1_500,
        "cost": (ordered & ~held) * 250,
        "x_orders_365d": often,
    })  # fmt: skip


def test_a_planned_campaign_teaches_by_those_held_out_who_would_have_got_the_same(home):
    record_outcomes(home, planned(home))
    trial, _ = read_trial(Lake(home))
    assert trial.levels == (0.05, 0.1)
    same = learn_effects("same", trial, trial.orders, Wish()).effects
    assert same == pytest.approx((0.2, 0.2), abs=0.05)
    # Compared with everybody held out, the deep offer would look as if it brought twice as much.
    held = trial.arm == 0
    assert trial.orders[trial.arm == 2].mean() - trial.orders[held].mean() > 0.4


def test_a_depth_that_few_got_by_a_plan_keeps_nothing_else_from_teaching(home):
    record_outcomes(home, outcomes(home))
    record_outcomes(home, planned(home, few=100))
    trial, _ = read_trial(Lake(home))
    assert trial.levels == (0.05, 0.1)
    assert len(trial) == 1_500 + 6_000 - 100
    trial.check()


def test_a_drawn_and_a_planned_campaign_are_each_compared_in_themselves(home):
    record_outcomes(home, outcomes(home))
    record_outcomes(home, planned(home))
    trial, _ = read_trial(Lake(home))
    assert len(np.unique(trial.campaign)) == 3  # the drawn one, and the two offers of the plan
    for arm in (1, 2):
        assert len(np.unique(trial.campaign[trial.facing(arm)])) == 2


def test_without_one_imported_campaigns_teach_who_redeems_and_it_is_said(home, ledger):
    record_past_campaigns(ledger, campaigns(home))
    found = train_responses(home, ResponseRecipe(), read_past_campaigns(ledger), now=end_of(home).timestamp())
    assert (found.evidence, found.model.outputs) == ("propensity", ("redeem",))
    # Whoever redeemed before does again: nothing is better than that, and that is what is used.
    assert "NOT better outside" in found.sentence
    assert (found.model.learner, found.model.names) == (REDEEMED_BEFORE, ("coupons_before",))
    chance = dict(zip(found.users, found.scores[:, 0], strict=True))
    first, last = buyers(home)[0], buyers(home)[-1]
    assert chance[first] > 0.5 > chance[last]


def test_nothing_later_than_its_beginning_is_known_of_a_campaigns_members(home):
    past, first = campaigns(home), end_of(home) - 180 * DAY
    second = next(start for name, _, start, _ in past.campaigns if name == "2")
    known = Campaigns(Lake(home), past, first).members("2")
    before = PastCampaigns(
        past.campaigns,
        past.members,
        (),
        (),
        [each for each in past.redemptions if each[3] < second],
    )
    alone = Campaigns(Lake(home), before, first).columns(known.users, second)
    assert np.array_equal(known.columns, alone)
    assert known.redeemed.sum() == 40
    assert alone[0, PROPENSITY_INPUTS.index("coupons_before")] == 1


def test_a_shop_without_campaigns_is_told_what_to_do(home):
    with pytest.raises(NotEnoughData, match="run one with a holdout, or import"):
        train_responses(home, ResponseRecipe(), PastCampaigns(), now=end_of(home).timestamp())
    with pytest.raises(NotEnoughData, match="6 customers redeemed"):
        train_responses(home, ResponseRecipe(), campaigns(home, 2), now=end_of(home).timestamp())


def test_the_shipped_recipe_is_of_its_kind():
    document = read_document("response")
    assert is_response(document)
    assert parse_response(document) == ResponseRecipe()


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ({"candidate": ["dr"]}, "response.candidate"),
        ({"candidates": ["forest"]}, "response.candidates: forest"),
        ({"candidates": []}, "response.candidates"),
        ({"monotone": 1}, "response.monotone"),
        ({"seed": -1}, "response.seed"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_by_its_key(table, field):
    with pytest.raises(BadInput) as caught:
        parse_response({"name": "response", "response": table})
    assert caught.value.field == field
