"""Swept: what a sweep found, for a person and for a program."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from training.evaluate import Interval
from training.outcome import K
from training.sweep_state import Trial


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep found. `difference` is the best trial's gain over the recipe as it was, user by user, on the period
    that it was chosen on; None where that was not kept."""

    objective: str
    trials: tuple[Trial, ...]
    best: Trial
    first: Trial
    difference: Interval | None
    path: Path
    interrupted: bool
    warning: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "objective": self.objective,
            "trials": [dataclasses.asdict(each) for each in self.trials],
            "best": dataclasses.asdict(self.best),
            "first": dataclasses.asdict(self.first),
            "difference": self.difference and dataclasses.asdict(self.difference),
            "recipe": str(self.path),
            "interrupted": self.interrupted,
            "warning": self.warning,
        }

    def table(self) -> Table:
        """The trials, best first, for a person."""
        table = Table(title=f"NDCG@{K} of {self.objective} on the validation period")
        for name in ("trial", "values", f"NDCG@{K}", "seconds"):
            table.add_column(name)
        for each in sorted(self.trials, key=lambda trial: -(trial.score or -1.0)):
            told = ", ".join(f"{path} {short(value)}" for path, value in each.values.items())
            score = f"failed: {each.error}" if each.score is None else f"{each.score:.4f}"
            name = f"{each.number}" if each.number else "0 (as it was)"
            table.add_row(name, told, score, f"{each.seconds:.0f}")
        gain = self.difference
        said = f"over the recipe as it was {gain.mean:+.4f} ({gain.low:+.4f} to {gain.high:+.4f}); " if gain else ""
        stopped = "interrupted; the same command goes on; " if self.interrupted else ""
        then = f"`hawker train {self.path}` trains it and reports its test period"
        table.caption = f"{stopped}{said}{then}. {self.warning}"
        return table


def short(value: Any) -> str:
    """A value in few characters."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
