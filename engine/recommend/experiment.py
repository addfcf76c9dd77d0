"""Experiment: which variant of a placement somebody sees, the same at every visit."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from engine.trials.draws import fraction

CONTROL = "control"


@dataclass(frozen=True, slots=True)
class Experiment:
    """`shares` are (variant, part of the people) in the order of the draw, and sum up to 1.

    Two placements with the same salt and shares show the same people the same variants.
    """

    name: str
    salt: str
    shares: tuple[tuple[str, float], ...]

    def place_of(self, unit: str) -> int:
        """Which of the shares somebody falls into: nothing is stored, salt and shares decide."""
        edges = tuple(accumulate(share for _, share in self.shares))
        return min(bisect_right(edges, fraction(self.salt, unit)), len(edges) - 1)
