"""Kinds of jobs: what the runner does for each, from what stands in the job to what came of it.

A kind waits for stores that are away, so that a job goes on where it was, and ends where it is told to stop.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from engine.errors import StoreUnavailable
from engine.settings import Settings
from engine.storage import clock
from engine.storage.campaign_launch import STAGES, launch_campaign
from engine.storage.home import Home
from engine.storage.jobs import BY_FILTER, LAUNCH, Job, tell_progress
from engine.storage.ledger import LedgerPool
from serving.actions.change_by_filter import Outcome, Progress, change_by_filter, checked_wish, progress_of
from serving.doors import Doors

log = logging.getLogger("hawker.jobs")

_Answer = TypeVar("_Answer")
_PATIENCE = 1.0  # seconds before a store that was away is asked again
_NOTE_EVERY = 0.5  # seconds


@dataclass(frozen=True, slots=True)
class JobShop:
    """The shop's stores, as actions want them."""

    settings: Settings
    doors: Doors


@dataclass(frozen=True, slots=True)
class Running:
    """A job in hand. `stopping` is set where this runner was told to stop."""

    job: Job
    shop: JobShop
    ledger: LedgerPool
    home: Home
    stopping: threading.Event


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a job."""

    result: Mapping[str, Any]
    cancelled: bool = False


async def work_on(running: Running) -> Ended | None:
    """What came of the job; None when this runner was told to stop."""
    return await _KINDS[running.job.kind](running)


async def _change(running: Running) -> Ended | None:
    job, stopping = running.job, running.stopping
    wanted, progress = checked_wish(job.arguments), progress_of(job.checkpoint)
    told_at = 0.0

    async def tell(done: int, now_at: Progress) -> bool:
        nonlocal progress, told_at
        if running.shop.doors.pressure is not None:
            await running.shop.doors.pressure.look()
        # An empty stretch of the walk needs no note of its own.
        if not now_at.pending and now_at == progress and time.monotonic() - told_at < _NOTE_EVERY:
            return not stopping.is_set()
        goes_on = tell_progress(running.ledger, job.id, done, now_at.as_json())
        progress, told_at = now_at, time.monotonic()
        return goes_on and not stopping.is_set()

    async def change() -> Outcome:
        return await change_by_filter(
            running.shop, wanted, progress, clock=lambda: clock.now(running.home), actor=job.actor, tell=tell
        )

    outcome = await _patiently(running, change)
    if outcome is None or (outcome.cancelled and stopping.is_set()):
        return None
    return Ended(outcome.as_json(), outcome.cancelled)


async def _launch(running: Running) -> Ended | None:
    """The job's id is the launch's name, so that a runner that finds it done does it no second time."""
    job, stopping = running.job, running.stopping

    def goes_on(stage: str) -> bool:
        return tell_progress(running.ledger, job.id, STAGES.index(stage)) and not stopping.is_set()

    async def launch() -> Any:
        now = clock.now(running.home)
        return await asyncio.to_thread(
            launch_campaign, running.home, running.ledger, job.arguments["campaign_id"], running.shop.settings,
            actor=job.actor, now=now, token=job.id, goes_on=goes_on,
        )  # fmt: skip

    stored = await _patiently(running, launch)
    if stored is None:
        return None
    if stored.state in ("draft", "approved"):
        return None if stopping.is_set() else Ended({}, cancelled=True)
    return Ended({"campaign_id": stored.id, "state": stored.state})


async def _patiently(running: Running, do: Callable[[], Awaitable[_Answer]]) -> _Answer | None:
    """What it answers, waiting for a store that is away; None when this runner was told to stop."""
    said = ""
    while not running.stopping.is_set():
        try:
            return await do()
        except StoreUnavailable as problem:
            if problem.message != said:
                said = problem.message
                log.warning("job %s waits: %s", running.job.id, said)
            await asyncio.sleep(_PATIENCE)
    return None


_KINDS: Mapping[str, Callable[[Running], Awaitable[Ended | None]]] = {BY_FILTER: _change, LAUNCH: _launch}
