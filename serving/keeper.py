"""Keeper: one process that must run: started, watched, started again."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from prometheus_client.multiprocess import mark_process_dead

_LONGEST_PAUSE = 2.0  # seconds between two starts of a process that keeps dying
_STEADY_AFTER = 10.0  # seconds; one that ran that long may restart at once
_CODE = Path(__file__).resolve().parents[1]


class Keeper:
    """One process that must run: started, watched, started again after a pause that grows while it keeps dying."""

    def __init__(
        self,
        name: str,
        addresses: Mapping[str, str],
        lifeline: int,
        metrics: Path,
        *,
        listening: socket.socket | None = None,
    ) -> None:
        self.name = name
        self.ready = False
        self.process: subprocess.Popen[bytes] | None = None
        self._addresses = addresses
        self._listening = listening
        self._lifeline = lifeline
        self._metrics = metrics
        self._deaths = self._code = 0
        self._began = self._next_start = 0.0
        self._status = -1
        self._said: dict[str, str] = {}

    @property
    def was_killed(self) -> bool:
        """Whether somebody else ended it the last time."""
        return self._code < 0

    def look(self, now: float) -> str | None:
        """Start it when it is due and note what became of it. A failed start comes back as what it said."""
        if self.process is None:
            if now >= self._next_start:
                self._start(now)
            return None
        ended = self.process.poll() is not None
        self._said |= self._hear()
        self.ready = not ended and "ready" in self._said
        if not ended:
            return None
        self._bury(now)
        return self._said.get("message") or f"{self.name} ended with code {self._code}"

    def _start(self, now: float) -> None:
        self._status, reports = os.pipe()
        os.set_blocking(self._status, False)
        descriptors = {"lifeline": self._lifeline, "status": reports}
        if self._listening is not None:
            descriptors["socket"] = self._listening.fileno()
        # -P: a folder named like one of ours in the place where the shop started us must not stand in for it.
        command = [sys.executable, "-P", "-m", f"serving.{self.name.split()[0]}_process"]
        command += [part for name, number in descriptors.items() for part in (f"--{name}", str(number))]
        try:
            self.process = subprocess.Popen(
                command, env=self._environment(), pass_fds=tuple(descriptors.values()), stdin=subprocess.DEVNULL
            )
        finally:
            os.close(reports)
        self._began = now
        self._said = {}

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join(filter(None, (str(_CODE), os.environ.get("PYTHONPATH"))))
        # One thread each: the number of processes is what spreads requests over the cores.
        single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        told = {"PYTHONPATH": path, "PROMETHEUS_MULTIPROC_DIR": str(self._metrics)}
        return {**os.environ, **single, **self._addresses, **told}

    def _hear(self) -> dict[str, str]:
        try:
            text = os.read(self._status, 65_536)
        except BlockingIOError:
            return {}
        return dict(json.loads(text)) if text else {}

    def _bury(self, now: float) -> None:
        assert self.process is not None
        os.close(self._status)
        mark_process_dead(self.process.pid, str(self._metrics))  # type: ignore[no-untyped-call]
        self._code = self.process.returncode
        self.process = None
        self._deaths = 1 if now - self._began > _STEADY_AFTER else self._deaths + 1
        self._next_start = now + min(_LONGEST_PAUSE, 0.1 * 2 ** (self._deaths - 1))
