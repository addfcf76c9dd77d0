"""Homes to try stores in, and other processes that use them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.storage import postgres_place
from engine.storage.embedded_postgres import PostgresServer
from engine.storage.embedded_valkey import ValkeyServer
from engine.storage.flock import is_held
from engine.storage.home import Home
from engine.storage.server import works_in
from engine.storage.socket_folder import socket_folder
from tests.stores import scratch_folder

REPOSITORY = Path(__file__).parents[3]
SOCKETS = Path("/tmp")
AS_ROOT = os.geteuid() == 0
NOBODY = 65534


@contextmanager
def public_folder() -> Iterator[Path]:
    """A folder that everybody may enter; the others are closed."""
    with scratch_folder() as folder:
        folder.chmod(0o755)
        yield folder


def seed(home: Path, seeded: Path) -> Path:
    """A home whose ledger's data folder is made already."""
    home.mkdir(parents=True, exist_ok=True)
    if postgres_place.recorded(Home(seeded).stores) is not None:
        return home  # its data is not in it and cannot be copied: this home makes its own
    shutil.copytree(Home(seeded).stores, Home(home).stores)
    return home


def postgres_of(home: Path, **more: Any) -> PostgresServer:
    return PostgresServer(home, Home(home).stores, socket_folder(home, SOCKETS), Path("/var/lib"), **more)


def valkey_of(home: Path, role: Any) -> ValkeyServer:
    return ValkeyServer(role, Home(home).stores, socket_folder(home, SOCKETS))


def servers_of(home: Path) -> Mapping[str, PostgresServer | ValkeyServer]:
    return {"ledger": postgres_of(home), "stream": valkey_of(home, "stream"), "live": valkey_of(home, "live")}


def running(home: Path) -> set[str]:
    return {name for name, server in servers_of(home).items() if is_held(server.lock)}


def pid_of(server: PostgresServer | ValkeyServer) -> int:
    pid = int(server.pid_file.read_text().split()[0])
    assert works_in(pid, server.data)
    return pid


@dataclass
class User:
    """A process that uses a home; it stays until told to leave."""

    process: subprocess.Popen[str]

    def said(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the process ended without a word"
        return dict(json.loads(line))

    def leave(self) -> None:
        self.process.communicate("leave\n", timeout=60)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=60)


@contextmanager
def start_user(home: Path, *need: str, interpreter: str = sys.executable, **popen: Any) -> Iterator[User]:
    program = str(Path(__file__).with_name("stores_user.py"))
    search = os.pathsep.join([str(REPOSITORY), *(path for path in sys.path if path.endswith("site-packages"))])
    process = subprocess.Popen(
        [interpreter, program, str(home), ",".join(need), str(SOCKETS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": search, "PYTHONDONTWRITEBYTECODE": "1"},
        **popen,
    )
    user = User(process)
    try:
        yield user
    finally:
        if process.poll() is None:
            user.leave()
