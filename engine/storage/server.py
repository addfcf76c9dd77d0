"""One embedded server: started when its lock is free, adopted when it runs, stopped cleanly.

The server inherits the descriptor of an exclusive lock and so do the processes it forks. As
long as the lock is held something of it is alive; when it is free all of it is gone, be it by
a stop, a kill -9 or a power cut, and whatever process numbers it left behind mean nothing.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from engine.errors import StoreUnavailable
from engine.storage.flock import is_held, try_lock

# Recovery after a kill -9 replays at most a few minutes of log; a large append-only file takes longest.
START_SECONDS = 120.0
STOP_SECONDS = 20.0
_LOG_TAIL_BYTES = 16_384
_LOG_BYTES = 16 * 2**20
_NEARLY_FULL_BYTES = 64 * 2**20


class EmbeddedServer(Protocol):
    """What `start` and `stop` need to know of a server."""

    @property
    def name(self) -> str: ...
    @property
    def lock(self) -> Path: ...
    @property
    def log(self) -> Path: ...
    @property
    def data(self) -> Path:
        """The folder that the server works in; its processes have it as their current one."""

    @property
    def pid_file(self) -> Path: ...
    @property
    def stop_signals(self) -> Sequence[signal.Signals]:
        """From polite to sure; each is given `STOP_SECONDS`."""

    def launch(self, lock: int) -> None:
        """Make the data folder if need be and start the server, which inherits `lock`."""

    def answers(self) -> bool: ...


def start(server: EmbeddedServer) -> None:
    """Return once the server answers; one that runs already is left alone.

    The caller holds the home's start lock. Raises StoreUnavailable, which names the log file.
    """
    deadline = time.monotonic() + START_SECONDS
    log_before = 0
    launched = False
    while True:
        lock = try_lock(server.lock)
        if lock is not None:
            try:
                if launched:
                    raise failure(server, f"{server.name} did not start", log_before)
                log_before = _trim(server.log)
                server.launch(lock)
            finally:
                os.close(lock)
            launched = True
        if server.answers():
            return
        if time.monotonic() > deadline:
            raise StoreUnavailable(
                f"{server.name} runs but has not answered for {START_SECONDS:.0f} s; it may have been started where "
                f"its socket cannot be seen from here (another container); see {server.log}"
            )
        time.sleep(0.02)


def stop(server: EmbeddedServer) -> None:
    """End the server and wait until every process of it is gone."""
    for number in server.stop_signals:
        deadline = time.monotonic() + STOP_SECONDS
        if (pid := _pid_of(server)) is not None:
            os.kill(pid, number)
        while is_held(server.lock):
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)
        else:
            return
    raise StoreUnavailable(f"{server.name} does not stop; see {server.log}")


def works_in(pid: int, folder: Path) -> bool:
    """Whether process `pid` is alive and has `folder` as its current one; a reused number has not."""
    try:
        return Path(f"/proc/{pid}/cwd").samefile(folder)
    except OSError:
        return False


def failure(server: EmbeddedServer, what: str, log_before: int) -> StoreUnavailable:
    """One line: what failed, the last thing the server said about it, and where the rest is."""
    reason = _last_words(server.log, log_before)
    free = shutil.disk_usage(server.log.parent).free
    if free < _NEARLY_FULL_BYTES:
        reason += f"; the disk is nearly full ({free // 2**20} MiB free)"
    return StoreUnavailable(f"{what}: {reason}; see {server.log}")


def _trim(log: Path) -> int:
    """Set a long log aside, one generation of it; returns the size of what is left."""
    if not log.exists():
        return 0
    if log.stat().st_size > _LOG_BYTES:
        log.replace(log.with_suffix(".log.old"))
        return 0
    return log.stat().st_size


def _pid_of(server: EmbeddedServer) -> int | None:
    try:
        pid = int(server.pid_file.read_text().split(maxsplit=1)[0])
    except (OSError, ValueError, IndexError):
        return None
    return pid if works_in(pid, server.data) else None


def _last_words(log: Path, offset: int) -> str:
    """The line of the log that most likely tells why; PostgreSQL marks it, Valkey and initdb end with it."""
    try:
        with log.open("rb") as file:
            file.seek(max(offset, log.stat().st_size - _LOG_TAIL_BYTES))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    except OSError as error:
        return f"its log cannot be read ({error.strerror})"
    telling = [line for line in lines if any(word in line.lower() for word in ("fatal", "panic", "error", "can't"))]
    return (telling or lines or ["it said nothing"])[-1]
