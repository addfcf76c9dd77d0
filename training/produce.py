"""Produce: one training run from the lake to a stored version, recorded in MLflow."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.table import Table

from engine.errors import HawkerError
from engine.settings import Settings
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.releases import version_folder
from training.evidence import content_digest, store
from training.outcome import Outcome
from training.recipe import Recipe, read_recipe
from training.report import evaluation_table
from training.run import train
from training.shop_data import read_shop
from training.snapshot import Progress
from training.tracking import Tracker


@dataclass(frozen=True, slots=True)
class Produced:
    """A stored version. `content` is the digest of what was made (`training.evidence.content_digest`). `warning` says
    what MLflow lacks; nothing of the version is lost by it."""

    version: int
    outcome: Outcome
    seconds: dict[str, float]
    content: str
    warning: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "content": self.content,
            "chosen": self.outcome.chosen,
            "scores": self.outcome.bundle.manifest.metrics["scores"],
            "due": self.outcome.bundle.manifest.metrics["due"],
            "seconds": self.seconds,
            "warning": self.warning,
        }

    def table(self) -> Table:
        """The scores, for a person."""
        metrics = self.outcome.bundle.manifest.metrics
        table = evaluation_table(metrics["scores"], metrics["due"])
        made = f"trained version {self.version}; `hawker publish` lets the storefront serve it. {self.warning}"
        table.caption = f"{table.caption}\n{made}" if table.caption else made
        return table


def produce(
    home: Home, settings: Settings, recipe: str | Recipe, *, until: datetime | None, say: Progress = lambda _: None
) -> Produced:
    """Read, train, store, record. What stands in the lake later than `until` plays no part.

    Raises BadInput for a recipe that says something unknown, NotEnoughData for a shop that is too
    young or too empty; the served version stays as it is in any case.
    """
    start = time.perf_counter()
    wanted = read_recipe(recipe) if isinstance(recipe, str) else recipe
    say("read the lake")
    shop = read_shop(Lake(home), until)
    read = time.perf_counter() - start
    outcome = train(shop, wanted, say=say)
    version = store(home, outcome)
    say("record in MLflow")
    before = time.perf_counter()
    warning = _record(home, settings, version)
    seconds = {"read": read, **outcome.seconds, "record": time.perf_counter() - before}
    content = content_digest(version_folder(home, version))
    return Produced(version, outcome, {stage: round(value, 2) for stage, value in seconds.items()}, content, warning)


def _record(home: Home, settings: Settings, version: int) -> str:
    try:
        # Not only this version: what an earlier failure left out is made good, and `challenger` moves on.
        Tracker(home, settings).repair()
    except HawkerError as problem:
        return (
            f"MLflow was not told of version {version}: {problem.message}; the next publish or `hawker doctor` does it"
        )
    return ""
