"""The run of the responses, top to bottom: from campaigns of the past to what offers bring with everybody today.

Where campaigns were randomised, four fifths of their customers teach and choose the learner, each held out once, and
a fifth judges it once; what is written learned from all. Where only imported campaigns are known, all but the last
teach who redeems and the last judges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from engine.errors import NotEnoughData
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.past_campaigns import PastCampaigns
from engine.targeting.response_inputs import INPUTS, PROPENSITY_INPUTS, REDEEMED_BEFORE, TRAIT_INPUTS
from engine.targeting.uplift import folds
from training.evaluate import Interval
from training.predictions.accuracy import Judged, auc_difference, auc_interval, tellable
from training.predictions.facts import span
from training.predictions.outcome import interval_json, told
from training.response.choose import Worth, choose, judge
from training.response.growing import Wish
from training.response.learners import learn_effects
from training.response.model import ResponseModel
from training.response.outcomes import read_trial, todays_customers
from training.response.propensity import Campaigns, Members, columns_of, learn_propensity
from training.response.recipe import ResponseRecipe
from training.response.redemption import learn_redemption
from training.response.trial import Trial

_PLAIN = INPUTS[REDEEMED_BEFORE]
_SEEN = "SELECT DISTINCT user_id FROM events WHERE time < $until AND user_id IS NOT NULL ORDER BY user_id"


@dataclass(frozen=True, slots=True)
class Responses:
    """A finished run, nothing written yet: `model` says for `users` the `scores` [n, model.outputs]; `evidence` as in
    engine/targeting/plans.py."""

    recipe: ResponseRecipe
    evidence: str
    sentence: str
    as_of: datetime
    model: ResponseModel
    users: tuple[str, ...]
    scores: np.ndarray
    figures: Mapping[str, Any]
    data_versions: Mapping[str, int]


def train_responses(
    home: Home, recipe: ResponseRecipe, past: PastCampaigns, *, now: float, until: datetime | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Responses:  # fmt: skip
    """Learn, judge and predict; nothing is written. NotEnoughData where no campaign teaches anything."""
    versions = Lake(home).versions()
    lake = Lake(home).at(versions)
    say("read past campaigns")
    found = read_trial(lake, until=until)
    if found is not None:
        say("learn what offers change")
        model, sentence, figures = _from_trial(*found, recipe)
        users, columns = todays_customers(home, now)
        return _told(recipe, "uplift", sentence, datetime.fromtimestamp(now, UTC), model, users, columns, figures,
                     versions)  # fmt: skip
    shop = span(lake, until)
    if shop is None or not past.campaigns:
        raise NotEnoughData(
            "no campaign of the past is known: run one with a holdout, or import past campaigns. Until then plans use"
            " stated assumptions"
        )
    say("learn who redeems")
    first, last, _ = shop
    moment = until or max(last, datetime.fromtimestamp(now, UTC))
    campaigns = Campaigns(lake, past, first)
    model, sentence, figures = _from_campaigns(campaigns, moment, recipe)
    rows = lake.query(_SEEN, {"until": moment})
    users = rows["user_id"].to_pylist()
    columns = columns_of(campaigns.columns(users, moment), model.names)
    return _told(recipe, "propensity", sentence, moment, model, users, columns, figures, versions)


def _told(recipe: ResponseRecipe, evidence: str, sentence: str, as_of: datetime, model: ResponseModel,
          users: list[str], columns: np.ndarray, figures: Mapping[str, Any], versions: Mapping[str, int],
          ) -> Responses:  # fmt: skip
    scores = np.concatenate(model.predict(columns), axis=1)
    return Responses(recipe, evidence, sentence, as_of, model, tuple(users), scores, figures, versions)


def _from_trial(trial: Trial, worth: Worth, recipe: ResponseRecipe) -> tuple[ResponseModel, str, dict[str, Any]]:
    trial.check()
    wish = Wish(recipe.seed, recipe.threads, recipe.monotone)
    part = folds(trial.user, 5, seed=recipe.seed)
    known, judged_on = trial.where(part != 4), trial.where(part == 4)
    choice = choose(known, worth, wish, candidates=recipe.candidates)
    effects, same = (learn_effects(name, known, known.orders, wish) for name in (choice.name, "same"))
    judged = judge(effects, same, known, judged_on, worth, wish)
    final = learn_effects(choice.name, trial, trial.orders, wish)
    model = ResponseModel(TRAIT_INPUTS, trial.levels, learn_redemption(trial, wish), final, choice.name)
    over, value = judged.over_same, judged.value.value
    better = "more" if over.is_above_zero else "NOT more, outside its interval,"
    sentence = (
        f"response: {choice.name} was chosen on validation; its choices earn {_amount(value)} a customer of the test"
        f" part, {_amount(over, '+')} beyond one effect for all: {better} than that."
    )
    counts = np.bincount(trial.arm, minlength=trial.arms + 1)
    arms = {"holdout": int(counts[0]), **{f"depth {level:.2f}": int(n) for level, n in
                                          zip(trial.levels, counts[1:], strict=True)}}  # fmt: skip
    figures = {"arms": arms, "margin_of_an_order": worth.margin, **choice.as_json(), "test": judged.as_json()}
    return model, sentence, figures


def _from_campaigns(
    campaigns: Campaigns, moment: datetime, recipe: ResponseRecipe
) -> tuple[ResponseModel, str, dict[str, Any]]:
    """The last campaign that is over judges what those before taught, then all teach."""
    parts = [campaigns.members(each) for each in campaigns.over_at(moment)]
    redeemers = sum(int(each.redeemed.sum()) for each in parts)
    if redeemers < recipe.least_redeemers:
        raise NotEnoughData(
            f"{redeemers:,} customers redeemed in past campaigns; {recipe.least_redeemers} are needed to learn who"
            " does. Until then plans use stated assumptions"
        )
    figures: dict[str, Any] = {"members": sum(len(each.users) for each in parts), "redeemers": redeemers}
    said, names = "too few redeemed to judge it, so only whether somebody redeemed before is used", _PLAIN
    judging = next((at for at in range(len(parts) - 1, 0, -1) if tellable(parts[at].redeemed)), None)
    if judging is not None and tellable(Members.joined(parts[:judging]).redeemed):
        model, baseline, difference = judge_propensity(parts[:judging], parts[judging], recipe)
        figures["test"] = {"AUC": interval_json(model), REDEEMED_BEFORE: interval_json(baseline),
                           "difference": interval_json(difference)}  # fmt: skip
        better = difference.low > 0
        names = PROPENSITY_INPUTS if better else _PLAIN
        said = (
            f"AUC {told(model)} on the last campaign, whether somebody redeemed before {told(baseline)}, difference "
            f"{told(difference, '+')}: {'' if better else 'NOT '}better outside its 95 % interval"
            + ("" if better else ", so redemptions before are what is used")
        )
    trees = learn_propensity(Members.joined(parts), names=names, seed=recipe.seed, threads=recipe.threads)
    sentence = f"response: no campaign was drawn by chance, so only who redeems is predicted: {said}."
    learner = "trees" if names is PROPENSITY_INPUTS else REDEEMED_BEFORE
    return ResponseModel(names, (), trees, None, learner), sentence, figures


def judge_propensity(
    lessons: list[Members], held: Members, recipe: ResponseRecipe
) -> tuple[Interval, Interval, Interval]:
    """AUC on `held` of what `lessons` taught, of how often somebody redeemed before, and the difference."""
    trees = learn_propensity(Members.joined(lessons), seed=recipe.seed, threads=recipe.threads)
    rows = np.arange(len(held.users))
    ours, theirs = (
        Judged(scores, held.redeemed, rows, np.zeros(len(rows), np.int64))
        for scores in (trees.values(held.columns), held.columns[:, PROPENSITY_INPUTS.index("coupons_before")])
    )
    seed = recipe.seed
    return auc_interval(ours, seed=seed), auc_interval(theirs, seed=seed), auc_difference(ours, theirs, seed=seed)


def _amount(estimate: Any, sign: str = "") -> str:
    return f"{estimate.mean:{sign}.2f} [{estimate.low:{sign}.2f}, {estimate.high:{sign}.2f}]"
