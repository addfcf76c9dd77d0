"""Sweep state: the finished trials of a sweep, a line each, so that one that was interrupted goes on."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.storage.durable import replace_file
from engine.storage.home import Home


@dataclass(frozen=True, slots=True)
class Trial:
    """What was tried: `values` by dotted place. `score` is None where it failed, and `error` says why."""

    number: int
    values: Mapping[str, Any]
    score: float | None
    seconds: float
    error: str = ""


class SweepState:
    """One sweep's file below the shop's folder, named after all that its figures depend on.

    Beside it lie the per-user figures of the recipe as it was and of the best trial, so that they can be paired.
    """

    def __init__(self, home: Home, name: str, about: Mapping[str, Any]) -> None:
        told = json.dumps(about, sort_keys=True, default=str).encode()
        self.digest = hashlib.sha256(told).hexdigest()[:16]
        plain = "".join(each if each.isalnum() or each in "-_" else "_" for each in name)[:60]
        self._path = home.shop_folder / "sweeps" / f"{plain}-{self.digest}.jsonl"
        self.trials = self._read()

    def add(self, trial: Trial) -> None:
        """Keep a finished trial; it survives a kill once this returns."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        whole = b"".join(_line(each) for each in self.trials)
        if self._path.exists() and self._path.read_bytes() != whole:  # a line that a kill cut
            replace_file(self._path, whole)
        with self._path.open("ab") as out:
            out.write(_line(trial))
            out.flush()
            os.fsync(out.fileno())
        self.trials.append(trial)

    def best(self) -> Trial | None:
        """The highest score, the earliest of equals."""
        scored = [each for each in self.trials if each.score is not None]
        return max(scored, key=lambda each: (each.score or 0.0, -each.number), default=None)

    def keep_users(self, number: int, users: np.ndarray, values: np.ndarray) -> None:
        """Keep a trial's figure of each user (rows of the shop)."""
        out = io.BytesIO()
        np.savez_compressed(out, users=users, values=values)
        replace_file(self._of_users(number), out.getvalue())

    def users(self, number: int) -> tuple[np.ndarray, np.ndarray] | None:
        """What `keep_users` kept, None where a kill came before it."""
        try:
            with np.load(self._of_users(number), allow_pickle=False) as kept:
                return kept["users"], kept["values"]
        except FileNotFoundError:
            return None

    def _of_users(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.stem}-{'first' if number == 0 else 'best'}.npz")

    def _read(self) -> list[Trial]:
        found: list[Trial] = []
        lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        for line in lines:
            try:
                trial = Trial(**json.loads(line))
            except (ValueError, TypeError):
                break  # what a kill cut is the last line
            found.append(trial)
        return found


def _line(trial: Trial) -> bytes:
    return json.dumps(asdict(trial)).encode() + b"\n"
