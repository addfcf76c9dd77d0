"""Driving load: as fast as the server takes it, or at a fixed pace whatever the server does."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from experiments.traffic.connection import Connection, Lost, post
from experiments.traffic.history import History

Batch = tuple[list[str], bytes]


@dataclass(slots=True)
class Load:
    """What became of the requests. `seconds` [n] are answer times; at a fixed pace, from when each was due.

    `late` [n], at a fixed pace, are seconds from then until whoever asks came to it: the load's own fault.
    """

    requests: int = 0
    events: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    took: float = 0.0

    def note(self, status: int, events: int, seconds: float) -> None:
        self.requests += 1
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.seconds.append(seconds)
        if 200 <= status < 300:
            self.events += events

    @property
    def events_per_second(self) -> float:
        return self.events / self.took if self.took else 0.0

    def percentile(self, share: float) -> float:
        """Milliseconds."""
        return float(np.percentile(self.seconds, share)) * 1_000 if self.seconds else float("nan")


def as_fast_as_taken(port: int, batches: Iterable[Batch], *, at_once: int, history: History | None = None) -> Load:
    """`at_once` connections, each sending its next body when the last was answered."""

    async def drive() -> Load:
        load, waiting = Load(), iter(batches)
        began = time.perf_counter()
        await asyncio.gather(*(_client(Connection(port), waiting, load, history) for _ in range(at_once)))
        load.took = time.perf_counter() - began
        return load

    return asyncio.run(drive())


def at_pace(
    port: int, batches: Sequence[Batch], *, per_second: float, connections: int = 64, history: History | None = None
) -> Load:
    """Open loop: request k is due at k / `per_second`, and its time counts from then, late or not."""

    async def drive() -> Load:
        load = Load()
        free: asyncio.Queue[Connection] = asyncio.Queue()
        for _ in range(connections):
            free.put_nowait(await Connection(port).opened())
        began = time.perf_counter()

        async def one(batch: Batch, due: float) -> None:
            connection = await free.get()
            try:
                await _send(connection, batch, load, history, since=due)
            finally:
                free.put_nowait(connection)

        # One task a request, made when it is due: all of them at once keep this process busy for the first second,
        # and the server gets the blame.
        async with asyncio.TaskGroup() as sending:
            for place, batch in enumerate(batches):
                due = began + place / per_second
                if (early := due - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                sending.create_task(one(batch, due))
        load.took = time.perf_counter() - began
        while not free.empty():
            await free.get_nowait().close()
        return load

    return asyncio.run(drive())


async def until_answered(
    connection: Connection, batch: Batch, history: History, *, pause: float = 0.05, most: float = 30.0
) -> bool:
    """Send a body again and again until it is acknowledged, as an SDK does; whether it was in `most` seconds."""
    began = time.perf_counter()
    load = Load()
    while time.perf_counter() - began < most:
        if 200 <= await _send(connection, batch, load, history, since=time.perf_counter()) < 300:
            return True
        await asyncio.sleep(pause)
    return False


async def _client(connection: Connection, waiting: Iterator[Batch], load: Load, history: History | None) -> None:
    for batch in waiting:
        await _send(connection, batch, load, history, since=time.perf_counter())
    await connection.close()


async def _send(connection: Connection, batch: Batch, load: Load, history: History | None, *, since: float) -> int:
    ids, body = batch
    try:
        status, answer = await connection.send(post("/v1/events", body))
    except Lost:
        status, answer = 0, b""
    load.note(status, len(ids), time.perf_counter() - since)
    if history is not None:
        history.write(ids, status, _refused(ids, status, answer))
    return status


def _refused(ids: Sequence[str], status: int, answer: bytes) -> list[str]:
    if not 200 <= status < 300:
        return []
    told: dict[str, Any] = json.loads(answer)
    return [ids[each["index"]] for each in told["rejected"]]
