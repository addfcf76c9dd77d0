"""Parts of a campaign's document: whom it is for, what they may get, and how its messages keep measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.targeting.definition import read_definition
from engine.targeting.fairness import REASON_CLASSES
from engine.targeting.money import LARGEST_MONEY
from engine.targeting.segments import Words
from engine.targeting.terms_reader import Part, Read, choice, duration, id_text, refuse, text, whole

AudienceKind = Literal["segment", "rule", "class", "users"]
#: Users that a document may name one by one; more of them are a static segment.
MOST_NAMED = 10_000
MOST_TEXT = 100_000  # characters of a template
TRIGGERS = (
    "entered", "cart_left", "due_again", "delivered", "signed_up", "birthday", "calendar", "tier_change", "price_drop",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CampaignAudience:
    """`value` is the id of a segment or ready-made group, a rule as JSON, `classification/class`, or user ids."""

    kind: AudienceKind
    value: Any


@dataclass(frozen=True, slots=True)
class CampaignOffer:
    """`reason_class` says why somebody gets it, `pieces` how many customers may; None: any number."""

    offer_id: str
    reason_class: str | None = None
    pieces: int | None = None


@dataclass(frozen=True, slots=True)
class MessageTemplate:
    """A message before a customer's own words are filled in."""

    subject: str
    text: str
    html: str | None = None


@dataclass(frozen=True, slots=True)
class Variant:
    """What a share of the treated gets, drawn by chance; without a template the campaign's own."""

    variant: str
    share: float
    offer_id: str | None = None
    template: MessageTemplate | None = None


@dataclass(frozen=True, slots=True)
class Quota:
    """So much of the budget is released each hour or day, minor units."""

    per: str
    amount: int


@dataclass(frozen=True, slots=True)
class Cap:
    """Messages that a customer gets on the campaign's channel on a day of their own calendar, at most."""

    messages: int
    per: str = "day"


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours, in the customer's zone, in which nothing is sent; a window may go over midnight."""

    from_: str
    until: str


@dataclass(frozen=True, slots=True)
class Trigger:
    """What makes somebody a member while the campaign runs. `more` are the words that this trigger needs."""

    on: str
    again_after: str | None
    more: Mapping[str, Any]


def read_audience(value: Any, path: str, words: Words | None) -> CampaignAudience:
    """Without `words` a rule was checked before, and is taken as it stands."""
    part = Part(value, path)
    if len(value) != 1:
        refuse(path, 'names one of segment, rule, class and users, such as {"segment": "activity.churned"}')
    found: tuple[tuple[AudienceKind, Any], ...] = (
        ("segment", part.may("segment", id_text, None)),
        ("rule", part.may("rule", lambda given, at: _rule(given, at, words), None)),
        ("class", part.may("class", _class, None)),
        ("users", part.may("users", _users, None)),
    )
    part.done()
    named = [CampaignAudience(kind, told) for kind, told in found if told is not None]
    if not named:
        refuse(path, "is empty; name a segment, rule, class or users")
    return named[0]


def _rule(value: Any, path: str, words: Words | None) -> Any:
    return value if words is None else dict(read_definition(value, words, path).rule)


def _class(value: Any, path: str) -> str:
    told = id_text(value, path)
    if told.count("/") != 1 or "" in told.split("/"):
        refuse(path, "is written classification/class")
    return told


def _users(value: Any, path: str) -> tuple[str, ...]:
    if type(value) is not list or not 1 <= len(value) <= MOST_NAMED:
        refuse(path, f"must be a list of 1 to {MOST_NAMED:,}; more of them are a static segment")
    return tuple(dict.fromkeys(id_text(each, f"{path}[{place}]") for place, each in enumerate(value)))


def read_offer(value: Any, path: str) -> CampaignOffer:
    if isinstance(value, str):
        return CampaignOffer(id_text(value, path))
    part = Part(value, path)
    found = CampaignOffer(
        part.need("offer_id", id_text),
        part.may("reason_class", choice(*REASON_CLASSES), None),
        part.may("pieces", whole(1, 10**9), None),
    )
    part.done()
    return found


def share(least: float, most: float) -> Read[float]:
    def read(value: Any, path: str) -> float:
        # NaN compares false, and is refused with the rest.
        if type(value) not in (int, float) or not least <= value <= most:
            refuse(path, f"must be a number from {least:g} to {most:g}")
        return float(value)

    return read


def read_template(value: Any, path: str) -> MessageTemplate:
    part = Part(value, path)
    found = MessageTemplate(part.need("subject", _words), part.need("text", _words), part.may("html", _words, None))
    part.done()
    return found


def _words(value: Any, path: str) -> str:
    # Line breaks belong into messages, so that these are no texts as names are.
    if (
        type(value) is not str
        or not value.strip()
        or "\0" in value
        or any(0xD800 <= ord(each) < 0xE000 for each in value)
    ):
        refuse(path, "must be a text that is not empty")
    if len(value) > MOST_TEXT:
        refuse(path, f"has over {MOST_TEXT:,} characters")
    return value


def read_variant(value: Any, path: str) -> Variant:
    part = Part(value, path)
    found = Variant(
        part.need("variant", id_text),
        part.need("share", share(0.0, 1.0)),
        part.may("offer_id", id_text, None),
        part.may("template", read_template, None),
    )
    part.done()
    return found


def read_quota(value: Any, path: str) -> Quota:
    part = Part(value, path)
    found = Quota(part.need("per", choice("hour", "day")), part.need("amount", whole(1, LARGEST_MONEY)))
    part.done()
    return found


def read_cap(value: Any, path: str) -> Cap:
    part = Part(value, path)
    found = Cap(part.need("messages", whole(1, 1_000)), part.may("per", choice("day"), "day"))
    part.done()
    return found


def read_quiet(value: Any, path: str) -> Quiet:
    part = Part(value, path)
    found = Quiet(part.need("from", _hour), part.need("until", _hour))
    part.done()
    if found.from_ == found.until:
        refuse(path, "is empty or the whole day; leave it out, or pause the campaign")
    return found


def _hour(value: Any, path: str) -> str:
    hour, sign, minute = value.partition(":") if type(value) is str else ("", "", "")
    if len(value or "") != 5 or sign != ":" or not (hour + minute).isdecimal() or hour > "23" or minute > "59":
        refuse(path, "must be a time of day such as 22:00")
    return f"{hour}:{minute}"


def read_trigger(value: Any, path: str) -> Trigger:
    """What each kind of trigger needs beside is checked where triggers are."""
    part = Part(value, path)
    on = part.need("on", choice(*TRIGGERS))
    again = part.may("again_after", duration, None)
    more = {name: told for name, told in value.items() if name not in ("on", "again_after")}
    for name, told in more.items():
        if type(told) not in (str, int, float, bool) or (type(told) is str and text(told, f"{path}.{name}") != told):
            refuse(f"{path}.{name}", "must be a text, a number, or true or false")
    return Trigger(on, again, more)
