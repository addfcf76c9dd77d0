"""Draft a campaign: its document is checked as a whole, the templates of its messages included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.targeting.campaign import Campaign, checked_campaign
from engine.targeting.campaign_parts import MessageTemplate
from engine.targeting.segments import Words
from serving.message_template import checked_template


def checked_draft(given: Any, words: Words) -> Campaign:
    """The campaign of a document. Raises BadInput with the field, and with the line of a template."""
    campaign = checked_campaign(given, words)
    _check(campaign.template, "template")
    for place, each in enumerate(campaign.variants):
        _check(each.template, f"variants[{place}].template")
    return campaign


def changed_draft(stored: Mapping[str, Any], changes: Any, words: Words) -> Campaign:
    """The stored document with these fields put in place of its own; null takes one back to its default."""
    return checked_draft({**stored, **changes} if isinstance(changes, Mapping) else changes, words)


def _check(template: MessageTemplate | None, field: str) -> None:
    if template is None:
        return
    checked_template(template.subject, field=f"{field}.subject")
    checked_template(template.text, field=f"{field}.text")
    if template.html is not None:
        checked_template(template.html, field=f"{field}.html", html=True)
