"""A sweep over a tiny shop: validation only, goes on after a kill, and its best recipe can be trained."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from engine.errors import BadInput, NotEnoughData
from engine.storage.lake import Lake
from tests.serving.conftest import eventually
from tests.trained import settings_of
from training import sweep as swept
from training.recipe import parse_recipe, read_document
from training.run import periods_of
from training.shop_data import read_shop
from training.sweep import Bounds, sweep
from training.sweep_state import SweepState, Trial
from training.tracking import Tracker
from training.train_command import Wish, run_recipe
from training.validation import validate

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = {
    "name": "tiny",
    "windows": 2,
    "threads": 1,
    "sweep": {
        "objective": "als/new",
        "trials": 4,
        "space": {"models": {"als": {"factors": {"low": 4, "high": 32}, "iterations": {"low": 1, "high": 4}}}},
    },
}


def run(home, tmp_path, *, trials=None, document=DOCUMENT):
    out = tmp_path / "best.toml"
    return sweep(home, settings_of(home), document, Bounds(trials, out=out), until=None)


def test_the_first_trial_is_the_recipe_as_it_is_and_the_best_is_written_as_a_recipe(own_home, tmp_path):
    found = run(own_home, tmp_path)
    assert [each.number for each in found.trials] == [0, 1, 2, 3]
    assert found.trials[0].values == {"models.als.factors": 64, "models.als.iterations": 12}
    assert found.best.score == max(each.score for each in found.trials)
    assert found.interrupted is False
    written = tomllib.loads((tmp_path / "best.toml").read_text())
    recipe = parse_recipe(read_document(str(tmp_path / "best.toml")))
    assert "sweep" not in written
    assert {f"models.als.{name}": value for name, value in recipe.models["als"].items()} == dict(found.best.values)
    assert (recipe.windows, recipe.threads) == (2, 1)
    table = json.dumps(found.as_json())
    assert "als/new" in table
    # By hand: what the trial says is what the recipe is worth.
    shop = read_shop(Lake(own_home))
    cuts = periods_of(shop, recipe)
    chosen, _ = swept.choose(swept._before_test(shop, cuts), parse_recipe(DOCUMENT), cuts)
    asked = dataclasses.replace(recipe, weights=chosen.weights, half_lives=chosen.half_lives)
    by_hand = next(each for each in validate(shop, asked, cuts, "als") if each.kind == "new")
    assert by_hand.per_user["ndcg@20"].mean() == pytest.approx(found.best.score)


def test_a_sweep_of_the_served_list_fits_once_what_no_trial_changes(own_home, tmp_path):
    document = {**DOCUMENT, "sweep": {**DOCUMENT["sweep"], "objective": "home/whole", "trials": 2}}
    said = []
    found = sweep(
        own_home, settings_of(own_home), document, Bounds(out=tmp_path / "b.toml"), until=None, say=said.append
    )
    assert all(each.score for each in found.trials)
    assert sum("fit als" in each for each in said) == 4  # two windows, two trials
    assert not [each for each in said if "fit item_neighbours" in each]
    # Kept or not, what is fitted is the same.
    shop = read_shop(Lake(own_home))
    recipe = parse_recipe({name: value for name, value in document.items() if name != "sweep"})
    cuts = periods_of(shop, recipe)
    chosen, _ = swept.choose(swept._before_test(shop, cuts), recipe, cuts)
    plain = validate(shop, chosen, cuts, "home")
    home = next(each for each in plain if (each.subject, each.kind) == ("home", "whole"))
    assert home.per_user["ndcg@20"].mean() == pytest.approx(found.trials[0].score)


def test_nothing_of_the_test_period_is_looked_at(own_home, tmp_path):
    """The same sweep where everything in the test period is something else."""
    before = run(own_home, tmp_path, trials=3)
    shop = read_shop(Lake(own_home))
    cuts = periods_of(shop, parse_recipe(DOCUMENT))
    after = shop.log.time >= cuts.test
    assert after.any()
    random = np.random.default_rng(5)
    items = np.where(after, random.integers(0, shop.log.n_items, len(shop.log)), shop.log.item).astype(np.int32)
    spoiled = dataclasses.replace(shop, log=dataclasses.replace(shop.log, item=items))
    scores = []
    for each in before.trials:
        recipe = parse_recipe(swept.with_values(DOCUMENT, each.values))
        chosen, _ = swept.choose(spoiled, parse_recipe(DOCUMENT), cuts)
        asked = dataclasses.replace(recipe, weights=chosen.weights, half_lives=chosen.half_lives)
        found = next(score for score in validate(spoiled, asked, cuts, "als") if score.kind == "new")
        scores.append(found.per_user["ndcg@20"].mean())
    assert scores == pytest.approx([each.score for each in before.trials])
    assert not (swept._before_test(shop, cuts).log.time >= cuts.test).any()


def test_a_sweep_goes_on_where_it_ended_and_finds_what_one_without_a_break_finds(own_home, tmp_path):
    first = run(own_home, tmp_path, trials=2)
    whole = run(own_home, tmp_path, trials=4)
    assert whole.trials[:2] == first.trials
    file = next((own_home.shop_folder / "sweeps").glob("*.jsonl"))
    file.unlink()
    again = run(own_home, tmp_path, trials=4)
    assert [(each.values, each.score) for each in again.trials] == [(each.values, each.score) for each in whole.trials]
    # Another recipe is another sweep.
    other = run(own_home, tmp_path, trials=1, document={**DOCUMENT, "seed": 2})
    assert len(other.trials) == 1


def test_trials_are_nested_runs_of_the_sweeps_run_in_mlflow(own_home, tmp_path):
    found = run(own_home, tmp_path, trials=2)
    found = run(own_home, tmp_path, trials=3)
    assert found.warning == ""
    tracker = Tracker(own_home, settings_of(own_home))
    with tracker.opened() as client:
        runs = client.search_runs([tracker.experiment(client, f"{tracker.name}-sweeps")])
        parents = [each for each in runs if "sweep" in each.data.tags]
        nested = [each for each in runs if each.data.tags.get("mlflow.parentRunId") == parents[0].info.run_id]
    assert (len(parents), len(nested)) == (1, 3)
    assert parents[0].info.status == "FINISHED"
    by_number = {each.data.tags["trial"]: each for each in nested}
    for trial in found.trials:
        told = by_number[str(trial.number)].data
        assert told.metrics["validation/als/new/ndcg_at_20"] == pytest.approx(trial.score)
        assert told.params == {path: str(value) for path, value in trial.values.items()}


def test_without_mlflow_a_sweep_goes_on_and_says_what_is_missing(own_home, tmp_path):
    away = settings_of(own_home, HAWKER_MLFLOW_URL="http://127.0.0.1:9")
    found = sweep(own_home, away, DOCUMENT, Bounds(1, out=tmp_path / "b.toml"), until=None)
    assert len(found.trials) == 1
    assert "MLflow was not told" in found.warning


def test_a_trial_that_cannot_be_judged_is_kept_as_failed(own_home, tmp_path):
    """One window of a whole period teaches nothing to a ranking of so few users; the sweep says it of each trial."""
    document = {**DOCUMENT, "sweep": {**DOCUMENT["sweep"], "objective": "home/repeat", "trials": 2}}
    document["ranking_users"] = 1
    with pytest.raises(NotEnoughData, match="no trial of the sweep succeeded; the last one: a ranking needs"):
        sweep(own_home, settings_of(own_home), document, Bounds(3, out=tmp_path / "b.toml"), until=None)
    file = next((own_home.shop_folder / "sweeps").glob("*.jsonl"))
    lines = [json.loads(each) for each in file.read_text().splitlines()]
    assert [each["score"] for each in lines] == [None] * 3
    # The same command again has nothing left to try, and a sweep of one trial gives up no sooner.
    for trials in (3, 1):
        with pytest.raises(NotEnoughData, match="no trial of the sweep succeeded"):
            sweep(own_home, settings_of(own_home), document, Bounds(trials, out=tmp_path / "b.toml"), until=None)
    assert len(file.read_text().splitlines()) == 3
    assert "a ranking needs 30 users" in lines[0]["error"]
    assert not (tmp_path / "b.toml").exists()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_sweep_that_is_ended_keeps_its_finished_trials(own_home, tmp_path, how):
    recipe, out = tmp_path / "tiny.toml", tmp_path / "best.toml"
    text = 'windows = 2\nthreads = 1\n[sweep]\nobjective = "als/new"\n[sweep.space.models.als]\n'
    recipe.write_text(text + "factors = { low = 4, high = 32 }\niterations = { low = 1, high = 4 }\n")
    command = [sys.executable, "-m", "hawker", "train", str(recipe), "--sweep", "--out", str(out), "--json"]
    environment = {**os.environ, "HAWKER_HOME": str(own_home.root), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [*command, "--trials", "500"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    folder = own_home.shop_folder / "sweeps"
    eventually(lambda: sum(len(each.read_bytes().splitlines()) for each in folder.glob("*.jsonl")) >= 2, within=120)
    process.send_signal(how)
    told, _ = process.communicate(timeout=60)
    done = sum(len(each.read_bytes().splitlines()) for each in folder.glob("*.jsonl"))
    assert done >= 2
    if how == signal.SIGINT:
        found = json.loads(told.splitlines()[-1])
        assert (found["interrupted"], len(found["trials"])) == (True, done)
        assert out.exists()
    else:
        assert process.returncode in (-signal.SIGKILL, 143)
    again = subprocess.run(
        [*command, "--trials", str(done + 1)], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    found = json.loads(again.stdout.splitlines()[-1])
    assert (found["interrupted"], len(found["trials"])) == (False, done + 1)
    assert tomllib.loads(out.read_text())["models"]["als"]


def test_a_line_that_a_kill_cut_is_forgotten(own_home):
    state = SweepState(own_home, "x", {"a": 1})
    state.add(Trial(0, {"factors": "als"}, 0.5, 1.0))
    file = next((own_home.shop_folder / "sweeps").glob("x-*.jsonl"))
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"number": 1, "val')
    found = SweepState(own_home, "x", {"a": 1})
    assert [each.number for each in found.trials] == [0]
    found.add(Trial(1, {"factors": "bpr"}, None, 1.0, "it failed"))
    assert [each.number for each in SweepState(own_home, "x", {"a": 1}).trials] == [0, 1]
    assert found.best().number == 0


@pytest.mark.parametrize(
    ("recipe", "wish", "told"),
    [
        ("churn", Wish(sweep=True), "not of predictions"),
        ("launches", Wish(sweep=True), "has no table"),
        ("default", Wish(trials=3), "--trials says something of a sweep; add --sweep"),
        ("default", Wish(minutes=3.0), "--timeout says"),
        ("default", Wish(sweep=True, minutes=-1.0), "--timeout is a number of minutes above 0"),
    ],
)
def test_a_wish_that_means_nothing_is_refused(own_home, recipe, wish, told):
    with pytest.raises(BadInput, match=told):
        run_recipe(own_home, settings_of(own_home), recipe, wish)


def test_the_shipped_recipe_can_be_swept():
    assert len(parse_recipe(read_document("default")).sweep["space"]) >= 1
