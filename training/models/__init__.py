"""The model families, one file each, and the table of them all."""

from __future__ import annotations

from collections.abc import Mapping

from training.models.contract import ModelFamily
from training.models.frequency import FREQUENCY
from training.models.graph_filter import GRAPH_FILTER
from training.models.hybrid import HYBRID
from training.models.implicit_factors import ALS, BPR
from training.models.item_neighbours import BASKET, ITEM_NEIGHBOURS
from training.models.popularity import NEWLY_BOUGHT, POPULARITY
from training.models.transitions import TRANSITIONS
from training.models.user_neighbours import USER_NEIGHBOURS
from training.models.visit_neighbours import VISIT_NEIGHBOURS

MODELS: Mapping[str, ModelFamily] = {
    family.name: family
    for family in (
        POPULARITY,
        NEWLY_BOUGHT,
        FREQUENCY,
        ALS,
        BPR,
        ITEM_NEIGHBOURS,
        BASKET,
        GRAPH_FILTER,
        USER_NEIGHBOURS,
        TRANSITIONS,
        VISIT_NEIGHBOURS,
        HYBRID,
    )
}
