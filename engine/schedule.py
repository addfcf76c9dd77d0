"""Schedule: when something that repeats is due again, by the shop's clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SECONDS = {"m": 60, "h": 3_600, "d": 86_400}
_EVERY = re.compile(r"([1-9]\d{0,4})([mhd])")
_AT = re.compile(r"(?:([a-z,]+) )?(\d{2}:\d{2})")
_LONGEST = 366 * 86_400


@dataclass(frozen=True, slots=True)
class Schedule:
    """Either every so many seconds, or at a time of day on some weekdays (0 is Monday); `text` as it was written."""

    text: str
    every_seconds: int = 0
    at: time | None = None
    days: tuple[int, ...] = tuple(range(7))

    def next_after(self, moment: float, zone: str) -> float:
        """The first moment later than `moment` (epoch seconds) at which it is due; times of day are those of `zone`.

        Where clocks are put forward over a time of day, it is due as much later.
        """
        if self.at is None:
            return moment + self.every_seconds
        there = ZoneInfo(zone)
        today = datetime.fromtimestamp(moment, UTC).astimezone(there).date()
        for ahead in range(9):
            day = today + timedelta(days=ahead)
            due = datetime.combine(day, self.at, there).timestamp()
            if day.weekday() in self.days and due > moment:
                return due
        raise AssertionError("each weekday comes within eight days")


def read_schedule(text: str) -> Schedule | None:
    """`off`, `90m`, `6h`, `2d`, `03:30`, `sun 03:30` or `mon,thu 03:30`; ValueError for anything else."""
    if text == "off":
        return None
    if found := _EVERY.fullmatch(text):
        seconds = int(found[1]) * _SECONDS[found[2]]
        if seconds > _LONGEST:
            raise ValueError(text)
        return Schedule(text, every_seconds=seconds)
    if not (found := _AT.fullmatch(text)):
        raise ValueError(text)
    days = tuple(range(7)) if found[1] is None else tuple(sorted({_DAYS.index(day) for day in found[1].split(",")}))
    return Schedule(text, at=time.fromisoformat(found[2]), days=days)
