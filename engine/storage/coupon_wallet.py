"""Wallet: which coupons somebody may bring, and how far counters are."""

from __future__ import annotations

from collections.abc import Collection

from engine.storage.ledger import LedgerPool, at_once
from engine.targeting.counting import scope_of
from engine.targeting.settling import Coupon

_COUPONS = """
SELECT c.code, c.offer_id, f.campaign_id, c.version, f.version, c.user_id, extract(epoch FROM c.issued_at)::float8,
    extract(epoch FROM c.expires_at)::float8, c.max_uses, c.uses, false,
    ARRAY(SELECT s.scope FROM counted_scopes s WHERE s.owner IN ('offer ' || c.offer_id, 'campaign ' || f.campaign_id)),
    extract(epoch FROM clock_timestamp())::float8 + CAST(:offset AS float8)
FROM coupons c JOIN offers f ON f.offer_id = c.offer_id
WHERE c.state = 'active' AND f.state = 'active' AND (c.max_uses IS NULL OR c.uses < c.max_uses)
    AND (c.expires_at IS NULL
         OR c.expires_at > clock_timestamp() + make_interval(secs => CAST(:offset AS float8)))
    AND (c.user_id = :user OR (c.user_id IS NULL AND c.issued_at IS NOT NULL AND c.max_uses IS DISTINCT FROM 1))
ORDER BY c.user_id IS NULL, c.expires_at NULLS LAST, c.code LIMIT :limit
"""


def coupons_of(ledger: LedgerPool, user_id: str, *, offset: float, limit: int) -> tuple[float, list[Coupon]]:
    """The shop's time, and what is unused of the user's own coupons (those that end first) and of codes for all."""
    rows = at_once(ledger, _COUPONS, user=user_id, offset=offset, limit=limit)
    now = float(rows[0][-1]) if rows else 0.0
    return now, [Coupon(*(*row[:-2], tuple(map(scope_of, row[-2])))) for row in rows]


def read_counters(ledger: LedgerPool, keys: Collection[str]) -> dict[str, int]:
    """What is used of these; those that nothing moved yet are left out."""
    rows = at_once(ledger, "SELECT key, used FROM counters WHERE key = ANY (:keys)", keys=list(keys))
    return dict(rows)


def has_redeemed(ledger: LedgerPool, user_id: str, *, besides: str | None) -> bool:
    """Whether an order of the user redeemed coupons and was not taken back, other than the one named."""
    return bool(
        at_once(
            ledger,
            "SELECT 1 FROM redemptions r JOIN redemption_stacks s ON s.redemption_id = r.redemption_id"
            " WHERE r.user_id = :user AND s.state = 'redeemed' AND s.order_id IS DISTINCT FROM :besides LIMIT 1",
            user=user_id,
            besides=besides,
        )
    )
