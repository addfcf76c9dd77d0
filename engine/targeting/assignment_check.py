"""Whether the groups of a campaign are as large as the draw should have made them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.targeting.campaign_members import ARMS, GLOBAL_HOLDOUT, HOLDOUT, TREATMENT, Design, Members
from engine.trials.sample_ratio import THRESHOLD, pooled_ratio

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """`chance` is the one that the launch noted with its members, or the document's for a group that nobody is in."""

    arm: int
    variant: str | None
    inside: Mask
    chance: float


def assignment_check(members: Members, design: Design) -> dict[str, Any]:
    """Over the groups, and pooled over segments; two tests get half of the alarm's threshold each.

    Where an offer had so many pieces, its members were kept by its own measure in all arms alike: then the arms are
    compared within each variant, and not the variants.
    """
    groups = _groups(members, design, with_variants=not design.is_limited)
    arms = _groups(members, design, with_variants=False)
    shares = [each.chance for each in groups]
    strata = _strata(groups, members.variant) if design.is_limited else [_sizes(groups)]
    tests = [pooled_ratio(strata, shares)]
    if len(members.segments) > 1:
        tests.append(pooled_ratio(_strata(arms, members.segment), [each.chance for each in arms]))
    chance = min(1.0, min(each.chance for each in tests) * len(tests))
    scale = sum(_sizes(groups)) / sum(shares) if shares else 0.0
    return {
        "groups": [
            {"arm": ARMS[each.arm], "variant": each.variant, "members": size, "expected": each.chance * scale}
            for each, size in zip(groups, _sizes(groups), strict=True)
        ],
        "chance": chance,
        "alarm": chance < THRESHOLD,
    }


def _groups(members: Members, design: Design, *, with_variants: bool) -> list[Group]:
    kept, shares = 1 - design.holdout, dict(design.shares or {})
    drawn: list[tuple[int, str | None, float]] = [(TREATMENT, None, kept)]
    if with_variants and len(shares) > 1:
        drawn = [(TREATMENT, name, kept * share) for name, share in shares.items()]
    found = []
    # The shop's own holdout is a group where members of it were frozen; the document does not know its share.
    for arm, variant, said in [*drawn, (HOLDOUT, None, design.holdout), (GLOBAL_HOLDOUT, None, 0.0)]:
        inside = (members.arm == arm) & (variant is None or members.variant == _place(members, variant))
        noted = members.propensity[inside]
        if arm == TREATMENT and variant is None:
            noted = noted / _share(members, shares)[inside]
        chance = float(noted.mean()) if len(noted) else said
        if chance > 0:
            found.append(Group(arm, variant, inside, chance))
    return found


def _place(members: Members, variant: str) -> int:
    return members.variants.index(variant) if variant in members.variants else len(members.variants)


def _share(members: Members, shares: dict[str, float]) -> NDArray[np.float64]:
    """The part of the treated that each member's variant was drawn with; 1 where a plan chose it."""
    known = np.array([*(shares.get(name) or 1.0 for name in members.variants), 1.0])
    return known[members.variant]  # -1 is the last


def _sizes(groups: list[Group]) -> list[int]:
    return [int(each.inside.sum()) for each in groups]


def _strata(groups: list[Group], codes: NDArray[np.int64]) -> list[list[int]]:
    """The sizes of the groups within each variant or segment, those of none included."""
    number = int(codes.max(initial=-1)) + 2
    counts = [np.bincount(codes[each.inside] + 1, minlength=number).tolist() for each in groups]
    return [list(stratum) for stratum in zip(*counts, strict=True)]
