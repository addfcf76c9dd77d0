"""Bench `crashes`: processes and stores are killed again and again while shoppers go on buying.

Clients repeat what was not acknowledged, as SDKs do. A checker in a process of its own then holds what they were told
against the lake: nothing acknowledged may be missing, nothing may be there twice.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.errors import StoreUnavailable
from engine.storage.home import Home
from experiments.findings import Asked, Conditions, Findings
from experiments.ingest_bench import independent_check, wait_for_lake
from experiments.traffic.connection import Connection
from experiments.traffic.drive import until_answered
from experiments.traffic.history import History
from experiments.traffic.served import Served, served
from experiments.traffic.shoppers import batches

VICTIMS = ("storefront", "worker", "valkey-stream", "valkey-live", "postgres")
_CLIENTS, _BATCH = 4, 50
_CALM = 2.5  # seconds between two kills
_DISK = "96m"


def measure_crashes(conditions: Conditions) -> Findings:
    """Rounds of kill -9 of each victim, then a full disk where one can be made."""
    rounds = 1 if conditions.quick else 20
    figures: dict[str, Any] = {}
    asked: list[Asked] = []
    for victim in VICTIMS:
        found = kills(conditions.scratch / victim, victim, rounds, conditions.seed)
        figures[victim] = found
        asked += _judged(f"{rounds} x kill -9 of {victim}", found)
    full = _full_disk(conditions.scratch / "full", conditions.seed)
    figures["full_disk"] = full
    if "skipped" not in full:
        asked += _judged("a full disk", full)
    return Findings(figures, tuple(asked))


def _judged(what: str, found: dict[str, Any]) -> list[Asked]:
    checked = found["checker"]
    accounted = checked["stored"] + checked["refused"] + checked["dead_lettered"]
    return [
        Asked(f"{what}: acknowledged events lost", float(checked["lost"]), at_most=0),
        Asked(f"{what}: events stored twice", float(checked["duplicated"]), at_most=0),
        Asked(
            f"{what}: sent minus stored, refused, dead-lettered",
            float(checked["sent"] - accounted),
            at_least=0,
            at_most=0,
        ),
        Asked(f"{what}: slowest return to answering, s", found["slowest_return_seconds"], at_most=5),
    ]


def kills(scratch: Path, victim: str, rounds: int, seed: int) -> dict[str, Any]:
    """A shop in `scratch` whose `victim` is killed `rounds` times under load, and what the checker says of it."""
    home, history = Home(scratch / "home"), scratch / "history.jsonl"
    scratch.mkdir(parents=True)
    with served(home.root) as shop, history.open("w") as file:
        returns, killed, gave_up = asyncio.run(_storm(shop, victim, rounds, History(file), seed))
        file.flush()
        wait_for_lake(home, _acknowledged(history))
    return {
        "kills": killed,
        "slowest_return_seconds": round(max(returns, default=float("nan")), 2),
        "batches_given_up": gave_up,
        "checker": independent_check(history, home),
    }


async def _storm(shop: Served, victim: str, rounds: int, history: History, seed: int) -> tuple[list[float], int, int]:
    """Clients send, the killer kills; seconds from each kill to the next acknowledgement, kills, batches given up."""
    stop = asyncio.Event()
    acknowledged: list[float] = []
    gave_up = 0

    async def client(number: int) -> None:
        nonlocal gave_up
        connection, turn = Connection(shop.port, seconds=5.0), 0
        while not stop.is_set():
            (batch,) = batches(f"c{number}-{turn}", 1, _BATCH, users=2_000, items=500, seed=seed + turn)
            if await until_answered(connection, batch, history):
                acknowledged.append(time.monotonic())
            else:
                gave_up += 1
            turn += 1
            await asyncio.sleep(0.01)
        await connection.close()

    async def killer() -> tuple[list[float], int]:
        returns, killed = [], 0
        for _ in range(rounds):
            await asyncio.sleep(_CALM)
            at = time.monotonic()
            killed += shop.kill(victim)
            while not any(moment > at + 0.02 for moment in acknowledged[-_CLIENTS:]) and time.monotonic() - at < 30:
                await asyncio.sleep(0.01)
            returns.append(time.monotonic() - at)
        await asyncio.sleep(_CALM)
        stop.set()
        return returns, killed

    shoppers = [asyncio.create_task(client(number)) for number in range(_CLIENTS)]
    returns, killed = await killer()
    await asyncio.gather(*shoppers)
    return returns, killed, gave_up


def _full_disk(scratch: Path, seed: int) -> dict[str, Any]:
    """A home on a small memory disk that somebody else fills, and empties again."""
    scratch.mkdir(parents=True)
    history = scratch / "history.jsonl"
    try:
        with _small_disk(scratch / "disk") as disk, history.open("w") as file:
            home = Home(disk / "home")
            with served(home.root, least_free_mib="16") as shop:
                answers = asyncio.run(_fill_and_empty(shop, disk, History(file), seed))
                file.flush()
                wait_for_lake(home, _acknowledged(history))
            return {**answers, "checker": independent_check(history, home)}
    except PermissionError as error:
        return {"skipped": str(error)}


async def _fill_and_empty(shop: Served, disk: Path, history: History, seed: int) -> dict[str, Any]:
    connection = Connection(shop.port, seconds=5.0)

    async def send(name: str, number: int, most: float) -> int:
        made = batches(name, number, _BATCH, users=2_000, items=500, seed=seed)
        return sum([await until_answered(connection, batch, history, most=most) for batch in made])

    before = await send("before", 20, 30.0)
    ballast = disk / "ballast"
    with ballast.open("wb") as out:
        try:
            while True:
                out.write(b"\0" * 65_536)
                out.flush()
        except OSError:
            pass  # full, as intended
    during = await send("during", 20, 0.5)
    ballast.unlink()
    began = time.monotonic()
    after = await send("after", 1, 30.0)
    returned = time.monotonic() - began
    # What was not taken is sent again with the same ids, so that every event has a known end.
    after += await send("during", 20, 30.0) + await send("after", 20, 30.0)
    await connection.close()
    return {
        "acknowledged_before_during_after": [before, during, after],
        "slowest_return_seconds": round(returned, 2),
    }


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_DISK},mode=755", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        raise PermissionError("a small disk can only be mounted by root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def _acknowledged(history: Path) -> int:
    found: set[str] = set()
    with history.open() as lines:
        for line in lines:
            ids, status, refused = json.loads(line)
            if 200 <= status < 300:
                found.update(set(ids) - set(refused))
    if not found:
        raise StoreUnavailable("not one event was acknowledged")
    return len(found)
