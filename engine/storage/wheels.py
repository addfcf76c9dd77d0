"""Finds the servers that come in Python wheels, without importing the packages around them.

One of those packages opens folders to everybody when it runs as root, the other brings a second
client library along; their programs are all that is wanted.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from engine.errors import StoreUnavailable


def wheel_folder(package: str, setting: str) -> Path:
    """The installed folder of `package`; `setting` names what makes it unnecessary. Raises StoreUnavailable."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        name = package.replace("_", "-")
        raise StoreUnavailable(f"the package {name} is not installed; install it, or set {setting}")
    return Path(found.submodule_search_locations[0])
