"""Clusters and lookalikes: what is planted is found."""

import json

import numpy as np
import pytest

from engine.errors import NotEnoughData
from engine.targeting.clusters import FEATURES, Clusters, learn_clusters, silhouette
from engine.targeting.lookalike import learn_likeness
from engine.targeting.traits import TRAIT_FIELDS

NAMES = [each.trait for each in FEATURES]


def planted(draw, sizes=(600, 300, 100)):
    """Customers of three kinds: rare, regular, and lavish ones."""
    spend, orders = (1e3, 2e4, 5e5), (1, 10, 60)
    kind = np.repeat(np.arange(3), sizes)
    values = np.full((len(kind), len(NAMES)), np.nan)
    values[:, NAMES.index("spend_365d")] = np.array(spend)[kind] * draw.lognormal(0, 0.1, len(kind))
    values[:, NAMES.index("orders_365d")] = np.array(orders)[kind] + draw.integers(0, 2, len(kind))
    return values, kind


def test_features_are_traits_and_have_words_in_two_languages():
    assert set(NAMES) <= set(TRAIT_FIELDS)
    assert all(set(each.more) == set(each.less) == {"en", "zh"} for each in FEATURES)


def test_planted_kinds_are_found_with_their_number_largest_first():
    values, kind = planted(np.random.default_rng(1))
    found = learn_clusters(values, NAMES, seed=1)
    assert len(found.centres) == 3
    assert max(found.silhouettes, key=found.silhouettes.get) == 3
    assert found.shares == pytest.approx([0.6, 0.3, 0.1])
    assert (found.of(values[:, [NAMES.index(name) for name in found.names]]) == kind).all()


def test_each_is_described_by_what_sets_it_apart():
    values, _ = planted(np.random.default_rng(1))
    found = learn_clusters(values, NAMES, seed=1)
    assert found.words(2) == "much spends more, much orders more often" or "spends more" in found.words(2)
    assert "消费更低" in found.words(0, "zh")


def test_the_same_seed_gives_the_same_clusters_and_json_keeps_them():
    values, _ = planted(np.random.default_rng(2))
    one, two = (learn_clusters(values, NAMES, seed=3) for _ in range(2))
    assert one.as_json() == two.as_json()
    assert Clusters.from_json(json.loads(json.dumps(one.as_json()))).as_json() == one.as_json()


def test_few_customers_and_equal_ones_have_no_clusters():
    with pytest.raises(NotEnoughData, match="at least 100"):
        learn_clusters(np.ones((20, len(NAMES))), NAMES, seed=1)
    with pytest.raises(NotEnoughData, match="no trait"):
        learn_clusters(np.ones((200, len(NAMES))), NAMES, seed=1)


def test_the_silhouette_of_two_far_pairs_is_computed_by_hand():
    points = np.array([[0.0], [1.0], [10.0], [11.0]])
    # a = 1 for all; b = 10.5 for the outer ones, 9.5 for the inner ones
    expected = np.mean([9.5 / 10.5, 8.5 / 9.5, 8.5 / 9.5, 9.5 / 10.5])
    assert silhouette(points, np.array([0, 0, 1, 1])) == pytest.approx(expected)


def test_those_who_resemble_the_seeds_come_first():
    draw = np.random.default_rng(4)
    alike = draw.random(2_000) < 0.3
    values = np.column_stack([draw.normal(alike * 2.0, 1.0), draw.normal(0, 1, 2_000), np.full(2_000, np.nan)])
    seeds = alike & (draw.random(2_000) < 0.3)
    score = learn_likeness(values, seeds).of(values)
    rest = ~seeds
    best = np.argsort(-score[rest])[:200]
    assert alike[rest][best].mean() > 0.7 > 2 * alike[rest].mean()


def test_a_lookalike_of_few_or_of_everybody_is_refused():
    values = np.random.default_rng(5).normal(size=(100, 2))
    with pytest.raises(NotEnoughData, match="at least 20"):
        learn_likeness(values, np.arange(100) < 5)
    with pytest.raises(NotEnoughData, match="everybody"):
        learn_likeness(values, np.ones(100, bool))
