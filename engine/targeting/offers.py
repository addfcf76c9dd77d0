"""Offer: what a marketer promises, checked once and frozen, from its JSON form and back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.expression import Expression
from engine.targeting.benefits import Benefit, benefit, benefit_document
from engine.targeting.money import LARGEST_MONEY, percent_of
from engine.targeting.offer_caps import Budget, Limit, read_budgets, read_limit
from engine.targeting.scope import scope
from engine.targeting.terms_reader import (
    Part,
    choice,
    currency,
    duration,
    flag,
    hours,
    id_text,
    list_of,
    moment,
    refuse,
    some_money,
    text,
    whole,
    written,
)

LANGUAGES = ("en", "zh")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CODES = ("none", "generic", "unique")


@dataclass(frozen=True, slots=True)
class Text:
    """One text in the languages in which it was given."""

    en: str | None = None
    zh: str | None = None

    def of(self, language: str) -> str:
        return (self.zh or self.en if language == "zh" else self.en or self.zh) or ""


@dataclass(frozen=True, slots=True)
class Minimum:
    """What must be in the basket, or of the scope in it, `when` before or after what other offers took off."""

    amount: int | None = None
    quantity: int | None = None
    when: str = "before"
    of: str = "scope"


@dataclass(frozen=True, slots=True)
class Valid:
    """When it may be used. Days and hours are the shop's; a window over midnight belongs to the day it begins on."""

    from_: datetime | None = None
    until: datetime | None = None
    weekdays: tuple[str, ...] = ()
    hours: tuple[tuple[str, str], ...] = ()
    for_: str | None = None  # after issue, ISO 8601


@dataclass(frozen=True, slots=True)
class Eligible:
    """For whom: any of the segments, any of the tiers, a first order. Empty is everybody."""

    segments: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    first_order: bool = False


@dataclass(frozen=True, slots=True)
class Stacking:
    """How it goes with others: the higher priority is asked first, one of a group applies, `exclusive` is alone.

    `with_` are those that it suffers all the same, `without` those that it never does: offer ids, or group:NAME.
    `one_per_product` leaves products alone that another offer made cheaper, and others leave what it made cheaper.
    """

    group: str | None = None
    priority: int = 0
    exclusive: bool = False
    with_: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    one_per_product: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """All terms. `largest_discount` of one use and `profit_floor` (what each piece must bring above its cost, where
    that is known) in minor units of `currency`, which is None where no amount is named."""

    offer_id: str
    name: Text
    benefit: Benefit
    description: Text = Text()
    scope: Expression | None = None
    minimum: Minimum = Minimum()
    valid: Valid = Valid()
    eligible: Eligible = Eligible()
    stacking: Stacking = Stacking()
    largest_discount: int | None = None
    profit_floor: int | None = None
    limits: tuple[Limit, ...] = ()
    budgets: tuple[Budget, ...] = ()
    currency: str | None = None
    code: str = "unique"
    campaign_id: str | None = None

    @property
    def asks_of_items(self) -> bool:
        """Whether what it gives depends on what the shop said of its items, and not on the basket alone."""
        of_benefit = getattr(self.benefit.terms, "of", None)  # the scope of what is got for what is bought
        return self.scope is not None or self.profit_floor is not None or of_benefit is not None


def checked_offer(given: Any, *, shop_currency: str | None = None) -> Offer:
    """The offer of its JSON form. Raises BadInput that names the field and says what is wrong."""
    part = Part(given, "")
    offer = Offer(
        offer_id=part.need("offer_id", id_text),
        name=part.need("name", _text),
        benefit=part.need("benefit", benefit),
        description=part.may("description", _text, Text()),
        scope=part.may("scope", scope, None),
        minimum=part.may("minimum", _minimum, Minimum()),
        valid=part.may("valid", _valid, Valid()),
        eligible=part.may("eligible", _eligible, Eligible()),
        stacking=part.may("stacking", _stacking, Stacking()),
        largest_discount=part.may("largest_discount", some_money, None),
        profit_floor=part.may("profit_floor", whole(0, LARGEST_MONEY), None),
        limits=part.may("limits", list_of(read_limit, least=0), ()),
        budgets=read_budgets(part),
        currency=part.may("currency", currency, shop_currency),
        code=part.may("code", choice(*CODES), "unique"),
        campaign_id=part.may("campaign_id", id_text, None),
    )
    part.done()
    _check_whole(offer, shop_currency)
    return offer


def offer_document(offer: Offer) -> dict[str, Any]:
    """The JSON form, which `checked_offer` reads as the same offer."""
    return {**written(offer), "benefit": benefit_document(offer.benefit)}


def worth_of(offer: Offer) -> int | None:
    """What one use gives at most, or at least where there is no most; minor units, None where nobody can know."""
    known = offer.benefit.rules.worth(offer.benefit.terms)
    rate = getattr(offer.benefit.terms, "percent", None) if offer.benefit.kind == "percent" else None
    if rate and offer.minimum.amount:
        known = percent_of(offer.minimum.amount, rate)
    bounds = [each for each in (known, offer.largest_discount) if each is not None]
    if rate and offer.largest_discount:
        return offer.largest_discount
    return min(bounds, default=None)


def _check_whole(offer: Offer, shop_currency: str | None) -> None:
    if shop_currency is not None and offer.currency != shop_currency:
        refuse("currency", f"is {offer.currency}, but the shop's is {shop_currency}; a shop has one currency")
    amounts = (offer.largest_discount, offer.profit_floor, offer.minimum.amount, *offer.budgets)
    has_money = offer.benefit.rules.has_money(offer.benefit.terms) or any(each is not None for each in amounts)
    if has_money and offer.currency is None:
        refuse("currency", "is missing: the terms name amounts")
    worth = worth_of(offer)
    for each in offer.budgets:
        if worth is not None and each.amount < worth:
            refuse("budgets", f"{each.amount} is under what one use gives, {worth}; raise it or lower the benefit")
    for name, counted in (("limits", offer.limits), ("budgets", offer.budgets)):
        seen = [(each.of, each.per) for each in counted]
        if len(set(seen)) < len(seen):
            refuse(name, "says the same limit twice; name each `of` and `per` once")
        if offer.campaign_id is None and any("campaign" in each.of for each in counted):
            refuse("campaign_id", f"is missing: {name} are counted for the campaign")
    if offer.valid.for_ is not None and offer.code == "none":
        refuse("valid.for", "counts from the issue of a code, and there is none; say until")


def _text(value: Any, path: str) -> Text:
    if isinstance(value, str):
        return Text(en=text(value, path))
    part = Part(value, path)
    found = Text(*(part.may(each, text, None) for each in LANGUAGES))
    part.done()
    if found == Text():
        refuse(path, f"is empty; say it in one of {', '.join(LANGUAGES)}")
    return found


def _minimum(value: Any, path: str) -> Minimum:
    part = Part(value, path)
    found = Minimum(
        part.may("amount", some_money, None),
        part.may("quantity", whole(1, 10**9), None),
        part.may("when", choice("before", "after"), "before"),
        part.may("of", choice("scope", "basket"), "scope"),
    )
    part.done()
    if found.amount is None and found.quantity is None:
        refuse(path, "needs an amount, a quantity or both")
    return found


def _valid(value: Any, path: str) -> Valid:
    part = Part(value, path)
    found = Valid(
        part.may("from", moment, None),
        part.may("until", moment, None),
        part.may("weekdays", list_of(choice(*WEEKDAYS), most=7), ()),
        part.may("hours", list_of(hours, most=24), ()),
        part.may("for", duration, None),
    )
    part.done()
    if found.from_ and found.until and found.from_ >= found.until:
        refuse(part.path("until"), "must lie after from")
    return found


def _eligible(value: Any, path: str) -> Eligible:
    part = Part(value, path)
    found = Eligible(
        part.may("segments", list_of(id_text, least=0), ()),
        part.may("tiers", list_of(id_text, least=0), ()),
        part.may("first_order", flag, False),
    )
    part.done()
    return found


def _stacking(value: Any, path: str) -> Stacking:
    part = Part(value, path)
    found = Stacking(
        part.may("group", id_text, None),
        part.may("priority", whole(-1_000_000, 1_000_000), 0),
        part.may("exclusive", flag, False),
        part.may("with", list_of(id_text, least=0), ()),
        part.may("without", list_of(id_text, least=0), ()),
        part.may("one_per_product", flag, False),
    )
    part.done()
    if both := set(found.with_) & set(found.without):
        refuse(part.path("without"), f"names {min(both)!a}, which with does, too")
    return found
