"""Who is a user: whom the shop sent, who did something lately, or whose history the published bundle holds."""

from __future__ import annotations

import json
from collections.abc import Sequence

from engine.errors import StoreUnavailable, UnknownThing
from engine.storage.home import Home
from engine.storage.live_documents import document_key
from engine.storage.live_profiles import person_key
from engine.storage.online import Client, StoreError, connect_live
from engine.storage.releases import open_bundle

_BATCH = 2_000
_SECONDS = 5.0  # of one command


def known_users(home: Home, live_url: str, ids: Sequence[str]) -> set[str]:
    """Those of `ids` that are users; whom the shop deleted is none. Raises StoreUnavailable."""
    if not ids:
        return set()
    if not live_url:
        raise StoreUnavailable("users cannot be looked up without a live store; start it with `hawker serve`")
    found = _of_bundle(home, ids)
    with connect_live(live_url, seconds=_SECONDS) as client:
        for start in range(0, len(ids), _BATCH):
            part = ids[start : start + _BATCH]
            there, gone = _of_live(client, home.shop, part)
            found = (found | there) - gone
    return found


def _of_bundle(home: Home, ids: Sequence[str]) -> set[str]:
    try:
        users = open_bundle(home).users
    except UnknownThing:  # nothing is published yet
        return set()
    return {each for each in ids if users.row(each) >= 0}


def _of_live(client: Client, shop: str, ids: Sequence[str]) -> tuple[set[str], set[str]]:
    """Those that are there, and those that were deleted."""
    try:
        with client.pipeline(transaction=False) as pipeline:
            pipeline.mget([document_key(shop, "users", each) for each in ids])
            for each in ids:
                pipeline.exists(person_key(shop, each, None).encode("utf-8", "surrogatepass"))
            documents, *tails = pipeline.execute()
    except (StoreError, OSError) as error:
        raise StoreUnavailable(f"the live store does not answer: {error}") from error
    there = {each for each, tail in zip(ids, tails, strict=True) if tail}
    gone: set[str] = set()
    for each, document in zip(ids, documents, strict=True):
        if document is not None:
            (gone if json.loads(document).get("deleted") else there).add(each)
    return there, gone
