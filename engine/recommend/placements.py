"""Placements: where on the shop a list is shown, and what it is made of."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from engine.errors import UnknownThing
from engine.recommend.control import NOTHING, Control
from engine.recommend.experiment import Experiment
from engine.recommend.exploration import Exploration
from engine.recommend.sources import RANKED


@dataclass(frozen=True, slots=True)
class Placement:
    """One list: who proposes, how many each, who may not be shown, what orders it, what stands in when it is empty.

    Without a ranking the sources' ranks are fused. `needs_items` says that it is asked for with
    context items. An empty `fallback` leaves the list empty: a shopper who never bought has nothing
    to buy again. `newcomers` names the source that fills the fifth place, and each tenth after it, with an item newer
    than the bundle where one fits: nothing learned speaks for those yet. `window` and `segment` say within which days,
    and by whose members, sales count. While an `experiment` runs, the `variants` stand in for the placement, in the
    order of its shares.
    """

    name: str
    meaning: str
    sources: tuple[str, ...]
    most: int
    filters: tuple[str, ...] = ("unsellable", "excluded", "context", "dismissed")
    ranking: str | None = None
    fallback: tuple[str, ...] = ()
    needs_items: bool = False
    newcomers: str | None = None
    window: str | None = None
    segment: str | None = None
    control: Control = NOTHING
    exploration: Exploration | None = None
    experiment: Experiment | None = None
    variants: tuple[Placement, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """What somebody sees of a placement: itself, or a variant of an experiment, and the part of the people who do."""

    placement: Placement
    experiment: str | None = None
    variant: str | None = None
    share: float | None = None


def seen_by(asked: Placement, user_id: str | None, session_id: str | None) -> Seen:
    """The same for a user at every visit, and within one for a session. Nobody known sees the placement itself."""
    drawn = asked.experiment
    if drawn is None or (user_id is None and session_id is None):
        return Seen(asked)
    place = drawn.place_of(f"s:{session_id}" if user_id is None else f"u:{user_id}")
    variant, share = drawn.shares[place]
    return Seen(asked.variants[place], drawn.name, variant, share)


_ALL = (
    Placement(
        "home",
        "For you: what this user will most likely buy next, bought before or not.",
        RANKED,
        most=120,
        ranking="home",
        fallback=("peers", "popular"),
        newcomers="new_for_you",
    ),
    Placement(
        "discover",
        "For you, among what this user never bought.",
        tuple(name for name in RANKED if name != "own"),
        most=120,
        filters=("unsellable", "excluded", "context", "dismissed", "purchased"),
        ranking="discover",
        fallback=("peers", "popular"),
        newcomers="new_for_you",
    ),
    Placement(
        "buy-again",
        "What this user bought before and needs again these days, the likeliest within a week first.",
        ("due",),
        120,
        ranking="buy-again",
    ),
    Placement(
        "similar",
        # Both sources together put what is also of the same kind first: milk beside milk, not the bananas of everybody.
        "Instead of the items in view: what the same people take, of the same category first.",
        ("similar_items", "same_category"),
        100,
        fallback=("popular",),
        needs_items=True,
        newcomers="new_alike",
    ),
    Placement(
        "bought-together",
        "With the items in view: what stands in the same orders oftener than by chance, and is no substitute.",
        ("bought_together",),
        100,
        filters=("unsellable", "excluded", "context", "dismissed", "substitutes"),
        fallback=("similar_items",),
        needs_items=True,
    ),
    Placement(
        "trending",
        "What sells clearly better than it used to.",
        ("trending",),
        100,
        fallback=("popular",),
    ),
    Placement("best-sellers", "What sells best these weeks.", ("popular",), 300),
    Placement(
        "session",
        "In this visit: what others went on to from the same items, whoever is there, known or not.",
        ("onward",),
        100,
        fallback=("neighbours", "similar_items", "popular"),
        newcomers="new_for_you",
    ),
    Placement("recently-viewed", "What this user looked at or kept, the latest first.", ("viewed",), 100),
)

PLACEMENTS = {placement.name: placement for placement in _ALL}


def placement(name: str) -> Placement:
    """The placement of that name; UnknownThing names the nearest."""
    if name not in PLACEMENTS:
        nearest = difflib.get_close_matches(name, PLACEMENTS, n=1, cutoff=0.0)[0]
        raise UnknownThing(
            f"no placement is called {name!r}; did you mean {nearest!r}?", code="unknown_placement", field="placement"
        )
    return PLACEMENTS[name]
