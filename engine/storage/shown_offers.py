"""Shown offers: what a storefront keeps at hand of the active offers, to show prices without asking the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.storage.coupon_wallet import read_counters
from engine.storage.ledger import LedgerPool, at_once
from engine.storage.offer_documents import caps_of
from engine.storage.offer_ledger import read_versions
from engine.targeting.counting import day_of, holds_of
from engine.targeting.offers import Offer, checked_offer

#: Versions that are kept at hand, those of the newest offers.
MOST_VERSIONS = 2_000
#: Which version of which offer.
Version = tuple[str, int]

_ACTIVE = """
SELECT f.offer_id, v.version,
    EXISTS (SELECT FROM coupons c WHERE c.offer_id = f.offer_id AND c.version = v.version AND c.user_id IS NULL
            AND c.issued_at IS NOT NULL AND c.max_uses IS DISTINCT FROM 1 AND c.state = 'active'
            AND (c.max_uses IS NULL OR c.uses < c.max_uses)
            AND (c.expires_at IS NULL OR c.expires_at > to_timestamp(:now)))
FROM offers f JOIN offer_versions v ON v.offer_id = f.offer_id
WHERE f.state = 'active' ORDER BY f.created_at DESC, f.offer_id, v.version DESC LIMIT :most
"""


@dataclass(frozen=True, slots=True)
class ShownOffers:
    """Versions of active offers of which something is left; `for_all` are those with a code for everybody."""

    versions: Mapping[Version, Offer]
    for_all: tuple[Version, ...] = ()


def read_shown_offers(ledger: LedgerPool, known: Mapping[Version, Offer], *, now: float, zone: str) -> ShownOffers:
    """As the ledger stands at `now` (the shop's time, epoch seconds); `known` versions are not read again."""
    rows = at_once(ledger, _ACTIVE, now=now, most=MOST_VERSIONS)
    active = {(offer_id, version): is_for_all for offer_id, version, is_for_all in rows}
    fresh = read_versions(ledger, active.keys() - known.keys()) if active.keys() - known.keys() else []
    offers = {**known, **{(each.offer_id, each.version): checked_offer(dict(each.terms)) for each in fresh}}
    # An offer stays in its campaign, so that its terms know it.
    left = _with_something_left(ledger, {each: offers[each] for each in active}, now, zone)
    return ShownOffers(left, tuple(each for each, is_for_all in active.items() if is_for_all and each in left))


def _with_something_left(
    ledger: LedgerPool, offers: Mapping[Version, Offer], now: float, zone: str
) -> Mapping[Version, Offer]:
    """Those of which neither uses nor budget are gone for everybody."""
    holds = {
        version: holds_of(
            offer.offer_id,
            offer.campaign_id,
            None,
            caps={scope: cap for scope, cap in caps_of(offer).items() if not scope.of_customer},
            counted=(),
            discount=1,
            day=day_of(now, zone),
        )
        for version, offer in offers.items()
    }
    keys = {hold.key for each in holds.values() for hold in each}
    used = read_counters(ledger, keys) if keys else {}
    return {
        version: offer
        for version, offer in offers.items()
        if all(hold.cap is None or used.get(hold.key, 0) + hold.add <= hold.cap for hold in holds[version])
    }
