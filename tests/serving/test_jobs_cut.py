"""Jobs whose runner is killed, told to stop or overtaken: nothing left out, nothing counted twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from engine.storage.home import Home
from engine.storage.online import connect_live, connect_stream
from serving.actions.change_by_filter import Progress, change_by_filter, checked_wish, progress_of
from serving.doors import Doors
from serving.jobs_process import JobShop
from tests.bundles import AS_OF, toy_bundle
from tests.serving.conftest import eventually, publish, storefront
from tests.stores import settings_of

ROOT = Path(__file__).resolve().parents[2]
ITEMS = 3_000
CUTS = 12
#: What is changed fulfils the condition no more, still fulfils it, or is gone.
WISHES = {
    "leaves": {"filter": "price < 9999", "patch": {"price": 20_000}},
    "stays": {"filter": "price >= 0", "patch": {"attributes": {"seen": True}}},
    "is gone": {"filter": "price >= 0"},
}


@pytest.fixture
def shop(stores, ledger_url, tmp_path):
    for connect, url in ((connect_live, stores.live_url), (connect_stream, stores.stream_url)):
        with connect(url) as client:
            client.flushall()
    home = Home(tmp_path / "home")
    publish(home, toy_bundle())
    urls = {
        "HAWKER_STREAM_URL": stores.stream_url,
        "HAWKER_REDIS_URL": stores.live_url,
        "HAWKER_POSTGRES_URL": ledger_url,
    }
    settings = settings_of(home.root, HAWKER_LEAST_FREE_MIB="0", **urls)
    with storefront(home, now=AS_OF + 60, settings=settings) as running:
        for first in range(0, ITEMS, 1_000):
            items = [{"item_id": f"i{n}", "price": n} for n in range(first, first + 1_000)]
            assert running.client.post("/v1/items/bulk", json={"items": items}).json()["accepted"] == 1_000
        running.settings = settings
        running.environment = urls | {"HAWKER_HOME": str(home.root), "HAWKER_LEAST_FREE_MIB": "0"}
        running.live_url = stores.live_url
        yield running


@contextmanager
def runner_process(shop):
    """The runner as the supervisor starts it."""
    (read_end, write_end), (heard, said) = os.pipe(), os.pipe()
    command = [sys.executable, "-m", "serving.jobs_process", "--lifeline", str(read_end), "--status", str(said)]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | shop.environment, pass_fds=(read_end, said))
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for each in (read_end, write_end, heard, said):
            os.close(each)


def ordered(shop, wish):
    verb = "update" if "patch" in wish else "delete"
    return shop.client.post(f"/v1/items/{verb}-by-filter", json=wish).headers["location"]


def is_over(shop, location):
    return shop.get(location).json()["state"] in ("done", "failed", "cancelled")


def all_items(shop):
    with connect_live(shop.live_url) as live:
        return [json.loads(each) for each in live.mget([f"default:item:i{n}" for n in range(ITEMS)])]


def read(shop, name):
    answer = shop.get(f"/v1/items/{name}")
    return answer.json() if answer.status_code == 200 else None


@pytest.mark.parametrize(("wish", "how", "cuts"), [("leaves", signal.SIGKILL, 1), ("stays", signal.SIGTERM, 2)])
def test_a_job_whose_runner_is_ended_in_the_middle_is_completed_and_counts_each_once(shop, wish, how, cuts):
    location = ordered(shop, WISHES[wish])
    for number in range(cuts):
        with runner_process(shop) as process:
            eventually(lambda part=number * 1_000: shop.get(location).json()["done"] > part)
            process.send_signal(how)
            process.wait(10)
        assert not is_over(shop, location), "the runner was faster than its end"
    with runner_process(shop):
        # A killed one may have held the catalogue's lock, which then expires.
        eventually(lambda: is_over(shop, location), within=30)
    found = shop.get(location).json()
    assert (found["state"], found["error"]) == ("done", None)
    assert found["result"] == {"matched": ITEMS, "changed": ITEMS, "failed": 0, "reasons": []}
    field, value = ("price", 20_000) if wish == "leaves" else ("attributes", {"seen": True})
    assert [each[field] for each in all_items(shop)] == [value] * ITEMS


class Cut(Exception):
    pass


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("noted", [True, False])
def test_wherever_a_job_is_cut_its_count_is_that_of_an_uncut_one(shop, wish, noted):
    """Cut before each batch, once it was noted (nothing of it is done) or just before (all of the one before is)."""

    notes = [None]  # what the ledger would have

    async def one_run(doors):
        told = 0

        async def tell(done, progress):
            nonlocal told
            told += 1
            cut = told > 1 and len(notes) < CUTS
            if noted or not cut:
                notes.append(progress.as_json())
            if cut:
                raise Cut
            return True

        wanted, begun = checked_wish({"kind": "items", **WISHES[wish]}), progress_of(notes[-1])
        return await change_by_filter(
            JobShop(shop.settings, doors), wanted, begun, clock=lambda: AS_OF + 60, actor=None, tell=tell
        )

    async def work():
        doors = Doors(shop.settings, shop.home.root)
        while True:
            with suppress(Cut):
                outcome = await one_run(doors)
                await doors.close()
                return outcome

    outcome = asyncio.run(work())
    assert len(notes) >= CUTS
    assert outcome.as_json() == {"matched": ITEMS, "changed": ITEMS, "failed": 0, "reasons": []}


def test_what_stopped_to_fulfil_the_condition_before_its_batch_is_left_alone(shop):
    async def work():
        doors = Doors(shop.settings, shop.home.root)

        async def tell(done, progress):
            for name in progress.pending[:2]:
                restocked.append(name)
                await asyncio.to_thread(shop.client.patch, f"/v1/items/{name}", json={"price": 10_000})
            return True

        wanted = checked_wish({"kind": "items", "filter": "price < 100", "patch": None})
        outcome = await change_by_filter(
            JobShop(shop.settings, doors), wanted, Progress(), clock=lambda: AS_OF + 60, actor=None, tell=tell
        )
        await doors.close()
        return outcome

    restocked: list[str] = []
    outcome = asyncio.run(work())
    assert len(restocked) >= 2
    assert outcome.changed == 100 - len(restocked)
    assert {read(shop, name)["price"] for name in restocked} == {10_000}


def test_a_running_job_that_is_cancelled_ends_after_its_batch_and_tells_what_it_did(shop):
    location = ordered(shop, WISHES["stays"])
    with connect_live(shop.live_url) as live, runner_process(shop):
        live.set("default:documents:lock", "the test")  # holds the first batch up
        eventually(lambda: shop.get(location).json()["done"] > 0)
        assert shop.client.post(f"{location}/cancel").json()["state"] == "running"
        live.delete("default:documents:lock")
        eventually(lambda: is_over(shop, location))
    found = shop.get(location).json()
    assert found["state"] == "cancelled"
    assert 0 < found["result"]["changed"] < ITEMS
    assert sum("attributes" in each for each in all_items(shop)) == found["result"]["changed"]
