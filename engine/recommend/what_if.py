"""What if: what a placement's lists would have brought without exploring, or if they had been other lists.

Rests on lists that left something to chance, and on the chances that were logged with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import BadInput, NotEnoughData
from engine.recommend.placement_report import always
from engine.trials.effects import Estimate
from engine.trials.list_values import (
    Expected,
    ListValue,
    ShownPlaces,
    difference_from_logged,
    list_value,
    logged_value,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

REWARDS = ("clicks", "revenue")
#: What somebody does with an item: `place` says that it depends on where the item stands, `item` that it does not.
BY = ("place", "item")
#: Shown places that the usual reward is worth beside an item's own, in the model of rewards.
_USUAL_WEIGHT = 20.0


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """One row a place that was shown [n], in the order of the lists, which are numbered from 0, as the people are.

    `place` counts from 1; `propensity` is the chance that it showed this item, `revenue` in minor units.
    """

    list: Ints
    unit: Ints
    user: Sequence[str | None]
    place: Ints
    item: NDArray[np.object_]
    propensity: Floats
    explored: Mask
    clicked: Mask
    revenue: Floats

    def reward(self, name: str) -> Floats:
        return self.clicked.astype(np.float64) if name == "clicks" else self.revenue

    def of(self, inside: Mask) -> Places:
        """Those rows alone; lists and people are numbered anew."""
        kept: dict[str, Any] = {each.name: np.asarray(getattr(self, each.name))[inside] for each in fields(self)}
        kept["list"] = np.unique(kept["list"], return_inverse=True)[1].astype(np.int64)
        kept["unit"] = np.unique(kept["unit"], return_inverse=True)[1].astype(np.int64)
        return replace(self, **kept)

    def shown(self, reward: str) -> ShownPlaces:
        _, first = np.unique(self.list, return_index=True)
        return ShownPlaces(self.list, self.propensity, self.reward(reward), self.unit[first])


def exploration_figures(places: Places) -> dict[str, Any] | None:
    """What was explored, what came of it, and what the lists would bring without; None where chance had no part.

    The places that chance left alone stand for all.
    """
    if not len(places.list):
        return None
    alone = (~places.explored).astype(np.float64)
    told: dict[str, Any] = {
        "lists": int(places.list.max()) + 1,
        "people": int(places.unit.max()) + 1,
        "places": len(places.list),
        "explored": int(places.explored.sum()),
        "explored_click_through": _mean(places.clicked[places.explored]),
        "other_click_through": _mean(places.clicked[~places.explored]),
    }
    for name in REWARDS:
        shown = places.shown(name)
        value = list_value(alone, len(places.list) / told["lists"], shown)
        told[name] = {
            "as_shown": _always(logged_value(shown), told["people"]),
            "without": _value_told(value, told["people"]),
            # Of the same lists: much nearer than the two figures on their own.
            "lost_by_exploring": _always(difference_from_logged(alone, shown), told["people"]),
        }
    return told


def lists_worth(
    places: Places, lists: Mapping[str, Sequence[str]], *, reward: str = "clicks", by: str = "place"
) -> dict[str, Any]:
    """What these lists (item ids by user, best first) would have brought their users, a list, beside what they saw.

    Users of whom there is no list are left out. BadInput for words that are none, NotEnoughData where the log shows
    nothing that these lists would have shown.
    """
    for word, given, known in (("reward", reward, REWARDS), ("by", by, BY)):
        if given not in known:
            raise BadInput(f"{word}: one of {', '.join(known)}, not {given!a}", field=word)
    mine = places.of(np.array([user in lists for user in places.user], bool))
    if not len(mine.list):
        raise NotEnoughData("none of these users was shown a list that left something to chance")
    wanted = _wanted(mine, lists)
    place = {(at, item): k for at, each in enumerate(wanted) for k, item in enumerate(each, start=1)}
    found = np.array([place.get((at, item), 0) for at, item in zip(mine.list, mine.item, strict=True)], np.int64)
    chance = ((found == mine.place) if by == "place" else (found > 0)).astype(np.float64)
    if not chance.any():
        raise NotEnoughData("the log shows nothing that these lists would have shown", code="not_covered")
    shown = mine.shown(reward)
    size = sum(map(len, wanted)) / len(wanted)
    value = list_value(chance, size, shown, expected=_expected(mine, wanted, reward, by))
    people = int(mine.unit.max()) + 1
    return {
        "reward": reward,
        "by": by,
        "lists": len(wanted),
        "people": people,
        "as_shown": _always(logged_value(shown), people),
        **_value_told(value, people),
    }


def _wanted(places: Places, lists: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Of each list that was shown what would have stood there instead, as long at most."""
    starts = np.unique(places.list, return_index=True)[1]
    lengths = np.bincount(places.list)
    return [
        list(dict.fromkeys(lists[str(places.user[start])]))[:length]
        for start, length in zip(starts.tolist(), lengths.tolist(), strict=True)
    ]


def _expected(places: Places, wanted: Sequence[Sequence[str]], reward: str, by: str) -> Expected:
    """By a model of the usual reward of each place and of each item beside it, learned from other people's lists."""
    values, fold = places.reward(reward), places.unit % 2
    owner = np.repeat(np.arange(len(wanted)), [len(each) for each in wanted])
    their_fold = fold[np.unique(places.list, return_index=True)[1]][owner]
    items = np.array([item for each in wanted for item in each], object)
    where = np.array([k for each in wanted for k in range(1, len(each) + 1)], np.int64)
    names, codes = np.unique(np.concatenate([places.item, items]).astype(str), return_inverse=True)
    mine, theirs = codes[: len(places.item)], codes[len(places.item) :]
    size = int(max(places.place.max(initial=0), where.max(initial=0))) + 1
    position, position_wanted = (places.place, where) if by == "place" else (places.place * 0, where * 0)
    shown, told = np.zeros(len(values)), np.zeros(len(items))
    for part in (0, 1):
        learned = fold != part
        usual = float(values[learned].mean()) if learned.any() else float(values.mean())
        counts = np.bincount(position[learned], minlength=size)
        rate = (np.bincount(position[learned], values[learned], size) + _USUAL_WEIGHT * usual) / (
            counts + _USUAL_WEIGHT
        )
        base = np.bincount(mine[learned], rate[position[learned]], len(names)) + _USUAL_WEIGHT * usual
        gained = np.bincount(mine[learned], values[learned], len(names)) + _USUAL_WEIGHT * usual
        factor = np.divide(gained, base, out=np.ones(len(names)), where=base > 0)
        shown[~learned] = (rate[position] * factor[mine])[~learned]
        held = their_fold == part
        told[held] = (rate[position_wanted] * factor[theirs])[held]
    return Expected(shown, np.asarray(np.bincount(owner, told, len(wanted)), np.float64))


def _value_told(value: ListValue, people: int) -> dict[str, Any]:
    robust = value.doubly_robust
    return {
        "ips": _always(value.ips, people),
        "snips": _always(value.snips, people),
        "doubly_robust": None if robust is None else _always(robust, people),
        "covered": value.covered,
        "effective_places": value.effective,
        "rewarded_places": value.rewarded,
    }


def _always(estimate: Estimate, people: int) -> dict[str, Any]:
    return always(estimate, people)


def _mean(values: Mask) -> float | None:
    return float(values.mean()) if len(values) else None
