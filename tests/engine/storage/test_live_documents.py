"""The catalogue's lock: one writer at a time, and none that outlives its process for long."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.errors import StoreUnavailable
from engine.storage.live_documents import LOCK_MILLISECONDS, LiveDocuments
from engine.storage.online import open_async

_LASTS = LOCK_MILLISECONDS / 1_000
_HOLDER = """
import asyncio, sys
from engine.storage.live_documents import LiveDocuments
from engine.storage.online import open_async

async def main():
    client = open_async(sys.argv[1], "HAWKER_REDIS_URL", seconds=10)
    async with LiveDocuments(client, "default").writing():
        print("held", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def run(stores, use):
    async def inside():
        client = open_async(stores.live_url, "HAWKER_REDIS_URL", seconds=10)
        try:
            return await use(LiveDocuments(client, "default"))
        finally:
            await client.aclose()

    return asyncio.run(inside())


def test_a_living_writer_keeps_its_lock_and_a_killed_one_does_not_make_others_fail(stores, live):
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, stores.live_url], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    try:
        assert holder.stdout.readline() == b"held\n"
        time.sleep(_LASTS + 1)
        assert live.exists("default:documents:lock")  # it was renewed
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    finally:
        holder.kill()
        holder.stdout.close()
        holder.wait()

    async def use(documents):
        began = time.monotonic()
        async with documents.writing() as token:
            await documents.put("items", {"a": {"item_id": "a"}}, token=token)
        return time.monotonic() - began

    assert run(stores, use) < _LASTS + 1  # and not one answer was "busy"


def test_writers_are_never_two_at_once(stores, live):
    inside, most = 0, 0

    async def use(documents):
        async def write(number):
            nonlocal inside, most
            async with documents.writing() as token:
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.01)
                await documents.hold(token)
                await documents.put("items", {str(number): {"item_id": str(number)}}, token=token)
                inside -= 1

        await asyncio.gather(*(write(number) for number in range(20)))

    run(stores, use)
    assert most == 1
    assert live.get("default:items:version") == b"20"


def test_who_lost_the_lock_writes_nothing_and_takes_nothing_from_the_next(stores, live):
    async def use(documents):
        async with documents.writing() as token:
            live.set("default:documents:lock", "another")  # as after a pause longer than the lock lasts
            for attempt in (documents.hold(token), documents.put("items", {"a": {"item_id": "a"}}, token=token)):
                with pytest.raises(StoreUnavailable) as raised:
                    await attempt
                assert raised.value.code == "lock_lost"

    run(stores, use)
    assert live.get("default:documents:lock") == b"another"
    assert live.get("default:items:version") is None
