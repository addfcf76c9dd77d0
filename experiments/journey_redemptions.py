"""Who redeems in The Complete Journey's last campaign of type A, from nothing later than its beginning.

Campaign 18 is judged; campaigns that were over when it began teach. Its members were not drawn by chance, so that this
ranks who redeems and says nothing of what the coupons changed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from engine.storage.home import Home
from engine.storage.imports.run import ImportRequest, run_import
from engine.storage.lake import Lake
from engine.storage.past_campaigns import PastCampaigns
from engine.targeting.response_inputs import PROPENSITY_INPUTS
from training.evaluate import Interval
from training.predictions.accuracy import Judged, auc_difference, auc_interval
from training.predictions.facts import span
from training.predictions.moments import USER_COLUMNS, moment_at
from training.predictions.outcome import interval_json
from training.response.propensity import Campaigns, Members, learn_propensity

_CAMPAIGN = "18"
_SEED = 1


def measure_redemptions(home: Home) -> dict[str, Any]:
    """AUC and the redeemers' share in the best tenth, of the model and of two plain orders."""
    found: list[PastCampaigns] = []

    def keep(past: PastCampaigns) -> dict[str, int]:
        found.append(PastCampaigns(*(tuple(getattr(past, name)) for name in PastCampaigns.__slots__)))
        return {}

    run_import(home, ImportRequest(preset="complete-journey"), now=datetime.now(UTC), record_past_campaigns=keep)
    lake = Lake(home)
    shop = span(lake, None)
    assert shop is not None
    campaigns = Campaigns(lake, found[0], shop[0])
    start = next(start for name, _, start, _ in campaigns.campaigns if name == _CAMPAIGN)
    before = campaigns.over_at(start)
    lesson, held = Members.joined([campaigns.members(each) for each in before]), campaigns.members(_CAMPAIGN)
    trees = learn_propensity(lesson, seed=_SEED, threads=2)
    orders = {
        "model": trees.values(held.columns),
        "redeemed before": held.columns[:, PROPENSITY_INPUTS.index("coupons_before")],
        "spend": _spend(lake, held, start, shop[0]),
    }
    judged = {name: Judged(scores, held.redeemed, np.arange(len(scores)), np.zeros(len(scores), np.int64))
              for name, scores in orders.items()}  # fmt: skip
    return {
        "campaign": _CAMPAIGN,
        "campaigns_that_taught": len(before),
        "members_that_taught": len(lesson.users),
        "redeemers_that_taught": int(lesson.redeemed.sum()),
        "members": len(held.users),
        "redeemers": int(held.redeemed.sum()),
        **{name: _figures(each) for name, each in judged.items()},
        "AUC over": {name: interval_json(auc_difference(judged["model"], judged[name], seed=_SEED))
                     for name in ("redeemed before", "spend")},
    }  # fmt: skip


def _figures(judged: Judged) -> dict[str, Any]:
    best = np.argsort(-judged.scores, kind="stable")[: len(judged.scores) // 10]
    area: Interval = auc_interval(judged, seed=_SEED)
    return {
        "AUC": interval_json(area),
        "redeemers_in_the_best_tenth": float(judged.outcomes[best].sum() / judged.outcomes.sum()),
    }


def _spend(lake: Lake, held: Members, start: datetime, first: datetime) -> np.ndarray:
    known = moment_at(lake, start, first=first, active_days=36_500, level=0, subjects=())
    place = {user: row for row, user in enumerate(known.users)}
    column = known.general[:, USER_COLUMNS.index("spend_365")]
    return np.array([column[place[user]] if user in place else 0.0 for user in held.users])
