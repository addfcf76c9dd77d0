"""Basket: what somebody is about to buy, line by line, and the same as pieces that are alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.errors import BadInput
from engine.targeting.money import LARGEST_MONEY, dealt
from engine.targeting.scope import fields_of_line
from engine.targeting.terms_reader import Part, Read, currency, id_text, money, refuse, whole

MOST_LINES, MOST_PIECES = 500, 1_000_000


@dataclass(frozen=True, slots=True)
class Line:
    """`unit_price`, `list_price` and `cost` of one piece in minor units; `fields` the item's document, for scopes."""

    item_id: str
    quantity: int
    unit_price: int
    list_price: int | None = None
    cost: int | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def subtotal(self) -> int:
        return self.quantity * self.unit_price


@dataclass(frozen=True, slots=True)
class Basket:
    """Raises BadInput for what no basket can be: no line, negative or overflowing money."""

    lines: tuple[Line, ...]
    currency: str
    shipping: int = 0

    def __post_init__(self) -> None:
        if not 1 <= len(self.lines) <= MOST_LINES:
            raise BadInput(f"basket.lines: must be a list of 1 to {MOST_LINES}", field="basket.lines")
        for place, line in enumerate(self.lines):
            for name, value, most in (
                ("quantity", line.quantity - 1, MOST_PIECES - 1),
                *((name, getattr(line, name), LARGEST_MONEY) for name in ("unit_price", "list_price", "cost")),
            ):
                if value is not None and not 0 <= value <= most:
                    path = f"basket.lines[{place}].{name}"
                    raise BadInput(f"{path}: must not be negative, nor above {most}", field=path)
        if not 0 <= self.shipping <= LARGEST_MONEY:
            raise BadInput("basket.shipping: must not be negative", field="basket.shipping")
        if self.subtotal + self.shipping > LARGEST_MONEY:
            raise BadInput(f"basket.lines: are worth more than {LARGEST_MONEY} minor units", field="basket.lines")

    @property
    def subtotal(self) -> int:
        return sum(each.subtotal for each in self.lines)


@dataclass(frozen=True, slots=True)
class Pieces:
    """All pieces of a basket that are alike, of whichever line, so that nothing depends on how lines are cut.

    `lines` are the places of their lines with the number of pieces in each; `row` is what scopes are asked of.
    """

    item_id: str
    quantity: int
    unit_price: int
    cost: int | None
    row: Mapping[str, Any]
    lines: tuple[tuple[int, int], ...]

    @property
    def subtotal(self) -> int:
        return self.quantity * self.unit_price

    def to_lines(self, before: int, amount: int) -> list[tuple[int, int]]:
        """Places of lines and their shares of an amount, when `before` has been taken off all pieces already.

        Units are dealt out piece by piece in a circle that goes on where it stopped, so that no piece gets more than it
        costs and a share for some pieces of a line is known to the unit.
        """
        found, first = [], 0
        for place, quantity in self.lines:
            after = first + quantity
            share = [
                dealt(before + amount, self.quantity, piece) - dealt(before, self.quantity, piece)
                for piece in (first, after)
            ]
            found.append((place, share[1] - share[0]))
            first = after
        return found


def alike(basket: Basket) -> tuple[Pieces, ...]:
    """The basket's pieces in an order that does not depend on the order of its lines."""
    of_item: dict[str, int] = {}
    for line in basket.lines:
        of_item[line.item_id] = of_item.get(line.item_id, 0) + 1
    found: dict[tuple[str, int, int, int, str], list[int]] = {}
    for place, line in enumerate(basket.lines):
        # Lines of one item may still carry different fields.
        told = json.dumps(line.fields, sort_keys=True, default=str) if of_item[line.item_id] > 1 else ""
        prices = [-1 if each is None else each for each in (line.list_price, line.cost)]
        found.setdefault((line.item_id, line.unit_price, prices[0], prices[1], told), []).append(place)
    return tuple(_pieces(basket, found[key]) for key in sorted(found))


def _pieces(basket: Basket, places: Sequence[int]) -> Pieces:
    line = basket.lines[places[0]]
    prices = {"price": line.unit_price, "list_price": line.list_price, "cost": line.cost}
    lines = sorted(((place, basket.lines[place].quantity) for place in places), key=lambda each: (each[1], each[0]))
    return Pieces(
        line.item_id,
        sum(quantity for _, quantity in lines),
        line.unit_price,
        line.cost,
        fields_of_line(line.item_id, line.fields, prices),
        tuple(lines),
    )


def checked_basket(given: Any, items: Mapping[str, Mapping[str, Any]]) -> Basket:
    """The basket of its JSON form `{"currency", "shipping", "lines": [{"item_id", "quantity", "unit_price"}]}`.

    `items` are the documents of its items, as far as there are any: they give cost, list price and what scopes ask for,
    and the price where the line says none. Raises BadInput that names the field.
    """
    part = Part(given, "basket")
    said = part.need("currency", currency)
    shipping = part.may("shipping", money, 0)

    def line(value: Any, path: str) -> Line:
        return _line(Part(value, path), items, said)

    lines = part.need("lines", _any_lines(line))
    part.done()
    return Basket(lines, said, shipping)


def _any_lines(line: Read[Line]) -> Read[tuple[Line, ...]]:
    def read(value: Any, path: str) -> tuple[Line, ...]:
        if type(value) is not list or not 1 <= len(value) <= MOST_LINES:
            refuse(path, f"must be a list of 1 to {MOST_LINES}")
        return tuple(line(each, f"{path}[{place}]") for place, each in enumerate(value))

    return read


def _line(part: Part, items: Mapping[str, Mapping[str, Any]], said: str) -> Line:
    item_id = part.need("item_id", id_text)
    fields = items.get(item_id, {})
    quantity = part.may("quantity", whole(1, MOST_PIECES), 1)
    price = part.may("unit_price", money, fields.get("price"))
    if price is None:
        raise BadInput(f"{part.path('unit_price')}: is missing, nor is it known", field=part.path("unit_price"))
    of_line = part.may("currency", currency, fields.get("currency") or said)
    if of_line != said:
        path = part.path("currency")
        raise BadInput(f"{path}: is {of_line}, but the basket is in {said}; one order has one currency", field=path)
    listed = part.may("list_price", money, fields.get("list_price"))
    cost = part.may("cost", money, fields.get("cost"))
    part.done()
    return Line(item_id, quantity, price, listed, cost, fields)
