"""Shapes of what is said of classes over HTTP."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from engine.targeting.labels import ID_PATTERN
from serving.marketing.segment_schema import NAMES, RULE
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
        None, ge=0, le=10_000, description="Rules are asked in this order; the last by default."
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


class ClassStep(BaseModel):
    batch_id: str
    former_class: str | None
    class_id: str | None
    changed_at: str
    changed_by: str | None
    reason: dict[str, Any]


class ClassHistory(BaseModel):
    history: list[ClassStep] = Field(description="Newest first.")
