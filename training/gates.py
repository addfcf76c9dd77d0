"""Gates: what a bundle must show before it may be served.

Everything is read from the stored version (its manifest, its per-user evidence, its files), so that
a bundle can be judged at any time, on any machine, without its training data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.bundle import Bundle
from engine.errors import BundleUnusable
from engine.profile import Profile, unknown
from engine.recommend.placements import PLACEMENTS
from engine.recommend.query import Query
from engine.recommend.recommender import recommend
from engine.recommend.soundness import check_sound
from engine.storage.home import Home
from engine.storage.releases import current, open_bundle, version_folder
from training.evaluate import Interval, bootstrap_interval, paired_difference
from training.evidence import Evidence, read_evidence
from training.outcome import K

NDCG, COVERAGE = f"ndcg@{K}", f"coverage@{K}"
COVERAGE_FLOOR = 0.01  # of the items that the evaluated lists had room for; one list for everybody is far below
CHAMPION_SHARE = 0.5  # less than this part of the champion's coverage or catalogue is a broken feed, not a choice
_SEED = 1


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition: what was asked, what was measured. A gate that is not forceable stops also the determined."""

    name: str
    asked: str
    measured: str
    passed: bool
    is_forceable: bool = True


@dataclass(frozen=True, slots=True)
class _Version:
    """A stored version opened for judging."""

    evidence: Evidence
    bundle: Bundle


def judge(home: Home, version: int) -> tuple[Gate, ...]:
    """Every gate of a stored version, all evaluated also when one fails.

    The champion is the version served now; its gates pass with the reason when there is none to compare with.
    A bundle that does not load fails `answers` alone: of the rest nothing can be said.
    """
    try:
        judged = _open(home, version)
    except BundleUnusable:
        return (answers(home, version),)
    champion = _champion(home, version)
    return (
        _beats(judged.evidence, "home", "popularity", "whole"),
        _beats(judged.evidence, "home", "frequency", "whole"),
        _beats(judged.evidence, "discover", "popularity", "new"),
        _not_worse(judged, champion),
        _coverage_floor(judged),
        _not_below("coverage_of_champion", judged, champion, _coverage, "the champion's share of the catalogue"),
        _not_below("items_of_champion", judged, champion, lambda each: len(each.bundle.items), "the champion's items"),
        _loads_and_answers(judged.bundle),
    )


def answers(home: Home, version: int) -> Gate:
    """The gate that nobody may overrule: the stored bundle loads, and answers."""
    try:
        return _loads_and_answers(open_bundle(home, version))
    except BundleUnusable as problem:
        return _loads_and_answers(problem.message)


def _open(home: Home, version: int) -> _Version:
    return _Version(read_evidence(version_folder(home, version)), open_bundle(home, version))


def _champion(home: Home, version: int) -> _Version | str:
    """What is served now, or why nothing can be compared with it. A broken champion must not stop its replacement."""
    try:
        pointer = current(home)
        if pointer is None:
            return "nothing is published yet"
        if pointer.version == version:
            return "this is the champion"
        return _open(home, pointer.version)
    except BundleUnusable as problem:
        return f"the champion cannot be read: {problem.message}"


def _beats(evidence: Evidence, ours: str, baseline: str, kind: str) -> Gate:
    """The mean difference over the same users, above 0 beyond its 95 % bootstrap interval."""
    name = f"{ours}_beats_{baseline}"
    asked = f"{NDCG} of {ours} above {baseline} on the validation period ({_KINDS[kind]}), beyond the interval"
    differences = _differences(evidence, ours, baseline, kind)
    if differences is None:
        return Gate(name, asked, "not measured by this training run", False)
    found = bootstrap_interval(differences, _SEED)
    return Gate(name, asked, _said(found, len(differences)), found.low > 0)


_KINDS = {"whole": "all purchases", "new": "never bought before"}


def _differences(evidence: Evidence, ours: str, theirs: str, kind: str) -> np.ndarray | None:
    """[n] user by user, None when one of both was not measured or they have no user in common."""
    mine, other = _per_user(evidence, ours, kind), _per_user(evidence, theirs, kind)
    if mine is None or other is None:
        return None
    _, at, there = np.intersect1d(mine[0], other[0], assume_unique=True, return_indices=True)
    return mine[1][at].astype(np.float64) - other[1][there] if len(at) else None


def _per_user(evidence: Evidence, subject: str, kind: str) -> tuple[np.ndarray, np.ndarray] | None:
    """User rows and their NDCG on the validation period."""
    begin = f"validation/{subject}/{kind}"
    if f"{begin}/users" not in evidence.arrays:
        return None
    return evidence.arrays[f"{begin}/users"], evidence.arrays[f"{begin}/{NDCG}"]


def _not_worse(judged: _Version, champion: _Version | str) -> Gate:
    """On the same validation period user by user. A later period is easier or harder by itself, so there
    what is compared is how far each stands above its own fading frequency; the users are not paired."""
    name = "not_worse_than_champion"
    asked = f"{NDCG} of home not below the champion's beyond the interval"
    if isinstance(champion, str):
        return Gate(name, asked, f"not compared: {champion}", True)
    if judged.evidence.periods == champion.evidence.periods:
        found = _paired_with(judged, champion)
        told = "same period"
    else:
        found = _margins(judged.evidence, champion.evidence)
        told = "other period, so by the margin over fading frequency"
    if found is None:
        return Gate(name, asked, "not compared: the two were not measured on common users", True)
    interval, users = found
    return Gate(name, asked, f"{_said(interval, users)}, {told}", interval.high >= 0)


def _paired_with(judged: _Version, champion: _Version) -> tuple[Interval, int] | None:
    mine, other = _per_user(judged.evidence, "home", "whole"), _per_user(champion.evidence, "home", "whole")
    if mine is None or other is None:
        return None
    ids = champion.bundle.users.ids
    rows_here = judged.bundle.users.rows(ids[int(row)] for row in other[0])
    _, at, there = np.intersect1d(mine[0], rows_here, assume_unique=False, return_indices=True)
    if not len(at):
        return None
    return paired_difference(mine[1][at].astype(np.float64), other[1][there].astype(np.float64), _SEED), len(at)


def _margins(mine: Evidence, theirs: Evidence) -> tuple[Interval, int] | None:
    """The difference of two independent means, with the normal approximation of its 95 % interval."""
    ours, others = (_differences(each, "home", "frequency", "whole") for each in (mine, theirs))
    if ours is None or others is None:
        return None
    mean = float(ours.mean() - others.mean())
    half = 1.96 * float(np.sqrt(ours.var() / len(ours) + others.var() / len(others)))
    return Interval(mean, mean - half, mean + half), min(len(ours), len(others))


def _coverage_floor(judged: _Version) -> Gate:
    asked = f"the home lists hold {COVERAGE_FLOOR:.0%} or more of the items that they have room for"
    score = _home_row(judged)
    if COVERAGE not in score:
        return Gate("coverage_floor", asked, "not measured by this training run", False)
    n_items = len(judged.bundle.items)
    room = max(1, min(n_items, K * int(score["users"])))
    share = float(score[COVERAGE]) * n_items / room
    return Gate(
        "coverage_floor",
        asked,
        f"{share:.1%} of {room:,} ({score[COVERAGE]:.1%} of the catalogue)",
        share >= COVERAGE_FLOOR,
    )


def _coverage(of: _Version) -> float | None:
    return _home_row(of).get(COVERAGE)


def _home_row(of: _Version) -> Mapping[str, Any]:
    return of.evidence.scores.get("validation/home/whole", {})


def _not_below(
    name: str, judged: _Version, champion: _Version | str, figure: Callable[[_Version], float | None], what: str
) -> Gate:
    asked = f"at least {CHAMPION_SHARE:.0%} of {what}"
    if isinstance(champion, str):
        return Gate(name, asked, f"not compared: {champion}", True)
    mine, other = figure(judged), figure(champion)
    if mine is None or other is None:
        return Gate(name, asked, "not compared: not measured for both", True)
    return Gate(name, asked, f"{mine:,.4g} against {other:,.4g}", mine >= CHAMPION_SHARE * other)


def _loads_and_answers(found: Bundle | str) -> Gate:
    """Not forceable: whoever serves a bundle that fails here answers shoppers with errors."""
    asked = "the stored bundle loads verified and answers every placement, for known and unknown users"
    if isinstance(found, Bundle):
        wrong, answered = _unsound(found), 0
        if not wrong:
            wrong, answered = _ask_everything(found)
        told = wrong or f"{answered} lists, all scores finite"
    else:
        wrong = told = found
    return Gate("answers", asked, told, not wrong, is_forceable=False)


def _unsound(bundle: Bundle) -> str:
    """What the storefront itself would refuse to switch to, "" when nothing."""
    try:
        check_sound(bundle)
    except BundleUnusable as problem:
        return problem.message
    return ""


def _ask_everything(bundle: Bundle) -> tuple[str, int]:
    """What went wrong first ("" when nothing did), and how many lists were asked for."""
    popular = bundle.popular.items[:1]
    asked = 0
    for who, profile in _shoppers(bundle).items():
        for placement in PLACEMENTS.values():
            items = popular if placement.needs_items else np.zeros(0, np.int32)
            query = Query(placement, profile, now=float(bundle.manifest.as_of), limit=K, items=items)
            try:
                found = recommend(query, bundle)
                names = {bundle.items.ids[each.row] for each in found}
            except Exception as problem:  # whatever it is, a shopper would have met it
                return f"{placement.name} for {who} failed: {type(problem).__name__}: {problem}", asked
            if not all(np.isfinite(each.score) for each in found):
                return f"{placement.name} for {who} has scores that are not finite", asked
            if len(names) < len(found):
                return f"{placement.name} for {who} names an item twice", asked
            if placement.name == "home" and not found:
                return f"home for {who} is empty", asked
            asked += 1
    return "", asked


def _shoppers(bundle: Bundle) -> dict[str, Profile]:
    """An unknown user, the one with the longest history, and up to ten others spread over all."""
    lengths = np.diff(bundle.history.indptr)
    chosen = (
        {int(np.argmax(lengths)), *np.linspace(0, len(lengths) - 1, 10).astype(int).tolist()} if len(lengths) else ()
    )
    return {"an unknown user": unknown()} | {
        f"user {bundle.users.ids[row]}": bundle.history.profile(row) for row in sorted(chosen)
    }


def _said(found: Interval, users: int) -> str:
    return f"{found.mean:+.4f} ({found.low:+.4f} to {found.high:+.4f}), {users:,} users"
