"""What exploring promises, on a trained shop: chances as logged, estimates that hold the truth, and what it costs.

People click with chances of their own for each item and place, so that the truth of every list is known; lists are
explored as a storefront explores them, and the estimates see only what was shown, with which chance, and the clicks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.recommend.answer import NOTHING_TOLD, Told, answer
from engine.recommend.exploration import Exploration
from engine.recommend.exploring import NOTHING_TRIED, Explored, Tried, explored
from engine.recommend.placement_reader import read_placement
from engine.recommend.placements import PLACEMENTS, seen_by
from engine.recommend.query import Query, Recommendation
from engine.recommend.recommender import recommend
from engine.recommend.what_if import Places, exploration_figures, lists_worth
from engine.storage.home import Home
from engine.storage.lake import Lake
from experiments.findings import Asked, Conditions, Findings
from experiments.shop import ShopSize, generate
from training.recipe import Recipe
from training.run import train
from training.shop_data import read_shop

_SHOP = ShopSize(users=600, items=400, days=120)
_PLACES, _DEEPER, _SHARE = 10, 50, 0.2
_OTHER = (1, 4, 7)  # places, from 0, where the other lists show something else
_ESTIMATES = ("ips", "snips", "doubly_robust")


@dataclass(frozen=True, slots=True)
class Size:
    """Simulated logs, lists in each and people who come, of how many there are, and answers that are timed."""

    logs: int = 200
    lists: int = 6_000
    comers: int = 100
    people: int = 200
    timed: int = 3_000


SMALL = Size(30, 300, 60, 100, 300)


@dataclass(frozen=True, slots=True)
class Person:
    """What they would be shown, what waits behind it, and what they would be shown by other lists."""

    name: str
    query: Query
    shown: Sequence[Recommendation]
    waiting: Sequence[Recommendation]
    other: tuple[int, ...]


def trained_bundle(conditions: Conditions) -> Bundle:
    """Of a small generated shop."""
    made = generate(_SHOP, seed=conditions.seed)
    lake = Lake(Home(conditions.scratch / "exploring"))
    lake.put_items(made.items)
    lake.put_users(made.users)
    lake.append_events(made.events)
    return train(read_shop(lake), Recipe(name="exploring", windows=2, threads=1, compare=())).bundle


def measure_exploring(bundle: Bundle, size: Size, *, seed: int) -> Findings:
    people = shoppers(bundle, size.people)
    by_chance = estimates(people, Exploration(_SHARE), bundle, size, seed=seed)
    tried = Tried(0.1, {bundle.items.ids[row]: (50.0, float(row % 10)) for row in range(len(bundle.items))})
    by_results = estimates(people, Exploration(_SHARE, "results"), bundle, size, seed=seed + 1, tried=tried)
    costs = seconds(bundle, size.timed)
    asked = (
        *(Asked(f"{how}: {name} of {what} within 2 s.e. of the truth", found[what]["held"][name], at_least=0.93)
          for how, found in (("by chance", by_chance), ("by results", by_results))
          for what in ("without", "other") for name in found[what]["held"]),
        Asked("answering with an experiment, times answering without", costs["experiment_ratio"], at_most=1.05),
    )  # fmt: skip
    return Findings({"by_chance": by_chance, "by_results": by_results, "costs": costs}, asked)


def shoppers(bundle: Bundle, number: int) -> list[Person]:
    """Users with enough behind their list that every place has something else to show."""
    found = []
    for row in range(len(bundle.users)):
        query = Query(PLACEMENTS["home"], bundle.history.profile(row), float(bundle.manifest.as_of), _PLACES + _DEEPER)
        list_ = recommend(query, bundle)
        if len(list_) == _PLACES + _DEEPER:
            shown, waiting = list_[:_PLACES], list_[_PLACES:]
            other = tuple((waiting[at] if at in _OTHER else each).row for at, each in enumerate(shown))
            found.append(Person(bundle.users.ids[row], query, shown, waiting, other))
        if len(found) == number:
            break
    return found


def estimates(
    people: Sequence[Person], how: Exploration, bundle: Bundle, size: Size, *, seed: int, tried: Tried = NOTHING_TRIED
) -> dict[str, Any]:
    """Of simulated logs, how often each estimate lies within two standard errors of the truth, and how far off."""
    draw = np.random.default_rng([seed, 0])
    likes = draw.beta(1.0, 6.0, len(bundle.items))
    lists = {each.name: [bundle.items.ids[row] for row in each.other] for each in people}
    found: dict[str, dict[str, list[tuple[float, float]]]] = {"without": {}, "other": {}}
    truths = {
        "without": float(np.mean([_worth([e.row for e in each.shown], likes) for each in people])),
        "other": float(np.mean([_worth(each.other, likes) for each in people])),
    }
    for log in range(size.logs):
        # Who comes is drawn of all, some of them twice; and then who comes when.
        comers = draw.integers(0, len(people), size.comers)
        units = draw.integers(0, size.comers, size.lists)
        whose = [people[who] for who in comers[units]]
        made = [
            explored(one.shown, one.waiting, how, one.query, bundle, seed=log * size.lists + at, tried=tried)
            for at, one in enumerate(whose)
        ]
        places = _logged(made, [each.name for each in whose], units, likes, bundle, draw)
        told = exploration_figures(places)
        assert told is not None
        values = {"without": told["clicks"]["without"], "other": lists_worth(places, lists)}
        for what, truth in truths.items():
            for name in _ESTIMATES:
                if (each := values[what][name]) is not None:
                    found[what].setdefault(name, []).append((each["value"] - truth, each["error"]))
    return {what: _summary(each) for what, each in found.items()} | {"logs": size.logs, "lists": size.lists}


def _summary(found: dict[str, list[tuple[float, float]]]) -> dict[str, Any]:
    held = {name: float(np.mean([abs(off) <= 2 * error for off, error in each])) for name, each in found.items()}
    bias = {name: float(np.mean([off for off, _ in each])) for name, each in found.items()}
    noise = {name: float(np.std([off for off, _ in each]) / np.sqrt(len(each))) for name, each in found.items()}
    errors = {name: float(np.mean([error for _, error in each])) for name, each in found.items()}
    return {"held": held, "bias": bias, "error_of_bias": noise, "standard_error": errors}


def _worth(rows: Sequence[int], likes: NDArray[np.float64]) -> float:
    return float((likes[list(rows)] * _seen()).sum())


def _seen() -> NDArray[np.float64]:
    """How much of its liking an item gets at each place."""
    return np.asarray(1.0 / np.sqrt(np.arange(1, _PLACES + 1)))


def _logged(
    made: Sequence[Explored],
    names: Sequence[str],
    units: NDArray[np.int64],
    likes: NDArray[np.float64],
    bundle: Bundle,
    draw: np.random.Generator,
) -> Places:
    rows = np.array([[each.row for each in one.shown] for one in made])
    clicked = draw.random(rows.shape) < likes[rows] * _seen()
    return Places(
        list=np.repeat(np.arange(len(made)), _PLACES),
        unit=np.repeat(np.unique(units, return_inverse=True)[1], _PLACES),
        user=[name for name in names for _ in range(_PLACES)],
        place=np.tile(np.arange(1, _PLACES + 1), len(made)),
        item=np.array([bundle.items.ids[int(row)] for row in rows.ravel()], object),
        propensity=np.array([chance for one in made for chance in one.propensities]),
        explored=np.array([each.explored for one in made for each in one.shown]),
        clicked=clicked.ravel(),
        revenue=np.zeros(rows.size),
    )


def seconds(bundle: Bundle, number: int) -> dict[str, float]:
    """What an answer takes, in turns: of a plain placement, of one with an experiment, of one that explores."""
    variants = {"control": {"weight": 0.5}, "same": {"weight": 0.5}}
    plain = PLACEMENTS["home"]
    drawn = read_placement("home", {"experiment": {"name": "same", "variants": variants}})
    exploring = read_placement("home", {"explore": 0.05})
    people, now = [str(each) for each in range(len(bundle.users))], float(bundle.manifest.as_of)

    def asking(placement: Any, told: Told) -> Callable[[int], None]:
        def ask(turn: int) -> None:
            row = turn % len(people)
            seen = seen_by(placement, people[row], None)
            answer(bundle, seen.placement, bundle.history.profile(row), now, told=told)

        return ask

    kinds = {
        "plain": asking(plain, NOTHING_TOLD),
        "experiment": asking(drawn, NOTHING_TOLD),
        "exploring": asking(exploring, Told(seed=1)),
    }
    took: dict[str, list[float]] = {name: [] for name in kinds}
    for turn in range(number):
        for name, ask in kinds.items():
            began = time.perf_counter()
            ask(turn)
            took[name].append(time.perf_counter() - began)
    usual = {name: float(np.median(each)) for name, each in took.items()}
    return {
        **{f"{name}_us": each * 1e6 for name, each in usual.items()},
        "experiment_ratio": usual["experiment"] / usual["plain"],
        "exploring_ratio": usual["exploring"] / usual["plain"],
    }
