"""The shop's clock: real time plus a stored offset, 0 for a live shop.

A demo shop's clock opens at its last imported event, so that a year-old log is not all stale.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from engine.errors import StoreUnavailable
from engine.storage.durable import locked, replace_file
from engine.storage.home import Home


def now(home: Home) -> float:
    """The shop's time, epoch seconds."""
    return time.time() + read_offset(home)


def read_offset(home: Home) -> float:
    """Seconds to add to real time; 0 when nothing is stored. StoreUnavailable when the file cannot be understood."""
    path = _path(home)
    try:
        return float(json.loads(path.read_bytes())["offset_seconds"])
    except FileNotFoundError:
        return 0.0
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise StoreUnavailable(
            f"the shop's clock {path} cannot be read ({problem}); remove the file to return to real time",
            code="clock_unreadable",
        ) from problem


def set_offset(home: Home, seconds: float) -> None:
    """Store the offset; a running storefront follows within a second."""
    path = _path(home)
    with locked(path.with_name(".clock.lock")):
        replace_file(path, json.dumps({"offset_seconds": float(seconds)}).encode())


def _path(home: Home) -> Path:
    return home.shop_folder / "clock.json"
