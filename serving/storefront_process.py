"""One storefront process: `python -m serving.storefront_process`, started by the supervisor with an open socket."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fastapi import FastAPI

from engine.settings import Settings
from engine.storage.home import home_of
from serving.app import create_app
from serving.http_process import run_http
from serving.runtime import Runtime

#: Seconds for which a thread beside the requests, such as one that opens a new bundle, holds them up at most.
_TURN = 0.0005


def main(arguments: Sequence[str]) -> int:
    """Serve until told to stop."""
    sys.setswitchinterval(_TURN)
    return run_http("storefront", arguments, _created)


def _created(settings: Settings) -> FastAPI:
    return create_app(Runtime(home_of(settings), settings=settings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
