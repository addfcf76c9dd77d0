"""What is summed is each row once, by the sum of what speaks for it, best first; held against the plain way."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from engine.compiled import PLACES, WHOLE, compiled
from engine.learned import Neighbours
from engine.summed import DAY, best_first, called, called_by_groups, foremost, interests, summed

NOW = 1_750_000_000.0


def plainly(pairs):
    """[(row, sum)] of the rows whose sum is above 0, best first, of equal ones the lower row first."""
    sums = defaultdict(float)
    for row, weight in pairs:
        sums[int(row)] += float(weight)
    return sorted(
        ((row, np.float32(each)) for row, each in sums.items() if np.float32(each) > 0), key=lambda e: (-e[1], e[0])
    )


def same(found, pairs):
    wanted = plainly(pairs)
    rows, scores = found
    assert (rows.dtype, scores.dtype) == (np.int32, np.float32)
    np.testing.assert_allclose(scores, [each for _, each in wanted], rtol=1e-6)
    # Sums that differ by a rounding may change places; what stands where is the same set with the same sums.
    assert dict(zip(rows.tolist(), scores.tolist(), strict=True)) == pytest.approx(dict(wanted), rel=1e-6)
    assert (np.diff(scores) <= 0).all()


@pytest.fixture(params=range(5))
def random(request):
    return np.random.default_rng(request.param)


def test_rows_that_come_often_are_there_once(random):
    rows = random.integers(0, 2**31 - 1, 40).astype(np.int32)[random.integers(0, 40, 400)]
    weights = random.normal(0.2, 1, 400)
    same(summed(rows, weights), zip(rows, weights, strict=True))


def test_of_equal_ones_the_lower_row_comes_first():
    rows, scores = summed(np.array([7, 3, 9, 3, 1], np.int32), np.array([2.0, 1.0, 2.0, 1.0, 0.5]))
    assert (rows.tolist(), scores.tolist()) == ([3, 7, 9, 1], [2, 2, 2, 0.5])


def test_what_speaks_for_nothing_is_not_there():
    rows, scores = best_first(np.arange(5, dtype=np.int32), np.array([0.0, 2.0, -1.0, -0.0, 3.0], np.float32))
    assert (rows.tolist(), scores.tolist()) == ([4, 1], [3, 2])
    assert len(summed(np.zeros(0, np.int32), np.zeros(0))[0]) == 0


def test_anchors_call_the_first_of_their_lists_and_those_without_one_nobody(random):
    lengths = random.integers(0, 9, 30)
    indptr = np.r_[0, np.cumsum(lengths)].astype(np.int32)
    near = Neighbours(
        indptr, random.integers(0, 50, indptr[-1]).astype(np.int32), random.random(indptr[-1], np.float32)
    )
    anchors = np.array([*random.integers(0, 30, 12), 30, 4_000, -1], np.int32)
    weights = random.random(len(anchors), np.float32)
    pairs = [
        (row, weight * other)
        for anchor, weight in zip(anchors.tolist(), weights, strict=True)
        if 0 <= anchor < 30
        for row, other in list(zip(*near.of(anchor), strict=True))[:5]
    ]
    same(called(near.indptr, near.items, near.weights, anchors, weights, 5), pairs)


def test_what_happened_fades_by_its_kind_and_what_lies_ahead_counts_as_new(random):
    n = 200
    items, types = random.integers(0, 60, n).astype(np.int32), random.integers(0, 4, n).astype(np.uint8)
    ages = random.random(n) * 90 - 5
    times = (NOW - ages * DAY).astype(np.int64)
    weights, half_lives = np.array([1, -0.5, 3, 0], np.float32), np.array([7, 30, 60, 1], np.float32)
    days = np.maximum(NOW - times, 0) / DAY
    same(
        interests(items, types, times, weights, half_lives, NOW),
        zip(items, weights[types] * 0.5 ** (days / half_lives[types]), strict=True),
    )


def test_other_types_are_refused_and_not_read_as_these():
    with pytest.raises(TypeError):
        summed(np.zeros(3, np.int64), np.zeros(3))
    with pytest.raises(TypeError):
        summed(np.zeros(6, np.int32)[::2], np.zeros(3))


def test_lists_that_end_behind_the_last_place_are_refused():
    rows, nothing = np.zeros(1, np.int32), np.zeros(0, np.float32)
    with pytest.raises(IndexError):
        called(np.array([0, 3], np.int32), np.zeros(0, np.int32), nothing, rows, np.ones(1, np.float32), 5)


def test_groups_call_by_the_sum_of_what_speaks_for_each_and_only_the_strongest_do(random):
    lengths = random.integers(0, 9, 30)
    indptr = np.r_[0, np.cumsum(lengths)].astype(np.int32)
    lists = Neighbours(
        indptr, random.integers(0, 50, indptr[-1]).astype(np.int32), random.random(indptr[-1], np.float32)
    )
    groups, weights = random.integers(-1, 34, 40).astype(np.int32), random.random(40, np.float32)
    known = groups >= 0
    strongest = plainly(zip(groups[known], weights[known].astype(np.float64), strict=True))[:6]
    pairs = [
        (row, weight * other)
        for group, weight in strongest
        if group < 30
        for row, other in list(zip(*lists.of(group), strict=True))[:5]
    ]
    same(called_by_groups(*(lists.indptr, lists.items, lists.weights), groups, weights, 6, 5), pairs)


@compiled(PLACES, WHOLE)
def the_foremost(keys, most):
    return foremost(keys, most)


@pytest.mark.parametrize("spread", [0.0, 0.1, 3.0, 15.0])
@pytest.mark.parametrize("most", [1, 50, 499, 500, 900])
def test_the_foremost_are_those_that_sorting_puts_first(random, spread, most):
    scores = np.exp(spread * random.normal(size=500)).astype(np.float32)
    keys = -(scores.view(np.int32).astype(np.int64) << 32) | random.permutation(500)
    assert sorted(the_foremost(keys, most).tolist()) == sorted(keys.tolist())[:most]
