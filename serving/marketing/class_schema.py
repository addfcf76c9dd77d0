"""Shapes of what is said of classes over HTTP."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from engine.targeting.labels import ID_PATTERN
from serving.marketing.segment_schema import NAMES, RULE, SET_ASIDE_TOLD
from serving.moments import Moment
from serving.schemas import StoredId, Whole

_NAMES_TOLD = "A name by language, en or zh; a plain text is English."


class NewClassification(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    names: Any = Field(description=_NAMES_TOLD, json_schema_extra=NAMES)
    classification_id: str | None = Field(None, json_schema_extra={"pattern": f"^{ID_PATTERN}$"})


class ClassificationChange(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    names: Any = Field(description=_NAMES_TOLD, json_schema_extra=NAMES)


class ClassBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    names: Any = Field(description=_NAMES_TOLD, json_schema_extra=NAMES)
    definition: Any = Field(
        None, description="A rule as JSON; none where it is filled by hand.", json_schema_extra=RULE
    )
    text: str | None = Field(None, description="The same as people write it.")
    place: Whole | None = Field(
        None,
        ge=0,
        le=10_000,
        description="Rules are asked in this order; the last by default.",
        json_schema_extra={"anyOf": [{"type": "integer", "minimum": 0, "maximum": 10_000}, {"type": "null"}]},
    )


class ClassAnswer(BaseModel):
    class_id: str
    segment_id: str = Field(description="What rules, campaigns and memberships call it.")
    names: dict[str, str]
    place: int
    definition: dict[str, Any] | None
    text: str | None
    uses: list[str]
    members: int = Field(description="Who is in it by hand.")
    updated_at: str
    updated_by: str | None
    set_aside: str | None = Field(description=SET_ASIDE_TOLD)


class ClassificationAnswer(BaseModel):
    classification_id: str
    names: dict[str, str]
    created_at: str
    created_by: str | None
    updated_at: str
    updated_by: str | None
    classes: list[ClassAnswer] = Field(description="By their places; empty in a list of classifications.")


class ClassificationList(BaseModel):
    classifications: list[ClassificationAnswer]


class Assignment(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    class_id: str | None = Field(description="Where to; null takes them out of their classes.")
    user_ids: list[StoredId] | None = Field(None, max_length=50_000, description="Who.")
    filter: Any = Field(
        None,
        description="Or all users whose documents fulfil this condition.",
        json_schema_extra={"anyOf": [{"type": "string"}, {"type": "object"}, {"type": "null"}]},
    )
    segment_id: str | None = Field(None, description="Or all of a static segment.")
    skip_unknown: bool = Field(False, description="Leave out whom nobody knows instead of refusing all.")


class BatchAnswer(BaseModel):
    batch_id: str
    classification_id: str
    class_id: str | None
    reason: dict[str, Any] = Field(description="What was asked for.")
    changed: int = Field(description="Users whose class changed.")
    created_at: str
    created_by: str | None
    undone_by: str | None = Field(description="The batch that undid it.")


class BatchList(BaseModel):
    assignments: list[BatchAnswer] = Field(description="Newest first.")


class ClassMember(BaseModel):
    user_id: str
    class_id: str
    batch_id: str = Field(description="The assignment that put them there.")
    since: str


class ClassMembers(BaseModel):
    members: list[ClassMember]
    next: str | None = Field(description="What `after` of the next page is; null on the last.")


class MembersQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    class_id: str | None = Field(None, max_length=64)
    after: str = Field("", max_length=512)
    limit: int = Field(100, ge=1, le=10_000)


class InClass(BaseModel):
    user_id: str
    since: str
    by_hand: bool = Field(description="Put there by an assignment; else its rule fits.")


class ClassPage(BaseModel):
    segment_id: str
    as_of: str = Field(description="When the class was evaluated.")
    size: int
    members: list[InClass]
    next: str | None = Field(description="What `after` of the next page is; null on the last.")


class ClassDrift(BaseModel):
    size_then: int
    share_then: float | None
    entered: int = Field(description="Since then; who came and went counts in both.")
    left: int


class ClassResponse(BaseModel):
    contacted: int = Field(description="Its members of today times the campaigns, imported or own, that reached each.")
    responded: int = Field(description="Of those, who redeemed something of the campaign.")
    rate: float | None
    redemptions: int = Field(description="Coupons that they redeemed here.")
    discount: int = Field(description="What these cost, minor units.")


class ClassContrast(BaseModel):
    campaigns: int = Field(description="Own campaigns with a holdout in the class whose outcome windows are over.")
    treated: int = Field(description="Who was in the class when they joined, times campaigns.")
    held_out: int
    treated_bought: int = Field(description="Who bought in the outcome window.")
    held_out_bought: int
    difference: float = Field(description="The part of the treated who bought because of it: within campaigns.")
    low: float = Field(description="With high, the 95 % interval.")
    high: float


class GroupOverlap(BaseModel):
    group: str
    customers: int
    share: float = Field(description="Of the class.")
    share_of_all: float = Field(description="Of all customers.")


class Threshold(BaseModel):
    why: str
    reason: str = Field(description="What the threshold aims at, or why there is none.")
    text: str | None = Field(description="The rule to set instead; null where none can be suggested.")
    definition: dict[str, Any] | None
    expected_size: int | None
    expected_share: float | None


class ClassScore(BaseModel):
    class_id: str
    segment_id: str
    names: dict[str, str]
    size: int
    by_hand: int = Field(description="Who was put there by hand, as of now.")
    share: float | None = Field(description="Of all customers.")
    revenue_365d: int = Field(description="Minor units.")
    revenue_share: float | None
    mean_revenue_365d: float | None
    buyers_365d: int
    repeat_rate_365d: float | None = Field(description="Buyers with two orders or more, of all buyers.")
    drift: ClassDrift | None = Field(description="null where no class was evaluated by then.")
    response: ClassResponse | None = Field(description="null where no campaign reached anybody of it.")
    against_holdout: ClassContrast | None = Field(description="null where no campaign held anybody of it out.")
    overlap: list[GroupOverlap] = Field(description="The ready-made groups that set it apart most.")
    suggestion: Threshold | None = Field(description="Where it holds under 2 % or over 70 % of the customers.")


class Scorecard(BaseModel):
    classification_id: str
    as_of: str = Field(description="When the classes were evaluated.")
    since: str
    customers: int
    unclassified: int
    stability_index: float | None = Field(description="Of all classes since then; from about 0.25 on they shifted.")
    classes: list[ClassScore] = Field(description="By their places.")


class ScorecardQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    since: Moment | None = Field(None, description="What to compare with, with its zone; 30 days ago by default.")


class ClassStep(BaseModel):
    batch_id: str
    former_class: str | None
    class_id: str | None
    changed_at: str
    changed_by: str | None
    reason: dict[str, Any]


class ClassHistory(BaseModel):
    history: list[ClassStep] = Field(description="Newest first.")
