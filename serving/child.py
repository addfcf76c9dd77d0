"""What every process that the supervisor starts does first."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading


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
