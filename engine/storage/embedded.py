"""The stores of a home: connected to where a URL is given, else real servers started inside the home.

The servers belong to the home, not to a process. Each user of the home holds a shared lock: the
first starts what it needs, the others find it running, the last one out stops everything. Servers
that outlived their users (a kill -9) are adopted by the next; users that outlived their servers
call `ensure`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import StoreUnavailable
from engine.settings import Settings
from engine.storage.embedded_postgres import PostgresServer
from engine.storage.embedded_valkey import ValkeyServer
from engine.storage.flock import is_held, try_lock, wait_for_lock
from engine.storage.home import Home
from engine.storage.run_as import UserNamespaces
from engine.storage.server import START_SECONDS, start, stop
from engine.storage.socket_folder import make_socket_folder, remove_socket_folder, socket_folder

STORES = ("stream", "live", "ledger")


@dataclass(frozen=True, slots=True)
class Machine:
    """What the stores use outside of the home, and what the kernel is asked for."""

    socket_parent: Path = Path("/tmp")  # noqa: S108 (a checked 0700 folder below it: see socket_folder)
    outside: Path = Path("/var/lib")
    namespaces: UserNamespaces = UserNamespaces.ASK
    # How long to wait for another process that starts or stops the stores of the same home.
    patience_seconds: float = 2 * START_SECONDS


@contextmanager
def open_stores(settings: Settings, need: Collection[str], *, machine: Machine | None = None) -> Iterator[Stores]:
    """The stores in `need` (any of stream, live, ledger), running and answering until the block ends.

    Raises StoreUnavailable with one line that names the log file.
    """
    stores = Stores(settings, frozenset(need), machine or Machine())
    stores.enter()
    try:
        yield stores
    finally:
        stores.leave()


@dataclass(slots=True)
class Stores:
    """Where the stores can be reached, for as long as this use of them lasts."""

    settings: Settings
    need: frozenset[str]
    machine: Machine
    _shared_lock: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if unknown := self.need - set(STORES):
            raise ValueError(f"no such stores: {sorted(unknown)}")

    @property
    def stream_url(self) -> str:
        return self._url("stream")

    @property
    def live_url(self) -> str:
        return self._url("live")

    @property
    def ledger_url(self) -> str:
        return self._url("ledger")

    def enter(self) -> None:
        """Join the users of the home, and start what is needed and does not run."""
        if not self._embedded():
            return
        with self._alone():
            self._shared_lock = try_lock(_users(self._folder()), shared=True)
            try:
                self._start()
            except BaseException:
                self._leave_locked()
                raise

    def ensure(self) -> None:
        """Start again whatever died since; a supervisor calls this now and then."""
        if self._embedded():
            with self._alone():
                self._start()

    def leave(self) -> None:
        """Leave the home; the last one out stops its servers."""
        if self._shared_lock is None:
            return
        try:
            with self._alone():
                self._leave_locked()
        finally:  # whoever waits in vain has left all the same, and the next one in adopts the servers
            self._let_go()

    def _alone(self) -> AbstractContextManager[None]:
        return _starting_or_stopping(self._folder(), self.machine.patience_seconds)

    def _start(self) -> None:
        sockets = make_socket_folder(self._home(), self.machine.socket_parent)
        for name, server in _servers(self.settings, self._folder(), sockets, self.machine).items():
            if name in self._embedded():
                try:
                    start(server)
                except OSError as error:
                    raise StoreUnavailable(
                        f"{server.name} could not be started: {error.strerror or error}"
                        f"{f' ({error.filename})' if error.filename else ''}; see {server.log}"
                    ) from error

    def _leave_locked(self) -> None:
        self._let_go()
        if not is_held(_users(self._folder())):
            _stop_all(self.settings, self._folder(), self.machine)

    def _let_go(self) -> None:
        # Closed, not unlocked: a forked child of ours may still use the stores through its copy.
        if self._shared_lock is not None:
            os.close(self._shared_lock)
            self._shared_lock = None

    def _url(self, name: str) -> str:
        if name not in self.need:
            raise LookupError(f"the store {name} was not asked for when the stores were opened")
        if given := _given_urls(self.settings)[name]:
            return given
        sockets = socket_folder(self._home(), self.machine.socket_parent)
        return _servers(self.settings, self._folder(), sockets, self.machine)[name].url

    def _embedded(self) -> set[str]:
        given = _given_urls(self.settings)
        return {name for name in self.need if not given[name]}

    def _home(self) -> Path:
        return self.settings.home.resolve()

    def _folder(self) -> Path:
        return Home(self._home()).stores


@contextmanager
def _starting_or_stopping(stores: Path, patience_seconds: float) -> Iterator[None]:
    """One process at a time starts or stops: nobody is handed a server that another is about to end."""
    try:
        stores.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = wait_for_lock(stores / "start.lock", seconds=patience_seconds, doing="starting or stopping the stores")
    except OSError as error:
        raise StoreUnavailable(
            f"the stores cannot be kept in {stores}: {error.strerror}; HAWKER_HOME must be a folder that "
            f"user id {os.geteuid()} may write to"
        ) from error
    try:
        yield
    finally:
        os.close(lock)


def _users(stores: Path) -> Path:
    return stores / "users.lock"


def _given_urls(settings: Settings) -> Mapping[str, str]:
    return {"stream": settings.stream_url, "live": settings.redis_url, "ledger": settings.postgres_url}


def _servers(
    settings: Settings, stores: Path, sockets: Path, machine: Machine
) -> Mapping[str, ValkeyServer | PostgresServer]:
    return {
        "stream": ValkeyServer("stream", stores, sockets),
        "live": ValkeyServer("live", stores, sockets),
        "ledger": PostgresServer(
            settings.home.resolve(), stores, sockets, outside=machine.outside, namespaces=machine.namespaces
        ),
    }


def _stop_all(settings: Settings, stores: Path, machine: Machine) -> None:
    sockets = socket_folder(settings.home.resolve(), machine.socket_parent)
    for server in _servers(settings, stores, sockets, machine).values():
        if is_held(server.lock):
            stop(server)
    remove_socket_folder(settings.home.resolve(), machine.socket_parent)
