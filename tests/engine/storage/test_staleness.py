"""What happened since a bundle was made, and how far that is from what it learned."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from engine.events import TYPE_CODES
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.staleness import count_events, drift_of
from tests.bundles import AS_OF, DAY, toy_bundle

NAMES = {code: name for name, code in TYPE_CODES.items()}


@pytest.fixture
def lake(tmp_path):
    return Lake(Home(tmp_path))


@pytest.fixture(scope="module")
def bundle():
    """Sixty users with as many events within the window as the figures ask for."""
    made = toy_bundle(n_users=60, events_each=40)
    made.history.times[:] = AS_OF - 1 - (AS_OF - made.history.times) % (20 * DAY)
    return made


def happen(lake, events):
    """(user, item, type, seconds after the bundle)"""
    lake.append_events(
        pa.table(
            {
                "event_id": [f"e{at}" for at in range(len(events))],
                "user_id": [each[0] for each in events],
                "item_id": [each[1] for each in events],
                "type": [each[2] for each in events],
                "time": pa.array(
                    [datetime.fromtimestamp(AS_OF + each[3], UTC) for each in events], pa.timestamp("us", "UTC")
                ),
                "quantity": [1.0] * len(events),
            }
        )
    )


def again(bundle, *, items=None, kind=None, user="u{}"):
    """What the bundle's users did, once more a day later, with another item or type where it is given."""
    history, found = bundle.history, []
    for row in range(1, len(bundle.users)):
        for at in range(history.indptr[row], history.indptr[row + 1]):
            item = bundle.items.ids[int(history.items[at])] if items is None else items
            found.append((user.format(row), item, kind or NAMES[int(history.types[at])], DAY + at % 600))
    return found


def test_an_empty_lake_and_one_without_news_tell_nothing(lake, bundle):
    assert count_events(lake, AS_OF) == (0, 0)
    assert drift_of(bundle, lake, AS_OF + 2 * DAY) == {}
    happen(lake, [("u1", "i1", "purchase", -5)])
    assert count_events(lake, AS_OF) == (1, 0)
    assert drift_of(bundle, lake, AS_OF + 2 * DAY) == {}


def test_events_from_the_bundles_moment_on_are_new(lake):
    happen(lake, [("u1", "i1", "view", -1), ("u1", "i1", "view", 0), ("u2", "i1", "view", 5)])
    assert count_events(lake, AS_OF) == (3, 2)


def test_people_who_go_on_as_before_are_no_drift(lake, bundle):
    happen(lake, again(bundle))
    found = drift_of(bundle, lake, AS_OF + 2 * DAY)
    assert set(found) == {"event_mix", "item_popularity", "scores"}
    assert found["event_mix"] < 0.01
    assert found["item_popularity"] < 0.01


def test_another_mix_of_events_is_drift_of_the_mix_alone(lake, bundle):
    happen(lake, again(bundle) + [(user, item, "view", at + 1) for user, item, kind, at in again(bundle)] * 1)
    found = drift_of(bundle, lake, AS_OF + 2 * DAY)
    assert found["event_mix"] > 0.1
    assert found["item_popularity"] < 0.01


def test_a_sudden_best_seller_is_drift_of_popularity(lake, bundle):
    happen(lake, again(bundle, items="i79"))
    found = drift_of(bundle, lake, AS_OF + 2 * DAY)
    assert found["item_popularity"] > 1
    assert found["event_mix"] < 0.01


def test_purchases_of_items_that_the_bundle_lacks_are_drift(lake, bundle):
    events = again(bundle, kind="purchase")
    known = [each if at % 3 else (each[0], "brand new", *each[2:]) for at, each in enumerate(events)]
    happen(lake, known)
    assert drift_of(bundle, lake, AS_OF + 2 * DAY)["item_popularity"] > 0.25


def test_scores_move_where_customers_leave_their_tastes(lake, bundle):
    """Everybody buys what has another taste: own items and factors speak for different ones."""
    shifted = [
        (f"u{row}", f"i{(row + 1) % 4 + 4 * (at % 19)}", "purchase", DAY + at)
        for row in range(1, 60)
        for at in range(40)
    ]
    happen(lake, shifted)
    assert drift_of(bundle, lake, AS_OF + 2 * DAY)["scores"] > 0.25


def test_visitors_without_any_item_and_unknown_types_are_left_out(lake, bundle):
    happen(lake, [("u1", None, "search", DAY), ("u2", "i1", "own_type", DAY), (None, "i1", "view", DAY)])
    assert drift_of(bundle, lake, AS_OF + 2 * DAY) == {}
    assert np.isfinite(count_events(lake, AS_OF)).all()
