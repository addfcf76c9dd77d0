"""Moments: every column says what it should, and nothing of what came later."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from engine.storage.home import Home
from engine.storage.lake import Lake
from tests.training.predictions.planted import DAY, START, events, events_of, filled, planted, shop_items
from training.predictions.facts import facts
from training.predictions.moments import USER_COLUMNS, moment_at, waits

AT = START + 100 * DAY


def seen(lake, at=AT, **more):
    wanted = {"active_days": 365, "level": 1, "subjects": ()} | more
    return moment_at(lake, at, first=START, **wanted)


def of(moment, user, name):
    return float(moment.columns(np.flatnonzero(moment.users == user))[0][moment.names.index(name)])


@pytest.fixture
def lake(tmp_path):
    lake = Lake(Home(tmp_path))
    lake.put_items(shop_items())
    lake.append_events(events(["a", "a", "a", "b"], [10, 60, 90, 20], items=["i0", "i0", "i3", "i3"], ids="p"))
    lake.append_events(events(["a", "c"], [99, 98], items=["i1", "i1"], ids="v", kind="view"))
    return lake


def test_ages_gaps_and_rates_are_those_of_the_orders(lake):
    found = seen(lake)
    assert list(found.users) == ["a", "b"]  # c never ordered
    assert of(found, "a", "recency") == pytest.approx(10)
    assert of(found, "a", "idle") == pytest.approx(1)
    assert of(found, "a", "gap") == pytest.approx(40)
    assert of(found, "a", "last_gap") == pytest.approx(30)
    assert of(found, "a", "overdue") == pytest.approx(0.25)
    assert of(found, "a", "gap_spread") == pytest.approx(10 / 40)
    assert of(found, "a", "rate_30") == pytest.approx(1)
    assert of(found, "a", "rate_365") == pytest.approx(3 * 30 / 100)  # the shop is 100 days old
    assert of(found, "a", "discount") == pytest.approx(0.2)
    assert of(found, "a", "views_7") == 1
    assert (of(found, "b", "gap"), of(found, "b", "overdue")) == (730, 0)  # one order has no rhythm


def test_an_order_without_an_id_is_what_was_bought_within_a_second(tmp_path):
    lake = Lake(Home(tmp_path))
    lines = events(["a", "a", "a"], [50, 50, 70], items=["i0", "i1", "i0"], ids="p").drop_columns(["order_id"])
    lake.append_events(lines)
    assert of(seen(lake), "a", "rate_365") == pytest.approx(2 * 30 / 100)
    assert of(seen(lake), "a", "basket") == pytest.approx(1.5)


def test_only_the_active_have_rows(lake):
    assert list(seen(lake, active_days=30).users) == ["a"]


def test_what_came_later_changes_nothing(tmp_path):
    lake = Lake(filled(tmp_path, planted(100)))
    before = seen(lake, subjects=("kitchen", "table"))
    later = planted(100, seed=9)
    more = events_of(later).filter([day >= 100 for day in later.day])
    lake.append_events(more.set_column(0, "event_id", [[f"late{number}" for number in range(more.num_rows)]]))
    for kind in ("view", "return", "cart_add"):
        lake.append_events(events(["u1"] * 30, np.linspace(100, 140, 30), items=["i1"] * 30, ids=kind, kind=kind))
    after = seen(lake, subjects=("kitchen", "table"))
    for name in ("users", "general", "own", "own_at", "of_all"):
        assert np.array_equal(getattr(before, name), getattr(after, name)), name
    assert facts(lake, AT + 40 * DAY).num_rows >= facts(lake, AT).num_rows


def test_the_very_instant_of_the_moment_is_the_future(lake):
    at = START + 90 * DAY
    assert of(seen(lake, at), "a", "recency") == pytest.approx(30)
    assert of(seen(lake, at + timedelta(seconds=1)), "a", "recency") < 0.001
    found = seen(lake, at)
    assert waits(lake, found, at + DAY, level=1)[0] == 0


def test_waits_are_the_days_to_the_next_order_in_the_period(lake):
    found = seen(lake, START + 50 * DAY)
    assert waits(lake, found, START + 95 * DAY, level=1).tolist() == [10, np.inf]
    assert waits(lake, found, START + 55 * DAY, level=1).tolist() == [np.inf, np.inf]


def test_a_user_and_subject_row_knows_the_user_and_the_subject(lake):
    found = seen(lake, subjects=("kitchen", "table"))
    assert found.width == 2
    rows = found.columns(np.array([0, 1]))
    assert rows.shape == (4, len(found.names))
    column = {name: rows[:, found.names.index(name)] for name in found.names}
    assert column["recency"].tolist() == [10, 10, 80, 80]
    assert column["subject_recency"].tolist() == [40, 10, 730, 80]  # b never bought in the kitchen
    assert column["subject_views_30"].tolist() == [1, 0, 0, 0]
    assert column["subject_share"] == pytest.approx([2 / 3, 1 / 3, 0, 1])
    assert column["subject_reach"].tolist() == [0, 0.5, 0, 0.5]
    assert found.recency == len(USER_COLUMNS)
    wait = waits(lake, seen(lake, START + 50 * DAY, subjects=("kitchen", "table")), AT, level=1)
    assert wait.tolist() == [10, 40, np.inf, np.inf]


def test_a_category_below_the_first_level_is_called_by_its_whole_path(lake):
    found = seen(lake, level=2, subjects=("kitchen / tea",))
    assert of(found, "a", "subject_recency") == pytest.approx(40)


def test_deleted_users_have_no_rows(lake):
    lake.merge_users(pa.table({"user_id": ["a"], "deleted": [True]}))
    assert list(seen(lake).users) == ["b"]


def test_some_users_of_a_moment_are_as_they_were_among_all(tmp_path):
    whole = seen(Lake(filled(tmp_path, planted(60))), subjects=("kitchen", "table"))
    some = np.array([3, 7, 8, 20])
    assert np.array_equal(whole.where(some).columns(), whole.columns(some))
