"""Moments in queries: a time with its zone, and nothing that only could be read as one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator

from engine.expression import moment_of


def _moment(value: Any) -> datetime:
    # Pydantic would take a bare number for seconds.
    found = moment_of(value)
    if found is None:
        raise ValueError("a time with its zone, such as 2026-01-31T12:00:00Z")
    return found


Moment = Annotated[datetime, BeforeValidator(_moment)]
