"""Bench `redemptions`: as many as promised, under races, repeats and kills, and how fast.

Callers go over HTTP to `hawker serve` with two storefront processes and write down what they are told. A checker in a
process of its own holds that against the ledger's rows; it never asks the server, and the counters are what it judges.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.settings import read_settings
from engine.storage.coupon_issue import generate_codes, import_codes
from engine.storage.embedded import open_stores
from engine.storage.ledger import LedgerPool, at_once, opened_ledger
from experiments.findings import Asked, Conditions, Findings
from experiments.redemption_calls import Callers, Pace, wish
from experiments.redemption_carts import make_offers, try_carts
from experiments.redemption_history import CallLog
from experiments.redemption_rounds import (
    FULL,
    QUICK,
    Size,
    guesses,
    kills,
    make_offer,
    race_for_a_hundred,
    race_for_money,
    race_for_one,
    race_of_one_customer,
    repeats,
)
from experiments.traffic.served import Served, served

_SHOP = "default"
_ALL_RATE, _HOT_RATE, _VALIDATE_RATE = 300.0, 150.0, 100.0
_CODE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class _Room:
    """A served shop, its ledger as those see it who set up and check, and the record of all calls."""

    shop: Served
    ledger: LedgerPool
    log: CallLog
    size: Size
    seconds: float


def measure_redemptions(conditions: Conditions) -> Findings:
    """Paces beside the floor of the same minutes first, then races, then kills; one checker for all of it."""
    home, history = conditions.scratch / "home", conditions.scratch / "calls.jsonl"
    size, seconds = (QUICK, 2.0) if conditions.quick else (FULL, 30.0)
    with served(home, workers="2") as shop, history.open("w") as file:
        settings = read_settings({"HAWKER_HOME": str(home)})
        with open_stores(settings, {"ledger"}) as stores, opened_ledger(stores.ledger_url, _SHOP) as ledger:
            room = _Room(shop, ledger, CallLog(file), size, seconds)
            load = [_load()]
            figures = {"codes": _codes(ledger, 10_000 if conditions.quick else 100_000), **asyncio.run(_paces(room))}
            load.append(_load())
            figures["floor"] = _floor(ledger)
            make_offers(ledger)
            carts = 300 if conditions.quick else 10_000
            figures["carts"] = asyncio.run(try_carts(shop.port, carts, seed=conditions.seed))
            figures["guesses_median_ms"] = asyncio.run(_guesses(room))
            figures["repeats_answered_oddly"] = asyncio.run(_races(room))
            figures["kills"] = asyncio.run(_storm(room, conditions.seed))
            file.flush()
            figures["checker"] = _independent_check(history, stores.ledger_url)
            # Callers and servers share the machine, and whatever else runs there shares it too.
            told = ("before", "after_the_paces", "after_all")
            figures["load_average"] = {"cores": os.cpu_count(), **dict(zip(told, [*load, _load()], strict=True))}
    return Findings(figures, tuple(_judged(figures, size)))


def _load() -> float:
    """What was waiting for the machine's cores in the last minute."""
    return round(os.getloadavg()[0], 1)


async def _guesses(room: _Room) -> dict[str, float]:
    callers = Callers(room.shop.port, room.log, connections=8)
    found = await guesses(callers, room.ledger, room.size.guesses)
    await callers.close()
    return found


async def _races(room: _Room) -> int:
    callers = Callers(room.shop.port, room.log)
    for race in (race_for_one, race_for_a_hundred, race_for_money, race_of_one_customer):
        await race(callers, room.ledger, room.size)
    await callers.close()
    callers = Callers(room.shop.port, room.log, connections=50)
    odd = await repeats(callers, room.ledger, room.size)
    await callers.close()
    return odd


async def _storm(room: _Room, seed: int) -> dict[str, int]:
    callers = Callers(room.shop.port, room.log, connections=16, seconds=10.0)
    found = await kills(callers, room.ledger, room.shop, room.size, seed)
    await callers.close()
    return found


async def _paces(room: _Room) -> dict[str, Any]:
    """Redemptions across codes and on one code, and validations, each at a fixed pace."""
    number = int(_ALL_RATE * room.seconds)
    make_offer(room.ledger, "PACE")
    codes = [f"PACE-{each}" for each in range(number + 200)]
    import_codes(room.ledger, "PACE", codes, now=time.time())
    make_offer(room.ledger, "HOT", limits=[{"of": "offer", "count": 10**6, "per": "total"}])
    callers = Callers(room.shop.port, room.log)
    await callers.at_pace("WARM", [wish(f"warm {each}", codes[-1 - each]) for each in range(200)], 100.0)
    found = {
        "across_codes": await callers.at_pace(
            "PACE", [wish(f"pace {each}", codes[each]) for each in range(number)], _ALL_RATE
        ),
        "one_code": await callers.at_pace(
            "HOT", [wish(f"hot {each}", "HOT") for each in range(int(_HOT_RATE * room.seconds))], _HOT_RATE
        ),
        "validations": await callers.at_pace(
            "LOOK",
            [wish(f"look {each}", "HOT") for each in range(int(_VALIDATE_RATE * room.seconds))],
            _VALIDATE_RATE,
            validate=True,
        ),
    }
    await callers.close()
    return {name: _as_figures(pace) for name, pace in found.items()}


def _as_figures(pace: Pace) -> dict[str, float]:
    return {
        "per_second": round(pace.per_second, 1),
        "share_fine": pace.fine / len(pace.seconds),
        **{f"p{share:g}_ms": round(pace.milliseconds(share / 100), 2) for share in (50, 95, 99)},
    }


def _codes(ledger: LedgerPool, number: int) -> dict[str, float]:
    make_offer(ledger, "BULK")
    began = time.perf_counter()
    generate_codes(ledger, "BULK", number, now=time.time())
    seconds = time.perf_counter() - began
    made = at_once(ledger, "SELECT count(DISTINCT code) FROM coupons WHERE offer_id = 'BULK' AND code <> 'BULK'")[0][0]
    return {"made": made, "seconds": round(seconds, 2), "seconds_for_100000": round(seconds * 100_000 / number, 2)}


def _floor(ledger: LedgerPool) -> dict[str, float]:
    """What one durable INSERT costs on this machine in these minutes, one after another on one connection."""
    at_once(ledger, "CREATE TABLE IF NOT EXISTS bench_floor (place bigint PRIMARY KEY, told text) WITH (fillfactor=90)")
    seconds = []
    for place in range(500):
        began = time.perf_counter()
        at_once(ledger, "INSERT INTO bench_floor VALUES (:place, 'one durable row') RETURNING place", place=place)
        seconds.append(time.perf_counter() - began)
    pace = Pace(seconds, len(seconds), sum(seconds))
    return {"per_second": round(pace.per_second, 1), "p50_ms": round(pace.milliseconds(0.5), 2)}


def _independent_check(history: Path, url: str) -> dict[str, Any]:
    """The verdict of a process of its own, which sees the callers' record and the ledger's rows only."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "experiments.redemption_history", str(history), _SHOP],
        input=url.encode(),  # it holds a password, and arguments can be read by everybody
        stdout=subprocess.PIPE,
        check=True,
        env={**os.environ, "PYTHONPATH": str(_CODE)},
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _judged(figures: dict[str, Any], size: Size) -> list[Asked]:
    checked, races = figures["checker"], figures["checker"]["races"]
    asked = [
        Asked(f"{told}: rounds with more or less than promised", races[race]["over"] + races[race]["short"], at_most=0)
        for race, told in (
            ("ONE", f"cap 1 x {size.one_callers} callers x {size.one_rounds} rounds"),
            ("HUNDRED", f"cap {size.hundred_cap} x {size.hundred_attempts} attempts x {size.hundred_rounds} rounds"),
            ("MONEY", f"five coupons of one budget x {size.money_attempts} attempts x {size.money_rounds} rounds"),
            ("EACH", f"one customer, {size.one_callers} keys x {size.customer_rounds} rounds"),
            ("REPEAT", f"one key 50 times at once x {size.repeat_rounds} rounds"),
            ("STORM", f"{figures['kills']['kills']} x kill -9 of a worker or PostgreSQL"),
        )
    ]
    contended = min(races[race]["contended"] / races[race]["rounds"] for race in ("ONE", "HUNDRED", "MONEY", "EACH"))
    asked += [
        Asked(f"{figures['carts']['carts']} random carts: wrong sums", figures["carts"]["wrong"], at_most=0),
        Asked(
            "guesses: medians of unknown, used, expired and foreign codes apart, ms",
            max(figures["guesses_median_ms"].values()) - min(figures["guesses_median_ms"].values()),
            at_most=1,
        ),
        Asked("share of rounds in which calls overlapped, the least of the races", contended, at_least=0.1),
        Asked("kills carried out", figures["kills"]["kills"], at_least=size.kills),
        Asked("repeats answered with neither the effect nor 409", figures["repeats_answered_oddly"], at_most=0),
        *(
            Asked(f"all calls: {what.replace('_', ' ')}", checked[what], at_most=0)
            for what in ("lost", "phantom", "two_answers", "wrong_money", "wrong_counters", "unknown")
        ),
        Asked("redemptions a second across codes", figures["across_codes"]["per_second"], at_least=0.97 * _ALL_RATE),
        Asked("redemptions across codes: p95, ms", figures["across_codes"]["p95_ms"], at_most=50),
        Asked("redemptions a second on one code", figures["one_code"]["per_second"], at_least=0.97 * _HOT_RATE),
        Asked("redemptions on one code: p95, ms", figures["one_code"]["p95_ms"], at_most=150),
        Asked("validations: p95, ms", figures["validations"]["p95_ms"], at_most=20),
        Asked("seconds for 100,000 unique codes", figures["codes"]["seconds_for_100000"], at_most=10),
    ]
    return asked
