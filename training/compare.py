"""Compare: whether one stored version is better than another, from the figures of each user that both keep.

Where both were judged on the same period, the same users are paired. Where not, one period may be easier than the
other: then how far each list stands above its baseline is compared, of users who are not the same.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.table import Table

from engine.bundle import Bundle
from engine.errors import BadInput, NotEnoughData, UnknownThing
from engine.storage.home import Home
from engine.storage.releases import open_bundle, version_folder, versions
from training.evaluate import Interval, paired_difference
from training.evidence import METRICS, Evidence, read_evidence

_SEED, _ROUNDS = 1, 2_000
#: What each list has to stand above where periods differ.
_BASELINES = {"whole": "frequency", "repeat": "frequency", "new": "popularity"}
_KINDS = {"whole": "all purchases", "repeat": "what was bought before", "new": "what was never bought"}
_FIRST = ("home/whole", "home/repeat", "home/new", "discover/new")


@dataclass(frozen=True, slots=True)
class Difference:
    """B less A: of one list or model, one kind of purchases, one metric. `over` is the baseline that the figures stand
    above, nothing where the same users are compared."""

    subject: str
    kind: str
    metric: str
    users: int
    mean_a: float
    mean_b: float
    interval: Interval
    is_served: bool
    over: str = ""

    @property
    def verdict(self) -> str:
        """Whether B is `better` or `worse` beyond the interval, or the two are `not told apart`."""
        if self.interval.low > 0:
            return "better"
        return "worse" if self.interval.high < 0 else "not told apart"

    def as_json(self) -> dict[str, Any]:
        told = {name: value for name, value in asdict(self).items() if name != "interval"}
        return {**told, "difference": asdict(self.interval), "verdict": self.verdict}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every difference that both versions have figures for, the served lists first."""

    a: int
    b: int
    period: str
    is_paired: bool
    differences: tuple[Difference, ...]

    @property
    def sentence(self) -> str:
        """Whether B is better, by its first list, and which others say something else."""
        head = self.differences[0]
        verdict = {
            "better": f"Version {self.b} is better than version {self.a}",
            "worse": f"Version {self.b} is worse than version {self.a}",
            "not told apart": f"Whether version {self.b} is better than version {self.a} cannot be told",
        }[head.verdict]
        how = f"{head.interval.mean:+.4f} ({head.interval.low:+.4f} to {head.interval.high:+.4f})"
        if self.is_paired:
            whom = f"over the same {head.users:,} users of the {self.period} period"
        else:
            whom = f"over {head.users:,} users or more of two different {self.period} periods, each above {head.over}"
        others = [
            f"{each.subject} of {_KINDS[each.kind]} is {each.verdict}"
            for each in self.differences
            if each.is_served and each.metric == head.metric and each.verdict not in (head.verdict, "not told apart")
        ]
        but = f" But {', '.join(others)}." if others else ""
        return f"{verdict}: {head.metric} of {head.subject} {how}, {whom}.{but}"

    def as_json(self) -> dict[str, Any]:
        return {
            "a": self.a,
            "b": self.b,
            "period": self.period,
            "paired": self.is_paired,
            "sentence": self.sentence,
            "differences": [each.as_json() for each in self.differences],
        }


@dataclass(frozen=True, slots=True)
class _Side:
    evidence: Evidence
    bundle: Bundle

    def figures(self, subject: str, *, metric: str, period: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Users (rows of the bundle) and their figures of "subject/kind", None where they were not kept."""
        begin = f"{period}/{subject}"
        arrays = self.evidence.arrays
        if f"{begin}/users" not in arrays or f"{begin}/{metric}" not in arrays:
            return None
        return arrays[f"{begin}/users"], arrays[f"{begin}/{metric}"].astype(np.float64)


def compare_versions(home: Home, a: int, b: int, *, period: str = "test") -> Comparison:
    """Hold version `b` against version `a` on the `period` (test or validation) that both were judged on.

    Percentile intervals of 2,000 bootstrap rounds over users. Raises BadInput for one version twice or another period,
    UnknownThing for a version that is not there, NotEnoughData where they have no figure in common.
    """
    if period not in ("test", "validation"):
        raise BadInput(f"a version is judged on test and on validation, not on {period!r}", field="period")
    if a == b:
        raise BadInput(f"version {a} is version {b}; name another one", field="b")
    one, other = (
        _Side(read_evidence(version_folder(home, each)), open_bundle(home, each)) for each in _known(home, a, b)
    )
    is_paired = one.evidence.periods == other.evidence.periods and bool(one.evidence.periods)
    differences = []
    for subject in _subjects(one, other, period):
        for metric in METRICS:
            make = _paired if is_paired else _above_baselines
            if (found := make(one, other, subject, metric, period)) is not None:
                differences.append(found)
    if not differences or f"{differences[0].subject}/{differences[0].kind}" != _FIRST[0]:
        raise NotEnoughData(
            f"versions {a} and {b} have no figures of users in common for the {period} period of home; "
            "train one of them anew with the --until of the other"
        )
    return Comparison(a, b, period, is_paired, tuple(differences))


def comparison_table(found: Comparison) -> Table:
    """One line a list, kind and metric, and the sentence, for a person."""
    title = f"Version {found.b} less version {found.a}, {found.period} period; the served lists are marked *"
    table = Table(title=title, caption=found.sentence)
    left, right = ("list", "purchases", "metric"), ("users", str(found.a), str(found.b), "difference", "95 %", "")
    for name in (*left, *right):
        table.add_column(name, justify="left" if name in left else "right")
    for each in found.differences:
        table.add_row(
            each.subject + (" *" if each.is_served else ""),
            _KINDS[each.kind],
            each.metric + (f" above {each.over}" if each.over else ""),
            f"{each.users:,}",
            f"{each.mean_a:.4f}",
            f"{each.mean_b:.4f}",
            f"{each.interval.mean:+.4f}",
            f"{each.interval.low:+.4f} .. {each.interval.high:+.4f}",
            each.verdict,
        )
    return table


def _known(home: Home, *wanted: int) -> tuple[int, ...]:
    there = versions(home)
    for version in wanted:
        if version not in there:
            listed = ", ".join(map(str, there[-5:])) or "none; run `hawker train`"
            raise UnknownThing(
                f"there is no trained version {version}; there are: {listed}", code="unknown_version", field="version"
            )
    return wanted


def _subjects(one: _Side, other: _Side, period: str) -> list[str]:
    """ "subject/kind" of what both have, the served lists first."""
    both = {
        f"{row['subject']}/{row['kind']}"
        for key, row in one.evidence.scores.items()
        if row["period"] == period and key in other.evidence.scores
    }
    return [*(name for name in _FIRST if name in both), *sorted(both - set(_FIRST))]


def _paired(one: _Side, other: _Side, subject: str, metric: str, period: str) -> Difference | None:
    mine, theirs = (each.figures(subject, metric=metric, period=period) for each in (one, other))
    if mine is None or theirs is None:
        return None
    names = one.bundle.users.ids
    rows = other.bundle.users.rows(names[int(row)] for row in mine[0])
    _, at_mine, at_theirs = np.intersect1d(rows, theirs[0], return_indices=True)
    if not len(at_mine):
        return None
    a, b = mine[1][at_mine], theirs[1][at_theirs]
    interval = paired_difference(b, a, _SEED, _ROUNDS)
    return _difference(one, subject, metric, len(a), means=(a, b), interval=interval)


def _above_baselines(one: _Side, other: _Side, subject: str, metric: str, period: str) -> Difference | None:
    """How far each stands above its baseline, user by user; the two sets of users are drawn apart."""
    name, _, kind = subject.partition("/")
    baseline = _BASELINES[kind]
    if name in _BASELINES.values():
        return None
    sides = [_margins(each, subject, f"{baseline}/{kind}", metric=metric, period=period) for each in (one, other)]
    if any(each is None or not len(each) for each in sides):
        return None
    a, b = (np.asarray(each) for each in sides)
    rng = np.random.default_rng(_SEED)
    drawn = [
        b[rng.integers(0, len(b), len(b))].mean() - a[rng.integers(0, len(a), len(a))].mean() for _ in range(_ROUNDS)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    interval = Interval(float(b.mean() - a.mean()), float(low), float(high))
    return _difference(one, subject, metric, min(len(a), len(b)), means=(a, b), interval=interval, over=baseline)


def _margins(side: _Side, subject: str, baseline: str, *, metric: str, period: str) -> np.ndarray | None:
    ours, theirs = (side.figures(each, metric=metric, period=period) for each in (subject, baseline))
    if ours is None or theirs is None:
        return None
    _, at, there = np.intersect1d(ours[0], theirs[0], return_indices=True)
    return np.asarray(ours[1][at] - theirs[1][there])


def _difference(
    side: _Side,
    subject: str,
    metric: str,
    users: int,
    *,
    means: tuple[np.ndarray, np.ndarray],
    interval: Interval,
    over: str = "",
) -> Difference:
    name, _, kind = subject.partition("/")
    served = any(row["subject"] == name and row["is_placement"] for row in side.evidence.scores.values())
    a, b = (float(each.mean()) for each in means)
    return Difference(name, kind, metric, users, a, b, interval, served, over)
