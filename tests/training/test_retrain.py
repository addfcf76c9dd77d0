"""One round of the routine: train, judge, publish, let go of old versions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.storage.home import Home
from engine.storage.releases import current, drop_old_versions, point_back, point_to, version_folder, versions
from experiments.shop import ShopSize, generate
from tests.bundles import toy_bundle
from tests.serving.conftest import publish
from tests.trained import TINY_TOML, close_mlflow, fill, settings_of, with_mlflow
from training.retrain import retrain

ROOT = Path(__file__).resolve().parents[2]
#: Just enough customers for the gates' intervals.
PASSING = ShopSize(users=500, items=120, days=80)


@pytest.fixture
def passing(tmp_path, mlflow_store):
    home = with_mlflow(Home(tmp_path / "home"), mlflow_store)
    fill(home, generate(PASSING, seed=4))
    yield home
    close_mlflow(home)


@pytest.fixture
def recipe(tmp_path):
    file = tmp_path / "tiny.toml"
    file.write_text(TINY_TOML)
    return str(file)


def test_a_version_that_passes_the_gates_is_served_and_old_ones_go(passing, recipe):
    settings = settings_of(passing, HAWKER_KEEP_VERSIONS="1")
    for version in (1, 2):
        done = retrain(passing, settings, recipe)
        assert (done.outcome, done.version, done.failed_gates, done.warning) == ("published", version, [], "")
        assert current(passing).version == version
    # What a rollback returns to stays, however few are kept.
    assert versions(passing) == [1, 2]
    assert done.as_json()["gates"]


def test_the_command_ends_with_0_where_it_published_and_with_1_where_a_gate_refused(own_home, recipe):
    command = [sys.executable, "-m", "hawker", "retrain", recipe, "--json"]
    environment = os.environ | {"HAWKER_HOME": str(own_home.root), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, found["outcome"], found["version"]) == (1, "refused", 2)
    assert "home_beats_frequency" in found["failed_gates"]
    assert current(own_home).version == 1


def stored(tmp_path, number) -> Home:
    home = Home(tmp_path / "home")
    for version in range(1, number + 1):
        publish(home, toy_bundle(version=version))
    return home


def test_of_old_versions_the_newest_the_served_one_and_those_before_it_stay(tmp_path):
    home = stored(tmp_path, 7)
    point_to(home, 3, 0.0)  # somebody went back by hand; before it came 7 and 6
    assert drop_old_versions(home, 2) == (1, 2, 4, 5)
    assert versions(home) == [3, 6, 7]
    assert drop_old_versions(home, 2) == ()
    assert point_back(home, 0.0).version == 7
    assert not [each for each in home.bundles.iterdir() if each.name.startswith(".dropped")]


def test_what_a_killed_dropping_left_goes_with_the_next(tmp_path):
    home = stored(tmp_path, 2)
    version_folder(home, 1).rename(home.bundles / ".dropped-000001")
    assert drop_old_versions(home, 1) == ()
    assert not (home.bundles / ".dropped-000001").exists()


def test_nothing_is_dropped_where_nobody_can_tell_what_is_served(tmp_path):
    home = stored(tmp_path, 5)
    (home.bundles / "current").write_text("{")
    assert drop_old_versions(home, 1) == ()
    assert versions(home) == [1, 2, 3, 4, 5]
