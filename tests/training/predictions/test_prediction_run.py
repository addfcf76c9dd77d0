"""The run of a prediction: it finds what is planted, says so where nothing is, and never looks ahead."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from engine.errors import NotEnoughData
from engine.storage.home import Home
from engine.storage.lake import Lake
from tests.training.predictions.planted import DAY, START, events, events_of, filled, planted
from training.predictions.accuracy import auc
from training.predictions.recipe import PredictionRecipe
from training.predictions.run import train_prediction

SHOP = planted(800, 200)
PURCHASE = PredictionRecipe(name="purchase", moments=4, refits=10)
CHURN = PredictionRecipe(name="churn", predicts="churn", horizon_days=40, step_days=10, moments=5, refits=10)
CATEGORY = PredictionRecipe(name="category", predicts="category", moments=3, refits=10)


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return Lake(filled(tmp_path_factory.mktemp("planted"), SHOP))


@pytest.fixture(scope="module")
def purchase(lake):
    return train_prediction(lake, PURCHASE)


def users_of(found):
    return np.array([int(each[1:]) for each in found.rows["user_id"].to_pylist()])


def column(found, name):
    return found.rows[name].to_numpy()


def test_probabilities_are_near_the_best_that_anybody_can_say(purchase):
    truth = SHOP.truth(200, 30)[users_of(purchase)]
    score, low, high = (column(purchase, name) for name in ("score", "low", "high"))
    assert np.abs(score - truth).mean() < 0.06
    assert abs(score.mean() - truth.mean()) < 0.03
    assert np.corrcoef(score, truth)[0, 1] > 0.95
    assert ((low <= score) & (score <= high)).all()
    # Refits know of other users that might have been seen, not of what the model cannot express.
    assert 0.5 < ((low <= truth) & (truth <= high)).mean() <= 1


def test_what_is_planted_beats_recency_alone_and_is_calibrated(purchase):
    figures = purchase.figures["test"]
    assert purchase.is_better
    assert purchase.written == purchase.chosen
    assert purchase.sentence().endswith(": better than recency alone.")
    assert figures["ece"] < 2 * figures["ece_by_chance"]
    assert figures["brier"] < figures["brier_of_recency"]
    test = figures["model"]
    assert test["low"] < test["mean"] < test["high"]
    outcome = np.bincount(SHOP.user[SHOP.day >= 170], minlength=800) > 0
    known = np.bincount(SHOP.user[SHOP.day < 170], minlength=800) > 0
    assert test["mean"] > auc(SHOP.truth(170, 30)[known], outcome[known]) - 0.03


def test_the_baseline_stands_beside_every_score(purchase):
    baseline, truth = column(purchase, "baseline"), SHOP.truth(200, 30)[users_of(purchase)]
    assert np.abs(baseline - truth).mean() > np.abs(column(purchase, "score") - truth).mean()


def test_churn_is_the_chance_that_nothing_comes_of_any_step(lake):
    found = train_prediction(lake, CHURN)
    truth = 1 - SHOP.truth(200, 40)[users_of(found)]
    assert np.corrcoef(column(found, "score"), truth)[0, 1] > 0.9
    assert np.abs(column(found, "score") - truth).mean() < 0.08
    last = np.full(800, -np.inf)
    np.maximum.at(last, SHOP.user, SHOP.day)
    now = (found.as_of - START) / DAY
    assert sorted(users_of(found)) == np.flatnonzero(last >= now - 40).tolist()


def test_a_category_is_for_those_who_take_it(lake):
    found = train_prediction(lake, CATEGORY)
    rows = found.rows.to_pylist()
    assert {row["subject"] for row in rows} == {"kitchen", "table"}
    assert found.rows.num_rows == 2 * len(set(found.rows["user_id"].to_pylist()))
    kitchen = {row["user_id"]: row["score"] for row in rows if row["subject"] == "kitchen"}
    table = {row["user_id"]: row["score"] for row in rows if row["subject"] == "table"}
    even = [user for user in kitchen if int(user[1:]) % 2 == 0]
    assert np.mean([kitchen[user] > table[user] for user in even]) > 0.8
    assert found.is_better


def test_the_same_seed_gives_the_same_rows_and_another_other_bounds(lake, purchase):
    again = train_prediction(lake, PURCHASE)
    assert again.rows.equals(purchase.rows)
    assert again.figures == purchase.figures
    other = train_prediction(lake, dataclasses.replace(PURCHASE, seed=2))
    assert not other.rows.equals(purchase.rows)


def test_what_comes_after_until_changes_nothing(tmp_path, purchase):
    home = filled(tmp_path, SHOP)
    later = planted(800, 260, seed=11)
    more = events_of(later).filter(pa.array(later.day >= 200))
    more = more.set_column(0, "event_id", [[f"late{number}" for number in range(more.num_rows)]])
    assert Lake(home).append_events(more).stored > 1000
    again = train_prediction(Lake(home), PURCHASE, until=purchase.as_of)
    assert again.rows.equals(purchase.rows)
    assert again.figures == purchase.figures


def test_where_nothing_can_be_told_the_rows_are_recencys_and_the_run_says_so(tmp_path):
    found = train_prediction(Lake(filled(tmp_path, planted(400, 200, pace=0.03))), PURCHASE)
    assert not found.is_better
    assert found.written == "recency"
    assert "NOT better than recency alone" in found.sentence()
    assert set(found.rows["model"].to_pylist()) == {"recency"}
    assert found.rows["score"].equals(found.rows["baseline"])
    assert (column(found, "low") <= column(found, "score")).all()


def test_a_large_shop_teaches_with_a_sample_and_is_predicted_whole(lake):
    found = train_prediction(lake, dataclasses.replace(PURCHASE, most_users=300))
    assert found.figures["test"]["users"] == 300
    assert found.rows.num_rows > 600


@pytest.mark.parametrize(
    ("shop", "recipe", "words"),
    [
        (None, PURCHASE, "0 users bought something; predictions need 200. Import more"),
        (planted(150, 200), PURCHASE, "predictions need 200"),
        (planted(400, 70), PURCHASE, "looks 30 days ahead and needs"),
        (planted(300, 200, pace=2.0), PURCHASE, "nothing to tell apart. Choose a shorter horizon_days"),
        (planted(400, 200), dataclasses.replace(CATEGORY, level=3), "no category of level 3 had 200 buyers"),
        (planted(400, 200), dataclasses.replace(CATEGORY, subjects=("tea",)), "in the category 'tea'"),
        (planted(400, 200, pace=0.02), dataclasses.replace(PURCHASE, active_days=3), "within 3 days"),
    ],
)
def test_a_shop_that_is_too_small_or_too_uniform_is_told_what_to_do(tmp_path, shop, recipe, words):
    lake = Lake(filled(tmp_path, shop) if shop else Home(tmp_path))
    with pytest.raises(NotEnoughData) as refused:
        train_prediction(lake, recipe)
    assert words in refused.value.message
    assert "\n" not in refused.value.message


def test_events_without_purchases_are_no_buyers(tmp_path):
    lake = Lake(Home(tmp_path))
    lake.append_events(events(["a", "b"], [1, 90], items=["i0", "i1"], ids="v", kind="view"))
    with pytest.raises(NotEnoughData, match="0 users bought"):
        train_prediction(lake, PURCHASE)


def test_the_moment_of_the_rows_is_the_second_after_the_last_event(purchase):
    last = START + timedelta(seconds=round(float(SHOP.day.max()) * 86_400))
    assert purchase.as_of == last + timedelta(seconds=1)
    assert set(purchase.rows["as_of"].to_pylist()) == {purchase.as_of}
