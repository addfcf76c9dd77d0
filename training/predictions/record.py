"""Record: a prediction's run in MLflow, and the lake's rows that name it.

The run comes first, complete with figures and registered model; then the rows, in one commit; then the alias
`champion`, and the run is finished. Killed in between, the lake holds the former rows with the former run; the run
that was cut short is marked FAILED by the next of the same name.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import training
from training.predictions.outcome import Trained
from training.predictions.registered_prediction import TRAVELS
from training.run_record import CHAMPION
from training.tracking import Tracker, log_model

_LOADER = "training.predictions.registered_prediction"
_UNFINISHED = "attributes.status = 'RUNNING'"


def record(tracker: Tracker, found: Trained, write: Callable[[str], object]) -> str:
    """Record the run, call `write` with its id, then say that it is the one in force; return the id.

    StoreUnavailable when MLflow does not do its part; then nothing was written, or the rows name a run that the next
    one marks.
    """
    with tracker.opened() as client:
        name = f"{tracker.name}.{found.recipe.name}"
        experiment = tracker.experiment(client, name)
        for run in client.search_runs([experiment], _UNFINISHED):
            client.set_terminated(run.info.run_id, "FAILED")
        run_id = str(client.create_run(experiment, tags=_tags(found), run_name=found.recipe.name).info.run_id)
        for key, text in _params(found).items():
            client.log_param(run_id, key, text)
        for key, value in _metrics(found.figures):
            client.log_metric(run_id, key, value)
        version = _register(client, name, run_id, found)
        client.update_run(run_id, status="RUNNING")  # logging the model ended the run, which has still to be written
        write(run_id)
        client.set_registered_model_alias(name, CHAMPION, version)
        client.set_terminated(run_id, "FINISHED")
    return run_id


def _register(client: Any, name: str, run_id: str, found: Trained) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "report.json").write_text(json.dumps({"sentence": found.sentence(), **found.figures}, indent=1))
        client.log_artifact(run_id, str(folder / "report.json"))
        (folder / "model.json").write_text(found.model.to_text())
        model_id = log_model(
            run_id,
            "prediction",
            folder / "model.json",
            loader=_LOADER,
            code=_copy_code(folder),
            packages=("numpy", "scipy", "lightgbm"),
            signature=_signature(found.model.names),
            tags=_tags(found),
        )
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name, description=f"Hawker's prediction {found.recipe.name}.")
    made = client.create_model_version(
        name, f"models:/{model_id}", run_id=run_id, tags=_tags(found), model_id=model_id, description=found.sentence()
    )
    return str(made.version)


def _tags(found: Trained) -> dict[str, str]:
    return {
        "prediction": found.recipe.name,
        "as_of": found.as_of.isoformat(),
        "written": found.written,
        "better_than_recency": "yes" if found.is_better else "no",
        "sentence": found.sentence(),
        **{f"data.{table}": str(version) for table, version in found.data_versions.items()},
    }


def _params(found: Trained) -> dict[str, str]:
    recipe = {f"recipe.{key}": value for key, value in dataclasses.asdict(found.recipe).items()}
    periods = {f"periods.{key}": value.isoformat() for key, value in found.periods.items()}
    told = {**recipe, **periods, "chosen": found.chosen}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in told.items()}


def _metrics(figures: Mapping[str, Any], begin: str = "") -> Iterator[tuple[str, float]]:
    """(name, value): nested figures with / between, such as `test/difference/low`."""
    for key, value in figures.items():
        if isinstance(value, Mapping):
            yield from _metrics(value, f"{begin}{key}/")
        elif isinstance(value, (int, float)) and value == value:
            yield f"{begin}{key}".replace(" ", "_"), float(value)


def _copy_code(folder: Path) -> list[Path]:
    source, copy = Path(str(training.__file__)).parent, folder / "training"
    for name in TRAVELS:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, copy / name)
    return [copy]


def _signature(names: tuple[str, ...]) -> dict[str, Any]:
    given = [{"type": "double", "name": name} for name in names]
    return {
        "inputs": json.dumps(given),
        "outputs": json.dumps([{"type": "double", "name": name} for name in ("score", "low", "high")]),
        "params": None,
    }
