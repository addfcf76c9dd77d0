"""The load that the benches of serving make, against a server whose answers are known."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from experiments.traffic.asking import as_fast_as_answered, at_pace
from experiments.traffic.connection import post

PAGES = [post("/a", b"{}"), post("/b", b"{}"), post("/gone", b"{}"), post("/cut", b"{}")]
LAST = post("/last", b"{}")


async def _answer(reader, writer):
    """200 with the path, 503 for /gone, and the end of the connection for /cut and after /last; in two parts, as
    networks do."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(2)
            path = head.split()[1]
            if path == b"/cut":
                break
            status = b"503 Busy" if path == b"/gone" else b"200 OK"
            writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: %d\r\n\r\n" % len(path) + path[:1])
            await writer.drain()
            await asyncio.sleep(0)
            writer.write(path[1:])
            if path == b"/last":
                break
    except asyncio.IncompleteReadError:
        pass
    writer.close()


@contextmanager
def server() -> Iterator[int]:
    loop = asyncio.new_event_loop()
    started: list[int] = []
    ready, over = threading.Event(), asyncio.Event()

    async def serve():
        listening = await asyncio.start_server(_answer, "127.0.0.1", 0)
        started.append(listening.sockets[0].getsockname()[1])
        ready.set()
        await over.wait()
        listening.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait()
    try:
        yield started[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def test_at_a_pace_every_request_is_sent_once_and_its_answer_seen():
    seen = []
    with server() as port:
        load = at_pace(
            port, PAGES[:3], per_second=300, seconds=0.5, at_most=4, seen=lambda status, body, took: seen.append(body)
        )
    assert load.requests == len(load.seconds) == 150
    assert load.statuses == {200: 100, 503: 50}
    assert {body: seen.count(body) for body in set(seen)} == {b"/a": 50, b"/b": 50, b"/gone": 50}


def test_what_waits_for_a_free_connection_waits_on_its_own_account():
    with server() as port:
        load = at_pace(port, PAGES[:1], per_second=100_000, seconds=0.02, at_most=1)
    assert load.requests == 2_000
    assert load.percentile(99) > 2 * load.percentile(10), "the last ones were due long before they were sent"


def test_a_lost_connection_is_no_answer():
    with server() as port:
        load = at_pace(port, [PAGES[3]], per_second=100, seconds=0.1, at_most=2)
    assert load.statuses == {0: 10}


def test_a_connection_that_was_closed_while_nobody_used_it_is_opened_again():
    with server() as port:
        load = at_pace(port, [LAST], per_second=100, seconds=0.2, at_most=2)
    assert load.requests == 20
    assert load.statuses[200] > 10, "what is sent as the connection ends may be lost, but not all after it"


def test_as_fast_as_answered_goes_on_for_as_long_as_asked():
    with server() as port:
        load = as_fast_as_answered(port, PAGES[:2], at_once=3, seconds=0.3)
    assert load.took >= 0.3 and load.requests > 6
    assert load.statuses == {200: load.requests}
