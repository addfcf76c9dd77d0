"""Visits out of a log: where one ends, what a step is."""

from __future__ import annotations

import numpy as np
import pytest

from engine.events import TYPE_CODES
from training.interactions import DAY, Log
from training.visits import last_items, visits_of

MINUTE = 60


def log_of(*events: tuple[int, int, int], n_users: int = 4, n_items: int = 10, kind: str = "view") -> Log:
    """Events as (user, item, minute)."""
    user, item, minute = np.array(events, np.int64).reshape(-1, 3).T
    return Log(
        n_users=n_users,
        n_items=n_items,
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        type=np.full(len(events), TYPE_CODES[kind], np.uint8),
        time=minute * MINUTE,
        quantity=np.ones(len(events), np.float32),
        order=np.full(len(events), -1, np.int64),
    )


def contents(visits) -> list[list[int]]:
    return [visits.items[start:end].tolist() for start, end in zip(visits.indptr[:-1], visits.indptr[1:], strict=True)]


def test_a_pause_begins_another_visit_and_another_visitor_has_one_of_their_own():
    log = log_of((0, 1, 0), (0, 2, 30), (0, 3, 61), (0, 4, 62), (1, 5, 1), (1, 6, 2))
    visits = visits_of(log, gap_minutes=30)
    assert contents(visits) == [[5, 6], [1, 2], [3, 4]]
    assert visits.ended.tolist() == [2 * MINUTE, 30 * MINUTE, 62 * MINUTE]
    assert visits.visitor.tolist() == [1, 0, 0]
    assert contents(visits_of(log, gap_minutes=float("inf"))) == [[5, 6], [1, 2, 3, 4]]


def test_events_on_one_item_in_a_row_are_one_step_and_a_visit_of_one_step_is_none():
    log = log_of((0, 1, 0), (0, 1, 1), (0, 2, 2), (0, 1, 3), (1, 7, 0), (1, 7, 5), (2, 8, 0))
    assert contents(visits_of(log, gap_minutes=30)) == [[1, 2, 1]]


def test_the_order_of_the_events_in_the_log_does_not_matter():
    log = log_of((0, 1, 0), (0, 2, 1), (1, 5, 1), (0, 3, 2), (1, 6, 2))
    shuffled = log.where(np.array([3, 0, 4, 2, 1]))
    assert contents(visits_of(shuffled, gap_minutes=30)) == contents(visits_of(log, gap_minutes=30))


def test_of_no_events_there_are_no_visits():
    visits = visits_of(log_of(), gap_minutes=30)
    assert len(visits) == 0 and contents(visits) == []


def test_a_visit_fades_from_its_end_on():
    visits = visits_of(log_of((0, 1, 0), (0, 2, 10)), gap_minutes=30)
    end = 10 * MINUTE
    assert visits.fading(end, 5.0) == pytest.approx([1.0])
    assert visits.fading(end + 5 * DAY, 5.0) == pytest.approx([0.5])
    assert visits.fading(end + 5 * DAY, float("inf")) == pytest.approx([1.0])
    assert visits.fading(end - DAY, 5.0) == pytest.approx([1.0])


def test_the_last_items_of_each_user_newest_first():
    log = log_of((0, 1, 5), (0, 2, 3), (2, 9, 1))
    first, nobody, third = last_items(log, np.array([0, 1, 2]))
    assert first.rows.tolist() == [1, 2] and third.rows.tolist() == [9] and len(nobody) == 0
