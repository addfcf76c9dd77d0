"""Evidence: what a training run leaves in its bundle's folder, so that gates and MLflow need nothing else.

Beside the bundle's own files there are two more, both in the manifest and verified with it:
`run.json` (recipe, periods, what was chosen, learning curves, seconds) and `evidence.npz` (each
score's users and their per-user metrics). Whatever is published, compared or recorded later is read
from here, so a failure after training loses nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.bundle_files import read_manifest
from engine.errors import BundleUnusable, StoreUnavailable
from engine.storage.home import Home
from engine.storage.releases import new_version_folder
from training.outcome import K, Outcome, Score

METRICS = (f"ndcg@{K}", f"recall@{K}")  # those whose per-user values are kept
RUN_FILE, EVIDENCE_FILE = "run.json", "evidence.npz"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a stored version says of itself.

    `digest` is the manifest's SHA-256: it stands for the whole bundle, whose files' sums it holds.
    `scores` are the rows of `Score.row` by "period/subject/kind"; `arrays` holds "<that key>/users" (rows of the
    bundle) and "<that key>/<metric>" for METRICS, one value a user; `due` is the outcome's.
    """

    version: int
    as_of: int
    created_at: int
    digest: str
    recipe: Mapping[str, Any]
    data_versions: Mapping[str, int]
    scores: Mapping[str, Mapping[str, Any]]
    due: Mapping[str, Any]
    periods: Mapping[str, int]
    chosen: Mapping[str, Any]
    curves: Mapping[str, list[float]]
    seconds: Mapping[str, float]
    arrays: Mapping[str, np.ndarray]


def store(home: Home, outcome: Outcome) -> int:
    """Keep a finished run as the shop's next bundle version; return its number.

    The folder appears under its final name whole or not at all. The manifest gets the version and the
    shop; the rest stays as the run set it. StoreUnavailable when it cannot be written, as on a full disk.
    """
    run = {
        "periods": dataclasses.asdict(outcome.periods),
        "chosen": outcome.chosen,
        "curves": outcome.curves,
        "seconds": outcome.seconds,
    }
    beside = {RUN_FILE: json.dumps(_plain(run), indent=1).encode(), EVIDENCE_FILE: _arrays(outcome.scores)}
    made = outcome.bundle.manifest
    try:
        with new_version_folder(home) as reserved:
            manifest = dataclasses.replace(
                made,
                version=reserved.version,
                shop=home.shop,
                recipe=_plain(made.recipe),
                metrics=_plain(made.metrics),
            )
            dataclasses.replace(outcome.bundle, manifest=manifest).save(reserved.folder, beside=beside)
    except OSError as problem:
        raise StoreUnavailable(
            f"the trained version cannot be written below {home.bundles} ({problem}); make room there and train again"
        ) from problem
    return reserved.version


def read_evidence(folder: Path) -> Evidence:
    """What a version folder holds beside its bundle; a bundle stored without evidence has empty tables.

    BundleUnusable when a file cannot be read or is not the one that the manifest names.
    """
    manifest = read_manifest(folder)
    run: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    if RUN_FILE in manifest["files"]:
        run = json.loads(_verified(folder, manifest, RUN_FILE))
    if EVIDENCE_FILE in manifest["files"]:
        with np.load(io.BytesIO(_verified(folder, manifest, EVIDENCE_FILE)), allow_pickle=False) as kept:
            arrays = dict(kept)
    return Evidence(
        version=manifest["version"],
        as_of=manifest["as_of"],
        created_at=manifest["created_at"],
        digest=digest_of(folder),
        recipe=manifest["recipe"],
        data_versions=manifest["data_versions"],
        scores={_key(row): row for row in manifest["metrics"].get("scores", ())},
        due=manifest["metrics"].get("due", {}),
        periods=run.get("periods", {}),
        chosen=run.get("chosen", {}),
        curves=run.get("curves", {}),
        seconds=run.get("seconds", {}),
        arrays=arrays,
    )


def digest_of(folder: Path) -> str:
    """The SHA-256 of a version's manifest."""
    try:
        return hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    except OSError as problem:
        raise BundleUnusable(f"bundle {folder.name} has no readable manifest: {problem}") from problem


def content_digest(folder: Path) -> str:
    """The SHA-256 of what a version is: its arrays and index, what it was made of and how; not when, nor how fast.

    Two runs of one recipe over the same versions of the data have the same one, where all models are deterministic.
    """
    manifest = read_manifest(folder)
    files = {
        name: facts["sha256"] for name, facts in manifest["files"].items() if name not in (RUN_FILE, EVIDENCE_FILE)
    }
    told = {name: manifest[name] for name in ("format", "shop", "as_of", "features", "recipe", "data_versions")}
    return hashlib.sha256(json.dumps({**told, "files": files}, sort_keys=True).encode()).hexdigest()


def _key(row: Mapping[str, Any]) -> str:
    return f"{row['period']}/{row['subject']}/{row['kind']}"


def _arrays(scores: tuple[Score, ...]) -> bytes:
    found: dict[str, Any] = {}
    for score in scores:
        begin = f"{score.period}/{score.subject}/{score.kind}"
        found[f"{begin}/users"] = score.users.astype(np.int32)
        found |= {f"{begin}/{name}": score.per_user[name].astype(np.float32) for name in METRICS}
    out = io.BytesIO()
    np.savez_compressed(out, **found)
    return out.getvalue()


def _verified(folder: Path, manifest: Mapping[str, Any], name: str) -> bytes:
    try:
        content = (folder / name).read_bytes()
    except OSError as problem:
        raise BundleUnusable(f"bundle {folder.name} lacks {name}", field=name) from problem
    if hashlib.sha256(content).hexdigest() != manifest["files"][name]["sha256"]:
        raise BundleUnusable(f"{name} of bundle {folder.name} was truncated or altered", field=name)
    return content


def _plain(value: Any) -> Any:
    """The same as JSON's own types: numpy numbers become Python's, tuples lists, keys texts."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value
