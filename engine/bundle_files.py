"""The files of a bundle: its manifest, and whether each file is what the manifest says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from engine.errors import BundleUnusable
from engine.index import FILE as INDEX_FILE

FORMAT = 7
MANIFEST = "manifest.json"
_VERIFIERS = 2  # threads


def verify_all(folder: Path, files: Mapping[str, Mapping[str, Any]], untouched: Collection[str] = ()) -> None:
    """Verify the files of a manifest; of those that nobody touched since they were verified it is asked no more."""
    left = [each for each in files.items() if each[0] not in untouched]
    with ThreadPoolExecutor(_VERIFIERS) as pool:  # of a million items this is most of a first start
        list(pool.map(lambda each: verify(folder, *each), left))


def verify(folder: Path, name: str, facts: Mapping[str, Any]) -> None:
    """BundleUnusable for a file that is missing, cut short or altered."""
    path = folder / name
    if not path.is_file():
        raise BundleUnusable(f"bundle {folder.name} lacks {name}", field=name)
    if path.stat().st_size != facts["bytes"] or sha256(path) != facts["sha256"]:
        raise BundleUnusable(f"{name} of bundle {folder.name} was truncated or altered", field=name)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a saved bundle as written, without verifying the files."""
    try:
        document = json.loads((folder / MANIFEST).read_text())
        version = document["format"]
        files = {name: (facts["sha256"], facts["bytes"]) for name, facts in document["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise BundleUnusable(f"bundle {folder.name} has no readable manifest: {problem}") from problem
    if version != FORMAT:
        raise BundleUnusable(f"bundle {folder.name} has format {version}, this version reads {FORMAT}; train anew")
    index = document.get("index")
    if not isinstance(index, dict) or (index.get("kind") != "exact" and INDEX_FILE not in files):
        told = f"the manifest of bundle {folder.name} does not tell its index, or does not list {INDEX_FILE}"
        raise BundleUnusable(told, field="index")
    if odd := [name for name in files if Path(name).name != name]:
        raise BundleUnusable(f"the manifest of bundle {folder.name} names a file outside of it: {odd[0]}", field=odd[0])
    return dict(document)


def sha256(path: Path) -> str:
    """The digest of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
