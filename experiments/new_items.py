"""New items as they are served: introduced by their content to a bundle that never heard of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np

from engine.bundle import Bundle
from engine.content import Content, alike, codes_of, words_of
from engine.newcomers import with_newcomers
from engine.recommend.sources import new_for_you
from engine.storage.lake import Lake
from experiments.cold_items import LENGTH, ColdItems, by_category, cold_items_of, plain_interval, recall
from training.evaluate import Periods, bootstrap_interval, measure, paired_difference
from training.models.contract import Interactions
from training.shop_data import ShopData

_NEIGHBOURS = 40  # as the storefront looks for
_SHORT = 20
_TOLD = ("item_id", "name", "brand", "categories", "tags", "attributes")


def new_items(
    lake: Lake, shop: ShopData, bundle: Bundle, seen: Interactions, cuts: Periods, *, seed: int
) -> dict[str, Any]:
    """Recall@100 and NDCG@20 among items never sold before the test period, over those who bought one of them in it.

    `content` is the source that fills the newcomers' places of a list; `category` the sales of the most specific
    category, one list for everybody; `random` what chance expects.
    """
    cold = cold_items_of(shop, seen, cuts.test, cuts.end)
    if not len(cold.users):
        return {"users": 0, "items": len(cold.rows)}
    ours = _lists(_introduced(lake, shop, bundle, cold), cold, bundle, cuts.test)
    theirs = np.repeat(by_category(shop, cold, seed), len(cold.users), axis=0)
    ones = np.ones(len(cold.rows))
    short = [
        measure(lists, cold.truth, users=cold.users, popularity=ones, k=_SHORT).per_user[f"ndcg@{_SHORT}"]
        for lists in (ours, theirs)
    ]
    long = [recall(lists, cold.truth, cold.users) for lists in (ours, theirs)]
    found: dict[str, Any] = {"users": len(cold.users), "items": len(cold.rows)}
    for name, (content, category) in ((f"ndcg@{_SHORT}", short), (f"recall@{LENGTH}", long)):
        found[f"content {name}"] = plain_interval(bootstrap_interval(content, seed))
        found[f"category {name}"] = plain_interval(bootstrap_interval(category, seed))
    return found | {
        f"random recall@{LENGTH}": min(1.0, LENGTH / len(cold.rows)),
        f"over category recall@{LENGTH}": plain_interval(paired_difference(long[0], long[1], seed)),
        f"over category ndcg@{_SHORT}": plain_interval(paired_difference(short[0], short[1], seed)),
    }


def _introduced(lake: Lake, shop: ShopData, bundle: Bundle, cold: ColdItems) -> Bundle:
    """The bundle with the cold items as newcomers behind its rows; as items of its own they are forgotten."""
    names = [shop.items.ids[int(row)] for row in cold.rows]
    told = {row["item_id"]: row for row in lake.items().select(_TOLD).to_pylist()}
    documents = []
    for name in names:
        row = told.get(name, {"item_id": name})
        attributes = json.loads(row["attributes"]) if row.get("attributes") else {}
        documents.append({**row, "attributes": attributes, "item_id": f"new:{name}"})
    known = replace(bundle, content=_without(bundle.content, cold.rows))
    near = alike(known.content, [codes_of(words_of(each)) for each in documents], _NEIGHBOURS)
    return with_newcomers(known, documents, near, float(bundle.manifest.as_of))


def _without(content: Content, rows: np.ndarray) -> Content:
    owners = np.repeat(np.arange(len(content.indptr) - 1), np.diff(content.indptr))
    kept = ~np.isin(owners, rows)
    counts = np.bincount(owners[kept], minlength=len(content.indptr) - 1)
    return Content(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), content.codes[kept])


def _lists(introduced: Bundle, cold: ColdItems, bundle: Bundle, now: int) -> np.ndarray:
    """[len(cold.users), LENGTH] places in `cold.rows`, -1 where there are no more."""
    first = len(bundle.items)
    lists = np.full((len(cold.users), LENGTH), -1, np.int64)
    nothing = np.zeros(0, np.int32)
    for line, user in enumerate(cold.users):
        rows, _ = new_for_you(bundle.history.profile(int(user)), introduced, now, nothing)
        lists[line, : len(rows[:LENGTH])] = rows[:LENGTH] - first
    return lists
