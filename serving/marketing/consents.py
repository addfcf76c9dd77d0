"""Consents over HTTP: what a customer said, and putting on record what they say now."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from engine.storage.consents import Consent, Word, consents_of, say_consent, state_of
from engine.storage.ledger import LedgerPool
from engine.targeting.consents import CONSENT_CHANNELS, PURPOSES
from serving.gate import actor_of
from serving.json_body import StrictRoute
from serving.marketing_runtime import MarketingRuntime
from serving.schemas import TEXT_PATTERN, StoredPathId
from serving.wire import JsonResponse

_PATH = "/v1/users/{user_id}/consents"
_TEXT: dict[str, Any] = {"pattern": TEXT_PATTERN}


class NewConsent(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    granted: bool = Field(description="true: agreed; false: took it back.")
    purpose: str = Field(
        "marketing",
        min_length=1,
        max_length=200,
        json_schema_extra=_TEXT,
        description=f"{', '.join(PURPOSES)}, or yours.",
    )
    channel: str = Field("all", description="Which one.", json_schema_extra={"enum": list(CONSENT_CHANNELS)})
    source: str = Field(
        "shop", min_length=1, max_length=200, json_schema_extra=_TEXT, description="Where it was said: form, phone, ..."
    )
    text_version: str | None = Field(
        None, max_length=200, json_schema_extra=_TEXT, description="Which text was agreed to."
    )
    proof: dict[str, str | int | bool | None] = Field(
        default={}, max_length=50, description="What shows it: a form's id, an address."
    )


class ConsentState(BaseModel):
    purpose: str
    channel: str
    granted: bool
    since: str


class ConsentLine(BaseModel):
    purpose: str
    channel: str
    granted: bool
    text_version: str | None
    source: str
    actor: str | None
    proof: dict[str, Any]
    at: str


class Consents(BaseModel):
    user_id: str
    consents: list[ConsentState] = Field(description="What was said last of each purpose and channel.")
    history: list[ConsentLine] = Field(description="All that was said, newest first.")


def routes(runtime: MarketingRuntime) -> APIRouter:
    router = APIRouter(tags=["consents"], route_class=StrictRoute)
    ask = runtime.doors.ledger.ask

    @router.get(_PATH, response_model=Consents)
    async def told(user_id: StoredPathId) -> JsonResponse:
        """To what a customer agreed, and the record of it."""
        return JsonResponse(_answer(user_id, await ask(lambda ledger: consents_of(ledger, user_id))))

    @router.post(_PATH, response_model=Consents, status_code=201)
    async def say(user_id: StoredPathId, body: NewConsent, request: Request) -> JsonResponse:
        """Put on record that a customer agreed, or took it back, which takes one call just so."""
        now, word = runtime.now(), Word(**body.model_dump(), actor=actor_of(request))

        def put(ledger: LedgerPool) -> list[Consent]:
            say_consent(ledger, user_id, word, now=now)
            return consents_of(ledger, user_id)

        return JsonResponse(_answer(user_id, await ask(put)), 201)

    return router


def _answer(user_id: str, said: list[Consent]) -> dict[str, Any]:
    return {"user_id": user_id, "consents": state_of(said), "history": [each.as_json() for each in said]}
