"""Answer: the one use case behind the HTTP answer and the batch commands, from ids to ids.

Pure: the bundle, the profile and the time come in, so that a stored log can be answered as of any moment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.errors import BadInput
from engine.learned import Sales
from engine.overlay import with_sales
from engine.profile import Profile
from engine.recommend.again import with_due
from engine.recommend.allowed import Allowed
from engine.recommend.arrange import A_LITTLE_DEEPER, DEEPER, Overruled, arranged, nothing_left
from engine.recommend.control import NOTHING, Control, joined
from engine.recommend.explain import reason
from engine.recommend.exploration import Exploration
from engine.recommend.exploring import ALTERNATIVES, NOTHING_TRIED, Tried, explored
from engine.recommend.item_values import in_view, of_user
from engine.recommend.placements import Placement, placement
from engine.recommend.query import Query, Recommendation, Shown, no_rows, raising, unmarked
from engine.recommend.recommender import filled, ranked, recommend, straight
from engine.recommend.rules import Scope
from engine.recommend.sources import PERSONAL
from engine.recommend.windows import within

#: What a caller may ask to see of an item, see `Catalog.fields`.
FIELDS = ("name", "brand", "categories", "price")
#: The source of what chance put into a list.
EXPLORED = "explored"
_NONE = no_rows()


class AnsweredItem(NamedTuple):
    """One place of the list. `reason` is None unless explained; `fields` are the catalogue facts asked for.

    `due_at` (epoch seconds) and `chance`, within a week, are told of what is due again.
    """

    id: str
    score: float
    source: str
    reason: str | None
    fields: dict[str, Any]
    promoted: bool = False
    due_at: float | None = None
    chance: float | None = None


_answered = partial(tuple.__new__, AnsweredItem)


@dataclass(frozen=True, slots=True)
class Answer:
    """`personalized` says that the profile had a say; `missing_ids` are context items that the bundle does not know.

    `rest` are the ids that would follow, for the pages after this one; `overruled` the wishes that lost.
    `propensities` are the chances of each place to show what it shows, None where nothing was left to chance.
    """

    items: tuple[AnsweredItem, ...]
    missing_ids: tuple[str, ...]
    personalized: bool
    overruled: tuple[Overruled, ...] = ()
    rest: tuple[AnsweredItem, ...] = ()
    propensities: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What a request brings besides ids: wishes, the shop's word on the user, what was served lately, further pages.

    `shown` are item ids with the times (epoch seconds) when this person was served them, `sales` what sold within the
    window that is asked for. `mark` is told the name of each stage that is over, `failed` what failed of an answer that
    goes on without it. A `seed` lets a placement explore that is set to: the same one gives the same list again.
    `tried` is what exploring found before.
    """

    control: Control = NOTHING
    user: Mapping[str, Any] = field(default_factory=dict)
    shown: Sequence[tuple[str, float]] = ()
    pages: bool = False
    sales: Sales | None = None
    mark: Callable[[str], None] = unmarked
    failed: Callable[[str, Exception], None] = raising
    seed: int | None = None
    tried: Tried = NOTHING_TRIED


NOTHING_TOLD = Told()


def answer(
    bundle: Bundle,
    asked: Placement | str,
    profile: Profile,
    now: float,
    *,
    item_ids: Sequence[str] = (),
    limit: int = 20,
    exclude_ids: Sequence[str] = (),
    explain: bool = False,
    fields: Sequence[str] = (),
    told: Told = NOTHING_TOLD,
) -> Answer:
    """The list of a placement for one profile at `now` (epoch seconds), best first.

    Raises UnknownThing for a placement that does not exist; BadInput for a limit below 1, an unknown field, or a
    placement about items in view that is asked for without any. Unknown items are no error: they are
    reported as missing, and the placement's fallback fills the list.
    """
    asked = placement(asked) if isinstance(asked, str) else asked
    _check(asked, item_ids, limit, fields)
    if told.sales is not None:
        asked, bundle = within(asked), with_sales(bundle, told.sales)
    known = {item_id: bundle.items.row(item_id) for item_id in item_ids}
    exploring = asked.exploration if told.seed is not None else None
    control = joined(asked.control, told.control)
    items = _of_those(known, bundle)
    query = Query(
        asked,
        profile,
        now,
        limit + max(_deeper(control, pages=told.pages), ALTERNATIVES * limit if exploring else 0),
        items,
        _of_those(exclude_ids, bundle),
        control,
        *_needs(control, items, profile, now, told, bundle),
        told.mark,
        told.failed,
    )
    made = _made(query, limit, told, exploring, bundle)
    about = query, bundle, fields, explain
    return Answer(
        items=_items(made.shown, *about),
        missing_ids=tuple(item_id for item_id, row in known.items() if row < 0),
        personalized=_is_personal(profile, (*made.shown, *made.rest)),
        overruled=tuple(made.lost),
        rest=_items(made.rest, *about),
        propensities=made.propensities,
    )


def _items(
    found: Sequence[Recommendation], query: Query, bundle: Bundle, fields: Sequence[str], explain: bool
) -> tuple[AnsweredItem, ...]:
    if not found:
        return ()
    ids = bundle.items.ids.texts(np.array([each.row for each in found], np.int64))
    if any(each.source == "due" for each in found):
        found = with_due(found, query, bundle)
    if explain or fields:
        return tuple(
            _item(item_id, each, bundle, fields, reason(each, query, bundle) if explain else None)
            for item_id, each in zip(ids, found, strict=True)
        )
    _, scores, sources, promoted, due_at, chances, tried = zip(*found, strict=True)
    if any(tried):
        sources = tuple(EXPLORED if each.explored else each.source for each in found)
    # A third of the time that one after the other takes.
    told = zip(ids, scores, sources, repeat(None), [{} for _ in ids], promoted, due_at, chances, strict=False)
    return tuple(map(_answered, told))


@dataclass(frozen=True, slots=True)
class _Made:
    shown: Sequence[Recommendation]
    rest: Sequence[Recommendation]
    lost: Sequence[Overruled]
    propensities: tuple[float, ...] | None = None


def _made(query: Query, limit: int, told: Told, exploring: Exploration | None, bundle: Bundle) -> _Made:
    """The first `limit` places and what follows them; `query.limit` counts what they are chosen from."""
    best = ranked(query, bundle)
    if exploring is None and not told.pages and (plain := straight(best, query, bundle, limit)) is not None:
        return _Made(plain, (), ())
    found = filled(best, query, bundle)
    list_, lost = _arranged(found, query, bundle, query.limit if told.pages else limit)
    shown, rest = list_[:limit], list_[limit:]
    if exploring is None or told.seed is None:
        return _Made(shown, rest if told.pages else (), lost)
    if query.control.arranges and not told.pages:
        taken = {each.row for each in list_}
        rest = [each for each in found if each.row not in taken]
    mixed = explored(shown, rest, exploring, query, bundle, seed=told.seed, tried=told.tried)
    return _Made(mixed.shown, mixed.rest if told.pages else (), lost, mixed.propensities)


def controlled(query: Query, told: Told, bundle: Bundle) -> Query:
    """The query with what its wishes need: the request's own values, what is allowed, and room to choose from."""
    control = query.control
    scope, allowed, shown = _needs(control, query.items, query.profile, query.now, told, bundle)
    deeper = _deeper(control, pages=told.pages)
    return replace(query, limit=query.limit + deeper, scope=scope, allowed=allowed, shown=shown)


def _needs(
    control: Control, items: NDArray[np.int32], profile: Profile, now: float, told: Told, bundle: Bundle
) -> tuple[Scope | None, Allowed | None, Shown | None]:
    """What wishes need to be understood; without formulas and rotation they need nothing."""
    shown = _shown(told.shown, bundle) if told.shown and control.rotation else None
    if not control.formulas():
        return None, None, shown
    user = of_user(told.user, profile, now) if control.asks_user else {}
    scope = Scope(now, in_view(control, items, bundle), user)
    return scope, None if control.condition is None else Allowed(control.condition, scope, bundle), shown


def _of_those(ids: Collection[str], bundle: Bundle) -> NDArray[np.int32]:
    """The rows of the ids that the bundle knows."""
    if not ids:
        return _NONE
    rows = bundle.items.rows(ids)
    return rows[rows >= 0]


def _shown(told: Sequence[tuple[str, float]], bundle: Bundle) -> Shown:
    rows, times = bundle.items.rows(item_id for item_id, _ in told), np.array([time for _, time in told], np.float64)
    return rows[rows >= 0], times[rows >= 0]


def _arranged(
    found: list[Recommendation], query: Query, bundle: Bundle, limit: int
) -> tuple[list[Recommendation], list[Overruled]]:
    """As the control wishes, and what of that was lost."""
    if not query.control.arranges:
        return found, nothing_left(found, query, bundle)
    list_, lost = arranged(found, query, bundle, limit)
    if len(list_) < limit and query.limit < limit + DEEPER:
        deeper = replace(query, limit=limit + DEEPER)
        list_, lost = arranged(recommend(deeper, bundle), deeper, bundle, limit)
    return list_, lost + nothing_left(list_, query, bundle)


def _deeper(control: Control, *, pages: bool) -> int:
    if pages or control.pins or control.promotions or control.mmr:
        return DEEPER
    return A_LITTLE_DEEPER if control.most else 0


def _is_personal(profile: Profile, found: Sequence[Recommendation]) -> bool:
    """Whether what somebody did, or declared, had a say."""
    return bool(len(profile) or profile.declared) and any(each.source in PERSONAL for each in found)


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


def _item(item_id: str, found: Recommendation, bundle: Bundle, fields: Sequence[str], why: str | None) -> AnsweredItem:
    facts = bundle.catalog.fields(found.row) if fields else {}
    shown = {name: facts[name] for name in fields}
    source = EXPLORED if found.explored else found.source
    return AnsweredItem(item_id, found.score, source, why, shown, found.promoted, found.due_at, found.chance)
