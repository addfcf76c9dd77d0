"""Bench `freshness`: how soon somebody's own event is in what the same person is recommended next.

A trained shop, served by two storefronts. One connection sends an event, another asks: a person whom nobody knows is
answered personally after their first view or cart, and what a known user buys or dismisses leaves their list.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.errors import StoreUnavailable
from engine.settings import read_settings
from engine.storage.home import Home
from engine.storage.lake import Lake
from experiments.findings import Asked, Conditions, Findings
from experiments.shop import ShopSize, generate
from experiments.traffic.connection import Connection, post
from experiments.traffic.served import Served, served
from training.produce import produce
from training.publish import publish
from training.recipe import Recipe
from training.tracking import Tracker

_SIZE = ShopSize(users=400, items=200, days=60)
_RECIPE = Recipe(name="freshness", windows=2, threads=1, compare=())
_KINDS = ("view", "purchase", "cart_add", "dismiss")
_AT_ONCE, _PATIENCE = 4, 5.0  # people at a time; seconds until an answer counts as never fresh


@dataclass(frozen=True, slots=True)
class Fresh:
    """One event: seconds from its acknowledgement to the first answer that obeys it, and which answer that was."""

    kind: str
    seconds: float
    asked: int


def measure_freshness(conditions: Conditions) -> Findings:
    """Train a small shop, publish it, and ask after each of many people's events."""
    home = Home(conditions.scratch / "home")
    settings = read_settings({"HAWKER_HOME": str(home.root)})
    shop, lake = generate(_SIZE, seed=conditions.seed), Lake(home)
    lake.put_items(shop.items)
    lake.put_users(shop.users)
    lake.append_events(shop.events)
    version = produce(home, settings, _RECIPE, until=None).version
    # Forced: whether the models are good is not the question here.
    publish(home, version, now=time.time(), registry=Tracker(home, settings), force=True)
    with served(home.root, workers="2") as running:
        found = fresh_answers(running, shop.users["user_id"].to_pylist(), 60 if conditions.quick else 1_000)
    return judged(found)


def judged(found: list[Fresh]) -> Findings:
    """All events together, and each kind."""
    parts = {"all": found} | {kind: [each for each in found if each.kind == kind] for kind in _KINDS}
    figures = {name: _told(part) for name, part in parts.items()}
    asked = (
        Asked("own event to the answer that obeys it, p99, s", figures["all"]["p99_ms"] / 1_000, at_most=1),
        Asked("events that no answer obeyed within 5 s", figures["all"]["never"], at_most=0),
    )
    return Findings(figures, asked)


def _told(found: list[Fresh]) -> dict[str, Any]:
    seconds = [each.seconds for each in found] or [float("nan")]
    return {
        "events": len(found),
        "p50_ms": round(float(np.percentile(seconds, 50)) * 1_000, 2),
        "p99_ms": round(float(np.percentile(seconds, 99)) * 1_000, 2),
        "longest_ms": round(max(seconds) * 1_000, 2),
        "share_at_the_very_next_request": sum(each.asked == 1 for each in found) / max(len(found), 1),
        "never": float(sum(each.seconds >= _PATIENCE for each in found)),
    }


def fresh_answers(shop: Served, users: list[str], trials: int) -> list[Fresh]:
    """`trials` events, of as many people, views and carts by new ones, purchases and dismissals by `users` in turn."""
    shop.wait_until_ready(path="/health/ready")

    async def drive() -> list[Fresh]:
        found: list[Fresh] = []
        turns, known = iter(range(trials)), itertools.cycle(users)

        async def shopper() -> None:
            for turn in turns:
                kind = _KINDS[turn % len(_KINDS)]
                user = f"new-{turn}" if kind in ("view", "cart_add") else next(known)
                found.append(await _tried(shop.port, kind, user, f"fresh-{turn}"))

        await asyncio.gather(*(shopper() for _ in range(_AT_ONCE)))
        return found

    return asyncio.run(drive())


async def _tried(port: int, kind: str, user: str, event_id: str) -> Fresh:
    telling, asking = Connection(port), Connection(port)  # either storefront may take either
    try:
        before = await _answer(asking, user)
        item = before["items"][0]["id"]
        event = {"event_id": event_id, "type": kind, "user_id": user, "item_id": item}
        if kind == "purchase":
            event |= {"order_id": event_id, "amount": 100, "currency": "EUR"}
        verdict = await _posted(telling, "/v1/events", {"events": [event]})
        if verdict["accepted"] != 1:
            raise StoreUnavailable(f"an event was not taken: {verdict['rejected']}")
        acknowledged = time.perf_counter()
        for asked in itertools.count(1):
            obeys = _obeys(kind, item, await _answer(asking, user))
            took = time.perf_counter() - acknowledged
            if obeys or took >= _PATIENCE:
                return Fresh(kind, took, asked)
        raise AssertionError
    finally:
        await telling.close()
        await asking.close()


def _obeys(kind: str, item: str, answer: Mapping[str, Any]) -> bool:
    if kind in ("view", "cart_add"):
        return bool(answer["personalized"])
    return item not in [each["id"] for each in answer["items"]]


async def _answer(connection: Connection, user: str) -> dict[str, Any]:
    return await _posted(connection, "/v1/recommendations", {"placement": "discover", "user_id": user, "limit": 20})


async def _posted(connection: Connection, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    status, answer = await connection.send(post(path, json.dumps(body).encode()))
    if status != 200:
        raise StoreUnavailable(f"{path} was answered with {status}: {answer.decode(errors='replace')[:200]}")
    return dict(json.loads(answer))
