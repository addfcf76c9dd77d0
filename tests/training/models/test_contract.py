"""One suite that every family passes."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from checkerboard import ITEMS, USERS, checkerboard, log_of, shop, withheld

from engine.errors import BadInput, NotEnoughData
from engine.visits import Followers, Visits
from training.models import MODELS
from training.models.contract import Factors, Neighbours, Scores, score_users

#: A toy shop needs a toy's parameters where the defaults are made for thousands of users.
TOY = {
    "als": {"factors": 4, "regularization": 0.1},
    "bpr": {"factors": 4, "iterations": 200, "learning_rate": 0.05, "regularization": 0.01},
    "hybrid": {"factors": 4, "epochs": 20},
    "graph_filter": {"rank": 2},
    "graph_and_factors": {"rank": 2, "factors": 4, "regularization": 0.1},
    "user_neighbours": {"neighbours": 10},
    "transitions": {"gap_minutes": float("inf")},
    "visit_neighbours": {"gap_minutes": float("inf")},
}
PERSONAL = ["als", "bpr", "item_neighbours", "basket", "graph_filter", "user_neighbours", "hybrid"]
PERSONAL += ["graph_and_factors", "transitions", "visit_neighbours"]


def fitted(name, interactions, seed=3):
    return MODELS[name].fit(interactions, TOY.get(name), seed=seed, threads=1)


@pytest.mark.parametrize("name", PERSONAL)
def test_the_withheld_item_of_the_own_colour_comes_first(name):
    board = checkerboard()
    items, _ = score_users(fitted(name, board), board, np.arange(USERS), 3, kind="new")
    first = [int(row[0]) for row in items]
    assert first == [withheld(user) for user in range(USERS)]


@pytest.mark.parametrize("name", MODELS)
def test_a_list_of_each_kind_holds_only_its_kind(name):
    board = checkerboard()
    result = fitted(name, board)
    own = board.bought.toarray() > 0
    for kind, wanted in (("new", False), ("repeat", True)):
        items, scores = score_users(result, board, np.arange(USERS), ITEMS, kind=kind)
        listed = items >= 0
        row = np.nonzero(listed)[0]
        assert (own[row, items[listed]] == wanted).all()
        assert np.isfinite(scores[listed]).all() and np.isneginf(scores[~listed]).all()
        assert (scores[:, 1:] <= scores[:, :-1]).all()


@pytest.mark.parametrize("name", MODELS)
def test_results_are_plain_finite_arrays_of_the_right_shape(name):
    board = checkerboard()
    result = fitted(name, board)
    for each in fields(result):
        array = getattr(result, each.name)
        assert array.dtype in (np.float32, np.int32) and np.isfinite(array).all()
    if isinstance(result, Factors):
        assert result.users.shape == (USERS, result.items.shape[1]) and len(result.items) == ITEMS
    elif isinstance(result, Visits):
        assert len(result.met) == len(result.telling) + 1 == ITEMS + 1
        assert len(result.indptr) == len(result.weights) + 1 and result.met_in.max() < len(result.weights)
    else:
        by_item = isinstance(result, Neighbours | Followers)
        rows = ITEMS if by_item else USERS
        values = result.weights if by_item else result.scores
        assert len(result.indptr) == rows + 1 and result.indptr[-1] == len(result.items) == len(values)
        for start, end in zip(result.indptr[:-1], result.indptr[1:], strict=True):
            assert (np.diff(values[start:end]) <= 0).all()
            assert len(np.unique(result.items[start:end])) == end - start


@pytest.mark.parametrize("name", MODELS)
def test_the_same_seed_on_one_thread_gives_the_same_numbers(name):
    board = checkerboard()
    one, two = fitted(name, board), fitted(name, board)
    for each in fields(one):
        assert np.array_equal(getattr(one, each.name), getattr(two, each.name))


@pytest.mark.parametrize("name", MODELS)
def test_fitting_leaves_the_interactions_as_they_were(name):
    board = checkerboard()
    before = board.matrix.copy(), board.bought.copy()
    fitted(name, board)
    assert (board.matrix != before[0]).nnz == 0 and (board.bought != before[1]).nnz == 0


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (3, 4)])
def test_no_interaction_at_all_is_refused(name, shape):
    with pytest.raises(NotEnoughData, match="no interaction"):
        fitted(name, shop(log_of([], *shape)))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("pairs", "n_users", "n_items"),
    [([(0, 0)], 1, 1), ([(0, 0), (0, 1), (0, 2)], 1, 3), ([(0, 0), (1, 0)], 2, 1), ([(0, 0)], 4, 6)],
    ids=["one user and one item", "one user", "one item", "one purchase in a larger shop"],
)
def test_tiny_shops_neither_crash_nor_invent_numbers(name, pairs, n_users, n_items):
    tiny = shop(log_of(pairs, n_users, n_items))
    result = fitted(name, tiny)
    items, scores = score_users(result, tiny, np.arange(n_users), 5)
    assert items.shape == scores.shape == (n_users, 5)
    assert not np.isnan(scores).any() and items.max(initial=-1) < n_items


@pytest.mark.parametrize("name", MODELS)
def test_a_user_without_history_gets_no_taste_of_chance(name):
    board = checkerboard()
    pairs = list(zip(board.log.user.tolist(), board.log.item.tolist(), strict=True))
    with_strangers = shop(log_of(pairs, USERS + 2, ITEMS))
    items, scores = score_users(fitted(name, with_strangers), with_strangers, np.array([USERS, USERS + 1]), 4)
    assert np.array_equal(items[0], items[1]) and not np.isnan(scores).any()


@pytest.mark.parametrize("name", MODELS)
def test_an_unknown_parameter_is_refused_with_the_nearest_name(name):
    known = next(iter(MODELS[name].defaults))
    with pytest.raises(BadInput, match=f"did you mean '{known}'") as refused:
        MODELS[name].fit(checkerboard(), {known + "x": 1})
    assert refused.value.field == known + "x"


def test_a_family_that_comes_out_broken_is_refused():
    broken = Factors(users=np.full((2, 1), np.nan, np.float32), items=np.ones((2, 1), np.float32))
    family = replace(MODELS["als"], learn=lambda *_: broken)
    with pytest.raises(NotEnoughData, match="not finite"):
        family.fit(checkerboard())


def test_lists_do_not_depend_on_how_users_are_cut_into_chunks(monkeypatch):
    board = checkerboard()
    results = {name: fitted(name, board) for name in MODELS}
    whole = {name: score_users(result, board, np.arange(USERS), 5) for name, result in results.items()}
    monkeypatch.setattr("training.models.top_lists._SCORES_AT_ONCE", 3 * ITEMS)
    for name, result in results.items():
        items, scores = score_users(result, board, np.arange(USERS), 5)
        assert np.array_equal(items, whole[name][0]) and np.allclose(scores, whole[name][1], rtol=1e-5)
        if isinstance(result, Scores):
            again = fitted(name, board)
            assert np.array_equal(again.items, result.items)


def test_another_fading_keeps_the_ratio_between_the_types():
    board = checkerboard()
    assert board.fading(None) is board.matrix
    assert board.fading(float("inf")).data == pytest.approx(np.ones(board.matrix.nnz))
    assert board.fading(60.0).data == pytest.approx(board.matrix.data)
    with pytest.raises(BadInput, match="half-life"):
        board.fading(0.0)
