"""Outcomes of past randomised campaigns, as a trial; and the customers of today, as rows to be predicted."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from engine.storage.campaign_outcomes import HOLDOUT, read_outcomes
from engine.storage.customer_files import CustomerFiles
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.targeting.expected_response import level_of
from engine.targeting.response_inputs import TRAIT_INPUTS, UNKNOWN
from training.response.choose import Worth
from training.response.trial import Trial


def read_trial(lake: Lake, *, until: datetime | None = None) -> tuple[Trial, Worth] | None:
    """The campaigns with a holdout that were launched before `until`, and what orders and uses were worth in them.

    An arm is a depth of discount, in steps of `level_of`. None where there is no such campaign.
    """
    rows = read_outcomes(lake)
    if until is not None:
        rows = rows.filter(pa.compute.less(rows["launched_at"], pa.scalar(until.astimezone(UTC))))
    if not rows.num_rows:
        return None
    held = np.array(rows["arm"].to_pylist()) == HOLDOUT
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
        campaign=_numbers(rows["campaign_id"]),
    )
    cost = np.nan_to_num(rows["cost"].to_numpy(zero_copy_only=False).astype(np.float64))
    margin = np.nan_to_num(rows["margin"].to_numpy(zero_copy_only=False).astype(np.float64))
    uses = [redeemed & (arm == number) for number in range(1, len(levels) + 1)]
    discounts = tuple(float(cost[each].mean()) if each.any() else 0.0 for each in uses)
    return trial, Worth(float(margin.sum() / max(orders.sum(), 1)), discounts)


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
