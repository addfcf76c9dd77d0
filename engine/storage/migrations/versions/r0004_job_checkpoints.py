"""How far the runner of a job was, and how often it was begun."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("checkpoint", postgresql.JSONB))
    op.add_column("jobs", sa.Column("attempt", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    raise NotImplementedError("the ledger is not taken back; restore a backup")
