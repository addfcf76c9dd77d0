"""The marketing process: `python -m serving.marketing_process`, started by the supervisor with an open socket."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from fastapi import FastAPI

from engine.settings import Settings
from engine.storage.home import home_of
from serving.http_process import run_http
from serving.marketing_app import create_marketing_app
from serving.marketing_runtime import MarketingRuntime


def main(arguments: Sequence[str]) -> int:
    """Serve until told to stop."""
    os.nice(5)  # the storefront comes first
    return run_http("marketing", arguments, _created)


def _created(settings: Settings) -> FastAPI:
    return create_marketing_app(MarketingRuntime(home_of(settings), settings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
