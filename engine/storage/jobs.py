"""Jobs in the ledger. One runner a shop works on them, oldest first; after a kill the next one goes on.

It finds the checkpoint that the former left. A job that kills its runners again and again is given up, so that it does
not hold up those behind it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from engine.errors import UnknownThing
from engine.storage.ledger import Ledger, connection_of, rows_of

#: Kinds of jobs; what one does stands in its arguments.
BY_FILTER, LAUNCH, RETRAIN = "change_by_filter", "launch_campaign", "retrain"
#: What the runner does one after another; a retraining, which takes hours, holds up none of them.
IN_TURN = (BY_FILTER, LAUNCH)
_COLUMNS = "job_id, kind, arguments, actor, state, done, result, error, created_at, started_at, finished_at, checkpoint"
_ID = re.compile(r"[0-9a-f]{32}")
#: So many runners may die of a job.
MOST_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Job:
    """`done` counts what was looked at so far. Times are aware datetimes. `checkpoint` is the runner's own."""

    id: str
    kind: str
    arguments: Mapping[str, Any]
    actor: str | None
    state: str
    done: int
    result: Mapping[str, Any] | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    checkpoint: Mapping[str, Any] | None

    def as_json(self) -> dict[str, Any]:
        told = {
            name: getattr(self, name) for name in ("kind", "arguments", "actor", "state", "done", "result", "error")
        }
        times = {name: getattr(self, name) for name in ("created_at", "started_at", "finished_at")}
        return {"job_id": self.id, **told, **{name: at and at.isoformat() for name, at in times.items()}}


def create_job(ledger: Ledger, kind: str, arguments: Mapping[str, Any], *, actor: str | None, now: float) -> Job:
    """A new job at the end of the queue."""
    return _one(
        ledger,
        "INSERT INTO jobs (job_id, kind, arguments, actor, created_at)"
        f" VALUES (:id, :kind, CAST(:arguments AS JSONB), :actor, :at) RETURNING {_COLUMNS}",
        id=uuid4().hex,
        kind=kind,
        arguments=json.dumps(arguments),
        actor=actor,
        at=_moment(now),
    )


def find_job(ledger: Ledger, job_id: str) -> Job:
    """Raises UnknownThing."""
    return _one(ledger, f"SELECT {_COLUMNS} FROM jobs WHERE job_id = :id", id=_checked(job_id))


def next_job(ledger: Ledger, *, now: float, kinds: Collection[str] = IN_TURN) -> Job | None:
    """The oldest job of these kinds that is not over, now running; only for who runs them and has none in hand."""
    with connection_of(ledger) as connection:
        rows_of(
            connection,
            "UPDATE jobs SET state = 'failed', finished_at = :at, error = :error"
            " WHERE state = 'running' AND attempt >= :most AND kind = ANY(:kinds)",
            at=_moment(now),
            error=f"begun {MOST_ATTEMPTS} times, and each time its runner died",
            most=MOST_ATTEMPTS,
            kinds=list(kinds),
        )
        rows = rows_of(
            connection,
            "UPDATE jobs SET state = 'running', attempt = attempt + 1, started_at = coalesce(started_at, :at)"
            " WHERE job_id = (SELECT job_id FROM jobs WHERE state IN ('queued', 'running') AND kind = ANY(:kinds)"
            f" ORDER BY created_at, job_id LIMIT 1) RETURNING {_COLUMNS}",
            at=_moment(now),
            kinds=list(kinds),
        )
    return Job(*rows[0]) if rows else None


def tell_progress(ledger: Ledger, job_id: str, done: int, checkpoint: Mapping[str, Any] | None = None) -> bool:
    """Note how far a job is, and what its next runner must know; False when somebody wants it to end."""
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            "UPDATE jobs SET done = :done, checkpoint = CAST(:checkpoint AS JSONB)"
            " WHERE job_id = :id RETURNING cancel_asked",
            id=job_id,
            done=done,
            checkpoint=None if checkpoint is None else json.dumps(checkpoint),
        )
    return bool(rows) and not rows[0][0]


def put_back(ledger: Ledger, job_id: str) -> Job:
    """Leave a job to the next runner, as one does that is told to stop; it does not count as a death."""
    return _one(
        ledger,
        f"UPDATE jobs SET state = 'queued', attempt = attempt - 1 WHERE job_id = :id RETURNING {_COLUMNS}",
        id=job_id,
    )


def end_job(
    ledger: Ledger,
    job_id: str,
    state: str,
    *,
    now: float,
    result: Mapping[str, Any] | None = None,
    error: str | None = None,
) -> Job:
    """The end of a job: done, failed or cancelled."""
    return _one(
        ledger,
        "UPDATE jobs SET state = :state, result = CAST(:result AS JSONB), error = :error, finished_at = :at,"
        " checkpoint = NULL"
        f" WHERE job_id = :id RETURNING {_COLUMNS}",
        id=job_id,
        state=state,
        result=None if result is None else json.dumps(result),
        error=error,
        at=_moment(now),
    )


def has_job(ledger: Ledger, kind: str, **arguments: str) -> bool:
    """Whether a job of this kind with these arguments waits or runs."""
    with connection_of(ledger) as connection:
        return bool(
            rows_of(
                connection,
                "SELECT 1 FROM jobs WHERE kind = :kind AND state IN ('queued', 'running')"
                " AND arguments @> CAST(:arguments AS JSONB) LIMIT 1",
                kind=kind,
                arguments=json.dumps(arguments),
            )
        )


def jobs_of(ledger: Ledger, kind: str, *, most: int) -> list[Job]:
    """The newest jobs of a kind, newest first."""
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            f"SELECT {_COLUMNS} FROM jobs WHERE kind = :kind ORDER BY created_at DESC, job_id DESC LIMIT :most",
            kind=kind,
            most=most,
        )
    return [Job(*row) for row in rows]


def cancel_job(ledger: Ledger, job_id: str, *, now: float) -> Job:
    """A queued job is over, a running one ends after its batch, one that is over stays so. Raises UnknownThing."""
    return _one(
        ledger,
        "UPDATE jobs SET cancel_asked = true,"
        " finished_at = CASE state WHEN 'queued' THEN :at ELSE finished_at END,"
        " state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END"
        f" WHERE job_id = :id RETURNING {_COLUMNS}",
        id=_checked(job_id),
        at=_moment(now),
    )


def _checked(job_id: str) -> str:
    """What cannot be a job's id is not asked for: the ledger holds no NUL and no half characters."""
    if not _ID.fullmatch(job_id):
        raise _unknown()
    return job_id


def _unknown() -> UnknownThing:
    return UnknownThing("there is no such job", code="unknown_job", field="job_id")


def _one(ledger: Ledger, statement: str, **values: Any) -> Job:
    with connection_of(ledger) as connection:
        rows = rows_of(connection, statement, **values)
    if not rows:
        raise _unknown()
    return Job(*rows[0])


def _moment(now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC)
