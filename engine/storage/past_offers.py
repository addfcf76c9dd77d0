"""Past offers: imported campaigns of the past as offers and redemptions, beside those of today, for reports and models.

Nothing can be redeemed from them: they are disabled. What a redemption took off is not told there: it is 0.
"""

from __future__ import annotations

from engine.storage.ledger import Ledger, connection_of, rows_of

# One offer for each coupon of a campaign: the same paper was good for other items in another one.
_STEPS = {
    "offers": """
        INSERT INTO offers (offer_id, campaign_id, version, state, created_at)
        SELECT 'past ' || c.campaign_id || ' ' || c.coupon_code, 'past ' || c.campaign_id, 1, 'disabled', p.starts_at
        FROM past_coupons c JOIN past_campaigns p USING (campaign_id) ON CONFLICT DO NOTHING RETURNING 1""",
    "versions": """
        INSERT INTO offer_versions (offer_id, version, terms, wording, actor, created_at)
        SELECT 'past ' || c.campaign_id || ' ' || c.coupon_code, 1,
            jsonb_build_object('past', true, 'kind', p.kind, 'from', p.starts_at, 'until', p.ends_at, 'items',
                (SELECT coalesce(jsonb_agg(i.item_id ORDER BY i.item_id), '[]') FROM past_coupon_items i
                 WHERE i.coupon_code = c.coupon_code AND i.campaign_id = c.campaign_id)),
            '{}', 'import', p.starts_at
        FROM past_coupons c JOIN past_campaigns p USING (campaign_id) ON CONFLICT DO NOTHING RETURNING 1""",
    "coupons": """
        INSERT INTO coupons (code, offer_id, version, max_uses, issued_at, expires_at, state, created_at)
        SELECT 'past ' || c.campaign_id || ' ' || c.coupon_code, 'past ' || c.campaign_id || ' ' || c.coupon_code, 1,
            NULL, p.starts_at, p.ends_at, 'disabled', p.starts_at
        FROM past_coupons c JOIN past_campaigns p USING (campaign_id) ON CONFLICT DO NOTHING RETURNING 1""",
    "orders": """
        INSERT INTO redemption_stacks (redemption_id, order_id, user_id, currency, subtotal, discount, redeemed_at)
        SELECT 'past ' || md5(row(r.*)::text), 'past ' || md5(row(r.*)::text), r.user_id, :currency, 0, 0, r.redeemed_at
        FROM past_redemptions r ON CONFLICT DO NOTHING RETURNING 1""",
    "redemptions": """
        INSERT INTO redemptions (redemption_id, code, offer_id, version, campaign_id, user_id, discount, holds,
            redeemed_at)
        SELECT 'past ' || md5(row(r.*)::text), 'past ' || r.campaign_id || ' ' || r.coupon_code,
            'past ' || r.campaign_id || ' ' || r.coupon_code, 1, 'past ' || r.campaign_id, r.user_id, 0, '[]',
            r.redeemed_at
        FROM past_redemptions r ON CONFLICT DO NOTHING RETURNING 1""",
}


def adopt_past_offers(ledger: Ledger, *, currency: str) -> dict[str, int]:
    """Bring what the imports knew of the past into the tables of today; how many rows were new in each.

    Again changes nothing. Ids and codes begin with `past`, so that no offer of today has them.
    """
    with connection_of(ledger) as connection:
        return {
            name: len(rows_of(connection, step, **({"currency": currency} if ":currency" in step else {})))
            for name, step in _STEPS.items()
        }
