"""Campaigns over HTTP: from a suggestion to a launch, by people with names, each effect once a key."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from itertools import count

import httpx
import pytest

from engine.storage import clock
from engine.storage.customer_refresh import refresh_customers
from engine.storage.keys import create_key
from engine.storage.ledger import connection_of, opened_ledger, rows_of
from serving.campaign_clock import look
from serving.jobs_process import work
from tests.engine.storage.shoppers import NOW, Shoppers, order
from tests.serving.conftest import eventually

PLAIN = {"name": "Back", "audience": {"segment": "activity.churned"}, "channel": "email", "offers": ["back"]}
_keys = count(1)


def set_clock(office, now):
    """For the interface and for the runner, which ask the same clock."""
    offset = now - time.time()
    clock.set_offset(office.home, offset)
    office.runtime._real_time, office.runtime.clock_offset = time.time, offset


@pytest.fixture
def shop(office):
    """Sixty who left, of whom fifty may be written to; Anna and Bert have keys."""
    shop = Shoppers(office.home)
    left = [f"left{number}" for number in range(60)]
    shop.happened(*(order(user, 120, 10_000) for user in left))
    shop.happened(*((user, "subscribe", 120, {}) for user in left[:50]))
    set_clock(office, NOW.timestamp())
    refresh_customers(office.home, now=NOW.timestamp(), zone="UTC")
    terms = {"name": "Back", "benefit": {"kind": "amount", "amount": 700}, "currency": "EUR"}
    office.client.put("/v1/offers/back", json=terms).raise_for_status()
    return office


@pytest.fixture
def people(shop):
    """Clients of Anna and Bert."""
    clients = {}
    with opened_ledger(shop.runtime.settings.postgres_url, "default") as ledger:
        for name in ("anna", "bert"):
            secret = create_key(ledger, actor=name, scopes=["marketing"], origins=[], now=NOW.timestamp())[1]
            headers = {"Authorization": f"Bearer {secret}"}
            clients[name] = httpx.Client(base_url=shop.client.base_url, headers=headers, timeout=30)
    shop.runtime.guard.look()
    yield clients
    for client in clients.values():
        client.close()


def post(client, path, body=None, key=None):
    headers = {"Idempotency-Key": key or f"k{next(_keys)}"}
    return client.post(path, headers=headers, json={} if body is None else body)


def make(client, campaign_id="back", **more):
    campaign = {**PLAIN, "budget": 50_000, **more}
    return post(client, "/v1/campaigns", {"campaign_id": campaign_id, "campaign": campaign})


@contextmanager
def runner(shop):
    stopping = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(work(shop.runtime.settings, shop.home, stopping)))
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(20)


def wait(shop, answer):
    assert answer.status_code == 202, answer.text
    location = answer.headers["location"]
    eventually(lambda: shop.get(location).json()["state"] in ("done", "failed", "cancelled"), within=30)
    return shop.get(location).json()


def test_a_suggestion_becomes_a_draft_a_plan_and_a_launch(shop):
    found = shop.post("/v1/campaigns/suggestions", goal="win-back", budget=50_000).json()["proposals"]
    made = post(shop.client, "/v1/campaigns", {"campaign": found[0]["campaign"]})
    assert (made.status_code, made.json()["state"]) == (201, "draft")
    path = made.headers["location"]
    plan = shop.client.post(f"{path}/plan").json()
    assert (plan["size"], plan["reachable"], plan["stops"]) == (60, 50, [])
    assert shop.get(path).json()["plan"] is None
    with runner(shop):
        done = wait(shop, post(shop.client, f"{path}/launch"))
    assert (done["state"], done["result"]["state"]) == ("done", "running")
    running = shop.get(path).json()
    assert (running["state"], running["plan"]["treated"]) == ("running", plan["treated"])
    assert post(shop.client, f"{path}/pause", {"reason": "rain"}).json()["state"] == "paused"
    assert post(shop.client, f"{path}/resume").json()["state"] == "running"
    assert post(shop.client, f"{path}/complete").json()["state"] == "completed"
    changes = [each["change"] for each in shop.get(f"{path}/changes").json()["changes"]]
    assert changes == ["created", "approved", "launched", "paused", "resumed", "completed"]


def test_a_campaign_is_listed_edited_and_deleted(shop):
    assert make(shop.client).json()["revision"] == 1
    make(shop.client, "other")
    first = shop.get("/v1/campaigns", limit=1).json()
    assert ([each["campaign_id"] for each in first["campaigns"]], first["next"]) == (["back"], "back")
    assert shop.get("/v1/campaigns", state="running").json()["campaigns"] == []
    changed = shop.patch("/v1/campaigns/back", campaign={"holdout": 0.5, "budget": None}, revision=1).json()
    assert (changed["revision"], changed["campaign"]["holdout"], changed["campaign"]["budget"]) == (2, 0.5, None)
    late = shop.patch("/v1/campaigns/back", campaign={"holdout": 0.4}, revision=1)
    assert (late.status_code, late.json()["code"]) == (409, "changed_meanwhile")
    assert shop.delete("/v1/campaigns/back").json() == {"deleted": True}
    assert shop.get("/v1/campaigns/back").status_code == 404


def test_the_author_does_not_approve_and_somebody_else_does(people):
    anna, bert = people["anna"], people["bert"]
    made = make(anna, budget=100_001)
    assert made.json()["created_by"] == "anna"
    refused = post(anna, "/v1/campaigns/back/launch")
    assert (refused.status_code, refused.json()["code"]) == (409, "approval_needed")
    own = post(anna, "/v1/campaigns/back/approve")
    assert (own.status_code, own.json()["code"]) == (409, "own_approval")
    assert post(bert, "/v1/campaigns/back/approve").json()["approved_by"] == "bert"
    assert post(anna, "/v1/campaigns/back/launch").status_code == 202
    edited = bert.patch("/v1/campaigns/back", json={"campaign": {"name": "New"}}).json()
    assert (edited["state"], edited["approved_by"]) == ("draft", None)
    assert post(bert, "/v1/campaigns/back/approve").json()["code"] == "own_approval"


def test_a_launch_is_asked_for_once_a_key_and_once_at_a_time(shop):
    make(shop.client)
    first, again = (post(shop.client, "/v1/campaigns/back/launch", key="one") for _ in range(2))
    assert first.content == again.content
    assert again.headers["Idempotent-Replayed"] == "true"
    second = post(shop.client, "/v1/campaigns/back/launch", key="two")
    assert (second.status_code, second.json()["code"]) == (409, "launch_under_way")
    with runner(shop):
        assert wait(shop, first)["state"] == "done"
    third = post(shop.client, "/v1/campaigns/back/launch", key="three")
    assert (third.status_code, third.json()["code"]) == (409, "wrong_state")
    assert post(shop.client, "/v1/campaigns/back/launch", key="one").content == first.content


def test_a_launch_that_is_refused_is_a_job_that_failed_with_the_reason(shop):
    make(shop.client, audience={"users": ["left55", "left56"]})
    with runner(shop):
        failed = wait(shop, post(shop.client, "/v1/campaigns/back/launch"))
    assert failed["state"] == "failed"
    assert "none of its 2 customers can be reached: 2 no_consent" in failed["error"]
    assert shop.get("/v1/campaigns/back").json()["state"] == "draft"


def test_a_launch_that_was_done_by_a_runner_that_died_is_done_no_second_time(shop):
    make(shop.client)
    answer = post(shop.client, "/v1/campaigns/back/launch")
    with opened_ledger(shop.runtime.settings.postgres_url, "default") as ledger:
        with runner(shop):
            wait(shop, answer)
        with connection_of(ledger) as connection:
            # As a kill -9 between the launch and the end of its job leaves it.
            rows_of(connection, "UPDATE jobs SET state = 'running', result = NULL, finished_at = NULL")
        with runner(shop):
            assert wait(shop, answer)["result"]["state"] == "running"
        with connection_of(ledger) as connection:
            assert rows_of(connection, "SELECT count(*) FROM campaign_members") == [(50,)]


def test_a_running_campaign_changes_only_what_is_safe(shop):
    make(shop.client)
    with runner(shop):
        wait(shop, post(shop.client, "/v1/campaigns/back/launch"))
    for change, field in (({"holdout": 0.1}, "holdout"), ({"offers": []}, "offers"), ({"budget": 1_000}, "budget")):
        refused = shop.patch("/v1/campaigns/back", campaign=change)
        assert (refused.status_code, refused.json()["field"]) == (409, field)
    assert shop.patch("/v1/campaigns/back", campaign={"name": "Better"}).json()["state"] == "running"


def test_campaigns_start_and_end_by_the_shops_clock(shop):
    make(shop.client, starts_at="2026-06-01T13:00:00Z", ends_at="2026-06-01T14:00:00Z")
    with runner(shop):
        assert wait(shop, post(shop.client, "/v1/campaigns/back/launch"))["result"]["state"] == "scheduled"
    with opened_ledger(shop.runtime.settings.postgres_url, "default") as ledger:
        for hours, state in ((0, "scheduled"), (1, "running"), (1.5, "running"), (2, "completed")):
            set_clock(shop, NOW.timestamp() + hours * 3_600 + 1)
            look(shop.home, ledger, shop.runtime.settings)
            assert shop.get("/v1/campaigns/back").json()["state"] == state


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"channel": "fax"}, "channel"),
        ({"audience": {"rule": "nothing >= 1"}}, "audience.rule"),
        ({"template": {"subject": "{{", "text": "x"}}, "template.subject"),
        ({"template": {"subject": "x", "text": "{% include 'x' %}"}}, "template.text"),
        ({"variants": [{"variant": "a", "share": 1, "template": {"subject": "x", "text": "{{ }}"}}]},
         "variants[0].template.text"),
        ({"more": 1}, "more"),
    ],
)  # fmt: skip
def test_a_document_that_cannot_be_is_refused_by_its_field(shop, change, field):
    make(shop.client, "fine")
    for answer in (make(shop.client, **change), shop.patch("/v1/campaigns/fine", campaign=change)):
        assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    assert [each["campaign_id"] for each in shop.get("/v1/campaigns").json()["campaigns"]] == ["fine"]


@pytest.mark.parametrize("changes", [1.5, "name", [], True])
def test_what_changes_no_document_is_refused_whichever_campaign_it_is_for(shop, changes):
    answer = shop.client.patch("/v1/campaigns/none", json={"campaign": changes})
    assert (answer.status_code, answer.json()["field"]) == (422, "campaign")
    assert shop.client.patch("/v1/campaigns/none", json={"campaign": {"name": "New"}}).status_code == 404


def test_effects_ask_for_a_key(shop):
    make(shop.client)
    for name in ("approve", "launch", "pause", "resume", "complete", "unschedule"):
        answer = shop.client.post(f"/v1/campaigns/back/{name}", json={})
        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
    assert shop.client.post("/v1/campaigns", json={"campaign": PLAIN}).status_code == 400
