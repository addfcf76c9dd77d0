"""Draft a campaign: its document is checked as a whole, the templates of its messages included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import BadInput
from engine.targeting.campaign import Campaign, checked_campaign
from engine.targeting.campaign_parts import MessageTemplate
from engine.targeting.campaign_templates import template_document
from engine.targeting.segments import Words
from serving.campaign_message import check_templates
from serving.message_template import checked_template


def checked_draft(given: Any, words: Words) -> Campaign:
    """The campaign of a document. Raises BadInput with the field, and with the line of a template."""
    campaign = checked_campaign(given, words)
    _check(campaign.template, "template", with_offer=bool(campaign.offers))
    for place, each in enumerate(campaign.variants):
        _check(each.template, f"variants[{place}].template", with_offer=each.offer_id is not None)
    return campaign


def draft_of_template(name: str, given: Any, words: Words) -> Campaign:
    """The campaign of a template with these fields in place of its own. Raises BadInput."""
    told = given if isinstance(given, Mapping) else {}
    document = template_document(name, **{each: told[each] for each in ("language", "channel") if each in told})
    return checked_draft({**document, **told}, words)


def changed_draft(stored: Mapping[str, Any], changes: Any, words: Words) -> Campaign:
    """The stored document with these fields put in place of its own; null takes one back to its default."""
    return checked_draft({**stored, **check_changes(changes)}, words)


def check_changes(changes: Any) -> Mapping[str, Any]:
    """Raises BadInput for what names no fields."""
    if not isinstance(changes, Mapping):
        raise BadInput("campaign: send the fields that change as an object", field="campaign")
    return changes


def _check(template: MessageTemplate | None, field: str, *, with_offer: bool) -> None:
    if template is None:
        return
    checked_template(template.subject, field=f"{field}.subject")
    checked_template(template.text, field=f"{field}.text")
    if template.html is not None:
        checked_template(template.html, field=f"{field}.html", html=True)
    # A name that nobody knows is found now, and not when it is sent.
    check_templates({field: template}, with_offer=with_offer)
