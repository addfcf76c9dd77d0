"""What a way of choosing offers is worth, measured on customers whose offers were drawn by chance.

An arm is what a customer got: 0 is nothing, which the holdout got, 1 and up are offers or messages. Where the chance
of the drawn arm is known, those who happened to get what a policy would have given them stand for everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.errors import BadInput

Floats = NDArray[np.floating[Any]]
Arms = NDArray[np.integer[Any]]
Estimator = Literal["ips", "snips", "dr"]

ROUNDS = 1000
_AT_ONCE = 4_000_000  # cells of drawn weights that are held at once


@dataclass(frozen=True, slots=True, eq=False)
class Logged:
    """A trial as it was logged, one row a customer, arrays [n].

    `arm` is what each got, `propensity` the chance of that arm, above 0; `reward` what the customer brought and `cost`
    what the arm cost with this customer, both in the unit of the answer. `user` numbers customers who have several
    rows: they are drawn together; None: each row is one.
    """

    arm: Arms
    propensity: Floats
    reward: Floats
    cost: Floats
    user: Arms | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with the bounds of its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float

    @property
    def is_above_zero(self) -> bool:
        """Whether chance alone would hardly bring so much."""
        return self.low > 0

    def as_json(self) -> dict[str, float]:
        return {"mean": self.mean, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class PolicyValue:
    """Per customer, also those who get nothing: `value` is reward less cost. `followed` rows got what was chosen."""

    value: Estimate
    reward: Estimate
    cost: Estimate
    followed: int

    def as_json(self) -> dict[str, Any]:
        parts = {name: getattr(self, name).as_json() for name in ("value", "reward", "cost")}
        return {**parts, "followed": self.followed}


def policy_value(
    chosen: ArrayLike, logged: Logged, *, means: Floats | None = None, seed: int, rounds: int = ROUNDS
) -> PolicyValue:
    """What giving every customer the arm `chosen` [n] would bring and cost, a customer.

    Without `means` self-normalised inverse propensity; with `means` [n, arms], the expected reward less cost of each
    arm from models that did not learn from the row (see `cross_fitted`), the value is doubly robust. BadInput for rows
    that cannot be, or where nobody got what was chosen.
    Sources: Horvitz and Thompson 1952; Swaminathan and Joachims, NeurIPS 2015 (self-normalised); Dudik, Langford and
    Li, ICML 2011 (doubly robust); Zhao, Fang and Simchi-Levi, ICDM 2017 (several arms of an uplift trial).
    """
    arms, net = _checked(chosen, logged), logged.reward - logged.cost
    parts = [_sums(arms, net, logged, means), _sums(arms, logged.reward, logged, None),
             _sums(arms, logged.cost, logged, None)]  # fmt: skip
    value, reward, cost = _ratios(parts, logged, seed, rounds)
    return PolicyValue(estimate(value), estimate(reward), estimate(cost), int((arms == logged.arm).sum()))


def value_difference(
    ours: ArrayLike, theirs: ArrayLike, logged: Logged, *, means: Floats | None = None, seed: int, rounds: int = ROUNDS
) -> Estimate:
    """How much more a customer the first way of choosing is worth than the second; both are drawn together."""
    net = logged.reward - logged.cost
    parts = [_sums(_checked(each, logged), net, logged, means) for each in (ours, theirs)]
    first, second = _ratios(parts, logged, seed, rounds)
    return estimate(first - second)


def point_value(chosen: ArrayLike, logged: Logged, *, means: Floats | None = None, estimator: Estimator) -> float:
    """The value alone, by one of the three estimators; `dr` needs `means`."""
    arms, net = _checked(chosen, logged), logged.reward - logged.cost
    if estimator == "ips":
        return float(np.mean(_weights(arms, logged) * net))
    top, bottom = _sums(arms, net, logged, means if estimator == "dr" else None)
    return float(top.sum() / bottom.sum())


def best_arms(gains: Floats, *, least: float = 0.0) -> Arms:
    """The arm (from 1) whose expected profit over nothing, `gains` [n, arms], is largest; 0 where none is above."""
    best = np.asarray(gains.argmax(axis=1) + 1)
    return np.where(gains.max(axis=1) > least, best, 0)


def folds(users: ArrayLike, number: int, *, seed: int) -> Arms:
    """To which of `number` parts each row belongs [n]; all rows of a user are in one part."""
    names, place = np.unique(np.asarray(users), return_inverse=True)
    parts = np.arange(len(names)) % number
    np.random.default_rng(seed).shuffle(parts)
    return np.asarray(parts[place])


def cross_fitted(fold: Arms, fit: Callable[[NDArray[np.bool_]], Callable[[NDArray[np.bool_]], Floats]]) -> Floats:
    """Predictions for every row by a model that did not learn from it.

    `fit` gets the rows to learn from and returns what predicts for other rows, both as bool [n].
    Source: Chernozhukov et al., "Double/debiased machine learning", 2018.
    """
    found: Floats | None = None
    for part in np.unique(fold):
        held = fold == part
        told = fit(~held)(held)
        if found is None:
            found = np.zeros((len(fold), *told.shape[1:]))
        found[held] = told
    if found is None:
        raise BadInput("folds: there are no rows to learn from", field="folds")
    return found


def drawn_weights(users: Arms | None, rows: int, *, seed: int, rounds: int) -> Iterator[Floats]:
    """How often each row counts [some rounds, rows] when users are drawn with replacement, in blocks of rounds.

    The first line of the first block is the rows as they are.
    """
    place = np.arange(rows) if users is None else np.unique(users, return_inverse=True)[1]
    people = int(place.max()) + 1 if rows else 0
    rng = np.random.default_rng(seed)
    at_once = max(1, _AT_ONCE // max(rows, 1))
    for begin in range(0, rounds + 1, at_once):
        some = min(at_once, rounds + 1 - begin)
        drawn = np.stack([np.bincount(rng.integers(0, people, people), minlength=people) for _ in range(some)])
        if begin == 0:
            drawn[0] = 1
        yield drawn[:, place].astype(np.float32)


def estimate(values: Floats) -> Estimate:
    """Of a figure itself, `values[0]`, and what it was in each draw after it."""
    low, high = np.nanquantile(values[1:], [0.025, 0.975])
    return Estimate(float(values[0]), float(low), float(high))


def _checked(chosen: ArrayLike, logged: Logged) -> Arms:
    arms = np.asarray(chosen)
    if arms.shape != logged.arm.shape or arms.dtype.kind not in "iu":
        raise BadInput(f"chosen: give one whole number a row, {len(logged.arm)} of them", field="chosen")
    if not (logged.propensity > 0).all() or not (logged.propensity <= 1).all():
        raise BadInput("propensity: give the chance of what each row got, above 0 and up to 1", field="propensity")
    if not (arms == logged.arm).any():
        raise BadInput("chosen: nobody got what was chosen, so the trial says nothing of it", field="chosen")
    return arms


def _weights(arms: Arms, logged: Logged) -> Floats:
    return np.asarray((arms == logged.arm) / logged.propensity)


def _sums(arms: Arms, outcome: Floats, logged: Logged, means: Floats | None) -> tuple[Floats, Floats]:
    """Each row's part of the numerator and of the denominator."""
    weights = _weights(arms, logged)
    if means is None:
        return weights * outcome, weights
    rows = np.arange(len(arms))
    return means[rows, arms] + weights * (outcome - means[rows, logged.arm]), np.ones(len(arms))


def _ratios(parts: Sequence[tuple[Floats, Floats]], logged: Logged, seed: int, rounds: int) -> Floats:
    """Each figure as it is, then in each draw, [parts, 1 + rounds]; all of them are drawn together."""
    sums = np.stack([each for part in parts for each in part], axis=1).astype(np.float32)
    told = np.concatenate([each @ sums for each in drawn_weights(logged.user, len(sums), seed=seed, rounds=rounds)])
    exact = sums.sum(axis=0, dtype=np.float64)
    told = told.astype(np.float64)
    told[0] = exact
    return np.asarray((told[:, ::2] / np.where(told[:, 1::2] > 0, told[:, 1::2], np.nan)).T)
