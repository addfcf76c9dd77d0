"""Why shoppers look at items and buy some: taste, season, promotions, current interests, things used up.

A look is one item considered on one day for one cause. Looks are drawn for a block of users at
once and know nothing of each other; `experiments.shop.sessions` puts them into visits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from experiments.shop.catalog import Catalog, season_factor
from experiments.shop.draws import Flags, Floats, Ints, Ladder, repeated
from experiments.shop.people import People

#: Why an item was looked at or bought; a look's `cause` is a place in this table.
CAUSES = ("taste", "repeat", "season", "promotion", "browse", "stray")
_TASTE, _REPEAT, _SEASON, _PROMOTION, _BROWSE, _STRAY = range(len(CAUSES))

_CANDIDATES = 10  # what a shelf shows at once
_AT_ONCE = 65_536  # looks scored together, to bound memory
_TASTE_PULL = 6.0  # how far tastes bend the choice within a shelf
_SEASONAL = 1.3  # a shelf is in season when demand is this far over its average


@dataclass(frozen=True, slots=True)
class Looks:
    """Columns with one row a look; `user` counts from 0 within the block.

    `own_visit`: the look brings the user to the shop on that very day, otherwise it waits for the
    next visit. `searched`: it was found by a search for its shelf.
    """

    user: Ints
    day: Ints
    item: Ints
    cause: Ints
    buys: Flags
    carts: Flags
    searched: Flags
    own_visit: Flags

    def kept(self, rows: Flags | Ints) -> Looks:
        return Looks(*(getattr(self, name)[rows] for name in self.__slots__))

    @staticmethod
    def joined(parts: list[Looks]) -> Looks:
        return Looks(*(np.concatenate([getattr(part, name) for part in parts]) for name in Looks.__slots__))


def draw_looks(catalog: Catalog, people: People, rng: np.random.Generator) -> tuple[Looks, Ints, Ints]:
    """All looks of the block's users, and the users and days of visits without a purpose."""
    visitor, day = _idle_visits(catalog, people, rng)
    parts = [
        _by_taste(catalog, people, visitor, day, rng),
        _by_season(catalog, people, visitor, day, rng),
        _by_promotion(catalog, people, visitor, day, rng),
        _stray(catalog, visitor, day, rng),
        _by_interest(catalog, people, rng),
        _by_need(catalog, people, rng),
    ]
    looks = Looks.joined(parts)
    return looks.kept(looks.item >= 0), visitor, day


def choose_items(
    catalog: Catalog, people: People, candidates: Ints, user: Ints, day: Ints, rng: np.random.Generator
) -> Ints:
    """For each row, the candidate (n x m) that the user likes best that day; -1 where none is on sale.

    Utility = taste . item + trend - price + discount + Gumbel noise: a multinomial logit choice
    (McFadden 1974) among what is shown.
    """
    chosen = np.empty(len(user), dtype=np.int64)
    for at in range(0, len(user), _AT_ONCE):
        part = slice(at, at + _AT_ONCE)
        shown, who, when = candidates[part], user[part], day[part, None]
        utility = _TASTE_PULL * np.einsum("nmd,nd->nm", catalog.vector[shown], people.vector[who])
        utility += catalog.growth[shown] * (2 * when / catalog.size.days - 1)
        saved = catalog.promotion[when // 7, shown] / 10.0
        utility += people.sensitivity[who, None] * (saved - 2.0 * catalog.price_level[shown])
        utility -= np.log(rng.exponential(size=shown.shape))
        on_sale = (catalog.launch_day[shown] <= when) & (when < catalog.last_day[shown]) & ~catalog.never_sold[shown]
        utility[~on_sale] = -np.inf
        best = utility.argmax(axis=1)
        rows = np.arange(len(best))
        chosen[part] = np.where(on_sale[rows, best], shown[rows, best], -1)
    return chosen


def _from_shelves(
    catalog: Catalog, people: People, user: Ints, day: Ints, shelf: Ints, rng: np.random.Generator
) -> Ints:
    shown = catalog.by_shelf[catalog.shelf_ladder.draw(shelf, rng, _CANDIDATES)]
    return choose_items(catalog, people, shown, user, day, rng)


def _idle_visits(catalog: Catalog, people: People, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Visits out of habit: more at weekends and before the holidays, none before the sign-up."""
    size = catalog.size
    dates = [size.start + timedelta(days=day) for day in range(size.days)]
    pull = np.array([(1.3 if each.weekday() >= 5 else 1.0) * (1.25 if each.month >= 11 else 1.0) for each in dates])
    reached = np.concatenate(([0.0], np.cumsum(pull)))
    before = reached[np.maximum(people.signup_day, 0)]
    counts = rng.poisson(people.visits_per_day * (reached[-1] - before))
    user, _ = repeated(counts)
    point = before[user] + rng.random(len(user)) * (reached[-1] - before[user])
    return user, np.clip(np.searchsorted(reached, point, side="right") - 1, 0, size.days - 1)


def _looks(
    user: Ints,
    day: Ints,
    item: Ints,
    cause: int,
    rng: np.random.Generator,
    *,
    buys: float,
    carts: float,
    searched: float,
) -> Looks:
    """Looks on idle visits, with these shares bought, put into the cart, and found by search."""
    bought = rng.random(len(user)) < buys
    return Looks(
        user,
        day,
        item,
        np.full(len(user), cause),
        bought,
        bought | (rng.random(len(user)) < carts),
        rng.random(len(user)) < searched,
        np.zeros(len(user), dtype=bool),
    )


def _by_taste(catalog: Catalog, people: People, visitor: Ints, visit_day: Ints, rng: np.random.Generator) -> Looks:
    owner, _ = repeated(rng.poisson(2.4, len(visitor)))
    user, day = visitor[owner], visit_day[owner]
    shelf = Ladder.of_rows(people.shelf_share).draw_within(user, rng)
    item = _from_shelves(catalog, people, user, day, shelf, rng)
    return _looks(user, day, item, _TASTE, rng, buys=0.15, carts=0.08, searched=0.2)


def _by_season(catalog: Catalog, people: People, visitor: Ints, visit_day: Ints, rng: np.random.Generator) -> Looks:
    """Looks at what the month is for, by everybody alike; more of them the more is in season."""
    month_of_day = np.array([(catalog.size.start + timedelta(days=day)).month for day in range(catalog.size.days)])
    factor = np.stack([season_factor(month) for month in range(1, 13)])
    weight = np.where(factor >= _SEASONAL, factor**2, 0.0) * np.sqrt(catalog.shelf_weight)
    strength = weight.sum(axis=1) / max(weight.sum(axis=1).max(), 1e-12)
    owner, _ = repeated(rng.poisson(0.6 * strength[month_of_day[visit_day] - 1]))
    user, day = visitor[owner], visit_day[owner]
    shelf = Ladder.of_rows(weight).draw_within(month_of_day[day] - 1, rng)
    item = _from_shelves(catalog, people, user, day, shelf, rng)
    return _looks(user, day, item, _SEASON, rng, buys=0.3, carts=0.1, searched=0.2)


def _by_promotion(catalog: Catalog, people: People, visitor: Ints, visit_day: Ints, rng: np.random.Generator) -> Looks:
    """Looks at this week's promotions, by those who mind prices."""
    owner, _ = repeated(rng.poisson(0.9 * people.sensitivity[visitor]))
    user, day = visitor[owner], visit_day[owner]
    week, promoted = np.nonzero(catalog.promotion)
    ladder = Ladder(catalog.popularity[promoted], np.bincount(week, minlength=len(catalog.promotion)))
    item = choose_items(catalog, people, promoted[ladder.draw(day // 7, rng, _CANDIDATES)], user, day, rng)
    return _looks(user, day, item, _PROMOTION, rng, buys=0.35, carts=0.15, searched=0.0)


def _stray(catalog: Catalog, visitor: Ints, visit_day: Ints, rng: np.random.Generator) -> Looks:
    """What just happened to be on the page: popular things, the never sold too, hardly ever wanted."""
    owner, _ = repeated(rng.poisson(1.6, len(visitor)))
    ladder = Ladder.of_rows(catalog.popularity[None, :])
    item = ladder.draw(np.zeros(len(owner), dtype=np.int64), rng)[:, 0]
    day = visit_day[owner]
    seen = (catalog.launch_day[item] <= day) & (day < catalog.last_day[item])
    item = np.where(seen, item, -1)
    return _looks(visitor[owner], day, item, _STRAY, rng, buys=0.0, carts=0.01, searched=0.0)


def _by_interest(catalog: Catalog, people: People, rng: np.random.Generator) -> Looks:
    """Passing interests: for some days the user compares a few items of one shelf, then perhaps buys one.

    Half of the shelves follow taste, half do not: what was bought before cannot foretell those,
    only what is being looked at can.
    """
    days = catalog.size.days
    begin = np.maximum(people.signup_day, 0)
    counts = rng.poisson((days - begin) * (0.012 + 0.35 * people.visits_per_day))
    user, _ = repeated(counts)
    start = begin[user] + (rng.random(len(user)) * (days - begin[user])).astype(np.int64)
    length = np.clip(np.exp(rng.normal(np.log(12), 0.7, len(user))), 2, 45).astype(np.int64)
    by_taste = Ladder.of_rows(people.shelf_share).draw_within(user, rng)
    by_chance = Ladder.of_rows(np.sqrt(catalog.shelf_weight)[None, :]).draw_within(np.zeros_like(user), rng)
    shelf = np.where(rng.random(len(user)) < 0.5, by_taste, by_chance)
    compared = np.stack([_from_shelves(catalog, people, user, start, shelf, rng) for _ in range(4)], axis=1)

    comparing = _comparing(user, start, length, compared, rng)
    decided = rng.random(len(user)) < 0.55
    return Looks.joined([comparing, _deciding(user[decided], (start + length)[decided], compared[decided, 0], rng)])


def _comparing(user: Ints, start: Ints, length: Ints, compared: Ints, rng: np.random.Generator) -> Looks:
    """Some visits during each interest, with a search or not, and looks at what is compared (interests x 4)."""
    visit, _ = repeated(2 + rng.poisson(1.5, len(user)))
    day = start[visit] + (rng.random(len(visit)) * length[visit]).astype(np.int64)
    own_visit = rng.random(len(visit)) < 0.75
    owner, place = repeated(1 + rng.poisson(0.8, len(visit)))
    # The favourite, which may be bought in the end, is looked at most.
    item = compared[visit[owner], rng.choice(compared.shape[1], len(owner), p=[0.46, 0.24, 0.18, 0.12])]
    return Looks(
        user=user[visit[owner]],
        day=day[owner],
        item=item,
        cause=np.full(len(owner), _BROWSE),
        buys=np.zeros(len(owner), dtype=bool),
        carts=rng.random(len(owner)) < 0.08,
        searched=(place == 0) & (rng.random(len(owner)) < 0.6),
        own_visit=own_visit[owner],
    )


def _deciding(user: Ints, day: Ints, item: Ints, rng: np.random.Generator) -> Looks:
    """The purchases that interests end with."""
    certain = np.ones(len(user), dtype=bool)
    return Looks(
        user=user,
        day=day,
        item=item,
        cause=np.full(len(user), _BROWSE),
        buys=certain,
        carts=certain,
        searched=rng.random(len(user)) < 0.3,
        own_visit=rng.random(len(user)) < 0.8,
    )


def _by_need(catalog: Catalog, people: People, rng: np.random.Generator) -> Looks:
    """Staples: consumables bought again after about the item's own interval, for as long as they are liked."""
    days = catalog.size.days
    consumable = np.bincount(catalog.shelf, weights=catalog.interval_days > 0, minlength=len(catalog.shelf_weight)) > 0
    share = people.shelf_share * consumable
    ladder = Ladder.of_rows(share)
    user, _ = repeated(np.where(ladder.drawable, rng.poisson(3.5, len(share)), 0))
    begin = people.signup_day[user]
    adopted = np.maximum(begin, -60) + (rng.random(len(user)) * (days - np.maximum(begin, -60))).astype(np.int64)
    dropped = adopted + rng.exponential(250, len(user))
    shelf = ladder.draw_within(user, rng)
    item = _from_shelves(catalog, people, user, np.maximum(adopted, 0), shelf, rng)
    staple, due = _renewals(
        np.where(item >= 0, catalog.interval_days[item], np.inf) * people.pace[user], rng, days + 60
    )
    day = adopted[staple] + due
    kept = (day >= 0) & (day < np.minimum(days, dropped[staple])) & (day < catalog.last_day[item[staple]])
    staple, day = staple[kept], day[kept]
    sure = np.ones(len(staple), dtype=bool)
    return Looks(
        user[staple],
        day,
        item[staple],
        np.full(len(staple), _REPEAT),
        sure,
        sure,
        rng.random(len(staple)) < 0.1,
        rng.random(len(staple)) < 0.7,
    )


def _renewals(interval: Floats, rng: np.random.Generator, horizon: int) -> tuple[Ints, Ints]:
    """Owners and days of renewals that begin at day 0 and lie `interval` apart, give or take a quarter."""
    counts = np.where(np.isfinite(interval), np.ceil(1.5 * horizon / np.maximum(interval, 2)) + 1, 0).astype(np.int64)
    owner, place = repeated(counts)
    step = np.where(place == 0, 0.0, interval[owner] * rng.gamma(16, 1 / 16, len(owner)))
    total = np.cumsum(step)
    first = np.cumsum(counts) - counts
    return owner, (total - total[first[owner]]).astype(np.int64) if len(owner) else owner
