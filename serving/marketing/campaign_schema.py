"""Shapes of what is said of campaigns over HTTP. The document itself is checked by the engine, field by field."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from engine.targeting.campaign_states import STATES
from engine.targeting.campaign_templates import TEMPLATES
from engine.targeting.groups import groups
from engine.targeting.labels import ID_PATTERN
from engine.thresholds import read_thresholds
from serving.schemas import Whole

_DOCUMENT: dict[str, Any] = {
    "type": "object",
    "examples": [
        {
            "name": "Come back",
            "goal": "win-back",
            "audience": {"segment": "activity.churned"},
            "channel": "email",
            "offers": ["back"],
            "budget": 50_000,
        }
    ],
}


_TEMPLATES: Any = [*TEMPLATES, *(each.id for each in groups(read_thresholds("")))]


class NewCampaign(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "anyOf": [
                {"required": ["campaign"], "properties": {"campaign": {"type": "object", "minProperties": 1}}},
                {"required": ["template_name"], "properties": {"template_name": {"type": "string"}}},
            ]
        },
    )

    campaign_id: str | None = Field(
        None,
        description="What paths call it; made where it is left out.",
        json_schema_extra={"pattern": f"^{ID_PATTERN}$"},
    )
    template_name: str | None = Field(
        None,
        max_length=200,
        description="A template, or a ready-made group, whose document this changes.",
        json_schema_extra={"enum": [*_TEMPLATES, None]},
    )
    campaign: Any = Field({}, description="The document, such as one of a suggestion.", json_schema_extra=_DOCUMENT)


class TemplateAnswer(BaseModel):
    template: str
    name: dict[str, str] = Field(description="In English and Chinese.")
    meaning: str
    advice: str
    with_offer: bool = Field(description="Whether it is usual to give an offer with it.")
    groups: list[str] = Field(description="The ready-made groups that it is usual for.")


class TemplateList(BaseModel):
    templates: list[TemplateAnswer]


class CampaignEdit(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    campaign: Any = Field(
        description="The fields that change; null takes one back to its default.", json_schema_extra=_DOCUMENT
    )
    revision: Whole | None = Field(None, description="The revision that you saw; 409 if it is another one meanwhile.")


class CampaignMove(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    reason: str | None = Field(None, min_length=1, max_length=1_000, description="Why, for the record.")


class CampaignsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    state: str | None = Field(
        None, max_length=64, description=f"One of {', '.join(STATES)}.", json_schema_extra={"enum": [*STATES, None]}
    )
    after: str = Field("", max_length=512, description="The last id of the page before.")
    limit: int = Field(100, ge=1, le=1000)


class CampaignAnswer(BaseModel):
    campaign_id: str
    state: str = Field(description=f"One of {', '.join(STATES)}.")
    revision: int = Field(description="Each edit is a revision.")
    campaign: dict[str, Any] = Field(description="The document with every field.")
    created_at: str
    created_by: str | None = Field(description="The author: the name of the key that made it.")
    updated_at: str
    updated_by: str | None
    approved_at: str | None
    approved_by: str | None = Field(description="null as well where its budget needed nobody.")
    launched_at: str | None
    completed_at: str | None
    plan: dict[str, Any] | None = Field(description="What the launch rested on.")
    figures: dict[str, Any] | None = Field(description="The report that completion kept.")
    run_id: str | None = Field(description="Its run in MLflow.")


class CampaignList(BaseModel):
    campaigns: list[CampaignAnswer]
    next: str | None = Field(description="What `after` of the next page is; null on the last.")


class ChangeAnswer(BaseModel):
    change: str = Field(description="created, edited, approved, scheduled, launched, paused, resumed, completed, ...")
    detail: dict[str, Any]
    actor: str | None
    at: str


class ChangeList(BaseModel):
    changes: list[ChangeAnswer] = Field(description="The first first.")


class PlanAnswer(BaseModel):
    """Members, arms, costs and shares come where somebody can be reached and something fits the budget."""

    model_config = ConfigDict(extra="allow")

    as_of: str
    size: int = Field(description="Customers of the audience.")
    reachable: int
    unreachable_by: dict[str, int] = Field(description="By the first reason that holds.")
    basket: float | None = Field(description="Their mean order, minor units.")
    stops: list[dict[str, Any]] = Field(description="Why a launch would be refused; empty when it would not.")
