"""What a benchmark is given, and what it hands back: figures, and whether they are what was asked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import BadInput


@dataclass(frozen=True, slots=True)
class Asked:
    """One figure that was asked for: at least so much, or at most so much, or both."""

    what: str
    measured: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool:
        """Whether the figure keeps its bounds; one that could not be measured (NaN) does not."""
        low = -math.inf if self.at_least is None else self.at_least
        high = math.inf if self.at_most is None else self.at_most
        return bool(low <= self.measured <= high)

    @property
    def asked(self) -> str:
        """The bounds as text, such as `>= 0.362`."""
        bounds = ((">=", self.at_least), ("<=", self.at_most))
        return " and ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)

    def as_json(self) -> dict[str, Any]:
        return {"what": self.what, "asked": self.asked, "measured": plain(self.measured), "met": self.met}


@dataclass(frozen=True, slots=True)
class Findings:
    """What a benchmark hands back: every figure worth reading, and those that were asked for."""

    figures: Mapping[str, Any]
    asked: tuple[Asked, ...] = ()


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a benchmark is given: `quick` wants under a minute; `scratch` is a folder that is removed afterwards."""

    quick: bool
    data: Path
    scratch: Path
    seed: int = 0

    def data_set(self, name: str) -> Path:
        """Folder of one public data set; BadInput when it is not there."""
        folder = self.data / name
        if not folder.is_dir():
            raise BadInput(f"this benchmark reads the data set {name!r}, which is not below {self.data}", field="data")
        return folder


def plain(value: Any) -> Any:
    """The same for JSON: numpy's numbers as Python's, NaN and infinities (which JSON lacks) as null."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if not isinstance(value, str | bool | int | None) and hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
