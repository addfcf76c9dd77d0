"""From looks to events: visits, and what happens in them in the order of a shop's funnel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from experiments.shop.catalog import Catalog
from experiments.shop.departments import DEPARTMENTS, SHELVES
from experiments.shop.draws import Flags, Ints
from experiments.shop.looks import CAUSES, Looks, draw_looks
from experiments.shop.people import SOURCES, People

#: Event types of the generated shop; a row's `kind` is a place in this table.
KINDS = ("search", "click", "view", "wishlist_add", "cart_add", "cart_remove", "purchase", "return", "rating")
_SEARCH, _CLICK, _VIEW, _WISH, _CART, _UNCART, _PURCHASE, _RETURN, _RATING = range(len(KINDS))

_SLOTS = 6  # visits begin in the first half of one of six four-hour slots of a day: they never overlap
_SLOT_SHARE = (0.02, 0.08, 0.22, 0.22, 0.27, 0.19)
_SECOND = 1_000_000  # microseconds, the unit of time of rows
_DAY = 86_400 * _SECOND
_ANONYMOUS = 0.05  # share of visits without a purchase in which nobody signs in


@dataclass(frozen=True, slots=True)
class Rows:
    """Columns with one row an event, in the order of time within a user.

    `time` in microseconds since the shop's first midnight; `item` is -1 where there is none;
    `detail` is the stars of a rating, the number of results of a search, the place of a clicked
    item among them, or the number of a return's reason. `unit` and `list_unit` are prices a piece.
    """

    user: Ints  # number in the whole shop
    ordinal: Ints  # of the event within the user's
    session: Ints  # ordinal of the visit within the user's; for returns and ratings, that of the purchase
    outside: Flags  # of any visit
    anonymous: Flags
    kind: Ints
    time: Ints
    item: Ints
    shelf: Ints
    quantity: Ints
    unit: Ints
    list_unit: Ints
    source: Ints
    cause: Ints
    detail: Ints

    def kept(self, rows: Flags | Ints) -> Rows:
        return Rows(*(getattr(self, name)[rows] for name in self.__slots__))

    @staticmethod
    def none() -> Rows:
        columns = dict.fromkeys(Rows.__slots__, np.zeros(0, dtype=np.int64))
        return Rows(**{**columns, "anonymous": np.zeros(0, dtype=bool), "outside": np.zeros(0, dtype=bool)})

    @staticmethod
    def joined(parts: list[Rows]) -> Rows:
        return Rows(*(np.concatenate([getattr(part, name) for part in parts]) for name in Rows.__slots__))


def build_rows(catalog: Catalog, people: People, rng: np.random.Generator) -> Rows:
    """All events of a block of users."""
    looks, visitor, visit_day = draw_looks(catalog, people, rng)
    looks, session, sessions = _placed(catalog.size.days, looks, visitor, visit_day, rng)
    rows = _in_sessions(catalog, people, looks, session, sessions, rng)
    rows = Rows.joined([rows, _returns(catalog, rows, rng), _ratings(catalog, people, rows, rng)])
    rows = rows.kept(rows.time < catalog.size.days * _DAY)
    return _numbered(rows)


def _placed(
    days: int, looks: Looks, visitor: Ints, visit_day: Ints, rng: np.random.Generator
) -> tuple[Looks, Ints, Ints]:
    """Each look with the number of its visit, and the visits' keys: (user x days + day) x slots + slot.

    A look waits for the user's next visit; looks whose visit never comes are left out.
    """
    looks = looks.kept(looks.day < days)
    user = np.concatenate([visitor, looks.user[looks.own_visit]])
    day = np.concatenate([visit_day, looks.day[looks.own_visit]])
    slot = rng.choice(_SLOTS, len(user), p=_SLOT_SHARE)
    sessions = np.unique((user * days + day) * _SLOTS + slot)
    found = np.searchsorted(sessions, (looks.user * days + looks.day) * _SLOTS)
    comes = found < len(sessions)
    comes[comes] = sessions[found[comes]] // (days * _SLOTS) == looks.user[comes]
    return looks.kept(comes), found[comes], sessions


def _in_sessions(
    catalog: Catalog, people: People, looks: Looks, session: Ints, sessions: Ints, rng: np.random.Generator
) -> Rows:
    """Searches, clicks, views, wishes, carts and purchases, each visit ending with its order."""
    days = catalog.size.days
    day = sessions[session] // _SLOTS % days
    order = np.lexsort((rng.random(len(session)), session))
    order = order[day[order] < catalog.last_day[looks.item[order]]]
    looks, session, day = looks.kept(order), session[order], day[order]
    buys = _first_of_each(looks.buys, session * catalog.size.items + looks.item)
    look, kind = _steps(looks, buys, rng)

    at = session[look]
    bought = kind == _PURCHASE
    # Purchases close the visit; everything else keeps the order of looks and, within one, of steps.
    sequence = np.argsort(((at * 2 + bought) * max(1, len(session)) + look) * len(KINDS) + kind)
    look, kind, at, bought = look[sequence], kind[sequence], at[sequence], bought[sequence]
    user, item = looks.user[look], looks.item[look]
    unit, list_unit = _prices(catalog, item, day[look])
    quantity = 1 + rng.poisson(np.where(catalog.interval_days > 0, 0.5, 0.03)[looks.item])[look]
    counted = (kind == _PURCHASE) | (kind == _CART) | (kind == _UNCART)
    return Rows(
        user=people.first + user,
        ordinal=np.zeros(len(at), dtype=np.int64),
        session=at - np.searchsorted(sessions, user * days * _SLOTS),
        outside=np.zeros(len(at), dtype=bool),
        anonymous=_anonymous(at, bought, len(sessions), rng),
        kind=kind,
        time=_times(at, bought, sessions, days, rng),
        item=np.where(kind == _SEARCH, -1, item),
        shelf=catalog.shelf[item],
        quantity=np.where(counted, quantity, 1),
        unit=unit,
        list_unit=list_unit,
        source=_sources(people, sessions // (days * _SLOTS), rng)[at],
        cause=_causes(looks.cause[look], bought, user * catalog.size.items + item),
        detail=np.where(kind == _SEARCH, _results(catalog, item), rng.geometric(0.25, len(at))),
    )


def _steps(looks: Looks, buys: Flags, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Rows of looks and the kinds of events that each leaves behind."""
    number = len(buys)
    carts = (looks.carts & ~looks.buys) | buys
    wish = np.where(looks.cause == CAUSES.index("browse"), 0.06, 0.015)
    chosen = {
        _SEARCH: looks.searched,
        _CLICK: looks.searched & (rng.random(number) < 0.9),
        _VIEW: np.ones(number, dtype=bool),
        _WISH: ~carts & (rng.random(number) < wish),
        _CART: carts,
        _UNCART: carts & ~buys & (rng.random(number) < 0.35),
        _PURCHASE: buys,
    }
    parts = [(np.flatnonzero(flags), kind) for kind, flags in chosen.items()]
    return (
        np.concatenate([found for found, _ in parts]),
        np.concatenate([np.full(len(found), kind) for found, kind in parts]),
    )


def _first_of_each(flags: Flags, key: Ints) -> Flags:
    """The flags, left standing only where their key has none before."""
    rows = np.flatnonzero(flags)
    _, first = np.unique(key[rows], return_index=True)
    kept = np.zeros(len(flags), dtype=bool)
    kept[rows[first]] = True
    return kept


def _times(at: Ints, bought: Flags, sessions: Ints, days: int, rng: np.random.Generator) -> Ints:
    """Steps some seconds apart; all lines of an order at the same moment."""
    if not len(at):
        return at
    opens = np.concatenate(([True], at[1:] != at[:-1]))
    same_order = np.concatenate(([False], bought[1:] & bought[:-1] & ~opens[1:]))
    gap = np.where(same_order, 0.0, 2 + rng.exponential(25, len(at)))
    passed = (np.cumsum(np.round(gap * 1000)) * 1000).astype(np.int64)
    # No slot's share of a day is passed even by a very long visit, which would be over 150 steps.
    since_open = np.minimum(passed - passed[opens][np.cumsum(opens) - 1], 7_100 * _SECOND)
    begin = sessions % (days * _SLOTS) * (_DAY // _SLOTS) + rng.integers(0, 7_200, len(sessions)) * _SECOND
    times: Ints = begin[at] + since_open
    return times


def _prices(catalog: Catalog, item: Ints, day: Ints) -> tuple[Ints, Ints]:
    off = catalog.promotion[day // 7, item].astype(np.int64)
    return catalog.price[item] * (100 - off) // 100, catalog.list_price[item]


def _results(catalog: Catalog, item: Ints) -> Ints:
    """A search for a shelf finds what is on it."""
    return np.bincount(catalog.shelf)[catalog.shelf[item]]


def _anonymous(at: Ints, bought: Flags, number: int, rng: np.random.Generator) -> Flags:
    hidden = rng.random(number) < _ANONYMOUS
    hidden[at[bought]] = False
    return hidden[at]


def _sources(people: People, owner: Ints, rng: np.random.Generator) -> Ints:
    """Where each visit came from: half of the time from where its user first came."""
    drawn = rng.choice(len(SOURCES), len(owner), p=[0.25, 0.1, 0.1, 0.05, 0.5])
    return np.where(rng.random(len(owner)) < 0.5, people.source[owner], drawn)


def _causes(cause: Ints, bought: Flags, pair: Ints) -> Ints:
    """The first purchase of what will be a staple is a matter of taste; only later ones repeat."""
    first = _first_of_each(bought, pair)
    return np.where(first & (cause == CAUSES.index("repeat")), CAUSES.index("taste"), cause)


def _returns(catalog: Catalog, rows: Rows, rng: np.random.Generator) -> Rows:
    """Some purchases come back within three weeks, more of those that were not led by taste."""
    bought = rows.kept(rows.kind == _PURCHASE)
    steady = np.isin(bought.cause, [CAUSES.index("taste"), CAUSES.index("repeat")])
    back = bought.kept(rng.random(len(bought.user)) < catalog.return_rate[bought.item] * np.where(steady, 0.8, 1.4))
    department = np.array([each.department for each in SHELVES])[back.shelf]
    reasons = np.array([len(each.return_reasons) for each in DEPARTMENTS])[department]
    return _after(
        back, _RETURN, rng.uniform(3, 21, len(department)), (rng.random(len(department)) * reasons).astype(int)
    )


def _ratings(catalog: Catalog, people: People, rows: Rows, rng: np.random.Generator) -> Rows:
    """One purchase in twelve gets stars: more for a good item, and for one that suits the buyer's taste."""
    bought = rows.kept(rows.kind == _PURCHASE)
    rated = bought.kept(rng.random(len(bought.user)) < 1 / 12)
    fit = np.einsum("nd,nd->n", people.vector[rated.user - people.first], catalog.vector[rated.item])
    exact = 3.4 + 1.2 * fit + 0.6 * catalog.quality[rated.item] + rng.normal(0, 0.7, len(fit))
    return _after(rated, _RATING, rng.uniform(1, 14, len(fit)), np.clip(np.round(exact), 1, 5).astype(np.int64))


def _after(bought: Rows, kind: int, days: np.ndarray, detail: Ints) -> Rows:
    """Events outside of visits that follow purchases by so many days."""
    columns = {name: getattr(bought, name) for name in Rows.__slots__}
    columns["kind"] = np.full(len(detail), kind)
    columns["time"] = bought.time + np.round(days * 86_400_000).astype(np.int64) * 1000
    columns["detail"] = detail
    columns["outside"] = np.ones(len(detail), dtype=bool)
    columns["anonymous"] = np.zeros(len(detail), dtype=bool)
    return Rows(**columns)


def _numbered(rows: Rows) -> Rows:
    """The rows by user and time, with the place of each among its user's."""
    rows = rows.kept(np.lexsort((rows.time, rows.user)))
    opens = np.concatenate(([True], rows.user[1:] != rows.user[:-1])) if len(rows.user) else np.zeros(0, dtype=bool)
    first = np.flatnonzero(opens)
    ordinal = np.arange(len(rows.user)) - (first[np.cumsum(opens) - 1] if len(first) else 0)
    columns = {name: getattr(rows, name) for name in Rows.__slots__}
    columns["ordinal"] = ordinal
    return Rows(**columns)
