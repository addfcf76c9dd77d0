"""Items and users over HTTP: put, read, patch and delete one, or up to a thousand a call."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Request

from engine.errors import BadInput, UnknownThing
from engine.shop_documents import ID_FIELD, Kind
from serving.actions.change_documents import Change, Mode, change_documents, read_documents
from serving.gate import Needs, actor_of
from serving.json_body import read_json_body
from serving.runtime import Runtime
from serving.schemas import BulkVerdicts, Deleted, Document, StoredPathId
from serving.storefront.document_schema import MOST_DOCUMENTS, bulk_body, document_body
from serving.wire import JsonResponse, as_verdicts

_WRITE: list[Any] = [Depends(Needs("ingest"))]
_NEW: dict[int | str, dict[str, Any]] = {201: {"model": Document, "description": "New."}}


def routes(runtime: Runtime, kind: Kind) -> APIRouter:
    """The routes of one kind. Slashes of an id come percent-encoded."""
    router = APIRouter(tags=[kind])
    _many(router, runtime, kind)
    _changes(router, runtime, kind)
    readers = ("ingest", "marketing", "recommend") if kind == "items" else ("ingest", "marketing")

    @router.get(
        f"/v1/{kind}/{{id}}", name=f"get_{kind}", response_model=Document, dependencies=[Depends(Needs(*readers))]
    )
    async def get(id: StoredPathId) -> JsonResponse:  # noqa: A002 (the path's word)
        """One as the shop last said."""
        found = (await read_documents(runtime, kind, [id]))[0]
        if found is None:
            raise UnknownThing(f"there is no such {kind[:-1]}", code=f"unknown_{kind[:-1]}")
        return JsonResponse(found)

    return router


def _many(router: APIRouter, runtime: Runtime, kind: Kind) -> None:
    path = f"/v1/{kind}/bulk"

    @router.post(
        path, name=f"bulk_{kind}", openapi_extra=bulk_body(kind), response_model=BulkVerdicts, dependencies=_WRITE
    )
    async def bulk(request: Request) -> JsonResponse:
        """Put (`replace`) or merge many; a verdict for each that is refused."""
        return await _bulk(runtime, kind, await read_json_body(request), actor_of(request))

    # What is called so itself is reached percent-encoded: %62ulk.
    @router.api_route(path, methods=["GET", "PUT", "PATCH", "DELETE"], include_in_schema=False)
    async def not_one() -> None:
        raise HTTPException(405)


def _changes(router: APIRouter, runtime: Runtime, kind: Kind) -> None:
    path = f"/v1/{kind}/{{id}}"
    told: Any = {"openapi_extra": document_body(kind), "response_model": Document, "dependencies": _WRITE}

    async def change(request: Request, thing_id: str, mode: Mode, given: Any = None) -> JsonResponse:
        wanted = [Change(thing_id, mode, given)]
        changed = await change_documents(runtime, kind, wanted, now=runtime.now(), actor=actor_of(request))
        if changed.rejected:
            raise changed.rejected[0][1]
        return JsonResponse(changed.documents[thing_id], 201 if thing_id in changed.created else 200)

    @router.put(path, name=f"put_{kind}", responses=_NEW, **told)
    async def put(id: StoredPathId, request: Request) -> JsonResponse:  # noqa: A002 (the path's word)
        """Say all that there is to say of one: what is left out is forgotten. 201 for a new one."""
        return await change(request, id, "replace", await read_json_body(request))

    @router.patch(path, name=f"patch_{kind}", **told)
    async def patch(id: StoredPathId, request: Request) -> JsonResponse:  # noqa: A002 (the path's word)
        """Change some fields: null removes, attributes are merged key by key."""
        return await change(request, id, "patch", await read_json_body(request))

    @router.delete(path, name=f"delete_{kind}", response_model=Deleted, dependencies=_WRITE)
    async def delete(id: StoredPathId, request: Request) -> JsonResponse:  # noqa: A002 (the path's word)
        """Delete one; again changes nothing."""
        await change(request, id, "delete")
        return JsonResponse({"deleted": True})


async def _bulk(runtime: Runtime, kind: Kind, body: Any, actor: str | None) -> JsonResponse:
    given, mode = _opened(kind, body)
    name = ID_FIELD[kind]
    changes = [Change(each.get(name) if type(each) is dict else None, mode, each) for each in given]
    changed = await change_documents(runtime, kind, changes, now=runtime.now(), actor=actor)
    rejected = as_verdicts(changed.rejected)
    return JsonResponse({"accepted": len(given) - len(rejected), "rejected": rejected})


def _opened(kind: Kind, body: Any) -> tuple[list[Any], Mode]:
    if type(body) is not dict:
        raise BadInput(f"send a JSON object with {kind} and, if you like, mode", field=kind)
    for name in body.keys() - {kind, "mode"}:
        raise BadInput(f"{name}: nobody knows this field", code="unknown_field", field=name)
    given, mode = body.get(kind), body.get("mode", "replace")
    if type(given) is not list or len(given) > MOST_DOCUMENTS:
        raise BadInput(f"{kind}: must be a list of at most {MOST_DOCUMENTS}", field=kind)
    if mode == "replace" or mode == "merge":
        return given, mode
    raise BadInput("mode: must be replace or merge", field="mode")
