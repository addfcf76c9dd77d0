"""Calibration: what is said comes true as often as it is said."""

from __future__ import annotations

import numpy as np
import pytest

from training.predictions.accuracy import calibration_error, error_by_chance
from training.predictions.calibration import calibrate, log_odds, logistic


def drawn(rows: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, raw odds that are bent and far too sure, and outcomes."""
    rng = np.random.default_rng(seed)
    truth = rng.beta(1, 3, rows)
    bent = 3 * log_odds(truth) + np.where(truth > 0.5, 2.0, 0.0)
    return truth, bent, rng.random(rows) < truth


@pytest.mark.parametrize(("rows", "steps"), [(400, False), (6000, True)])
def test_probabilities_come_true_where_raw_scores_do_not(rows, steps):
    _, raw, outcomes = drawn(rows)
    truth, fresh, later = drawn(20_000, seed=2)
    found = calibrate(raw, outcomes)
    assert bool(len(found.at)) == steps
    said = found(fresh)
    assert calibration_error(said, later) < calibration_error(logistic(fresh), later) / 3
    assert np.abs(said - truth).mean() < (0.03 if steps else 0.06)


def test_a_higher_score_never_gets_a_lower_probability_and_only_equal_scores_share_one():
    _, raw, outcomes = drawn(5000)
    said = calibrate(raw, outcomes)(np.linspace(-25, 25, 2000))
    assert (np.diff(said) > 0).all()
    assert 0 < said[0] < said[-1] < 1


def test_drawing_a_row_three_times_is_weighing_it_three_times():
    _, raw, outcomes = drawn(3000)
    times = np.random.default_rng(3).integers(0, 4, len(raw))
    weighed = calibrate(raw, outcomes, times)
    repeated = calibrate(np.repeat(raw, times), np.repeat(outcomes, times))
    probe = np.linspace(-10, 10, 101)
    assert weighed(probe) == pytest.approx(repeated(probe), abs=1e-9)


def test_few_and_equal_outcomes_give_no_certainty():
    said = calibrate(np.linspace(-3, 3, 20), np.ones(20, bool))(np.linspace(-3, 3, 20))
    assert (said > 0.5).all()
    assert (said < 1).all()


def test_the_error_by_chance_is_what_perfect_probabilities_rarely_exceed():
    truth, _, outcomes = drawn(2000)
    limit = error_by_chance(truth, seed=1)
    assert 0.005 < limit < 0.05
    assert calibration_error(truth, outcomes) < limit
    assert calibration_error(np.clip(truth + 0.1, 0, 1), outcomes) > limit
