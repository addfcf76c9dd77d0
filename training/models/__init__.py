"""The model families, one file each; the table of them all is whatever the files of this room define."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules

from training.models.contract import ModelFamily


def _families() -> Iterator[ModelFamily]:
    """In the order of the files' names, and within a file in its own."""
    for module in sorted(each.name for each in iter_modules(__path__)):
        yield from (
            each for each in vars(import_module(f"{__name__}.{module}")).values() if isinstance(each, ModelFamily)
        )


def _by_name() -> Mapping[str, ModelFamily]:
    found: dict[str, ModelFamily] = {}
    for family in _families():
        if found.setdefault(family.name, family) is not family:
            raise ValueError(f"two model families are called {family.name!r}; each needs a name of its own")
    return found


MODELS: Mapping[str, ModelFamily] = _by_name()
