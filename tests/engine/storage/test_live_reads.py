"""Live reads: together in one round trip, each its own answer, and never longer than a page can wait."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from engine.storage.live_profiles import LiveProfiles
from engine.storage.live_reads import LiveReads
from engine.storage.online import StoreError, open_async
from tests.engine.storage.test_live_profiles import event

LONG = 30.0  # seconds: a busy test machine is no late store


def with_client(url, use):
    async def inside():
        client = open_async(url, "HAWKER_REDIS_URL", seconds=10)
        try:
            return await use(client)
        finally:
            await client.aclose()

    return asyncio.run(inside())


@asynccontextmanager
async def read(client, **more):
    reads = LiveReads(client, patience=LONG, **more)
    try:
        yield reads
    finally:
        await reads.close()


async def on_a_line(reads):
    """Read something, until further reads go over the line."""
    await reads.get([b"a"])
    while reads._line is None:
        await asyncio.sleep(0.001)


@asynccontextmanager
async def black_hole(met=None):
    """A server that takes every connection, notes it in `met`, and says nothing; gives its address."""
    over = asyncio.Event()

    async def swallow(reader, writer):
        if met is not None:
            met.append(writer)
        await over.wait()
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        over.set()
        server.close()
        await server.wait_closed()


def test_those_who_ask_at_one_moment_share_a_round_trip_and_get_their_own(stores, live):
    live.mset({"a": b"1", "b": b"2"})

    async def use(client):
        async with read(client) as reads:
            first = await asyncio.gather(reads.get([b"a"]), reads.get([b"b", b"none"]), reads.get([b"a", b"b"]))
            return first, await reads.get([b"b"])

    live.config_resetstat()
    first, later = with_client(stores.live_url, use)
    assert first == [[b"1"], [b"2", None], [b"1", b"2"]] and later == [b"2"]
    assert live.info("commandstats")["cmdstat_mget"]["calls"] == 2


def test_what_is_read_within_a_request_is_what_is_read_alone(stores, live):
    async def use(client):
        profiles = LiveProfiles(client, "default")
        await profiles.record([event("a"), event("b", user=None, session="s"), event("c", user="other")])
        await profiles.merge("session", "merged", "u")
        live.set("default:items:version", 7)
        live.set("more", b"x")
        persons = ("u", None), (None, "s"), ("u", "s"), ("nobody", None), (None, "merged"), ("other", "merged")
        async with read(client) as reads:
            for asked in persons * 2:  # through the client, then over the line
                alone = await profiles.read(*asked, ["more", "none"])
                assert await profiles.read_within(reads, *asked, ["more", "none"]) == alone, asked
                await on_a_line(reads)
        return alone

    assert with_client(stores.live_url, use).catalogue_version == 7


def test_a_store_that_says_nothing_is_not_waited_for():
    async def inside():
        async with black_hole() as url:
            client = open_async(url, "HAWKER_REDIS_URL", seconds=10)
            reads = LiveReads(client, patience=0.01)
            asked = [reads.get([b"a"]), reads.get([b"b"])]
            found = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), LONG)
            await client.aclose()
            return found

    assert all(isinstance(each, StoreError) for each in asyncio.run(inside()))


def test_a_store_that_is_away_is_told_to_all_who_ask():
    async def use(client):
        reads = LiveReads(client, patience=LONG)
        return await asyncio.gather(reads.get([b"a"]), reads.get([b"b"]), return_exceptions=True)

    found = with_client("redis://127.0.0.1:1", use)
    assert len(found) == 2 and all(isinstance(each, StoreError) for each in found)


def test_after_the_first_who_waited_in_vain_nobody_asks_and_all_are_told_at_once():
    async def inside():
        met = []
        async with black_hole(met) as url, black_hole() as other:
            client, probe = (open_async(each, "HAWKER_REDIS_URL", seconds=LONG) for each in (url, other))
            reads = LiveReads(client, patience=0.01, probe=probe)
            for _ in range(200):
                with pytest.raises(StoreError):
                    await reads.get([b"a"])
                with pytest.raises(StoreError):
                    await reads.within(client.get(b"a"))
            await reads.close()
            await client.aclose()
            await probe.aclose()
            return len(met)

    assert asyncio.run(inside()) == 1


def test_when_one_failed_those_who_wait_already_do_not_wait_on():
    async def inside():
        async with black_hole() as url:
            client = open_async(url, "HAWKER_REDIS_URL", seconds=1)
            reads = LiveReads(client, patience=100 * LONG)
            waiting = []
            for _ in range(3):  # a connection each
                waiting.append(asyncio.create_task(reads.get([b"a"])))
                await asyncio.sleep(0)
            found = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), LONG)
            is_open = reads.breaker.is_open
            await reads.close()
            await client.aclose()
            return found, is_open

    found, is_open = asyncio.run(inside())
    assert len(found) == 3 and all(isinstance(each, StoreError) for each in found) and is_open


def test_a_store_that_answers_a_probe_is_asked_again(stores, live):
    live.set("a", b"1")

    async def use(client):
        async with read(client) as reads:
            reads.breaker.trip(StoreError("it failed"))
            with pytest.raises(StoreError):
                await reads.get([b"a"])
            while reads.breaker.is_open:
                await asyncio.sleep(0.001)
            return await reads.get([b"a"])

    assert with_client(stores.live_url, use) == [b"1"]


def test_what_was_asked_wrongly_is_told_to_who_asked_and_the_store_is_asked_on(stores, live):
    live.set("a", b"1")

    async def use(client):
        async with read(client) as reads:
            with pytest.raises(TypeError):
                await reads.get(None)
            await on_a_line(reads)
            with pytest.raises(TypeError):
                await reads.get(None)
            return await reads.get([b"a"])

    assert with_client(stores.live_url, use) == [b"1"]


def test_one_who_leaves_takes_nothing_from_the_others(stores, live):
    live.set("a", b"1")

    async def use(client):
        async with read(client) as reads:
            for _ in range(2):  # through the client, then over the line
                leaving, staying = asyncio.create_task(reads.get([b"a"])), asyncio.create_task(reads.get([b"a"]))
                await asyncio.sleep(0)
                leaving.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await leaving
                assert await staying == [b"1"]
                await on_a_line(reads)
            return await reads.get([b"a"])

    assert with_client(stores.live_url, use) == [b"1"]
