"""Control: what somebody wishes of a list beyond its ranking: filters, boosts, pins, promotions, variety.

The same words stand in a request and in a placement's configuration. What removes wins over what places, and what
places over what orders: first what may not be shown (not on sale, excluded, in view, dismissed, hidden, not passing the
filter), then pins, promotions, variety, boosts. The answer tells of each pin that lost, of a promotion or
a filter that lost all it asked for, and of variety that pins or promotions left no room for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

from engine.errors import BadInput
from engine.expression import Choice, Constant, Expression, Joined, Not, moment_of, names_in
from engine.recommend.wishes import SECRET, parse_condition, parse_number

MOST_RULES = 50  # boosts, pins and promotions each
ALWAYS = (float("-inf"), float("inf"))


@dataclass(frozen=True, slots=True)
class Boost:
    """A factor on how much an item fits; `window` says from when until when (epoch seconds)."""

    factor: Expression
    window: tuple[float, float] = ALWAYS


@dataclass(frozen=True, slots=True)
class Pin:
    """`position` counts from 1."""

    item_id: str
    position: int
    window: tuple[float, float] = ALWAYS


@dataclass(frozen=True, slots=True)
class Promotion:
    """A `share` of the list's places for what fulfils a condition."""

    condition: Expression
    share: float
    window: tuple[float, float] = ALWAYS


@dataclass(frozen=True, slots=True)
class Control:
    """`most` are (field, number): so many items of one brand, category or attribute; `mmr` 0 to 1 weighs variety.

    Without `fills` what stands in is left out, and a list may stay short.
    """

    filter: Expression | None = None
    hide: Expression | None = None
    boosts: tuple[Boost, ...] = ()
    pins: tuple[Pin, ...] = ()
    promotions: tuple[Promotion, ...] = ()
    mmr: float = 0.0
    most: tuple[tuple[str, int], ...] = ()
    rotation: float = 0.0
    fills: bool = True

    @property
    def condition(self) -> Expression | None:
        """What an item must fulfil: the filter, and not what is hidden."""
        if self.hide is None:
            return self.filter
        shown: Any = Not(self.hide)
        return shown if self.filter is None else Joined("all", (self.filter, shown))

    @property
    def arranges(self) -> bool:
        """Whether the list is more than the best by score."""
        return bool(self.pins or self.promotions or self.mmr or self.most)

    def formulas(self) -> tuple[Expression, ...]:
        if self.filter is None and self.hide is None and not self.boosts and not self.promotions:
            return ()
        parts = (self.filter, self.hide, *(each.factor for each in self.boosts))
        return (*(each for each in parts if each is not None), *(each.condition for each in self.promotions))

    @property
    def asks_user(self) -> bool:
        """Whether what the shop said of the user must be known."""
        return any(whose == "user" for each in self.formulas() for whose, _ in names_in(each))

    @property
    def asks_secrets(self) -> bool:
        return any(field in SECRET for each in self.formulas() for _, field in names_in(each))


NOTHING = Control()
_NAMES = ("filter", "hide", "boost", "pin", "promote", "diversity", "rotation", "fill")


def control_of(given: Mapping[str, Any]) -> Control:
    """From the fields of a request or of a placement, those that are there. Raises BadInput with field and place."""
    if given.get("fill", True) is True and not any(given.get(name) is not None for name in _NAMES[:-1]):
        return NOTHING
    mmr, most = _variety(given.get("diversity"))
    fills = given.get("fill", True)
    if not isinstance(fills, bool):
        raise BadInput("fill: must be true or false", field="fill")
    return Control(
        filter=_condition(given, "filter"),
        hide=_condition(given, "hide"),
        boosts=tuple(_boosts(given.get("boost"))),
        pins=tuple(_pins(given.get("pin"))),
        promotions=tuple(_promotions(given.get("promote"))),
        mmr=mmr,
        most=most,
        rotation=0.0 if given.get("rotation") is None else _share(given["rotation"], "rotation"),
        fills=fills,
    )


def joined(saved: Control, asked: Control) -> Control:
    """Both: what is saved for a placement, and what one request wishes; the request's pins and variety come first."""
    if saved is NOTHING or asked is NOTHING:
        return asked if saved is NOTHING else saved
    return replace(
        asked,
        filter=_both("all", saved.filter, asked.filter),
        hide=_both("any", saved.hide, asked.hide),
        boosts=(*saved.boosts, *asked.boosts),
        pins=(*asked.pins, *saved.pins),
        promotions=(*asked.promotions, *saved.promotions),
        mmr=asked.mmr or saved.mmr,
        most=asked.most or saved.most,
        rotation=asked.rotation or saved.rotation,
        fills=asked.fills and saved.fills,
    )


def _both(how: Any, one: Expression | None, other: Expression | None) -> Expression | None:
    if one is None or other is None:
        return other if one is None else one
    return Joined(how, (one, other))


def _condition(given: Mapping[str, Any], name: str) -> Expression | None:
    return None if given.get(name) is None else parse_condition(given[name], name)


def _boosts(given: Any) -> list[Boost]:
    if isinstance(given, str):
        return [Boost(parse_number(given))]
    found = []
    for place, each in enumerate(_listed(given, "boost", ("when", "factor", "from", "until"))):
        factor = each.get("factor")
        if isinstance(factor, str):
            said = parse_number(factor)
        elif _is_number(factor) and 0 < factor <= 1_000_000:
            said = Constant("number", factor)
        else:
            raise BadInput(
                "boost: factor must be a number above 0, or a formula of one", field="boost.factor", position=place
            )
        if each.get("when") is not None:
            said = Choice(parse_condition(each["when"], "boost"), said, Constant("number", 1), "number")
        found.append(Boost(said, _window(each, "boost", place)))
    return found


def _pins(given: Any) -> list[Pin]:
    found = []
    for place, each in enumerate(_listed(given, "pin", ("item_id", "position", "from", "until"))):
        if not isinstance(each.get("item_id"), str) or not each["item_id"]:
            raise BadInput("pin: item_id must be an item's id", field="pin.item_id", position=place)
        position = each.get("position")
        if not _is_number(position) or position != int(position) or not 1 <= position <= 100:
            raise BadInput("pin: position must be 1 to 100", field="pin.position", position=place)
        found.append(Pin(each["item_id"], int(position), _window(each, "pin", place)))
    return found


def _promotions(given: Any) -> list[Promotion]:
    found = []
    for place, each in enumerate(_listed(given, "promote", ("filter", "share", "from", "until"))):
        if each.get("filter") is None:
            raise BadInput("promote: filter must say what is promoted", field="promote.filter", position=place)
        condition = parse_condition(each["filter"], "promote")
        share = _share(each.get("share"), "promote.share", position=place)
        found.append(Promotion(condition, share, _window(each, "promote", place)))
    return found


def _variety(given: Any) -> tuple[float, tuple[tuple[str, int], ...]]:
    if given is None:
        return 0.0, ()
    if not isinstance(given, Mapping):
        return _share(given, "diversity"), ()
    limits = given.get("max", {})
    if set(given) - {"mmr", "max"} or not isinstance(limits, Mapping):
        raise BadInput("diversity: is a number of 0 to 1, or has mmr and max", field="diversity")
    most = []
    for name, number in limits.items():
        plain = name in ("brand", "category") or (name.startswith("attributes.") and len(name) > 11)
        if not plain:
            raise BadInput(
                f"diversity: max is by brand, category or an attribute, not by {name!a}", field="diversity.max"
            )
        if not _is_number(number) or number != int(number) or not 1 <= number <= 100:
            raise BadInput(f"diversity: max of {name!a} must be 1 to 100", field="diversity.max")
        most.append((name, int(number)))
    if len(most) > 5:
        raise BadInput("diversity: max names at most 5 fields", field="diversity.max")
    return _share(given.get("mmr", 0.0), "diversity.mmr"), tuple(most)


def _listed(given: Any, name: str, known: Sequence[str]) -> list[Mapping[str, Any]]:
    if given is None:
        return []
    if type(given) is not list or len(given) > MOST_RULES:
        raise BadInput(f"{name}: must be a list of at most {MOST_RULES}", field=name)
    for place, each in enumerate(given):
        odd = [f"{key!a}" for key in each if key not in known] if isinstance(each, Mapping) else ["no object"]
        if odd:
            raise BadInput(f"{name}: has {', '.join(known)}, not {odd[0]}", field=name, position=place)
    return list(given)


def _window(each: Mapping[str, Any], name: str, place: int) -> tuple[float, float]:
    found = []
    for key, default in zip(("from", "until"), ALWAYS, strict=True):
        moment = moment_of(each[key]) if each.get(key) is not None else None
        if moment is None and each.get(key) is not None:
            told = f'{name}: {key} must be a time with its zone, such as "2026-01-31T12:00:00Z"'
            raise BadInput(told, field=f"{name}.{key}", position=place)
        found.append(default if moment is None else moment.timestamp())
    if found[0] >= found[1]:
        raise BadInput(f"{name}: until must lie after from", field=f"{name}.until", position=place)
    return found[0], found[1]


def _share(value: Any, name: str, *, position: int | None = None) -> float:
    if not _is_number(value) or not 0 <= value <= 1:
        raise BadInput(f"{name}: must be a number of 0 to 1", field=name, position=position)
    return float(value)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return type(value) in (int, float)
