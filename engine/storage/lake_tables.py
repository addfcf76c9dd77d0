"""The lake's tables: their columns, their keys, how they are cut into files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from engine.targeting.response_inputs import TRAIT_INPUTS

UTC_MICROSECONDS = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class LakeTable:
    """One Delta table: `key` names a row for good, `required` columns are never null."""

    name: str
    schema: pa.Schema
    key: str
    required: tuple[str, ...]
    partition: str | None = None
    #: What a row without a word on it says, as SQL.
    defaults: Mapping[str, str] = field(default_factory=dict)


#: One immutable happening a row. Money in minor units; `properties` is JSON text.
EVENTS = LakeTable(
    "events",
    pa.schema(
        [
            ("event_id", pa.string()),
            ("type", pa.string()),
            ("time", UTC_MICROSECONDS),
            ("user_id", pa.string()),
            ("session_id", pa.string()),
            ("item_id", pa.string()),
            ("quantity", pa.float64()),
            ("amount", pa.int64()),
            ("list_amount", pa.int64()),
            ("currency", pa.string()),
            ("order_id", pa.string()),
            ("recommendation_id", pa.string()),
            ("coupon_code", pa.string()),
            ("source", pa.string()),
            ("properties", pa.string()),
        ]
    ),
    key="event_id",
    required=("event_id", "type", "time"),
    # 'YYYY-MM' of `time` in UTC, so that a training window opens only the months it needs.
    partition="month",
)

#: One thing sold a row; variants of a product name it as their parent. `categories` run from general to specific;
#: `stock` null means not counted; a deleted item keeps its row, since events still name it.
ITEMS = LakeTable(
    "items",
    pa.schema(
        [
            ("item_id", pa.string()),
            ("parent_id", pa.string()),
            ("name", pa.string()),
            ("description", pa.string()),
            ("brand", pa.string()),
            ("categories", pa.list_(pa.string())),
            ("tags", pa.list_(pa.string())),
            ("price", pa.int64()),
            ("list_price", pa.int64()),
            ("cost", pa.int64()),
            ("currency", pa.string()),
            ("stock", pa.int64()),
            ("available", pa.bool_()),
            ("available_from", UTC_MICROSECONDS),
            ("available_until", UTC_MICROSECONDS),
            ("url", pa.string()),
            ("image_url", pa.string()),
            ("attributes", pa.string()),
            ("updated_at", UTC_MICROSECONDS),
            ("updated_by", pa.string()),
            ("deleted", pa.bool_()),
        ]
    ),
    key="item_id",
    required=("item_id",),
    defaults={"available": "true", "deleted": "false"},
)

#: One shopper a row; `attributes` is JSON text: income, household size, whatever the shop knows.
USERS = LakeTable(
    "users",
    pa.schema(
        [
            ("user_id", pa.string()),
            ("region", pa.string()),
            ("zone", pa.string()),
            ("gender", pa.string()),
            ("age_band", pa.string()),
            ("birthday", pa.string()),
            ("attributes", pa.string()),
            ("updated_at", UTC_MICROSECONDS),
            ("updated_by", pa.string()),
            ("deleted", pa.bool_()),
        ]
    ),
    key="user_id",
    required=("user_id",),
    defaults={"deleted": "false"},
)

#: One answered list a row: what was served, which is not yet what was shown. Of an experiment on the placement its
#: name, the variant, and the part of the people who see that. `propensities` are the chances of each place to show what
#: it shows, null where nothing was left to chance.
SERVED = LakeTable(
    "served",
    pa.schema(
        [
            ("recommendation_id", pa.string()),
            ("time", UTC_MICROSECONDS),
            ("placement", pa.string()),
            ("user_id", pa.string()),
            ("session_id", pa.string()),
            ("bundle_version", pa.int64()),
            ("experiment", pa.string()),
            ("variant", pa.string()),
            ("variant_share", pa.float64()),
            ("item_ids", pa.list_(pa.string())),
            ("sources", pa.list_(pa.string())),
            ("propensities", pa.list_(pa.float64())),
            ("degraded", pa.bool_()),
        ]
    ),
    key="recommendation_id",
    required=("recommendation_id", "time"),
)

#: A session, or a user id, that turned out to be a user; `kind` is session or user.
MERGES = LakeTable(
    "merges",
    pa.schema(
        [
            ("kind", pa.string()),
            ("id", pa.string()),
            ("user_id", pa.string()),
            ("time", UTC_MICROSECONDS),
            ("actor", pa.string()),
        ]
    ),
    key="id",
    required=("kind", "id", "user_id"),
)

#: What was accepted and then could not be stored, as it stood in the stream, with the reason.
DEAD_LETTERS = LakeTable(
    "dead_letters",
    pa.schema(
        [
            ("time", UTC_MICROSECONDS),
            ("kind", pa.string()),
            ("text", pa.string()),
            ("reason", pa.string()),
            ("entry", pa.string()),
        ]
    ),
    key="entry",
    required=("kind", "entry"),
)

#: Who entered and who left a segment, and when it was seen; `version` is that of the segment's rule.
MEMBERSHIPS = LakeTable(
    "memberships",
    pa.schema(
        [
            ("segment", pa.string()),
            ("user_id", pa.string()),
            ("change", pa.string()),
            ("version", pa.int64()),
            ("time", UTC_MICROSECONDS),
        ]
    ),
    key="segment",
    required=("segment", "user_id", "change", "time"),
)

#: One predicted probability a row, 0 to 1: of what `name` predicts for this user, within its horizon after `as_of`.
#: `subject` is a category where the prediction is about one, else null. `low` and `high` bound `score` (90 %),
#: `baseline` is what recency alone says, `model` made the score in MLflow's run `run_id`. A name's rows come and go
#: together, see lake_predictions.py.
PREDICTIONS = LakeTable(
    "predictions",
    pa.schema(
        [
            ("user_id", pa.string()),
            ("name", pa.string()),
            ("subject", pa.string()),
            ("score", pa.float64()),
            ("low", pa.float64()),
            ("high", pa.float64()),
            ("baseline", pa.float64()),
            ("model", pa.string()),
            ("as_of", UTC_MICROSECONDS),
            ("run_id", pa.string()),
            ("written_at", UTC_MICROSECONDS),
        ]
    ),
    key="user_id",
    required=("user_id", "name", "score", "as_of", "run_id", "written_at"),
)

#: What became of one customer of a finished campaign with a holdout: one row a campaign and customer. `arm` is
#: "holdout" or the variant's name, `offer_id` its offer, null for a message alone and for those held out of a draw;
#: those held out of a plan have the one that they would have got: only with them its outcomes can be compared.
#: `depth` is what that offer was expected to take off, as part of the customer's usual basket, 0 without an offer;
#: `propensity` the chance, above 0, with which the customer got that arm. Within the outcome window: whether the offer
#: was redeemed, and orders, revenue, margin and what discounts cost, of the whole shop and counted alike for all arms,
#: minor units. `x_...` are the traits at launch that models may read (engine/targeting/response_inputs.py), null where
#: not known. A campaign's rows come and go together, see campaign_outcomes.py.
CAMPAIGN_OUTCOMES = LakeTable(
    "campaign_outcomes",
    pa.schema(
        [
            ("campaign_id", pa.string()),
            ("user_id", pa.string()),
            ("arm", pa.string()),
            ("offer_id", pa.string()),
            ("depth", pa.float64()),
            ("propensity", pa.float64()),
            ("launched_at", UTC_MICROSECONDS),
            ("redeemed", pa.bool_()),
            ("orders", pa.int64()),
            ("revenue", pa.int64()),
            ("margin", pa.int64()),
            ("cost", pa.int64()),
            *((f"x_{name}", pa.float64()) for name in TRAIT_INPUTS),
        ]
    ),
    key="user_id",
    required=("campaign_id", "user_id", "arm", "depth", "propensity", "launched_at", "redeemed", "orders"),
)

LAKE_TABLES: Mapping[str, LakeTable] = {
    table.name: table
    for table in (EVENTS, ITEMS, USERS, SERVED, MERGES, DEAD_LETTERS, MEMBERSHIPS, PREDICTIONS, CAMPAIGN_OUTCOMES)
}
