"""Offered segments: who is in the segments that offers name, in the live store, where the till and lists ask.

The customers' process writes them after each refresh, a set of user ids a segment, with the moment they are true of.
Only who moved is told; all of them where the store does not stand where the refresh began: it was lost, or lost its
last second, or somebody else refreshed meanwhile. So a move is known here about ten seconds after it was computed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from engine.errors import StoreUnavailable
from engine.storage.ledger import LedgerPool, at_once
from engine.storage.live_documents import document_key
from engine.storage.online import AsyncClient, Client, StoreError
from engine.targeting.labels import TIERS, class_of, tier_segment

_BATCH = 10_000

_NAMED = """
SELECT DISTINCT of, jsonb_array_elements_text(v.terms->'eligible'->of)
FROM offer_versions v JOIN offers f ON f.offer_id = v.offer_id, unnest(ARRAY['segments', 'tiers']) AS of
WHERE f.state = 'active'
"""
_KEPT = """
SELECT segment_id, archived_at IS NULL FROM segments WHERE segment_id = ANY (:ids)
UNION ALL
SELECT 'class:' || c.classification_id || ':' || c.class_id, true
FROM unnest(CAST(:classifications AS text[]), CAST(:classes AS text[])) AS w (classification_id, class_id)
JOIN classes c ON c.classification_id = w.classification_id AND c.class_id = w.class_id
UNION ALL
SELECT NULL, true FROM classifications WHERE classification_id = :tiers
"""
#: (segment, "entered" or "left", user_ids)
Move = tuple[str, str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Kept:
    """Which segments and classes Hawker knows the members of, and whether each is in use; `tiers`: whether those too.

    A name of the form of a class is never a label of the shop's own: one that is not there has nobody.
    """

    segments: Mapping[str, bool]
    tiers: bool


def named_segments(ledger: LedgerPool) -> frozenset[str]:
    """The segments and tiers' classes that any version of an active offer is for. Raises StoreUnavailable."""
    return frozenset(tier_segment(name) if of == "tiers" else name for of, name in at_once(ledger, _NAMED))


def kept_segments(ledger: LedgerPool, segments: Collection[str]) -> Kept:
    """Those of `segments` that marketers defined. Raises StoreUnavailable."""
    classes = {name: each for name in segments if (each := class_of(name)) is not None}
    rows = at_once(
        ledger,
        _KEPT,
        ids=list(segments),
        classifications=[classification for classification, _ in classes.values()],
        classes=[name for _, name in classes.values()],
        tiers=TIERS,
    )
    known = {name: bool(is_used) for name, is_used in rows if name is not None}
    return Kept(dict.fromkeys(classes, False) | known, tiers=any(name is None for name, _ in rows))


def offer_segments(
    client: Client,
    shop: str,
    named: Collection[str],
    *,
    was: float | None,
    now: float,
    moves: Iterable[Move],
    members: Callable[[str], Iterable[Sequence[str]]],
) -> None:
    """Let the live store say of `named` segments what a refresh from `was` to `now` found (epoch seconds).

    `members` gives all of one, in batches. Raises StoreUnavailable.
    """
    try:
        index = _index(shop)
        raw: Any = client.hgetall(index)
        there = {name.decode(): float(moment) for name, moment in raw.items()}
        for gone in there.keys() - set(named):
            client.hdel(index, gone)
            client.delete(_members(shop, gone))
        follows = {name for name in named if was is not None and there.get(name) == was}
        for segment, change, users in moves:
            if segment in follows:
                told = client.sadd if change == "entered" else client.srem
                for start in range(0, len(users), _BATCH):
                    told(_members(shop, segment), *users[start : start + _BATCH])
        for segment in named:
            if segment not in follows:
                _write_anew(client, shop, segment, members(segment))
            client.hset(index, segment, repr(now))
    except StoreError as error:
        raise StoreUnavailable(f"the live store does not answer: {error}") from error


async def known_of(client: AsyncClient, shop: str, user_id: str, segments: Collection[str]) -> dict[str, bool]:
    """Of these segments, whether the user is in each; those not evaluated are left out. Raises StoreUnavailable.

    Whom the shop deleted is in none from that moment on.
    """
    if not segments:
        return {}
    names, member = sorted(segments), cast("str", user_id.encode("utf-8", "surrogatepass"))
    pipeline = client.pipeline(transaction=False)
    pipeline.hmget(_index(shop), names)
    for name in names:
        pipeline.sismember(_members(shop, name), member)
    pipeline.get(document_key(shop, "users", user_id).encode("utf-8", "surrogatepass"))
    try:
        moments, *found, document = await pipeline.execute()
    except (StoreError, OSError) as error:
        raise StoreUnavailable(f"the live store does not answer: {error}") from error
    gone = document is not None and bool(json.loads(document).get("deleted"))
    told = zip(names, moments, found, strict=True)
    return {name: bool(is_in) and not gone for name, moment, is_in in told if moment is not None}


def _write_anew(client: Client, shop: str, segment: str, batches: Iterable[Sequence[str]]) -> None:
    fresh, key = f"{_members(shop, segment)}:new", _members(shop, segment)
    client.delete(fresh)
    written = 0
    for batch in batches:
        written += int(client.sadd(fresh, *batch))
    if written:
        client.rename(fresh, key)
    else:
        client.delete(key)


def _index(shop: str) -> str:
    return f"{shop}:offered"


def _members(shop: str, segment: str) -> str:
    return f"{shop}:offered:{segment}"
