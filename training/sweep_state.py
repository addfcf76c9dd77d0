"""Sweep state: the finished trials of a sweep, a line each, so that one that was interrupted goes on."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import NotAllowed, StoreUnavailable
from engine.storage.durable import replace_file
from engine.storage.flock import try_lock
from engine.storage.home import Home

_LONGEST_NAME = 120  # bytes; file systems take 255 with what comes behind


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
        self._path = home.shop_folder / "sweeps" / f"{file_name(name)}-{self.digest}.jsonl"
        self.read()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the sweep, and read what others left; NotAllowed while another process holds it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lock = try_lock(self._path.with_suffix(".lock"))
        if lock is None:
            raise NotAllowed("another process runs this sweep; wait for its end", code="sweep_runs")
        try:
            self.read()
            yield
        finally:
            os.close(lock)

    def add(self, trial: Trial) -> None:
        """Keep a finished trial; it survives a kill once this returns."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        whole = b"".join(_line(each) for each in self.trials)
        with self._writing():
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
        np.savez_compressed(out, number=number, users=users, values=values)
        with self._writing():
            replace_file(self._of_users(number), out.getvalue())

    def users(self, number: int) -> tuple[np.ndarray, np.ndarray] | None:
        """What `keep_users` kept of this trial, None where a kill came between that and the trial's line."""
        try:
            with np.load(self._of_users(number), allow_pickle=False) as kept:
                return (kept["users"], kept["values"]) if int(kept["number"]) == number else None
        except (FileNotFoundError, KeyError):
            return None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            raise StoreUnavailable(
                f"the sweep's trials cannot be written below {self._path.parent} ({problem}); make room there, and the"
                " same command goes on"
            ) from problem

    def _of_users(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.stem}-{'first' if number == 0 else 'best'}.npz")

    def read(self) -> None:
        """Take the file's trials for those that are finished, as after an interruption within `add`."""
        found: list[Trial] = []
        lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        for line in lines:
            try:
                trial = Trial(**json.loads(line))
            except (ValueError, TypeError):
                break  # what a kill cut is the last line
            found.append(trial)
        self.trials = found


def file_name(name: str) -> str:
    """A recipe's name as the beginning of a file's."""
    plain = "".join(each if each.isalnum() or each in "-_" else "_" for each in name)
    return plain.encode()[:_LONGEST_NAME].decode(errors="ignore")


def _line(trial: Trial) -> bytes:
    return json.dumps(asdict(trial)).encode() + b"\n"
