"""Templates of campaigns: what merchants are taught to do for each group of customers and each day, as drafts.

Each becomes a document that a marketer completes: offers, a budget, other words. The words are in two files, English
and Chinese; whom a template is usually for and what starts it is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import BadInput
from engine.targeting.campaign_words_en import WORDS_EN
from engine.targeting.campaign_words_zh import WORDS_ZH
from engine.targeting.groups import Group, groups
from engine.thresholds import read_thresholds

_WORDS = {"en": WORDS_EN, "zh": WORDS_ZH}


@dataclass(frozen=True, slots=True)
class CampaignTemplate:
    """`audience` as in a campaign document; `more` are its other fields. `offer` says whether it is usual to give one.

    `advice` is what to look at before it is sent.
    """

    name: str
    meaning: str
    audience: Mapping[str, Any]
    offer: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
    advice: str = ""


def _trait(name: str, op: str, value: Any = None) -> dict[str, Any]:
    told = {"trait": name, "op": op}
    return {"rule": told if value is None else {**told, "value": value}}


def _known(name: str) -> dict[str, Any]:
    return {"rule": {"not": _trait(name, "is null")["rule"]}}


_SUBSCRIBED = _trait("subscribed", "=", value=True)
_ASK_WHY = "Ask first why they became so: look at complaints, deliveries and prices of the group."
_BIG_DAY = "Name the offers and your own budget. Its quota releases the budget hour by hour."


def _big_day(day: str) -> dict[str, Any]:
    return {
        "trigger": {"on": "calendar", "day": day, "before": "P1D"}, "budget": 5_000_000,
        "quota": {"per": "hour", "amount": 250_000}, "priority": 20, "exclusion_group": "big day",
    }  # fmt: skip


#: One for each of `groups.ACTIONS`.
_OF_ACTIONS = (
    CampaignTemplate("membership", "Invite loyal customers to membership and its exclusive offers.",
                     {"segment": "frequency.high"}, offer=True),
    CampaignTemplate("points", "Tell of points for orders and activities.", {"segment": "frequency.high"}),
    CampaignTemplate("vip_care", "Tailored service for those who spend most.", {"segment": "value.high"},
                     more={"priority": 10}),
    CampaignTemplate("recommend", "What fits their habits and preferences.", {"segment": "frequency.middle"}),
    CampaignTemplate("news", "Promotion news.", {"segment": "frequency.middle"}),
    CampaignTemplate("coupon", "A coupon for those who order rarely.", {"segment": "frequency.low"}, offer=True,
                     more={"goal": "second-order"}, advice=_ASK_WHY),
    CampaignTemplate("activity", "An interactive activity.", {"segment": "activity.dormant"}, advice=_ASK_WHY),
    CampaignTemplate("cross_sell", "A wider variety, to raise frequency and basket.", {"segment": "amount.middle"}),
    CampaignTemplate("win_back", "Bring back those who stopped coming.", {"segment": "activity.churned"}, offer=True,
                     more={"goal": "win-back"}, advice=_ASK_WHY),
    CampaignTemplate("invite", "Invite the satisfied to share.", {"segment": "feedback.satisfied"}),
    CampaignTemplate("apology", "An apology and somebody who cares; no promotion until it is solved.",
                     {"segment": "feedback.dissatisfied"}, advice=_ASK_WHY,
                     more={"purpose": "service", "holdout": 0.0, "priority": 100}),
    CampaignTemplate("social_activity", "A social activity for those who came by friends.",
                     {"segment": "source.social"}, advice=_ASK_WHY),
    CampaignTemplate("newcomer", "The newcomer's offer.", {"segment": "value.new"}, offer=True,
                     more={"goal": "second-order"}),
    CampaignTemplate("regional", "Goods and events that match the region.", _known("region"),
                     advice="Name one region in the audience, and what is on there in the text."),
    CampaignTemplate("interest", "Goods and events that match the interest.", _known("interests"),
                     advice="Name one interest in the audience, and what is new there in the text."),
    CampaignTemplate("greeting", "A birthday greeting with a small gift.", _known("birthday"), offer=True,
                     more={"trigger": {"on": "birthday", "again_after": "P300D"}, "priority": 30}),
)  # fmt: skip
_OF_DAYS_AND_EVENTS = (
    CampaignTemplate("holiday", "A greeting before a holiday.", _SUBSCRIBED,
                     more={"trigger": {"on": "calendar", "day": "spring_festival", "before": "P1D"}, "priority": 30}),
    CampaignTemplate("double_11", "Personal offers before Double 11, of a hard budget released hour by hour.",
                     _SUBSCRIBED, offer=True, more=_big_day("double_11"), advice=_BIG_DAY),
    CampaignTemplate("618", "Personal offers before 618, of a hard budget released hour by hour.",
                     _SUBSCRIBED, offer=True, more=_big_day("618"), advice=_BIG_DAY),
    CampaignTemplate("cart_reminder", "Something was left in the cart.", _SUBSCRIBED,
                     more={"trigger": {"on": "cart_left", "after": "PT4H", "again_after": "P7D"}, "priority": 5}),
    CampaignTemplate("due_again", "The next order is due.", _SUBSCRIBED,
                     more={"trigger": {"on": "due_again", "before": "P2D", "again_after": "P14D"}}),
    CampaignTemplate("ask_opinion", "Ask how it was, three days after the delivery.", _SUBSCRIBED,
                     more={"trigger": {"on": "delivered", "after": "P3D", "again_after": "P60D"}}),
    CampaignTemplate("welcome", "Welcome somebody new.", _SUBSCRIBED, offer=True,
                     more={"trigger": {"on": "signed_up", "after": "PT1H"}, "priority": 5}),
    CampaignTemplate("price_drop", "Something that they saved became cheaper.", _SUBSCRIBED,
                     more={"trigger": {"on": "price_drop", "least": 0.1, "again_after": "P7D"}}),
)  # fmt: skip
TEMPLATES: Mapping[str, CampaignTemplate] = {each.name: each for each in (*_OF_ACTIONS, *_OF_DAYS_AND_EVENTS)}


def template_document(
    name: str,
    *,
    language: str = "en",
    channel: str = "email",
    segment: str | None = None,
    offer_id: str | None = None,
) -> dict[str, Any]:
    """A campaign document that can be drafted as it stands.

    `name` is that of a template, or of a ready-made group: then its first action for that group. Raises BadInput for
    one that is none.
    """
    template, group = _named(name)
    if language not in _WORDS:
        raise BadInput(f"language: one of {', '.join(_WORDS)}, not {language!a}", field="language")
    words = _WORDS[language][template.name]
    audience = dict(template.audience) if group is None else {"segment": group.id}
    if segment is not None:
        audience = {"segment": segment}
    title = words[0] if group is None else f"{words[0]}: {group.name[language]}"
    return {
        "name": title,
        "audience": audience,
        "channel": channel,
        "offers": [] if offer_id is None else [offer_id],
        "template": {"subject": words[1], "text": words[2]},
        "language": language,
        **template.more,
    }


def templates_listed() -> list[dict[str, Any]]:
    """All templates with the groups that name them, for who chooses one."""
    ready = groups(read_thresholds(""))
    return [
        {
            "template": each.name,
            "name": {language: words[each.name][0] for language, words in _WORDS.items()},
            "meaning": each.meaning,
            "advice": each.advice,
            "with_offer": each.offer,
            "groups": [group.id for group in ready if each.name in group.actions],
        }
        for each in TEMPLATES.values()
    ]


def _named(name: str) -> tuple[CampaignTemplate, Group | None]:
    if name in TEMPLATES:
        return TEMPLATES[name], None
    ready = {each.id: each for each in groups(read_thresholds(""))}
    if name in ready and ready[name].actions:
        return TEMPLATES[ready[name].actions[0]], ready[name]
    known = ", ".join(TEMPLATES)
    raise BadInput(
        f"template_name: {name[:100]!a} is none; one of {known}, or a ready-made group", field="template_name"
    )
