"""Outcomes of past campaigns with a holdout, as a trial; and the customers of today, as rows to be predicted.

In a planned campaign chance drew who was held out, but not who got which offer. Whoever got an offer is compared with
those held out who would have got it: what it changes with customers for whom it was chosen. What another offer would
have changed with them such a campaign does not tell; there the models go by customers like them.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.storage.campaign_outcomes import HOLDOUT, read_outcomes
from engine.storage.customer_files import CustomerFiles
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.targeting.expected_response import level_of
from engine.targeting.response_inputs import TRAIT_INPUTS, UNKNOWN
from engine.targeting.suggestion_goals import PRIORS
from training.response.choose import Worth
from training.response.trial import LEAST_OF_AN_ARM, Trial


def read_trial(lake: Lake, *, until: datetime | None = None) -> tuple[Trial, Worth] | None:
    """The campaigns with a holdout that were launched before `until`, and what orders and uses were worth in them.

    An arm is a depth of discount, in steps of `level_of`. A campaign that was drawn is one; of a planned one those for
    whom the same depth was planned are one by themselves. None where there is no such campaign.
    """
    rows = read_outcomes(lake)
    if until is not None:
        rows = rows.filter(pc.less(rows["launched_at"], pa.scalar(until.astimezone(UTC))))
    rows = _known_enough(rows)
    if not rows.num_rows:
        return None
    held = _held_out(rows)
    depths = level_of(rows["depth"].to_numpy())
    levels = np.unique(depths[~held])
    if not len(levels):
        return None
    arm = np.where(held, 0, np.searchsorted(levels, depths) + 1)
    orders, redeemed = rows["orders"].to_numpy(), rows["redeemed"].to_numpy(zero_copy_only=False)
    trial = Trial(
        columns=as_columns(rows, "x_"),
        names=TRAIT_INPUTS,
        arm=arm,
        levels=tuple(levels.tolist()),
        propensity=rows["propensity"].to_numpy(),
        orders=orders.astype(np.float64),
        redeemed=redeemed,
        user=_numbers(rows["user_id"]),
        campaign=_compared(rows),
    )
    cost = np.nan_to_num(rows["cost"].to_numpy(zero_copy_only=False).astype(np.float64))
    margin, revenue = (rows[name].cast(pa.float64()).to_numpy() for name in ("margin", "revenue"))
    # Where the costs of the goods are not known, the part of a price that suggestions assume is left.
    margin = np.where(np.isnan(margin), np.nan_to_num(revenue) * PRIORS["margin"][0], margin)
    uses = [redeemed & (arm == number) for number in range(1, len(levels) + 1)]
    discounts = tuple(float(cost[each].mean()) if each.any() else 0.0 for each in uses)
    return trial, Worth(float(margin.sum() / max(orders.sum(), 1)), discounts)


def _known_enough(rows: pa.Table) -> pa.Table:
    """Without depths of planned campaigns that too few customers got: they must not keep the others from teaching."""
    planned, held, depths = _planned(rows), _held_out(rows), level_of(rows["depth"].to_numpy())
    kept = np.ones(rows.num_rows, np.bool_)
    for depth in np.unique(depths[planned]):
        mine = depths == depth
        if (mine & ~held).sum() < LEAST_OF_AN_ARM:
            kept &= ~(mine & planned)
    return rows.filter(pa.array(kept))


def _compared(rows: pa.Table) -> np.ndarray:
    """Numbers [n] of those who are compared with each other."""
    campaigns, planned = _numbers(rows["campaign_id"]), _planned(rows)
    depths = np.round(level_of(rows["depth"].to_numpy()) * 100).astype(np.int64)
    return np.asarray(np.unique(campaigns * 1_000 + np.where(planned, depths + 1, 0), return_inverse=True)[1])


def _planned(rows: pa.Table) -> np.ndarray:
    """Rows [n] of planned campaigns: their outcomes tell of those held out what they would have got."""
    told = rows.filter(pa.array(_held_out(rows) & ~np.asarray(rows["offer_id"].is_null())))["campaign_id"]
    return np.asarray(pc.is_in(rows["campaign_id"], value_set=told.unique()))


def _held_out(rows: pa.Table) -> np.ndarray:
    return np.asarray(pc.equal(rows["arm"], HOLDOUT))


def todays_customers(home: Home, now: float) -> tuple[list[str], np.ndarray]:
    """Everybody's id and columns as of `now`. NotEnoughData before the customers were computed."""
    with CustomerFiles(home).reading(now, memory="2GB") as sql:
        rows = sql.sql("SELECT user_id, traits.* FROM people JOIN traits USING (person) ORDER BY user_id")
        rows = rows.select("user_id", *TRAIT_INPUTS).to_arrow_table()
    return rows["user_id"].to_pylist(), as_columns(rows, "")


def as_columns(rows: pa.Table, prefix: str) -> np.ndarray:
    """Float32 [n, TRAIT_INPUTS]; what is not known is UNKNOWN."""
    found = [rows[f"{prefix}{name}"].cast(pa.float64()).to_numpy() for name in TRAIT_INPUTS]
    return np.asarray(np.nan_to_num(np.stack(found, axis=1), nan=UNKNOWN), np.float32)


def _numbers(ids: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(ids.combine_chunks().dictionary_encode().indices.to_numpy())
