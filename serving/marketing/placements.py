"""Placements over HTTP: the lists of a shop's pages, as configuration. Storefronts take them up within seconds."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from engine.recommend.experiment import CONTROL
from engine.recommend.experiment_reader import LONGEST_SALT, MOST_VARIANTS, NAME_PATTERN
from engine.recommend.exploration import BY, MOST_SHARE
from engine.recommend.filters import FILTERS
from engine.recommend.placement_reader import CHANGES, LONGEST_MEANING, MOST_CANDIDATES, NEWCOMERS, RANKINGS
from engine.recommend.placements import PLACEMENTS, Placement
from engine.recommend.sources import SOURCES
from engine.storage.placements import (
    StoredPlacement,
    definitions_of,
    delete_placement,
    find_placement,
    keep_variant,
    list_placements,
    put_placement,
    remember,
)
from serving.gate import actor_of
from serving.json_body import StrictRoute
from serving.marketing_runtime import MarketingRuntime
from serving.schemas import Deleted, StoredPathId, Whole, problems
from serving.wire import JsonResponse
from serving.wish_schema import WINDOW_SCHEMA, Wishes

_ONE = "/v1/placements/{name}"
_RUNS = problems((409, "An experiment of this name runs with other variants."))
_NONE_RUNS = problems((409, "No experiment runs on this placement."))
_NAME: Any = {"type": "string", "pattern": f"^{NAME_PATTERN}$"}
_SHARE: Any = {"type": "number", "minimum": 0, "maximum": MOST_SHARE}
_EXPLORE: Any = {
    "anyOf": [
        _SHARE,
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["share"],
            "properties": {"share": _SHARE, "by": {"type": "string", "enum": list(BY)}},
        },
        {"type": "null"},
    ],
    "examples": [0.05],
}
_WEIGHT: Any = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
_VARIANT: Any = {
    "type": "object",
    "required": ["weight"],
    "properties": {"weight": _WEIGHT, **{word: {} for word in CHANGES}},
    "additionalProperties": False,
}
_EXPERIMENT: Any = {
    "anyOf": [
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["name", "variants"],
            "properties": {
                "name": _NAME,
                "salt": {"type": "string", "minLength": 1, "maxLength": LONGEST_SALT},
                "variants": {
                    "type": "object",
                    "required": [CONTROL],
                    "minProperties": 2,
                    "maxProperties": MOST_VARIANTS,
                    "propertyNames": {"pattern": f"^{NAME_PATTERN}$"},
                    "additionalProperties": _VARIANT,
                },
            },
        },
        {"type": "null"},
    ],
    "examples": [{"name": "varied", "variants": {CONTROL: {"weight": 0.5}, "b": {"weight": 0.5, "diversity": 0.4}}}],
}
_Named = Annotated[
    StoredPathId, Field(description="What pages call it.", json_schema_extra={"pattern": f"^{NAME_PATTERN}$"})
]


def _of(names: Any) -> Any:
    return {"items": {"type": "string", "enum": list(names)}, "uniqueItems": True}


class PlacementBody(Wishes):
    """What is not given is that of the placement it is `like`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    like: str | None = Field(
        None, description="The built-in placement that it begins with.", json_schema_extra={"enum": [*PLACEMENTS, None]}
    )
    meaning: str | None = Field(None, max_length=LONGEST_MEANING, description="What it shows, for people.")
    sources: list[str] | None = Field(None, description="Who proposes.", json_schema_extra=_of(SOURCES))
    most: Whole | None = Field(None, ge=1, le=MOST_CANDIDATES, description="Candidates of each source.")
    filters: list[str] | None = Field(None, description="Who may not be shown.", json_schema_extra=_of(FILTERS))
    ranking: str | None = Field(
        None,
        description="What orders; empty for the sources' own ranks.",
        json_schema_extra={"enum": ["", *RANKINGS, None]},
    )
    fallback: list[str] | None = Field(
        None, description="What stands in, in this order.", json_schema_extra=_of(SOURCES)
    )
    needs_items: bool | None = Field(None, description="It is about items in view.")
    newcomers: str | None = Field(
        None,
        description="The source of items newer than the bundle; empty for none.",
        json_schema_extra={"enum": ["", *NEWCOMERS, None]},
    )

    window: str | None = Field(None, description="Of what sells: within which days.", json_schema_extra=WINDOW_SCHEMA)
    segment: str | None = Field(None, description="Of what sells: to whose members.")
    explore: Any = Field(
        None,
        description="How much is left to chance: the chance of each place, and whether by chance or by results.",
        json_schema_extra=_EXPLORE,
    )
    experiment: Any = Field(
        None,
        description="Variants by name, each with its weight and what it changes; one is the control.",
        json_schema_extra=_EXPERIMENT,
    )


class Kept(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    variant: str = Field(description="What everybody sees from now on.", json_schema_extra=_NAME)


class PlacementAnswer(BaseModel):
    name: str
    origin: str = Field(description="ledger, or built-in.")
    meaning: str
    definition: dict[str, Any] | None = Field(description="As it was given; null of one that is built in.")
    updated_at: str | None
    updated_by: str | None


class PlacementList(BaseModel):
    placements: list[PlacementAnswer]


def routes(runtime: MarketingRuntime) -> APIRouter:
    router = APIRouter(tags=["placements"], route_class=StrictRoute)
    ask = runtime.doors.ledger.ask

    async def tell() -> None:
        """For commands, which read files."""
        remember(runtime.home, await ask(definitions_of))

    @router.get("/v1/placements", response_model=PlacementList)
    async def listed() -> JsonResponse:
        """The lists of this shop by name: those defined here, and those built in."""
        found = {each.name: _stored(each) for each in await ask(list_placements)}
        built = {name: _built_in(each) for name, each in PLACEMENTS.items()}
        return JsonResponse({"placements": [each for _, each in sorted((built | found).items())]})

    @router.get(_ONE, response_model=PlacementAnswer)
    async def one(name: StoredPathId) -> JsonResponse:
        """One list as it is defined."""
        stored = [each for each in await ask(list_placements) if each.name == name]
        if not stored and name in PLACEMENTS:
            return JsonResponse(_built_in(PLACEMENTS[name]))
        return JsonResponse(_stored(stored[0] if stored else await ask(lambda ledger: find_placement(ledger, name))))

    @router.put(_ONE, response_model=PlacementAnswer, responses=_RUNS)
    async def put(name: _Named, body: PlacementBody, request: Request) -> JsonResponse:
        """Define a list, or define it anew; one of a built-in name takes its place."""
        actor, now = actor_of(request), runtime.now()
        definition = body.model_dump(exclude_none=True, exclude_unset=True)
        made = await ask(lambda ledger: put_placement(ledger, name, definition, actor=actor, now=now))
        await tell()
        return JsonResponse(_stored(made))

    @router.post(f"{_ONE}/keep", response_model=PlacementAnswer, responses=_NONE_RUNS)
    async def keep(name: StoredPathId, body: Kept, request: Request) -> JsonResponse:
        """End the experiment of a list: from now on everybody sees this variant."""
        actor, now = actor_of(request), runtime.now()
        made = await ask(lambda ledger: keep_variant(ledger, name, body.variant, actor=actor, now=now))
        await tell()
        return JsonResponse(_stored(made))

    @router.delete(_ONE, response_model=Deleted)
    async def delete(name: StoredPathId) -> JsonResponse:
        """Remove what was defined here; a built-in list of that name is as it was."""
        await ask(lambda ledger: delete_placement(ledger, name))
        await tell()
        return JsonResponse({"deleted": True})

    return router


def _stored(each: StoredPlacement) -> dict[str, Any]:
    return {
        "name": each.name,
        "origin": "ledger",
        "meaning": str(each.definition.get("meaning", "")),
        "definition": dict(each.definition),
        "updated_at": each.updated_at.isoformat(),
        "updated_by": each.updated_by,
    }


def _built_in(each: Placement) -> dict[str, Any]:
    told = {"name": each.name, "origin": "built-in", "meaning": each.meaning}
    return {**told, "definition": None, "updated_at": None, "updated_by": None}
