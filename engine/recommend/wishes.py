"""Wishes: what filters and boosts may speak of: the item that is judged, the one in view, who asks, the clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.expression import NOW, Expression, Fields, Kind
from engine.expression_forms import parse

_ITEM: Mapping[str, Kind] = {
    **dict.fromkeys(("item_id", "name", "brand", "category"), "text"),
    **dict.fromkeys(("categories", "tags"), "texts"),
    **dict.fromkeys(("price", "list_price", "cost", "margin", "stock"), "number"),
    **dict.fromkeys(("available_from", "available_until", "first_sold_at"), "time"),
    "available": "flag",
    "attributes.*": "any",
}
_USER: Mapping[str, Kind] = {
    **dict.fromkeys(("user_id", "region", "zone", "gender", "age_band", "birthday"), "text"),
    **dict.fromkeys(("orders", "days_since_order"), "number"),
    "attributes.*": "any",
}
FIELDS: Fields = {
    **_ITEM,
    **{f"context.{name}": kind for name, kind in _ITEM.items()},
    **{f"user.{name}": kind for name, kind in _USER.items()},
    NOW: "time",
}
#: What a shop does not show to everybody: a filter on it would tell.
SECRET = frozenset({"cost", "margin"})


def parse_condition(given: Any, word: str = "filter") -> Expression:
    """The condition of a text, or of the JSON form. BadInput names `word`, and in texts the character."""
    return parse(given, FIELDS, word=word, kind="flag")


def parse_number(given: str, word: str = "boost") -> Expression:
    """The formula of a number; of a condition becomes one with `if ... then ... else ...`."""
    return parse(given, FIELDS, word=word, kind="number")
