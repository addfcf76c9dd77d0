"""Record: a benchmark's run in MLflow, with its figures and whether they are what was asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.settings import Settings
from engine.storage.home import Home
from experiments.bench import Result
from training.tracking import Tracker

_LONGEST = 500  # characters of a parameter


def record_bench(settings: Settings, home: Home, result: Result, *, quick: bool) -> str:
    """Make one run in the shop's experiment `hawker.bench.NAME` and return its id.

    Numbers are metrics, those of figures within figures with / between, texts are parameters, and the printed object
    lies beside them as `result.json`. StoreUnavailable when MLflow does not do its part.
    """
    told = result.as_json()
    tags = {"quick": str(quick).lower(), "met": str(result.exit_code == 0).lower()}
    tags |= {f"version.{package}": version for package, version in result.versions.items()}
    tracker = Tracker(home, settings)
    with tracker.opened() as client:
        experiment = tracker.experiment(client, f"{tracker.name}.bench.{result.name}")
        run_id = str(client.create_run(experiment, tags=tags, run_name=result.name).info.run_id)
        for name, value in _leaves({"machine": told["machine"], **told["figures"]}):
            if isinstance(value, bool | str):
                client.log_param(run_id, name, str(value)[:_LONGEST])
            else:
                client.log_metric(run_id, name, float(value))
        for row in told["asked"]:
            if row["measured"] is not None:
                client.log_metric(run_id, f"asked/{_name(row['what'])}", float(row["measured"]))
        client.log_metric(run_id, "seconds", told["seconds"])
        client.log_dict(run_id, told, "result.json")
        client.set_terminated(run_id, "FINISHED")
    return run_id


def _leaves(figures: Mapping[str, Any], begin: str = "") -> Iterator[tuple[str, Any]]:
    """(name, value) of what is one number or one text; lists and what could not be measured are in the file only."""
    for key, value in figures.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{begin}{_name(key)}/")
        elif isinstance(value, int | float | str):
            yield f"{begin}{_name(key)}", value


def _name(text: str) -> str:
    """The text with what MLflow allows in a name: letters, digits and _ - . / and spaces."""
    kept = "".join(each if each.isalnum() or each in "_-. /" else "_" for each in text)
    return " ".join(kept.split())
