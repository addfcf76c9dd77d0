"""The largest inner products among vectors that stand longest first; held against comparing all."""

from __future__ import annotations

import numpy as np
import pytest

from engine.longest import PART, ends_of, most_alike

D = 12


def longest_first(n, spread, seed=5):
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(n, D)) * np.exp(spread * random.normal(size=(n, 1)))
    return vectors[np.argsort(-np.linalg.norm(vectors, axis=1))].astype(np.float32)


def asked(vectors, query, n):
    ids = np.arange(len(vectors))[::-1] + 1_000
    rests = np.linalg.norm(vectors[ends_of(len(vectors)) - 1], axis=1)
    return ids, *most_alike(vectors, ids, rests, query.astype(np.float32), n)


@pytest.mark.parametrize("spread", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("m", [1, 99, PART, PART + 1, 10 * PART - 3])
@pytest.mark.parametrize("n", [1, 100, 700])
def test_they_are_those_that_comparing_all_finds_best_first(m, n, spread):
    vectors = longest_first(m, spread)
    for query in np.random.default_rng(m).normal(size=(20, D)):
        ids, found, scores, compared = asked(vectors, query, n)
        products = vectors.astype(np.float64) @ query
        # Of those that differ by a rounding any may come first.
        best, reached = -np.sort(-products)[:n], products[ids[0] - found]
        np.testing.assert_allclose(reached, best, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(scores, reached, rtol=1e-4, atol=1e-5)
        assert len(set(found.tolist())) == len(best)
        assert (found.dtype, scores.dtype) == (np.int32, np.float32)
        assert min(n, m) <= compared <= m


def test_where_lengths_differ_the_search_is_soon_over_and_where_they_do_not_all_are_compared():
    query = np.random.default_rng(1).normal(size=D)
    assert asked(longest_first(20 * PART, 2.0), query, 10)[3] <= 2 * PART
    assert asked(longest_first(20 * PART, 0.0), query, 500)[3] > 15 * PART


def test_of_equal_ones_the_longer_and_among_those_the_first_comes_first():
    vectors = np.zeros((4, 2), np.float32)
    vectors[:, 0], vectors[0, 1], vectors[1, 1] = 1, 5, 3
    _, found, scores, _ = asked(vectors, np.array([1.0, 0.0]), 3)
    assert (found.tolist(), scores.tolist()) == ([1_003, 1_002, 1_001], [1, 1, 1])


def test_a_query_without_a_direction_is_answered_too():
    _, found, scores, compared = asked(longest_first(3 * PART, 1.0), np.zeros(D), 5)
    assert (len(found), scores.tolist(), compared) == (5, [0] * 5, PART)


def test_a_query_of_another_length_is_refused():
    with pytest.raises(ValueError, match="3 numbers for vectors of 12"):
        asked(longest_first(5, 1.0), np.zeros(3), 2)
