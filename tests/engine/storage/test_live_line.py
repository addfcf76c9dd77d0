"""A line to the live store says what the client says, and those who wait on one that ends are told at once."""

from __future__ import annotations

import asyncio

import pytest

from engine.storage.live_line import open_line, read_texts
from engine.storage.online import StoreError, open_async
from tests.engine.storage.test_live_reads import on_a_line, read, with_client
from tests.relay import relay

TEXTS = {"a": b"1", "empty": b"", "lines": b"x\r\n$-1\r\n*2\r\n", "long": bytes(range(256)) * 4_000}


async def asked(line, *rounds):
    loop = asyncio.get_running_loop()
    found = [loop.create_future() for _ in rounds]
    for keys, each in zip(rounds, found, strict=True):
        line.ask(keys, each.set_result)
    return await asyncio.gather(*found)


def test_it_says_what_the_client_says_whatever_stands_there_and_in_the_order_of_the_questions(stores, live):
    live.mset(TEXTS)
    rounds = [b"a", b"none"], [b"long", b"empty", b"lines", b"long"], [b"none"], [b"lines"]

    async def use(client):
        line = await open_line(client, lambda *_: None)
        try:
            return await asked(line, *rounds), [await client.mget(keys) for keys in rounds]
        finally:
            line.hang_up()

    found, plain = with_client(stores.live_url, use)
    assert found == plain


@pytest.mark.parametrize("nothing", [b"$-1\r\n", b"_\r\n"])
def test_an_answer_is_read_whole_wherever_it_was_cut(nothing):
    whole = b"*3\r\n$1\r\na\r\n" + nothing + b"$4\r\n\r\n*1\r\n"
    assert all(read_texts(whole[:end], 0) is None for end in range(len(whole)))
    assert read_texts(b"--" + whole + b"*1", 2) == ([b"a", None, b"\r\n*1"], len(whole) + 2)
    assert read_texts(b"*0\r\n", 0) == ([], 4)


@pytest.mark.parametrize("answer", [b"+OK\r\n", b">1\r\n$1\r\na\r\n", b"*1\r\n:1\r\n", b"*x\r\n", b"*1\r\n$x\r\n"])
def test_what_is_no_list_of_texts_is_refused(answer):
    with pytest.raises(ValueError, match=r"where a|invalid literal"):
        read_texts(answer, 0)
    with pytest.raises(StoreError, match="NOAUTH"):
        read_texts(b"-NOAUTH say who you are\r\n", 0)


def test_who_waits_when_the_connection_ends_is_told_and_the_store_is_found_again(stores, live):
    live.set("a", b"1")

    async def use(client):
        async with read(client) as reads:
            await on_a_line(reads)
            between.silent = True
            waiting = asyncio.create_task(reads.get([b"a"]))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            live.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            with pytest.raises((StoreError, OSError)):
                await waiting
            between.silent = False
            await client.connection_pool.disconnect()
            while reads.breaker.is_open:
                await asyncio.sleep(0.001)
            await on_a_line(reads)
            return await reads.get([b"a"])

    with relay(stores.live_url) as between:
        assert with_client(between.url, use) == [b"1"]


def test_a_connection_that_ends_while_nobody_waits_is_made_anew(stores, live):
    live.set("a", b"1")

    async def use(client):
        async with read(client) as reads:
            await on_a_line(reads)
            before = reads._line
            live.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            while reads._line is before:
                await asyncio.sleep(0.001)
            assert not reads.breaker.is_open
            await client.connection_pool.disconnect()
            await on_a_line(reads)
            return await reads.get([b"a"]), reads._line is not before

    assert with_client(stores.live_url, use) == ([b"1"], True)


def test_it_shows_the_password_that_the_address_has(stores, live):
    live.set("a", b"1")
    live.acl_setuser("reader", enabled=True, passwords=["+secret"], keys=["*"], commands=["+mget", "+client", "+hello"])
    url = stores.live_url.replace("unix://", "unix://reader:secret@")
    try:

        async def use(client):
            async with read(client) as reads:
                await on_a_line(reads)
                found = await reads.get([b"a"])
                live.acl_setuser("reader", enabled=True, commands=["-mget"])
                with pytest.raises(StoreError, match=r"NOPERM|permissions"):
                    await reads.get([b"a"])
                return found

        assert with_client(url, use) == [b"1"]
    finally:
        live.acl_deluser("reader")


def test_a_store_that_is_away_opens_no_line():
    async def use(client):
        with pytest.raises((StoreError, OSError)):
            await open_line(client, lambda *_: None)

    with_client("redis://127.0.0.1:1", use)


def test_what_was_asked_on_a_line_is_waited_for_no_longer_than_patience(stores, live):
    live.set("a", b"1")

    async def use(client):
        probe = open_async(stores.live_url, "HAWKER_REDIS_URL", seconds=10)
        async with read(client, probe=probe) as reads:
            await on_a_line(reads)
            reads._patience = 0.01
            between.silent = True
            asking = [reads.get([b"a"]), reads.get([b"a"])]
            found = await asyncio.gather(*asking, return_exceptions=True)
            while reads.breaker.is_open:
                await asyncio.sleep(0.001)
        await probe.aclose()
        return found

    with relay(stores.live_url) as between:
        assert all(isinstance(each, StoreError) for each in with_client(between.url, use))
