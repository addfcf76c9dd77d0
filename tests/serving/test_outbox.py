"""The outbox: what was redeemed becomes events, each once."""

from __future__ import annotations

import asyncio
import json
import threading
import time

from engine.storage.home import Home
from engine.storage.ledger import connection_of, rows_of
from serving.actions.send_outbox import send_outbox
from serving.doors import Doors
from serving.jobs_process import keep_promises
from tests.serving.conftest import eventually
from tests.stores import settings_of


def put(ledger, name):
    row = {
        "event_id": name, "type": "coupon_redeem", "time": round(time.time() * 1e6), "quantity": 1.0, "user_id": "u",
        "coupon_code": "A", "order_id": "o", "currency": "EUR", "properties": json.dumps({"offer_id": "o"}),
    }  # fmt: skip
    with connection_of(ledger) as connection:
        rows_of(
            connection,
            "INSERT INTO outbox (kind, document, at) VALUES ('event', CAST(:row AS jsonb), now())",
            row=json.dumps(row),
        )


def waiting(ledger):
    with connection_of(ledger) as connection:
        return rows_of(connection, "SELECT count(*) FROM outbox WHERE kind = 'event'")[0][0]


def settings_for(stores, ledger_url, tmp_path):
    return settings_of(tmp_path, HAWKER_STREAM_URL=stores.stream_url, HAWKER_POSTGRES_URL=ledger_url)


def test_what_is_told_twice_is_one_event(stores, stream, ledger, ledger_url, tmp_path):
    async def send_twice():
        doors = Doors(settings_for(stores, ledger_url, tmp_path), tmp_path)
        put(ledger, "redemption 1")
        assert await send_outbox(doors) == 1
        put(ledger, "redemption 1")  # as after a kill between sending and forgetting
        put(ledger, "redemption 2")
        assert (await send_outbox(doors), await send_outbox(doors)) == (2, 0)
        await doors.close()

    asyncio.run(send_twice())
    rows = b"\n".join(each[b"rows"] for _, each in stream.xrange("default:stream")).split(b"\n")
    assert [json.loads(row)["event_id"] for row in rows] == ["redemption 1", "redemption 2"]
    assert waiting(ledger) == 0


def test_the_runner_sends_it_beside_its_jobs(stores, stream, ledger, ledger_url, tmp_path):
    put(ledger, "redemption 1")
    stopping = threading.Event()
    settings = settings_for(stores, ledger_url, tmp_path)
    thread = threading.Thread(target=lambda: asyncio.run(keep_promises(settings, Home(tmp_path), stopping)))
    thread.start()
    try:
        eventually(lambda: waiting(ledger) == 0)
    finally:
        stopping.set()
        thread.join(20)
