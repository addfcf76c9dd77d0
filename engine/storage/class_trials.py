"""What campaigns changed with each class: its members who were treated, against those who were held out by chance.

A member counts in the class that they were in when they joined the campaign, by the record of memberships: who is in a
class of good buyers today may be so because of the campaign. Only those count whose outcome window is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pyarrow as pa
from pyarrow import csv

from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.lake_sql import quoted
from engine.storage.ledger import LedgerPool, connection_of, copied
from engine.targeting.class_contrast import Arms, contrast

# Campaigns that held nobody out compare with nobody.
_TRIALS = """
SELECT m.campaign_id, m.user_id, m.arm = 'treatment' AS treated, m.joined_at AS joined,
  coalesce((c.document->>'window_days')::int, 28)::bigint AS days
FROM campaign_members m JOIN campaigns c USING (campaign_id)
WHERE m.arm IN ('treatment', 'holdout') AND c.launched_at IS NOT NULL
  AND m.joined_at + coalesce((c.document->>'window_days')::int, 28) * interval '1 day' <= %(now)s
  AND EXISTS (SELECT FROM campaign_members h WHERE h.campaign_id = m.campaign_id AND h.arm = 'holdout')"""
_TYPES = {
    "campaign_id": pa.string(),
    "user_id": pa.string(),
    "treated": pa.bool_(),
    "joined": pa.timestamp("us", tz="UTC"),
    "days": pa.int64(),
}
# A member joins once, and is in one class of the classification at a time.
_ARMS = """
WITH stays AS (
    SELECT user_id, segment, change, time AS since, lead(time) OVER mine AS until
    FROM record WINDOW mine AS (PARTITION BY user_id, segment ORDER BY time)),
  classed_then AS (
    SELECT trials.*, stays.segment FROM trials JOIN stays ON stays.user_id = trials.user_id
      AND stays.change = 'entered' AND stays.since <= joined AND (stays.until IS NULL OR stays.until > joined)),
  buyers AS (
    SELECT DISTINCT campaign_id, user_id FROM classed_then JOIN people USING (user_id)
      JOIN happenings ON happenings.person = people.person AND happenings.type = 'purchase'
      AND happenings.time >= joined AND happenings.time < joined + to_days(days::INTEGER))
SELECT segment, campaign_id, count(*) FILTER (treated) AS treated, count(*) FILTER (NOT treated) AS held_out,
  count(*) FILTER (treated AND buyers.user_id IS NOT NULL) AS treated_bought,
  count(*) FILTER (NOT treated AND buyers.user_id IS NOT NULL) AS held_out_bought
FROM classed_then LEFT JOIN buyers USING (campaign_id, user_id) GROUP BY ALL ORDER BY segment, campaign_id"""


def read_trials(
    home: Home, sql: Any, ledger: LedgerPool, segments: Sequence[str], *, now: float
) -> dict[str, dict[str, Any]]:
    """By class, where a campaign that is over had both arms in it. `sql` has the customers' views as of `now`."""
    if not segments:
        return {}
    with connection_of(ledger) as connection:
        rows = b"".join(copied(connection, _TRIALS, now=datetime.fromtimestamp(now, UTC)))
    trials = csv.read_csv(
        BytesIO(rows),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=_TYPES, true_values=["t"], false_values=["f"], quoted_strings_can_be_null=False,
            timestamp_parsers=[csv.ISO8601],
        ),
    )  # fmt: skip
    if not trials.num_rows:
        return {}
    record = Lake(home).query(
        f"SELECT user_id, segment, change, time FROM memberships WHERE segment IN ({', '.join(map(quoted, segments))})"
    )
    sql.register("trials", trials)
    sql.register("record", record)
    arms: dict[str, list[Arms]] = {}
    for segment, _, *numbers in sql.execute(_ARMS).fetchall():
        arms.setdefault(segment, []).append(Arms(*map(int, numbers)))
    found = {segment: contrast(each) for segment, each in arms.items()}
    return {segment: each.as_json() for segment, each in found.items() if each is not None}
