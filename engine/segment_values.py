"""Values in Segment's calls, read loosely: clients are many, and what is of another type than theirs says nothing."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any


def text_of(value: Any) -> str | None:
    """A text, or a number as clients send ids; None for what is missing, empty or neither."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # JSON knows one kind of number: 17.0 names the same thing as 17.
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value)


def number_of(value: Any) -> float | None:
    """A finite number, or a text that is one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def object_of(value: Any) -> dict[str, Any]:
    """An object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def moment_of(value: Any) -> float | None:
    """Epoch seconds of an ISO-8601 time, of UTC where it names no zone."""
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
