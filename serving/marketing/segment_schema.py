"""Shapes of what is said of segments over HTTP."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from engine.storage.member_upload import REASONS
from engine.targeting.labels import ID_PATTERN, LANGUAGES, LONGEST_NAME
from serving.schemas import Whole

_ONE_NAME: dict[str, Any] = {
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST_NAME,
    "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
}
NAMES: dict[str, Any] = {
    "anyOf": [
        _ONE_NAME,
        {
            "type": "object",
            "properties": dict.fromkeys(LANGUAGES, _ONE_NAME),
            "minProperties": 1,
            "additionalProperties": False,
        },
    ],
    "examples": [{"en": "Big spenders", "zh": "高消费客户"}],
}
#: The same where it may be left out.
NAMES_OR_NONE: dict[str, Any] = {**NAMES, "anyOf": [*NAMES["anyOf"], {"type": "null"}]}
RULE: dict[str, Any] = {
    "anyOf": [{"type": "object"}, {"type": "null"}],
    "examples": [{"trait": "spend_90d", "op": ">=", "value": 20000}],
}
_REASON = f" *({'|'.join(REASONS)})? *"
_NAMES_TOLD = "A name by language, en or zh; a plain text is English."
_RULE_TOLD = "The rule as JSON; or say it in `text`."
SET_ASIDE_TOLD = "Why its rule cannot be evaluated now; who was in it stays in it until somebody mends the rule."
_TEXT_TOLD = "The rule as people write it; or say it in `definition`."


class NewSegment(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    names: Any = Field(description=_NAMES_TOLD, json_schema_extra=NAMES)
    segment_id: str | None = Field(
        None,
        description="What rules and paths call it; made of the English name where it is left out.",
        json_schema_extra={"pattern": f"^{ID_PATTERN}$"},
    )
    kind: str = Field(
        "rule", description="rule, or static: a list of users.", json_schema_extra={"enum": ["rule", "static"]}
    )
    definition: Any = Field(None, description=_RULE_TOLD, json_schema_extra=RULE)
    text: str | None = Field(None, description=_TEXT_TOLD)


class SegmentChange(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    names: Any = Field(None, description=_NAMES_TOLD, json_schema_extra=NAMES_OR_NONE)
    definition: Any = Field(None, description=_RULE_TOLD, json_schema_extra=RULE)
    text: str | None = Field(None, description=_TEXT_TOLD)
    version: Whole | None = Field(None, description="The version that you saw; 409 if it is another one meanwhile.")


class SegmentAnswer(BaseModel):
    segment_id: str
    names: dict[str, str]
    kind: str
    version: int = Field(description="Each change of its rule or list is a version.")
    definition: dict[str, Any] | None = Field(description="The rule as JSON; null of a static one.")
    text: str | None = Field(description="The same as people write it.")
    uses: list[str] = Field(description="The segments that its rule names.")
    members: int | None = Field(description="How many a static one lists; null of a rule.")
    created_at: str
    created_by: str | None = Field(description="The name of the key that made it.")
    updated_at: str
    updated_by: str | None
    archived_at: str | None
    archived_by: str | None
    set_aside: str | None = Field(description=SET_ASIDE_TOLD)


class SegmentDetails(SegmentAnswer):
    dependents: list[str] = Field(description="What names it: segments, and classes as classification/class.")


class SegmentList(BaseModel):
    segments: list[SegmentAnswer]
    next: str | None = Field(description="What `after` of the next page is; null on the last.")


class VersionAnswer(BaseModel):
    version: int
    definition: dict[str, Any] | None
    text: str | None
    members: int | None
    created_at: str
    created_by: str | None


class VersionList(BaseModel):
    versions: list[VersionAnswer] = Field(description="Newest first.")


class SegmentsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    after: str = Field("", max_length=512, description="The last id of the page before.")
    limit: int = Field(100, ge=1, le=1000)
    archived: bool = Field(False, description="Show archived ones too.")


class UploadQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    mode: str = Field(
        "add",
        description="add to the list, remove from it, or replace it.",
        json_schema_extra={"enum": ["add", "replace", "remove"]},
    )
    skip: str = Field(
        "",
        max_length=200,
        description=f"Why lines may be left out, by commas: {', '.join(REASONS)}.",
        json_schema_extra={"pattern": f"^{_REASON}(,{_REASON})*$"},
    )
    version: int | None = Field(None, description="The version that you saw; 409 if it is another one meanwhile.")


class RefusedLineAnswer(BaseModel):
    line: int = Field(description="From 1, the header included.")
    code: str
    user_id: str
    message: str


class UploadAnswer(BaseModel):
    segment: SegmentAnswer
    users: int = Field(description="Users of the file.")
    skipped: int = Field(description="Lines that were left out.")
    refused: list[RefusedLineAnswer] = Field(description="The first of them.")
