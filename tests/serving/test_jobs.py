"""Changes by filter: taken as jobs, done by the runner, obeyed by the next answer."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager

import pytest

from engine.storage.home import Home
from engine.storage.jobs import create_job
from engine.storage.ledger import connection_of, opened_ledger, rows_of
from engine.storage.online import connect_live, connect_stream
from serving.jobs_process import work
from tests.bundles import AS_OF, toy_bundle
from tests.serving.conftest import eventually, publish, storefront
from tests.stores import SHOP, settings_of


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
        items = [
            {"item_id": f"i{n}", "price": n, "tags": ["even"] if n % 2 == 0 else [], "attributes": {"n": n}}
            for n in range(40)
        ]
        running.client.post("/v1/items/bulk", json={"items": items})
        running.settings = settings
        yield running


@contextmanager
def runner(shop):
    """The runner of jobs, in a thread."""
    stopping = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(work(shop.settings, shop.home, stopping)))
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(20)


def wait(shop, answer):
    assert answer.status_code == 202, answer.text
    location = answer.headers["location"]
    eventually(lambda: shop.get(location).json()["state"] in ("done", "failed", "cancelled"))
    return shop.get(location).json()


def ask(shop, verb, kind="items", **body):
    return shop.client.post(f"/v1/{kind}/{verb}-by-filter", json=body)


def test_all_that_fulfil_a_condition_are_patched_and_then_deleted(shop):
    with runner(shop):
        changed = wait(shop, ask(shop, "update", filter='tags has "even" and price < 10', patch={"available": False}))
        assert (changed["state"], changed["result"]) == (
            "done", {"matched": 5, "changed": 5, "failed": 0, "reasons": []}
        )  # fmt: skip
        assert shop.get("/v1/items/i4").json()["available"] is False
        assert "available" not in shop.get("/v1/items/i5").json()
        listed = {each["id"] for each in shop.ask(user_id="u5", limit=100).json()["items"]}
        assert not listed & {"i0", "i2", "i4", "i6", "i8"}
        gone = wait(shop, ask(shop, "delete", filter={"field": "attributes.n", "op": ">=", "value": 30}))
        assert gone["result"]["changed"] == 10
        assert shop.get("/v1/items/i35").status_code == 404
        again = wait(shop, ask(shop, "delete", filter="attributes.n >= 30"))
        assert again["result"]["matched"] == 0


def test_a_dry_run_only_counts(shop):
    with runner(shop):
        counted = wait(shop, ask(shop, "delete", filter="price >= 0", dry_run=True))
    assert counted["result"] == {"matched": 40, "changed": 0, "failed": 0, "reasons": []}
    assert shop.get("/v1/items/i1").status_code == 200


def test_a_document_that_the_patch_would_break_is_told_and_left(shop):
    shop.client.put("/v1/items/window", json={"price": 999, "available_from": "2026-01-01T00:00:00Z"})
    with runner(shop):
        found = wait(shop, ask(shop, "update", filter="price = 999", patch={"available_until": "2025-01-01T00:00:00Z"}))
    assert (found["result"]["failed"], found["result"]["changed"]) == (1, 0)
    assert found["result"]["reasons"] == ["window: available_until: must lie after available_from"]


def test_users_too(shop):
    shop.client.put("/v1/users/anna", json={"region": "north"})
    with runner(shop):
        wait(shop, ask(shop, "update", "users", filter='region = "north"', patch={"attributes": {"seen": True}}))
    assert shop.get("/v1/users/anna").json()["attributes"] == {"seen": True}


def test_a_job_that_waits_is_cancelled(shop):
    waiting = ask(shop, "delete", filter="price >= 0")
    location = waiting.headers["location"]
    assert shop.client.post(f"{location}/cancel").json()["state"] == "cancelled"
    with runner(shop):
        wait(shop, ask(shop, "delete", filter="price = 39"))
    assert shop.get("/v1/items/i1").status_code == 200
    assert shop.get("/v1/jobs/never").status_code == 404


def test_a_job_goes_on_after_its_runner_was_cut(shop):
    job = ask(shop, "update", filter="price >= 0", patch={"name": "all"})
    stopping = threading.Event()
    stopping.set()
    asyncio.run(work(shop.settings, shop.home, stopping))
    with runner(shop):
        assert wait(shop, job)["result"]["changed"] == 40


def test_a_job_that_cannot_be_done_fails_and_the_next_is_done(shop, ledger_url):
    with opened_ledger(ledger_url, SHOP) as ledger:
        for arguments in ({"kind": "items", "filter": "gone = 1"}, {}):
            create_job(ledger, "change_by_filter", arguments, actor=None, now=1.0)
        with runner(shop):
            assert wait(shop, ask(shop, "delete", filter="price = 39"))["result"]["changed"] == 1
        with connection_of(ledger) as connection:
            failed = rows_of(connection, "SELECT error FROM jobs WHERE state = 'failed' ORDER BY length(error)")
    assert failed[0] == ("KeyError: 'kind'",)
    assert failed[1][0].startswith("filter: there is no field 'gone'")


@pytest.mark.parametrize("name", ["%00", "%ED%A0%80", "never", "0" * 32])
def test_a_name_that_no_job_has_is_unknown(shop, name):
    assert shop.get(f"/v1/jobs/{name}").status_code == 404
    assert shop.client.post(f"/v1/jobs/{name}/cancel").status_code == 404


@pytest.mark.parametrize(
    ("verb", "body", "field"),
    [
        ("delete", {"filter": "prize = 3"}, "filter"),
        ("delete", {"filter": "price ="}, "filter"),
        ("delete", {"filter": None}, "filter"),
        ("delete", {}, "filter"),
        ("update", {"filter": "price = 3"}, "patch"),
        ("update", {"filter": "price = 3", "patch": {}}, "patch"),
        ("update", {"filter": "price = 3", "patch": {"price": "x"}}, "patch.price"),
        ("update", {"filter": "price = 3", "patch": {"item_id": "x"}}, "patch"),
        ("delete", {"filter": "price = 3", "patch": {}}, "patch"),
    ],
)
def test_what_cannot_be_done_is_refused_before_it_is_a_job(shop, verb, body, field):
    answer = ask(shop, verb, **body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
