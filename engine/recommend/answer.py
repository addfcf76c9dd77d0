"""Answer: the one use case behind the HTTP answer and the batch commands, from ids to ids.

Pure: the bundle, the profile and the time come in, so that a stored log can be answered as of any moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.bundle import Bundle
from engine.errors import BadInput
from engine.profile import Profile
from engine.recommend.explain import reason
from engine.recommend.placements import Placement, placement
from engine.recommend.query import Query, Recommendation
from engine.recommend.recommender import recommend
from engine.recommend.sources import PERSONAL

#: What a caller may ask to see of an item, see `Catalog.fields`.
FIELDS = ("name", "brand", "categories", "price")


@dataclass(frozen=True, slots=True)
class AnsweredItem:
    """One place of the list. `reason` is None unless explained; `fields` are the catalogue facts asked for."""

    id: str
    score: float
    source: str
    reason: str | None
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """`personalized` says that the profile had a say; `missing_ids` are context items that the bundle does not know."""

    items: tuple[AnsweredItem, ...]
    missing_ids: tuple[str, ...]
    personalized: bool


def answer(
    bundle: Bundle,
    placement_name: str,
    profile: Profile,
    now: float,
    *,
    item_ids: Sequence[str] = (),
    limit: int = 20,
    exclude_ids: Sequence[str] = (),
    explain: bool = False,
    fields: Sequence[str] = (),
) -> Answer:
    """The list of a placement for one profile at `now` (epoch seconds), best first.

    Raises UnknownThing for a placement that does not exist; BadInput for a limit below 1, an unknown field, or a
    placement about items in view that is asked for without any. Unknown items are no error: they are
    reported as missing, and the placement's fallback fills the list.
    """
    asked = placement(placement_name)
    _check(asked, item_ids, limit, fields)
    known = {item_id: bundle.items.row(item_id) for item_id in item_ids}
    excluded = bundle.items.rows(exclude_ids)
    query = Query(
        asked,
        profile,
        now,
        limit,
        items=bundle.items.rows(item_id for item_id, row in known.items() if row >= 0),
        exclude=excluded[excluded >= 0],
    )
    found = recommend(query, bundle)
    return Answer(
        items=tuple(
            _item(each, query, bundle, fields, reason(each, query, bundle) if explain else None) for each in found
        ),
        missing_ids=tuple(item_id for item_id, row in known.items() if row < 0),
        personalized=any(each.source in PERSONAL for each in found),
    )


def _check(asked: Placement, item_ids: Sequence[str], limit: int, fields: Sequence[str]) -> None:
    if limit < 1:
        raise BadInput(f"a list holds at least 1 item, not {limit}", field="limit")
    for name in fields:
        if name not in FIELDS:
            raise BadInput(f"items have no field {name!r}; ask for {', '.join(FIELDS)}", field="fields")
    if asked.needs_items and not item_ids:
        raise BadInput(
            f"placement {asked.name!r} is about items in view: name at least one in item_ids", field="item_ids"
        )


def _item(found: Recommendation, query: Query, bundle: Bundle, fields: Sequence[str], why: str | None) -> AnsweredItem:
    facts = bundle.catalog.fields(found.row) if fields else {}
    return AnsweredItem(
        bundle.items.ids[found.row], found.score, found.source, why, {name: facts[name] for name in fields}
    )
