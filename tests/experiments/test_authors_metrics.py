"""The published metrics, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.authors_metrics import authors_metrics
from training.evaluate import Truth

#: User 0 bought nothing, user 1 the items 1, 2 and 3, user 2 item 0.
TRUTH = Truth(np.array([0, 0, 3, 4]), np.array([1, 2, 3, 0]))
USERS = np.arange(3)
SECOND = 1 / np.log2(3)


def measured(lists, ideal, k=2):
    return authors_metrics(np.array(lists), TRUTH, USERS, k=k, n_items=5, ideal=ideal)


def test_recall_is_over_the_whole_truth_and_users_without_one_are_left_out():
    found = measured([[0, 1], [4, 2], [0, -1]], "k places")
    assert found["recall@2"] == pytest.approx([1 / 3, 1.0])
    assert found["hit_rate@2"].tolist() == [1.0, 1.0]


def test_a_perfect_list_is_as_long_as_the_truth_or_as_the_list():
    lists = [[0, 1], [4, 2], [0, 4]]
    assert measured(lists, "k places")["ndcg@2"] == pytest.approx([SECOND / (1 + SECOND), 1.0])
    assert measured(lists, "whole truth")["ndcg@2"] == pytest.approx([SECOND / (1 + SECOND + 0.5), 1.0])


def test_what_stands_behind_the_kth_place_does_not_count():
    found = measured([[0, 1, 2], [4, 0, 2], [1, 2, 0]], "k places")
    assert found["recall@2"].tolist() == found["hit_rate@2"].tolist() == [0.0, 0.0]
