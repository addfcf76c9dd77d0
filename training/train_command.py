"""`hawker train`: a recipe of any kind, by name or file, to what it makes."""

from __future__ import annotations

from datetime import datetime

from engine.settings import Settings
from engine.storage.home import Home
from training.predictions.produce import Predicted, produce_prediction
from training.predictions.recipe import is_prediction, parse_prediction
from training.produce import Produced, produce
from training.recipe import parse_recipe, read_document
from training.response.produce import Responded, produce_responses
from training.response.recipe import is_response, parse_response
from training.snapshot import Progress


def run_recipe(
    home: Home, settings: Settings, name_or_path: str, *, until: datetime | None, say: Progress = lambda _: None
) -> Produced | Predicted | Responded:
    """Train what the storefront serves, a prediction, or responses to offers: the recipe's file says which."""
    document = read_document(name_or_path)
    if is_prediction(document):
        return produce_prediction(home, settings, parse_prediction(document), until=until, say=say)
    if is_response(document):
        return produce_responses(home, settings, parse_response(document), until=until, say=say)
    return produce(home, settings, parse_recipe(document), until=until, say=say)
