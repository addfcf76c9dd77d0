"""The plan of a campaign: a dry run over the audience as it is now. It stores, issues and sends nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from engine.errors import BadInput, HawkerError, NotAllowed
from engine.settings import Settings
from engine.storage.campaign_audience import People, read_people
from engine.storage.campaigns import StoredCampaign
from engine.storage.home import Home
from engine.storage.ledger import LedgerPool
from engine.storage.offer_ledger import StoredOffer, find_offer
from engine.storage.plan_predictions import predictions_for
from engine.storage.shop_secrets import HOLDOUT_SALT, shop_secret
from engine.targeting.assignment import Assigned, assign
from engine.targeting.assignment_record import assignment_parity, assignment_record
from engine.targeting.campaign import Campaign
from engine.targeting.campaign_draws import Holdouts
from engine.targeting.offers import Offer, checked_offer
from engine.targeting.parity import ParityReport, check_parity
from engine.targeting.plans import PlannedOffer, Predictions
from engine.targeting.suggestions import discount_of

#: What an order is taken to be before the first one, minor units; only in a plan's figures.
_BASKET_UNKNOWN = 10_000.0


@dataclass(frozen=True, slots=True, eq=False)
class PlannedCampaign:
    """`stops` is why a launch would be refused now, one reason each; empty when it would not."""

    people: People
    offers: tuple[StoredOffer, ...]
    assigned: Assigned | None
    record: dict[str, Any]
    stops: tuple[HawkerError, ...]

    def as_json(self) -> dict[str, Any]:
        told = [{"code": each.code, "field": each.field, "message": each.message} for each in self.stops]
        return {**self.record, "stops": told}


def plan_campaign(
    home: Home, ledger: LedgerPool, stored: StoredCampaign, settings: Settings, *, now: float
) -> PlannedCampaign:
    """Who would get what if the campaign were launched now (`now`, epoch seconds), and what would stop it.

    Raises UnknownThing for a segment, class or offer that is not there, BadInput for offers that cannot be planned,
    NotEnoughData before the customers were computed.
    """
    campaign = stored.campaign
    versions = tuple(find_offer(ledger, each.offer_id) for each in campaign.offers)
    people = read_people(home, ledger, campaign, settings, now=now)
    reach = _reach(people, now)
    stops = list(_disabled(versions))
    if not people.user_ids:
        return PlannedCampaign(people, versions, None, reach, (*stops, _empty(people)))
    terms = [checked_offer(dict(each.terms)) for each in versions]
    offers = [_planned(campaign, place, each, people.basket) for place, each in enumerate(terms)]
    holdouts = Holdouts(
        shop_secret(ledger, HOLDOUT_SALT), settings.global_holdout, stored.salt, campaign.holdout
    )  # fmt: skip
    try:
        predictions = _predictions(home, ledger, campaign, people.user_ids, terms, now)
        assigned = assign(campaign, people.user_ids, people.segment, offers, predictions, holdouts)
    except BadInput as problem:
        if problem.code != "budget_fits_nothing":
            raise
        return PlannedCampaign(people, versions, None, reach, (*stops, problem))
    groups = {name: getattr(people, name) for name in ("tenure_days", "region", "device")}
    parity = assignment_parity(assigned, offers, groups, basket=people.basket, most=settings.parity)
    record = assignment_record(campaign, assigned, offers, predictions, holdouts, people.segment)
    record |= {**reach, "parity": None if parity is None else parity.as_json()}
    stops += _stops(campaign, assigned, parity)
    return PlannedCampaign(people, versions, assigned, record, tuple(stops))


def _stops(campaign: Campaign, assigned: Assigned, parity: ParityReport | None) -> list[HawkerError]:
    found: list[HawkerError] = []
    if not assigned.treated.any():
        found.append(
            NotAllowed("audience: everybody is held out; make it larger", code="audience_empty", field="audience")
        )
    if parity is not None:
        try:
            check_parity(parity, campaign.justification)
        except NotAllowed as problem:
            told = problem.message.replace("parity_reason", "justification")
            found.append(NotAllowed(told, code=problem.code, field="justification"))
    return found


def _planned(campaign: Campaign, place: int, offer: Offer, basket: float | None) -> PlannedOffer:
    discount = discount_of(offer, basket or _BASKET_UNKNOWN)
    if discount is None:
        raise BadInput(
            f"offers[{place}]: what {offer.offer_id!a} takes off a basket is not told by its terms; give it a"
            " largest_discount",
            field=f"offers[{place}]",
        )
    mine = campaign.offers[place]
    return PlannedOffer(offer.offer_id, discount, campaign.reason_class_of(mine) or "", mine.pieces)


def _predictions(
    home: Home, ledger: LedgerPool, campaign: Campaign, user_ids: Sequence[str], offers: Sequence[Offer], now: float
) -> Predictions | None:
    """What each offer would bring with each of them; None for messages alone."""
    if not offers:
        return None
    return predictions_for(home, ledger, user_ids, offers, now=now, margin=campaign.margin)


def _reach(people: People, now: float) -> dict[str, Any]:
    return {
        "as_of": datetime.fromtimestamp(now, UTC).isoformat(),
        "size": people.size,
        "reachable": len(people.user_ids),
        "unreachable_by": dict(people.unreachable_by),
        "basket": people.basket,
    }


def _disabled(versions: Sequence[StoredOffer]) -> list[HawkerError]:
    return [
        NotAllowed(f"offers: {each.offer_id!r} is disabled; take another one", code="offer_disabled", field="offers")
        for each in versions
        if each.state != "active"
    ]


def _empty(people: People) -> HawkerError:
    why = ", ".join(f"{number:,} {reason}" for reason, number in people.unreachable_by.items() if number)
    told = f"none of its {people.size:,} customers can be reached: {why}" if people.size else "holds nobody"
    return NotAllowed(
        f"audience: {told}; change the rule, or take another channel", code="audience_empty", field="audience"
    )
