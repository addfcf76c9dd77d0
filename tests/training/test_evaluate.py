from __future__ import annotations

import math

import ir_measures
import numpy as np
import pytest
from checkerboard import NOW, USERS, checkerboard, log_of, shop
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import AP, RR, P, Qrel, R, ScoredDoc, Success, nDCG
from scipy import sparse

from engine.errors import BadInput, NotEnoughData
from training.evaluate import (
    Truth,
    bootstrap_interval,
    evaluate_kinds,
    measure,
    paired_difference,
    periods,
    truth_of,
)
from training.interactions import DAY
from training.models import MODELS
from training.models.top_lists import best_of

N_ITEMS, K = 30, 20


def truth(rows):
    indptr = np.cumsum([0, *(len(row) for row in rows)])
    return Truth(indptr=indptr, items=np.array([item for row in rows for item in sorted(row)], dtype=np.int32))


def lists(rows):
    return np.array([[*row, *[-1] * (K - len(row))] for row in rows], dtype=np.int32).reshape(len(rows), K)


def measured(shown, wanted):
    return measure(lists(shown), truth(wanted), users=np.arange(len(shown)), popularity=np.ones(N_ITEMS), k=K)


SHOWN = st.lists(st.integers(0, N_ITEMS - 1), unique=True, max_size=K)
WANTED = st.sets(st.integers(0, N_ITEMS - 1), max_size=N_ITEMS)
PAIRS = st.lists(st.tuples(SHOWN, WANTED), min_size=1, max_size=6).filter(lambda rows: any(row[1] for row in rows))


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_metrics_equal_ir_measures_where_both_define_them(pairs):
    shown, wanted = [row[0] for row in pairs], [row[1] for row in pairs]
    ours = measured(shown, wanted)
    qrels = [Qrel(str(user), str(item), 1) for user, row in enumerate(wanted) for item in row]
    run = [
        ScoredDoc(str(user), str(item), float(K - place))
        for user, row in enumerate(shown)
        for place, item in enumerate(row)
    ]
    asked = {nDCG @ K: "ndcg@20", P @ K: "precision@20", RR @ K: "mrr@20", Success @ K: "hit_rate@20"}
    small = {R @ K: "recall@20", AP @ K: "map@20"}  # the same only where every wanted item has a place
    theirs = {
        (int(each.query_id), each.measure): each.value
        for each in ir_measures.iter_calc([*asked, *small], qrels, run)
        if run
    }
    for row, user in enumerate(ours.users):
        for metric, name in (asked | (small if len(wanted[user]) <= K else {})).items():
            expected = theirs.get((int(user), metric), 0.0)
            assert ours.per_user[name][row] == pytest.approx(expected, abs=1e-9)


def slow_reference(shown, wanted):
    """Recall and MAP with the ideal cut at 20, straight from their definitions."""
    recall = sum(item in wanted for item in shown) / min(K, len(wanted))
    total, found = 0.0, 0
    for place, item in enumerate(shown, start=1):
        if item in wanted:
            found += 1
            total += found / place
    ideal = sum(1 / math.log2(place + 1) for place in range(1, min(K, len(wanted)) + 1))
    gain = sum(1 / math.log2(place + 1) for place, item in enumerate(shown, start=1) if item in wanted)
    return {"recall@20": recall, "map@20": total / min(K, len(wanted)), "ndcg@20": gain / ideal}


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_metrics_equal_their_definitions_for_truths_of_any_size(pairs):
    ours = measured([row[0] for row in pairs], [row[1] for row in pairs])
    assert ours.users.tolist() == [user for user, row in enumerate(pairs) if row[1]]
    for row, user in enumerate(ours.users):
        for name, expected in slow_reference(*pairs[user]).items():
            assert ours.per_user[name][row] == pytest.approx(expected, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([-np.inf, 0.0, 1.0, 2.0]), min_size=1, max_size=40), st.integers(0, 45))
def test_the_best_are_those_of_a_stable_sort_whatever_the_ties(values, n):
    line = np.array(values, dtype=np.float32)
    expected = [place for place in np.argsort(-line, kind="stable") if line[place] > -np.inf][:n]
    items, scores = best_of(line[None, :], n)
    assert items.shape == (1, n) and items[0, : len(expected)].tolist() == expected
    assert (items[0, len(expected) :] == -1).all() and np.isneginf(scores[0, len(expected) :]).all()


def test_coverage_and_novelty_come_from_what_was_shown():
    popularity = np.zeros(N_ITEMS, dtype=np.int64)
    popularity[:2] = 6, 2
    ours = measure(lists([[0, 1], [0]]), truth([{5}, {6}]), users=np.arange(2), popularity=popularity, k=K)
    total = 8 + (N_ITEMS - 2)  # what nobody bought counts as bought once
    assert ours.catalogue["coverage@20"] == pytest.approx(2 / N_ITEMS)
    expected = -(2 * math.log2(6 / total) + math.log2(2 / total)) / 3
    assert ours.catalogue["novelty@20"] == pytest.approx(expected)
    assert measured([[]], [{1}]).catalogue == {"coverage@20": 0.0, "novelty@20": 0.0}


@pytest.mark.parametrize(
    ("rows", "message"),
    [([[1, 1]], "twice"), ([[N_ITEMS]], "catalogue"), ([[-2]], "catalogue"), ([[1], [2]], "one list a user")],
)
def test_bad_lists_are_refused(rows, message):
    with pytest.raises(BadInput, match=message):
        measure(lists(rows), truth([{1}]), users=np.arange(1), popularity=np.ones(N_ITEMS))


def test_the_truth_is_split_into_repeats_and_news_among_the_known():
    before = shop(log_of([(0, 0), (1, 1)], 3, 4))
    after = log_of([(0, 0), (0, 0), (0, 1), (1, 3), (2, 0)], 3, 4)  # user 2 and item 3 were unknown
    found = {kind: truth_of(after, before, kind=kind) for kind in ("whole", "repeat", "new")}
    assert {kind: each.items.tolist() for kind, each in found.items()} == {"whole": [0, 1], "repeat": [0], "new": [1]}
    assert all(each.sizes[1:].sum() == 0 for each in found.values())


def test_own_frequency_knows_every_repeat_and_a_kind_without_a_truth_is_left_out():
    board = checkerboard()
    result = MODELS["frequency"].fit(board)
    found = evaluate_kinds(result, board, board.log)
    assert set(found) == {"whole", "repeat"}
    again = found["repeat"]
    assert again.means()["recall@20"] == again.means()["ndcg@20"] == 1.0 and len(again.users) == USERS


def test_a_bootstrap_interval_holds_the_mean_and_repeats_with_its_seed():
    values = np.random.default_rng(1).random(400)
    interval = bootstrap_interval(values, 7)
    assert interval == bootstrap_interval(values, 7) != bootstrap_interval(values, 8)
    assert interval.low < interval.mean < interval.high
    assert interval.mean == pytest.approx(values.mean())
    # The normal approximation of a mean's interval, which 400 values follow closely.
    half = 1.96 * values.std() / 20
    assert interval.high - interval.low == pytest.approx(2 * half, rel=0.1)
    with pytest.raises(NotEnoughData):
        bootstrap_interval(np.zeros(0), 7)


def test_a_paired_difference_sees_what_separate_intervals_hide():
    base = np.random.default_rng(2).random(300)
    better = paired_difference(base + 0.01, base, 3)
    assert better.low > 0.0099 and better.high < 0.0101
    apart = bootstrap_interval(base + 0.01, 3), bootstrap_interval(base, 3)
    assert apart[0].low < apart[1].high
    with pytest.raises(BadInput):
        paired_difference(base, base[:-1], 3)


def test_periods_are_two_horizons_before_the_end():
    cuts = periods(NOW, 28)
    assert (cuts.validation, cuts.test, cuts.end) == (NOW - 56 * DAY, NOW - 28 * DAY, NOW)
    with pytest.raises(BadInput):
        periods(NOW, 0)


def test_a_truth_from_a_matrix_is_its_stored_pairs():
    from training.evaluate import truth_from

    made = truth_from(sparse.csr_matrix(np.array([[0.0, 2.0], [0.0, 0.0]])))
    assert made.sizes.tolist() == [1, 0] and made.items.tolist() == [1]
