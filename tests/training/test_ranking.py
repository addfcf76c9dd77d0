"""The learned order: what is exported is what LightGBM learned, and it is asked the same thing as it was taught."""

from __future__ import annotations

import dataclasses

import lightgbm
import numpy as np
import pytest

from engine.bundle import Bundle
from engine.errors import NotEnoughData
from engine.recommend import ranking as asked
from engine.recommend.features import FEATURES, columns
from engine.recommend.placements import PLACEMENTS
from engine.recommend.query import Query
from engine.recommend.recommender import candidates
from engine.storage.releases import open_bundle
from tests.trained import TINY
from training import ranking
from training.evaluate import truth_of
from training.interactions import DAY
from training.ranking import Replay
from training.snapshot import interactions_at, snapshot


def a_replay(seed: int, users: int = 60, each: int = 40) -> Replay:
    """Columns of different scales, some of a few values only; the first two decide what is bought."""
    random = np.random.default_rng(seed)
    n = users * each
    values = random.normal(size=(n, len(FEATURES))) * 10.0 ** (np.arange(len(FEATURES)) % 7 - 3)
    values[:, 2::3] = np.round(values[:, 2::3])
    values[:, 5] = 0.0
    wish = values[:, 0] / values[:, 0].std() + np.abs(values[:, 1]) / values[:, 1].std() + random.normal(size=n)
    return Replay(values.astype(np.float32), wish > np.quantile(wish, 0.9), np.full(users, each))


def boosters(monkeypatch) -> list[lightgbm.Booster]:
    """LightGBM's own models, in the order in which `learn` makes them."""
    kept, train = [], lightgbm.train
    monkeypatch.setattr(lightgbm, "train", lambda *args: kept.append(train(*args)) or kept[-1])
    return kept


@pytest.mark.parametrize("seed", range(3))
def test_the_exported_arrays_give_lightgbms_own_predictions(seed, monkeypatch):
    kept = boosters(monkeypatch)
    learned = ranking.learn([a_replay(seed), a_replay(seed + 10, users=20)], seed=1, threads=1)
    stumps, trees = kept
    assert learned.split_at.shape[0] == trees.num_trees() == 64
    random = np.random.default_rng(seed + 100)
    unseen = a_replay(seed + 20).columns * random.choice([0, 1, 1, 1, 2], (2400, len(FEATURES)))
    unseen = unseen.astype(np.float32)
    # A stump that found nothing to split is the same constant for every candidate, and is left out.
    constant = stumps.predict(unseen[:1])[0] - asked.additive(learned, unseen[:1].T)[0]
    np.testing.assert_allclose(asked.additive(learned, unseen.T) + constant, stumps.predict(unseen), atol=1e-9)
    np.testing.assert_allclose(asked.trees(learned, unseen.T), trees.predict(unseen), atol=1e-9)
    assert np.ptp(trees.predict(unseen)) > 0.1


def test_with_chances_the_score_is_the_mean_of_both_kinds_of_trees(monkeypatch):
    kept = boosters(monkeypatch)
    learned = ranking.learn([a_replay(1), a_replay(11)], seed=1, threads=1, trees=(12, 20))
    stumps, by_order, by_chance = kept
    assert (by_order.num_trees(), by_chance.num_trees(), len(learned.split_at)) == (12, 20, 32)
    unseen = a_replay(21).columns
    expected = (stumps.predict(unseen) + by_order.predict(unseen) + by_chance.predict(unseen, raw_score=True)) / 2
    found = asked.additive(learned, unseen.T) + asked.trees(learned, unseen.T)
    np.testing.assert_allclose(found - found[0], expected - expected[0], atol=1e-9)
    assert np.ptp(by_chance.predict(unseen, raw_score=True)) > 0.1


def test_chances_know_what_decides_as_well():
    unseen = a_replay(4)
    learned = ranking.learn([a_replay(3)], seed=1, threads=1, trees=ranking.BY_BOTH)
    hits = []
    for group in unseen.groups():
        order, _ = asked.order(learned, unseen.columns[group].T)
        hits.append(unseen.bought[group][order[:4]].mean())
    assert np.mean(hits) > 3 * unseen.bought.mean()


def test_where_everything_was_bought_chances_are_still_numbers():
    told = a_replay(3)
    everything = dataclasses.replace(told, bought=np.ones(len(told.bought), bool))
    learned = ranking.learn([everything], seed=1, threads=1, trees=ranking.BY_BOTH)
    for each in dataclasses.fields(learned):
        assert np.isfinite(getattr(learned, each.name)).all()


def test_values_on_the_thresholds_themselves_fall_on_the_same_side(monkeypatch):
    kept = boosters(monkeypatch)
    learned = ranking.learn([a_replay(1)], seed=1, threads=1)
    on_steps = np.zeros((len(learned.steps), len(FEATURES)))
    for feature in range(len(FEATURES)):
        at = slice(learned.step_starts[feature], learned.step_starts[feature + 1])
        on_steps[at, feature] = learned.steps[at]
    on_steps[np.abs(on_steps) < 1e-30] = 0.0  # LightGBM's border of zero, 1e-35: it takes what lies on it for zero
    for values in (on_steps.astype(np.float32), np.nextafter(on_steps.astype(np.float32), np.inf, dtype=np.float32)):
        ours, theirs = asked.additive(learned, values.T), kept[0].predict(values)
        np.testing.assert_allclose(ours - ours[0], theirs - theirs[0], atol=1e-9)
        np.testing.assert_allclose(asked.trees(learned, values.T), kept[1].predict(values), atol=1e-9)


def test_what_decides_is_found():
    learned = ranking.learn([a_replay(3)], seed=1, threads=1)
    unseen = a_replay(4)
    hits = []
    for group in unseen.groups():
        order, _ = asked.order(learned, unseen.columns[group].T)
        hits.append(unseen.bought[group][order[:4]].mean())
    assert np.mean(hits) > 3 * unseen.bought.mean()


def test_the_same_replay_and_seed_give_the_same_arrays():
    one, again = (ranking.learn([a_replay(5)], seed=1, threads=1) for _ in range(2))
    for each in dataclasses.fields(one):
        np.testing.assert_array_equal(getattr(one, each.name), getattr(again, each.name))


def test_too_few_users_teach_nothing():
    with pytest.raises(NotEnoughData, match=r"needs 30 users with a history .* there are 29"):
        ranking.learn([a_replay(1, users=29)], seed=1, threads=1)


@pytest.fixture(scope="module")
def past(tiny_data) -> Bundle:
    """The tiny shop ten days before its last event, without a ranking."""
    return snapshot(tiny_data, TINY, tiny_data.until - 10 * DAY)


@pytest.fixture(scope="module")
def truths(tiny_data, past):
    seen = interactions_at(tiny_data, TINY, past.manifest.as_of)
    after = tiny_data.log.where(tiny_data.log.time >= past.manifest.as_of)
    return {kind: truth_of(after, seen, kind=kind) for kind in ("whole", "new")}


@pytest.mark.parametrize(("placement", "kind"), [("home", "whole"), ("discover", "new")])
def test_the_columns_of_a_replay_are_those_that_a_storefront_computes(placement, kind, past, truths, tmp_path):
    """Training looks at arrays in memory; the storefront at those of a saved bundle, by the user's id."""
    truth = truths[kind]
    taught = ranking.replay(past, PLACEMENTS[placement], truth, 10_000, seed=1)
    past.save(tmp_path / "saved")
    served = Bundle.load(tmp_path / "saved")
    blocks = []
    for user in np.flatnonzero(truth.sizes > 0):
        profile = served.profile(served.users.ids[int(user)])
        assert profile is not None
        query = Query(PLACEMENTS[placement], profile, float(served.manifest.as_of))
        pool = candidates(query, served, query.placement.sources)
        wanted = truth.items[truth.indptr[user] : truth.indptr[user + 1]]
        if len(profile) and np.isin(pool.rows, wanted).any():
            blocks.append(columns(profile, served, pool, query.now).T)
    assert len(blocks) == len(taught.sizes) > 30
    np.testing.assert_array_equal(np.concatenate(blocks), taught.columns)


def test_a_replay_labels_what_was_bought_next(past, truths):
    found = ranking.replay(past, PLACEMENTS["home"], truths["whole"], 10_000, seed=1)
    assert found.columns.shape == (found.sizes.sum(), len(FEATURES))
    assert np.isfinite(found.columns).all()
    assert all(found.bought[group].any() for group in found.groups())
    assert found.bought.sum() <= truths["whole"].sizes.sum()


def test_a_sample_of_the_users_is_the_same_each_time(past, truths):
    some = [ranking.replay(past, PLACEMENTS["home"], truths["whole"], 20, seed=seed) for seed in (1, 1, 2)]
    assert len(some[0].sizes) <= 20
    np.testing.assert_array_equal(some[0].columns, some[1].columns)
    assert some[0].columns.shape != some[2].columns.shape or not np.array_equal(some[0].columns, some[2].columns)


def test_the_published_rankings_are_those_that_were_learned(trained_home):
    bundle = open_bundle(trained_home)
    for name in ("home", "discover"):
        learned = bundle.rankings[name]
        assert len(learned.steps) > 0
        assert learned.leaf_value.any()
