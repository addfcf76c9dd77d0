"""The same recipe over the same data gives the same bundle, file by file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.storage.releases import version_folder
from tests.trained import TINY_TOML
from training.evidence import content_digest, read_evidence

ROOT = Path(__file__).resolve().parents[2]


def train(home, recipe, *, hash_seed, until=None):
    """A training in a process of its own, in which sets and dicts are laid out differently."""
    environment = os.environ | {
        "HAWKER_HOME": str(home.root), "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hash_seed,
    }  # fmt: skip
    command = [sys.executable, "-m", "hawker", "train", str(recipe), "--json", *(["--until", until] if until else [])]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_recipe_and_data_give_the_same_bundle(own_home, tmp_path, threads):
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        TINY_TOML.replace("threads = 1", f"threads = {threads}").replace('compare = ["bpr"]', "compare = []")
    )
    one, other = (train(own_home, recipe, hash_seed=seed) for seed in ("1", "2"))
    folders = [version_folder(own_home, each["version"]) for each in (one, other)]
    files = [json.loads((folder / "manifest.json").read_text())["files"] for folder in folders]
    differing = [name for name in files[0] if files[0][name] != files[1].get(name)]
    assert differing == ["run.json"]  # it tells how long each stage took
    assert one["content"] == other["content"] == content_digest(folders[0])
    assert one["scores"] == other["scores"]
    assert read_evidence(folders[0]).chosen == read_evidence(folders[1]).chosen


def test_another_recipe_and_other_data_give_other_bundles(own_home, tmp_path):
    recipe, other = tmp_path / "tiny.toml", tmp_path / "other.toml"
    recipe.write_text(TINY_TOML)
    other.write_text(TINY_TOML + "seed = 2\n")
    found = [
        train(own_home, recipe, hash_seed="1")["content"],
        train(own_home, other, hash_seed="1")["content"],
        train(own_home, recipe, hash_seed="1", until="2025-02-28")["content"],
    ]
    assert len(set(found)) == 3
