"""Sweep record: a sweep in MLflow, as one run with a nested run a trial. The sweep's own file is the truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from engine.errors import HawkerError
from training.evaluate import Interval
from training.outcome import K
from training.sweep_state import Trial
from training.tracking import Tracker

_SWEEP, _PARENT = "sweep", "mlflow.parentRunId"


class SweepRecord:
    """Tells MLflow as far as it answers; what it could not be told is a warning, never the end of a sweep."""

    def __init__(self, tracker: Tracker, name: str, digest: str, versions: Mapping[str, int]) -> None:
        self._tracker, self._name, self._digest = tracker, name, digest
        self._versions = versions
        self._warning = ""

    def trial(self, trial: Trial, objective: str) -> None:
        """A nested run for a finished trial."""
        try:
            with self._tracker.opened() as client:
                experiment, parent = self._parent(client)
                tags = {_PARENT: parent, "trial": str(trial.number)}
                run = str(client.create_run(experiment, tags=tags, run_name=f"trial {trial.number}").info.run_id)
                for path, value in trial.values.items():
                    client.log_param(run, path, value)
                if trial.score is not None:
                    client.log_metric(run, f"validation/{objective}/ndcg_at_{K}", trial.score)
                    client.log_metric(parent, f"validation/{objective}/ndcg_at_{K}", trial.score, step=trial.number)
                client.log_metric(run, "seconds", trial.seconds)
                if trial.error:
                    client.set_tag(run, "error", trial.error[:5_000])
                client.set_terminated(run, "FINISHED" if trial.score is not None else "FAILED")
        except HawkerError as problem:
            self._warning = f"MLflow was not told of every trial: {problem.message}"

    def finished(self, best: Trial, difference: Interval | None) -> str:
        """The sweep's run with its best trial; what MLflow lacks, in one line."""
        try:
            with self._tracker.opened() as client:
                _, parent = self._parent(client)
                told: dict[str, Any] = {"number": best.number, "score": best.score, "values": dict(best.values)}
                if difference is not None:
                    told["difference"] = dataclasses.asdict(difference)
                client.log_dict(parent, told, "best.json")
                client.set_tag(parent, "best_trial", str(best.number))
                client.set_terminated(parent, "FINISHED")
        except HawkerError as problem:
            self._warning = f"MLflow was not told of the sweep: {problem.message}"
        return self._warning

    def _parent(self, client: Any) -> tuple[str, str]:
        """The experiment, and the sweep's run in it: that of an earlier round where there is one."""
        experiment = self._tracker.experiment(client, f"{self._tracker.name}-sweeps")
        known = client.search_runs([experiment], f"tags.{_SWEEP} = '{self._digest}'")
        if known:
            return experiment, str(known[0].info.run_id)
        data = {f"data.{table}": str(number) for table, number in self._versions.items()}
        run = client.create_run(experiment, tags={_SWEEP: self._digest, **data}, run_name=f"sweep of {self._name}")
        return experiment, str(run.info.run_id)
