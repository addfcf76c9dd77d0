"""Compiled: functions over arrays that run as machine code. The one door to Numba.

A request looks at some hundred numbers a dozen ways. Each call of numpy for that costs more than what it computes, so
what every page needs is written as loops. They are compiled for the types that stand above them when the room is first
imported, which takes a second each, and kept beside the sources, or in the user's cache where those cannot be written
to. Where nothing can be kept they are compiled in every process.

Loops have no bounds checks: give them gathered columns, of which numpy has checked the rows, or check the rows of a
whole table before anything is looked up in it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numba

_F = TypeVar("_F", bound=Callable[..., Any])


def read_only(of: str, dimensions: int = 1, layout: Literal["C", "A"] = "C") -> Any:
    """Arrays of a type, contiguous where no other layout is told; those that may be written to are taken, too."""
    return numba.types.Array(getattr(numba, of), dimensions, layout, readonly=True)


BYTES, FLAGS = read_only("uint8"), read_only("boolean")
ROWS, PLACES = read_only("int32"), read_only("int64")
FLOATS, DOUBLES = read_only("float32"), read_only("float64")
#: One line or column of a table.
ROWS_APART = read_only("int32", layout="A")
#: Two dimensions, the last one contiguous; and what a function writes to.
LINES, CODES, GRID = read_only("float32", 2), read_only("int32", 2), read_only("int64", 2)
SQUARE = read_only("float64", 2)
WRITTEN, PLACES_WRITTEN, LINES_WRITTEN = numba.float64[::1], numba.int64[::1], numba.float32[:, ::1]
ROWS_WRITTEN, BYTES_WRITTEN, FLOATS_WRITTEN = numba.int32[::1], numba.uint8[::1], numba.float32[::1]
WHOLE, REAL = numba.int64, numba.float64


#: What lets a sum be made of several at a time. Numbers that are not finite still are what they are.
_REORDERED = {"reassoc", "nsz", "contract"}


def compiled(*types: Any, reorders_sums: bool = False) -> Callable[[_F], _F]:
    """A function of arguments of these types, as machine code; TypeError for arguments of others.

    Where sums may be reordered, their last digit depends on the processor.
    """
    quick: Any = _REORDERED if reorders_sums else False

    def made(function: _F) -> _F:
        try:
            return cast(_F, numba.njit(types, cache=True, nogil=True, fastmath=quick)(function))
        except RuntimeError:  # there is no place for what was compiled
            return cast(_F, numba.njit(types, nogil=True, fastmath=quick)(function))

    return made


def inner(function: _F) -> _F:
    """A part of compiled functions, for whatever types they give it."""
    return cast(_F, numba.njit(nogil=True)(function))


def forget_stale(folder: Path) -> None:
    """Drop the machine code beside these sources that is older than any source of compiled functions.

    Numba looks at the room of a function alone: what that calls may stand in another room, and be changed since.
    """
    kept = {each: each.stat().st_mtime for each in folder.rglob("*.nbi")}
    oldest = min(kept.values(), default=float("inf"))
    changed = {each: each.stat().st_mtime for each in folder.rglob("*.py")}
    newer = [stamp for each, stamp in changed.items() if stamp > oldest and b"engine.compiled" in each.read_bytes()]
    for each, stamp in kept.items():
        if stamp < max(newer, default=0.0):
            each.unlink(missing_ok=True)  # another process may be about the same


with suppress(OSError):  # what cannot be written to is as it was installed
    forget_stale(Path(__file__).parent)
