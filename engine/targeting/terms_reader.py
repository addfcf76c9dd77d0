"""Reading the terms of offers: JSON objects key by key, where each refusal names the field."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar

from engine.errors import BadInput
from engine.event_properties import fault_of_text, fault_of_time
from engine.events import LONGEST_ID_BYTES
from engine.expression import NODES
from engine.expression_forms import to_json
from engine.targeting.money import LARGEST_MONEY

T = TypeVar("T")
#: Reads one value; told the path of its field. Raises BadInput.
Read = Callable[[Any, str], T]

MOST_ENTRIES = 100
_DURATION = re.compile(r"P(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,7})S)?)?")
_SECONDS = (604_800, 86_400, 3_600, 60, 1)


def refuse(path: str, told: str, code: str | None = None) -> NoReturn:
    raise BadInput(f"{path}: {told}", code=code, field=path)


class Part:
    """One JSON object. null is as good as nothing; `done` refuses the keys that nobody read."""

    def __init__(self, given: Any, path: str) -> None:
        if type(given) is not dict:
            refuse(path or "offer", "must be a JSON object")
        self._given: dict[str, Any] = given
        self._path = path
        self._known: list[str] = []

    def path(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def may(self, name: str, read: Read[T], default: T) -> T:
        """The value of a key; `default` where there is none."""
        self._known.append(name)
        value = self._given.get(name)
        return default if value is None else read(value, self.path(name))

    def need(self, name: str, read: Read[T]) -> T:
        self._known.append(name)
        if self._given.get(name) is None:
            refuse(self.path(name), "is missing")
        return read(self._given[name], self.path(name))

    def has(self, name: str) -> bool:
        return self._given.get(name) is not None

    def done(self) -> None:
        for name in self._given:
            if name not in self._known:
                nearest = difflib.get_close_matches(name, self._known, n=1, cutoff=0.0)
                raise BadInput(
                    f"{self.path(name)!a}: nobody knows this field; did you mean {nearest[0]}?",
                    code="unknown_field",
                    field=self.path(name).encode("ascii", "backslashreplace").decode(),
                )


def whole(least: int, most: int) -> Read[int]:
    def read(value: Any, path: str) -> int:
        # JSON knows one kind of number, and 5.0 is a whole one.
        number = int(value) if type(value) is float and value.is_integer() else value
        if type(number) is not int or not least <= number <= most:
            refuse(path, f"must be a whole number from {least} to {most}")
        return number

    return read


money = whole(0, LARGEST_MONEY)
some_money = whole(1, LARGEST_MONEY)


def percent(value: Any, path: str) -> float:
    if type(value) not in (int, float) or not 1 <= value <= 100 or abs(value * 100 - round(value * 100)) > 1e-6:
        refuse(path, "must be a number from 1 to 100 with at most two decimals")
    return int(value) if value == int(value) else float(value)


def flag(value: Any, path: str) -> bool:
    if type(value) is not bool:
        refuse(path, "must be true or false")
    return value


def text(value: Any, path: str) -> str:
    if why := fault_of_text(value):
        refuse(path, why)
    if not value.strip():
        refuse(path, "must not be empty")
    return str(value)


def id_text(value: Any, path: str) -> str:
    found = text(value, path)
    if len(found.encode()) > LONGEST_ID_BYTES:
        refuse(path, f"is longer than {LONGEST_ID_BYTES} bytes")
    return found


def choice(*words: str) -> Read[str]:
    def read(value: Any, path: str) -> str:
        if not isinstance(value, str) or value not in words:
            refuse(path, f"must be one of {', '.join(words)}")
        return value

    return read


def currency(value: Any, path: str) -> str:
    if type(value) is not str or not re.fullmatch("[A-Z]{3}", value):
        refuse(path, "must be an ISO 4217 code, such as EUR")
    return value


def moment(value: Any, path: str) -> datetime:
    if why := fault_of_time(value):
        refuse(path, why)
    return datetime.fromisoformat(value).astimezone(UTC)


def duration(value: Any, path: str) -> str:
    """An ISO-8601 duration; months and years have no length and are refused."""
    if not isinstance(value, str) or not seconds_of(value):
        refuse(path, "must be a duration of weeks, days, hours, minutes or seconds, such as P7D or PT12H")
    return value


def seconds_of(value: str) -> int:
    """The length of a duration; 0 for what is none."""
    found = _DURATION.fullmatch(value)
    return sum(int(n) * each for n, each in zip(found.groups(), _SECONDS, strict=True) if n) if found else 0


def hours(value: Any, path: str) -> tuple[str, str]:
    """A window of the day; one over midnight ends before it begins."""
    if type(value) is not list or len(value) != 2:
        refuse(path, 'must be two times of day, such as ["09:00", "21:00"]')
    for each in value:
        if not _is_hour(each):
            refuse(path, "has a time that is not HH:MM from 00:00 to 24:00")
    if value[0] == value[1] or value[0] == "24:00" or tuple(value) == ("24:00", "00:00"):
        refuse(path, "is empty; leave hours out for the whole day")
    return (value[0], value[1])


def _is_hour(value: Any) -> bool:
    if type(value) is not str or len(value) != 5 or not value.isascii() or value[2] != ":":
        return False
    digits = value[:2] + value[3:]
    return value == "24:00" or (digits.isdigit() and int(value[:2]) < 24 and int(value[3:]) < 60)


def list_of(read: Read[T], *, least: int = 1, most: int = MOST_ENTRIES) -> Read[tuple[T, ...]]:
    def read_all(value: Any, path: str) -> tuple[T, ...]:
        if type(value) is not list or not least <= len(value) <= most:
            refuse(path, f"must be a list of {least} to {most}")
        found = tuple(read(each, f"{path}[{place}]") for place, each in enumerate(value))
        for place, each in enumerate(found):
            if each in found[:place]:
                refuse(f"{path}[{place}]", "comes twice")
        return found

    return read_all


def written(terms: Any) -> Any:
    """Checked terms as JSON again, without what is as it would be anyway. `from_` is written `from`."""
    if isinstance(terms, NODES):
        return to_json(terms)
    if isinstance(terms, datetime):
        return terms.isoformat().replace("+00:00", "Z")
    if isinstance(terms, tuple):
        return [written(each) for each in terms]
    if isinstance(terms, Mapping):
        return {name: written(each) for name, each in terms.items()}
    if dataclasses.is_dataclass(terms):
        return {
            each.name.rstrip("_"): written(getattr(terms, each.name))
            for each in dataclasses.fields(terms)
            if getattr(terms, each.name) != each.default
        }
    return terms
