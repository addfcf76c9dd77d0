"""Campaigns of the past, as a shop's history tells them; read by planning and reports, never redeemed from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from engine.storage.ledger import Ledger, LedgerPool, connection_of, insert_new, rows_of


@dataclass(frozen=True, slots=True)
class PastCampaigns:
    """Plain tuples, in the order of the columns; times carry a zone, ids are the shop's own."""

    campaigns: Iterable[tuple[str, str, datetime, datetime]] = ()  # campaign_id, kind, starts_at, ends_at
    members: Iterable[tuple[str, str]] = ()  # campaign_id, user_id
    coupons: Iterable[tuple[str, str]] = ()  # coupon_code, campaign_id
    coupon_items: Iterable[tuple[str, str, str]] = ()  # coupon_code, campaign_id, item_id
    redemptions: Iterable[tuple[str, str, str, datetime]] = ()  # user_id, coupon_code, campaign_id, redeemed_at


def record_past_campaigns(ledger: Ledger, past: PastCampaigns) -> dict[str, int]:
    """Store what is not there yet, all of it or nothing; returns the number of new rows of each table.

    A repeated import changes nothing. Given an engine it commits, given a connection the caller
    does. Raises BadInput when a row names a campaign or coupon that neither `past` nor the ledger has.
    """
    with connection_of(ledger) as connection:
        # Parents first: campaigns, then their coupons, then what refers to both.
        return {
            "campaigns": insert_new(
                connection, "past_campaigns", ("campaign_id", "kind", "starts_at", "ends_at"), past.campaigns
            ),
            "members": insert_new(connection, "past_campaign_members", ("campaign_id", "user_id"), past.members),
            "coupons": insert_new(connection, "past_coupons", ("coupon_code", "campaign_id"), past.coupons),
            "coupon_items": insert_new(
                connection, "past_coupon_items", ("coupon_code", "campaign_id", "item_id"), past.coupon_items
            ),
            "redemptions": insert_new(
                connection,
                "past_redemptions",
                ("user_id", "coupon_code", "campaign_id", "redeemed_at"),
                past.redemptions,
            ),
        }


def past_redemptions(ledger: LedgerPool) -> tuple[int, int]:
    """Customers of past campaigns with an offer, imported or our own, and those of them who redeemed in theirs."""
    with connection_of(ledger) as connection:
        imported = rows_of(
            connection,
            "SELECT count(*), count(*) FILTER (WHERE EXISTS (SELECT FROM past_redemptions r"
            " WHERE r.campaign_id = m.campaign_id AND r.user_id = m.user_id)) FROM past_campaign_members m",
        )
        finished = rows_of(
            connection,
            "SELECT (figures->'totals'->'treatment'->>'members')::float8,"
            " (figures->'totals'->'treatment'->>'redeemed')::float8 FROM campaigns WHERE state = 'completed'"
            " AND figures->'totals' ? 'treatment' AND document->'offers' <> '[]'",
        )
    sent, redeemed = (sum(each) for each in zip(*imported, *finished, strict=True))
    return int(sent), int(redeemed)


def read_past_campaigns(ledger: LedgerPool) -> PastCampaigns:
    """Campaigns by their beginning, with members, coupons and redemptions; without the items of the coupons."""
    with connection_of(ledger) as connection:
        return PastCampaigns(
            campaigns=rows_of(connection, "SELECT campaign_id, kind, starts_at, ends_at FROM past_campaigns"
                              " ORDER BY starts_at, campaign_id"),
            members=rows_of(connection, "SELECT campaign_id, user_id FROM past_campaign_members ORDER BY 1, 2"),
            coupons=rows_of(connection, "SELECT coupon_code, campaign_id FROM past_coupons ORDER BY 1, 2"),
            redemptions=rows_of(connection, "SELECT user_id, coupon_code, campaign_id, redeemed_at"
                                " FROM past_redemptions ORDER BY redeemed_at, user_id, coupon_code"),
        )  # fmt: skip
