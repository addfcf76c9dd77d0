"""Offers of a user: what they could bring to the till, limits and budgets included."""

from __future__ import annotations

from engine.storage.coupon_wallet import coupons_of, read_counters
from engine.targeting.counting import Hold, day_of, holds_of
from engine.targeting.reasons import REASONS
from serving.actions.quotes import window_fault
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
    used = read_counters(till.ledger, {hold.key for each in holds.values() for hold in each})
    found: list[dict[str, object]] = []
    for each in coupons:
        known = offers[each.offer_id, each.version]
        reasons = [
            full_reason(hold, each.code)
            for hold in holds[each.code]
            if hold.cap is not None and used.get(hold.key, 0) + hold.add > hold.cap
        ]
        if why := window_fault(known.offer, now, till.zone):
            reasons.append({"code": why, "message": REASONS[why], "coupon": each.code})
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
