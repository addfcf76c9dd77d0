"""Launched campaigns for tests, written into the ledger as a launch leaves them."""

import json
from datetime import UTC, datetime

from engine.storage.ledger import connection_of, insert_new, rows_of
from engine.storage.offer_documents import put_offer

COLUMNS = ("campaign_id", "user_id", "arm", "variant", "offer_id", "segment", "propensity", "before_orders",
           "before_revenue", "joined_at")  # fmt: skip


def launched(ledger, members, *, campaign_id="spring", at, state="running", **document):
    """`members` are (user, arm, more columns); each joined at `at` (aware). The document is a random one."""
    told = {
        "name": "Spring", "goal": "win-back", "audience": {"segment": "activity.churned"}, "channel": "storefront",
        "offers": ["ten"], "assignment": "random", "variants": [], "holdout": 0.5, "window_days": 28, **document,
    }  # fmt: skip
    with connection_of(ledger) as connection:
        rows_of(
            connection,
            "INSERT INTO campaigns (campaign_id, state, revision, document, salt, created_at, updated_at, launched_at,"
            " completed_at) VALUES (:id, :state, 1, CAST(:document AS JSONB), 's', :at, :at, :at, :done)",
            id=campaign_id, state=state, document=json.dumps(told), at=at, done=at if state == "completed" else None,
        )  # fmt: skip
        rows = []
        for user, arm, more in members:
            offer = told["offers"][0] if arm == "treatment" and told["offers"] else None
            row = {
                "campaign_id": campaign_id, "user_id": user, "arm": arm, "offer_id": offer,
                "variant": (offer or "message") if arm == "treatment" else None, "segment": None, "propensity": 0.5,
                "before_orders": 0, "before_revenue": 0, "joined_at": at, **more,
            }  # fmt: skip
            rows.append(tuple(row[name] for name in COLUMNS))
        insert_new(connection, "campaign_members", COLUMNS, rows)


def sent(ledger, user, at, *, campaign_id="spring", state="sent", reason=None):
    with connection_of(ledger) as connection:
        rows_of(
            connection,
            "INSERT INTO campaign_outbox (campaign_id, user_id, step, channel, state, reason, due_at, ended_at)"
            " VALUES (:id, :user, 0, 'email', :state, :reason, :at, :at)",
            id=campaign_id, user=user, state=state, reason=reason, at=at,
        )  # fmt: skip


def offered(ledger, offer_id="ten", *, now=0.0):
    put_offer(
        ledger,
        {"offer_id": offer_id, "name": "Ten", "benefit": {"kind": "amount", "amount": 1000}, "currency": "EUR"},
        actor=None, now=now, zone="UTC",
    )  # fmt: skip


def redeemed(ledger, code, user, at, discount, *, offer_id="ten", returned=0, state="redeemed"):
    """As the till leaves it."""
    with connection_of(ledger) as connection:
        rows_of(
            connection,
            "INSERT INTO redemption_stacks (redemption_id, order_id, user_id, currency, subtotal, discount, returned,"
            " state, redeemed_at) VALUES (:id, :id, :user, 'EUR', 9000, :discount, :returned, :state, :at)",
            id=f"r-{code}", user=user, discount=discount, returned=returned, state=state, at=at,
        )  # fmt: skip
        rows_of(
            connection,
            "INSERT INTO redemptions (redemption_id, code, offer_id, version, user_id, discount, returned, holds,"
            " redeemed_at) VALUES (:id, :code, :offer, 1, :user, :discount, :returned, '{}', :at)",
            id=f"r-{code}", code=code, offer=offer_id, user=user, discount=discount, returned=returned, at=at,
        )  # fmt: skip


def moment(seconds):
    return datetime.fromtimestamp(seconds, UTC)
