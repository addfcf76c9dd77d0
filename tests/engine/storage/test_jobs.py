"""The queue of jobs."""

from __future__ import annotations

import pytest

from engine.errors import UnknownThing
from engine.storage.jobs import (
    MOST_ATTEMPTS,
    cancel_job,
    create_job,
    end_job,
    find_job,
    next_job,
    put_back,
    tell_progress,
)

NOW = 1_750_000_000.0


def make(ledger, name="a", after=0.0):
    return create_job(ledger, "change_by_filter", {"filter": name}, actor="shop", now=NOW + after)


def test_jobs_are_worked_on_one_after_another_and_tell_how_far_they_are(ledger):
    first, second = make(ledger, "first"), make(ledger, "second", after=1)
    assert next_job(ledger, now=NOW + 2).id == first.id
    assert tell_progress(ledger, first.id, 500)
    assert (find_job(ledger, first.id).state, find_job(ledger, first.id).done) == ("running", 500)
    ended = end_job(ledger, first.id, "done", now=NOW + 3, result={"changed": 7})
    assert (ended.state, ended.result, ended.arguments) == ("done", {"changed": 7}, {"filter": "first"})
    assert next_job(ledger, now=NOW + 4).id == second.id


def test_a_job_whose_runner_was_killed_is_the_next_again(ledger):
    job = make(ledger)
    assert next_job(ledger, now=NOW + 1).started_at == next_job(ledger, now=NOW + 9).started_at
    assert next_job(ledger, now=NOW + 9).id == job.id


def test_the_next_runner_finds_the_checkpoint_of_the_former(ledger):
    job = make(ledger)
    next_job(ledger, now=NOW + 1)
    tell_progress(ledger, job.id, 500, {"changed": 3, "pending": ["日本"]})
    assert next_job(ledger, now=NOW + 2).checkpoint == {"changed": 3, "pending": ["日本"]}
    assert end_job(ledger, job.id, "done", now=NOW + 3).checkpoint is None


def test_a_job_that_its_runners_die_of_is_given_up_and_one_that_is_put_back_is_not(ledger):
    deadly, behind = make(ledger), make(ledger, "behind", after=1)
    for _ in range(3 * MOST_ATTEMPTS):
        next_job(ledger, now=NOW + 2)
        assert put_back(ledger, deadly.id).state == "queued"
    for _ in range(MOST_ATTEMPTS):
        assert next_job(ledger, now=NOW + 3).id == deadly.id
    assert next_job(ledger, now=NOW + 4).id == behind.id
    given_up = find_job(ledger, deadly.id)
    assert (given_up.state, given_up.error) == ("failed", "begun 5 times, and each time its runner died")


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_is_asked_to_end(ledger):
    waiting = make(ledger)
    assert cancel_job(ledger, waiting.id, now=NOW + 1).state == "cancelled"
    assert next_job(ledger, now=NOW + 1) is None
    running = make(ledger)
    next_job(ledger, now=NOW + 2)
    assert cancel_job(ledger, running.id, now=NOW + 3).state == "running"
    assert not tell_progress(ledger, running.id, 1)
    end_job(ledger, running.id, "cancelled", now=NOW + 4)
    assert cancel_job(ledger, running.id, now=NOW + 5).finished_at.timestamp() == NOW + 4


def test_a_job_that_never_was_is_unknown(ledger):
    for use in (find_job, lambda ledger, name: cancel_job(ledger, name, now=NOW)):
        for name in ("never", "0" * 32, "\0", "\ud800", "0" * 31 + "\n"):
            with pytest.raises(UnknownThing):
                use(ledger, name)
