"""Bundle: all that a storefront process needs, as of one moment, in one directory.

On disk it is a `manifest.json`, one `.npy` file an array, and the index where there is one. Every file's SHA-256 stands
in the manifest, and so does the index' measured recall; loading verifies them, maps arrays and index into memory
(shared by all workers) and leaves them read-only, so that no request can change a model.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_type_hints

import numpy as np
from numpy.typing import NDArray

from engine.bundle_files import FORMAT, MANIFEST, read_manifest, sha256, verify_all
from engine.catalog import Catalog
from engine.content import Content
from engine.errors import BundleUnusable
from engine.fold_in import folded_in, in_common
from engine.ids import IdMap
from engine.index import ItemIndex
from engine.item_facts import ItemFacts
from engine.item_lines import ItemLines, lines_of
from engine.item_table import Changes, ItemTable, Kept
from engine.learned import (
    Chance,
    Factors,
    ItemStatistics,
    Leaders,
    Neighbours,
    Newcomers,
    Peers,
    Ranking,
    Repurchase,
    Sales,
    Scores,
)
from engine.nested_arrays import flatten, is_finite, rebuild
from engine.profile import History, Profile
from engine.summed import interests
from engine.visits import Onward


@dataclass(frozen=True, slots=True)
class Manifest:
    """Where a bundle comes from. `as_of` and `created_at` are epoch seconds; metrics are by placement and period."""

    shop: str
    as_of: int
    created_at: int
    features: tuple[str, ...]
    recipe: Mapping[str, Any] = field(default_factory=dict)
    data_versions: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    version: int = 0


@dataclass(frozen=True)
class Bundle:
    """What is known of users and items as of the manifest's moment.

    `type_weights` and `half_lives` (days) are by event type code; `fold_in` holds the confidence per
    unit of weight and the regularisation with which a changed profile gets a new user vector;
    `rankings` are by name, as placements ask for them, and `chances` say what the scores of some of them mean.
    """

    manifest: Manifest
    users: IdMap
    items: IdMap
    catalog: Catalog
    history: History
    statistics: ItemStatistics
    repurchase: Repurchase
    popular: Leaders
    trending: Leaders
    best_of_category: Neighbours
    neighbours: Neighbours
    baskets: Neighbours
    similar_users: Scores
    factors: Factors
    index: ItemIndex
    type_weights: NDArray[np.float32]
    half_lives: NDArray[np.float32]
    fold_in: NDArray[np.float32]
    rankings: dict[str, Ranking]
    chances: dict[str, Chance]
    content: Content
    facts: ItemFacts
    onward: Onward
    peers: Peers
    #: Laid over a loaded bundle, never saved with it.
    newcomers: Newcomers | None = None
    sales: Sales | None = None  # of the window that a request asks for
    #: What the shop said of items since, oldest first; of newcomers, where there are any, in the first place.
    changes: tuple[Changes, ...] = ()
    #: What was computed for rules, shared by all that is laid over one loaded bundle.
    kept: Kept = field(default_factory=Kept, compare=False)

    def profile(self, user_id: str) -> Profile | None:
        """The stored history of a user, None for one that the bundle does not know."""
        row = self.users.row(user_id)
        return self.history.profile(row) if row >= 0 else None

    def interests(self, profile: Profile, now: float) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The items a profile speaks for, strongest first: each event by its type's weight, fading by its half-life."""
        found: tuple[NDArray[np.int32], NDArray[np.float32]] = profile.once(
            ("interests", now),
            self,
            lambda: interests(profile.items, profile.types, profile.times, self.type_weights, self.half_lives, now),
        )
        return found

    def user_vector(self, profile: Profile, now: float) -> NDArray[np.float32] | None:
        """[d] the learned vector of a stored profile, a folded-in one for a changed or new one, None for an empty."""
        if profile.is_stored and len(profile):
            return np.asarray(self.factors.users[profile.row])
        found: NDArray[np.float32] | None = profile.once(("vector", now), self, lambda: self._folded_in(profile, now))
        return found

    def with_vector(self, profile: Profile, now: float, vector: NDArray[np.float32] | None) -> None:
        """Have `user_vector` give this folded-in vector, which was computed beside other things already."""
        profile.once(("vector", now), self, lambda: vector)

    def _folded_in(self, profile: Profile, now: float) -> NDArray[np.float32] | None:
        rows, weights = self.interests(profile, now)
        if not len(rows):
            return None
        return folded_in(self.item_vectors(rows), self.fold_in[0] * weights, self.in_common)

    def item_vectors(self, rows: NDArray[np.int32]) -> NDArray[np.float32]:
        """[len(rows), d] the vectors of items, those of newcomers included."""
        if self.newcomers is None or not (new := rows >= self.newcomers.first).any():
            return self.factors.items.take(rows, axis=0)
        vectors = np.empty((len(rows), self.factors.items.shape[1]), np.float32)
        vectors[~new] = self.factors.items[rows[~new]]
        vectors[new] = self.newcomers.vectors[rows[new] - self.newcomers.first]
        return vectors

    def with_catalog(self, catalog: Catalog) -> Bundle:
        """The same bundle over what the shop says of its items now; what was computed from the rest is kept."""
        kept = ("in_common", "category_recent", "category_sizes", "item_lines", "newcomer_lines")
        return dataclasses.replace(self, catalog=catalog).keeping(self, *kept)

    def keeping(self, other: Bundle, *computed: str) -> Bundle:
        """This bundle with what `other` has computed under these names already."""
        self.__dict__.update({name: other.__dict__[name] for name in computed if name in other.__dict__})
        return self

    @cached_property
    def category_recent(self) -> NDArray[np.float32]:
        """[n_categories] recent sales by most specific category."""
        codes = self.catalog.category
        known = codes >= 0
        size = max(len(self.catalog.category_names), 1)
        return np.bincount(codes[known], self.statistics.recent[known], minlength=size).astype(np.float32)

    @cached_property
    def category_sizes(self) -> NDArray[np.int64]:
        """[n_categories] items by most specific category."""
        codes = self.catalog.category
        return np.bincount(codes[codes >= 0], minlength=len(self.catalog.category_names))

    @cached_property
    def item_lines(self) -> ItemLines:
        """What a request asks of each item that was learned, side by side."""
        return self._lines_of(range(len(self.factors.items)))

    @cached_property
    def newcomer_lines(self) -> ItemLines:
        """The same of the items whose rows follow."""
        return self._lines_of(range(len(self.factors.items), len(self.catalog)))

    def _lines_of(self, rows: range) -> ItemLines:
        return lines_of(self.statistics, self.catalog, self.category_recent, rows)

    @cached_property
    def table(self) -> ItemTable:
        """What rules may ask of the items that were there when the bundle was made, as they were then."""
        return ItemTable(self.items.ids, self.catalog, self.facts, self.statistics.age, self.manifest.as_of)

    @cached_property
    def sellable(self) -> NDArray[np.bool_]:
        return self.catalog.sellable()

    @cached_property
    def in_common(self) -> NDArray[np.float64]:
        return in_common(self.factors.items, float(self.fold_in[1]))

    def save(self, folder: Path, *, beside: Mapping[str, bytes] = MappingProxyType({})) -> None:
        """Write everything into `folder` (made here, must not exist) and sync it to disk.

        `beside` are further files by name, such as the evidence of a training run; they are verified with the rest.
        """
        folder.mkdir(parents=True)
        for name, content in beside.items():
            (folder / name).write_bytes(content)
        for name, array in _arrays_of(self).items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        self.index.save(folder)
        files = {}
        for path in sorted(folder.iterdir()):
            with path.open("rb") as file:
                os.fsync(file.fileno())
            files[path.name] = {"sha256": sha256(path), "bytes": path.stat().st_size}
        told = {"index": dataclasses.asdict(self.index.facts), "files": files}
        document = {"format": FORMAT, **dataclasses.asdict(self.manifest), **told}
        with (folder / MANIFEST).open("w") as out:
            json.dump(document, out, indent=1)
            out.flush()
            os.fsync(out.fileno())
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)  # the names too must survive a power cut
        finally:
            os.close(descriptor)

    @classmethod
    def load(cls, folder: Path, untouched: Collection[str] = ()) -> Bundle:
        """Verify and map a saved bundle; BundleUnusable names the first thing that is wrong.

        `untouched` files were verified before and are as they were then: they are not read for it again.
        """
        document = read_manifest(folder)
        listed = document.pop("files")
        verify_all(folder, listed, untouched)
        document.pop("format")
        facts = document.pop("index")
        arrays = {
            # asarray: a plain read-only view of the mapping, without the cost of the memmap class in each request.
            name.removesuffix(".npy"): np.asarray(np.load(folder / name, mmap_mode="r", allow_pickle=False))
            for name in listed
            if name.endswith(".npy")
        }
        try:
            document["features"] = tuple(document["features"])
            index = ItemIndex.load(folder, facts, arrays["factors.items"])
            bundle = cls(manifest=Manifest(**document), index=index, **_parts(arrays))
        except (KeyError, TypeError, ValueError) as problem:
            raise BundleUnusable(f"bundle {folder.name} has the wrong shape: {problem}") from problem
        bundle.check()
        return bundle

    def check(self) -> None:
        """Refuse contents that cannot answer: sizes that do not fit, or learned numbers that are not finite."""
        sizes = {
            "items": (
                len(self.items),
                len(self.catalog),
                len(self.facts),
                len(self.statistics.recent),
                len(self.repurchase.interval),
                len(self.factors.items),
                len(self.index),
                len(self.onward),
            ),
            "users": (len(self.users), len(self.history.indptr) - 1, len(self.factors.users)),
        }
        for what, counts in sizes.items():
            if len(set(counts)) != 1:
                raise BundleUnusable(f"the bundle's tables disagree about the number of {what}: {counts}", field=what)
        for name, array in _arrays_of(self).items():
            if array.dtype.kind == "f" and not is_finite(array):
                raise BundleUnusable(f"{name} holds numbers that are not finite", field=name)


def _arrays_of(bundle: Bundle) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    for name in _array_fields():
        found |= flatten(getattr(bundle, name), name)
    return found


def _parts(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    return {name: rebuild(kind, name, arrays) for name, kind in _array_fields().items()}


def _array_fields() -> dict[str, Any]:
    return {
        name: kind
        for name, kind in get_type_hints(Bundle).items()
        if name not in ("manifest", "index", "newcomers", "sales", "changes", "kept")
    }
