"""Merge people: a session, or a user under another name, turns out to be a user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import orjson

from engine.errors import BadInput, StoreUnavailable
from engine.shop_documents import check_id
from engine.storage.live_profiles import LiveProfiles
from engine.storage.online import StoreError
from serving.runtime import Runtime

#: What is merged, its id, and the user that it is from now on.
Merge = tuple[Literal["user", "session"], str, str]


async def merge_people(runtime: Runtime, merges: Sequence[Merge], *, now: float, actor: str | None = None) -> None:
    """Carry out the merges in order: the lake reads their events as the user's, the next request knows both as one.

    Durable when it returns, and doing it again changes nothing: after StoreUnavailable send the same once more.
    Raises BadInput for ids that cannot be ones, or somebody who should be merged into the same.
    """
    for kind, source_id, user_id in merges:
        check_merge(kind, source_id, user_id)
    stream, pressure, profiles = runtime.doors.stream, runtime.doors.pressure, runtime.doors.profiles
    if stream is None or pressure is None or profiles is None:
        raise StoreUnavailable("this storefront runs without its stores; start it with `hawker serve`")
    pressure.check()
    try:
        merges = [each for each in merges if not await _is_done(profiles, *each)]
    except (StoreError, OSError) as error:
        raise StoreUnavailable(f"the live store does not answer: {error}; send the merge again") from error
    if not merges:
        return
    # A microsecond apart, so that the last word on an id is the last one said.
    rows = [
        {"kind": kind, "id": source_id, "user_id": user_id, "time": round(now * 1e6) + place, "actor": actor}
        for place, (kind, source_id, user_id) in enumerate(merges)
    ]
    await stream.append("merges", [orjson.dumps(row) for row in rows])
    try:
        for kind, source_id, user_id in merges:
            await profiles.merge(kind, source_id, user_id)
    except (StoreError, OSError) as error:
        raise StoreUnavailable(f"the live store does not answer: {error}; send the merge again") from error


async def _is_done(profiles: LiveProfiles, kind: str, source_id: str, user_id: str) -> bool:
    """Whether the live store knows them as one, which it learns after the stream did."""
    asked = (source_id, None) if kind == "user" else (None, source_id)
    return (await profiles.read(*asked)).user_id == (await profiles.read(user_id, None)).user_id


def check_merge(kind: str, source_id: str, user_id: str) -> None:
    """Raises BadInput for what cannot be merged."""
    check_id("users", user_id)
    try:
        check_id("users", source_id)
    except BadInput as error:
        field = "session_id" if kind == "session" else "from_user_id"
        raise BadInput(error.message.replace("user_id", field, 1), code=error.code, field=field) from error
    if kind == "user" and source_id == user_id:
        raise BadInput("from_user_id: is the user itself; name another id", field="from_user_id")
