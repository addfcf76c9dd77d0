"""Past visits that are like this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.visits import LAST_ITEMS, Visits
from training.models.contract import Interactions, ModelFamily
from training.visits import VisitLog, visits_of

_FAR = 20  # places: what stood further from the shared item has nothing to do with it


def _like_visits(interactions: Interactions, params: Mapping[str, Any], seed: int, threads: int) -> Visits:
    """Nearest neighbours among visits: by the items that both hold, the last and the rare ones counting more.

    Of each item the `most_each` newest visits are kept. Visits fade by their age, and count less the longer they are.
    Ludewig, Jannach: Evaluation of session-based recommendation algorithms (2018), with the decays of
    Garg et al.: Sequence and time aware neighborhood (2019) and the cut of Kersbergen et al.: Serenade (2022).
    """
    visits = visits_of(interactions.telling, gap_minutes=params["gap_minutes"])
    met, met_in, met_at, held = _met(visits, params["most_each"])
    rarity = np.log((len(visits) + 1) / np.maximum(held, 1))
    fading = visits.fading(interactions.now, params["half_life_days"])
    steps = np.arange(_FAR)
    return Visits(
        indptr=visits.indptr.astype(np.int32),
        items=visits.items,
        weights=(fading / visits.sizes ** params["size_power"]).astype(np.float32),
        met=met,
        met_in=met_in,
        met_at=met_at,
        telling=(rarity ** params["telling_power"]).astype(np.float32),
        worth=(rarity ** params["worth_power"]).astype(np.float32),
        by_age=(params["fade"] ** np.arange(LAST_ITEMS + 1)).astype(np.float32),
        after=(params["after_fade"] ** steps).astype(np.float32),
        before=(params["back"] * params["before_fade"] ** steps).astype(np.float32),
        nearest=np.array([max(1, params["nearest"])], np.int32),
    )


def _met(visits: VisitLog, most_each: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For each item the visits that held it, newest first, and its last place in each; and in how many it was."""
    owner = visits.owner
    place = np.arange(len(owner)) - visits.indptr[owner]
    order = np.lexsort((-place, -owner, visits.items))
    item, visit, at = visits.items[order], owner[order], place[order]
    once = np.ones(len(order), bool)
    once[1:] = (item[1:] != item[:-1]) | (visit[1:] != visit[:-1])
    item, visit, at = item[once], visit[once], at[once]
    held = np.bincount(item, minlength=visits.n_items)
    starts = np.cumsum(held) - held
    kept = np.arange(len(item)) - starts[item] < most_each
    met = np.concatenate([[0], np.cumsum(np.minimum(held, most_each))])
    return met.astype(np.int32), visit[kept].astype(np.int32), at[kept].astype(np.int32), held


VISIT_NEIGHBOURS = ModelFamily(
    name="visit_neighbours",
    meaning="What past visits held that are like this one.",
    learn=_like_visits,
    defaults={
        "gap_minutes": 30.0,
        "half_life_days": 60.0,
        "most_each": 500,
        "nearest": 500,
        "size_power": 0.4,
        "telling_power": 1.0,
        "worth_power": 0.2,
        "fade": 0.6,
        "after_fade": 0.9,
        "before_fade": 0.8,
        "back": 1.0,
    },
    needs_time=True,
)
