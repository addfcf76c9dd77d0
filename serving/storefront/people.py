"""People over HTTP: a session, or a user under another name, becomes part of a user."""

from __future__ import annotations

from fastapi import APIRouter, Request

from serving.actions.merge_people import Merge, merge_people
from serving.gate import actor_of
from serving.json_body import StrictRoute
from serving.runtime import Runtime
from serving.schemas import MergeAnswer, MergeRequest, StoredPathId
from serving.wire import JsonResponse


def routes(runtime: Runtime) -> APIRouter:
    """They come before those of the users, whose paths are shorter."""
    router = APIRouter(tags=["users"], route_class=StrictRoute)

    @router.post("/v1/users/{user_id}/merge", response_model=MergeAnswer)
    async def merge(user_id: StoredPathId, body: MergeRequest, request: Request) -> JsonResponse:
        """Let a session, or another user id, be this user from now on; again changes nothing."""
        merges: list[Merge] = []
        if body.session_id is not None:
            merges.append(("session", body.session_id, user_id))
        if body.from_user_id is not None:
            merges.append(("user", body.from_user_id, user_id))
        await merge_people(runtime, merges, now=runtime.now(), actor=actor_of(request))
        return JsonResponse({"user_id": user_id})

    return router
