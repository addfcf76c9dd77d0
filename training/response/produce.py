"""Produce the responses: one run from past campaigns to rows in the lake, recorded in MLflow."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from rich.table import Table

from engine.settings import Settings
from engine.storage import clock
from engine.storage.embedded import open_stores
from engine.storage.home import Home
from engine.storage.lake_predictions import replace_predictions
from engine.storage.ledger import opened_ledger
from engine.storage.migrate import migrate
from engine.storage.past_campaigns import PastCampaigns, read_past_campaigns
from engine.targeting.plans import EVIDENCE
from training.predictions.record import Told, record_run
from training.response.recipe import ResponseRecipe
from training.response.registered_response import TRAVELS
from training.response.run import Responses, train_responses
from training.tracking import Tracker


@dataclass(frozen=True, slots=True)
class Responded:
    """Responses that stand in the lake, and the run that made them."""

    trained: Responses
    run_id: str
    seconds: float

    def as_json(self) -> dict[str, Any]:
        found = self.trained
        return {
            "prediction": found.recipe.name,
            "evidence": found.evidence,
            "evidence_says": EVIDENCE[found.evidence],
            "sentence": found.sentence,
            "as_of": found.as_of.isoformat(),
            "users": len(found.users),
            "outputs": list(found.model.outputs),
            "inputs": list(found.model.names),
            **found.figures,
            "run_id": self.run_id,
            "seconds": round(self.seconds, 2),
        }

    def table(self) -> Table:
        """What offers are expected to bring on average, for a person."""
        found = self.trained
        table = Table(title="Responses to offers, mean of all customers")
        table.add_column("what")
        table.add_column("mean", justify="right")
        for name, mean in zip(found.model.outputs, found.scores.mean(axis=0), strict=True):
            table.add_row(name, f"{mean:.4f}")
        table.caption = (
            f"{EVIDENCE[found.evidence]}\n{found.sentence}\n{len(found.users):,} customers, run {self.run_id}."
        )
        return table


def produce_responses(
    home: Home, settings: Settings, recipe: ResponseRecipe, *, until: datetime | None,
    say: Callable[[str], None] = lambda _: None,
) -> Responded:  # fmt: skip
    """Learn from the campaigns of the lake and the ledger, record, and let the new rows take the former ones' place.

    Raises what `train_responses` does, and StoreUnavailable without MLflow; the former rows stay in any case.
    """
    with open_stores(settings, {"ledger"}) as stores:
        migrate(stores.ledger_url, settings.shop)
        with opened_ledger(stores.ledger_url, settings.shop) as ledger:
            past = read_past_campaigns(ledger)
    return record_responses(home, settings, recipe, past, until=until, say=say)


def record_responses(
    home: Home, settings: Settings, recipe: ResponseRecipe, past: PastCampaigns, *, until: datetime | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Responded:  # fmt: skip
    """The same, for past campaigns that were read already."""
    began = time.perf_counter()
    found = train_responses(home, recipe, past, now=clock.now(home), until=until, say=say)
    say("record in MLflow, write into the lake")
    tags = {
        "prediction": recipe.name, "evidence": found.evidence, "learner": found.model.learner,
        "as_of": found.as_of.isoformat(), "sentence": found.sentence,
        **{f"data.{table}": str(version) for table, version in found.data_versions.items()},
    }  # fmt: skip
    params = {f"recipe.{key}": value for key, value in dataclasses.asdict(recipe).items()}
    told = Told(
        recipe.name, found.sentence, tags, params, found.figures, found.model.to_text(), found.model.names,
        found.model.outputs, "training.response.registered_response", TRAVELS, ("numpy", "lightgbm"),
    )  # fmt: skip
    run_id = record_run(
        Tracker(home, settings), told, lambda run: replace_predictions(home, recipe.name, _rows(found, run))
    )
    return Responded(found, run_id, time.perf_counter() - began)


def _rows(found: Responses, run_id: str) -> pa.Table:
    """One row a customer and output. A loss of orders is written as none: no plan gives an offer for either."""
    users, outputs = len(found.users), found.model.outputs
    scores = np.clip(found.scores, 0.0, 1.0).T.ravel()
    subjects = pa.array(outputs).take(pa.array(np.repeat(np.arange(len(outputs)), users)))
    moment = pa.scalar(found.as_of, pa.timestamp("us", tz="UTC"))
    written = pa.scalar(int(time.time() * 1_000_000), pa.int64()).cast(pa.timestamp("us", tz="UTC"))

    def everywhere(value: pa.Scalar) -> pa.Array:
        return pa.repeat(value, len(scores))

    return pa.table(
        {
            "user_id": pa.array(list(found.users) * len(outputs), pa.string()),
            "subject": subjects,
            "score": scores,
            # Learners of uplift leave no interval of one customer, and none is made up.
            **dict.fromkeys(("low", "high", "baseline"), pa.nulls(len(scores), pa.float64())),
            "model": everywhere(pa.scalar(found.model.learner)),
            "as_of": everywhere(moment),
            "run_id": everywhere(pa.scalar(run_id)),
            "written_at": everywhere(written),
        }
    )
