"""How large a generated shop is, and when its time begins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from engine.errors import BadInput

#: Item numbers are kept in 32 bits, and user numbers times a million (event numbers) in 64.
_MOST = 2_000_000_000


@dataclass(frozen=True, slots=True)
class ShopSize:
    """Numbers of users, items and days; `start` is the first day, which begins at 00:00 UTC.

    Raises BadInput for a negative number of users, no item or no day.
    """

    users: int = 1_000
    items: int = 500
    days: int = 90
    start: date = date(2025, 1, 1)

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("users", self.users, 0, _MOST),
            ("items", self.items, 1, _MOST),
            ("days", self.days, 1, 3_660),
        ):
            if not least <= value <= most:
                raise BadInput(f"a shop needs {name} between {least} and {most}, not {value}", field=name)
