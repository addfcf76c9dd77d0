"""Retraining: a thread of the jobs process that trains the shop's bundle anew when a job says so.

Training is another room, which serving never imports: `hawker retrain` runs as a child process, within limits, and
serving goes on with what it has until the pointer moves.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from engine.errors import StoreUnavailable
from engine.settings import Settings
from engine.storage import clock
from engine.storage.home import Home
from engine.storage.jobs import RETRAIN, Job, end_job, next_job, put_back, tell_progress
from engine.storage.ledger import LedgerPool
from serving.ledger_watch import looking
from serving.limited_child import Ended, Limits, run_limited, sentence
from serving.metrics import TrainingMetrics

log = logging.getLogger("hawker.retraining")

_PAUSE = 2.0  # seconds between two looks at an empty queue
_PATIENCE = 5.0  # seconds before a ledger that was away is told again
_LANDING = 6.0  # seconds for the child to end
#: What the supervisor gives to processes that answer; training spreads over its recipe's threads.
_NOT_FOR_TRAINING = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "PROMETHEUS_MULTIPROC_DIR")
COMMAND = (sys.executable, "-P", "-m", "hawker", "retrain")


def retraining(
    settings: Settings, home: Home, figures: TrainingMetrics, stopping: threading.Event
) -> AbstractContextManager[None]:
    """Retrain in a thread what jobs ask for, until `stopping` is set; a child is then ended and its job put back."""

    def look(ledger: LedgerPool) -> None:
        job = next_job(ledger, now=clock.now(home), kinds=(RETRAIN,))
        if job is not None:
            figures.running.set(1)
            try:
                run_retraining(ledger, job, settings, home, figures, stopping)
            finally:
                figures.running.set(0)

    return looking("retraining", look, settings, stopping, log=log, pause=_PAUSE, landing=_LANDING)


def run_retraining(
    ledger: LedgerPool,
    job: Job,
    settings: Settings,
    home: Home,
    figures: TrainingMetrics,
    stopping: threading.Event,
    *,
    command: Sequence[str] = COMMAND,
) -> None:
    """One job to its end, which is written down: what was published, which gate refused it, or why it failed."""
    limits = Limits(settings.retrain_memory_mib, settings.retrain_hours * 3_600)
    began = time.monotonic()

    def goes_on(line: str) -> bool:
        if stopping.is_set():
            return False
        stage = re.sub(r"^[\d.]+ s\s+", "", line)
        try:
            return tell_progress(ledger, job.id, int(time.monotonic() - began), {"stage": stage})
        except StoreUnavailable:  # nobody can have cancelled it
            return True

    environment = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_TRAINING}
    recipe = str(job.arguments.get("recipe", settings.retrain_recipe))
    try:
        ended = run_limited([*command, "--json", "--", recipe], limits, environment=environment, goes_on=goes_on)
    except OSError as problem:  # no process or no disk to be had; begun again and again it would fail as often
        ended = Ended(1, "", "", f"it could not be started: {problem}", 0.0, time.monotonic() - began)
    if ended.why == "stopped" and stopping.is_set() and _answer(ended) is None:
        put_back(ledger, job.id)
        return
    state, result, error = _what_came(ended, limits)
    figures.ended.labels(result["outcome"]).inc()
    log.info("retraining %s: %s", job.id, error or result["outcome"])
    _surely(lambda: end_job(ledger, job.id, state, now=clock.now(home), result=result, error=error), stopping)


def _what_came(ended: Ended, limits: Limits) -> tuple[str, Mapping[str, Any], str | None]:
    """State, result and error of the job."""
    spent = {"seconds": round(ended.seconds, 1), "peak_mib": round(ended.peak_mib)}
    told = _answer(ended)
    if told is not None:  # also of one that was ended when all was done: what it published is served
        return "done", {**told, **spent}, None
    if ended.why == "stopped":
        return "cancelled", {"outcome": "cancelled", **spent}, None
    why = sentence(ended, limits)
    return "failed", {"outcome": "failed", "why": ended.why or "error", "reason": why, **spent}, why


def _answer(ended: Ended) -> dict[str, Any] | None:
    """The object that the command printed last; a round that a gate refused ends with code 1 and has one, too."""
    lines = ended.said.strip().splitlines()
    if not lines:
        return None
    try:
        told = json.loads(lines[-1])
    except ValueError:
        return None
    return told if isinstance(told, dict) and told.get("outcome") in ("published", "refused") else None


def _surely(write: Callable[[], object], stopping: threading.Event) -> None:
    """What came of hours of work is written down, however long the ledger is away."""
    while True:
        try:
            write()
            return
        except StoreUnavailable as problem:
            if stopping.is_set():
                raise
            log.warning("what came of a retraining is not written down yet: %s", problem.message)
            stopping.wait(_PATIENCE)
