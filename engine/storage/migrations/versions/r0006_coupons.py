"""Offers, coupons and their redemptions: money, counted in the transaction that gives it.

The order of locks, the same everywhere, so that nobody waits in a circle: the idempotency key, the owners of limits
(offers, campaigns), counters by key, coupons by code, then the reservation or the redemption. `r0006_settle.sql` holds
the functions that keep it.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0006"
down_revision = "0005"

_FUNCTIONS = Path(__file__).parents[1] / "r0006_settle.sql"
_MOMENT = sa.DateTime(timezone=True)
_NONE = sa.text("0")


def upgrade() -> None:
    _offers()
    _coupons()
    _counters()
    _redemptions()
    _redemption_parts()
    _rollbacks()
    _beside()
    # As it stands: several statements go together only where none has parameters.
    connection = op.get_bind()
    connection.execution_options(no_parameters=True).exec_driver_sql(_FUNCTIONS.read_text())
    connection.execution_options(no_parameters=False)  # the option is the connection's


def _text(name: str, *, key: bool = False, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=key, nullable=null)


def _number(name: str, *, null: bool = False, zero: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=null, server_default=_NONE if zero else None)


def _moment(name: str, *, null: bool = False) -> sa.Column[object]:
    return sa.Column(name, _MOMENT, nullable=null)


def _offers() -> None:
    op.create_table(
        "offers",
        _text("offer_id", key=True),
        _text("campaign_id", null=True),
        sa.Column("version", sa.Integer, nullable=False),
        _text("state"),
        _moment("created_at"),
        sa.CheckConstraint("state IN ('active', 'disabled')", name="offers_state"),
    )
    op.create_index("offers_campaign", "offers", ["campaign_id"])
    op.create_table(
        "offer_versions",
        sa.Column("offer_id", sa.Text, sa.ForeignKey("offers.offer_id"), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("terms", JSONB, nullable=False),
        sa.Column("wording", JSONB, nullable=False),
        _text("actor", null=True),
        _moment("created_at"),
    )
    # What is counted for an offer or a campaign: every scope that a version of it ever limited.
    op.create_table("counted_scopes", _text("owner", key=True), _text("scope", key=True))


def _coupons() -> None:
    op.create_table(
        "coupons",
        _text("code", key=True),
        _text("offer_id"),
        sa.Column("version", sa.Integer, nullable=False),
        _text("user_id", null=True),
        _number("max_uses", null=True),  # null: a code for everybody, held by the offer's limits alone
        _number("uses", zero=True),
        _moment("issued_at", null=True),  # null: made, and not given to anybody yet
        _moment("expires_at", null=True),
        sa.Column("state", sa.Text, nullable=False, server_default="active"),
        _text("source_id", null=True),
        _moment("created_at"),
        sa.ForeignKeyConstraint(["offer_id", "version"], ["offer_versions.offer_id", "offer_versions.version"]),
        sa.CheckConstraint("state IN ('active', 'disabled')", name="coupons_state"),
        sa.CheckConstraint("uses >= 0 AND (max_uses IS NULL OR uses <= max_uses)", name="coupons_uses"),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index("coupons_source", "coupons", ["source_id"], unique=True)
    op.create_index("coupons_user", "coupons", ["user_id", "offer_id"])
    op.create_index("coupons_free", "coupons", ["offer_id", "code"], postgresql_where=sa.text("issued_at IS NULL"))


def _counters() -> None:
    op.create_table(
        "counters",
        _text("key", key=True),
        _number("used"),
        _number("cap"),  # the largest that any version promised; each use is held against its own version's
        sa.CheckConstraint("used >= 0 AND used <= cap", name="counters_cap"),
        postgresql_with={"fillfactor": 50},  # each update finds room on the page, and no index is touched
    )
    op.create_table(
        "reservations",
        _text("reservation_id", key=True),
        _text("user_id", null=True),
        sa.Column("codes", ARRAY(sa.Text), nullable=False),
        sa.Column("holds", JSONB, nullable=False),
        _text("state"),
        _moment("created_at"),
        _moment("expires_at"),
        sa.CheckConstraint("state IN ('live', 'redeemed', 'released', 'expired')", name="reservations_state"),
    )
    op.create_index("reservations_live", "reservations", ["expires_at"], postgresql_where=sa.text("state = 'live'"))


def _redemptions() -> None:
    op.create_table(
        "redemption_stacks",  # all that one order took, the parent of its redemptions
        _text("redemption_id", key=True),
        _text("order_id"),
        _text("user_id", null=True),
        _text("currency"),
        _number("subtotal"),
        _number("discount"),
        _number("returned", zero=True),
        sa.Column("rollbacks", sa.Integer, nullable=False, server_default=_NONE),
        sa.Column("state", sa.Text, nullable=False, server_default="redeemed"),
        _moment("redeemed_at"),
        sa.CheckConstraint("state IN ('redeemed', 'rolled_back')", name="redemption_stacks_state"),
        sa.CheckConstraint("discount >= 0 AND discount <= subtotal", name="redemption_stacks_discount"),
        sa.CheckConstraint("returned >= 0 AND returned <= discount", name="redemption_stacks_returned"),
    )
    op.create_index(
        "redemption_stacks_order",
        "redemption_stacks",
        ["order_id"],
        unique=True,
        postgresql_where=sa.text("state = 'redeemed'"),
    )


def _redemption_parts() -> None:
    op.create_table(
        "redemptions",
        sa.Column("redemption_id", sa.Text, sa.ForeignKey("redemption_stacks.redemption_id"), primary_key=True),
        _text("code", key=True),
        _text("offer_id"),
        sa.Column("version", sa.Integer, nullable=False),
        _text("campaign_id", null=True),
        _text("user_id", null=True),
        _number("discount"),
        _number("returned", zero=True),
        sa.Column("holds", JSONB, nullable=False),
        _moment("redeemed_at"),
        sa.CheckConstraint("returned >= 0 AND returned <= discount", name="redemptions_returned"),
    )
    op.create_index("redemptions_offer", "redemptions", ["offer_id", "redeemed_at"])
    op.create_index("redemptions_user", "redemptions", ["user_id"])
    op.create_table(
        "redemption_lines",
        sa.Column("redemption_id", sa.Text, sa.ForeignKey("redemption_stacks.redemption_id"), primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        _text("item_id"),
        _number("quantity"),
        _number("price"),
        sa.Column("shares", JSONB, nullable=False),  # {code: minor units}
        _number("returned", zero=True),  # pieces
        sa.CheckConstraint("returned >= 0 AND returned <= quantity", name="redemption_lines_returned"),
    )


def _rollbacks() -> None:
    op.create_table(
        "rollbacks",
        _text("rollback_id", key=True),
        sa.Column("redemption_id", sa.Text, sa.ForeignKey("redemption_stacks.redemption_id"), nullable=False),
        sa.Column("whole", sa.Boolean, nullable=False),
        _number("amount"),
        sa.Column("lines", JSONB, nullable=False),
        _moment("rolled_back_at"),
    )


def _beside() -> None:
    op.create_table(
        "idempotency",
        _text("asker", key=True),  # the key's fingerprint
        _text("key", key=True),
        _text("request_hash"),
        sa.Column("status", sa.Integer, nullable=False),
        _text("answer"),
        _moment("at"),
    )
    op.create_index("idempotency_at", "idempotency", ["at"])
    op.create_table(
        "outbox",
        sa.Column("place", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        _text("kind"),
        sa.Column("document", JSONB, nullable=False),
        _moment("at"),
    )
    op.create_table(
        "wrong_codes",
        _text("asker", key=True),
        _moment("since"),
        sa.Column("tries", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    raise NotImplementedError("the ledger is not taken back; restore a backup")
