"""Where a visit came from, as the `context` of Segment's calls tells it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from engine.event_properties import COMMON
from engine.segment_values import object_of, text_of

# Campaigns name their medium by custom, not by a standard; what is on no list is not guessed.
_PAID = re.compile(r"cp[acmv]|ppc|paid.*|display|banner|interstitial|retargeting|remarketing")
_MEDIA: Mapping[str, frozenset[str]] = {
    "social": frozenset({"social", "social-media", "social-network", "social media", "social network", "sm"}),
    "organic": frozenset({"organic"}),
    "referral": frozenset({"referral", "affiliate", "partner", "link", "email", "newsletter", "sms", "push"}),
}
_SEARCH = frozenset({"google", "bing", "yahoo", "duckduckgo", "baidu", "yandex", "ecosia", "sogou", "naver"})
_SOCIAL = frozenset(
    {"facebook", "instagram", "twitter", "x", "t", "pinterest", "reddit", "linkedin", "tiktok", "youtube", "weibo"}
    | {"xiaohongshu", "douyin", "vk"}
)
# What stands between the scheme, somebody's name and the port.
_HOST = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#:@]+)", re.IGNORECASE)
_FAULTS = {each.name: each.fault for each in COMMON}


def source_of(context: Mapping[str, Any]) -> str | None:
    """One of our traffic sources; None where the call does not tell, as on a page that the shop's own page led to."""
    campaign, page = object_of(context.get("campaign")), object_of(context.get("page"))
    medium = (text_of(campaign.get("medium")) or "").strip().lower()
    if _PAID.fullmatch(medium):
        return "paid"
    for source, media in _MEDIA.items():
        if medium in media:
            return source
    if referrer := referrer_of(context):
        return _kind_of_host(_host(referrer))
    # Browsers tell an empty referrer where there was none; servers tell nothing.
    return "direct" if page.get("referrer") == "" and not campaign else None


def referrer_of(context: Mapping[str, Any]) -> str | None:
    """The page outside of the shop that led here."""
    page = object_of(context.get("page"))
    referrer = text_of(page.get("referrer")) or text_of(object_of(context.get("referrer")).get("url"))
    if referrer is None or _same_shop(_host(referrer), _host(text_of(page.get("url")) or "")):
        return None
    return referrer


def visit_of(context: Mapping[str, Any], channel: Any) -> dict[str, Any]:
    """The properties that any event may have. One that does not fit is left out, since it must not cost the event."""
    told = {
        "campaign": text_of(object_of(context.get("campaign")).get("name")),
        "referrer": referrer_of(context),
        "channel": text_of(channel),
        "device": text_of(object_of(context.get("device")).get("type")),
        "url": text_of(object_of(context.get("page")).get("url")),
    }
    return {name: value for name, value in told.items() if value is not None and not _FAULTS[name](value)}


def _host(url: str) -> str:
    found = _HOST.match(url)
    return found[1].lower().removeprefix("www.") if found else ""


def _same_shop(one: str, other: str) -> bool:
    return bool(one and other) and (one == other or one.endswith(f".{other}") or other.endswith(f".{one}"))


def _kind_of_host(host: str) -> str:
    labels = host.split(".")
    second = len(labels) > 2 and labels[-2] in ("co", "com")  # google.co.uk
    name = labels[-3 if second else -2] if len(labels) > 1 else ""
    if name in _SEARCH and labels[0] != "mail":
        return "organic"
    return "social" if name in _SOCIAL else "referral"
