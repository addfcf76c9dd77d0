"""A shop that served lists, for tests: what was served, and what came of it, straight in its lake."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from engine.storage.lake import Lake
from engine.storage.lake_tables import EVENTS, MERGES, SERVED
from engine.storage.placement_results import outcomes_of, period_before

NOW = datetime(2026, 3, 20, tzinfo=UTC)
PERIOD = period_before(NOW.timestamp(), 28)


class ServedLists:
    def __init__(self, home):
        self.home, self.lake = home, Lake(home)
        self._events = self._served = self._merges = 0

    def serve(self, *rows):
        told = [
            {
                "time": NOW - timedelta(days=10), "placement": "home", "bundle_version": 1, "item_ids": ["a", "b", "c"],
                "experiment": "e", "variant": "control", "variant_share": 0.5, "sources": ["own"] * 3, **row,
            }
            for row in rows
        ]  # fmt: skip
        self._served += 1
        self.lake.take_from_stream("served", pa.Table.from_pylist(told, SERVED.schema), self._served)

    def tell(self, *events):
        rows = []
        for event in events:
            self._events += 1
            rows.append({"event_id": f"e{self._events}", "time": NOW - timedelta(days=9), **event})
        self.lake.append_events(pa.Table.from_pylist(rows, EVENTS.schema))

    def merge(self, kind, name, user_id):
        self._merges += 1
        row = {"kind": kind, "id": name, "user_id": user_id, "time": NOW - timedelta(days=1)}
        self.lake.take_from_stream("merges", pa.Table.from_pylist([row], MERGES.schema), self._merges)

    def outcomes(self, experiment="e"):
        return outcomes_of(self.lake, "home", PERIOD, experiment)

    def row(self, user, name):
        """Of the only list of a person, who are numbered by their names."""
        found = self.outcomes()
        return float(getattr(found, name)[user])


def click(rec, item="a", user="u1", **more):
    return {"type": "click", "item_id": item, "user_id": user, "recommendation_id": rec, **more}


def sale(item="a", user="u1", amount=100, **more):
    return {"type": "purchase", "item_id": item, "user_id": user, "amount": amount, "order_id": "o1", **more}


def explored_lists(shop, lists):
    draw = np.random.default_rng(3)
    rows, events = [], []
    for at in range(lists):
        items, sources, chances = ["a", "b"], ["own", "own"], [0.8, 0.8]
        for place, other in enumerate("xy"):
            if draw.random() < 0.2:
                items[place], sources[place], chances[place] = other, "explored", 0.2
        rows.append({"recommendation_id": f"r{at:04}", "user_id": f"u{at % 50}", "item_ids": items, "sources": sources,
                     "propensities": chances})  # fmt: skip
        events += [click(f"r{at:04}", item, f"u{at % 50}") for item in items
                   if draw.random() < {"a": 0.5, "b": 0.2, "x": 0.1, "y": 0.4}[item]]  # fmt: skip
    shop.serve(*rows)
    shop.tell(*events)
