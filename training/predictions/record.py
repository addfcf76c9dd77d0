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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import training
from training.predictions.outcome import Trained
from training.predictions.registered_prediction import TRAVELS
from training.run_record import CHAMPION
from training.tracking import Tracker, log_model

_UNFINISHED = "attributes.status = 'RUNNING'"


@dataclass(frozen=True, slots=True)
class Told:
    """What MLflow is told of a run. `inputs` and `outputs` are the model's columns, `loader` the module that answers
    from `model`, `travels` the files below `training` that it needs, `packages` what those import.
    """

    name: str
    sentence: str
    tags: Mapping[str, str]
    params: Mapping[str, Any]
    figures: Mapping[str, Any]
    model: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    loader: str
    travels: Sequence[str]
    packages: Sequence[str]


def record(tracker: Tracker, found: Trained, write: Callable[[str], object]) -> str:
    """`record_run` of a prediction."""
    recipe = {f"recipe.{key}": value for key, value in dataclasses.asdict(found.recipe).items()}
    periods = {f"periods.{key}": value.isoformat() for key, value in found.periods.items()}
    told = Told(
        found.recipe.name, found.sentence(), _tags(found), {**recipe, **periods, "chosen": found.chosen},
        found.figures, found.model.to_text(), found.model.names, ("score", "low", "high"),
        "training.predictions.registered_prediction", TRAVELS, ("numpy", "scipy", "lightgbm"),
    )  # fmt: skip
    return record_run(tracker, told, write)


def record_run(tracker: Tracker, told: Told, write: Callable[[str], object]) -> str:
    """Record the run, call `write` with its id, then say that it is the one in force; return the id.

    StoreUnavailable when MLflow does not do its part; then nothing was written, or the rows name a run that the next
    one marks.
    """
    with tracker.opened() as client:
        name = f"{tracker.name}.{told.name}"
        experiment = tracker.experiment(client, name)
        for run in client.search_runs([experiment], _UNFINISHED):
            client.set_terminated(run.info.run_id, "FAILED")
        run_id = str(client.create_run(experiment, tags=dict(told.tags), run_name=told.name).info.run_id)
        for key, value in told.params.items():
            client.log_param(run_id, key, value if isinstance(value, str) else json.dumps(value))
        for key, figure in _metrics(told.figures):
            client.log_metric(run_id, key, figure)
        version = _register(client, name, run_id, told)
        client.update_run(run_id, status="RUNNING")  # logging the model ended the run, which has still to be written
        write(run_id)
        client.set_registered_model_alias(name, CHAMPION, version)
        client.set_terminated(run_id, "FINISHED")
    return run_id


def _register(client: Any, name: str, run_id: str, told: Told) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "report.json").write_text(json.dumps({"sentence": told.sentence, **told.figures}, indent=1))
        client.log_artifact(run_id, str(folder / "report.json"))
        (folder / "model.json").write_text(told.model)
        model_id = log_model(
            run_id,
            "prediction",
            folder / "model.json",
            loader=told.loader,
            code=_copy_code(folder, told.travels),
            packages=told.packages,
            signature=_signature(told.inputs, told.outputs),
            tags=dict(told.tags),
        )
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name, description=f"Hawker's prediction {told.name}.")
    made = client.create_model_version(
        name,
        f"models:/{model_id}",
        run_id=run_id,
        tags=dict(told.tags),
        model_id=model_id,
        description=told.sentence,
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


def _metrics(figures: Mapping[str, Any], begin: str = "") -> Iterator[tuple[str, float]]:
    """(name, value): nested figures with / between, such as `test/difference/low`."""
    for key, value in figures.items():
        if isinstance(value, Mapping):
            yield from _metrics(value, f"{begin}{key}/")
        elif isinstance(value, (int, float)) and value == value:
            yield f"{begin}{key}".replace(" ", "_"), float(value)


def _copy_code(folder: Path, travels: Sequence[str]) -> list[Path]:
    source, copy = Path(str(training.__file__)).parent, folder / "training"
    for name in travels:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, copy / name)
    return [copy]


def _signature(inputs: Sequence[str], outputs: Sequence[str]) -> dict[str, Any]:
    given, answered = ([{"type": "double", "name": name} for name in names] for names in (inputs, outputs))
    return {"inputs": json.dumps(given), "outputs": json.dumps(answered), "params": None}
