"""Offered segments: who is in the segments that offers name, in the live store, where the till and lists ask.

The customers' process writes them after each refresh, a set of user ids a segment, with the moment they are true of.
Only who moved is told; all of them where the store does not stand where the refresh began: it was lost, or lost its
last second, or somebody else refreshed meanwhile. So a move is known here about ten seconds after it was computed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, cast

from engine.errors import StoreUnavailable
from engine.storage.ledger import LedgerPool, at_once
from engine.storage.online import AsyncClient, Client, StoreError

_BATCH = 10_000

_NAMED = """
SELECT DISTINCT jsonb_array_elements_text(v.terms->'eligible'->'segments')
FROM offer_versions v JOIN offers f ON f.offer_id = v.offer_id WHERE f.state = 'active'
"""
#: (segment, "entered" or "left", user_ids)
Move = tuple[str, str, Sequence[str]]


def named_segments(ledger: LedgerPool) -> frozenset[str]:
    """The segments that any version of an active offer is for. Raises StoreUnavailable."""
    return frozenset(name for (name,) in at_once(ledger, _NAMED))


def kept_segments(ledger: LedgerPool, segments: Collection[str]) -> dict[str, bool]:
    """Those of `segments` that marketers defined, and whether each is in use still."""
    rows = at_once(
        ledger,
        "SELECT segment_id, archived_at IS NULL FROM segments WHERE segment_id = ANY (:ids)",
        ids=list(segments),
    )
    return dict(rows)


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
    """Of these segments, whether the user is in each; those not evaluated are left out. Raises StoreUnavailable."""
    if not segments:
        return {}
    names, member = sorted(segments), cast("str", user_id.encode("utf-8", "surrogatepass"))
    pipeline = client.pipeline(transaction=False)
    pipeline.hmget(_index(shop), names)
    for name in names:
        pipeline.sismember(_members(shop, name), member)
    try:
        moments, *found = await pipeline.execute()
    except (StoreError, OSError) as error:
        raise StoreUnavailable(f"the live store does not answer: {error}") from error
    told = zip(names, moments, found, strict=True)
    return {name: bool(is_in) for name, moment, is_in in told if moment is not None}


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
