"""Merges: the events of a session, or of a user, that turned out to be a user are read as that user's."""

from __future__ import annotations

from typing import Any

from engine.storage.lake_sql import one_row
from engine.storage.lake_tables import EVENTS

# The last word on an id counts, since a shared device may be another person's tomorrow. Users are followed to the end
# of their chain. Where a chain runs in a circle, everybody in it and before it is the smallest of its ids: one person
# still, and UNION ends the walk.
_MERGED = """
CREATE VIEW merge_steps AS
  SELECT kind, id, user_id AS target FROM merges WHERE kind = 'session' OR id <> user_id
  QUALIFY row_number() OVER (PARTITION BY kind, id ORDER BY time DESC NULLS LAST, user_id) = 1;
CREATE VIEW merged_users AS
  WITH RECURSIVE
    steps AS (SELECT id, target FROM merge_steps WHERE kind = 'user'),
    reached AS (SELECT id, target FROM steps
      UNION SELECT reached.id, steps.target FROM reached JOIN steps ON steps.id = reached.target)
  SELECT id, min(target) AS target FROM reached
  WHERE target NOT IN (SELECT id FROM steps) OR target IN (SELECT id FROM reached WHERE id = target)
  GROUP BY id;
CREATE VIEW merged_sessions AS
  SELECT steps.id, coalesce(users.target, steps.target) AS target
  FROM merge_steps steps LEFT JOIN merged_users users ON users.id = steps.target WHERE kind = 'session'
"""


def resolve_merges(sql: Any) -> None:
    """Lay the merges over the views of the events; nothing is done, and costs nothing, in a shop without merges.

    An event that names a user is that user's, whatever became of its session.
    """
    if not one_row(sql, "SELECT count(*) FROM merges")[0]:
        return
    sql.execute(_MERGED)
    owner = "coalesce(merged_users.target, told.user_id, merged_sessions.target) AS user_id"
    columns = ", ".join(owner if name == "user_id" else f"told.{name}" for name in EVENTS.schema.names)
    by_month = f"events_by_{EVENTS.partition}"
    sql.execute(f"ALTER VIEW {by_month} RENAME TO events_as_sent")
    sql.execute(
        f"CREATE VIEW {by_month} AS SELECT {columns}, told.{EVENTS.partition} FROM events_as_sent told"
        " LEFT JOIN merged_users ON merged_users.id = told.user_id"
        " LEFT JOIN merged_sessions ON merged_sessions.id = told.session_id"
    )
    sql.execute(f"CREATE OR REPLACE VIEW events AS SELECT {', '.join(EVENTS.schema.names)} FROM {by_month}")
