"""Merged users: ids that are one person, so that what is said of consent under one of them counts for all."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "merged_users",  # as far as consents followed the merges, which the lake records
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("into_user", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("merged_users_into", "merged_users", ["into_user"])


def downgrade() -> None:
    raise NotImplementedError("the ledger is not taken back; restore a backup")
