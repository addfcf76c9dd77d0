"""Who changed since the vectors were learned gets the vector that solves their own equations; held against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from engine.fold_in import folded_in, in_common

D, N, RIDGE = 24, 3_000, 5.0


@pytest.fixture(scope="module", params=(0.0, 2.0), ids=("even lengths", "uneven lengths"))
def items(request):
    random = np.random.default_rng(7)
    lengths = np.exp(request.param * random.normal(size=(N, 1)))
    return (random.normal(size=(N, D)) * lengths).astype(np.float32)


def plainly(items, rows, confidence):
    """The equations of Hu, Koren and Volinsky as they stand."""
    every, own, sure = items.astype(np.float64), items[rows].astype(np.float64), confidence.astype(np.float64)
    left = every.T @ every + RIDGE * np.eye(items.shape[1]) + own.T @ (own * sure[:, None])
    return np.linalg.solve(left, own.T @ (1 + sure))


@pytest.mark.parametrize("n", [1, 2, 15, D, 400])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3, 1e6])
def test_the_vector_solves_the_equations_however_many_and_however_sure_the_signs_are(items, n, scale):
    random = np.random.default_rng(n)
    rows = random.choice(N, n, replace=False)
    confidence = (scale * random.random(n)).astype(np.float32)
    wanted = plainly(items, rows, confidence)
    found = folded_in(items[rows], confidence, in_common(items, RIDGE))
    assert found.dtype == np.float32
    # What everybody has in common is summed up in single precision, part by part.
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())


def test_items_that_were_never_sold_say_nothing_of_anybody():
    items = np.zeros((40, 6), np.float32)
    assert folded_in(items[:3], np.ones(3, np.float32), in_common(items, 0.0)).tolist() == [0.0] * 6


def test_nobody_without_items_has_a_direction(items):
    none = folded_in(items[:0], np.zeros(0, np.float32), in_common(items, RIDGE))
    assert none.tolist() == [0.0] * D
