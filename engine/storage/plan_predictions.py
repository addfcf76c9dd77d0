"""What a plan expects of each customer and offer, from what training wrote into the lake: no model runs here.

`hawker train response` writes under the name RESPONSE one of two kinds of rows. From randomised campaigns, for each
customer and depth of discount d: subjects "redeem d" and "extra d". From imported campaigns: the subject "redeem".
Before it ever ran there are none: then everybody redeems at the rate of past campaigns, or, where there were none,
stated assumptions take its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.storage.customer_files import CustomerFiles
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.ledger import LedgerPool
from engine.storage.past_campaigns import past_redemptions
from engine.targeting.expected_response import assumed, depths_of, measured
from engine.targeting.offers import Offer
from engine.targeting.plans import Floats, Model, Predictions
from engine.targeting.response_inputs import INPUTS
from engine.targeting.suggestion_goals import PRIORS

#: The recipe, and the name of its rows among the predictions.
RESPONSE = "response"


def predictions_for(
    home: Home, ledger: LedgerPool, user_ids: Sequence[str], offers: Sequence[Offer], *, now: float,
    margin: float | None,
) -> Predictions:  # fmt: skip
    """What each of `offers` is expected to bring with each of `user_ids`, in their order, as of `now` (epoch seconds).

    `margin` is the part of a price left after costs, None for the assumed one. Somebody of whom training knew nothing
    gets the mean. The evidence of the answer says what it rests on; `models` name the run and all inputs. BadInput for
    an offer whose discount nobody can tell, NotEnoughData before the customers were computed.
    """
    baskets, orders = _usual(home, user_ids, now)
    depths = depths_of(offers, baskets)
    worth = baskets * (PRIORS["margin"][0] if margin is None else margin)
    written = _written(Lake(home))
    if written is None:
        sent, redeemed = past_redemptions(ledger)
        if sent:
            everybody = np.full(len(user_ids), redeemed / sent)
            return assumed(everybody, orders, depths, margin=worth, models=(Model("redeemed of sent", "0", ()),))
        models = (Model("assumptions", "0", INPUTS["prior"]),)
        return assumed(None, orders, depths, margin=worth, models=models)
    rates = _rates(Lake(home), user_ids, written)
    levels = sorted({float(subject.split()[1]) for subject in written.subjects if subject.startswith("extra ")})
    if not levels:
        return assumed(rates["redeem"], orders, depths, margin=worth, models=written.models("propensity"))
    redeem, extra = (np.stack([rates[f"{what} {each:.2f}"] for each in levels], axis=1) for what in ("redeem", "extra"))
    return measured(levels, redeem, extra, depths, margin=worth, models=written.models("uplift"))


@dataclass(frozen=True, slots=True)
class _Written:
    """What the newest run wrote: its subjects with the means of their scores."""

    model: str
    run_id: str
    subjects: Mapping[str, float]

    def models(self, evidence: str) -> tuple[Model, ...]:
        return (Model(f"{RESPONSE}:{self.model}", self.run_id, INPUTS.get(self.model, INPUTS[evidence])),)


def _written(lake: Lake) -> _Written | None:
    rows = lake.query(
        "SELECT subject, any_value(model) AS model, any_value(run_id) AS run_id, avg(score) AS score FROM predictions"
        " WHERE name = $name GROUP BY subject",
        {"name": RESPONSE},
    ).to_pylist()
    if not rows:
        return None
    return _Written(rows[0]["model"], rows[0]["run_id"], {row["subject"]: row["score"] for row in rows})


def _rates(lake: Lake, user_ids: Sequence[str], written: _Written) -> dict[str, Floats]:
    """By subject the score of each customer [n], the mean for whoever has none."""
    rows = lake.query("SELECT user_id, subject, score FROM predictions WHERE name = $name", {"name": RESPONSE})
    wanted = pa.array(user_ids, pa.string())
    found: dict[str, Floats] = {}
    for subject, mean in written.subjects.items():
        mine = rows.filter(pc.equal(rows["subject"], subject))
        place = pc.index_in(wanted, value_set=mine["user_id"].combine_chunks())
        scores = mine["score"].combine_chunks().take(place)
        found[subject] = np.asarray(pc.fill_null(scores, mean).to_numpy(zero_copy_only=False), np.float64)
    return found


def _usual(home: Home, user_ids: Sequence[str], now: float) -> tuple[Floats, Floats]:
    """Each customer's usual basket, the mean of all for whoever never ordered, and orders of a year, 0 if not known."""
    with CustomerFiles(home).reading(now, memory="2GB") as sql:
        rows = sql.sql(
            "SELECT user_id, basket_value, coalesce(orders_365d, 0) AS orders FROM people JOIN traits USING (person)"
        ).to_arrow_table()
    place = pc.index_in(pa.array(user_ids, pa.string()), value_set=rows["user_id"].combine_chunks())
    told: list[Any] = [
        rows[name].combine_chunks().cast(pa.float64()).take(place) for name in ("basket_value", "orders")
    ]
    values, orders = (np.asarray(each.to_numpy(zero_copy_only=False), np.float64) for each in told)
    known = rows["basket_value"].cast(pa.float64()).to_numpy()
    usual = float(np.nanmean(known)) if np.isfinite(known).any() else 0.0
    return np.where(values > 0, values, usual), np.nan_to_num(orders)
