"""Moments in the lake's SQL: an instant, and the month that a file of events belongs to."""

from __future__ import annotations

from datetime import UTC, datetime

from engine.errors import BadInput
from engine.storage.lake_sql import quoted

#: The SQL of the month of the column `time`; without its zone, which is UTC, that takes half the time.
MONTH_OF_TIME = "strftime(make_timestamp(epoch_us(time)), '%Y-%m')"


def instant_sql(moment: datetime) -> str:
    return f"TIMESTAMPTZ {quoted(_in_utc(moment).isoformat())}"


def month_sql(moment: datetime) -> str:
    return quoted(f"{_in_utc(moment):%Y-%m}")


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise BadInput(f"the time {moment} has no zone")
    return moment.astimezone(UTC)
