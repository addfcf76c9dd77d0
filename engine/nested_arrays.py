"""Nested arrays: dataclasses and dicts of arrays as one dict with dotted names, as they lie in a folder, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray


def flatten(value: Any, prefix: str) -> dict[str, NDArray[Any]]:
    """Nested dataclasses and dicts of arrays as one dict with dotted names."""
    if isinstance(value, np.ndarray):
        return {prefix: value}
    parts = value if isinstance(value, dict) else {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    found: dict[str, NDArray[Any]] = {}
    for name, part in parts.items():
        found |= flatten(part, f"{prefix}.{name}")
    return found


def rebuild(wanted: Any, prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """What `flatten` took apart, as an object of the type `wanted`. Raises KeyError where an array is missing."""
    if dataclasses.is_dataclass(wanted):
        kinds = get_type_hints(wanted)
        parts = {f.name: rebuild(kinds[f.name], f"{prefix}.{f.name}", arrays) for f in dataclasses.fields(wanted)}
        return wanted(**parts)  # type: ignore[operator]
    if get_origin(wanted) is dict:
        kind, begin = get_args(wanted)[1], f"{prefix}."
        names = sorted({name.removeprefix(begin).split(".")[0] for name in arrays if name.startswith(begin)})
        return {name: rebuild(kind, begin + name, arrays) for name in names}
    return arrays[prefix]


def is_finite(array: NDArray[np.floating]) -> bool:
    """In parts, so that of a large array not as many truths have to be held at once."""
    flat = array.reshape(-1)
    return all(bool(np.isfinite(flat[first : first + 2**18]).all()) for first in range(0, len(flat), 2**18))
