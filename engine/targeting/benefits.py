"""Benefits: the open table of what an offer may give. A new kind is one entry: how it is read, computed and told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.targeting.gains import BenefitKind, Gain, Gift, Reach, Speech
from engine.targeting.money import LARGEST_MONEY
from engine.targeting.money_benefits import MONEY_BENEFITS
from engine.targeting.piece_benefits import PIECE_BENEFITS
from engine.targeting.terms_reader import Part, choice, id_text, list_of, money, some_money, whole, written

_MOST_POINTS, _MOST_GIFTS = 10**9, 1_000


@dataclass(frozen=True, slots=True)
class Gifts:
    items: tuple[Gift, ...]


@dataclass(frozen=True, slots=True)
class FreeShipping:
    """At most `ceiling` off the shipping; None takes all."""

    ceiling: int | None = None


@dataclass(frozen=True, slots=True)
class Points:
    """`points` once, or for each full `every` that is paid within the scope (minor units); at most `ceiling` points."""

    points: int
    every: int | None = None
    ceiling: int | None = None


@dataclass(frozen=True, slots=True)
class Benefit:
    """`terms` are of the dataclass of the kind."""

    kind: str
    terms: Any

    @property
    def rules(self) -> BenefitKind:
        return BENEFITS[self.kind]


def benefit(given: Any, path: str) -> Benefit:
    """The checked benefit of `{"kind": ..., ...}`. Raises BadInput that names the field."""
    part = Part(given, path)
    kind = part.need("kind", choice(*BENEFITS))
    terms = BENEFITS[kind].read(part)
    part.done()
    return Benefit(kind, terms)


def benefit_document(given: Benefit) -> dict[str, Any]:
    """The JSON form, which `benefit` reads as the same."""
    return {"kind": given.kind, **written(given.terms)}


def _gift(value: Any, path: str) -> Gift:
    part = Part(value, path)
    found = Gift(
        part.need("item_id", id_text), part.may("quantity", whole(1, _MOST_GIFTS), 1), part.may("value", money, 0)
    )
    part.done()
    return found


def _points(terms: Points, reach: Reach) -> Gain:
    earned = terms.points if terms.every is None else reach.total // terms.every * terms.points
    return Gain(points=min(earned, terms.ceiling or _MOST_POINTS))


def _tell_gifts(terms: Gifts, speech: Speech) -> str:
    names = [each.item_id if each.quantity == 1 else f"{each.quantity} x {each.item_id}" for each in terms.items]
    return f"赠送{'、'.join(names)}" if speech.is_chinese else f"a gift: {', '.join(names)}"


def _tell_shipping(terms: FreeShipping, speech: Speech) -> str:
    if terms.ceiling is None:
        return "包邮" if speech.is_chinese else "free shipping"
    most = speech.money(terms.ceiling)
    return f"运费最多减{most}" if speech.is_chinese else f"up to {most} off the shipping"


def _tell_points(terms: Points, speech: Speech) -> str:
    if terms.every is None:
        return f"送{terms.points}积分" if speech.is_chinese else f"{terms.points} points"
    every = speech.money(terms.every)
    return f"每满{every}送{terms.points}积分" if speech.is_chinese else f"{terms.points} points for every {every} paid"


BENEFITS: dict[str, BenefitKind] = {
    **MONEY_BENEFITS,
    **PIECE_BENEFITS,
    "gift": BenefitKind(
        read=lambda part: Gifts(part.need("items", list_of(_gift, most=20))),
        compute=lambda terms, reach: Gain(gifts=terms.items),
        told=_tell_gifts,
        phase=70,
        worth=lambda terms: sum(each.quantity * each.value for each in terms.items),
        has_money=lambda terms: any(each.value for each in terms.items),
    ),
    "free_shipping": BenefitKind(
        read=lambda part: FreeShipping(part.may("ceiling", some_money, None)),
        compute=lambda terms, reach: Gain(shipping=min(reach.shipping, terms.ceiling or LARGEST_MONEY)),
        told=_tell_shipping,
        phase=60,
        has_money=lambda terms: terms.ceiling is not None,
    ),
    "points": BenefitKind(
        read=lambda part: Points(
            part.need("points", whole(1, _MOST_POINTS)),
            part.may("every", some_money, None),
            part.may("ceiling", whole(1, _MOST_POINTS), None),
        ),
        compute=_points,
        told=_tell_points,
        phase=80,
        last=True,
        has_money=lambda terms: terms.every is not None,
    ),
}
