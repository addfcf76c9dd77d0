"""Times in files: text, numbers or timestamps, with or without a zone, brought to UTC."""

from __future__ import annotations

from typing import Any

from engine.errors import BadInput
from engine.storage.lake_sql import SqlError, one_row, quoted

EPOCH = "epoch"
EPOCH_MS = "epoch_ms"
ISO = "iso"

# An offset only counts after a time of day: the -02 of 2020-01-02 is a day.
_HAS_OFFSET = r"\d\d:\d\d.*(Z|z|UTC|[+-]\d\d(:?\d\d)?)\s*$"


def instant(expression: str, kind: str, *, written: str = ISO, zone: str = "UTC") -> str:
    """The SQL of a TIMESTAMPTZ, null where the time cannot be read.

    `kind` is the SQL type of `expression`; `written` is iso, epoch (seconds), epoch_ms or a strptime
    pattern; `zone` is the IANA zone of times that carry none, daylight saving included.
    """
    if written in (EPOCH, EPOCH_MS):
        micros = 1_000_000 if written == EPOCH else 1_000
        return f"TRY(make_timestamptz(CAST(round(TRY_CAST({expression} AS DOUBLE) * {micros}) AS BIGINT)))"
    if kind == "TIMESTAMP WITH TIME ZONE":
        return expression
    if kind.startswith("TIMESTAMP") or kind == "DATE":
        return f"TRY(timezone({quoted(zone)}, CAST({expression} AS TIMESTAMP)))"
    text = f"CAST({expression} AS VARCHAR)"
    if written != ISO:
        read = f"TRY(strptime({text}, {quoted(written)}))"
        return read if "%z" in written else f"TRY(timezone({quoted(zone)}, {read}))"
    return (
        f"CASE WHEN regexp_matches({text}, {quoted(_HAS_OFFSET)}) THEN TRY_CAST({text} AS TIMESTAMPTZ)"
        f" ELSE TRY(timezone({quoted(zone)}, TRY_CAST({text} AS TIMESTAMP))) END"
    )


def check_zone(sql: Any, zone: str) -> None:
    """Raise BadInput unless `zone` is an IANA zone."""
    if not one_row(sql, f"SELECT count(*) FROM pg_timezone_names() WHERE name = {quoted(zone)}")[0]:
        raise BadInput(f"{zone!r} is no time zone; name one like Europe/Berlin", field="zone")


def check_pattern(sql: Any, written: str) -> None:
    """Raise BadInput unless `written` is a way that times can be written."""
    if written in (ISO, EPOCH, EPOCH_MS):
        return
    try:
        one_row(sql, f"SELECT try_strptime('', {quoted(written)})")
    except SqlError:
        written_wrong = True
    else:
        written_wrong = "%" not in written
    if written_wrong:
        raise BadInput(
            f"{written!r} is no way to write a time; use iso, epoch, epoch_ms or a pattern like %d/%m/%Y %H:%M",
            field="time_format",
        )
