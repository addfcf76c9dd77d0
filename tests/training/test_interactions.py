from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from checkerboard import NOW, log_of

from engine.errors import BadInput
from engine.events import TYPE_CODES
from training.interactions import interactions, purchase_counts


def typed(log, names):
    return replace(log, type=np.array([TYPE_CODES[name] for name in names], dtype=np.uint8))


def test_a_purchase_counts_half_after_one_half_life():
    log = log_of([(0, 0), (0, 1)], 1, 2, days_ago=[0.0, 60.0])
    assert interactions(log, now=NOW).toarray() == pytest.approx(np.array([[1.0, 0.5]]))
    assert interactions(log, half_lives={"purchase": 30}, now=NOW).toarray() == pytest.approx(np.array([[1.0, 0.25]]))
    assert interactions(log, half_lives={"purchase": None}, now=NOW).toarray() == pytest.approx(np.ones((1, 2)))


def test_types_weigh_by_the_event_table_unless_told_otherwise():
    log = typed(log_of([(0, 0), (0, 1), (0, 2)], 1, 3, days_ago=[0.0] * 3), ["purchase", "view", "search"])
    assert interactions(log, now=NOW).toarray() == pytest.approx(np.array([[1.0, 0.1, 0.05]]))
    assert interactions(log, {"view": 2.0}, now=NOW).toarray() == pytest.approx(np.array([[1.0, 2.0, 0.05]]))


def test_a_return_takes_interest_back_but_never_below_nothing():
    log = typed(log_of([(0, 0), (0, 0), (0, 1)], 1, 2, days_ago=[0.0] * 3), ["purchase", "return", "dismiss"])
    matrix = interactions(log, now=NOW)
    assert matrix.toarray() == pytest.approx(np.array([[0.3, 0.0]])) and matrix.nnz == 1


def test_many_pieces_are_one_wish_and_none_or_less_is_nothing():
    log = replace(log_of([(0, 0), (0, 1), (0, 2)], 1, 3, days_ago=[0.0] * 3), quantity=np.array([3, 0, -2], np.float32))
    assert interactions(log, now=NOW).toarray() == pytest.approx(np.array([[1.0, 0.0, 0.0]]))
    assert purchase_counts(log).toarray() == pytest.approx(np.array([[1.0, 0.0, 0.0]]))


def test_before_and_of_type_cut_every_column_alike():
    log = typed(log_of([(0, 0), (1, 1), (2, 0)], 3, 2, days_ago=[1.0, 5.0, 9.0]), ["purchase", "view", "purchase"])
    early = log.before(NOW - 4 * 86_400)
    assert early.user.tolist() == [1, 2] and len(early) == 2 and early.n_users == 3
    assert log.of_type("purchase").user.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("weights", "half_lives", "field"),
    [
        ({"puchase": 1.0}, None, "weights"),
        (None, {"buy": 1.0}, "half_lives"),
        (None, {"view": 0.0}, "half_lives"),
        (None, {"view": float("nan")}, "half_lives"),
        ({"view": float("nan")}, None, "weights"),
    ],
)
def test_unknown_types_and_impossible_numbers_are_refused(weights, half_lives, field):
    with pytest.raises(BadInput) as refused:
        interactions(log_of([(0, 0)], 1, 1), weights, half_lives, NOW)
    assert refused.value.field == field
