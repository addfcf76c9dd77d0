"""Retrainings: when the shop's bundle is trained anew, and what came of it, as jobs in the ledger.

A retraining is a job of its own kind. It is due by the clock or by the number of new events (see `Plan`), never while
another waits or runs, and never where nothing happened since the last one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from engine.errors import UnknownThing
from engine.schedule import Schedule
from engine.settings import Settings
from engine.storage.jobs import RETRAIN, Job, create_job, find_job, jobs_of
from engine.storage.ledger import Ledger, LedgerConnection, LedgerPool, connection_of, rows_of


@dataclass(frozen=True, slots=True)
class Plan:
    """When a shop wants to be trained anew: by a schedule in its zone, after so many events (0: never), or neither."""

    schedule: Schedule | None
    events: int
    zone: str

    @classmethod
    def of(cls, settings: Settings) -> Plan:
        return cls(settings.retrain, settings.retrain_events, settings.zone)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the lake says: how many events it holds, and how many of them the served bundle does not know.

    `trained_at` is when the newest version was made (the shop's time, epoch seconds), None where there is none.
    `version` is what is served, 0 for nothing, and `as_of` (epoch seconds) the first moment that it does not know.
    """

    events: int
    events_since: int
    trained_at: float | None = None
    version: int = 0
    as_of: int = 0


def next_due(plan: Plan, seen: Seen, last: Job | None, now: float) -> float | None:
    """When the schedule asks for the next one (epoch seconds), `now` where it does already; None without a schedule."""
    if plan.schedule is None:
        return None
    before = [] if seen.trained_at is None else [seen.trained_at]
    before += [] if last is None else [last.created_at.timestamp()]
    return max(now, plan.schedule.next_after(max(before), plan.zone)) if before else now


def reason_to_retrain(plan: Plan, seen: Seen, last: Job | None, now: float) -> str:
    """`schedule` or `events` where one is due, else nothing."""
    fresh = _events_since_last(seen, last)
    if not fresh:
        return ""
    due = next_due(plan, seen, last, now)
    if due is not None and due <= now:
        return "schedule"
    return "events" if plan.events and fresh >= plan.events else ""


def _events_since_last(seen: Seen, last: Job | None) -> int:
    """New ones since the served bundle, and since the last attempt: one that was refused is not tried again at once.

    Where the last attempt made what is served, the bundle alone tells: a lake from which customers were erased holds
    less than it did then.
    """
    if last is None or (seen.version and (last.result or {}).get("version") == seen.version):
        return seen.events_since
    return min(seen.events_since, max(0, seen.events - int(last.arguments.get("events", 0))))


def retrain_if_due(ledger: LedgerPool, plan: Plan, seen: Seen, *, recipe: str, now: float) -> Job | None:
    """Write down the retraining that is due at `now`, if one is and none waits or runs."""
    with _alone(ledger) as connection:
        last = last_retraining(connection)
        if last is not None and last.state in ("queued", "running"):
            return None
        because = reason_to_retrain(plan, seen, last, now)
        return _write(connection, seen.events, because, recipe, actor=None, now=now) if because else None


def ask_for_retraining(ledger: LedgerPool, *, recipe: str, events: int, actor: str | None, now: float) -> Job:
    """A retraining because somebody wants it; the one that waits or runs where there is one."""
    with _alone(ledger) as connection:
        last = last_retraining(connection)
        if last is not None and last.state in ("queued", "running"):
            return last
        return _write(connection, events, "asked", recipe, actor=actor, now=now)


def last_retraining(ledger: Ledger) -> Job | None:
    """The newest one, whatever its state."""
    found = jobs_of(ledger, RETRAIN, most=1)
    return found[0] if found else None


def list_retrainings(ledger: Ledger, *, most: int) -> list[Job]:
    """Newest first."""
    return jobs_of(ledger, RETRAIN, most=most)


def find_retraining(ledger: Ledger, job_id: str) -> Job:
    """Raises UnknownThing, also for a job of another kind."""
    job = find_job(ledger, job_id)
    if job.kind != RETRAIN:
        raise UnknownThing("there is no such retraining", code="unknown_job", field="job_id")
    return job


def told_of(job: Job) -> str:
    """What became of a retraining, in a sentence."""
    result: Mapping[str, Any] = job.result or {}
    if job.state in ("queued", "running"):
        return "it runs" if job.state == "running" else "it waits for its turn"
    if job.state == "cancelled":
        return "it was cancelled"
    if job.state == "failed":
        return f"it failed: {job.error}"
    if result.get("outcome") == "refused":
        return f"version {result['version']} was refused at the gates: {', '.join(result['failed_gates'])}"
    return f"version {result.get('version')} is served"


@contextmanager
def _alone(ledger: LedgerPool) -> Iterator[LedgerConnection]:
    """A transaction that others who write retrainings wait for, so that two who ask at once make one."""
    with connection_of(ledger) as connection:
        rows_of(
            connection, "SELECT 1 FROM (SELECT pg_advisory_xact_lock(hashtextextended(current_schema(), 7))) AS held"
        )
        yield connection


def _write(ledger: Ledger, events: int, because: str, recipe: str, *, actor: str | None, now: float) -> Job:
    return create_job(ledger, RETRAIN, {"because": because, "recipe": recipe, "events": events}, actor=actor, now=now)
