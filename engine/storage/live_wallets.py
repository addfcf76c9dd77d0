"""Live wallets: which coupons each user holds, in the live store, for lists that show their prices.

The ledger is the record; a wallet may be lost, or be a moment old, and then a price is not shown or shown once more.
The till never asks it. A wallet holds few coupons, those that end first, and is written anew within a day.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from engine.storage.ledger import LedgerPool, at_once
from engine.storage.online import AsyncClient

#: Coupons of one user; each is about a hundred bytes.
MOST_HELD = 20
SWEPT_SECONDS = 86_400
#: Three sweeps: a wallet that none of them wrote is nobody's any more.
_KEPT_SECONDS = 3 * SWEPT_SECONDS

_HELD = """
SELECT user_id, jsonb_agg(jsonb_build_array(offer_id, version, issued, ends) ORDER BY place)
FROM (SELECT c.user_id, c.offer_id, c.version, extract(epoch FROM c.issued_at)::float8 AS issued,
          extract(epoch FROM c.expires_at)::float8 AS ends,
          row_number() OVER (PARTITION BY c.user_id ORDER BY c.expires_at NULLS LAST, c.code) AS place
      FROM coupons c JOIN offers f ON f.offer_id = c.offer_id
      WHERE c.user_id = ANY (:users) AND c.state = 'active' AND f.state = 'active'
          AND (c.max_uses IS NULL OR c.uses < c.max_uses)
          AND (c.expires_at IS NULL OR c.expires_at > to_timestamp(:now))) held
WHERE place <= :most GROUP BY user_id
"""


@dataclass(frozen=True, slots=True)
class Held:
    """A coupon of a user, of an offer's version; times in epoch seconds."""

    offer_id: str
    version: int
    issued_at: float | None
    ends_at: float | None


def held_coupons(ledger: LedgerPool, user_ids: Collection[str], *, now: float) -> dict[str, list[Held]]:
    """What these users hold and have not used; an empty list for nothing."""
    rows = dict(at_once(ledger, _HELD, users=list(user_ids), now=now, most=MOST_HELD))
    return {user: [Held(*each) for each in rows.get(user, ())] for user in user_ids}


def users_with_coupons(ledger: LedgerPool, *, after: str, limit: int) -> list[str]:
    """Users to whom coupons were ever given, by their ids, from the one behind `after` on."""
    rows = at_once(
        ledger,
        "SELECT DISTINCT user_id FROM coupons WHERE user_id > :after ORDER BY user_id LIMIT :limit",
        after=after,
        limit=limit,
    )
    return [user for (user,) in rows]


async def write_wallets(client: AsyncClient, shop: str, wallets: dict[str, list[Held]]) -> None:
    """Let these users' wallets hold this. Raises StoreError."""
    pipeline = client.pipeline(transaction=False)
    for user, held in wallets.items():
        if held:
            told = [[each.offer_id, each.version, each.issued_at, each.ends_at] for each in held]
            pipeline.set(wallet_key(shop, user), json.dumps(told), ex=_KEPT_SECONDS)
        else:
            pipeline.delete(wallet_key(shop, user))
    await pipeline.execute()


def read_wallet(value: bytes | None) -> list[Held]:
    """A wallet as it lies in the store."""
    return [] if value is None else [Held(*each) for each in json.loads(value)]


def wallet_key(shop: str, user_id: str) -> bytes:
    return f"{shop}:wallet:{user_id}".encode("utf-8", "surrogatepass")


def swept_key(shop: str) -> str:
    """Stands for a day after all wallets were written; a live store that lost everything has lost it too."""
    return f"{shop}:wallets:swept"
