"""Bundle: all that a storefront process needs, as of one moment, in one directory.

On disk it is a `manifest.json`, one `.npy` file an array, and the index. Every file's SHA-256 stands
in the manifest; loading verifies them, maps the arrays into memory (shared by all workers) and
leaves them read-only, so that no request can change a model.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from engine.catalog import Catalog
from engine.content import Content
from engine.errors import BundleUnusable
from engine.ids import IdMap
from engine.index import ItemIndex
from engine.item_facts import ItemFacts
from engine.item_table import Changes, ItemTable, Kept
from engine.learned import Factors, ItemStatistics, Leaders, Neighbours, Newcomers, Peers, Ranking, Scores
from engine.profile import History, Profile

FORMAT = 4
DAY = 86_400.0
_INDEX, _MANIFEST = "index.faiss", "manifest.json"


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
    `rankings` are by name, as placements ask for them.
    """

    manifest: Manifest
    users: IdMap
    items: IdMap
    catalog: Catalog
    history: History
    statistics: ItemStatistics
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
    content: Content
    facts: ItemFacts
    peers: Peers
    #: Laid over a loaded bundle, never saved with it.
    newcomers: Newcomers | None = None
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
        ages = np.maximum(now - profile.times, 0.0) / DAY  # what lies after the clock counts as new
        weights = self.type_weights[profile.types] * np.exp2(-ages / self.half_lives[profile.types])
        rows, at = np.unique(profile.items, return_inverse=True)
        total = np.bincount(at, weights, minlength=len(rows)).astype(np.float32)
        order = np.argsort(-total, kind="stable")
        order = order[total[order] > 0]
        return rows[order], total[order]

    def user_vector(self, profile: Profile, now: float) -> NDArray[np.float32] | None:
        """[d] the learned vector of a stored profile, a folded-in one for a changed or new profile, None for an empty.

        Fold-in is one least-squares step against fixed item vectors (Hu, Koren and Volinsky 2008).
        """
        if profile.is_stored and len(profile):
            return np.asarray(self.factors.users[profile.row])
        rows, weights = self.interests(profile, now)
        if not len(rows):
            return None
        vectors = self.item_vectors(rows).astype(np.float64)
        confidence = self.fold_in[0] * weights
        left = self._gram + (vectors * confidence[:, None]).T @ vectors
        return np.linalg.solve(left, ((1.0 + confidence)[:, None] * vectors).sum(axis=0)).astype(np.float32)

    def item_vectors(self, rows: NDArray[np.int32]) -> NDArray[np.float32]:
        """[len(rows), d] the vectors of items, those of newcomers included."""
        if self.newcomers is None or not (new := rows >= self.newcomers.first).any():
            return np.asarray(self.factors.items[rows])
        vectors = np.empty((len(rows), self.factors.items.shape[1]), np.float32)
        vectors[~new] = self.factors.items[rows[~new]]
        vectors[new] = self.newcomers.vectors[rows[new] - self.newcomers.first]
        return vectors

    def with_catalog(self, catalog: Catalog) -> Bundle:
        """The same bundle over what the shop says of its items now; what was computed from the rest is kept."""
        return dataclasses.replace(self, catalog=catalog).keeping(self, "_gram", "category_recent")

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
    def table(self) -> ItemTable:
        """What rules may ask of the items that were there when the bundle was made, as they were then."""
        return ItemTable(self.items.ids, self.catalog, self.facts, self.statistics.age, self.manifest.as_of)

    @cached_property
    def sellable(self) -> NDArray[np.bool_]:
        return self.catalog.sellable()

    @cached_property
    def _gram(self) -> NDArray[np.float64]:
        items = self.factors.items.astype(np.float64)
        # The small ridge keeps the solve defined when fewer items than dimensions have vectors.
        return items.T @ items + np.eye(items.shape[1]) * max(float(self.fold_in[1]), 1e-6)

    def save(self, folder: Path, *, beside: Mapping[str, bytes] = MappingProxyType({})) -> None:
        """Write everything into `folder` (made here, must not exist) and sync it to disk.

        `beside` are further files by name, such as the evidence of a training run; they are verified with the rest.
        """
        folder.mkdir(parents=True)
        for name, content in beside.items():
            (folder / name).write_bytes(content)
        for name, array in _arrays_of(self).items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        self.index.save(folder / _INDEX)
        files = {}
        for path in sorted(folder.iterdir()):
            with path.open("rb") as file:
                os.fsync(file.fileno())
            files[path.name] = {"sha256": _sha256(path), "bytes": path.stat().st_size}
        document = {"format": FORMAT, **dataclasses.asdict(self.manifest), "files": files}
        with (folder / _MANIFEST).open("w") as out:
            json.dump(document, out, indent=1)
            out.flush()
            os.fsync(out.fileno())
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)  # the names too must survive a power cut
        finally:
            os.close(descriptor)

    @classmethod
    def load(cls, folder: Path) -> Bundle:
        """Verify and map a saved bundle; BundleUnusable names the first thing that is wrong."""
        document = read_manifest(folder)
        listed = document.pop("files")
        for name, facts in listed.items():
            path = folder / name
            if not path.is_file():
                raise BundleUnusable(f"bundle {folder.name} lacks {name}", field=name)
            if path.stat().st_size != facts["bytes"] or _sha256(path) != facts["sha256"]:
                raise BundleUnusable(f"{name} of bundle {folder.name} was truncated or altered", field=name)
        document.pop("format")
        arrays = {
            # asarray: a plain read-only view of the mapping, without the cost of the memmap class in each request.
            name.removesuffix(".npy"): np.asarray(np.load(folder / name, mmap_mode="r", allow_pickle=False))
            for name in listed
            if name.endswith(".npy")
        }
        try:
            document["features"] = tuple(document["features"])
            index = ItemIndex.load(folder / _INDEX)
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
                len(self.factors.items),
                len(self.index),
            ),
            "users": (len(self.users), len(self.history.indptr) - 1, len(self.factors.users)),
        }
        for what, counts in sizes.items():
            if len(set(counts)) != 1:
                raise BundleUnusable(f"the bundle's tables disagree about the number of {what}: {counts}", field=what)
        for name, array in _arrays_of(self).items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise BundleUnusable(f"{name} holds numbers that are not finite", field=name)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a saved bundle as written, without verifying the files."""
    try:
        document = json.loads((folder / _MANIFEST).read_text())
        version = document["format"]
        files = {name: (facts["sha256"], facts["bytes"]) for name, facts in document["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise BundleUnusable(f"bundle {folder.name} has no readable manifest: {problem}") from problem
    if version != FORMAT:
        raise BundleUnusable(f"bundle {folder.name} has format {version}, this version reads {FORMAT}; train anew")
    if _INDEX not in files:
        raise BundleUnusable(f"the manifest of bundle {folder.name} does not list {_INDEX}", field=_INDEX)
    if odd := [name for name in files if Path(name).name != name]:
        raise BundleUnusable(f"the manifest of bundle {folder.name} names a file outside of it: {odd[0]}", field=odd[0])
    return dict(document)


def _arrays_of(bundle: Bundle) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    for name in _array_fields():
        found |= _flatten(getattr(bundle, name), name)
    return found


def _parts(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    return {name: _rebuild(kind, name, arrays) for name, kind in _array_fields().items()}


def _array_fields() -> dict[str, Any]:
    return {
        name: kind
        for name, kind in get_type_hints(Bundle).items()
        if name not in ("manifest", "index", "newcomers", "changes", "kept")
    }


def _flatten(value: Any, prefix: str) -> dict[str, NDArray[Any]]:
    """Nested dataclasses and dicts of arrays as one dict with dotted names."""
    if isinstance(value, np.ndarray):
        return {prefix: value}
    parts = value if isinstance(value, dict) else {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    found: dict[str, NDArray[Any]] = {}
    for name, part in parts.items():
        found |= _flatten(part, f"{prefix}.{name}")
    return found


def _rebuild(wanted: Any, prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if dataclasses.is_dataclass(wanted):
        kinds = get_type_hints(wanted)
        parts = {f.name: _rebuild(kinds[f.name], f"{prefix}.{f.name}", arrays) for f in dataclasses.fields(wanted)}
        return wanted(**parts)  # type: ignore[operator]
    if get_origin(wanted) is dict:
        kind, begin = get_args(wanted)[1], f"{prefix}."
        names = sorted({name.removeprefix(begin).split(".")[0] for name in arrays if name.startswith(begin)})
        return {name: _rebuild(kind, begin + name, arrays) for name in names}
    return arrays[prefix]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
