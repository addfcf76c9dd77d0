"""Offers of a user: what they could bring to the till, limits and budgets included."""

from __future__ import annotations

from collections.abc import Collection

from engine.errors import StoreUnavailable
from engine.storage.coupon_wallet import coupons_of, read_counters
from engine.targeting.counting import Hold, day_of, holds_of
from engine.targeting.eligibility import Facts, Issue, who_and_when
from engine.targeting.known_customer import Shopper
from engine.targeting.offers import Offer
from serving.actions.known_customers import known_shopper
from serving.actions.till import Till, full_reason
from serving.wire import iso

MOST_OFFERS = 100


def offers_of_user(till: Till, user_id: str) -> list[dict[str, object]]:
    """The user's own coupons first, those that end soonest; then the codes for everybody. Raises StoreUnavailable."""
    now, coupons = coupons_of(till.ledger, user_id, offset=till.offset, limit=MOST_OFFERS)
    offers = till.book.read(till.ledger, [(each.offer_id, each.version) for each in coupons])
    holds: dict[str, tuple[Hold, ...]] = {}
    for each in coupons:
        known = offers[each.offer_id, each.version]
        holds[each.code] = holds_of(
            each.offer_id,
            each.campaign_id,
            user_id,
            caps=known.caps,
            counted=(),
            discount=1,
            day=day_of(now, till.zone),
        )
    shopper = _shopper(till, user_id, [each.offer for each in offers.values()])
    used = read_counters(till.ledger, {hold.key for each in holds.values() for hold in each})
    found: list[dict[str, object]] = []
    for each in coupons:
        known = offers[each.offer_id, each.version]
        reasons = [
            full_reason(hold, each.code)
            for hold in holds[each.code]
            if hold.cap is not None and used.get(hold.key, 0) + hold.add > hold.cap
        ]
        facts = Facts(user_id, shopper.segments, shopper.tiers, shopper.first_order, till.zone)
        issue = Issue(each.code, each.issued_at, each.user_id)
        reasons += [{**why.as_json(), "coupon": each.code} for why in who_and_when(known.offer, issue, facts, now)]
        found.append(
            {
                "code": each.code,
                "offer_id": each.offer_id,
                "version": each.version,
                "usable": not reasons,
                "reasons": reasons,
                "wording": dict(known.wording),
                "terms": dict(known.terms),
                "expires_at": None if each.expires_at is None else iso(each.expires_at),
            }
        )
    return found


def _shopper(till: Till, user_id: str, offers: Collection[Offer]) -> Shopper:
    """What Hawker knows speaks against offers; what only the shop can say does not yet."""
    said = Shopper(
        frozenset(name for each in offers for name in each.eligible.segments),
        frozenset(name for each in offers for name in each.eligible.tiers),
        first_order=True,
    )
    try:
        return known_shopper(
            till.ledger,
            said,
            offers,
            user_id=user_id,
            order_id=None,
            ready_made=till.ready_made,
            knows=till.knows,
        )
    except StoreUnavailable:  # the till will ask again
        return said
