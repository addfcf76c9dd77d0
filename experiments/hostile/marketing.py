"""What experience knows to be wrong in what marketers send: campaigns, consents, lists of pages, wishes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.hostile import wrong
from experiments.hostile.wrong import Draw


@dataclass(frozen=True, slots=True)
class Wrongs:
    """What is wrong in each field of a body; the others are those of `base`, below the key `within` if there is one."""

    base: Mapping[str, Any]
    fields: Mapping[str, Draw]
    within: str | None = None

    def body(self, name: str, value: Any) -> dict[str, Any]:
        told = {**self.base, name: value}
        return told if self.within is None else {self.within: told}


_TEXT = wrong.either(wrong.number, wrong.array, wrong.mapping, wrong.flag, wrong.spoiled, wrong.one_of(""))
_SHARE = wrong.either(wrong.one_of(-0.1, 1.01, 2, 1e300), wrong.word, wrong.array, wrong.mapping, wrong.flag)
_MOMENT = wrong.either(wrong.no_time, wrong.one_of("2026-01-01T00:00:00"))
_CHOICE = wrong.either(lambda draw: f"{wrong.word(draw)}?", wrong.number, wrong.array, wrong.mapping, wrong.flag)
_CAMPAIGN: Mapping[str, Draw] = {
    "name": wrong.either(_TEXT, wrong.one_of(None)),
    "audience": wrong.either(
        *(wrong.number, wrong.array, wrong.word, wrong.mapping, lambda draw: {"rule": wrong.no_filter(draw)}),
        lambda draw: {"users": [wrong.spoiled(draw)]},
        lambda draw: {"users": ["u"] * draw.randint(10_001, 20_000)},
        wrong.one_of(None, {"segment": 3}, {"users": []}, {"class": "gold"}, {"segment": "a", "users": ["b"]}),
    ),
    "channel": wrong.either(_CHOICE, wrong.one_of(None)),
    **dict.fromkeys(("goal", "assignment", "segments_by", "language"), _CHOICE),
    **dict.fromkeys(("purpose", "exclusion_group", "justification"), _TEXT),
    "offers": wrong.either(
        *(wrong.number, wrong.word, wrong.mapping, lambda draw: [wrong.number(draw)]),
        wrong.one_of([{}], ["a", "a"], [{"offer_id": "a", "pieces": 0}], [{"offer_id": "a", "reason_class": "vip"}]),
    ),
    "variants": wrong.either(
        *(wrong.number, wrong.word, wrong.mapping, lambda draw: [{"variant": "a", "share": draw.uniform(0.1, 0.9)}]),
        wrong.one_of([{}], [3], [{"variant": "a", "share": 1, "offer_id": "none"}], [{"variant": "a", "share": "1"}]),
    ),
    "template": wrong.either(
        *(wrong.number, wrong.word, wrong.array, lambda draw: {"subject": "x", "text": wrong.spoiled(draw)}),
        lambda draw: {"subject": "x", "text": f"{{{{ {draw.choice(('user.secret', 'x', 'user', '1 +'))}.y }}}}"},
        wrong.one_of({}, {"subject": "x"}, {"subject": "", "text": "x"}, {"subject": "x", "text": "{% for a in b %}"}),
    ),
    **dict.fromkeys(("holdout", "margin", "least_share"), _SHARE),
    "budget": wrong.no_money,
    "quota": wrong.either(wrong.number, wrong.word, wrong.one_of({}, {"per": "day"}, {"per": "week", "amount": 1})),
    "per_customer": wrong.either(wrong.no_whole, lambda draw: draw.randint(2, 100)),
    "trigger": wrong.either(
        *(wrong.number, wrong.word, wrong.array),
        wrong.one_of({}, {"on": "full moon"}, {"on": "birthday", "again_after": "soon"}, {"on": "entered", "x": [1]}),
    ),
    "cap": wrong.either(wrong.number, wrong.word, wrong.one_of({}, {"messages": 0}, {"messages": 1, "per": "week"})),
    "quiet": wrong.either(
        wrong.number, wrong.word, wrong.one_of({}, {"from": "22:00"}, {"from": "24:00", "until": "08:00"})
    ),
    "priority": wrong.either(wrong.word, wrong.array, wrong.beyond, wrong.one_of(0.5, 1_000_001, -1_000_001)),
    "window_days": wrong.either(wrong.no_whole, wrong.one_of(0, 366)),
    **dict.fromkeys(("starts_at", "ends_at"), _MOMENT),
}
_CONSENT: Mapping[str, Draw] = {
    "granted": wrong.either(wrong.no_flag, wrong.one_of(None)),
    "purpose": wrong.either(wrong.no_text, wrong.one_of("", "a\nb"), lambda draw: "x" * draw.randint(201, 900)),
    "channel": _CHOICE,
    **dict.fromkeys(("source", "text_version"), wrong.either(wrong.no_text, lambda draw: "x" * draw.randint(201, 900))),
    "proof": wrong.either(
        *(wrong.no_object, lambda draw: {wrong.word(draw): wrong.array(draw)}),
        lambda draw: {wrong.word(draw): wrong.spoiled(draw)},
        lambda draw: {str(each): each for each in range(draw.randint(51, 90))},
    ),
}
_NAMES = wrong.either(
    wrong.number, wrong.word, wrong.mapping, lambda draw: [f"{wrong.word(draw)}?"], lambda draw: [wrong.number(draw)]
)
_PLACEMENT: Mapping[str, Draw] = {
    "like": _CHOICE,
    "meaning": wrong.either(wrong.number, wrong.array, wrong.mapping, wrong.flag, wrong.long_text),
    **dict.fromkeys(("sources", "filters", "fallback"), _NAMES),
    "most": wrong.either(wrong.no_whole, wrong.one_of(0, 301)),
    **dict.fromkeys(("ranking", "newcomers"), _CHOICE),
    "needs_items": wrong.no_flag,
    **dict.fromkeys(("filter", "hide"), wrong.no_filter),
    "diversity": wrong.either(wrong.one_of(2, -1, {"max": {"price": 1}}, {"max": {"brand": 0}}), wrong.word),
}
_WISH: Mapping[str, Draw] = {
    "goal": wrong.either(_CHOICE, wrong.one_of(None)),
    "budget": wrong.either(wrong.no_whole, wrong.one_of(None)),
    "channel": _CHOICE,
    **dict.fromkeys(("item_id", "category"), wrong.either(wrong.number, wrong.array, wrong.one_of(""))),
    "margin": wrong.either(_SHARE, wrong.one_of(0)),
    "limit": wrong.either(wrong.no_whole, wrong.one_of(0, 101, None)),
}

#: By method and path.
MARKETING: Mapping[tuple[str, str], Wrongs] = {
    ("POST", "/v1/campaigns"): Wrongs(
        {"name": "Spring", "audience": {"segment": "activity.churned"}, "channel": "storefront"}, _CAMPAIGN, "campaign"
    ),
    ("POST", "/v1/users/{user_id}/consents"): Wrongs({"granted": True}, _CONSENT),
    ("PUT", "/v1/placements/{name}"): Wrongs({"like": "home"}, _PLACEMENT),
    ("POST", "/v1/campaigns/suggestions"): Wrongs({"goal": "win-back", "budget": 1}, _WISH),
}
