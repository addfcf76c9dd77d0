"""Bench `index`: looking items up among a million, beside comparing all of them.

The vectors are those that the served factor model learns from the shop generator's users and items. Each way of looking
up is built on them and on parts of them, saved, mapped, and asked one user at a time, by users that had no say in how
far it looks.
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np

from engine.index import EXACT_BYTES, MOST_OF_SLOW, RECALL, RECALL_AT, ItemIndex, recall, unit
from engine.index_kinds import KINDS
from engine.learned import Factors
from experiments.findings import Asked, Conditions, Findings
from experiments.large_shop import factors_of, large_shop
from experiments.shop import ShopSize
from experiments.traits_bench import in_own_process

_WHOLE, _QUICK = ShopSize(users=1_000_000, items=1_000_000, days=20), ShopSize(users=6_000, items=6_000, days=20)
_ASKING, _JUDGED = 10_000, 2_000
_THREADS = 2


def measure_index(conditions: Conditions) -> Findings:
    """Recall and time of what a bundle would carry, of the other kinds, and of both on parts of the catalogue."""
    size = _QUICK if conditions.quick else _WHOLE
    shop = large_shop(size, conditions.seed)
    began = time.perf_counter()
    factors = factors_of(shop, seed=conditions.seed, threads=_THREADS)
    learning = time.perf_counter() - began
    events = len(shop.seen.log)
    del shop
    rng = np.random.default_rng(conditions.seed)
    exact_bytes = 0 if conditions.quick else EXACT_BYTES
    served = looked_up(factors.items, factors.users, conditions.scratch, rng, exact_bytes=exact_bytes)
    figures = {
        "users": size.users,
        "items": size.items,
        "items_with_a_vector": int((np.linalg.norm(factors.items, axis=1) > 0).sum()),
        "events": events,
        "seconds_to_learn_factors": round(learning, 1),
        "recall_asked_of_an_index": RECALL,
        "served": served,
        "like_an_item": _like_items(factors, conditions.scratch, rng, exact_bytes),
        "kinds": _kinds(factors, conditions, rng),
    }
    asked = (
        Asked(f"recall@{RECALL_AT} against comparing all, of {size.items:,} items", served["recall"], at_least=0.98),
        Asked("one look-up, p99, ms", served["p99_ms"], at_most=0.5),
    )
    return Findings(figures, asked)


def _like_items(factors: Factors, scratch: Path, rng: np.random.Generator, exact_bytes: int) -> dict[str, Any]:
    """Items like an item: the same door, over vectors of length one."""
    alike = unit(factors.items)
    return looked_up(alike, alike, scratch, rng, exact_bytes=exact_bytes)


def _kinds(factors: Factors, conditions: Conditions, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Each kind, on all items and on random parts of them, and comparing all beside them."""
    n = len(factors.items)
    rows = []
    for part in (n // 50, n // 10, n):
        items = factors.items[np.sort(rng.choice(n, part, replace=False))]
        for kind in ("exact", *(name for name, each in KINDS.items() if part <= MOST_OF_SLOW or not each.is_slow)):
            limit, kinds = (items.nbytes, ()) if kind == "exact" else (0, (kind,))
            found = looked_up(items, factors.users, conditions.scratch, rng, exact_bytes=limit, kinds=kinds)
            rows.append({"items": part, "asked_kind": kind, **found})
    return rows


def looked_up(
    items: np.ndarray,
    users: np.ndarray,
    scratch: Path,
    rng: np.random.Generator,
    *,
    exact_bytes: int,
    kinds: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Build an index over `items`, save and map it, and ask it for `users`, one at a time."""
    began = time.perf_counter()
    made = ItemIndex.build(items, users, n_threads=_THREADS, exact_bytes=exact_bytes, kinds=kinds)
    building = time.perf_counter() - began
    folder = scratch / f"index-{rng.integers(2**62)}"
    folder.mkdir()
    made.save(folder)
    np.save(folder / "items.npy", items)
    known = np.flatnonzero(np.linalg.norm(users, axis=1) > 0)
    queries = users[rng.choice(known, min(_ASKING, len(known)), replace=False)]
    np.save(folder / "queries.npy", queries)
    facts = dataclasses.asdict(made.facts)
    found = in_own_process(asked_one_by_one, folder, facts)
    found.pop("peak_mib")
    saved = sum(path.stat().st_size for path in folder.glob("*.faiss"))
    for path in folder.iterdir():
        path.unlink()
    return {**facts, **found, "saved_mib": round(saved / 2**20, 1), "seconds_to_build": round(building, 1)}


def asked_one_by_one(folder: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """In a process of its own, as a storefront would: recall, milliseconds, and memory that it shares with nobody."""
    items = np.asarray(np.load(folder / "items.npy", mmap_mode="r"))
    queries = np.load(folder / "queries.npy")
    before = _private_mib()
    index = ItemIndex.load(folder, facts, items)
    for query in queries[:500]:
        index.search(query[None, :], RECALL_AT)
    seconds = np.empty(len(queries))
    for line, query in enumerate(queries):
        began = time.perf_counter()
        index.search(query[None, :], RECALL_AT)
        seconds[line] = time.perf_counter() - began
    private = _private_mib() - before
    judged = queries[:_JUDGED]
    found = recall(index.search(judged, RECALL_AT)[0], ItemIndex(items).search(judged, RECALL_AT)[0])
    p50, p99 = np.percentile(seconds * 1_000, (50, 99))
    return {
        "recall": found,
        "p50_ms": round(float(p50), 3),
        "p99_ms": round(float(p99), 3),
        "private_mib": round(private, 1),
    }


def _private_mib() -> float:
    """What this process holds that no other shares."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty")) / 1024
