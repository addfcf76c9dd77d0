"""Retrain: one round of the routine: train, judge, publish what passes the gates, let go of old versions."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from engine.errors import NotAllowed, StoreUnavailable
from engine.settings import Settings
from engine.storage.flock import wait_for_lock
from engine.storage.home import Home
from engine.storage.releases import drop_old_versions
from training.gates import Gate
from training.produce import produce
from training.publish import publish
from training.recipe import Recipe
from training.report import gates_json
from training.snapshot import Progress
from training.tracking import Tracker

_PATIENCE = 15.0  # seconds for one that was told to end


@dataclass(frozen=True, slots=True)
class Retrained:
    """What became of a round: `outcome` is `published`, or `refused` where a gate stopped the new version.

    A refused version stays stored as the challenger. `as_of` is the first moment (epoch seconds) that it does not know.
    """

    outcome: str
    version: int
    as_of: int
    gates: tuple[Gate, ...]
    seconds: float
    dropped: tuple[int, ...] = ()
    warning: str = ""

    @property
    def failed_gates(self) -> list[str]:
        return [gate.name for gate in self.gates if not gate.passed]

    def as_json(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "version": self.version,
            "as_of": self.as_of,
            "gates": gates_json(self.gates),
            "failed_gates": self.failed_gates,
            "seconds": round(self.seconds, 1),
            "dropped": list(self.dropped),
            "warning": self.warning,
        }

    def text(self) -> str:
        """For a person, in a line or two."""
        if self.outcome == "published":
            return f"version {self.version} is served {self.warning}".strip()
        told = "; ".join(f"{gate.name}: {gate.measured}" for gate in self.gates if not gate.passed)
        return f"version {self.version} is not served, a gate refused it: {told} {self.warning}".strip()


def retrain(home: Home, settings: Settings, recipe: str | Recipe, *, say: Progress = lambda _: None) -> Retrained:
    """Train on all that the lake holds and serve the result if the gates let it pass; nothing is forced.

    One at a time: NotAllowed where another one runs. Killed at any moment, what was served goes on being served, and
    the next round begins anew. Raises what `produce` and `publish` raise but a gate's refusal.
    """
    began = time.perf_counter()
    with _alone(home):
        made = produce(home, settings, recipe, until=None, say=say)
        judged: list[Gate] = []
        say("judge and publish")
        try:
            done = publish(home, made.version, now=time.time(), registry=Tracker(home, settings), show=judged.extend)
            outcome, warning = "published", done.warning or made.warning
        except NotAllowed as refusal:
            if refusal.code != "gate_failed":
                raise
            outcome, warning = "refused", made.warning
        dropped = drop_old_versions(home, settings.keep_versions)
    as_of = made.outcome.bundle.manifest.as_of
    seconds = time.perf_counter() - began
    return Retrained(outcome, made.version, as_of, tuple(judged), seconds, dropped, warning)


@contextmanager
def _alone(home: Home) -> Iterator[None]:
    home.shop_folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = wait_for_lock(home.shop_folder / "retraining.lock", seconds=_PATIENCE, doing="retraining")
    except StoreUnavailable as problem:
        raise NotAllowed("another retraining of this shop runs; wait for its end", code="retraining_runs") from problem
    try:
        yield
    finally:
        os.close(lock)
