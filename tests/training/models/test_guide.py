"""The guide of CONTRIBUTING.md that adds a model family in one file: what it shows, works as it stands."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trained import settings_of

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text()
NAMED = re.search(r"As `(\w+\.py)` in `training/models/` it works", GUIDE)[1]
NAME = f"training/models/{NAMED}"
BLOCK = re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL)[1]


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Path:
    """A copy of the house with the guide's file in it, and nothing else changed."""
    copy = tmp_path_factory.mktemp("guide") / "house"
    # With what is compiled already, which takes seconds.
    left_out = shutil.ignore_patterns(".git", ".venv", ".hawker", "notebooks", "build", "*_cache")
    shutil.copytree(ROOT, copy, ignore=left_out)
    assert not (copy / NAME).exists()
    (copy / NAME).write_text(BLOCK)
    return copy


def run(house: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=house, env=os.environ | {"PYTHONPATH": str(house), **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_guides_family_passes_the_contract_of_all_families(house):
    done = run(
        house,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:randomly",
        "tests/training/models/test_contract.py",
        "-k",
        "shared_buyers",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = int(re.search(r"(\d+) passed", done.stdout)[1])
    assert passed >= 14


def test_the_guides_file_is_as_the_house_wants_it(house):
    for command in (("check",), ("format", "--check")):
        done = run(house, "-m", "ruff", *command, NAME)
        assert done.returncode == 0, done.stdout
    assert len(BLOCK.splitlines()) < 40


def test_a_recipe_trains_the_guides_family_beside_the_others(house, own_home, tmp_path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        'windows = 2\nthreads = 1\ncompare = ["shared_buyers"]\n[models.shared_buyers]\nneighbours = 20\n'
    )
    home = str(settings_of(own_home).home)
    done = run(house, "-m", "hawker", "train", str(recipe), "--json", HAWKER_HOME=home)
    assert done.returncode == 0, done.stderr
    scores = json.loads(done.stdout.splitlines()[-1])["scores"]
    mine = [each for each in scores if each["subject"] == "shared_buyers"]
    assert {each["period"] for each in mine} == {"validation"}
    assert all(each["ndcg@20"]["low"] <= each["ndcg@20"]["mean"] <= each["ndcg@20"]["high"] for each in mine)


def test_two_families_of_one_name_are_refused(house):
    double = house / "training" / "models" / "double.py"
    double.write_text(BLOCK)
    try:
        done = run(house, "-c", "import training.models")
    finally:
        double.unlink()
    assert "two model families are called 'shared_buyers'" in done.stderr
