"""Campaigns: what marketers plan, who was frozen into an audience, what waits to be sent, and who agreed to what.

Figures of a campaign outlive its customers: erasing somebody removes their rows here and leaves `figures` as they are.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"

_MOMENT = sa.DateTime(timezone=True)
_STATES = "('draft', 'approved', 'scheduled', 'running', 'paused', 'completed')"


def upgrade() -> None:
    _campaigns()
    _members()
    _outbox()
    _consents()


def _text(name: str, *, key: bool = False, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=key, nullable=null)


def _moment(name: str, *, null: bool = True) -> sa.Column[object]:
    return sa.Column(name, _MOMENT, nullable=null)


def _never_changes(table: str, says: str) -> None:
    op.execute(
        f"CREATE FUNCTION {table}_stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{says}'; END $$"
    )
    op.execute(f"CREATE TRIGGER {table}_stay BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_stay()")


def _campaigns() -> None:
    op.create_table(
        "campaigns",
        _text("campaign_id", key=True),
        _text("state"),
        sa.Column("revision", sa.Integer, nullable=False),  # counts edits; an approval is of one of them
        sa.Column("document", JSONB, nullable=False),
        _text("salt"),  # draws the holdout and the variants
        _moment("created_at", null=False),
        _text("created_by", null=True),
        _moment("updated_at", null=False),
        _text("updated_by", null=True),
        _moment("approved_at"),
        _text("approved_by", null=True),
        _moment("starts_at"),
        _moment("ends_at"),
        _moment("launched_at"),
        _moment("completed_at"),
        sa.Column("plan", JSONB),  # all that who-gets-what rests on
        sa.Column("figures", JSONB),  # the report, kept at completion
        _text("run_id", null=True),
        sa.CheckConstraint(f"state IN {_STATES}", name="campaigns_state"),
    )
    op.create_table(
        "campaign_changes",  # who did what to a campaign, and why
        sa.Column("place", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("campaign_id", sa.Text, sa.ForeignKey("campaigns.campaign_id"), nullable=False),
        _text("change"),
        sa.Column("detail", JSONB, nullable=False),
        _text("actor", null=True),
        _moment("at", null=False),
    )
    op.create_index("campaign_changes_campaign", "campaign_changes", ["campaign_id", "place"])
    _never_changes("campaign_changes", "what was done to a campaign stays on record")


def _members() -> None:
    op.create_table(
        "campaign_members",  # the audience, frozen at launch; triggered campaigns grow
        # No foreign key here and below: looking up the parent of a million rows takes half of a launch.
        _text("campaign_id", key=True),
        _text("user_id", key=True),
        _text("arm"),
        _text("variant", null=True),
        _text("offer_id", null=True),
        _text("segment", null=True),
        sa.Column("propensity", sa.Float, nullable=False),  # the chance with which this arm and variant was drawn
        sa.Column("expected_cost", sa.Float),
        sa.Column("expected_profit", sa.Float),
        # Orders and revenue in the window before joining: what the effect is adjusted by.
        sa.Column("before_orders", sa.BigInteger),
        sa.Column("before_revenue", sa.BigInteger),
        _moment("joined_at", null=False),
        sa.CheckConstraint("arm IN ('treatment', 'holdout', 'global_holdout')", name="campaign_members_arm"),
    )
    op.create_index("campaign_members_user", "campaign_members", ["user_id"])


def _outbox() -> None:
    op.create_table(
        "campaign_outbox",  # one row a message; its id is made of campaign, user and step, and stays the same
        _text("campaign_id", key=True),
        _text("user_id", key=True),
        sa.Column("step", sa.Integer, primary_key=True),
        _text("channel"),
        sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
        _text("reason", null=True),  # why it was skipped or given up
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
        _moment("due_at", null=False),  # by the shop's clock
        _moment("not_before"),  # in real time: the end of a sender's claim, or of the pause after a failure
        _moment("occurred_at"),  # what a trigger saw; the next one of the same customer lies far enough behind it
        sa.Column("counted_on", sa.Date),  # the day on which it is counted among the customer's contacts
        _moment("ended_at"),
        sa.CheckConstraint("state IN ('waiting', 'sent', 'skipped', 'dead')", name="campaign_outbox_state"),
        postgresql_with={"fillfactor": 90},
    )
    waiting = sa.text("state = 'waiting'")
    # By campaign, so that what a paused one holds back is not looked at.
    op.create_index("campaign_outbox_due", "campaign_outbox", ["campaign_id", "due_at"], postgresql_where=waiting)
    op.create_index("campaign_outbox_user", "campaign_outbox", ["user_id"])
    # One endpoint's messages in their turn, however many campaigns put there.
    columns = ["webhook_id", "next_at", "delivery_id"]
    op.create_index("webhook_deliveries_turn", "webhook_deliveries", columns, postgresql_where=waiting)
    op.create_table(
        "campaign_tallies",  # messages and expected cost of all, and of each hour or day that a quota is of
        sa.Column("campaign_id", sa.Text, sa.ForeignKey("campaigns.campaign_id"), primary_key=True),
        _text("period", key=True),
        sa.Column("messages", sa.BigInteger, nullable=False),
        sa.Column("cost", sa.Float, nullable=False),
    )
    op.create_table(
        "contacts",  # messages a customer got on a channel on a day of their own calendar
        _text("user_id", key=True),
        _text("channel", key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("messages", sa.Integer, nullable=False),
    )
    op.create_index("contacts_day", "contacts", ["day"])


def _consents() -> None:
    op.create_table(
        "consents",  # append only: the state is what was said last for a purpose and channel
        sa.Column("place", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        _text("user_id"),
        _text("purpose"),
        _text("channel"),
        sa.Column("granted", sa.Boolean, nullable=False),
        _text("text_version", null=True),
        sa.Column("proof", JSONB, nullable=False),
        _text("source"),
        _text("actor", null=True),
        _moment("at", null=False),
    )
    op.create_index("consents_user", "consents", ["user_id", "purpose", "channel", "place"])
    _never_changes("consents", "what was said about consent stays on record; say something new")
    op.create_table(
        "shop_secrets", _text("name", key=True), _text("secret")
    )  # what signs links; made at the first need


def downgrade() -> None:
    raise NotImplementedError("the ledger is not taken back; restore a backup")
