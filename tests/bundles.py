"""A toy bundle with a planted truth, built from arrays without any training.

Items are dealt to tastes: item i has taste i % TASTES. User u has taste u % TASTES, buys and looks at
items of that taste only, and everything "learned" says the same: neighbours, score lists and factors never
cross tastes. Item i is always bought together with its `partner`, the next one, of another taste. Among all items the
lower row sells better. So a correct list for a known user holds items of the user's own taste first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from engine.bundle import Bundle, Manifest
from engine.catalog import Catalog
from engine.content import Content
from engine.events import EVENT_TYPES, TYPE_CODES
from engine.ids import IdMap, TextTable
from engine.index import ItemIndex
from engine.item_facts import facts_of
from engine.learned import (
    NEVER,
    Chance,
    Factors,
    ItemStatistics,
    Leaders,
    Neighbours,
    Peers,
    Ranking,
    Repurchase,
    Scores,
)
from engine.profile import History
from engine.recommend.features import FEATURES
from engine.recommend.onward import ONWARD_FEATURES
from engine.visits import Followers, Onward, Visits

TASTES = 4
DAY = 86_400
AS_OF = 1_700_000_000
NEAR = 8  # neighbours of an item, entries of a user's list


def toy_bundle(
    n_users: int = 20,
    n_items: int = 80,
    seed: int = 1,
    *,
    version: int = 1,
    events_each: int = 12,
    dimensions: int = TASTES,
    item_ids: Sequence[str] | None = None,
    user_ids: Sequence[str] | None = None,
) -> Bundle:
    """User 0 is known but has no event; every other has `events_each`, two thirds purchases, the rest views."""
    random = np.random.default_rng(seed)
    factors = _factors(n_users, n_items, dimensions)
    recent = (n_items - np.arange(n_items)).astype(np.float32)
    return Bundle(
        manifest=Manifest("default", AS_OF, AS_OF, FEATURES, recipe={"name": "toy"}, version=version),
        users=IdMap.of(user_ids or [f"u{row}" for row in range(n_users)]),
        items=IdMap.of(item_ids or [f"i{row}" for row in range(n_items)]),
        catalog=_catalog(n_items),
        history=_history(random, n_users, n_items, events_each),
        statistics=_statistics(recent),
        repurchase=Repurchase(
            np.full(n_items, np.log(20.0), np.float32), np.full(n_items, 0.05, np.float32), np.ones(2, np.float32)
        ),
        popular=Leaders(np.arange(min(n_items, 100), dtype=np.int32), recent[:100]),
        trending=Leaders(
            np.arange(n_items - 1, max(n_items - 11, 0), -1, dtype=np.int32),
            np.arange(n_items, max(n_items - 10, 1), -1, dtype=np.float32)[: min(n_items, 10)],
        ),
        best_of_category=_best_of_taste(n_items),
        neighbours=_neighbours(n_items),
        baskets=Neighbours(
            np.arange(n_items + 1, dtype=np.int32),
            np.array([partner(row, n_items) for row in range(n_items)], np.int32),
            np.ones(n_items, np.float32),
        ),
        similar_users=_lists(n_users, n_items, 0),
        factors=factors,
        index=ItemIndex.build(factors.items),
        type_weights=np.array([each.weight for each in EVENT_TYPES.values()], np.float32),
        half_lives=np.array([each.half_life_days for each in EVENT_TYPES.values()], np.float32),
        fold_in=np.array([1.0, 0.1], np.float32),
        rankings={"home": toy_ranking(), "discover": toy_ranking(), "buy-again": due_ranking()},
        chances={"buy-again": Chance(np.array([0.0, 1.0]), np.array([0.0, 0.5]))},
        content=Content.of([[f"category=taste {taste(row)}", f"tag=t{row % 8}"] for row in range(n_items)]),
        facts=facts_of([facts_told(row) for row in range(n_items)]),
        onward=_onward(n_items),
        peers=_peers(n_items),
    )


def _peers(n_items: int) -> Peers:
    """Who lives in region 2 takes what has taste 2; who came by social, what has taste 1, and that a little less."""
    items = np.arange(n_items, dtype=np.int32)
    bend = np.zeros((2, n_items), np.float32)
    bend[0, items % TASTES == 2] = 3.0
    bend[1, items % TASTES == 1] = 2.0
    return Peers(IdMap.of(["region=2", "source=social"]), np.array([40, 30], np.int32), items, bend)


def facts_told(row: int) -> dict[str, Any]:
    """Every fifth item has no cost, every seventh no colour."""
    colour = {} if row % 7 == 0 else {"colour": ("red", "green", "blue")[row % 3]}
    return {
        "list_price": 120 + row,
        **({} if row % 5 == 0 else {"cost": 50}),
        "tags": [f"t{row % 8}", "all"],
        "attributes": {**colour, "size": row % 10, "bio": row % 2 == 0, "for": {"ages": ["child", "adult"][: row % 3]}},
    }


def taste(row: int) -> int:
    return row % TASTES


def partner(row: int, n_items: int) -> int:
    """The item that stands in the same orders: the next one, which is of another taste."""
    return (row + 1) % n_items


def toy_ranking() -> Ranking:
    """Own faded purchases count most, then the factors, then recent sales; one tree prefers what was bought twice."""
    tables = {
        "own_faded_60": ([0.0, 0.5, 1.0, 2.0], [0.0, 3.0, 4.0, 5.0, 6.0]),
        "factors_score": ([0.0, 0.5], [0.0, 1.0, 2.0]),
        "item_recent": ([10.0, 40.0], [0.0, 0.1, 0.2]),
    }
    starts, steps, values = [0], [], []
    for name in FEATURES:
        at, worth = tables.get(name, ([], [0.0]))
        steps += at
        values += worth
        starts.append(len(steps))
    return Ranking(
        step_starts=np.array(starts, np.int32),
        steps=np.array(steps, np.float64),
        values=np.array(values, np.float64),
        split_feature=np.array([[FEATURES.index("own_lines"), 0, 0]], np.int16),
        split_at=np.array([[1.5, 0.0, 0.0]]),
        left=np.array([[1, 1, 2]], np.int16),
        right=np.array([[2, 1, 2]], np.int16),
        leaf_value=np.array([[0.0, 0.0, 0.5]]),
    )


def onward_order(name: str) -> Ranking:
    """An order of what comes next in a visit: the more of this column, the better."""
    at = ONWARD_FEATURES.index(name)
    steps = np.arange(0.5, 10.0)
    starts = np.where(np.arange(len(ONWARD_FEATURES) + 1) > at, len(steps), 0)
    values = np.zeros(len(steps) + len(ONWARD_FEATURES))
    values[at : at + len(steps) + 1] = np.arange(len(steps) + 1)
    none = np.zeros((0, 1))
    return Ranking(starts.astype(np.int32), steps, values, none.astype(np.int16), none, none, none, none)


def due_ranking() -> Ranking:
    """The more purchases a week, the likelier: 0.1 as score for each step; no trees."""
    at = [0.1, 0.2, 0.4, 0.8, 1.6]
    plain = toy_ranking()
    place = FEATURES.index("own_pace")
    return replace(
        plain,
        step_starts=np.array([0] * (place + 1) + [len(at)] * (len(FEATURES) - place), np.int32),
        steps=np.array(at, np.float64),
        values=np.r_[np.zeros(place), 0.1 * np.arange(len(at) + 1), np.zeros(len(FEATURES) - place - 1)],
        split_feature=np.zeros((0, 1), np.int16),
        split_at=np.zeros((0, 1)),
        left=np.zeros((0, 1), np.int16),
        right=np.zeros((0, 1), np.int16),
        leaf_value=np.zeros((0, 1)),
    )


def _catalog(n_items: int) -> Catalog:
    codes = (np.arange(n_items) % TASTES).astype(np.int32)
    return Catalog(
        names=TextTable.of(f"item {row}" for row in range(n_items)),
        levels=np.stack([np.zeros(n_items, np.int32) + TASTES, codes], axis=1),
        category_names=TextTable.of([*(f"taste {code}" for code in range(TASTES)), "everything"]),
        brand=codes,
        brand_names=TextTable.of(f"brand {code}" for code in range(TASTES)),
        family=np.full(n_items, -1, np.int32),
        price=np.arange(100, 100 + n_items, dtype=np.int64),
        stock=np.full(n_items, -1, np.int64),
        available=np.ones(n_items, bool),
    )


def _history(random: np.random.Generator, n_users: int, n_items: int, each: int) -> History:
    owners = np.repeat(np.arange(1, n_users), each)
    of_taste = np.maximum((n_items - owners % TASTES - 1) // TASTES + 1, 1)
    items = (random.random(len(owners)) ** 2 * of_taste).astype(np.int64) * TASTES + owners % TASTES
    types = np.where(np.arange(len(owners)) % 3 < 2, TYPE_CODES["purchase"], TYPE_CODES["view"])
    times = AS_OF - random.integers(1, 300 * DAY, len(owners))
    order = np.lexsort((times, owners))
    return History(
        indptr=np.r_[0, np.arange(n_users) * each].astype(np.int64),
        items=np.minimum(items, n_items - 1)[order].astype(np.int32),
        types=types[order].astype(np.uint8),
        times=times[order].astype(np.int64),
        quantities=np.ones(len(owners), np.float32),
    )


def _statistics(recent: np.ndarray) -> ItemStatistics:
    n = len(recent)
    return ItemStatistics(
        recent=recent,
        lasting=recent,
        buyers=recent,
        repeat_share=np.full(n, 0.6, np.float32),
        interval=np.full(n, 20.0, np.float32),
        age=np.full(n, 200.0, np.float32),
        idle=np.full(n, NEVER, np.float32),
        price=np.arange(100, 100 + n, dtype=np.float32),
        winning=recent,
    )


def _best_of_taste(n_items: int) -> Neighbours:
    """By category code; the last code, "everything", holds no list."""
    lists = [np.arange(code, n_items, TASTES, dtype=np.int32)[:20] for code in range(TASTES)]
    ends = np.cumsum([0, *(len(each) for each in lists), 0])
    weights = np.concatenate([np.arange(len(each), 0, -1, dtype=np.float32) for each in lists])
    return Neighbours(ends.astype(np.int32), np.concatenate(lists), weights)


def _neighbours(n_items: int) -> Neighbours:
    """The next NEAR items of the same taste, the nearest strongest; at the catalogue's end there are fewer."""
    rows = np.arange(n_items)[:, None] + TASTES * np.arange(1, NEAR + 1)[None, :]
    there = rows < n_items
    weights = np.broadcast_to(1.0 / np.arange(1, NEAR + 1, dtype=np.float32), rows.shape)
    indptr = np.r_[0, np.cumsum(there.sum(axis=1))].astype(np.int32)
    return Neighbours(indptr, rows[there].astype(np.int32), weights[there].astype(np.float32))


def _onward(n_items: int) -> Onward:
    """Of each taste one past visit, which went through all of it; after an item come the next ones of its taste."""
    each = np.ones(n_items, np.float32)
    visits = [np.arange(code, n_items, TASTES, dtype=np.int32) for code in range(TASTES)]
    by_age = np.array([1.0, 0.5, 0.25], np.float32)
    near = _neighbours(n_items)
    rows = np.arange(n_items, dtype=np.int32)
    return Onward(
        followers=Followers(near.indptr, near.items, near.weights, by_age),
        visits=Visits(
            indptr=np.cumsum([0, *map(len, visits)]).astype(np.int32),
            items=np.concatenate(visits),
            weights=np.ones(TASTES, np.float32),
            met=np.arange(n_items + 1, dtype=np.int32),
            met_in=rows % TASTES,
            met_at=rows // TASTES,
            telling=each,
            worth=each,
            by_age=by_age,
            after=(0.5 ** np.arange(NEAR)).astype(np.float32),
            before=(0.25 ** np.arange(1, NEAR)).astype(np.float32),
            nearest=np.array([10], np.int32),
        ),
        taken=np.eye(TASTES, dtype=np.float32)[rows % TASTES],
        told=np.zeros((n_items, 0), np.float32),
        recent=each,
        lasting=each,
        idle=each,
        age=each,
        gap_minutes=np.array([30.0], np.float32),
    )


def _lists(n_users: int, n_items: int, start: int) -> Scores:
    """For every user but the first NEAR items of the own taste, from the `start`-th on."""
    rows = np.arange(n_users)[:, None] % TASTES + TASTES * np.arange(start, start + NEAR)[None, :]
    there = (rows < n_items) & (np.arange(n_users) > 0)[:, None]
    scores = np.broadcast_to(np.arange(NEAR, 0, -1, dtype=np.float32), rows.shape)
    indptr = np.r_[0, np.cumsum(there.sum(axis=1))].astype(np.int32)
    return Scores(indptr, rows[there].astype(np.int32), scores[there])


def _factors(n_users: int, n_items: int, dimensions: int) -> Factors:
    """One dimension a taste; the lower row is a little longer. More dimensions than tastes stay zero."""
    users, items = np.zeros((n_users, dimensions), np.float32), np.zeros((n_items, dimensions), np.float32)
    users[np.arange(n_users), np.arange(n_users) % TASTES] = 1.0
    items[np.arange(n_items), np.arange(n_items) % TASTES] = 1.0 - 0.5 * np.arange(n_items) / n_items
    return Factors(users, items)
