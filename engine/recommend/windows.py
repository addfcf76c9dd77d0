"""Windows: what sold within the last days, to everybody or to the members of a segment, as lists of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from engine.errors import BadInput
from engine.expression import nearest
from engine.recommend.placements import Placement

#: Days by the name of a window.
WINDOWS: Mapping[str, int] = {"1d": 1, "7d": 7, "30d": 30}
#: Where only a segment is named.
USUAL = "30d"
#: What stands in a window for what the bundle knows of all days.
_WITHIN = {"popular": "selling", "trending": "rising"}


def check_window(window: object) -> None:
    """Raises BadInput for a window that nobody counts."""
    if window is not None and (not isinstance(window, str) or window not in WINDOWS):
        told = f"{window!a} is none{nearest(str(window), WINDOWS)}; there are {', '.join(WINDOWS)}"
        raise BadInput(f"window: {told}", code="unknown_window", field="window")


def window_of(placement: Placement, window: str | None, segment: str | None) -> tuple[str, str | None] | None:
    """The window and the segment that a request is about, None where it is about neither.

    What a request names wins over what the placement does. Raises BadInput for a window that nobody counts, and for one
    of a placement that is not about what sells.
    """
    check_window(window)
    window, segment = window or placement.window, segment or placement.segment
    if window is None and segment is None:
        return None
    if not set(placement.sources) <= _WITHIN.keys():
        field = "window" if window is not None else "segment"
        told = f"placement {placement.name!r} is not about what sells; ask best-sellers or trending, or one like them"
        raise BadInput(f"{field}: {told}", code="no_window", field=field)
    return window or USUAL, segment


def within(placement: Placement) -> Placement:
    """The placement about a window; what the bundle knows of all days stands in where that gives too little."""
    sources = tuple(_WITHIN.get(each, each) for each in placement.sources)
    late = tuple(each for each in (*placement.sources, *placement.fallback) if each in _WITHIN)
    kept = tuple(each for each in placement.fallback if each not in late)
    return replace(placement, sources=sources, fallback=(*dict.fromkeys(late), *kept))
