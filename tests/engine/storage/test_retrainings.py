"""When a retraining is due, that there is one at a time, and what is told of it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from engine.errors import UnknownThing
from engine.schedule import read_schedule
from engine.storage.jobs import RETRAIN, cancel_job, create_job, end_job, next_job
from engine.storage.ledger import connection_of, rows_of
from engine.storage.retrainings import (
    Plan,
    Seen,
    ask_for_retraining,
    find_retraining,
    last_retraining,
    list_retrainings,
    next_due,
    retrain_if_due,
    told_of,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()
HOUR = 3_600
DAILY = Plan(read_schedule("24h"), 0, "UTC")
BY_EVENTS = Plan(None, 1_000, "UTC")


def due(ledger, plan, seen, now=NOW):
    return retrain_if_due(ledger, plan, seen, recipe="default", now=now)


def ended(ledger, job, state="done", at=NOW, **more):
    next_job(ledger, now=at, kinds=(RETRAIN,))
    return end_job(ledger, job.id, state, now=at, **more)


def test_by_the_clock_one_is_due_when_the_schedule_has_passed_since_the_newest_version(ledger):
    assert due(ledger, DAILY, Seen(5_000, 10, NOW - 23 * HOUR)) is None
    job = due(ledger, DAILY, Seen(5_000, 10, NOW - 25 * HOUR))
    assert (job.kind, job.state, job.arguments["because"]) == (RETRAIN, "queued", "schedule")


def test_the_last_attempt_counts_too_whatever_came_of_it(ledger):
    seen = Seen(5_000, 10, NOW - 100 * HOUR)
    ended(ledger, due(ledger, DAILY, seen), "failed", error="it was not to be")
    later = Seen(5_010, 20, NOW - 100 * HOUR)
    assert due(ledger, DAILY, later, NOW + 23 * HOUR) is None
    assert due(ledger, DAILY, later, NOW + 25 * HOUR) is not None
    assert next_due(DAILY, later, list_retrainings(ledger, most=9)[1], NOW) == NOW + 24 * HOUR


def test_nothing_is_due_where_nothing_happened_since(ledger):
    assert due(ledger, DAILY, Seen(5_000, 0, NOW - 100 * HOUR)) is None


def test_a_shop_that_was_never_trained_is_trained_at_once(ledger):
    assert due(ledger, DAILY, Seen(3, 3)).arguments["because"] == "schedule"


def test_without_a_schedule_new_events_make_one_due(ledger):
    assert due(ledger, BY_EVENTS, Seen(5_000, 999, NOW)) is None
    assert due(ledger, BY_EVENTS, Seen(5_001, 1_000, NOW)).arguments == {
        "because": "events", "recipe": "default", "events": 5_001,
    }  # fmt: skip


def test_after_a_refusal_as_many_events_must_be_new_again(ledger):
    """The refused version is not served: the served one lacks more and more events."""
    ended(ledger, due(ledger, BY_EVENTS, Seen(5_000, 1_000, NOW)), result={"outcome": "refused"})
    assert due(ledger, BY_EVENTS, Seen(5_999, 1_999, NOW), NOW + HOUR) is None
    assert due(ledger, BY_EVENTS, Seen(6_000, 2_000, NOW), NOW + HOUR) is not None


def test_what_was_erased_meanwhile_hides_nothing_that_is_new(ledger):
    """After the last one was published the lake lost a fifth of its events with the customers whose they were."""
    published = {"outcome": "published", "version": 2}
    ended(ledger, due(ledger, BY_EVENTS, Seen(5_000, 1_000, NOW, 1, 1)), result=published)
    assert due(ledger, BY_EVENTS, Seen(4_999, 999, NOW, 2, 2), NOW + HOUR) is None
    # Somebody went back to an earlier version: what it lacks was tried already.
    assert due(ledger, BY_EVENTS, Seen(5_000, 2_000, NOW, 1, 1), NOW + HOUR) is None
    assert due(ledger, BY_EVENTS, Seen(5_000, 1_000, NOW, 2, 2), NOW + HOUR).arguments["because"] == "events"


def test_after_a_training_by_hand_events_are_counted_from_its_bundle(ledger):
    ended(ledger, due(ledger, BY_EVENTS, Seen(5_000, 1_000, NOW)))
    assert due(ledger, BY_EVENTS, Seen(9_000, 200, NOW), NOW + HOUR) is None


def test_with_neither_nothing_is_ever_due(ledger):
    plan = Plan(None, 0, "UTC")
    assert due(ledger, plan, Seen(10**9, 10**9)) is None
    assert next_due(plan, Seen(1, 1), None, NOW) is None


@pytest.mark.parametrize("state", ["queued", "running"])
def test_while_one_waits_or_runs_there_is_no_other(ledger, state):
    job = due(ledger, DAILY, Seen(5_000, 10))
    if state == "running":
        next_job(ledger, now=NOW, kinds=(RETRAIN,))
    assert due(ledger, DAILY, Seen(6_000, 1_010), NOW + 100 * HOUR) is None
    assert ask_for_retraining(ledger, recipe="default", events=6_000, actor="Ann", now=NOW).id == job.id


def test_many_who_ask_at_once_make_one(ledger):
    found = []

    def ask():
        found.append(ask_for_retraining(ledger, recipe="default", events=1, actor=None, now=NOW).id)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_retraining_holds_up_no_other_job_and_no_other_job_holds_it_up(ledger):
    mine = ask_for_retraining(ledger, recipe="default", events=1, actor="Ann", now=NOW)
    other = create_job(ledger, "change_by_filter", {}, actor=None, now=NOW + 1)
    assert next_job(ledger, now=NOW + 2).id == other.id
    assert next_job(ledger, now=NOW + 2, kinds=(RETRAIN,)).id == mine.id
    assert last_retraining(ledger).actor == "Ann"
    with pytest.raises(UnknownThing, match="no such retraining"):
        find_retraining(ledger, other.id)


def test_one_that_its_runners_die_of_is_given_up_without_touching_other_jobs(ledger):
    mine = ask_for_retraining(ledger, recipe="default", events=1, actor=None, now=NOW)
    other = create_job(ledger, "change_by_filter", {}, actor=None, now=NOW)
    next_job(ledger, now=NOW)
    for _ in range(5):
        assert next_job(ledger, now=NOW, kinds=(RETRAIN,)).id == mine.id
    assert next_job(ledger, now=NOW, kinds=(RETRAIN,)) is None
    assert find_retraining(ledger, mine.id).state == "failed"
    with connection_of(ledger) as connection:
        assert rows_of(connection, "SELECT state FROM jobs WHERE job_id = :id", id=other.id) == [("running",)]


def test_what_came_of_it_is_told_in_a_sentence(ledger):
    def told(state, result=None, error=None):
        job = ask_for_retraining(ledger, recipe="default", events=1, actor=None, now=NOW)
        ended(ledger, job, state, result=result, error=error)
        return told_of(find_retraining(ledger, job.id))

    assert told("done", {"outcome": "published", "version": 4}) == "version 4 is served"
    refused = {"outcome": "refused", "version": 5, "failed_gates": ["home_beats_frequency", "coverage_floor"]}
    assert told("done", refused) == "version 5 was refused at the gates: home_beats_frequency, coverage_floor"
    assert told("failed", error="the time limit was reached") == "it failed: the time limit was reached"
    waiting = ask_for_retraining(ledger, recipe="default", events=1, actor=None, now=NOW)
    assert told_of(waiting) == "it waits for its turn"
    cancel_job(ledger, waiting.id, now=NOW)
    assert told_of(find_retraining(ledger, waiting.id)) == "it was cancelled"
