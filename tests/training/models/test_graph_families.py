"""What is peculiar to the families that filter over the graph of users and items."""

from __future__ import annotations

import numpy as np
import pytest
from checkerboard import ITEMS, USERS, checkerboard, log_of, shop
from scipy import sparse

from training.models import MODELS
from training.models.contract import score_users
from training.models.graph_filter import right_singular_vectors


def test_singular_vectors_span_what_the_dense_decomposition_says():
    dense = np.random.default_rng(5).random((30, 20)).astype(np.float32)
    dense[dense < 0.7] = 0.0
    matrix = sparse.csr_matrix(dense)
    ours = right_singular_vectors(matrix, matrix.T.tocsr(), 4, seed=1)
    _, _, exact = np.linalg.svd(dense)
    assert ours.T @ ours == pytest.approx(np.eye(4), abs=1e-4)
    assert np.abs(ours.T @ exact[:4].T) == pytest.approx(np.eye(4), abs=1e-3)


def test_graph_filter_equals_its_formula_on_both_ways_through_the_users(monkeypatch):
    board = checkerboard()
    params = {"rank": 2, "low_rank": 0.3, "half_life_days": float("inf"), "item_power": 0.5, "binary": True}
    r = (board.matrix.toarray() > 0).astype(float)
    smooth = r / np.sqrt(r.sum(axis=1, keepdims=True)) / np.sqrt(r.sum(axis=0))
    v = np.linalg.svd(smooth)[2][:2].T
    scale = 1 / np.sqrt(r.sum(axis=0))
    expected = r @ smooth.T @ smooth + 0.3 * (r * scale) @ v @ v.T / scale
    for dense_from in (0.0, 2.0):
        monkeypatch.setattr("training.models.graph_filter._DENSE_FROM", dense_from)
        items, scores = score_users(MODELS["graph_filter"].fit(board, params), board, np.arange(USERS), ITEMS)
        for user in range(USERS):
            listed = items[user] >= 0
            assert set(items[user, listed]) == set(np.flatnonzero(expected[user] > 1e-6))
            assert scores[user, listed] == pytest.approx(expected[user, items[user, listed]], abs=1e-3)


def test_graph_and_factors_add_what_both_say_each_measured_by_its_best_new_item():
    board = checkerboard()
    params = {"rank": 0, "half_life_days": float("inf"), "item_power": 0.5, "binary": True, "factors": 3}
    r = (board.matrix.toarray() > 0).astype(float)
    smooth = r / np.sqrt(r.sum(axis=1, keepdims=True)) / np.sqrt(r.sum(axis=0))
    graph = r @ smooth.T @ smooth
    als = MODELS["als"].fit(board, {"factors": 3, "half_life_days": float("inf")}, seed=4)
    factors = als.users.astype(float) @ als.items.T
    expected = sum(
        part * each / np.where(r > 0, -np.inf, each).max(axis=1, keepdims=True)
        for part, each in ((1.0, graph), (0.4, factors))
    )
    both = MODELS["graph_and_factors"].fit(board, {**params, "factors_part": 0.4}, seed=4)
    items, scores = score_users(both, board, np.arange(USERS), ITEMS)
    for user in range(USERS):
        listed = items[user] >= 0
        assert set(items[user, listed]) == set(np.flatnonzero(graph[user] > 1e-6))
        assert scores[user, listed] == pytest.approx(expected[user, items[user, listed]], abs=1e-4)


def test_graph_and_factors_without_factors_is_the_graph_filter():
    board = checkerboard()
    alone = MODELS["graph_filter"].fit(board, {"rank": 2})
    both = MODELS["graph_and_factors"].fit(board, {"rank": 2, "factors": 2, "factors_part": 0.0})
    assert np.array_equal(both.items, alone.items) and np.array_equal(both.indptr, alone.indptr)


def test_graph_and_factors_list_what_was_bought_where_nothing_new_is_within_reach():
    # User 2 shares nothing with anybody: there is no new item to measure by, and the own two are listed.
    town = shop(log_of([(0, 0), (0, 1), (1, 0), (1, 2), (2, 3), (2, 4)], 3, 5))
    both = MODELS["graph_and_factors"].fit(town, {"rank": 0, "factors": 2})
    whole, _ = score_users(both, town, np.arange(3), 5)
    new, _ = score_users(both, town, np.arange(3), 5, kind="new")
    assert set(whole[2].tolist()) == {3, 4, -1}
    assert new[2].tolist() == [-1] * 5 and new[0].tolist() == [2, -1, -1, -1, -1]
