"""The shapes of what is told of customers."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from engine.targeting.groups import DIMENSIONS
from serving.moments import Moment


class UserView(BaseModel):
    user_id: str
    as_of: str | None = Field(description="When the traits were computed.")
    traits: dict[str, dict[str, Any]] = Field(description="By the parts of the portrait; see /v1/traits.")
    interests: list[dict[str, Any]] = Field(description="Categories, strongest first, with what they rest on.")
    segments: list[dict[str, Any]] = Field(description="Groups, segments and classes, and since when.")
    classes: list[dict[str, Any]] = Field(description="classification_id, class_id, and since when.")
    predictions: dict[str, float]
    events: list[dict[str, Any]] = Field(description="The last events, newest first.")


class TraitList(BaseModel):
    traits: list[dict[str, Any]]


class GroupList(BaseModel):
    as_of: str
    customers: int
    dimensions: dict[str, dict[str, str]]
    groups: list[dict[str, Any]] = Field(description="With size, definition, usual actions, and whether to ask why.")
    regions: list[dict[str, Any]] = Field(description="The largest: value and size.")
    interests: list[dict[str, Any]] = Field(description="The largest: value and size.")
    clusters: list[dict[str, Any]] = Field(description="Learned from traits, described by what sets them apart.")
    thresholds: list[dict[str, Any]] = Field(description="In force; HAWKER_GROUPS changes them.")
    holidays: list[dict[str, Any]] = Field(description="Of the next 60 days.")


class MovesQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    dimension: str = Field(description="Of the ready-made groups.", json_schema_extra={"enum": list(DIMENSIONS)})
    since: Moment = Field(description="With its zone.")
    until: Moment | None = Field(None, description="With its zone; now where it is not told.")


class Moves(BaseModel):
    dimension: str
    since: str
    until: str
    moves: list[dict[str, Any]] = Field(description="`from` and `to` are group ids, null for none; `customers`.")
