"""The calendar: days on which shops think of their customers. Lunar days are told by their dates, year by year."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Holiday:
    id: str
    name: Mapping[str, str]
    day: date


_FIXED = (
    ("new_year", "New Year", "元旦", 1, 1),
    ("valentine", "Valentine's Day", "情人节", 2, 14),
    ("womens_day", "Women's Day", "妇女节", 3, 8),
    ("labour_day", "Labour Day", "劳动节", 5, 1),
    ("618", "618", "618", 6, 18),
    ("national_day", "National Day", "国庆节", 10, 1),
    ("double_11", "Double 11", "双11", 11, 11),
    ("double_12", "Double 12", "双12", 12, 12),
    ("christmas", "Christmas", "圣诞节", 12, 25),
)
_LUNAR = (
    ("spring_festival", "Spring Festival", "春节",
     ("2024-02-10", "2025-01-29", "2026-02-17", "2027-02-06", "2028-01-26", "2029-02-13", "2030-02-03")),
    ("mid_autumn", "Mid-Autumn Festival", "中秋节",
     ("2024-09-17", "2025-10-06", "2026-09-25", "2027-09-15", "2028-10-03", "2029-09-22", "2030-09-12")),
)  # fmt: skip


def holidays(today: date, *, days: int) -> list[Holiday]:
    """Those of the next `days` days, today included, in order; lunar ones are known until 2030."""
    found = [
        Holiday(name, {"en": en, "zh": zh}, date(year, month, day))
        for name, en, zh, month, day in _FIXED
        for year in (today.year, today.year + 1)
    ]
    found += [
        Holiday(name, {"en": en, "zh": zh}, date.fromisoformat(day)) for name, en, zh, told in _LUNAR for day in told
    ]
    return sorted((each for each in found if 0 <= (each.day - today).days < days), key=lambda each: (each.day, each.id))
