"""The till: how validations, reservations and redemptions come to their answer, all three in the same steps.

Facts are read, codes judged, the basket priced, and the plan handed to the ledger, which takes it whole, refuses it
with the counters that have no room, or says that the facts changed meanwhile: then it begins again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import CouponRefused, Overloaded, TooManyTries
from engine.storage.coupon_ledger import note_wrong_code, read_facts, settle
from engine.storage.ledger import LedgerPool
from engine.targeting.counting import Hold
from engine.targeting.eligibility import Issue, ends_at
from engine.targeting.settling import Coupon, Facts, Mode, Plan, Told
from serving.actions.known_customers import Knows, held_eligible, known_shopper, nobody_knows
from serving.actions.quotes import OfferBook, Quote, quote, with_documents
from serving.actions.use_plan import Ask, plan_of

#: Codes that cannot be used which one asker may try for one user, a minute.
MOST_WRONG = 10
_WRONG_SECONDS = 60
_MOST_TURNS = 8
#: The documents of items by their ids, of those that have one; None while they cannot be read.
Items = Callable[[Sequence[str]], Mapping[str, Mapping[str, Any]] | None]


def nothing_said(_item_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]] | None:
    """Where nobody keeps what the shop says of its items."""
    return None


@dataclass(frozen=True, slots=True)
class Till:
    """The ledger, what the shop's clock is ahead of real time in seconds, its zone, and the offers read so far.

    `knows` tells what Hawker knows of a customer, `ready_made` which segments every shop has, and `items` what the shop
    said of items; both wait for the live store and are asked only where an offer depends on it.
    """

    ledger: LedgerPool
    offset: float
    zone: str
    book: OfferBook
    knows: Knows = nobody_knows
    ready_made: frozenset[str] = frozenset()
    items: Items = nothing_said


@dataclass(frozen=True, slots=True)
class Settled:
    """The answer, of now or as it was given before."""

    told: Told
    replayed: bool = False


#: What is answered where the plan with this id comes true.
Words = Callable[[str, Facts, Quote], Mapping[str, Any]]


def settle_basket(
    till: Till, ask: Ask, mode: Mode, words: Words, *, seconds: float = 0.0, status: int = 200
) -> Settled:
    """All of the codes or none of them. A reservation holds for `seconds`.

    Raises CouponRefused with the reasons, TooManyTries, BadInput, NotAllowed and StoreUnavailable.
    """
    if len(set(ask.codes)) < len(ask.codes):
        raise CouponRefused("a code comes twice", [_reason("code_twice", "name each code once")])
    for _ in range(_MOST_TURNS):
        facts = read_facts(
            till.ledger,
            ask.codes,
            offset=till.offset,
            once=ask.once,
            guesser=_guesser(ask),
            order_id=ask.order_id,
            reservation=ask.reservation_id,
        )
        if facts.told is not None:
            return Settled(facts.told, replayed=True)
        _check(till, ask, facts)
        held = facts.reservation
        priced_at = held.created_at if held is not None else facts.now
        found = _quoted(till, ask, facts, priced_at)
        plan = plan_of(
            ask, facts, found, mode, at=priced_at, offset=till.offset, zone=till.zone, seconds=seconds, status=status
        )
        text = json.dumps(words(plan.id, facts, found), ensure_ascii=False)
        outcome = settle(till.ledger, plan, text)
        if outcome.kind == "done":
            return Settled(Told(status, text))
        if outcome.kind == "replay":
            assert outcome.told is not None
            return Settled(outcome.told, replayed=True)
        if outcome.kind == "refused":
            raise _full(plan, outcome.keys) if not outcome.order_taken else _taken()
    raise Overloaded("too many use this coupon at once; ask again in a moment", code="coupon_busy")


def _check(till: Till, ask: Ask, facts: Facts) -> None:
    """Codes that cannot be used are refused alike, whatever is wrong with them, but to whom they belong."""
    if facts.wrong_tries >= MOST_WRONG:
        raise TooManyTries("too many codes were tried that cannot be used", seconds=_WRONG_SECONDS)
    held = facts.reservation
    if ask.reservation_id is not None:
        if held is None or not held.live or held.user_id != ask.user_id:
            told = _reason("reservation_over", "the reservation is over, or never was; reserve again")
            raise CouponRefused("the reservation is over", [told], field="reservation_id")
        if sorted(held.codes) != sorted(ask.codes):
            told = _reason("reservation_mismatch", "the reservation is for other codes")
            raise CouponRefused("the reservation is for other codes", [told], field="reservation_id")
    if facts.order_taken:
        raise _taken()
    wrong = [
        reason
        for code in ask.codes
        if (reason := _fault(facts.coupons.get(code), code, ask.user_id, facts, held=held is not None))
    ]
    if wrong:
        raise refused_codes(till, ask, wrong)


def refused_codes(till: Till, ask: Ask, wrong: Sequence[Mapping[str, Any]]) -> CouponRefused:
    """The refusal of codes that cannot be used, which is counted against who tried them."""
    note_wrong_code(till.ledger, _guesser(ask))
    return CouponRefused("a code cannot be used", wrong)


def _fault(
    coupon: Coupon | None, code: str, user_id: str | None, facts: Facts, *, held: bool
) -> Mapping[str, Any] | None:
    if coupon is not None:
        over = coupon.expires_at is not None and coupon.expires_at <= facts.now
        used = coupon.max_uses is not None and coupon.uses >= coupon.max_uses
        foreign = coupon.user_id is not None and coupon.user_id != user_id
        if not foreign and not coupon.disabled and (held or not (over or used)):
            return None
        if coupon.user_id is not None and not foreign:
            why = "disabled" if coupon.disabled else "expired" if over else "used"
            return _reason(f"coupon_{why}", f"this coupon is {why}", coupon=code)
    return not_usable(code)


def not_usable(code: str) -> Mapping[str, Any]:
    """What is said of a code that is unknown, expired, used or somebody else's."""
    return _reason("code_not_usable", "this code cannot be used", coupon=code)


def _quoted(till: Till, ask: Ask, facts: Facts, moment: float) -> Quote:
    coupons = [facts.coupons[code] for code in ask.codes]
    offers = till.book.read(till.ledger, [(each.offer_id, each.version) for each in coupons])
    shopper = known_shopper(
        till.ledger,
        ask.shopper,
        # A code whose offer is over is refused as fast as one that nobody knows.
        [each.offer for each in offers.values() if (ends_at(each.offer, Issue()) or moment + 1) > moment],
        user_id=ask.user_id,
        order_id=ask.order_id,
        ready_made=till.ready_made,
        knows=till.knows if facts.reservation is None else held_eligible,
    )
    basket, documents = ask.basket, None
    if any(each.offer.asks_of_items for each in offers.values()):
        documents = till.items(list(dict.fromkeys(each.item_id for each in basket.lines)))
        basket = basket if documents is None else with_documents(basket, documents)
    known = documents is not None
    found = quote(offers, basket, coupons, shopper, moment, till.zone, items_known=known)
    if not found.refused:
        return found
    # That an offer is over is told to whom the coupon belongs; to others it is a code that cannot be used.
    owned = {each.code for each in coupons if each.user_id is not None}
    hidden = [each for each in found.refused if each["code"] in _OVER and each.get("coupon") not in owned]
    if hidden:
        raise refused_codes(till, ask, [not_usable(str(each["coupon"])) for each in hidden])
    raise CouponRefused(str(found.refused[0]["message"]), found.refused)


_OVER = frozenset({"expired"})


def _full(plan: Plan, keys: Sequence[str]) -> CouponRefused:
    """What has no room left, told with the coupon that wanted it."""
    full = [full_reason(hold, use.code) for use in plan.uses for hold in use.holds if hold.key in keys]
    return CouponRefused("as many as promised are used", full)


def full_reason(hold: Hold, code: str) -> Mapping[str, Any]:
    """Why a counter without room speaks against a code."""
    kind, of, per = str(json.loads(hold.key)[0]).split(" ")
    when = "" if per == "total" else f" for this {per}"
    told = f"the budget is spent{when}" if kind == "money" else f"as many as promised are used{when}"
    return _reason("budget_spent" if kind == "money" else "limit_reached", told, coupon=code, of=of, per=per)


def _taken() -> CouponRefused:
    told = _reason("order_redeemed", "this order has redeemed already; send all its codes in one call")
    return CouponRefused("this order has redeemed already", [told], field="order_id")


def _reason(code: str, message: str, *, coupon: str | None = None, **more: Any) -> Mapping[str, Any]:
    return {"code": code, "message": message, **({} if coupon is None else {"coupon": coupon}), **more}


def _guesser(ask: Ask) -> str:
    return json.dumps([ask.asker, ask.user_id])
