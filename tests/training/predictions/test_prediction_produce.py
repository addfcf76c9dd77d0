"""From a recipe to rows in the lake that name their run, and to a model that MLflow loads."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.errors import StoreUnavailable
from engine.storage.home import Home
from engine.storage.lake import Lake
from tests.trained import close_mlflow, settings_of, with_mlflow
from tests.training.predictions.planted import filled, planted
from training.predictions.model import read_model
from training.predictions.produce import produce_prediction
from training.predictions.recipe import PredictionRecipe
from training.predictions.record import record
from training.tracking import Tracker
from training.train_command import Wish, run_recipe

RECIPE = PredictionRecipe(name="purchase", moments=3, refits=10, candidates=("trees",))
TOML = '[prediction]\nmoments = 3\nrefits = 10\ncandidates = ["trees"]\n'


@pytest.fixture
def home(tmp_path: Path, mlflow_store: Path):
    home = with_mlflow(filled(tmp_path / "home", planted(400, 180, seed=7)), mlflow_store)
    yield home
    close_mlflow(home)


def rows(home: Home):
    return Lake(home).query("SELECT * FROM predictions ORDER BY name, user_id").to_pylist()


def client_of(home: Home):
    import mlflow

    uri = Tracker(home, settings_of(home)).uri
    return mlflow.MlflowClient(uri, uri)


def test_a_recipe_by_file_becomes_rows_and_a_run(home, tmp_path):
    path = tmp_path / "soon.toml"
    path.write_text(TOML)
    done = run_recipe(home, settings_of(home), str(path), Wish())
    stored = rows(home)
    assert len(stored) == done.trained.rows.num_rows > 300
    assert {row["name"] for row in stored} == {"soon"}
    assert {row["run_id"] for row in stored} == {done.run_id}
    said = json.loads(json.dumps(done.as_json()))
    assert said["prediction"] == "soon"
    assert said["sentence"] == done.trained.sentence()
    client = client_of(home)
    run = client.get_run(done.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["sentence"] == said["sentence"]
    assert run.data.params["recipe.horizon_days"] == "30"
    assert run.data.metrics["test/difference/low"] == pytest.approx(said["test"]["difference"]["low"])
    assert client.get_model_version_by_alias("hawker.soon", "champion").run_id == done.run_id


def test_the_registered_model_answers_elsewhere_as_the_run_did(home, tmp_path):
    done = produce_prediction(home, settings_of(home), RECIPE, until=None)
    names = done.trained.model.names
    columns = np.random.default_rng(1).uniform(0, 60, (5, len(names))).astype(np.float32)
    same = read_model(done.trained.model.to_text()).predict(columns)
    assert np.array_equal(same, done.trained.model.predict(columns))
    code = f"""
import json, mlflow, pandas
model = mlflow.pyfunc.load_model("models:/hawker.purchase@champion")
table = pandas.DataFrame(json.loads({json.dumps(json.dumps(columns.tolist()))}), columns={list(names)!r})
print(json.dumps(model.predict(table).to_numpy().tolist()))
import training; print(training.__file__)
"""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    uri = Tracker(home, settings_of(home)).uri
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=kept | {"MLFLOW_TRACKING_URI": uri, "PYTHONPATH": ""},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    answered, where = ran.stdout.splitlines()[-2:]
    assert pytest.approx(same) == np.array(json.loads(answered)).T
    assert "artifacts" in where


def test_the_next_run_takes_the_place_of_the_former_rows_and_leaves_other_predictions(home):
    first = produce_prediction(home, settings_of(home), RECIPE, until=None)
    produce_prediction(home, settings_of(home), dataclasses.replace(RECIPE, name="other"), until=None)
    second = produce_prediction(home, settings_of(home), RECIPE, until=None)
    assert first.run_id != second.run_id
    stored = rows(home)
    assert {row["run_id"] for row in stored if row["name"] == "purchase"} == {second.run_id}
    assert len([row for row in stored if row["name"] == "other"]) == second.trained.rows.num_rows


def test_without_mlflow_the_former_rows_stay(home):
    before = produce_prediction(home, settings_of(home), RECIPE, until=None)
    down = settings_of(home, HAWKER_MLFLOW_URL="http://127.0.0.1:9")
    with pytest.raises(StoreUnavailable, match="MLflow"):
        produce_prediction(home, down, RECIPE, until=None)
    assert {row["run_id"] for row in rows(home)} == {before.run_id}


def test_a_run_whose_rows_could_not_be_written_is_marked_by_the_next(home):
    first = produce_prediction(home, settings_of(home), RECIPE, until=None)

    def full_disk(run_id: str) -> None:
        raise StoreUnavailable(f"no room for the rows of {run_id}")

    with pytest.raises(StoreUnavailable, match="no room"):
        record(Tracker(home, settings_of(home)), first.trained, full_disk)
    client = client_of(home)
    assert client.get_model_version_by_alias("hawker.purchase", "champion").run_id == first.run_id
    last = produce_prediction(home, settings_of(home), RECIPE, until=None)
    assert {row["run_id"] for row in rows(home)} == {last.run_id}
    experiment = client.get_experiment_by_name("hawker.purchase").experiment_id
    states = {run.info.run_id: run.info.status for run in client.search_runs([experiment])}
    assert sorted(states.values()) == ["FAILED", "FINISHED", "FINISHED"]
    assert states[first.run_id] == states[last.run_id] == "FINISHED"
