"""Bench `fuzz`: thousands of hostile bodies, and every operation of the OpenAPI document asked at random."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from engine.errors import NotAllowed
from engine.settings import read_settings
from engine.storage.home import Home
from engine.storage.lake import Lake
from experiments.findings import Asked, Conditions, Findings
from experiments.fuzz import fuzz
from experiments.hostile import hostile, judge
from experiments.shop import ShopSize, generate
from experiments.traffic.served import served
from training.produce import produce
from training.publish import publish
from training.recipe import Recipe
from training.tracking import Tracker

_SIZE = ShopSize(users=150, items=80, days=60)
_RECIPE = Recipe(name="tiny", windows=2, threads=1, compare=())
_PUBLISHED_AT = 1_750_000_000.0


def measure_fuzz(conditions: Conditions) -> Findings:
    """A small trained shop with keys, served as its user would serve it, and asked by everything but its user."""
    number, examples = (1_000, 10) if conditions.quick else (10_000, 200)
    home = Home(conditions.scratch / "home")
    _trained(home, conditions.seed)
    key = _key(home)
    events_before = _events(home)
    with served(home.root) as shop:
        judged = judge(shop.port, hostile(number, conditions.seed), key=key)
        stored = _events(home) - events_before
        found = fuzz(shop.url, key, conditions.scratch, examples=examples, seed=conditions.seed)
        answers = shop.wait_until_ready(path="/health/ready")
    server_errors = sum(count for status, count in judged.statuses.items() if status >= 500)
    figures: dict[str, Any] = {
        "hostile_bodies": {"sent": number, "statuses": judged.statuses, "faults": list(judged.faults[:20])},
        "openapi": {
            "operations": found.operations,
            "examples_each": examples,
            "failures": list(found.failures[:20]),
        },
        "seconds_to_answer_afterwards": round(answers, 3),
    }
    asked = (
        Asked("hostile bodies not refused with their field named", float(len(judged.faults)), at_most=0),
        Asked("hostile bodies answered with 5xx", float(server_errors), at_most=0),
        Asked("hostile events stored", float(stored), at_most=0),
        Asked(f"failures of schemathesis at {examples} examples an operation", float(len(found.failures)), at_most=0),
    )
    return Findings(figures, asked)


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


def _events(home: Home) -> int:
    return int(Lake(home).query("SELECT count(*) AS n FROM events")["n"][0].as_py())
