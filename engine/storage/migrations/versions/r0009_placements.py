"""Placements: lists that a shop defined, in words that the engine reads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "placements",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("definition", postgresql.JSONB, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("created_by", sa.Text),
        sa.Column("updated_at", moment, nullable=False),
        sa.Column("updated_by", sa.Text),
    )


def downgrade() -> None:
    raise NotImplementedError("the ledger is not taken back; restore a backup")
