"""What speaks for the next item of a visit: what followed before, and past visits like it."""

from __future__ import annotations

import numpy as np
import pytest

from engine.visits import Followers, Recent, Visits

HALF = np.array([1.0, 0.5, 0.25], np.float32)
#: Item 0 was followed by 1 and 2, item 1 by 2; nobody went on from item 2.
FOLLOWERS = Followers(
    indptr=np.array([0, 2, 3, 3], np.int32),
    items=np.array([1, 2, 2], np.int32),
    weights=np.array([0.8, 0.4, 0.6], np.float32),
    by_age=HALF,
)
#: Visits 0: 0 1 2, 1: 3 1, 2: 1 4 4; the newest first for each item.
VISITS = Visits(
    indptr=np.array([0, 3, 5, 8], np.int32),
    items=np.array([0, 1, 2, 3, 1, 1, 4, 4], np.int32),
    weights=np.array([1.0, 1.0, 2.0], np.float32),
    met=np.array([0, 1, 4, 5, 6, 7], np.int32),
    met_in=np.array([0, 2, 1, 0, 0, 1, 2], np.int32),
    met_at=np.array([0, 0, 1, 1, 2, 0, 2], np.int32),
    telling=np.array([4.0, 1.0, 1.0, 1.0, 1.0], np.float32),
    worth=np.array([1.0, 1.0, 1.0, 1.0, 3.0], np.float32),
    by_age=HALF,
    after=np.array([0.5, 0.25], np.float32),
    before=np.array([0.2, 0.1], np.float32),
    nearest=np.array([2], np.int32),
)


def items(*rows: int) -> np.ndarray:
    return np.array(rows, np.int32)


def as_dict(rows: np.ndarray, scores: np.ndarray) -> dict[int, float]:
    return {int(row): round(float(score), 6) for row, score in zip(rows, scores, strict=True)}


def test_the_last_items_come_newest_first_each_once_where_it_was_last():
    recent = Recent.of(items(7, 5, 5, 7, 9))
    assert (recent.rows.tolist(), recent.ago.tolist()) == ([9, 7, 5], [0, 1, 2])
    few = Recent.of(items(1, 2, 3, 4), most=2)
    assert (few.rows.tolist(), few.ago.tolist()) == ([4, 3], [0, 1])
    assert len(Recent.of(items())) == 0


def test_followers_add_up_over_the_last_items_by_their_age():
    assert as_dict(*FOLLOWERS.speak(Recent.of(items(0, 1)))) == pytest.approx({1: 0.4, 2: 0.2 + 0.6})
    assert as_dict(*FOLLOWERS.speak(Recent.of(items(2)))) == {}


def test_items_too_old_or_newer_than_what_was_learned_say_nothing():
    assert as_dict(*FOLLOWERS.speak(Recent.of(items(0, 2, 2, 2)))) == {}
    assert as_dict(*FOLLOWERS.speak(Recent.of(items(0, 99)))) == pytest.approx({1: 0.4, 2: 0.2})
    assert as_dict(*VISITS.speak(Recent.of(items(99)))) == {}


def test_the_visits_that_share_most_are_like_this_one_and_are_met_at_the_newest_shared_item():
    like = VISITS.like(Recent.of(items(0, 1)))
    # Visit 0 shares item 1 and, an age older, the rare item 0; visit 2 counts twice; visit 1 is a third and left out.
    assert like.visits.tolist() == [0, 2]
    assert like.shared.tolist() == pytest.approx([1.0 + 0.5 * 4.0, 2.0])
    assert like.met_at.tolist() == [1, 0]


def test_what_like_visits_held_counts_by_its_place_there():
    said = as_dict(*VISITS.speak(Recent.of(items(0, 1))))
    # Visit 0: item 0 just before item 1, item 2 just behind it; visit 2: item 4 one and two places behind, worth three.
    assert said == pytest.approx({0: 3.0 * 0.2, 1: 3.0 + 2.0, 2: 3.0 * 0.5, 4: 2.0 * 3.0 * (0.5 + 0.25)})


def test_what_stood_too_far_from_the_shared_item_counts_nothing():
    said = as_dict(*VISITS.speak(Recent.of(items(3))))
    assert said == pytest.approx({3: 1.0, 1: 0.5})
    far = as_dict(*VISITS.speak(Recent.of(items(4))))
    assert far[1] == pytest.approx(2.0 * 0.1)
    assert far[4] == pytest.approx(2.0 * 3.0 * (1.0 + 0.2))
