"""AUC, with ties, by subject, and with intervals over users."""

from __future__ import annotations

import numpy as np
import pytest

from training.predictions.accuracy import Judged, auc, auc_difference, auc_interval, lift


def by_pairs(scores, outcomes):
    above = [(s > t) + 0.5 * (s == t) for s in scores[outcomes] for t in scores[~outcomes]]
    return np.mean(above)


def judged(scores, outcomes, users=None, subjects=None):
    n = len(scores)
    return Judged(
        scores,
        outcomes,
        np.arange(n) if users is None else users,
        np.zeros(n, np.int64) if subjects is None else subjects,
    )


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_auc_is_the_share_of_pairs_in_order_and_ties_count_half(levels):
    rng = np.random.default_rng(levels)
    scores, outcomes = rng.integers(0, levels, 300).astype(float), rng.random(300) < 0.3
    assert auc(scores, outcomes) == pytest.approx(by_pairs(scores, outcomes))


def test_auc_of_one_kind_of_outcome_is_unknown():
    assert np.isnan(auc(np.arange(5.0), np.ones(5, bool)))


def test_the_interval_is_as_wide_as_the_spread_over_fresh_samples():
    rng = np.random.default_rng(1)

    def sample():
        outcomes = rng.random(400) < 0.4
        return rng.normal(outcomes.astype(float), 1.0), outcomes

    spread = np.quantile([auc(*sample()) for _ in range(300)], [0.025, 0.975])
    found = auc_interval(judged(*sample()), seed=1)
    assert found.high - found.low == pytest.approx(spread[1] - spread[0], rel=0.25)
    assert found.low < found.mean < found.high


def test_users_with_many_rows_count_once():
    """The same rows ten times over make nobody surer."""
    rng = np.random.default_rng(2)
    outcomes = rng.random(200) < 0.5
    scores = rng.normal(outcomes.astype(float), 1.0)
    once = auc_interval(judged(scores, outcomes), seed=1)
    often = auc_interval(
        judged(np.repeat(scores, 10), np.repeat(outcomes, 10), np.repeat(np.arange(200), 10)), seed=1
    )  # fmt: skip
    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_a_model_is_compared_with_itself_user_by_user():
    rng = np.random.default_rng(3)
    outcomes = rng.random(300) < 0.5
    scores = rng.normal(outcomes.astype(float), 1.0)
    same = auc_difference(judged(scores, outcomes), judged(2 * scores + 1, outcomes), seed=1)
    assert (same.low, same.mean, same.high) == (0.0, 0.0, 0.0)
    worse = auc_difference(judged(scores, outcomes), judged(rng.normal(size=300), outcomes), seed=1)
    assert worse.low > 0.1


def test_what_is_merely_popular_gains_nothing_across_subjects():
    """A subject that half of all buy and one that few buy: knowing only which is which is knowing nothing."""
    rng = np.random.default_rng(4)
    subjects = np.tile([0, 1], 2000)
    outcomes = rng.random(4000) < np.where(subjects == 0, 0.5, 0.05)
    scores = np.where(subjects == 0, 1.0, 0.0)
    assert auc(scores, outcomes) > 0.7
    found = auc_interval(judged(scores, outcomes, np.repeat(np.arange(2000), 2), subjects), seed=1)
    assert found.mean == 0.5


def test_lift_is_how_much_oftener_it_came_true_on_top():
    assert lift(np.arange(100.0), np.arange(100) >= 80) == pytest.approx(5.0)
