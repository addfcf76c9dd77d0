"""A sweep beside another, at the edges of its space, and where its best recipe cannot be written."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.errors import BadInput, NotAllowed
from engine.storage.lake import Lake
from tests.trained import settings_of
from training.recipe import parse_recipe, read_document
from training.run import periods_of
from training.shop_data import read_shop
from training.sweep import Bounds, sweep
from training.sweep_state import SweepState, Trial, file_name

ROOT = Path(__file__).resolve().parents[2]
SPACE = {"models": {"als": {"factors": [4, 8]}}}
DOCUMENT = {"name": "tiny", "windows": 2, "threads": 1, "sweep": {"objective": "als/new", "trials": 6, "space": SPACE}}


def run(home, document=DOCUMENT, *, out=None, trials=None, say=lambda stage: None):
    return sweep(home, settings_of(home), document, Bounds(trials, out=out), until=None, say=say)


def test_two_at_once_do_not_write_over_each_others_trials(own_home, tmp_path):
    done = run(own_home, out=tmp_path / "b.toml", trials=1)
    file = next((own_home.shop_folder / "sweeps").glob("*.jsonl"))
    held = SweepState(own_home, "x", {})
    held._path = file
    with held.alone(), pytest.raises(NotAllowed, match="another process runs this sweep"):
        run(own_home, out=tmp_path / "b.toml")
    assert held.trials == list(done.trials)
    assert len(run(own_home, out=tmp_path / "b.toml", trials=2).trials) == 2


def test_values_that_were_tried_are_not_trained_again(own_home, tmp_path):
    said = []
    found = run(own_home, out=tmp_path / "b.toml", say=said.append)
    assert [each.number for each in found.trials] == list(range(6))
    scores = {}
    for each in found.trials:
        assert scores.setdefault(each.values["models.als.factors"], each.score) == each.score
    assert sum(each.seconds > 0 for each in found.trials) == len(scores) <= 3


def test_where_the_number_of_windows_is_tried_the_periods_stay_the_same(own_home, tmp_path):
    """Their length follows from the number where a recipe does not say it: another number, other periods, of which the
    later test period could hold what the sweep chose by."""
    document = {**DOCUMENT, "windows": 3, "sweep": {"space": {"windows": [2, 40]}, "trials": 6}}
    found = run(own_home, document, out=tmp_path / "b.toml")
    failed = [each for each in found.trials if each.values["windows"] == 40]
    assert failed and all("40 windows of 7 days need" in each.error for each in failed)
    assert {each.values["windows"] for each in found.trials if each.score is not None} == {2, 3}
    shop = read_shop(Lake(own_home))
    plain = parse_recipe({name: value for name, value in document.items() if name != "sweep"})
    best = parse_recipe(read_document(str(tmp_path / "b.toml")))
    assert periods_of(shop, best) == periods_of(shop, plain)
    assert periods_of(shop, dataclasses.replace(plain, windows=2)) != periods_of(shop, plain)


def test_what_cannot_be_written_in_the_end_is_refused_before_the_first_trial(own_home, tmp_path):
    (tmp_path / "file").touch()
    for out, told in [
        (tmp_path, "Is a directory"),
        (tmp_path / "file" / "b.toml", "File exists|Not a directory"),
        (tmp_path / ("n" * 300), "File name too long"),
    ]:
        with pytest.raises(BadInput, match=f"cannot be written: ({told})"):
            run(own_home, out=out)
    assert not (own_home.shop_folder / "sweeps").exists()


@pytest.mark.parametrize("name", ["../Größe/雪", "雪" * 200, ""])
def test_a_recipes_name_is_no_path(own_home, tmp_path, monkeypatch, name):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    found = run(own_home, {**DOCUMENT, "name": name}, trials=1)
    assert [each.name for each in (tmp_path / "here").iterdir()] == [f"{file_name(name)}-best.toml"]
    assert parse_recipe(read_document(str(found.path))).name == name


def test_a_place_within_a_value_is_refused_by_its_name():
    space = {"models": {"als": {"factors": {"more": [1, 2]}}}}
    document = {**DOCUMENT, "models": {"als": {"factors": 8}}, "sweep": {"space": space}}
    with pytest.raises(BadInput, match=r"sweep\.space\.models\.als\.factors\.more must be a place of the recipe"):
        parse_recipe(document)


def test_figures_of_a_trial_whose_line_a_kill_took_are_nobodys(own_home):
    state = SweepState(own_home, "x", {"a": 1})
    state.keep_users(3, np.arange(2), np.ones(2))
    assert state.users(2) is None
    assert state.users(3)[0].tolist() == [0, 1]


def test_a_full_disk_is_told_by_its_place_and_the_sweep_goes_on_once_there_is_room(own_home, tmp_path):
    # No file of more than a hundred bytes, as where nothing more fits.
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))\n"
    code = (
        "from pathlib import Path\nfrom engine.errors import StoreUnavailable\nfrom engine.storage.home import Home\n"
        "from training.sweep_state import SweepState, Trial\n"
        f"state = SweepState(Home(Path({str(own_home.root)!r})), 'x', {{}})\n"
        "with state.alone():\n"
        "    for number in range(9):\n"
        "        state.add(Trial(number, {'factors': 'als'}, 0.5, 1.0))\n"
    )
    done = subprocess.run([sys.executable, "-c", full + code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "StoreUnavailable: the sweep's trials cannot be written below" in done.stderr
    state = SweepState(own_home, "x", {})
    kept = len(state.trials)
    assert 0 < kept < 9
    state.add(Trial(kept, {"factors": "als"}, 0.5, 1.0))
    assert [each.number for each in SweepState(own_home, "x", {}).trials] == list(range(kept + 1))


def test_a_trial_that_was_interrupted_when_its_line_was_written_counts(own_home, tmp_path):
    """Ctrl-C while the disk is waited for: between the line and what the process knows of it."""
    seen = []

    def say(stage):
        if "record in MLflow" in stage:
            seen.append(stage)
            if len(seen) == 2:
                file = next((own_home.shop_folder / "sweeps").glob("*.jsonl"))
                again = SweepState(own_home, "x", {})
                again._path = file
                again.read()
                again.add(dataclasses.replace(again.trials[0], number=2, score=0.99))
                raise KeyboardInterrupt

    found = run(own_home, out=tmp_path / "b.toml", say=say)
    assert (found.interrupted, len(found.trials), found.best.number) == (True, 3, 2)
