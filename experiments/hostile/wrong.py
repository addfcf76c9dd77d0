"""Wrong values, drawn: what a broken or ill-meaning client may write where something else belongs."""

from __future__ import annotations

import string
from collections.abc import Callable
from random import Random
from typing import Any

Draw = Callable[[Random], Any]

_LETTERS = f"{string.ascii_letters}{string.digits} -_.éß日本語牛奶😀"
#: Bytes of a body that is large and yet not refused for its size alone.
LARGE = 1_000_000


def word(draw: Random, most: int = 12) -> str:
    """A sound text."""
    return "".join(draw.choices(_LETTERS, k=draw.randint(1, most)))


def either(*draws: Draw) -> Draw:
    return lambda draw: draw.choice(draws)(draw)


def one_of(*values: Any) -> Draw:
    return lambda draw: draw.choice(values)


def number(draw: Random) -> Any:
    return draw.choice((draw.randint(-9, 10**6), draw.uniform(-1e6, 1e6), 0, -1, 1.5, 2**63, 1e300))


def flag(draw: Random) -> Any:
    return draw.random() < 0.5


def array(draw: Random) -> Any:
    return draw.choice(([], [word(draw)], [draw.randint(0, 9), None], [[]], [{}], [True]))


def mapping(draw: Random) -> Any:
    return draw.choice(({}, {word(draw): word(draw)}, {"$ne": None}, {"__proto__": {"a": 1}}))


def beyond(draw: Random) -> int:
    """Whole numbers that 64 bits do not hold, or that become another one as a float."""
    return draw.choice((1, -1)) * draw.choice((2**63 + draw.randint(0, 999), 2**64, 10 ** draw.randint(19, 300)))


def spoiled(draw: Random) -> str:
    """A text that no store can hold: NUL or half of a surrogate pair, anywhere in it."""
    text, place = word(draw), draw.randint(0, 12)
    return text[:place] + draw.choice(("\0", "\ud800", "\udbff", "\udfff", "\udc00\ud800")) + text[place:]


def long_text(draw: Random) -> str:
    """Longer than any text that is kept, up to a megabyte."""
    return draw.choice("xy7 -") * draw.choice((4_001, 5_000 + draw.randint(0, 9_999), 50_000, LARGE))


def nested(draw: Random, least: int, most: int) -> Any:
    value: Any = draw.choice((1, "deep", None, [], {}))
    for _ in range(draw.randint(least, most)):
        value = {"d": value} if draw.random() < 0.5 else [value]
    return {"d": value}


no_text = either(number, flag, array, mapping, spoiled)
no_id = either(no_text, spoiled, one_of(""), lambda draw: draw.choice("x界") * draw.randint(513, 900), long_text)
no_flag = either(number, array, mapping, word, one_of("true", "false", "yes", ""))
no_object = either(number, flag, array, word)
no_whole = either(
    lambda draw: draw.randint(0, 10**6) + draw.choice((0.5, 0.25, 0.001)),
    lambda draw: str(draw.randint(0, 10**6)),
    *(flag, array, mapping, beyond, word),
    lambda draw: -draw.randint(1, 10**6),
)
no_money = either(no_whole, lambda draw: 10**15 + draw.randint(1, 10**6), one_of(1e300, -1e300))
no_currency = either(
    one_of("", "eur", "EURO", "E", "€€€", "EU1", "E R"), number, array, mapping, flag, long_text, spoiled
)


def no_texts(draw: Random) -> Any:
    item = draw.choice((number, flag, array, mapping, spoiled, long_text))(draw)
    listed = [*(word(draw) for _ in range(draw.randint(0, 3))), item]
    return draw.choice((word(draw), number(draw), flag(draw), mapping(draw), listed, ["a"] * draw.randint(101, 300)))


def _no_moment(draw: Random) -> Any:
    year, month, day = draw.randint(1990, 2030), draw.randint(1, 12), draw.randint(1, 28)
    return draw.choice(
        (
            f"{year}-{month:02}-{day:02}",  # no time, no zone
            f"{year}-{month:02}-{day:02}T10:00:00",
            f"{year}-{draw.randint(13, 99)}-{day:02}T10:00:00Z",
            f"{year}-02-{draw.randint(30, 99)}T10:00:00Z",
            f"{year}-{month:02}-{day:02}T{draw.randint(25, 99)}:00:00Z",
            f"{year}-{month:02}-{day:02}T10:00:00+{draw.randint(24, 99)}:00",
            f"{draw.randint(10_000, 99_999)}-01-01T00:00:00Z",
            f"-{year}-01-01T00:00:00Z",
            f"{month}/{day}/{year}",
            f"0000-{month:02}-{day:02}T00:00:00Z",
            # By their offsets they lie outside of the calendar.
            f"9999-12-31T23:{draw.randint(10, 59)}:00-{draw.randint(1, 14):02}:00",
            f"0001-01-01T00:{draw.randint(10, 59)}:00+{draw.randint(1, 14):02}:00",
        )
    )


no_time = either(
    _no_moment, _no_moment, number, flag, array, mapping, spoiled, long_text, one_of("", "T", "now", "yesterday")
)
#: For what must have happened lately.
no_recent_time = either(
    no_time,
    lambda draw: f"{draw.choice(('9999', '2999', '0001', '1000', '1969'))}-01-{draw.randint(10, 28)}T00:00:00Z",
)


def no_birthday(draw: Random) -> Any:
    month, day = draw.randint(1, 12), draw.randint(10, 28)
    odd = (f"{month:02}-{day}", f"199-{month:02}-{day}", f"1990-13-{day}", f"--{month:02}-32", f"1990-02-{day + 20}")
    return draw.choice((*odd, "", f"0000-{month:02}-{day}", number(draw), array(draw), mapping(draw), spoiled(draw)))


def no_attributes(draw: Random) -> Any:
    return draw.choice(
        (
            no_object(draw),
            nested(draw, 9, 900),
            {word(draw): spoiled(draw)},
            {spoiled(draw): 1},
            {word(draw): [1, {"a": [spoiled(draw)]}]},
            {word(draw): "x" * draw.randint(4_001, 9_000)},
            {word(draw): long_text(draw)},
        )
    )


def no_filter(draw: Random) -> Any:
    """Conditions that are none, as text and as JSON."""
    name = draw.choice(("colour", "user", word(draw), "x" * draw.choice((300, LARGE))))
    return draw.choice(
        (
            *(number(draw), flag(draw), array(draw), "", {}, "(" * draw.randint(1, 15_000), "not " * 4_000),
            *(f"region {word(draw)}", "region =", f'region = "{word(draw)}', "region = 'a'", f"{word(draw)} = = 1"),
            *("attributes.a = 1e999", f"attributes.a = {'9' * 6_000}", "attributes.a in ()", 'region = "\\x41"'),
            *(f"attributes.a = 1 and {spoiled(draw)}", f'attributes.a = "{spoiled(draw)}"', "a" * 30_000),
            {"field": name, "op": "=", "value": 1},
            {"field": "attributes.a", "op": draw.choice(("~", "", 3, [], None, {}))},
            {"field": "attributes.a", "op": "=", "value": draw.choice(([], {}, None, 10**400, spoiled(draw)))},
            {"field": f"attributes.{spoiled(draw)}", "op": "=", "value": 1},
            {"field": draw.choice((3, None, [])), "op": "=", "value": 1},
            {draw.choice(("all", "any")): draw.choice(([], 3, [3], {}, [{"not": []}]))},
            {"all": [{"field": "attributes.a", "op": "=", "value": 1}] * draw.randint(501, 4_000)},
            {"not": nested(draw, 1, 900)},
            {"all": [], "any": []},
        )
    )
