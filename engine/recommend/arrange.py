"""Arrange: places in a list that somebody decided on: pins, promoted shares, and room for variety."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from engine.bundle import Bundle
from engine.recommend.allowed import Allowed
from engine.recommend.control import Pin
from engine.recommend.filters import FILTERS
from engine.recommend.query import Query, Recommendation
from engine.recommend.variety import Caps, capped, varied

#: Candidates beyond the list's length, from which variety and promotions choose; and at first, where only groups are
#: capped, which seldom takes more.
DEEPER, A_LITTLE_DEEPER = 200, 40


@dataclass(frozen=True, slots=True)
class Overruled:
    """A wish that lost, what won over it, and about which item, if about one."""

    rule: str
    by: str
    item_id: str | None = None


def arranged(
    found: Sequence[Recommendation], query: Query, bundle: Bundle, limit: int
) -> tuple[list[Recommendation], list[Overruled]]:
    """The first `limit` places: pins at theirs, promotions spread evenly, variety among the rest."""
    if not (query.control.pins or query.control.promotions or query.control.mmr):
        return capped(found, query.control.most, limit, bundle), []
    places, lost = _pinned(query, bundle, limit)
    taken = {each.row for each in places.values()}
    promoted, more = _promoted(found, query, bundle, limit, taken, places)
    places |= promoted
    lost += more
    taken |= {each.row for each in promoted.values()}
    rest = [each for each in found if each.row not in taken] if taken else list(found)
    if query.control.mmr:
        rest = varied(rest, query.control.mmr, bundle)
    caps = Caps(query.control.most, np.array([each.row for each in (*rest, *places.values())], np.int32), bundle)
    for each in places.values():
        caps.count(each.row)
    if caps.are_exceeded:
        lost.append(
            Overruled("diversity", "pin" if any(each.source == "pinned" for each in places.values()) else "promote")
        )
    fitting = filter(caps.admits, rest)
    # Where nothing fits any more, what was decided on for a later place moves up.
    chosen = (places.get(place) or next(fitting, None) for place in range(limit))
    list_ = [each for each in chosen if each is not None]
    return _falling(list_), lost


def nothing_left(found: Sequence[Recommendation], query: Query, bundle: Bundle) -> list[Overruled]:
    """That a filter asks for nothing but what is hidden, where a list is empty because of it."""
    wanted, hide = query.control.filter, query.control.hide
    if found or wanted is None or hide is None or query.scope is None:
        return []
    rows = Allowed(wanted, query.scope, bundle).best()
    hidden = len(rows) and Allowed(hide, query.scope, bundle).keeps(rows).all()
    return [Overruled("filter", "hide")] if hidden else []


def _pinned(query: Query, bundle: Bundle, limit: int) -> tuple[dict[int, Recommendation], list[Overruled]]:
    places: dict[int, Recommendation] = {}
    lost: list[Overruled] = []
    rows: set[int] = set()
    for pin in query.control.pins:
        if not pin.window[0] <= query.now < pin.window[1]:
            continue
        row = bundle.items.row(pin.item_id)
        why = _why_not(pin, row, query, bundle)
        if why is None and row in rows:
            why = "pin"
        if why is not None:
            lost.append(Overruled("pin", why, pin.item_id))
            continue
        place = pin.position - 1
        if place in places:
            lost.append(Overruled("pin", "pin", pin.item_id))  # the earlier one; this one gets the next free place
            place = next((at for at in range(place, limit) if at not in places), limit)
        if place < limit:
            places[place] = Recommendation(row, 0.0, "pinned", promoted=True)
            rows.add(row)
    return places, lost


def _why_not(pin: Pin, row: int, query: Query, bundle: Bundle) -> str | None:
    """What forbids to show a pinned item; that it was bought before does not."""
    if row < 0:
        return "unknown"
    one = np.array([row], np.int32)
    for name in ("unsellable", "excluded", "context", "dismissed"):
        if not FILTERS[name](query, bundle, one)[0]:
            return name
    if query.allowed is None or query.allowed.keeps(one)[0]:
        return None
    hide = query.control.hide
    hidden = hide is not None and query.scope is not None and Allowed(hide, query.scope, bundle).keeps(one)[0]
    return "hide" if hidden else "filter"


def _all_lost(wished: Allowed, query: Query, bundle: Bundle) -> str | None:
    """What keeps all from the list that a wish is about: the filter, what is hidden, or that nothing of it is sold."""
    rows = wished.best()
    if not len(rows):
        return "unsellable"
    if query.allowed is None or query.scope is None or query.allowed.keeps(rows).any():
        return None
    hide = query.control.hide
    return "hide" if hide is not None and Allowed(hide, query.scope, bundle).keeps(rows).all() else "filter"


def _promoted(
    found: Sequence[Recommendation],
    query: Query,
    bundle: Bundle,
    limit: int,
    taken: set[int],
    pinned: dict[int, Recommendation],
) -> tuple[dict[int, Recommendation], list[Overruled]]:
    places: dict[int, Recommendation] = {}
    lost: list[Overruled] = []
    for each in query.control.promotions:
        assert query.scope is not None  # there are wishes, which are judged with it
        if not each.window[0] <= query.now < each.window[1]:
            continue
        wanted = round(each.share * limit)
        free = [at for at in range(limit) if at not in places and at not in pinned]
        if wanted > len(free):
            lost.append(Overruled("promote", "pin" if len(pinned) else "promote"))
            wanted = len(free)
        allowed = Allowed(each.condition, query.scope, bundle)
        chosen = _best_of(allowed, found, query, bundle, taken | {one.row for one in places.values()}, wanted)
        if wanted and not chosen and (by := _all_lost(allowed, query, bundle)):
            lost.append(Overruled("promote", by))
        for index, one in enumerate(chosen):
            places[free[int((index + 0.5) * len(free) / len(chosen))]] = one._replace(promoted=True)
    return places, lost


def _best_of(
    allowed: Allowed, found: Sequence[Recommendation], query: Query, bundle: Bundle, taken: set[int], most: int
) -> list[Recommendation]:
    """Of what is promoted the best of the list, then the best sellers that may be shown."""
    free = [each for each in found if each.row not in taken]
    keep = allowed.keeps(np.array([each.row for each in free], np.int32))
    chosen = [each for each, good in zip(free, keep, strict=True) if good][:most]
    if len(chosen) < most:
        rows = allowed.best()
        good = np.ones(len(rows), bool)
        for name in query.placement.filters:
            good &= FILTERS[name](query, bundle, rows)
        if query.allowed is not None:
            good &= query.allowed.keeps(rows)
        known = taken | {each.row for each in chosen}
        more = [int(row) for row in rows[good] if int(row) not in known]
        chosen += [Recommendation(row, 0.0, "popular") for row in more[: most - len(chosen)]]
    return chosen


def _falling(found: Sequence[Recommendation]) -> list[Recommendation]:
    """With scores that fall along the list, as everywhere: what stands higher by decision has its successor's score."""
    if all(not each.promoted for each in found) and all(a.score >= b.score for a, b in pairwise(found)):
        return list(found)
    scores = [-np.inf if each.promoted else each.score for each in found]
    least = min((score for score in scores if score > -np.inf), default=0.0)
    highest = -np.inf
    told: list[Recommendation] = []
    for each, score in zip(reversed(found), reversed(scores), strict=True):
        highest = max(highest, score if score > -np.inf else least)
        told.append(each._replace(score=highest))
    return told[::-1]
