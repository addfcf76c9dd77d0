"""Whether lists as of a past moment can be scored without flattering the bundle."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from engine.storage.batch import unfairness
from tests.bundles import AS_OF, toy_bundle


def test_a_bundle_that_learned_from_later_events_is_said_to_be_unfair():
    bundle, trained_until = toy_bundle(), datetime.fromtimestamp(AS_OF, UTC)
    assert f"{trained_until:%Y-%m-%dT%H:%MZ}" in unfairness(bundle, trained_until - timedelta(seconds=1))
    assert unfairness(bundle, trained_until) == ""
