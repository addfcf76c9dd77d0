"""Bench `fuzz`: thousands of hostile bodies, and every operation of the OpenAPI document asked at random."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import NotAllowed
from engine.settings import read_settings
from engine.storage.home import Home
from engine.storage.lake import Lake
from experiments.findings import Asked, Conditions, Findings
from experiments.fuzz import fuzz, operations_of
from experiments.hostile.cases import hostile
from experiments.hostile.judge import judge
from experiments.hostile.routes import writes
from experiments.shop import ShopSize, generate
from experiments.traffic.served import Served, free_port, served
from training.produce import produce
from training.publish import publish
from training.recipe import Recipe
from training.tracking import Tracker

_SIZE = ShopSize(users=150, items=80, days=60)
_RECIPE = Recipe(name="tiny", windows=2, threads=1, compare=())
_PUBLISHED_AT = 1_750_000_000.0
_DRAIN_SECONDS = 120.0
_TABLES = ("events", "items", "users", "merges", "served", "dead_letters")


#: Of an uploaded list each line is judged, which no document says.
_MARKETING = r"^/v1/(?!segments/[^/]+/members)"


def measure_fuzz(conditions: Conditions) -> Findings:
    """A small trained shop with keys, served as its user would serve it, and asked by everything but its user."""
    number, examples = (1_000, 10) if conditions.quick else (10_000, 200)
    home = Home(conditions.scratch / "home")
    _trained(home, conditions.seed)
    key = _key(home)
    before = _rows(home)
    marketing = free_port()
    with served(home.root, marketing_port=str(marketing)) as shop:
        asking = _Asking(conditions, key, number, examples)
        storefront = asking.ask("storefront", shop.port)
        stored = _stored(home, shop, key, before)
        _wait_for_customers(marketing, key)
        office = asking.ask("marketing", marketing, only=_MARKETING)
        answers = shop.wait_until_ready(path="/health/ready")
    figures = {each.name: each.figures for each in (storefront, office)}
    asked = [*storefront.asked, *office.asked]
    asked.append(Asked("rows of the lake that came of hostile bodies", stored, at_most=0))
    return Findings({**figures, "seconds_to_answer_afterwards": round(answers, 3)}, tuple(asked))


@dataclass(frozen=True, slots=True)
class _Told:
    """Of one interface."""

    name: str
    figures: dict[str, Any]
    asked: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class _Asking:
    conditions: Conditions
    key: str
    number: int
    examples: int

    def ask(self, name: str, port: int, only: str = "") -> _Told:
        """Hostile bodies for an interface, then every operation of its document whose path fits `only`."""
        url, seed = f"http://127.0.0.1:{port}", self.conditions.seed
        scratch = self.conditions.scratch / name
        scratch.mkdir()
        document = _document(url, only)
        judged = judge(port, hostile(document, self.number, seed), key=self.key)
        found = fuzz(url, self.key, scratch, examples=self.examples, seed=seed, only=only)
        server_errors = sum(count for status, count in judged.statuses.items() if status >= 500)
        unasked = operations_of(document) - found.operations
        figures = {
            "hostile_bodies": {
                "sent": judged.sent,
                "routes": len(list(writes(document))),
                "statuses": judged.statuses,
                "slowest_ms": round(judged.slowest * 1000),
                "faults": list(judged.faults[:20]),
            },
            "openapi": {
                "operations": len(found.operations),
                "examples_each": self.examples,
                "failures": list(found.failures[:20]),
            },
        }
        failures = f"{name}: failures of schemathesis at {self.examples} examples an operation"
        asked = (
            Asked(f"{name}: different hostile bodies", float(judged.sent), at_least=self.number),
            Asked(f"{name}: hostile bodies not refused with their field named", float(len(judged.faults)), at_most=0),
            Asked(f"{name}: hostile bodies answered with 5xx", float(server_errors), at_most=0),
            Asked(f"{name}: operations of the document that were not asked", float(len(unasked)), at_most=0),
            Asked(failures, float(len(found.failures)), at_most=0),
        )
        return _Told(name, figures, asked)


def _document(url: str, only: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/openapi.json", timeout=30.0) as answer:  # noqa: S310 (our own)
        document: dict[str, Any] = json.load(answer)
    return {**document, "paths": {path: each for path, each in document["paths"].items() if re.search(only, path)}}


def _wait_for_customers(port: int, key: str) -> None:
    """Until the marketing interface tells the groups: before the first refresh it refuses for want of customers."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/groups", headers={"Authorization": f"Bearer {key}"})
    deadline = time.monotonic() + _DRAIN_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(request, timeout=10.0):  # noqa: S310 (our own)
            return
        time.sleep(0.2)
    raise NotAllowed("the customers were not computed in time; see the log of the served shop")


def _stored(home: Home, shop: Served, key: str, before: int) -> float:
    """Rows that the lake has more than a witness accounts for; NaN when the witness did not arrive.

    The stream keeps its order: when an event that was sent last is in the lake, so is whatever came before it.
    """
    witness = {"event_id": "witness", "type": "login", "user_id": "witness"}
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    request = urllib.request.Request(  # noqa: S310 (our own)
        f"{shop.url}/v1/events", json.dumps({"events": [witness]}).encode(), headers, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30.0):  # noqa: S310 (our own)
        pass
    deadline = time.monotonic() + _DRAIN_SECONDS
    while time.monotonic() < deadline:
        found = Lake(home).query("SELECT count(*) AS n FROM events WHERE event_id = 'witness'")
        if found["n"][0].as_py():
            return float(_rows(home) - before - 1)
        time.sleep(0.5)
    return math.nan


def _trained(home: Home, seed: int) -> None:
    shop, lake, settings = generate(_SIZE, seed=seed), Lake(home), read_settings({"HAWKER_HOME": str(home.root)})
    lake.put_items(shop.items)
    lake.put_users(shop.users)
    lake.append_events(shop.events)
    version = produce(home, settings, _RECIPE, until=None).version
    # Forced: with so few users no difference is beyond its interval.
    publish(home, version, now=_PUBLISHED_AT, registry=Tracker(home, settings), force=True)


def _key(home: Home) -> str:
    command = [sys.executable, "-P", "-m", "hawker", "keys", "create", "--actor", "bench", "--scope", "admin", "--json"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HAWKER_")}
    environment |= {"HAWKER_HOME": str(home.root), "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotAllowed(f"no key could be made: {done.stderr.strip()[-300:]}")
    return str(json.loads(done.stdout.splitlines()[-1])["key"])


def _rows(home: Home) -> int:
    """Rows of all tables that a request can write to."""
    lake = Lake(home)
    counts = (lake.query(f"SELECT count(*) AS n FROM {table}")["n"][0].as_py() for table in _TABLES)  # noqa: S608
    return sum(map(int, counts))
