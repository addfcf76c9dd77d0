"""Sellers: what sold within the last days, to everybody and to the members of each segment, in the live store.

The customers' process counts beside its refreshes, some seconds at a time and those first that were counted longest
ago; storefronts read one list in the round trip of the profile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from engine.bundle import Bundle
from engine.errors import StoreUnavailable
from engine.learned import Sales
from engine.recommend.windows import WINDOWS
from engine.storage.customer_files import moment_sql
from engine.storage.lake_sql import quoted
from engine.storage.online import Client, StoreError

#: Items of one list: the best sold ones, and as many that rose most.
MOST_SOLD = 500
#: Seconds after which a list is counted anew.
RENEWED_EVERY = 300.0
#: Stands for all customers; no segment is called so.
EVERYBODY = ""
_EXPIRY = 3 * 86_400  # seconds; nobody counts any more

#: (item_id, lines sold within the window, lines in the same time before)
Line = tuple[str, int, int]


def renew_sellers(
    client: Client,
    shop: str,
    segments: Collection[str],
    count: Callable[[str], Mapping[str, Sequence[Line]]],
    *,
    now: float,
    is_over: Callable[[], bool],
) -> int:
    """Let the live store hold lists of everybody and of these segments, and of no other; how many were counted.

    `count` gives those of one by window. Every segment has lists at once, if only empty ones: what has none is no
    segment. After each one `is_over` says whether the rest has to wait. Raises StoreUnavailable.
    """
    wanted = {EVERYBODY, *segments}
    try:
        raw: Any = client.hgetall(_index(shop))
        there = {name.decode(): float(moment) for name, moment in raw.items()}
        for gone in there.keys() - wanted:
            client.hdel(_index(shop), gone)
            for window in WINDOWS:
                client.delete(sellers_key(shop, window, gone))
        for new in wanted - there.keys():
            _write(client, shop, new, {}, as_of=0.0)
            there[new] = 0.0
        # A clock that was set back leaves lists of the future behind.
        late = [name for name in wanted if not now - RENEWED_EVERY < there[name] <= now]
        done = 0
        for name in sorted(late, key=lambda each: (min(there[each], now), each)):
            _write(client, shop, name, count(name), as_of=now)
            done += 1
            if is_over():
                break
        return done
    except StoreError as error:
        raise StoreUnavailable(f"the live store does not answer: {error}") from error


class Counter:
    """Counts in the customers' files, as `CustomerFiles.reading` shows them, as of `now` (epoch seconds)."""

    def __init__(self, sql: Any, now: float) -> None:
        self._sql = sql
        longest = 2 * max(WINDOWS.values())
        sql.execute(
            "CREATE OR REPLACE TEMP TABLE recent_sales AS"
            f" SELECT person, item, (epoch({moment_sql(now)}) - epoch(time)) / 86400.0 AS age FROM happenings"
            f" WHERE type = 'purchase' AND item IS NOT NULL AND time < {moment_sql(now)}"
            f" AND time >= {moment_sql(now - longest * 86_400)}"
        )

    def __call__(self, segment: str) -> dict[str, list[Line]]:
        """By window the best sold items and those that rose most."""
        members = f" SEMI JOIN (SELECT person FROM memberships WHERE segment = {quoted(segment)}) USING (person)"
        counts = ", ".join(
            f"count(*) FILTER (age < {days}) AS sold_{days},"
            f" count(*) FILTER (age >= {days} AND age < {2 * days}) AS before_{days}"
            for days in WINDOWS.values()
        )
        self._sql.execute(
            f"CREATE OR REPLACE TEMP TABLE sold AS SELECT item, {counts}"
            f" FROM recent_sales{members if segment != EVERYBODY else ''} GROUP BY item"
        )
        return {window: self._best(days) for window, days in WINDOWS.items()}

    def _best(self, days: int) -> list[Line]:
        rows: list[Line] = self._sql.execute(
            f"SELECT item_id, sold_{days}, before_{days} FROM sold JOIN things USING (item) WHERE sold_{days} > 0"
            f" QUALIFY row_number() OVER (ORDER BY sold_{days} DESC, item_id) <= {MOST_SOLD} OR row_number() OVER"
            f" (ORDER BY (sold_{days} - before_{days}) / sqrt(before_{days} + 1) DESC, item_id) <= {MOST_SOLD}"
            f" ORDER BY sold_{days} DESC, item_id"
        ).fetchall()
        return rows


def sellers_key(shop: str, window: str, segment: str) -> str:
    """Where the list of a window lies."""
    return f"{shop}:sellers:{window}:{segment}"


def read_lines(raw: bytes) -> tuple[float, list[Line]]:
    """When a list was counted (epoch seconds, 0: not yet), and its lines."""
    told = json.loads(raw)
    return float(told["as_of"]), [(str(item), int(sold), int(before)) for item, sold, before in told["lines"]]


def sales_of(lines: Sequence[Line], bundle: Bundle, window: str, segment: str | None) -> Sales:
    """The lines in the rows of a bundle; items that it does not know are left out."""
    rows = bundle.items.rows(item for item, _, _ in lines)
    counts = np.array([(sold, before) for _, sold, before in lines], np.float32).reshape(-1, 2)[rows >= 0]
    return Sales(rows[rows >= 0], counts[:, 0], counts[:, 1], WINDOWS[window], segment)


def _write(client: Client, shop: str, segment: str, lists: Mapping[str, Sequence[Line]], *, as_of: float) -> None:
    for window in WINDOWS:
        told = json.dumps({"as_of": as_of, "lines": list(lists.get(window, ()))})
        client.set(sellers_key(shop, window, segment), told, ex=_EXPIRY)
    client.hset(_index(shop), segment, repr(as_of))


def _index(shop: str) -> str:
    return f"{shop}:sellers"
