"""Campaign: what a marketer plans over time, checked once and frozen, from its JSON form and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from engine.targeting.campaign_parts import (
    CampaignAudience,
    CampaignOffer,
    Cap,
    MessageTemplate,
    Quiet,
    Quota,
    Trigger,
    Variant,
    read_audience,
    read_cap,
    read_offer,
    read_quiet,
    read_quota,
    read_template,
    read_trigger,
    read_variant,
    share,
)
from engine.targeting.groups import DIMENSIONS
from engine.targeting.labels import LANGUAGES
from engine.targeting.money import LARGEST_MONEY
from engine.targeting.segments import Words
from engine.targeting.suggestion_goals import GOALS, WINDOW_DAYS
from engine.targeting.suggestions import CHANNELS
from engine.targeting.terms_reader import Part, choice, id_text, list_of, moment, refuse, text, whole, written
from engine.targeting.triggers import checked_trigger

ASSIGNMENTS = ("random", "plan", "per-segment")
#: What a campaign may change while it runs, and why that is safe.
SAFE_EDITS = {
    "name": "what people call it",
    "ends_at": "when it ends; nobody who was drawn is drawn anew",
    "priority": "which of several campaigns speaks first",
    "budget": "more of it only, once it is approved; what was promised stays",
    "template": "the words of messages that were not sent yet",
    "justification": "why it is fair",
}
_MOST_OFFERS, _MOST_VARIANTS = 1_000, 20


@dataclass(frozen=True, slots=True)
class Campaign:
    """`budget` in minor units, None without a limit; `margin` is the part of a price left after costs, if known.

    `cap` and `quiet` None are the shop's own. Members are told apart in reports by the ready-made groups of the
    dimension `segments_by`; the mode per-segment gives each of them one offer.
    """

    name: str
    audience: CampaignAudience
    channel: str
    goal: str | None = None
    purpose: str = "marketing"
    offers: tuple[CampaignOffer, ...] = ()
    assignment: str = "random"
    variants: tuple[Variant, ...] = ()
    template: MessageTemplate | None = None
    holdout: float = 0.2
    budget: int | None = None
    quota: Quota | None = None
    margin: float | None = None
    per_customer: int = 1
    least_share: float = 0.0
    segments_by: str = "lifecycle"
    trigger: Trigger | None = None
    cap: Cap | None = None
    quiet: Quiet | None = None
    priority: int = 0
    exclusion_group: str | None = None
    window_days: int = WINDOW_DAYS
    justification: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    language: str = "en"

    def drawn_variants(self) -> tuple[Variant, ...]:
        """What the treated of a random campaign are drawn into: as it says, else each offer in equal shares."""
        if self.variants:
            return self.variants
        if not self.offers:
            return (Variant("message", 1.0),)
        return tuple(Variant(each.offer_id, 1 / len(self.offers), each.offer_id) for each in self.offers)

    def reason_class_of(self, offer: CampaignOffer) -> str | None:
        """Why somebody gets the offer: as it says, else chance in a draw, else what the goal stands for."""
        if offer.reason_class is not None:
            return offer.reason_class
        if self.assignment == "random":
            return "random"
        return None if self.goal is None else GOALS[self.goal].reason_class


def checked_campaign(given: Any, words: Words | None = None) -> Campaign:
    """The campaign of its JSON form. Raises BadInput that names the field and says what is wrong.

    `words` is what a rule may name; without it the rule was checked before, as it was in what the ledger holds.
    """
    if type(given) is not dict:
        refuse("campaign", "must be a JSON object")
    part = Part(given, "")
    told: dict[str, Any] = {
        "name": part.need("name", text),
        "audience": part.need("audience", lambda value, path: read_audience(value, path, words)),
        "channel": part.need("channel", choice(*CHANNELS)),
    }
    told |= {name: part.may(name, read, _DEFAULTS[name]) for name, read in _READERS.items()}
    part.done()
    found = Campaign(**told)
    _check_whole(found)
    return found


def campaign_document(campaign: Campaign) -> dict[str, Any]:
    """The JSON form with every field, which `checked_campaign` reads as the same campaign."""
    told = {each.name: written(getattr(campaign, each.name)) for each in fields(campaign)}
    told["audience"] = {campaign.audience.kind: _plain(campaign.audience.value)}
    told["offers"] = [_whole(each) for each in campaign.offers]
    told["variants"] = [
        {**_whole(each), "template": each.template and _whole(each.template)} for each in campaign.variants
    ]
    if campaign.template is not None:
        told["template"] = _whole(campaign.template)
    if campaign.cap is not None:
        told["cap"] = _whole(campaign.cap)
    if campaign.trigger is not None:
        trigger = campaign.trigger
        told["trigger"] = {"on": trigger.on, **trigger.more, "again_after": trigger.again_after}
    return told


_READERS: dict[str, Callable[[Any, str], Any]] = {
    "goal": choice(*GOALS),
    "purpose": id_text,
    "offers": list_of(read_offer, least=0, most=_MOST_OFFERS),
    "assignment": choice(*ASSIGNMENTS),
    "variants": list_of(read_variant, least=0, most=_MOST_VARIANTS),
    "template": read_template,
    "holdout": share(0.0, 0.9),
    "budget": whole(0, LARGEST_MONEY),
    "quota": read_quota,
    "margin": share(0.0, 1.0),
    "per_customer": whole(1, 100),
    "least_share": share(0.0, 1.0),
    "segments_by": choice(*DIMENSIONS),
    "trigger": read_trigger,
    "cap": read_cap,
    "quiet": read_quiet,
    "priority": whole(-1_000_000, 1_000_000),
    "exclusion_group": id_text,
    "window_days": whole(1, 365),
    "justification": text,
    "starts_at": moment,
    "ends_at": moment,
    "language": choice(*LANGUAGES),
}
_DEFAULTS = {each.name: each.default for each in fields(Campaign)}


def _check_whole(campaign: Campaign) -> None:
    if campaign.starts_at and campaign.ends_at and campaign.starts_at >= campaign.ends_at:
        refuse("ends_at", "must lie after starts_at")
    if campaign.quota is not None and campaign.budget is None:
        refuse("quota", "releases a budget, and there is none; say budget, too")
    if campaign.per_customer != 1:
        refuse("per_customer", "must be 1, since a message carries one offer; make a campaign for each further one")
    if campaign.trigger is not None:
        checked_trigger(campaign.trigger)
    offers = [each.offer_id for each in campaign.offers]
    if len(set(offers)) < len(offers):
        refuse("offers", "names an offer twice")
    if campaign.assignment == "random":
        _check_draw(campaign, offers)
    else:
        _check_planned(campaign)


def _check_draw(campaign: Campaign, offers: list[str]) -> None:
    names = [each.variant for each in campaign.variants]
    if len(set(names)) < len(names):
        refuse("variants", "names a variant twice")
    total = sum(each.share for each in campaign.variants)
    if campaign.variants and abs(total - 1) > 1e-6:
        refuse("variants", f"the shares add up to {total:g}; make it 1")
    for place, each in enumerate(campaign.variants):
        if each.offer_id is not None and each.offer_id not in offers:
            refuse(f"variants[{place}].offer_id", "is none of the campaign's offers")


def _check_planned(campaign: Campaign) -> None:
    if campaign.variants:
        refuse("variants", "are for a draw; a plan chooses the offer, so leave them out")
    if not campaign.offers:
        refuse("offers", "are what a plan chooses from; name at least one, or take the assignment random")
    if campaign.budget is None:
        refuse("budget", "is what a plan keeps to; say how much, minor units")
    if campaign.trigger is not None:
        refuse("assignment", "plans an audience as a whole; a triggered campaign draws, take random")
    for place, each in enumerate(campaign.offers):
        if campaign.reason_class_of(each) is None:
            refuse(
                f"offers[{place}].reason_class",
                "is missing: each planned discount needs a reason; say it, or the campaign's goal",
            )


def _whole(part: Any) -> dict[str, Any]:
    return {each.name.rstrip("_"): written(getattr(part, each.name)) for each in fields(part)}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
