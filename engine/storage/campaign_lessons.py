"""Lessons of a campaign: what became of each customer, beside what was known of them before.

Rows of the lake's table CAMPAIGN_OUTCOMES, which training learns from what an offer changes. In a plan chance drew only
who is held out, not who gets which offer. So those held out have the offer that they would have got: it tells with
whom the others are compared.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.storage.campaign_figures import Gathered
from engine.storage.campaign_outcomes import HOLDOUT as HELD_OUT
from engine.storage.campaigns import StoredCampaign
from engine.storage.home import Home
from engine.storage.ledger import Ledger, connection_of, rows_of
from engine.storage.past_traits import past_traits
from engine.storage.suggestion_facts import usual_basket
from engine.targeting.campaign_members import HOLDOUT, TREATMENT, design_of
from engine.targeting.offers import checked_offer
from engine.targeting.response_inputs import TRAIT_INPUTS
from engine.targeting.suggestions import discount_of

# Not pa.scalar, which loads pandas.
_NOTHING = pa.nulls(1, pa.string())[0]


def outcomes_of(
    home: Home, ledger: Ledger, campaign: StoredCampaign, gathered: Gathered, *, now: float, zone: str
) -> pa.Table:
    """Rows of CAMPAIGN_OUTCOMES of those who were treated or held out by this campaign."""
    members, is_drawn = gathered.members, design_of(campaign.document).is_drawn
    inside = np.isin(members.arm, (TREATMENT, HOLDOUT))
    if not is_drawn:  # without the offer that they would have got nobody can be compared
        inside &= (members.arm == TREATMENT) | (members.variant >= 0)
    rows, treated = gathered.rows.filter(pa.array(inside)), members.arm[inside] == TREATMENT
    launched = campaign.launched_at
    assert launched is not None
    traits = past_traits(home, rows["user_id"], (*TRAIT_INPUTS, "basket_value"), then=launched, now=now, zone=zone)
    offers = pc.if_else(pa.array(treated), rows["offer_id"], _NOTHING if is_drawn else rows["variant"])
    columns = {
        "campaign_id": pa.array([campaign.id] * len(rows), pa.string()),
        "user_id": rows["user_id"],
        "arm": pc.if_else(pa.array(treated), pc.fill_null(rows["variant"], "message"), HELD_OUT),
        "offer_id": offers,
        "depth": _depths(ledger, offers, traits["basket_value"], usual_basket(home, now)),
        "propensity": rows["propensity"],
        "launched_at": pa.array([launched] * len(rows), pa.timestamp("us", tz="UTC")),
        "redeemed": pa.array(members.measures["redeemed"][inside] > 0),
    }
    for name in ("orders", "revenue", "margin", "cost"):
        if name in members.measures:
            columns[name] = pa.array(np.rint(members.measures[name][inside]).astype(np.int64))
    return pa.table(columns | {f"x_{name}": traits[name].cast(pa.float64()) for name in TRAIT_INPUTS})


def _depths(ledger: Ledger, offers: pa.ChunkedArray, baskets: pa.ChunkedArray, usual: float | None) -> pa.Array:
    """What each one's offer was expected to take off, as part of their usual basket; the shop's where they had none."""
    found = np.zeros(len(offers))
    basket = pc.fill_null(baskets.cast(pa.float64()), usual or np.nan).to_numpy(zero_copy_only=False)
    names = np.asarray(offers.to_pylist(), object)
    for offer_id, terms in _terms(ledger, pc.unique(offers.drop_null()).to_pylist()):
        offer, mine = checked_offer(dict(terms)), names == offer_id
        known = mine & (basket > 0)
        discounts = {each: discount_of(offer, each) or 0.0 for each in np.unique(basket[known]).tolist()}
        found[known] = [discounts[each] / each for each in basket[known].tolist()]
    return pa.array(np.clip(found, 0.0, 1.0))


def _terms(ledger: Ledger, offers: list[str]) -> list[tuple[Any, ...]]:
    with connection_of(ledger) as connection:
        return rows_of(
            connection,
            "SELECT DISTINCT ON (offer_id) offer_id, terms FROM offer_versions WHERE offer_id = ANY(:offers)"
            " ORDER BY offer_id, version DESC",
            offers=offers,
        )
