"""What marketers define: segments and their versions, classes and who was put into them, webhooks and what they get.

A version of a segment never changes: memberships and campaigns name it. Members of classes name the batch that put
them there, so that a batch can be undone without touching what came after it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _segments()
    _classes()
    _webhooks()


def downgrade() -> None:
    raise NotImplementedError("the ledger is not taken back; restore a backup")


def _signed() -> list[sa.Column[object]]:
    """Who made it and who changed it last; nobody is named in a shop without keys."""
    return [
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("created_by", sa.Text),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.Column("updated_by", sa.Text),
    ]


def _rule() -> list[sa.Column[object]]:
    """A rule in both forms, and the segments that it names; null where people are listed instead."""
    return [
        sa.Column("definition", postgresql.JSONB),
        sa.Column("text", sa.Text),
        sa.Column("uses", postgresql.ARRAY(sa.Text), nullable=False, server_default="{}"),
    ]


def _segments() -> None:
    op.create_table(
        "segments",
        sa.Column("segment_id", sa.Text, primary_key=True),
        sa.Column("names", postgresql.JSONB, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        *_rule(),
        sa.Column("members", sa.BigInteger),
        *_signed(),
        sa.Column("archived_at", _MOMENT),
        sa.Column("archived_by", sa.Text),
        sa.CheckConstraint("kind IN ('rule', 'static')", name="segments_kind"),
    )
    op.create_table(
        "segment_versions",
        sa.Column("segment_id", sa.Text, sa.ForeignKey("segments.segment_id", ondelete="CASCADE"), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("definition", postgresql.JSONB),
        sa.Column("text", sa.Text),
        sa.Column("members", sa.BigInteger),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("created_by", sa.Text),
    )
    op.execute(
        "CREATE FUNCTION segment_versions_stay() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'a version of a segment never changes'; END $$"
    )
    op.execute(
        "CREATE TRIGGER segment_versions_stay BEFORE UPDATE ON segment_versions"
        " FOR EACH ROW EXECUTE FUNCTION segment_versions_stay()"
    )
    op.create_table(
        "segment_members",
        sa.Column("segment_id", sa.Text, sa.ForeignKey("segments.segment_id", ondelete="CASCADE"), primary_key=True),
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("added_at", _MOMENT, nullable=False),
    )


def _classes() -> None:
    op.create_table(
        "classifications",
        sa.Column("classification_id", sa.Text, primary_key=True),
        sa.Column("names", postgresql.JSONB, nullable=False),
        *_signed(),
    )
    parent = sa.ForeignKey("classifications.classification_id", ondelete="CASCADE")
    op.create_table(
        "classes",
        sa.Column("classification_id", sa.Text, parent, primary_key=True),
        sa.Column("class_id", sa.Text, primary_key=True),
        sa.Column("names", postgresql.JSONB, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        *_rule(),
        *_signed(),
    )
    _class_members()


def _class_members() -> None:
    op.create_table(
        "class_batches",
        sa.Column("batch_id", sa.Text, primary_key=True),
        sa.Column("classification_id", sa.Text, nullable=False, index=True),
        sa.Column("class_id", sa.Text),
        sa.Column("reason", postgresql.JSONB, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("created_by", sa.Text),
        sa.Column("undone_by", sa.Text),
    )
    op.create_table(
        "class_members",
        sa.Column("classification_id", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("class_id", sa.Text, nullable=False),
        sa.Column("batch_id", sa.Text, nullable=False),
        sa.Column("since", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["classification_id", "class_id"], ["classes.classification_id", "classes.class_id"], ondelete="CASCADE"
        ),
    )
    op.create_index("class_members_class", "class_members", ["classification_id", "class_id", "user_id"])
    op.create_table(
        "class_changes",
        sa.Column("batch_id", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("classification_id", sa.Text, nullable=False),
        sa.Column("former_class", sa.Text),
        sa.Column("former_batch", sa.Text),
        sa.Column("former_since", _MOMENT),
        sa.Column("class_id", sa.Text),
    )
    op.create_index("class_changes_user", "class_changes", ["classification_id", "user_id"])


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("webhook_id", sa.Text, primary_key=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("former_secret", sa.Text),
        sa.Column("former_until", _MOMENT),
        sa.Column("enabled", sa.Boolean, nullable=False),
        *_signed(),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("delivery_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("webhook_id", sa.Text, sa.ForeignKey("webhooks.webhook_id", ondelete="CASCADE"), nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", _MOMENT),
        sa.Column("last_status", sa.Integer),
        sa.Column("last_error", sa.Text),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT),
        sa.UniqueConstraint("webhook_id", "message_id"),
        sa.CheckConstraint("state IN ('waiting', 'delivered', 'dead')", name="webhook_deliveries_state"),
    )
    waiting = sa.text("state = 'waiting'")
    op.create_index("webhook_deliveries_due", "webhook_deliveries", ["next_at"], postgresql_where=waiting)
