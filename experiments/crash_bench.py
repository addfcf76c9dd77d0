"""Bench `crashes`: processes and stores are killed again and again while shoppers go on buying.

Clients repeat what was not acknowledged, as SDKs do. A checker in a process of its own then holds what they were told
against the lake: nothing acknowledged may be missing, nothing may be there twice.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
_CALM = 2.5  # seconds that a victim is there before it is killed
_PATIENCE = 60.0  # seconds for a victim to be there again
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
    rounds = [Asked(f"{what}: kills", float(found["kills"]), at_least=found["rounds"])] if "rounds" in found else []
    return [
        *rounds,
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
        blows, gave_up = asyncio.run(_storm(shop, victim, rounds, History(file), seed))
        file.flush()
        wait_for_lake(home, _acknowledged(history))
    return {
        "rounds": rounds,
        "kills": sum(each.killed > 0 for each in blows),
        "slowest_return_seconds": _slowest(each.answered for each in blows),
        "slowest_victim_back_seconds": _slowest(each.back for each in blows),
        "batches_given_up": gave_up,
        "checker": independent_check(history, home),
    }


@dataclass(frozen=True, slots=True)
class _Blow:
    """One round: processes killed, seconds until a batch was acknowledged, and until the victim was there again."""

    killed: int
    answered: float
    back: float


def _slowest(seconds: Iterable[float]) -> float:
    return round(max(seconds, default=float("nan")), 2)


async def _storm(shop: Served, victim: str, rounds: int, history: History, seed: int) -> tuple[list[_Blow], int]:
    """Clients send, the killer kills; what became of each round, and the batches given up."""
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

    shoppers = [asyncio.create_task(client(number)) for number in range(_CLIENTS)]
    blows = [await _blow(shop, victim, acknowledged) for _ in range(rounds)]
    await asyncio.sleep(_CALM)
    stop.set()
    await asyncio.gather(*shoppers)
    return blows, gave_up


async def _blow(shop: Served, victim: str, acknowledged: Sequence[float]) -> _Blow:
    """Kill a victim that is there, and wait until shoppers are answered and the victim is there again."""
    await _back(shop, victim)
    await asyncio.sleep(_CALM)
    at = time.monotonic()
    killed = shop.kill(victim)
    while not any(moment > at + 0.02 for moment in acknowledged[-_CLIENTS:]) and time.monotonic() - at < 30:
        await asyncio.sleep(0.01)
    answered = time.monotonic() - at
    await _back(shop, victim)
    return _Blow(killed, answered, time.monotonic() - at)


async def _back(shop: Served, victim: str) -> None:
    """A worker takes longer to start than shoppers wait for their answers."""
    began = time.monotonic()
    while not shop.alive(victim) and time.monotonic() - began < _PATIENCE:
        await asyncio.sleep(0.02)


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
