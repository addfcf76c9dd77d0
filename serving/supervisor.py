"""Supervisor: starts the storefront's processes on one socket, marketing on another, and the worker; keeps them up.

It holds the listening sockets, so that a process that dies costs its own requests only; no request and no bundle.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from engine.errors import BadInput, BundleUnusable, HawkerError, NotAllowed, StoreUnavailable
from engine.settings import Settings
from engine.storage.embedded import STORES, Machine, Stores, open_stores
from engine.storage.home import home_of
from engine.storage.keys import Keys, read_keys, remembered
from engine.storage.ledger import opened_ledger
from engine.storage.migrate import migrate
from engine.storage.online import connect_stream
from serving.keeper import Keeper

log = logging.getLogger("hawker.supervisor")

STOP_WITHIN = 9.0  # seconds; a process that is still there then is killed
_LOOK_EVERY = 0.05
_LOOK_AT_STORES_EVERY = 0.5


@dataclass(frozen=True, slots=True)
class Address:
    """Where the storefront answers, and marketing, which needs the ledger."""

    api: str
    docs: str
    marketing: str | None = None


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
    with ExitStack() as held:
        listening = held.enter_context(_listen(settings.host, settings.port, "HAWKER_PORT"))
        marketing: socket.socket | None = None
        if "ledger" in need:
            marketing = held.enter_context(_listen(settings.host, settings.marketing_port, "HAWKER_MARKETING_PORT"))
        address = _address(listening, marketing)
        metrics = held.enter_context(tempfile.TemporaryDirectory(prefix="hawker-metrics-"))
        lifeline = held.enter_context(_pipe())
        addresses: dict[str, str] = {}
        keepers = [
            Keeper(f"storefront {number}", addresses, lifeline.read_end, Path(metrics), listening=listening)
            for number in range(1, settings.workers + 1)
        ]
        stop_all = partial(_stop_all, keepers, [listening] if marketing is None else [listening, marketing])
        held.callback(stop_all)
        if _was_served_before(listening, settings, need):  # they need the shop's files only, and a store takes seconds
            addresses |= _addresses(Stores(settings, frozenset(need), Machine()))
            for each in keepers:
                each.look(time.monotonic())
        stores = held.enter_context(open_stores(settings, need))
        addresses |= _checked_addresses(stores)
        _check_access(listening, stores)
        stopping = held.enter_context(_stopping_on_signals(stop or threading.Event()))
        for name, is_needed in _others(need).items():
            socket_of = marketing if name == "marketing" else None
            if is_needed:
                keepers.append(Keeper(name, addresses, lifeline.read_end, Path(metrics), listening=socket_of))
        held.enter_context(_looking_after(stores))
        held.callback(stop_all)  # while the stores are there still
        _keep_running(keepers, settings.workers, stopping, lambda: on_ready(address))


def _others(need: Collection[str]) -> dict[str, bool]:
    """The processes beside the storefronts, and whether they are needed."""
    whole = set(STORES) <= set(need)
    return {"worker": "stream" in need, "marketing": "ledger" in need, "jobs": whole, "customers": whole}


def _was_served_before(listening: socket.socket, settings: Settings, need: Collection[str]) -> bool:
    """Whether storefronts can do without the stores: they remember the keys, or that this machine needs none."""
    keys = remembered(home_of(settings).shop_folder / "keys.json") if "ledger" in need else {}
    return keys is not None and (bool(keys) or _is_of_this_machine(listening))


def _checked_addresses(stores: Stores) -> dict[str, str]:
    """The settings of a child; a stream that may lose what it acknowledged is refused here."""
    if "stream" in stores.need:
        connect_stream(stores.stream_url).close()
    return _addresses(stores)


def _addresses(stores: Stores) -> dict[str, str]:
    """The settings of a child in its environment."""
    settings = stores.settings
    found = {"HAWKER_HOME": str(settings.home.resolve()), "HAWKER_SHOP": settings.shop}
    found["HAWKER_ACCESS_LOG"] = "on" if settings.access_log else "off"
    if "stream" in stores.need:
        found["HAWKER_STREAM_URL"] = stores.stream_url
    if "live" in stores.need:
        found["HAWKER_REDIS_URL"] = stores.live_url
    if "ledger" in stores.need:
        found["HAWKER_POSTGRES_URL"] = stores.ledger_url
    return found


def _check_access(listening: socket.socket, stores: Stores) -> None:
    """Make the ledger's tables; whoever can be reached from elsewhere must have keys."""
    keys: Keys | None = None
    if "ledger" in stores.need:
        try:
            migrate(stores.ledger_url, stores.settings.shop)
            with opened_ledger(stores.ledger_url, stores.settings.shop) as ledger:
                keys = read_keys(ledger)
        except StoreUnavailable as problem:  # recommendations do not need it; the worker migrates later
            log.warning("%s", problem.message)
            keys = remembered(home_of(stores.settings).shop_folder / "keys.json")
    if not keys and not _is_of_this_machine(listening):
        raise NotAllowed(
            f"{listening.getsockname()[0]} can be reached from elsewhere and the shop has no keys; make one with "
            "`hawker keys create`, or set HAWKER_HOST to 127.0.0.1",
            code="no_keys",
            field="HAWKER_HOST",
        )


def _is_of_this_machine(listening: socket.socket) -> bool:
    return ipaddress.ip_address(str(listening.getsockname()[0]).partition("%")[0]).is_loopback


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


def _keep_running(
    keepers: list[Keeper], storefronts: int, stopping: threading.Event, on_ready: Callable[[], None]
) -> None:
    """The first `storefronts` begin, and the others when these are ready: all at once they are in each other's way.

    A process that ends by itself before it was ever ready stops the start.
    """
    announced, begun, started = False, storefronts, set[str]()
    while not stopping.is_set():
        if all(keeper.ready for keeper in keepers[:storefronts]):
            begun = len(keepers)
        for keeper in keepers[:begun]:
            failure = keeper.look(time.monotonic())
            if keeper.ready:
                started.add(keeper.name)
            if failure and not announced and keeper.name not in started and not keeper.was_killed:
                raise BundleUnusable(failure, code="cannot_start")
            if failure:
                log.error("%s; starting it again", failure)
        if not announced and all(keeper.ready for keeper in keepers):
            announced = True
            on_ready()
        stopping.wait(_LOOK_EVERY)


def _stop_all(keepers: list[Keeper], listening: list[socket.socket]) -> None:
    for each in listening:
        each.close()
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
def _listen(host: str, port: int, setting: str) -> Iterator[socket.socket]:
    if not 0 <= port <= 65_535:
        raise BadInput(f"{setting} is a number from 0 to 65535, not {port}", field=setting)
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as problem:
        raise BadInput(
            f"cannot listen on {host}:{port} ({problem}); stop what runs there or set {setting} to another port",
            code="cannot_listen",
            field=setting,
        ) from problem
    with listening:
        yield listening


def _address(listening: socket.socket, marketing: socket.socket | None) -> Address:
    url = _url(listening)
    return Address(api=url, docs=f"{url}/docs", marketing=None if marketing is None else _url(marketing))


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


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
