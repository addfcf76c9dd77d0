"""Run record: what MLflow is told of a stored version, as names, texts and files, without MLflow itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engine
import training
from engine.storage.home import Home
from engine.storage.releases import current, versions
from training.evidence import Evidence
from training.plots import plots

#: The module that MLflow loads a registered model with; it travels with the model.
LOADER = "training.registered_model"
#: What the registered model takes and gives, in MLflow's notation.
SIGNATURE = {
    "inputs": json.dumps([{"type": "string", "name": "user_id"}]),
    "outputs": json.dumps(
        [
            {"type": "string", "name": "user_id"},
            {"type": "long", "name": "rank"},
            {"type": "string", "name": "item_id"},
            {"type": "double", "name": "score"},
            {"type": "string", "name": "source"},
        ]
    ),
    "params": json.dumps(
        [
            {"name": "placement", "type": "string", "default": "home", "shape": None},
            {"name": "limit", "type": "long", "default": 20, "shape": None},
            {"name": "item_ids", "type": "string", "default": [], "shape": [-1]},
        ]
    ),
}
CHAMPION, CHALLENGER = "champion", "challenger"
_ENDS = {"": "mean", "_low": "low", "_high": "high"}


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where a bundle version is in MLflow."""

    bundle_version: int
    model_version: int
    run_id: str


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """One line of `hawker models`. `metrics` are the run's, by "period/subject/kind/metric"; `as_of` epoch seconds."""

    bundle_version: int
    model_version: int
    run_id: str
    as_of: int
    metrics: Mapping[str, float]
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did: versions recorded, versions that cannot be (broken folders), and the aliases now in force."""

    recorded: tuple[Recorded, ...]
    unusable: tuple[int, ...]
    aliases: Mapping[str, int]
    is_changed: bool


def params(found: Evidence) -> list[tuple[str, str]]:
    """Recipe, choices and periods, with dotted names."""
    return _flat({"recipe": found.recipe, "chosen": found.chosen, "periods": found.periods})


def metrics(found: Evidence) -> Iterator[tuple[str, float, int]]:
    """(name, value, step): every score as "validation/home/whole/ndcg_at_20", its interval's ends with `_low` and
    `_high`; the learning curves by step; the seconds of each stage. MLflow allows no @ in names."""
    for begin, row in found.scores.items():
        for metric, value in row.items():
            name = f"{begin}/{metric.replace('@', '_at_')}"
            if isinstance(value, Mapping):
                yield from ((name + end, float(value[part]), 0) for end, part in _ENDS.items())
            elif isinstance(value, (int, float)) and not isinstance(value, bool):
                yield name, float(value), 0
    for kind, told in found.due.get("test", {}).items():
        if isinstance(told, Mapping):
            yield f"test/due/{_allowed(kind)}/calibration_error", float(told["calibration error"]), 0
    for name, values in found.curves.items():
        yield from ((f"curves/{_allowed(name)}", float(value), step) for step, value in enumerate(values, start=1))
    for stage, seconds in found.seconds.items():
        yield f"seconds/{_allowed(stage)}", float(seconds), 0


def write_artifacts(found: Evidence, folder: Path) -> None:
    """The recipe and the plots as files in `folder`."""
    (folder / "recipe.json").write_text(json.dumps(found.recipe, indent=1))
    for name, content in plots(found.scores, found.curves).items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)


def copy_code(folder: Path) -> list[Path]:
    """Copies in `folder` of the packages that travel with a model: the pure engine, and of training the loader only."""
    left_out = shutil.ignore_patterns("storage", "targeting", "__pycache__")
    shutil.copytree(Path(str(engine.__file__)).parent, folder / "engine", ignore=left_out)
    (folder / "training").mkdir()
    for name in ("__init__.py", f"{LOADER.removeprefix('training.')}.py"):
        shutil.copyfile(Path(str(training.__file__)).parent / name, folder / "training" / name)
    return [folder / "engine", folder / "training"]


def wanted_aliases(home: Home, unusable: set[int]) -> dict[str, int]:
    """Alias -> bundle version: `champion` is what the pointer says, `challenger` the newest one trained after it."""
    pointer = current(home)
    served = pointer.version if pointer else 0
    usable = [version for version in versions(home) if version not in unusable]
    wanted = {CHALLENGER: usable[-1]} if usable and usable[-1] > served else {}
    return wanted | ({CHAMPION: served} if served in usable else {})


def _allowed(name: str) -> str:
    """MLflow's names hold letters, digits and _-./: and spaces."""
    return "".join(each if each.isalnum() or each in "_-./" else "_" for each in name)


def _flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Nested tables as (dotted name, text); empty ones have no parameter."""
    if isinstance(value, Mapping):
        return [pair for name, each in value.items() for pair in _flat(each, f"{prefix}.{name}" if prefix else name)]
    return [(prefix, value if isinstance(value, str) else json.dumps(value))]
