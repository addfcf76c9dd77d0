"""The record of a benchmark in MLflow: one run, complete, that can be found again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import StoreUnavailable
from engine.storage.home import Home
from experiments.bench import Result
from experiments.bench_record import record_bench
from experiments.findings import Asked, Findings
from tests.trained import close_mlflow, settings_of, with_mlflow
from training.tracking import Tracker

FIGURES = {"test": {"recall@10": 0.16, "none": float("nan")}, "chosen": "als", "tried": [{"recall@10": 0.1}]}
RESULT = Result(
    "nextbasket",
    Findings(FIGURES, (Asked("recall@10, mean of five", 0.16, at_least=0.17),)),
    {"cores": 2},
    {"n": "1"},
    3.0,
)


@pytest.fixture
def home(tmp_path: Path, mlflow_store: Path):
    home = with_mlflow(Home(tmp_path / "home"), mlflow_store)
    yield home
    close_mlflow(home)


def test_a_run_holds_the_figures_what_was_asked_and_the_printed_object(home, tmp_path):
    run_id = record_bench(settings_of(home), home, RESULT, quick=True)
    with Tracker(home, settings_of(home)).opened() as client:
        run = client.get_run(run_id)
        told = json.loads(Path(client.download_artifacts(run_id, "result.json", str(tmp_path))).read_text())
        experiment = client.get_experiment(run.info.experiment_id).name
    assert (experiment, run.info.status) == ("hawker.bench.nextbasket", "FINISHED")
    assert run.data.metrics == {
        "test/recall_10": 0.16, "machine/cores": 2.0, "asked/recall_10_ mean of five": 0.16, "seconds": 3.0
    }  # fmt: skip
    assert run.data.params == {"chosen": "als"}
    assert (run.data.tags["quick"], run.data.tags["met"], run.data.tags["version.n"]) == ("true", "false", "1")
    assert told == RESULT.as_json()


def test_an_unreachable_server_is_named_and_no_figure_is_lost(home):
    settings = settings_of(home, HAWKER_MLFLOW_URL="http://127.0.0.1:1")
    with pytest.raises(StoreUnavailable, match=r"MLflow at http://127\.0\.0\.1:1"):
        record_bench(settings, home, RESULT, quick=False)
