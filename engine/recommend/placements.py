"""Placements: where on the shop a list is shown, and what it is made of."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from engine.errors import UnknownThing
from engine.recommend.control import NOTHING, Control
from engine.recommend.sources import RANKED


@dataclass(frozen=True, slots=True)
class Placement:
    """One list: who proposes, how many each, who may not be shown, what orders it, what stands in when it is empty.

    Without a ranking the sources' ranks are fused. `needs_items` says that it is asked for with
    context items. An empty `fallback` leaves the list empty: a shopper who never bought has nothing
    to buy again. `newcomers` names the source that fills the fifth place, and each tenth after it, with an item newer
    than the bundle where one fits: nothing learned speaks for those yet.
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
    control: Control = NOTHING


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
    Placement("buy-again", "What this user bought before, the likeliest next first.", ("own",), 120, ranking="home"),
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
        "With the items in view: what stands in the same orders.",
        ("bought_together",),
        100,
        fallback=("similar_items", "same_category"),
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
