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


@pytest.fixture
def recipe(tmp_path):
    """With threads that may add in any order."""
    path = tmp_path / "tiny.toml"
    path.write_text(TINY_TOML.replace("threads = 1", "threads = 2").replace('compare = ["bpr"]', "compare = []"))
    return path


def test_the_same_recipe_and_data_give_the_same_bundle_and_others_another(own_home, recipe, tmp_path):
    one, again = (train(own_home, recipe, hash_seed=seed) for seed in ("1", "2"))
    folders = [version_folder(own_home, each["version"]) for each in (one, again)]
    files = [json.loads((folder / "manifest.json").read_text())["files"] for folder in folders]
    differing = [name for name in files[0] if files[0][name] != files[1].get(name)]
    assert differing == ["run.json"]  # it tells how long each stage took
    assert one["content"] == again["content"] == content_digest(folders[0])
    assert one["scores"] == again["scores"]
    assert read_evidence(folders[0]).chosen == read_evidence(folders[1]).chosen
    other = tmp_path / "other.toml"
    other.write_text(recipe.read_text() + "seed = 2\n")
    found = [
        one["content"],
        train(own_home, other, hash_seed="1")["content"],
        train(own_home, recipe, hash_seed="1", until="2025-02-28")["content"],
    ]
    assert len(set(found)) == 3
