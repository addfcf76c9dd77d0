"""Learners of uplift recover planted effects, choose by what was held out, and refuse what may not set a discount."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.errors import NotAllowed, NotEnoughData
from training.response.choose import Worth, choose
from training.response.growing import Wish
from training.response.learners import LEARNERS, learn_effects
from training.response.model import ResponseModel, read_model
from training.response.redemption import learn_redemption
from training.response.trial import Trial

LEVELS = (0.1, 0.2)


def planted(rows: int = 6_000, seed: int = 1, *, effect: float = 0.3):
    """A trial with unequal known chances, and the true effects [n, 2]: where x is above 0, more with the deeper."""
    draw = np.random.default_rng(seed)
    columns = draw.normal(size=(rows, 3)).astype(np.float32)
    x = columns[:, 0]
    truth = effect * (x > 0)[:, None] * np.array([0.5, 1.0])
    many = np.where(x > 0, 0.6, 0.4)
    arm = np.where(draw.random(rows) < many, draw.integers(1, 3, rows), 0)
    propensity = np.where(arm > 0, many / 2, 1 - many)
    chance = 0.2 + 0.1 * (columns[:, 1] > 0) + np.where(arm > 0, truth[np.arange(rows), np.maximum(arm - 1, 0)], 0)
    anyway, luck = 0.2 + 0.1 * (columns[:, 1] > 0), draw.random(rows)
    # Half of those who come anyway redeem, and all who come for the offer.
    redeemed = (arm > 0) & (luck < chance) & ((luck < anyway / 2) | (luck >= anyway))
    trial = Trial(
        columns, ("days_since_order", "orders_90d", "views_90d"), arm, LEVELS, propensity,
        (luck < chance).astype(float), redeemed, np.arange(rows) // 2, np.zeros(rows, int),
    )  # fmt: skip
    return trial, truth


@pytest.mark.parametrize("name", LEARNERS)
def test_learners_find_the_planted_effects(name):
    trial, truth = planted()
    found = learn_effects(name, trial, trial.orders, Wish()).at(trial.columns)
    assert found.shape == truth.shape
    assert found.mean(axis=0) == pytest.approx(truth.mean(axis=0), abs=0.05)
    if name != "same":
        moved = trial.columns[:, 0] > 0
        assert found[moved, 1].mean() - found[~moved, 1].mean() > 0.15
        assert np.corrcoef(found.ravel(), truth.ravel())[0, 1] > 0.7


@pytest.mark.parametrize("name", ["redeemed", "dr", "s"])
def test_more_discount_never_brings_less_where_that_is_wished(name):
    trial, _ = planted(2_000, effect=0.0)
    found = learn_effects(name, trial, trial.orders, Wish(monotone=True)).at(trial.columns)
    assert (np.diff(found, axis=1) >= -1e-12).all()


def test_redemptions_teach_also_where_nobody_orders_without_one_or_nobody_orders_at_all():
    trial, _ = planted(2_000)
    alone = replace(trial, orders=trial.redeemed.astype(float))
    found = learn_effects("redeemed", alone, alone.orders, Wish()).at(trial.columns)
    rates = [alone.orders[trial.arm == arm].mean() for arm in (1, 2)]
    assert found.mean(axis=0) == pytest.approx(rates, abs=0.05)
    nothing = replace(trial, orders=np.zeros(len(trial)), redeemed=np.zeros(len(trial), bool))
    found = learn_effects("redeemed", nothing, nothing.orders, Wish()).at(trial.columns)
    assert found == pytest.approx(0, abs=1e-4)


def test_an_arm_is_compared_within_the_campaigns_that_had_it():
    quiet, _ = planted(2_000, 2, effect=0.0)
    first = quiet.where(quiet.arm < 2)
    # A campaign in which everybody orders, and only the deeper offer was given.
    busy = quiet.where(quiet.arm != 1)
    busy = Trial(busy.columns, busy.names, busy.arm, LEVELS, busy.propensity, busy.orders + 1, busy.redeemed, busy.user,
                 busy.campaign + 1)  # fmt: skip
    found = learn_effects("same", Trial.joined([first, busy]), np.r_[first.orders, busy.orders], Wish())
    assert found.at(quiet.columns[:1]).tolist()[0] == pytest.approx([0, 0], abs=0.08)


def test_the_learner_is_chosen_by_those_who_were_held_out():
    trial, _ = planted()
    worth = Worth(100.0, (10.0, 60.0))
    found = choose(trial, worth, Wish(), candidates=("same", "dr"), parts=2, rounds=20)
    assert found.name == "dr"
    assert found.values["dr"].value.mean == max(each.value.mean for each in found.values.values())
    # What nobody can tell apart is left to the plainest: one effect for all.
    flat, _ = planted(2_000, 3, effect=0.0)
    assert choose(flat, Worth(0.0, (1.0, 1.0)), Wish(), candidates=("same", "dr"), parts=2, rounds=20).name == "same"


def test_the_reading_of_a_written_model_answers_alike():
    trial, _ = planted(1_500)
    for name in ("same", "redeemed", "dr", "x"):
        effects = learn_effects(name, trial, trial.orders, Wish())
        model = ResponseModel(trial.names, LEVELS, learn_redemption(trial, Wish()), effects, name)
        again = read_model(model.to_text())
        assert again.outputs == ("redeem 0.10", "redeem 0.20", "extra 0.10", "extra 0.20")
        for ours, theirs in zip(model.predict(trial.columns), again.predict(trial.columns), strict=True):
            assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("name", ["tenure_days", "device", "price_level"])
def test_an_input_that_may_not_set_a_discount_teaches_nothing(name):
    trial, _ = planted(300)
    with pytest.raises(NotAllowed) as caught:
        Trial(trial.columns, (name, "orders_90d", "views_90d"), trial.arm, LEVELS, trial.propensity, trial.orders,
              trial.redeemed, trial.user, trial.campaign)  # fmt: skip
    assert caught.value.field == name


def test_too_few_of_an_arm_teach_nothing():
    trial, _ = planted(300)
    with pytest.raises(NotEnoughData, match="customers of past campaigns are of"):
        trial.check()
