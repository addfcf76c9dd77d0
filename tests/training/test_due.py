"""Chances of what is due again: learned where they were planted, calibrated, judged on lists as they are served."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.recommend.features import FEATURES
from tests.bundles import AS_OF, toy_bundle
from training.due import figures, judge_due, learn_due, replay_due
from training.evaluate import Truth
from training.ranking import Replay

PACE = FEATURES.index("own_pace")


def planted(seed: int, n_users: int = 400, *, times: float = 1.0) -> tuple[Replay, np.ndarray]:
    """Who buys an item so often a week buys it with a chance of `times` a tenth of that; other columns are noise."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 12, n_users)
    columns = random.normal(size=(int(sizes.sum()), len(FEATURES))).astype(np.float32)
    columns[:, PACE] = random.random(len(columns)) * 5
    chance = np.clip(0.1 * times * columns[:, PACE], 0, 1).astype(np.float64)
    return Replay(columns, random.random(len(columns)) < chance, sizes), chance


def test_planted_chances_are_found_and_come_as_often_as_they_are_said():
    past = [planted(seed)[0] for seed in range(3)]
    model = learn_due(past, seed=1, threads=1)
    new, chance = planted(9)
    from engine.recommend import ranking

    said = model.chance.of(ranking.additive(model.ranking, new.columns.T))
    assert np.abs(said - chance).mean() < 0.05
    assert model.calibration in ("line", "steps")
    assert model.held_out["called due"]["calibration error"] < 0.06
    assert figures(said, new.bought, seed=1)["calibration error"] < 0.06
    assert (np.diff(model.chance.scores) > 0).all()
    assert (np.diff(model.chance.chances) >= 0).all()


def test_the_last_period_decides_how_high_chances_are():
    """Where everybody buys half as often as before, the calibration says so."""
    model = learn_due([planted(1)[0], planted(2)[0], planted(3, times=0.5)[0]], seed=1, threads=1)
    said = model.chance.chances.max()
    assert said < 0.4


@pytest.mark.parametrize("past", [[0], [1, 1], [2]])
def test_too_little_teaches_nothing(past):
    few = planted(1, n_users=5)[0]
    assert learn_due([few] * len(past), seed=1, threads=1) is None
    never = replace(planted(1)[0], bought=np.zeros(len(planted(1)[0].bought), bool))
    assert learn_due([never, never], seed=1, threads=1) is None


@pytest.fixture(scope="module")
def bundle():
    return toy_bundle(n_users=40)


def everything(bundle) -> Truth:
    """Everybody bought every item in the week after."""
    n_users, n_items = len(bundle.users), len(bundle.items)
    return Truth(np.arange(n_users + 1) * n_items, np.tile(np.arange(n_items, dtype=np.int32), n_users))


def nothing(bundle) -> Truth:
    return Truth(np.zeros(len(bundle.users) + 1, np.int64), np.zeros(0, np.int32))


def test_a_replay_is_of_everybody_also_of_those_who_then_bought_nothing(bundle):
    silent, loud = (replay_due(bundle, each(bundle), 1_000, seed=1) for each in (nothing, everything))
    assert not silent.bought.any()
    assert loud.bought.all()
    assert len(silent.sizes) == len(loud.sizes) > 20
    assert silent.sizes.sum() == len(silent.bought) == len(silent.columns)
    np.testing.assert_array_equal(silent.columns, loud.columns)
    assert len(replay_due(bundle, nothing(bundle), 7, seed=1).sizes) <= 7
    assert (silent.columns[:, FEATURES.index("own_since_last")] >= 2).all()


def test_served_lists_are_held_against_what_was_bought(bundle):
    found = judge_due(bundle, everything(bundle), seed=1)
    assert found["called due"]["came"] == 1.0
    assert found["called due"]["items"] >= found["first 20"]["items"] > 0
    assert found["called due"]["calibration error"] == pytest.approx(1.0 - found["called due"]["said"])
    assert judge_due(bundle, nothing(bundle), seed=1)["called due"]["came"] == 0.0


def test_without_a_learned_chance_there_is_nothing_to_judge(bundle):
    assert judge_due(replace(bundle, chances={}), everything(bundle), seed=1) == {}
    assert bundle.manifest.as_of == AS_OF
