"""One storefront process: `python -m serving.storefront_process`, started by the supervisor with an open socket.

It is a program of its own, not a fork, so that it holds nothing but what it imports. It ends when the
supervisor asks it to, and also when the supervisor is gone.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from engine.errors import HawkerError
from engine.storage.home import Home
from serving.app import create_app
from serving.runtime import Runtime

GRACE = 7.0  # seconds for requests in flight to finish


def main(arguments: Sequence[str]) -> int:
    """Serve until told to stop; what prevents the start goes to the supervisor as one line."""
    options = _options(arguments)
    _start_logging(access_log=options.access_log)
    threading.Thread(target=_end_with_supervisor, args=(options.lifeline,), daemon=True).start()
    try:
        runtime = Runtime(Home(options.home, options.shop))
    except HawkerError as error:
        os.write(options.status, json.dumps({"code": error.code, "message": error.message}).encode())
        return 1
    config = uvicorn.Config(
        create_app(runtime),
        log_config=None,
        access_log=False,
        loop="uvloop",
        http="httptools",
        ws="none",
        timeout_graceful_shutdown=int(GRACE),
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


class _Server(uvicorn.Server):
    """Tells the supervisor when it accepts requests."""

    def __init__(self, config: uvicorn.Config, status: int) -> None:
        super().__init__(config)
        self._status = status

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        os.write(self._status, b'{"ready": true}')


def _end_with_supervisor(lifeline: int) -> None:
    """The supervisor holds the other end of this pipe and never writes: it reads as ended when the supervisor dies."""
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Timer(GRACE + 1.0, os._exit, (1,)).start()


def _start_logging(*, access_log: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        logging.Formatter("time=%(asctime)s level=%(levelname)s log=%(name)s pid=%(process)d %(message)s")
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("hawker").setLevel(logging.INFO)
    if not access_log:
        logging.getLogger("hawker.access").setLevel(logging.WARNING)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="storefront", description="One storefront process.")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--shop", required=True)
    parser.add_argument("--socket", type=int, required=True, help="descriptor of the listening socket")
    parser.add_argument("--lifeline", type=int, required=True, help="descriptor that ends with the supervisor")
    parser.add_argument("--status", type=int, required=True, help="descriptor to report the start on")
    parser.add_argument("--access-log", action=argparse.BooleanOptionalAction, default=True)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
