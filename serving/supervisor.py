"""Supervisor: starts the storefront's processes on one socket, and the worker, and keeps them and the stores running.

It holds the listening socket, so that a process that dies costs its own requests only; no request and no bundle.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.multiprocess import mark_process_dead

from engine.errors import BadInput, BundleUnusable, HawkerError
from engine.settings import Settings
from engine.storage.embedded import STORES, Stores, open_stores
from engine.storage.online import connect_stream

log = logging.getLogger("hawker.supervisor")

STOP_WITHIN = 9.0  # seconds; a process that is still there then is killed
_LOOK_EVERY = 0.05
_LOOK_AT_STORES_EVERY = 0.5
_LONGEST_PAUSE = 5.0  # seconds between two starts of a process that keeps dying
_STEADY_AFTER = 10.0  # seconds; one that ran that long may restart at once
_CODE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Address:
    """Where the storefront answers."""

    api: str
    docs: str


def serve(
    settings: Settings,
    *,
    need: Collection[str] = STORES,
    on_ready: Callable[[Address], None] = lambda address: None,
    stop: threading.Event | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or `stop`; requests in flight finish, and all of it takes at most ten seconds.

    The stores in `need` are open while anything runs; without the stream there is no worker. A shop that has published
    nothing yet takes events and catalogue, and recommends from its first publish on. BundleUnusable when no published
    bundle can be served, BadInput when the address cannot be listened on, StoreUnavailable when a store cannot be
    started or may lose what it acknowledged.
    """
    if settings.workers < 1:
        raise BadInput("HAWKER_WORKERS must be at least 1", field="HAWKER_WORKERS")
    if not 0 <= settings.port <= 65_535:
        raise BadInput(f"HAWKER_PORT is a number from 0 to 65535, not {settings.port}", field="HAWKER_PORT")
    with ExitStack() as held:
        listening = held.enter_context(_listen(settings.host, settings.port))
        address = _address(listening)
        stores = held.enter_context(open_stores(settings, need))
        addresses = _checked_addresses(stores)
        metrics = held.enter_context(tempfile.TemporaryDirectory(prefix="hawker-metrics-"))
        lifeline = held.enter_context(_pipe())
        stopping = held.enter_context(_stopping_on_signals(stop or threading.Event()))
        keepers = [
            _Keeper(f"storefront {number}", addresses, lifeline.read_end, Path(metrics), listening=listening)
            for number in range(1, settings.workers + 1)
        ]
        if "stream" in need:
            keepers.append(_Keeper("worker", addresses, lifeline.read_end, Path(metrics)))
        held.enter_context(_looking_after(stores))
        held.callback(_stop_all, keepers, listening)
        _keep_running(keepers, stopping, lambda: on_ready(address))


def _checked_addresses(stores: Stores) -> dict[str, str]:
    """The settings of a child in its environment; a stream that may lose what it acknowledged is refused here."""
    settings = stores.settings
    found = {"HAWKER_HOME": str(settings.home.resolve()), "HAWKER_SHOP": settings.shop}
    found["HAWKER_ACCESS_LOG"] = "on" if settings.access_log else "off"
    if "stream" in stores.need:
        connect_stream(stores.stream_url).close()
        found["HAWKER_STREAM_URL"] = stores.stream_url
    if "live" in stores.need:
        found["HAWKER_REDIS_URL"] = stores.live_url
    if "ledger" in stores.need:
        found["HAWKER_POSTGRES_URL"] = stores.ledger_url
    return found


@contextmanager
def _looking_after(stores: Stores) -> Iterator[None]:
    """Stores that died are started again, beside everything else: a start may take seconds."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_AT_STORES_EVERY):
            try:
                stores.ensure()
            except HawkerError as problem:
                log.error("%s; trying again", problem.message)

    thread = threading.Thread(target=look, name="stores")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class _Keeper:
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


def _keep_running(keepers: list[_Keeper], stopping: threading.Event, on_ready: Callable[[], None]) -> None:
    announced = False
    while not stopping.is_set():
        for keeper in keepers:
            failure = keeper.look(time.monotonic())
            if failure and not announced:
                raise BundleUnusable(failure, code="cannot_start")
            if failure:
                log.error("%s; starting it again", failure)
        if not announced and all(keeper.ready for keeper in keepers):
            announced = True
            on_ready()
        stopping.wait(_LOOK_EVERY)


def _stop_all(keepers: list[_Keeper], listening: socket.socket) -> None:
    listening.close()
    running = [keeper.process for keeper in keepers if keeper.process is not None]
    for process in running:
        process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_WITHIN
    for process in running:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as problem:
        raise BadInput(
            f"cannot listen on {host}:{port} ({problem}); stop what runs there or set HAWKER_PORT to another port",
            code="cannot_listen",
            field="HAWKER_PORT",
        ) from problem
    with listening:
        yield listening


def _address(listening: socket.socket) -> Address:
    host, port = listening.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    return Address(api=url, docs=f"{url}/docs")


@dataclass(frozen=True, slots=True)
class _Pipe:
    read_end: int
    write_end: int


@contextmanager
def _pipe() -> Iterator[_Pipe]:
    """Its write end stays in this process alone: when that is gone, whoever reads hears the end."""
    pipe = _Pipe(*os.pipe())
    try:
        yield pipe
    finally:
        os.close(pipe.read_end)
        os.close(pipe.write_end)


@contextmanager
def _stopping_on_signals(stopping: threading.Event) -> Iterator[threading.Event]:
    if threading.current_thread() is not threading.main_thread():
        yield stopping  # signals reach the main thread only; `stop` is the way here
        return
    former = {each: signal.signal(each, lambda *_: stopping.set()) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopping
    finally:
        for each, handler in former.items():
            signal.signal(each, handler)
