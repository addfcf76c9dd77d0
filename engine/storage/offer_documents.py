"""Offer documents: an offer as a marketer writes it, checked, and stored as a version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import NotAllowed
from engine.storage.ledger import Ledger
from engine.storage.offer_ledger import StoredOffer, add_version, create_offer
from engine.targeting.counting import Scope
from engine.targeting.offers import LANGUAGES, Offer, checked_offer, offer_document
from engine.targeting.terms_reader import seconds_of
from engine.targeting.wording import told


def put_offer(ledger: Ledger, document: Mapping[str, Any], *, actor: str | None, now: float, zone: str) -> StoredOffer:
    """Make the offer of this document, or a new version of it where there is one; the same terms change nothing.

    Raises BadInput that names the field, NotAllowed where it would move to another campaign.
    """
    offer = checked_offer(dict(document))
    terms, scopes = offer_document(offer), caps_of(offer).keys()
    wording = wording_of(offer, terms)
    by: dict[str, Any] = {"actor": actor, "now": now, "zone": zone}
    try:
        return create_offer(ledger, offer.offer_id, terms, wording, scopes, campaign_id=offer.campaign_id, **by)
    except NotAllowed as problem:
        if problem.code != "offer_exists":
            raise
    return add_version(ledger, offer.offer_id, terms, wording, scopes, **by)


def wording_of(offer: Offer, terms: Mapping[str, Any]) -> dict[str, Any]:
    """What customers are told: the marketer's words, and the `conditions` as a sentence in each language."""
    own = {name: terms[name] for name in ("name", "description") if name in terms}
    return {**own, "conditions": {language: told(offer, language) for language in LANGUAGES}}


def caps_of(offer: Offer) -> dict[Scope, int]:
    """What the offer limits, and to how much: uses by its limits, minor units by its budgets."""
    return {
        **{Scope("uses", each.of, each.per): each.count for each in offer.limits},
        **{Scope("money", each.of, each.per): each.amount for each in offer.budgets},
    }


def expiry_of(stored: StoredOffer, now: float) -> float | None:
    """When a coupon that is issued now is over: with its offer, or so long after the issue; epoch seconds."""
    valid = checked_offer(dict(stored.terms)).valid
    ends = [] if valid.until is None else [valid.until.timestamp()]
    if valid.for_ is not None:
        ends.append(now + seconds_of(valid.for_))
    return min(ends, default=None)
