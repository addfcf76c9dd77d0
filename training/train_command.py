"""`hawker train`: a recipe of any kind, by name or file, to what it makes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.errors import BadInput
from engine.settings import Settings
from engine.storage.home import Home
from training.predictions.produce import Predicted, produce_prediction
from training.predictions.recipe import is_prediction, parse_prediction
from training.produce import Produced, produce
from training.recipe import parse_recipe, read_document
from training.response.produce import Responded, produce_responses
from training.response.recipe import is_response, parse_response
from training.snapshot import Progress
from training.sweep import Bounds, sweep
from training.swept import Swept


@dataclass(frozen=True, slots=True)
class Wish:
    """How to train: on what lies before `until`. With `sweep`: how many trials, for how long, where the best goes."""

    until: datetime | None = None
    sweep: bool = False
    trials: int | None = None
    minutes: float | None = None
    out: Path | None = None


def run_recipe(
    home: Home, settings: Settings, name_or_path: str, wish: Wish, *, say: Progress = lambda _: None
) -> Produced | Predicted | Responded | Swept:
    """Train what the storefront serves, a prediction, or responses to offers: the recipe's file says which."""
    document = read_document(name_or_path)
    until = wish.until
    if not wish.sweep and (given := [name for name in ("trials", "minutes", "out") if getattr(wish, name) is not None]):
        option = {"minutes": "timeout"}.get(given[0], given[0])
        raise BadInput(f"--{option} says something of a sweep; add --sweep", field=option)
    if wish.minutes is not None and not wish.minutes > 0:
        raise BadInput("--timeout is a number of minutes above 0", field="timeout")
    if wish.sweep:
        if is_prediction(document) or is_response(document):
            raise BadInput("a sweep tries recipes of what the storefront serves, not of predictions", field="sweep")
        return sweep(home, settings, document, Bounds(wish.trials, wish.minutes, wish.out), until=until, say=say)
    if is_prediction(document):
        return produce_prediction(home, settings, parse_prediction(document), until=until, say=say)
    if is_response(document):
        return produce_responses(home, settings, parse_response(document), until=until, say=say)
    return produce(home, settings, parse_recipe(document), until=until, say=say)
