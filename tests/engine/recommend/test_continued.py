"""Somebody whom the bundle knows and who did something since."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.events import TYPE_CODES
from engine.learned import Scores
from engine.profile import unknown, with_tail
from engine.recommend.sources import similar_users
from tests.bundles import AS_OF, toy_bundle

NO_CONTEXT = np.zeros(0, np.int32)


def seen_now(profile):
    view = np.array([TYPE_CODES["view"]], np.uint8)
    return with_tail(profile, np.zeros(1, np.int32), view, np.array([AS_OF + 1]), np.ones(1, np.float32))


def test_similar_users_speak_on_after_the_first_live_event_and_not_of_other_profiles():
    plain = toy_bundle()
    stored = next(each for each in map(plain.history.profile, range(len(plain.history.indptr) - 1)) if len(each))
    indptr = np.zeros_like(plain.history.indptr)
    indptr[stored.row + 1 :] = 2
    lists = Scores(indptr=indptr, items=np.array([3, 1], np.int32), scores=np.array([2.0, 1.0], np.float32))
    bundle = replace(plain, similar_users=lists)
    for profile in (stored, seen_now(stored), seen_now(seen_now(stored))):
        assert similar_users(profile, bundle, AS_OF, NO_CONTEXT)[0].tolist() == [3, 1]
    # A history rebuilt as of an earlier moment must not hear what was learned later.
    for profile in (replace(stored, is_stored=False), seen_now(unknown())):
        assert len(similar_users(profile, bundle, AS_OF, NO_CONTEXT)[0]) == 0
