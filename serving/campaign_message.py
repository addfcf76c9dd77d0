"""A campaign's message for one customer: the template filled in, with their code and the link that ends it all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import BadInput
from engine.storage.campaign_round import Leaving
from engine.targeting.campaign_parts import MessageTemplate
from engine.targeting.consents import UNSUBSCRIBE_PATH, Unsubscribing, unsubscribe_token
from serving.message_template import fill

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\s]+")
_FOOT = {"en": "Unsubscribe", "zh": "退订"}


@dataclass(frozen=True, slots=True)
class Message:
    """What a customer reads. `unsubscribe_url` is empty where the shop has no address for links, and for service."""

    subject: str
    text: str
    html: str | None
    unsubscribe_url: str


def message_of(leaving: Leaving, *, public_url: str, secret: str) -> Message | None:
    """The message, None for a campaign without a template. Raises BadInput for a template that cannot be filled."""
    template = template_of(leaving)
    if template is None:
        return None
    link = unsubscribe_url(leaving, public_url=public_url, secret=secret)
    values = values_of(leaving, link)
    text = fill(template.text, values, field="template.text")
    html = None if template.html is None else fill(template.html, values, field="template.html", html=True)
    subject = _CONTROL.sub(" ", fill(template.subject, values, field="template.subject")).strip()
    return Message(subject, _with_link(text, link, leaving.campaign.language), html, link)


def template_of(leaving: Leaving) -> MessageTemplate | None:
    """The variant's own, else the campaign's."""
    mine = [each.template for each in leaving.campaign.variants if each.variant == leaving.row.variant]
    return next(filter(None, mine), None) or leaving.campaign.template


def values_of(leaving: Leaving, link: str) -> dict[str, Any]:
    """What templates may name."""
    customer, language = leaving.customer, leaving.campaign.language
    return {
        "user": {"id": leaving.row.person, "name": customer.name or "", "language": customer.language or language},
        "campaign": {"id": leaving.row.campaign_id, "name": leaving.campaign.name},
        "offer": None if leaving.offer is None else _offer(leaving.offer.offer_id, leaving.offer.wording, language),
        "code": leaving.code or "",
        "unsubscribe_url": link,
    }


def unsubscribe_url(leaving: Leaving, *, public_url: str, secret: str) -> str:
    if not public_url or leaving.campaign.purpose == "service":
        return ""
    about = Unsubscribing(leaving.row.person, leaving.campaign.purpose, leaving.row.channel, leaving.row.campaign_id)
    return f"{public_url}{UNSUBSCRIBE_PATH}{unsubscribe_token(secret, about)}"


def check_templates(templates: Mapping[str, MessageTemplate], *, with_offer: bool) -> None:
    """Raises BadInput, naming the field, for a template that fails for an invented customer."""
    offer = _offer("offer", {"name": {"en": "an offer"}, "description": {"en": "terms"}}, "en") if with_offer else None
    values = {
        "user": {"id": "u", "name": "Li", "language": "en"},
        "campaign": {"id": "c", "name": "campaign"},
        "offer": offer,
        "code": "CODE" if with_offer else "",
        "unsubscribe_url": "https://shop.example/",
    }
    for path, template in templates.items():
        for name, source in (("subject", template.subject), ("text", template.text), ("html", template.html)):
            if source is not None:
                fill(source, values, field=f"{path}.{name}", html=name == "html")


def _offer(offer_id: str, wording: Mapping[str, Any], language: str) -> dict[str, Any]:
    def told(name: str) -> str:
        texts = wording.get(name) or {}
        return str(texts.get(language) or texts.get("en") or texts.get("zh") or "")

    return {"id": offer_id, "name": told("name"), "description": told("description")}


def _with_link(text: str, link: str, language: str) -> str:
    return text if not link or link in text else f"{text.rstrip()}\n\n{_FOOT[language]}: {link}\n"


def fault_of(error: BadInput) -> str:
    """Why a message waits for its template, in the outbox."""
    return f"template: {error.message}"
