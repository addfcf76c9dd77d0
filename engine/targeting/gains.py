"""Gains: what one offer can reach in a basket, and what it gives there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from engine.expression import Expression
from engine.expression_row import matches
from engine.targeting.basket import Pieces
from engine.targeting.money import part_of
from engine.targeting.terms_reader import Part


@dataclass(frozen=True, slots=True)
class Gift:
    """`value` is what one piece costs the shop, minor units, counted in budgets."""

    item_id: str
    quantity: int = 1
    value: int = 0


@dataclass(frozen=True, slots=True)
class Reach:
    """What an offer may act on: kinds of pieces in an order of their own, what is `left` to pay for each, which are
    `open` to it at all and which `inside` its scope, and what is left of the shipping."""

    pieces: tuple[Pieces, ...]
    left: tuple[int, ...]
    open: tuple[bool, ...]
    inside: tuple[bool, ...]
    shipping: int

    @property
    def total(self) -> int:
        """What is left to pay inside."""
        return sum(left for left, inside in zip(self.left, self.inside, strict=True) if inside)

    @property
    def quantity(self) -> int:
        return sum(each.quantity for each, inside in zip(self.pieces, self.inside, strict=True) if inside)

    def within(self, scope: Expression | None) -> tuple[bool, ...]:
        """Which open pieces are in another scope."""
        return tuple(
            is_open and (scope is None or matches(scope, each.row))
            for each, is_open in zip(self.pieces, self.open, strict=True)
        )

    def weights(self) -> tuple[int, ...]:
        return tuple(left if inside else 0 for left, inside in zip(self.left, self.inside, strict=True))

    def dearest_first(self, inside: Sequence[bool]) -> list[int]:
        """Places of kinds of pieces, by what is left to pay for one."""
        places = [place for place, is_in in enumerate(inside) if is_in]
        return sorted(places, key=lambda place: (-Fraction(self.left[place], self.pieces[place].quantity), place))

    def part(self, place: int, pieces: int, percent: float) -> int:
        """A percentage of what is left to pay for some pieces of a kind."""
        return part_of(self.left[place], percent, pieces=pieces, of=self.pieces[place].quantity)


@dataclass(frozen=True, slots=True)
class Gain:
    """`off` by kind of pieces and `shipping` off, minor units; gifts; points."""

    off: tuple[int, ...] = ()
    shipping: int = 0
    gifts: tuple[Gift, ...] = ()
    points: int = 0

    @property
    def is_nothing(self) -> bool:
        return not (any(self.off) or self.shipping or self.gifts or self.points)


@dataclass(frozen=True, slots=True)
class Speech:
    """In which words a benefit is told: en or zh, and amounts of which currency."""

    language: str
    money: Callable[[int], str]

    @property
    def is_chinese(self) -> bool:
        return self.language == "zh"


@dataclass(frozen=True, slots=True)
class BenefitKind:
    """A kind of benefit.

    `read` makes its terms of the JSON, `compute` what they give, `told` a part of a sentence. `phase` is its turn among
    offers of one priority, small first; those that are `last` look at what is to be paid in the end. `moves` lets what
    a line cannot take (its profit floor) be taken off the others. `worth` is what one use gives if that is known
    before, minor units; `has_money` says whether the terms hold amounts, which need a currency.
    """

    read: Callable[[Part], Any]
    compute: Callable[[Any, Reach], Gain]
    told: Callable[[Any, Speech], str]
    phase: int
    moves: bool = False
    last: bool = False
    worth: Callable[[Any], int | None] = lambda terms: None
    has_money: Callable[[Any], bool] = lambda terms: False
