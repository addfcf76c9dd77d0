"""What classes made of campaigns: the past ones that a shop's history tells, its own, and today's redemptions."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from engine.storage.ledger import Ledger, LedgerPool, connection_of, rows_of

#: The ledger's rows come in so many parts, by the hash of the user, to keep few of them in memory.
_PARTS = 16
_SCHEMA = pa.schema(
    [("user_id", pa.string()), *((name, pa.int64()) for name in ("contacted", "responded", "redeemed", "discount"))]
)

# Past campaigns may stand among today's offers too, under names that begin with `past`.
_ANSWERS = """
SELECT user_id, sum(contacted)::bigint, sum(responded)::bigint, sum(redeemed)::bigint, sum(discount)::bigint FROM (
  SELECT m.user_id, count(*) AS contacted, count(*) FILTER (WHERE EXISTS (SELECT FROM past_redemptions r
      WHERE r.campaign_id = m.campaign_id AND r.user_id = m.user_id)) AS responded, 0 AS redeemed, 0 AS discount
    FROM past_campaign_members m GROUP BY m.user_id
  UNION ALL
  SELECT o.user_id, count(DISTINCT o.campaign_id), 0, 0, 0
    FROM campaign_outbox o JOIN campaign_members m USING (campaign_id, user_id)
    WHERE o.state = 'sent' AND m.arm = 'treatment' GROUP BY o.user_id
  UNION ALL
  SELECT m.user_id, 0, count(DISTINCT m.campaign_id), 0, 0
    FROM redemptions r JOIN redemption_stacks s USING (redemption_id)
    JOIN campaign_members m ON m.user_id = r.user_id JOIN campaigns c ON c.campaign_id = m.campaign_id
    WHERE s.state = 'redeemed' AND m.arm = 'treatment' AND r.redeemed_at >= m.joined_at
      AND r.redeemed_at < m.joined_at + coalesce((c.document->>'window_days')::int, 28) * interval '1 day'
      AND (r.campaign_id = c.campaign_id OR EXISTS (SELECT FROM jsonb_array_elements(c.document->'offers') AS e
        WHERE r.offer_id = CASE jsonb_typeof(e) WHEN 'string' THEN e #>> '{}' ELSE e->>'offer_id' END))
      AND EXISTS (SELECT FROM campaign_outbox o WHERE o.campaign_id = m.campaign_id AND o.user_id = m.user_id
        AND o.state = 'sent') GROUP BY m.user_id
  UNION ALL
  SELECT r.user_id, 0, 0, count(*), sum(r.discount - r.returned)
    FROM redemptions r JOIN redemption_stacks s USING (redemption_id)
    WHERE r.user_id IS NOT NULL AND s.state = 'redeemed' AND NOT starts_with(r.offer_id, 'past ') GROUP BY r.user_id
) told WHERE abs(hashtext(user_id)::bigint) % :parts = :part GROUP BY user_id"""


def lay_responses(sql: Any, ledger: LedgerPool, classification_id: str) -> None:
    """The tables `answered(user_id, contacted, responded, redeemed, discount)` and `handed(user_id)`: who was
    contacted by how many campaigns and answered, what they redeemed, and who is in a class by hand.
    """
    sql.execute("CREATE TEMP TABLE handed (user_id VARCHAR)")
    numbers = ", ".join(f"{name} BIGINT" for name in _SCHEMA.names[1:])
    sql.execute(f"CREATE TEMP TABLE answered (user_id VARCHAR, {numbers})")
    with connection_of(ledger) as connection:
        for part in range(_PARTS):
            _take(sql, "answered", _SCHEMA, rows_of(connection, _ANSWERS, parts=_PARTS, part=part))
            _take(sql, "handed", pa.schema([("user_id", pa.string())]), _handed(connection, classification_id, part))


def responses(sql: Any) -> dict[str, dict[str, Any]]:
    """By class, of its members of today; a class that no campaign ever reached is left out. `sql` has `classed`."""
    rows = sql.execute(
        "SELECT segment, sum(contacted)::BIGINT, sum(responded)::BIGINT, sum(redeemed)::BIGINT, sum(discount)::BIGINT"
        " FROM classed JOIN people USING (person) JOIN answered USING (user_id) GROUP BY segment"
    ).fetchall()
    return {
        segment: {
            "contacted": contacted,
            "responded": responded,
            "rate": responded / contacted if contacted else None,
            "redemptions": redeemed,
            "discount": discount,
        }
        for segment, contacted, responded, redeemed, discount in rows
    }


def _handed(connection: Ledger, classification_id: str, part: int) -> list[tuple[Any, ...]]:
    with connection_of(connection) as held:
        return rows_of(
            held,
            "SELECT user_id FROM class_members WHERE classification_id = :id"
            " AND abs(hashtext(user_id)::bigint) % :parts = :part",
            id=classification_id,
            parts=_PARTS,
            part=part,
        )


def _take(sql: Any, table: str, schema: pa.Schema, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        columns = [pa.array(column, each.type) for column, each in zip(zip(*rows, strict=True), schema, strict=True)]
        sql.register("arrived", pa.Table.from_arrays(columns, schema=schema))
        sql.execute(f"INSERT INTO {table} SELECT * FROM arrived")
        sql.unregister("arrived")
