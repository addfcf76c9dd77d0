"""A shop that is served as its user would serve it: `hawker serve` in a home of its own, on a free port."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from engine.errors import StoreUnavailable

_CODE = Path(__file__).resolve().parents[2]
_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Served:
    """Where the shop answers, and the process that holds all others."""

    home: Path
    port: int
    supervisor: subprocess.Popen[bytes]
    log_began: int = 0  # byte of the log

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def processes(self, name: str) -> list[int]:
        """Process numbers of `storefront`, `worker`, `valkey-stream`, `valkey-live` or `postgres` (its main one)."""
        if name in ("storefront", "worker"):
            wanted = f"serving.{name}_process".encode()
            return [pid for pid in _children(self.supervisor.pid) if wanted in _command(pid)]
        for path in self._pid_files(name):
            with suppress(OSError, ValueError, IndexError):
                return [int(path.read_text().split()[0])]
        return []

    def _pid_files(self, name: str) -> list[Path]:
        stores = self.home / "stores"
        if name != "postgres":
            return [stores / name / "valkey.pid"]
        note = stores / "postgres.elsewhere"  # where namespaces are refused, a root's ledger lies outside of its home
        places = [Path(note.read_text().strip())] if note.exists() else []
        return [found for place in (*places, stores) for found in place.glob("**/postmaster.pid")]

    def alive(self, name: str) -> list[int]:
        """Those of `processes` that run: a note of a store's number outlives the store."""
        return [pid for pid in self.processes(name) if _runs(pid)]

    def kill(self, name: str) -> int:
        """SIGKILL to all processes of that name; how many there were."""
        found = self.alive(name)
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(found)

    def wait_until_ready(self, *, path: str = "/health/live", seconds: float = _START_SECONDS) -> float:
        """Seconds until the storefront answers; StoreUnavailable when it does not in time."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            if self.supervisor.poll() is not None:
                raise StoreUnavailable(f"hawker serve ended with code {self.supervisor.returncode}; see {self.log}")
            with suppress(OSError), urllib.request.urlopen(self.url + path, timeout=2.0):  # noqa: S310 (our own)
                return time.monotonic() - began
            time.sleep(0.02)
        raise StoreUnavailable(f"hawker serve did not answer within {seconds:g} s; see {self.log}")

    def wait_until_whole(self, *, seconds: float = _START_SECONDS) -> None:
        """Until every process is ready, which takes cores from whatever is measured; StoreUnavailable where not."""
        self.wait_until_ready(path="/health/ready", seconds=seconds)
        began = time.monotonic()
        while f"API   {self.url}".encode() not in self.log.read_bytes()[self.log_began :]:
            if self.supervisor.poll() is not None or time.monotonic() - began > seconds:
                raise StoreUnavailable(f"not every process was ready within {seconds:g} s; see {self.log}")
            time.sleep(0.05)

    @property
    def log(self) -> Path:
        return self.home / "serve.log"

    def get(self, path: str) -> object:
        with urllib.request.urlopen(self.url + path, timeout=10.0) as answer:  # noqa: S310 (our own)
            text = answer.read()
        return json.loads(text) if "json" in answer.headers.get("content-type", "") else text.decode()


@contextmanager
def served(home: Path, **settings: str) -> Iterator[Served]:
    """The shop in `home`, answering until the block ends. `settings` are HAWKER_ names without their prefix."""
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    # Nobody asks the marketing interface here; any free port will do.
    given = {"home": str(home), "port": str(port), "marketing_port": "0", "access_log": "off", **settings}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HAWKER_")}
    environment |= {f"HAWKER_{name.upper()}": value for name, value in given.items()} | {"PYTHONPATH": str(_CODE)}
    with (home / "serve.log").open("ab") as log:
        began = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "hawker", "serve"],
            env=environment,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    shop = Served(home, port, process, began)
    try:
        shop.wait_until_ready()
        yield shop
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _children(parent: int) -> list[int]:
    listed = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(pid) for pid in listed.read_text().split()] if listed.exists() else []


def _runs(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    return False


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
