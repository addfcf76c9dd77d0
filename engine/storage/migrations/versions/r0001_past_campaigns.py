"""Campaigns, coupons and redemptions of the past, imported from a shop's history.

Tables carry no schema: the connection's search path names the shop's. The keys are what makes a
repeated import change nothing.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "past_campaigns",
        sa.Column("campaign_id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("starts_at", moment, nullable=False),
        sa.Column("ends_at", moment, nullable=False),
    )
    op.create_table(
        "past_campaign_members",
        sa.Column("campaign_id", sa.Text, sa.ForeignKey("past_campaigns.campaign_id"), primary_key=True),
        sa.Column("user_id", sa.Text, primary_key=True),
    )
    op.create_table(
        "past_coupons",
        sa.Column("coupon_code", sa.Text, primary_key=True),
        sa.Column("campaign_id", sa.Text, sa.ForeignKey("past_campaigns.campaign_id"), primary_key=True),
    )
    coupon = ["past_coupons.coupon_code", "past_coupons.campaign_id"]
    op.create_table(
        "past_coupon_items",
        sa.Column("coupon_code", sa.Text, primary_key=True),
        sa.Column("campaign_id", sa.Text, primary_key=True),
        sa.Column("item_id", sa.Text, primary_key=True),
        sa.ForeignKeyConstraint(["coupon_code", "campaign_id"], coupon),
    )
    op.create_table(
        "past_redemptions",
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("coupon_code", sa.Text, primary_key=True),
        sa.Column("campaign_id", sa.Text, primary_key=True),
        sa.Column("redeemed_at", moment, primary_key=True),
        sa.ForeignKeyConstraint(["coupon_code", "campaign_id"], coupon),
    )


def downgrade() -> None:
    raise NotImplementedError("the ledger is not taken back; restore a backup")
