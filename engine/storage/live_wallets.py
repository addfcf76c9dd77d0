"""Live wallets: which coupons each user holds and what they used of their limits, in the live store, for lists.

The ledger is the record; a wallet may be lost, or be a moment old, and then a price is not shown or shown once more.
The till never asks it. A wallet holds few coupons, those that end first, and is written anew within a day.
Of limits of one customer it knows the counters that the user's redemptions moved, not those of reservations.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

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
#: Redemptions of one user whose counters are looked at, the latest.
_MOST_USED = 100
# A counter's key says whose it is and of which period, none for all time; the longest period is a month.
_USED = """
SELECT u.user_id, h.key, c.used
FROM unnest(CAST(:users AS text[])) AS u (user_id)
CROSS JOIN LATERAL (SELECT r.offer_id, r.holds, r.redeemed_at FROM redemptions r WHERE r.user_id = u.user_id
                    ORDER BY r.redeemed_at DESC LIMIT :most) r
JOIN offers f ON f.offer_id = r.offer_id AND f.state = 'active'
CROSS JOIN LATERAL jsonb_to_recordset(r.holds) AS h(key text)
JOIN counters c ON c.key = h.key AND c.used > 0
WHERE h.key::jsonb->>2 = u.user_id
    AND (h.key::jsonb->>3 = '' OR r.redeemed_at > to_timestamp(:now) - interval '32 days')
GROUP BY u.user_id, h.key, c.used
"""


@dataclass(frozen=True, slots=True)
class Held:
    """A coupon of a user, of an offer's version; times in epoch seconds."""

    offer_id: str
    version: int
    issued_at: float | None
    ends_at: float | None


@dataclass(frozen=True, slots=True)
class Wallet:
    """What a user holds and has not used, and by the names of counters what they used of limits of one customer."""

    held: tuple[Held, ...] = ()
    used: Mapping[str, int] = field(default_factory=dict)


def read_wallets(ledger: LedgerPool, user_ids: Collection[str], *, now: float) -> dict[str, Wallet]:
    """What stands in these users' wallets at `now`, the shop's time in epoch seconds. Raises StoreUnavailable."""
    held = dict(at_once(ledger, _HELD, users=list(user_ids), now=now, most=MOST_HELD))
    used: dict[str, dict[str, int]] = {}
    for user, key, number in at_once(ledger, _USED, users=list(user_ids), now=now, most=_MOST_USED):
        used.setdefault(user, {})[key] = number
    return {user: Wallet(tuple(Held(*each) for each in held.get(user, ())), used.get(user, {})) for user in user_ids}


def users_with_wallets(ledger: LedgerPool, *, after: str, limit: int) -> list[str]:
    """Users to whom coupons were ever given or who redeemed any, by their ids, from the one behind `after` on."""
    rows = at_once(
        ledger,
        "(SELECT DISTINCT user_id FROM coupons WHERE user_id > :after ORDER BY user_id LIMIT :limit) UNION"
        " (SELECT DISTINCT user_id FROM redemptions WHERE user_id > :after ORDER BY user_id LIMIT :limit)"
        " ORDER BY user_id LIMIT :limit",
        after=after,
        limit=limit,
    )
    return [user for (user,) in rows]


async def write_wallets(client: AsyncClient, shop: str, wallets: Mapping[str, Wallet]) -> None:
    """Let these users' wallets hold this. Raises StoreError."""
    pipeline, empty = client.pipeline(transaction=False), list[bytes]()
    for user, wallet in wallets.items():
        if wallet.held or wallet.used:
            held = [[each.offer_id, each.version, each.issued_at, each.ends_at] for each in wallet.held]
            told = json.dumps({"held": held, "used": wallet.used})
            pipeline.set(wallet_key(shop, user), told, ex=_KEPT_SECONDS)
        else:
            empty.append(wallet_key(shop, user))
    if empty:
        pipeline.delete(*empty)
    await pipeline.execute()


def read_wallet(value: bytes | None) -> Wallet:
    """A wallet as it lies in the store; an older form was a list of what is held."""
    if value is None:
        return Wallet()
    told = json.loads(value)
    told = {"held": told, "used": {}} if isinstance(told, list) else told
    return Wallet(tuple(Held(*each) for each in told["held"]), told["used"])


def wallet_key(shop: str, user_id: str) -> bytes:
    return f"{shop}:wallet:{user_id}".encode("utf-8", "surrogatepass")


def swept_key(shop: str) -> str:
    """Stands for a day after all wallets were written; a live store that lost everything has lost it too."""
    return f"{shop}:wallets:swept"
