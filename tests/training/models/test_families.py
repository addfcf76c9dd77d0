"""What is peculiar to one family."""

from __future__ import annotations

import importlib
import importlib.metadata
import warnings
from dataclasses import replace

import numpy as np
import pytest
from checkerboard import ITEMS, USERS, checkerboard, log_of, shop
from scipy import sparse

from engine.errors import NotAllowed
from training.models import MODELS, hybrid
from training.models.affinity import ClassAffinity
from training.models.contract import Features, score_users


def best(result, interactions, user, n=20, **more):
    items, _ = score_users(result, interactions, np.array([user]), n, **more)
    return [int(item) for item in items[0] if item >= 0]


def test_popularity_follows_the_present():
    old = [(user, 0) for user in range(6)]
    new = [(user, 1) for user in range(4)]
    town = shop(log_of(old + new, 6, 3, days_ago=[100.0] * 6 + [1.0] * 4))
    assert best(MODELS["popularity"].fit(town), town, 0)[:2] == [1, 0]
    assert best(MODELS["popularity"].fit(town, {"half_life_days": float("inf")}), town, 0)[:2] == [0, 1]


def test_one_user_who_buys_all_day_makes_no_fashion():
    town = shop(log_of([(0, 0)] * 9 + [(0, 1), (1, 1)], 2, 2, days_ago=[0.0] * 11))
    assert best(MODELS["popularity"].fit(town), town, 1)[0] == 1


def test_newly_bought_prefers_what_wins_buyers_to_what_keeps_them():
    faithful = [(user, 0) for user in range(5)] * 4
    winners = [(user, 1) for user in range(3)]
    days = [200.0] * 5 + [3.0] * 15 + [3.0] * 3
    town = shop(log_of(faithful + winners, 8, 2, days_ago=days))
    assert best(MODELS["popularity"].fit(town), town, 7)[0] == 0
    assert best(MODELS["newly_bought"].fit(town), town, 7)[0] == 1


def test_frequency_puts_own_items_by_count_and_lateness_then_the_popular():
    mine = [(0, 0)] * 3 + [(0, 1)] * 3 + [(0, 2)]
    others = [(1, 3), (2, 3), (2, 4)]
    town = shop(log_of(mine + others, 3, 6, days_ago=[1.0] * 3 + [50.0] * 3 + [1.0] + [0.0] * 3))
    assert best(MODELS["frequency"].fit(town), town, 0) == [0, 1, 2, 3, 4]


def test_basket_finds_the_companion_and_not_the_best_seller():
    # Item 0 is in every order; 1 and 2 are always together.
    pairs = [(order, item) for order in range(30) for item in ((0, 1, 2) if order < 10 else (0, 3))]
    town = shop(log_of(pairs, 30, 4))
    result = MODELS["basket"].fit(town)
    companions = result.items[result.indptr[1] : result.indptr[2]].tolist()
    assert companions == [2]


def test_basket_needs_orders_and_without_any_has_no_neighbours():
    town = shop(replace(checkerboard().log, order=np.full(len(checkerboard().log), -1)))
    assert MODELS["basket"].fit(town).indptr.tolist() == [0] * (ITEMS + 1)


def test_item_neighbours_keep_only_the_strongest_and_never_the_item_itself():
    board = checkerboard()
    result = MODELS["item_neighbours"].fit(board, {"neighbours": 3})
    assert np.diff(result.indptr).tolist() == [3] * ITEMS
    owner = np.repeat(np.arange(ITEMS), 3)
    assert (result.items != owner).all() and (result.items % 2 == owner % 2).all()


def test_item_neighbours_equal_the_cosine_of_the_definition():
    board = checkerboard()
    params = {
        "user_power": 0.0,
        "shrinkage": 0.0,
        "half_life_days": float("inf"),
        "row_power": 0.5,
        "neighbours": ITEMS,
    }
    result = MODELS["item_neighbours"].fit(board, params)
    dense = np.log1p(board.fading(float("inf")).toarray())
    length = np.linalg.norm(dense, axis=0)
    cosine = dense.T @ dense / np.outer(length, length)
    for item in range(ITEMS):
        mine = slice(result.indptr[item], result.indptr[item + 1])
        assert result.weights[mine] == pytest.approx(cosine[item, result.items[mine]], rel=1e-5)


@pytest.mark.parametrize("name", ["item_neighbours", "basket", "als", "user_neighbours"])
def test_these_families_give_the_same_numbers_on_two_threads(name):
    board = checkerboard()
    one, two = MODELS[name].fit(board, seed=1, threads=1), MODELS[name].fit(board, seed=1, threads=2)
    for field in one.__dataclass_fields__:
        assert np.array_equal(getattr(one, field), getattr(two, field))


def test_the_library_of_factors_gives_no_warning_about_threads():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MODELS["als"].fit(checkerboard(), {"factors": 2}, threads=2)


def test_items_never_met_have_no_random_place_among_factors():
    board = checkerboard()
    pairs = list(zip(board.log.user.tolist(), board.log.item.tolist(), strict=True))
    wider = shop(log_of(pairs, USERS, ITEMS + 2))
    als = MODELS["als"].fit(wider, {"factors": 4})
    assert not als.items[ITEMS:].any()
    bpr = MODELS["bpr"].fit(wider, {"factors": 4})
    assert not bpr.items[ITEMS:, :-1].any() and (bpr.items[ITEMS:, -1] <= bpr.items[:ITEMS, -1].min()).all()


def test_user_neighbours_of_their_own_kind_alone_say_what_they_buy_now():
    # Users 0..4 are alike; 1..4 have lately taken to item 9, and bought item 8 long ago.
    alike = [(user, item) for user in range(5) for item in (0, 1, 2)]
    others = [(user, item) for user in range(5, 10) for item in (3, 4, 5, 6)]
    late, early = [(user, 9) for user in range(1, 5)], [(user, 8) for user in range(1, 5)]
    days = [30.0] * (len(alike) + len(others)) + [1.0] * 4 + [150.0] * 4
    town = shop(log_of(alike + others + late + early, 10, 10, days_ago=days))
    result = MODELS["user_neighbours"].fit(town, {"neighbours": 4, "popularity": 0.0})
    assert best(result, town, 0, kind="new") == [9, 8]


def test_user_neighbours_prefer_new_items_of_the_classes_that_the_user_likes():
    # Everybody bought items 0..3; half of them item 4 (blue) and half item 5 (red). User 0 likes red.
    common = [(user, item) for user in range(9) for item in (0, 1)]
    split = [(user, 4 if user % 2 else 5) for user in range(1, 9)]
    town = shop(log_of([*common, *split, (0, 2), (0, 3)], 9, 6, days_ago=[5.0] * 28))
    colours = sparse.csr_matrix(np.array([[1, 0], [1, 0], [0, 1], [0, 1], [1, 0], [0, 1]], dtype=np.float32))
    features = Features(colours, ("colour=blue", "colour=red"))
    liked = {
        power: MODELS["user_neighbours"].fit(replace(town, item_features=features), {"affinity_power": power})
        for power in (0.0, 0.5)
    }
    assert best(liked[0.5], town, 0, kind="new") == [5, 4]
    assert best(liked[0.0], town, 0, kind="new") == [4, 5]  # a tie, in item order


def test_class_affinity_equals_its_definition_and_leaves_items_without_a_class_alone():
    town = shop(log_of([(0, 0), (0, 0), (0, 1), (1, 2)], 2, 4))
    classes = np.array([[1, 0], [1, 0], [0, 1], [0, 0]], dtype=np.float32)
    features = Features(sparse.csr_matrix(classes), ("kind=a", "kind=b"))
    factors = ClassAffinity(town.bought, features, power=0.5, prior=1.0).of(slice(0, 2))
    counts, usual, busy = np.array([[2, 0], [0, 1]]), np.array([1.0, 0.5]), np.array([[2 / 1.5], [1 / 1.5]])
    lift = np.sqrt((counts + usual) / (usual * (busy + 1)))
    assert factors == pytest.approx(np.column_stack([lift[:, 0], lift[:, 0], lift[:, 1], np.ones(2)]), rel=1e-5)
    other = ClassAffinity(town.bought, features, power=0.5, prior=1.0, attributes=("brand",))
    assert other.of(slice(0, 2)) == pytest.approx(np.ones((2, 4)))


HOUR = 1 / 24


def one_after_the_other(*visits, n_items):
    """A town where each visitor took these items a minute apart, the last visitor today, each other a day before."""
    pairs, ages = [], []
    for visitor, items in enumerate(visits):
        pairs += [(visitor, item) for item in items]
        ages += [len(visits) - visitor - place * HOUR / 60 for place in range(len(items))]
    return shop(log_of(pairs, len(visits), n_items, days_ago=ages))


def followers_of(result, item):
    items, weights = result.of(item)
    return dict(zip(items.tolist(), weights.tolist(), strict=True))


def test_transitions_count_what_followed_the_nearer_the_more_and_the_way_back_less():
    town = one_after_the_other((0, 1, 2), n_items=4)
    plain = {"row_power": 0.0, "column_power": 0.0, "half_life_days": float("inf"), "back": 0.25}
    result = MODELS["transitions"].fit(town, plain)
    assert followers_of(result, 0) == pytest.approx({1: 1.0, 2: 0.5})
    assert followers_of(result, 1) == pytest.approx({2: 1.0, 0: 0.25})
    assert followers_of(result, 2) == pytest.approx({1: 0.25, 0: 0.125})
    assert followers_of(result, 3) == {}
    near = MODELS["transitions"].fit(town, {**plain, "window": 1})
    assert followers_of(near, 0) == pytest.approx({1: 1.0})


def test_transitions_fade_and_end_with_the_visit():
    town = one_after_the_other((0, 1), (0, 2), n_items=3)
    result = MODELS["transitions"].fit(town, {"half_life_days": 1.0, "row_power": 0.0, "column_power": 0.0})
    found = followers_of(result, 0)
    assert found[2] == pytest.approx(2 * found[1])
    long_ago = replace(town.log, user=np.zeros(4, np.int32))
    joined = MODELS["transitions"].fit(shop(long_ago), {"row_power": 0.0, "column_power": 0.0})
    assert 2 not in followers_of(joined, 1)  # a day lies between


def test_what_strangers_did_teaches_transitions_and_visits_too():
    town = one_after_the_other((0, 1), n_items=3)
    strangers = one_after_the_other((0, 1), (0, 2), (0, 2), n_items=3).log
    both = replace(town, strangers=replace(strangers, user=strangers.user + 1, n_users=4))
    assert 2 not in followers_of(MODELS["transitions"].fit(town), 0)
    assert followers_of(MODELS["transitions"].fit(both), 0)[2] > 0
    assert len(MODELS["visit_neighbours"].fit(both).weights) == 4


def test_of_each_item_only_the_newest_visits_are_kept():
    town = one_after_the_other((0, 1), (0, 2), (0, 3), n_items=4)
    result = MODELS["visit_neighbours"].fit(town, {"most_each": 2, "half_life_days": float("inf"), "size_power": 1.0})
    assert result.met_in[result.met[0] : result.met[1]].tolist() == [2, 1]
    assert result.weights == pytest.approx(np.full(3, 0.5))
    rarity = np.log(np.array([4 / 3, 4.0, 4.0, 4.0]))
    assert result.telling == pytest.approx(rarity, rel=1e-6)


def test_a_user_is_told_what_visits_like_the_last_one_held():
    town = one_after_the_other((0, 1, 2), (0, 1, 2), (3, 4, 5), (0, 1), (3, 4), n_items=6)
    for name in ("transitions", "visit_neighbours"):
        result = MODELS[name].fit(town)
        assert [best(result, town, user, n=1, kind="new") for user in (3, 4)] == [[2], [5]], name


def with_classes(interactions, n_items):
    columns = np.arange(n_items) % 2
    one_hot = sparse.csr_matrix((np.ones(n_items, np.float32), (np.arange(n_items), columns)), shape=(n_items, 2))
    return replace(interactions, item_features=Features(one_hot, ("colour=even", "colour=odd")))


def test_hybrid_places_items_never_sold_by_their_attributes():
    board = checkerboard()
    pairs = list(zip(board.log.user.tolist(), board.log.item.tolist(), strict=True))
    n_items = ITEMS + 6
    wider = with_classes(shop(log_of(pairs, USERS, n_items)), n_items)
    result = MODELS["hybrid"].fit(wider, {"factors": 4, "epochs": 20}, seed=1)
    scores = result.users @ result.items[ITEMS:].T
    same_colour = (np.arange(USERS)[:, None] % 2) == (np.arange(ITEMS, n_items)[None, :] % 2)
    assert scores[same_colour].min() > scores[~same_colour].max()


@pytest.mark.parametrize("version", ["1.18.7", "1.18.6"])
def test_hybrid_refuses_releases_without_a_compiled_module(monkeypatch, version):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    with pytest.raises(NotAllowed, match=r"1\.19\.0"):
        hybrid.usable_lightfm()


def test_hybrid_refuses_a_library_whose_compiled_module_is_missing(monkeypatch):
    monkeypatch.setattr(hybrid, "_COMPILED", ("lightfm._not_there",))
    with pytest.raises(NotAllowed, match="compiled module"):
        hybrid.usable_lightfm()
