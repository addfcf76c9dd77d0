"""Codes for everybody found without a scan, and a note for each user who got a coupon.

The note stands in the outbox, in the transaction that gives the coupon, whoever gives it; the runner of jobs then
writes the user's wallet into the live store.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute(
        "CREATE INDEX coupons_for_all ON coupons (offer_id)"
        " WHERE user_id IS NULL AND issued_at IS NOT NULL AND max_uses IS DISTINCT FROM 1"
    )
    op.execute(
        "CREATE FUNCTION note_wallet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO outbox (kind, document, at) VALUES ('wallet', jsonb_build_object('user_id', NEW.user_id), now());"
        " RETURN NULL; END $$"
    )
    # Of a use it hears by the event of the redemption: an update of `uses` costs nothing here.
    op.execute(
        "CREATE TRIGGER coupons_given AFTER INSERT OR UPDATE OF user_id ON coupons FOR EACH ROW"
        " WHEN (NEW.user_id IS NOT NULL) EXECUTE FUNCTION note_wallet()"
    )


def downgrade() -> None:
    raise NotImplementedError("the ledger is not taken back; restore a backup")
