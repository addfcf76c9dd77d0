"""A process that answers over HTTP, started by the supervisor with an open socket.

It is a program of its own, not a fork, so that it holds nothing but what it imports. It ends when the
supervisor asks it to, and also when the supervisor is gone.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence

import uvicorn
from fastapi import FastAPI

from engine.errors import HawkerError
from engine.settings import Settings, read_settings
from serving.child import end_with_supervisor, start_logging
from serving.whole_answers import WholeAnswers

GRACE = 7.0  # seconds for requests in flight to finish
#: Seconds that a connection may lie idle: more than proxies keep theirs, which would else ask on one that just closed.
KEPT_ALIVE = 75


def run_http(name: str, arguments: Sequence[str], create: Callable[[Settings], FastAPI]) -> int:
    """Serve until told to stop; what prevents the start goes to the supervisor as one line."""
    options = _options(name, arguments)
    threading.Thread(target=end_with_supervisor, args=(options.lifeline, GRACE), daemon=True).start()
    try:
        settings = read_settings(os.environ)
        start_logging(access_log=settings.access_log)
        app = create(settings)
        _set_aside_what_stays()
    except HawkerError as error:
        os.write(options.status, json.dumps({"code": error.code, "message": error.message}).encode())
        return 1
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        loop="uvloop",
        http=WholeAnswers,
        ws="none",
        timeout_graceful_shutdown=int(GRACE),
        timeout_keep_alive=KEPT_ALIVE,
        server_header=False,
    )
    server = _Server(config, options.status)

    def stop(*_: object) -> None:
        server.should_exit = True

    # uvicorn raises the signal that ended it once more: it must find a handler that lets us return.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.run([socket.socket(fileno=options.socket)])
    return 0


def _set_aside_what_stays() -> None:
    """Leave what the process began with out of later collections: looking through it all takes a tenth of a second,
    for which every request would wait, and finds nothing."""
    gc.collect()
    gc.freeze()


class _Server(uvicorn.Server):
    """Tells the supervisor when it accepts requests."""

    def __init__(self, config: uvicorn.Config, status: int) -> None:
        super().__init__(config)
        self._status = status

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        os.write(self._status, b'{"ready": true}')


def _options(name: str, arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=name, description=f"One {name} process.")
    parser.add_argument("--socket", type=int, required=True, help="descriptor of the listening socket")
    parser.add_argument("--lifeline", type=int, required=True, help="descriptor that ends with the supervisor")
    parser.add_argument("--status", type=int, required=True, help="descriptor to report the start on")
    return parser.parse_args(arguments)
