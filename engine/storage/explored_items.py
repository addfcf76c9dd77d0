"""Explored items: what became of each that was tried out, in a file from which storefronts choose what to try next.

The worker writes it now and then, for placements that explore by results; nobody waits for it, and without it all
alternatives are tried alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import BadInput
from engine.recommend.exploration import BY
from engine.recommend.exploring import Tried
from engine.recommend.placement_reader import read_placement
from engine.recommend.placement_text import read_placements
from engine.recommend.placements import Placement
from engine.storage.durable import replace_file
from engine.storage.home import Home
from engine.storage.placements import placement_file, remembered

if TYPE_CHECKING:  # storefronts read the file alone
    from engine.storage.lake import Lake

#: What was tried longer ago tells little of today; days.
TRIED_DAYS = 28
_MOST_ITEMS = 10_000  # of a placement, those tried most
_RESULTS = BY[1]

_COUNTS = """
WITH lists AS (
  SELECT DISTINCT ON (recommendation_id) recommendation_id, placement, item_ids, sources
  FROM served WHERE time >= $since AND propensities IS NOT NULL AND list_contains($placements, placement)),
places AS (
  SELECT recommendation_id, placement, unnest(item_ids) AS item_id, unnest(sources) AS source FROM lists),
clicked AS (
  SELECT DISTINCT recommendation_id, item_id FROM events WHERE type = 'click' AND time >= $since)
SELECT placement, item_id, count(*) AS shown, count(clicked.item_id) AS clicks
FROM places LEFT JOIN clicked USING (recommendation_id, item_id)
WHERE source = 'explored' GROUP BY ALL ORDER BY placement, shown DESC, item_id"""


def explores_by_results(home: Home) -> list[str]:
    """The placements of this shop, as storefronts know them, that ask for what was tried."""
    return sorted(each.name for each in _defined(home) if any(_asks(one) for one in (each, *each.variants)))


def count_tried(home: Home, lake: Lake, now: float) -> int:
    """Write anew what was tried within four weeks; how many items that are."""
    names = explores_by_results(home)
    if not names:
        return 0
    since = datetime.fromtimestamp(now, UTC) - timedelta(days=TRIED_DAYS)
    rows = lake.query(_COUNTS, {"since": since, "placements": names}).to_pylist()
    found: dict[str, dict[str, Any]] = {name: {"usual": 0.0, "items": {}} for name in names}
    totals = {name: [0, 0] for name in names}
    for row in rows:
        mine = found[row["placement"]]["items"]
        totals[row["placement"]][0] += row["shown"]
        totals[row["placement"]][1] += row["clicks"]
        if len(mine) < _MOST_ITEMS:
            mine[row["item_id"]] = [row["shown"], row["clicks"]]
    for name, (shown, clicks) in totals.items():
        # As if one click had been seen on twenty places, so that a beginning is no certainty.
        found[name]["usual"] = (clicks + 1) / (shown + 20)
    replace_file(tried_file(home), json.dumps(found).encode("utf-8", "surrogatepass"))
    return sum(len(each["items"]) for each in found.values())


def tried_file(home: Home) -> Path:
    return home.shop_folder / "tried.json"


def read_tried(home: Home) -> dict[str, Tried]:
    """By placement; none where there is no file that can be read."""
    try:
        told: Mapping[str, Any] = json.loads(tried_file(home).read_bytes())
        return {
            str(name): Tried(
                float(each["usual"]),
                {str(item): (float(shown), float(clicks)) for item, (shown, clicks) in each["items"].items()},
            )
            for name, each in told.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _asks(placement: Placement) -> bool:
    return placement.exploration is not None and placement.exploration.by == _RESULTS


def _defined(home: Home) -> list[Placement]:
    """Of the file and of what the ledger last said; what cannot be read asks for nothing."""
    found: dict[str, Placement] = {}
    file = placement_file(home)
    try:
        if file.exists():
            found |= read_placements(file.read_text(encoding="utf-8", errors="replace"), file.name)
    except BadInput:
        pass  # the storefronts say so
    for name, definition in remembered(home).items():
        try:
            found[name] = read_placement(name, definition)
        except BadInput:
            continue
    return list(found.values())
