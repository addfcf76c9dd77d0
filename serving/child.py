"""What every process that the supervisor starts does first."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence

from engine.settings import Settings, read_settings
from engine.storage.durable import locked
from engine.storage.home import Home, home_of

Duty = Callable[[Settings, Home, threading.Event], None]


def run_duty(name: str, arguments: Sequence[str], work: Duty, *, nice: int, grace: float) -> int:
    """Do `work` until told to stop, as the shop's only process of that name; `grace` seconds for what is in hand."""
    options = _options(name, arguments)
    os.nice(nice)
    stopping = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stopping.set())
    threading.Thread(target=end_with_supervisor, args=(options.lifeline, grace), daemon=True).start()
    settings = read_settings(os.environ)
    start_logging(access_log=False)
    home = home_of(settings)
    os.write(options.status, b'{"ready": true}')
    with locked(home.shop_folder / f"{name}.lock"):
        work(settings, home, stopping)
    return 0


def _options(name: str, arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=name)
    parser.add_argument("--lifeline", type=int, required=True, help="descriptor that ends with the supervisor")
    parser.add_argument("--status", type=int, required=True, help="descriptor to report the start on")
    return parser.parse_args(arguments)


def end_with_supervisor(lifeline: int, grace: float) -> None:
    """The supervisor holds the other end of this pipe and never writes: it reads as ended when the supervisor dies.

    Blocks until then; run it in a thread. `grace` seconds later the process is gone whatever it does.
    """
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Timer(grace + 1.0, os._exit, (1,)).start()


def start_logging(*, access_log: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        logging.Formatter("time=%(asctime)s level=%(levelname)s log=%(name)s pid=%(process)d %(message)s")
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("hawker").setLevel(logging.INFO)
    if not access_log:
        logging.getLogger("hawker.access").setLevel(logging.WARNING)
