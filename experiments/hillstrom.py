"""Hillstrom's trial of 2008: 64,000 customers got an e-mail on men's goods, one on women's, or none, by chance.

Protocol, fixed before anything was learned: three fifths teach and choose the learner, each third of them held out
once, and two fifths judge once, drawn with the seed below. What counts is spend in the two weeks after, in dollars,
less MAIL_COST a mail sent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from engine.targeting.uplift import best_arms, policy_value, value_difference
from engine.targeting.uplift_curves import curves, qini_difference
from training.boosting import boost
from training.response.choose import Worth, choose, net_means
from training.response.effects import with_level
from training.response.growing import Wish
from training.response.learners import learn_effects
from training.response.trial import Trial

MAIL_COST = 0.10
_ARMS = ("No E-Mail", "Mens E-Mail", "Womens E-Mail")
_SEED = 2008
_WORTH = Worth(1.0, (MAIL_COST, MAIL_COST))
_VISITS = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 8, "min_data_in_leaf": 100, "lambda_l2": 5.0,
    "max_bin": 63, "seed": _SEED, "num_threads": 2,
}  # fmt: skip


def measure_hillstrom(folder: Path, *, quick: bool) -> dict[str, Any]:
    """The learned policy beside men's e-mail to all and ranking by predicted visit, on the test part."""
    trial, visits = read_hillstrom(folder)
    part = np.random.default_rng(_SEED).permutation(np.arange(len(trial)) % 5)
    known, test = (trial.where(np.isin(part, each)) for each in ((0, 1, 2), (3, 4)))
    wish, rounds = Wish(_SEED, 2), 200 if quick else 1000
    choice = choose(known, _WORTH, wish, redeem=1.0, rounds=200)
    gains = _gains(learn_effects(choice.name, known, known.orders, wish).at(test.columns))
    learned = best_arms(gains)
    visit = _visit_chances(known, visits[np.isin(part, (0, 1, 2))], test)
    mailed = int((learned > 0).sum())
    ranked = np.zeros(len(test), np.int64)
    likely = np.argsort(-visit.max(axis=1), kind="stable")[:mailed]
    ranked[likely] = visit.argmax(axis=1)[likely] + 1
    policies = {
        "learned": learned, "mens e-mail to all": np.ones(len(test), np.int64), "rank by predicted visit": ranked,
        "womens e-mail to all": np.full(len(test), 2), "no e-mail": np.zeros(len(test), np.int64),
    }  # fmt: skip
    logged, means = _WORTH.logged(test), net_means(test, _WORTH, wish)
    return {
        "protocol": f"spend in dollars less {MAIL_COST:.2f} a mail, a customer; {len(known):,} teach and choose,"
        f" {len(test):,} judge; values are doubly robust with cross-fitted means, `plain` ones self-normalised",
        **choice.as_json(),
        "mailed_share": {name: float((arm > 0).mean()) for name, arm in policies.items()},
        "test": {name: policy_value(arm, logged, means=means, seed=_SEED, rounds=rounds).as_json()
                 for name, arm in policies.items()},
        "plain": {name: policy_value(arm, logged, seed=_SEED, rounds=rounds).value.as_json()
                  for name, arm in policies.items()},
        "beats": {name: _beats(learned, policies[name], name, (logged, means), rounds)
                  for name in ("mens e-mail to all", "rank by predicted visit")},
        "qini": _qini(test, gains, visit, rounds),
    }  # fmt: skip


def read_hillstrom(folder: Path) -> tuple[Trial, np.ndarray]:
    """The trial with spend as its outcome, and who visited, bool [n]."""
    rows = pq.read_table(folder / "hillstrom.parquet")
    told = {
        name: rows[name].to_numpy().astype(np.float32) for name in ("recency", "history", "mens", "womens", "newbie")
    }
    for name, values in (("zip_code", ("Rural", "Surburban", "Urban")), ("channel", ("Phone", "Web", "Multichannel"))):
        texts = np.array(rows[name].to_pylist())
        told |= {f"{name}_{value.lower()}": (texts == value).astype(np.float32) for value in values}
    segments = np.array(rows["segment"].to_pylist())
    arm = np.array([_ARMS.index(each) for each in segments])
    trial = Trial(
        np.stack(list(told.values()), axis=1), tuple(told), arm, (0.0, 1.0),
        (np.bincount(arm) / len(arm))[arm], rows["spend"].to_numpy(), arm > 0, np.arange(len(arm)),
        np.zeros(len(arm), np.int64),
    )  # fmt: skip
    return trial, rows["visit"].to_numpy() > 0


def _gains(effects: np.ndarray) -> np.ndarray:
    return _WORTH.gains(effects, np.ones_like(effects))


def _visit_chances(known: Trial, visits: np.ndarray, test: Trial) -> np.ndarray:
    """How likely a visit is after each mail, [n, 2]: what a response model knows, who would come anyway included."""
    mailed = known.arm > 0
    columns = with_level(known.columns[mailed], known.arm[mailed].astype(np.float32))
    trees = boost(columns, visits[mailed], _VISITS, 150, names=(*known.names, "mail"))
    return np.stack([trees.values(with_level(test.columns, mail)) for mail in (1.0, 2.0)], axis=1)


def _beats(ours: np.ndarray, theirs: np.ndarray, name: str, judged_by: tuple[Any, Any], rounds: int) -> dict[str, Any]:
    found = value_difference(ours, theirs, judged_by[0], means=judged_by[1], seed=_SEED, rounds=rounds)
    said = "beats" if found.is_above_zero else "does NOT beat"
    return {
        "difference": found.as_json(),
        "sentence": f"The learned policy {said} {name} outside the 95 % interval: {found.mean:+.3f} dollars a customer"
        f" [{found.low:+.3f}, {found.high:+.3f}].",
    }


def _qini(test: Trial, gains: np.ndarray, visit: np.ndarray, rounds: int) -> dict[str, Any]:
    """Each order with the mail that it would send, on spend less cost."""
    logged = _WORTH.logged(test)
    net = logged.reward - logged.cost
    orders = {"learned": (gains.max(axis=1), gains.argmax(axis=1) + 1),
              "predicted visit": (visit.max(axis=1), visit.argmax(axis=1) + 1)}  # fmt: skip
    told = {name: curves(*each, net, logged, seed=_SEED, rounds=rounds).as_json() for name, each in orders.items()}
    over = qini_difference(orders["learned"], orders["predicted visit"], net, logged, seed=_SEED, rounds=rounds)
    return {**told, "difference": over.as_json()}
