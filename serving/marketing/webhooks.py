"""Webhooks over HTTP: who is told of what, what was sent, and sending it again."""

from __future__ import annotations

import secrets
import time
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from engine.storage.ledger import LedgerPool
from engine.storage.webhook_outbox import STATES, announce, list_deliveries, replay
from engine.storage.webhooks import (
    LONGEST_URL,
    Webhook,
    create_webhook,
    delete_webhook,
    edit_webhook,
    find_webhook,
    list_webhooks,
    renew_secret,
)
from engine.targeting.webhook_messages import SECRET_BYTES, WEBHOOK_EVENTS, secret_of
from serving.gate import actor_of
from serving.json_body import StrictRoute
from serving.marketing_runtime import MarketingRuntime
from serving.schemas import Deleted, StoredPathId
from serving.wire import JsonResponse

_ONE = "/v1/webhooks/{webhook_id}"
_EVENTS: dict[str, Any] = {"items": {"type": "string", "enum": list(WEBHOOK_EVENTS)}, "minItems": 1}
_URL: dict[str, Any] = {"pattern": "^https://[\\x21-\\x7e]+$"}


class NewWebhook(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    url: str = Field(max_length=LONGEST_URL, description="Where messages go: https.", json_schema_extra=_URL)
    events: list[str] = Field(
        max_length=20, description="What it is told of: " + ", ".join(WEBHOOK_EVENTS) + ".", json_schema_extra=_EVENTS
    )


class WebhookChange(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    url: str | None = Field(
        None, max_length=LONGEST_URL, json_schema_extra={"anyOf": [{"type": "string", **_URL}, {"type": "null"}]}
    )
    events: list[str] | None = Field(
        None, max_length=20, json_schema_extra={"anyOf": [{"type": "array", **_EVENTS}, {"type": "null"}]}
    )
    enabled: bool | None = Field(None, description="A disabled one is told of nothing, and what waits for it waits.")


class WebhookAnswer(BaseModel):
    webhook_id: str
    url: str
    events: list[str]
    enabled: bool
    created_at: str
    created_by: str | None
    updated_at: str
    updated_by: str | None


class WebhookWithSecret(WebhookAnswer):
    secret: str = Field(description="What messages are signed with. It is shown this once.")


class WebhookList(BaseModel):
    webhooks: list[WebhookAnswer]


class DeliveryAnswer(BaseModel):
    delivery_id: int
    webhook_id: str
    message_id: str = Field(description="The header webhook-id; the same each time that it is sent.")
    event: str
    state: str = Field(description="waiting, delivered or dead: given up.")
    attempts: int
    next_at: str | None = Field(description="When it is tried again.")
    last_status: int | None
    last_error: str | None
    created_at: str
    ended_at: str | None
    body: dict[str, Any]


class DeliveryList(BaseModel):
    deliveries: list[DeliveryAnswer] = Field(description="Newest first.")
    next: int | None = Field(description="What `before` of the next page is; null on the last.")


class DeliveriesQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    state: str | None = Field(None, description="Only these.", json_schema_extra={"enum": list(STATES)})
    before: int | None = Field(None, ge=1, le=2**62)
    limit: int = Field(100, ge=1, le=1000)


class Replayed(BaseModel):
    replayed: int = Field(description="How many are sent again.")


class Announced(BaseModel):
    message_id: str


def routes(runtime: MarketingRuntime) -> APIRouter:
    router = APIRouter(tags=["webhooks"], route_class=StrictRoute)
    _reads(router, runtime)
    _changes(router, runtime)
    _sending(router, runtime)
    return router


def _reads(router: APIRouter, runtime: MarketingRuntime) -> None:
    ask = runtime.doors.ledger.ask

    @router.get("/v1/webhooks", response_model=WebhookList)
    async def listed() -> JsonResponse:
        """All webhooks, oldest first."""
        return JsonResponse({"webhooks": [each.as_json() for each in await ask(list_webhooks)]})

    @router.get(_ONE, response_model=WebhookAnswer)
    async def one(webhook_id: StoredPathId) -> JsonResponse:
        """One webhook, without its secret."""
        return JsonResponse((await ask(lambda ledger: find_webhook(ledger, webhook_id))).as_json())

    @router.get(f"{_ONE}/deliveries", response_model=DeliveryList)
    async def deliveries(webhook_id: StoredPathId, query: Annotated[DeliveriesQuery, Query()]) -> JsonResponse:
        """What it was sent in the last 30 days, and what became of that."""
        found = await ask(
            lambda ledger: list_deliveries(
                ledger, webhook_id, state=query.state, before=query.before, limit=query.limit + 1
            )
        )
        page = found[: query.limit]
        more = page[-1].id if len(found) > query.limit else None
        return JsonResponse({"deliveries": [each.as_json() for each in page], "next": more})


def _changes(router: APIRouter, runtime: MarketingRuntime) -> None:
    ask, private = runtime.doors.ledger.ask, runtime.settings.webhook_private

    @router.post("/v1/webhooks", response_model=WebhookWithSecret, status_code=201)
    async def create(body: NewWebhook, request: Request) -> JsonResponse:
        """Be told of events, by messages signed as Standard Webhooks has it."""
        actor, secret = actor_of(request), secret_of(secrets.token_bytes(SECRET_BYTES))

        def make(ledger: LedgerPool) -> Webhook:
            return create_webhook(
                ledger, body.url, body.events, secret=secret, private=private, actor=actor, now=time.time()
            )

        made = await ask(make)
        told = {**made.as_json(), "secret": secret}
        return JsonResponse(told, 201, headers={"Location": f"/v1/webhooks/{made.id}"})

    @router.patch(_ONE, response_model=WebhookAnswer)
    async def edit(webhook_id: StoredPathId, body: WebhookChange, request: Request) -> JsonResponse:
        """Change what is given."""
        actor = actor_of(request)

        def change(ledger: LedgerPool) -> Webhook:
            given = body.model_dump(exclude_none=True)
            return edit_webhook(ledger, webhook_id, **given, private=private, actor=actor, now=time.time())

        return JsonResponse((await ask(change)).as_json())

    @router.delete(_ONE, response_model=Deleted)
    async def delete(webhook_id: StoredPathId) -> JsonResponse:
        """Remove a webhook and the record of what it was sent."""
        await ask(lambda ledger: delete_webhook(ledger, webhook_id))
        return JsonResponse({"deleted": True})

    @router.post(f"{_ONE}/secret", response_model=WebhookWithSecret)
    async def renew(webhook_id: StoredPathId, request: Request) -> JsonResponse:
        """Sign with a new secret; for 24 hours messages carry the former signature too."""
        actor, secret = actor_of(request), secret_of(secrets.token_bytes(SECRET_BYTES))
        found = await ask(lambda ledger: renew_secret(ledger, webhook_id, secret, actor=actor, now=time.time()))
        return JsonResponse({**found.as_json(), "secret": secret})


def _sending(router: APIRouter, runtime: MarketingRuntime) -> None:
    ask = runtime.doors.ledger.ask

    @router.post(f"{_ONE}/test", response_model=Announced, status_code=202)
    async def test(webhook_id: StoredPathId) -> JsonResponse:
        """Send it a message that says nothing, to see whether it arrives."""
        message_id = f"msg_{secrets.token_hex(12)}"

        def tell(ledger: LedgerPool) -> None:
            find_webhook(ledger, webhook_id)
            announce(ledger, "webhook.test", {}, message_id=message_id, now=time.time(), only=webhook_id)

        await ask(tell)
        return JsonResponse({"message_id": message_id}, 202)

    @router.post(f"{_ONE}/replay", response_model=Replayed)
    async def again(webhook_id: StoredPathId) -> JsonResponse:
        """Send all again that were given up, under their old ids."""
        number = await ask(lambda ledger: replay(ledger, webhook_id, now=time.time()))
        return JsonResponse({"replayed": number})

    @router.post(f"{_ONE}/deliveries/{{delivery_id}}/replay", response_model=Replayed)
    async def again_one(webhook_id: StoredPathId, delivery_id: Annotated[int, Path(ge=1, le=2**62)]) -> JsonResponse:
        """Send one again under its old id, be it given up or delivered."""
        number = await ask(lambda ledger: replay(ledger, webhook_id, delivery_id=delivery_id, now=time.time()))
        return JsonResponse({"replayed": number})
