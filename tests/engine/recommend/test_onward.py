"""Candidates for the next item of a visit, their columns, and their order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.recommend.onward import ONWARD_FEATURES, SHORTLISTED, candidates, next_items
from engine.recommend.readied import Readied
from engine.visits import Followers, Onward, Visits
from tests.bundles import onward_order

N = 12
HALF = np.array([1.0, 0.5, 0.25], np.float32)


def onward(n_items: int = N) -> Onward:
    """Item i is followed by i + 1 and, a little, by i + 2; one past visit went 0 1 2 ... to the end."""
    rows = np.arange(n_items)
    ends = np.cumsum([0, *np.minimum(2, n_items - 1 - rows)])
    following = np.concatenate([np.arange(row + 1, min(row + 3, n_items)) for row in rows])
    eye = np.eye(n_items, dtype=np.float32)
    return Onward(
        followers=Followers(
            ends.astype(np.int32),
            following.astype(np.int32),
            np.where(np.arange(len(following)) % 2, 0.1, 0.9).astype(np.float32),
            HALF,
        ),
        visits=Visits(
            indptr=np.array([0, n_items], np.int32),
            items=rows.astype(np.int32),
            weights=np.ones(1, np.float32),
            met=np.arange(n_items + 1, dtype=np.int32),
            met_in=np.zeros(n_items, np.int32),
            met_at=rows.astype(np.int32),
            telling=np.ones(n_items, np.float32),
            worth=np.ones(n_items, np.float32),
            by_age=HALF,
            after=np.array([1.0, 0.9, 0.8], np.float32),
            before=np.array([0.5], np.float32),
            nearest=np.array([100], np.int32),
        ),
        taken=eye,
        told=np.zeros((n_items, 0), np.float32),
        recent=rows.astype(np.float32),
        lasting=rows.astype(np.float32) * 2,
        idle=np.full(n_items, 3.0, np.float32),
        age=np.full(n_items, 40.0, np.float32),
        gap_minutes=np.array([30.0], np.float32),
    )


def items(*rows: int) -> np.ndarray:
    return np.array(rows, np.int32)


def columns_of(found) -> dict[str, dict[int, float]]:
    return {
        name: dict(zip(found.rows.tolist(), line.tolist(), strict=True))
        for name, line in zip(ONWARD_FEATURES, found.columns, strict=True)
    }


def test_without_a_learned_order_what_both_ways_name_comes_before_what_one_names():
    rows, scores = next_items(onward(), None, items(2))
    # Item 5 only the like visit names, item 1 as well and less; item 2 itself nobody knows to come again.
    assert rows.tolist() == [3, 4, 5, 1]
    assert (np.diff(scores) <= 0).all()


def test_columns_say_what_speaks_for_each_candidate():
    told = columns_of(candidates(onward(), items(6, 2, 2)))
    assert told["followed"][3] == pytest.approx(0.9) and told["followed"][7] == pytest.approx(0.25 * 0.9)
    assert told["followed_last"][3] == pytest.approx(0.9) and told["followed_last"][7] == 0
    assert told["followed_rank"][3] == 1 and told["followed_rank"][1] == 999
    assert told["held_share"][2] == 1 and told["held_visits"][3] == 1
    assert told["seen_ago"] == {row: {2: 0.0, 6: 2.0}.get(row, 999.0) for row in told["seen_ago"]}
    assert (told["seen_times"][2], told["seen_times"][6], told["seen_times"][3]) == (2, 1, 0)
    assert told["taken_alike"][6] == pytest.approx(0.25) and told["taken_alike_last"][6] == 0
    assert set(told["told_alike"].values()) == {0.0}
    assert (told["item_lasting"][3], told["last_lasting"][3], told["visit_steps"][3]) == (6, 4, 3)


def test_the_items_of_the_visit_are_always_judged_even_beyond_the_shortlist():
    many = onward(SHORTLISTED * 3)
    wide = replace(many, visits=replace(many.visits, after=np.ones(SHORTLISTED * 3, np.float32)))
    found = candidates(wide, items(400, 1))
    assert {400, 1} <= set(found.rows.tolist())
    assert len(found.rows) == SHORTLISTED + 2


@pytest.mark.parametrize("visit", [(), (N,), (N + 5, N)], ids=["no items", "a newcomer", "newcomers only"])
def test_a_visit_that_says_nothing_has_no_candidates(visit):
    found = candidates(onward(), items(*visit))
    assert found.columns.shape == (len(ONWARD_FEATURES), 0)
    rows, scores = next_items(onward(), Readied(onward_order("followed")), items(*visit))
    assert len(rows) == len(scores) == 0


def test_a_newcomer_in_a_visit_is_passed_over():
    with_newcomer, without = (next_items(onward(), None, items(*visit)) for visit in ((2, N + 3), (2,)))
    assert with_newcomer[0].tolist() == without[0].tolist()


def test_a_learned_order_decides():
    assert next_items(onward(), Readied(onward_order("item_recent")), items(2))[0][0] == 5
    assert next_items(onward(), Readied(onward_order("seen_times")), items(2))[0][0] == 2


def test_columns_are_finite_where_nothing_is_known_of_an_item():
    bare = onward()
    silent = replace(
        bare,
        followers=replace(bare.followers, indptr=np.zeros(N + 1, np.int32)),
        visits=replace(bare.visits, met=np.zeros(N + 1, np.int32)),
    )
    found = candidates(silent, items(3))
    assert found.rows.tolist() == [3] and np.isfinite(found.columns).all()
