"""Figures of a campaign: what became of each member, from the ledger's promises and the customers' happenings.

Members count by their assignment. The outcome window of each begins when they joined; what is bought in it counts
whatever it is, less what is returned in it. Costs of items are those that the shop says today: none are kept of earlier
days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from engine.storage.campaign_happenings import happened_to
from engine.storage.campaigns import StoredCampaign
from engine.storage.home import Home
from engine.storage.ledger import Ledger, LedgerConnection, connection_of, copied, rows_of
from engine.targeting.campaign_members import ARMS, Floats, Later, Members, design_of, offers_of
from engine.targeting.campaign_report import LEAST_KNOWN, figures_of

_MEMBERS = """
WITH sent AS (
    SELECT user_id, min(ended_at) AS sent_at FROM campaign_outbox
    WHERE campaign_id = %(id)s AND state = 'sent' GROUP BY user_id),
  members AS (SELECT * FROM campaign_members WHERE campaign_id = %(id)s),
  given AS (
    SELECT m.user_id, min(k.issued_at) AS issued_at FROM coupons k JOIN members m ON m.user_id = k.user_id
    WHERE (k.offer_id = ANY(%(offers)s) AND k.issued_at >= m.joined_at
        AND k.issued_at < m.joined_at + %(window)s * interval '1 day')
      OR starts_with(k.source_id, %(id)s || '-')
    GROUP BY m.user_id),
  used AS (
    SELECT m.user_id, min(r.redeemed_at) FILTER (WHERE s.state = 'redeemed') AS redeemed_at,
      sum(r.discount - r.returned)::bigint AS cost
    FROM redemptions r JOIN redemption_stacks s USING (redemption_id) JOIN members m ON m.user_id = r.user_id
    WHERE (r.offer_id = ANY(%(offers)s) OR r.campaign_id = %(id)s) AND r.redeemed_at >= m.joined_at
      AND r.redeemed_at < m.joined_at + %(window)s * interval '1 day'
    GROUP BY m.user_id)
SELECT m.user_id, m.arm, m.variant, m.offer_id, m.segment, m.propensity,
  (extract(epoch FROM m.joined_at) * 1000000)::bigint AS joined, m.before_orders, m.before_revenue,
  extract(epoch FROM sent.sent_at)::float8 AS sent, extract(epoch FROM given.issued_at)::float8 AS issued,
  extract(epoch FROM used.redeemed_at)::float8 AS redeemed, used.cost
FROM members m LEFT JOIN sent USING (user_id) LEFT JOIN given USING (user_id) LEFT JOIN used USING (user_id)
ORDER BY m.user_id"""

_TYPES = {
    **dict.fromkeys(("user_id", "arm", "variant", "offer_id", "segment"), pa.string()),
    **dict.fromkeys(("joined", "before_orders", "before_revenue", "cost"), pa.int64()),
    **dict.fromkeys(("propensity", "sent", "issued", "redeemed"), pa.float64()),
}


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """`rows` are the ledger's, one a member [n], in the order of the columns of `members`."""

    rows: pa.Table
    members: Members


def campaign_figures(
    home: Home, ledger: Ledger, campaign: StoredCampaign, *, now: float, zone: str
) -> tuple[dict[str, Any], Gathered]:
    """The figures of a launched campaign as of `now` (epoch seconds), and the members that they are made of.

    NotEnoughData before the customers were computed, StoreUnavailable when a store does not do its part.
    """
    with connection_of(ledger) as connection:
        rows = _rows(connection, campaign)
        messages = _messages(connection, campaign.id)
        currency = _currency(connection, offers_of(campaign.document))
    gathered = Gathered(rows, _members(home, campaign, rows, now))
    figures = figures_of(gathered.members, design_of(campaign.document), now=now, zone=zone)
    as_of = datetime.fromtimestamp(now, UTC).isoformat()
    return {"as_of": as_of, "currency": currency, "messages": messages, **figures}, gathered


def _rows(connection: LedgerConnection, campaign: StoredCampaign) -> pa.Table:
    given = {
        "id": campaign.id,
        "offers": list(offers_of(campaign.document)),
        "window": design_of(campaign.document).window_days,
    }
    read = csv.read_csv(
        BytesIO(b"".join(copied(connection, _MEMBERS, **given))),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=_TYPES, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )
    return read.combine_chunks()


def _messages(connection: LedgerConnection, campaign_id: str) -> dict[str, Any]:
    """Messages by state, and why those were skipped that were."""
    found = rows_of(
        connection,
        "SELECT state, reason, count(*) FROM campaign_outbox WHERE campaign_id = :id GROUP BY state, reason",
        id=campaign_id,
    )
    told: dict[str, Any] = dict.fromkeys(("waiting", "sent", "skipped", "dead"), 0) | {"skipped_by": {}}
    for state, reason, number in found:
        told[state] += int(number)
        if state == "skipped":
            told["skipped_by"][reason or "unknown"] = int(number)
    return told


def _currency(connection: LedgerConnection, offers: Sequence[str]) -> str | None:
    """That of the campaign's offers, where they have one and the same."""
    found = rows_of(
        connection,
        "SELECT DISTINCT terms->>'currency' FROM offer_versions WHERE offer_id = ANY(:offers)",
        offers=list(offers),
    )
    named = {each for (each,) in found if each}
    return named.pop() if len(named) == 1 else None


def _members(home: Home, campaign: StoredCampaign, rows: pa.Table, now: float) -> Members:
    design, n = design_of(campaign.document), rows.num_rows
    bought = happened_to(home, rows, campaign.id, campaign.document, design.window_days, now=now)
    variant, variants = _codes(rows["variant"])
    segment, segments = _codes(rows["segment"])
    first = {
        "messaged": _floats(rows["sent"], np.nan), "exposed": bought.exposed, "issued": _floats(rows["issued"], np.nan),
        "redeemed": _floats(rows["redeemed"], np.nan),
    }  # fmt: skip
    measures = {name: np.isfinite(each).astype(np.float64) for name, each in first.items()}
    measures |= {"cost": _floats(rows["cost"], 0.0), "orders": bought.orders}
    measures["revenue"] = np.bincount(bought.member, bought.revenue, n)
    by_day = bought.revenue
    if bought.known >= LEAST_KNOWN:
        measures["margin"] = np.bincount(bought.member, bought.margin, n)
        by_day = bought.margin
    return Members(
        arm=pc.index_in(rows["arm"], pa.array(ARMS)).to_numpy().astype(np.int64),
        variant=variant, variants=variants, segment=segment, segments=segments,
        propensity=_floats(rows["propensity"], 0.0), joined=_floats(rows["joined"], 0.0) / 1e6, measures=measures,
        before={name: _floats(rows[f"before_{name}"], 0.0) for name in ("orders", "revenue")}, first=first,
        later=Later(bought.member, bought.day, by_day), known=bought.known, by_items=bought.by_items,
    )  # fmt: skip


def _codes(names: pa.ChunkedArray) -> tuple[Any, tuple[str, ...]]:
    """Places in the sorted names, -1 for none."""
    known = sorted(pc.unique(names.drop_null()).to_pylist())
    return pc.fill_null(pc.index_in(names, pa.array(known, pa.string())), -1).to_numpy().astype(np.int64), tuple(known)


def _floats(column: pa.ChunkedArray, missing: float) -> Floats:
    filled: Floats = pc.fill_null(column.cast(pa.float64()), missing).to_numpy()
    return filled
