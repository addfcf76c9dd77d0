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
