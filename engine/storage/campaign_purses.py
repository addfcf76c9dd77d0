"""What campaigns gave out, in all and by hour or day, and what is left of their budgets and quotas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from engine.storage.ledger import LedgerConnection, rows_of
from engine.targeting.arbitration import Purse, period_of
from engine.targeting.campaign import Campaign

_ALL = "all"


def read_purse(connection: LedgerConnection, campaigns: Mapping[str, Campaign], *, now: float, zone: ZoneInfo) -> Purse:
    """What these campaigns may still give out at the shop's time `now`.

    A budget is spent by what sent messages are expected to cost, and by what was redeemed where that is more.
    """
    bounded = {name: each for name, each in campaigns.items() if each.budget is not None}
    tallies: dict[tuple[str, str], float] = {}
    redeemed: dict[str, int] = {}
    if bounded:
        rows = rows_of(
            connection,
            "SELECT campaign_id, period, cost FROM campaign_tallies WHERE campaign_id = ANY (:ids)",
            ids=list(bounded),
        )
        tallies = {(name, period): cost for name, period, cost in rows}
        pairs = [(name, offer.offer_id) for name, each in bounded.items() for offer in each.offers]
        told = {"ids": [name for name, _ in pairs], "offers": [offer for _, offer in pairs]}
        redeemed = dict(rows_of(connection, _REDEEMED, **told))
    money, quotas = {}, {}
    for name, campaign in bounded.items():
        assert campaign.budget is not None
        money[name] = campaign.budget - max(tallies.get((name, _ALL), 0.0), float(redeemed.get(name, 0)))
        if campaign.quota is not None:
            period, again = period_of(now, zone, campaign.quota.per)
            quotas[name] = (campaign.quota.amount - tallies.get((name, period), 0.0), again)
    return Purse(quotas, money)


#: A coupon's source is the message that brought it, whose id begins with the campaign's.
_REDEEMED = """
SELECT k.id, sum(r.discount - r.returned)::bigint
FROM unnest(CAST(:ids AS TEXT[]), CAST(:offers AS TEXT[])) AS k (id, offer_id) JOIN redemptions r USING (offer_id)
JOIN coupons c ON c.code = r.code AND starts_with(c.source_id, k.id || '-') GROUP BY k.id"""


def add_up(
    connection: LedgerConnection,
    campaigns: Mapping[str, Campaign],
    given: Mapping[str, tuple[int, float]],
    *,
    now: float,
    zone: ZoneInfo,
) -> None:
    """Note what a round gave out: messages and expected cost by campaign."""
    messages: Counter[tuple[str, str]] = Counter()
    costs: dict[tuple[str, str], float] = {}
    for name, (number, cost) in given.items():
        quota = campaigns[name].quota
        for period in (_ALL, *(() if quota is None else (period_of(now, zone, quota.per)[0],))):
            messages[name, period] += number
            costs[name, period] = costs.get((name, period), 0.0) + cost
    keys = sorted(messages)
    if keys:
        rows_of(
            connection,
            "INSERT INTO campaign_tallies AS t (campaign_id, period, messages, cost) SELECT * FROM"
            " unnest(CAST(:ids AS TEXT[]), CAST(:periods AS TEXT[]), CAST(:numbers AS BIGINT[]),"
            " CAST(:costs AS FLOAT8[])) ON CONFLICT (campaign_id, period) DO UPDATE SET"
            " messages = t.messages + excluded.messages, cost = t.cost + excluded.cost",
            ids=[key[0] for key in keys],
            periods=[key[1] for key in keys],
            numbers=[messages[key] for key in keys],
            costs=[costs[key] for key in keys],
        )
