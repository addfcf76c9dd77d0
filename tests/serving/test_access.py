"""Who may ask what, over HTTP."""

from __future__ import annotations

import base64

import pytest

from engine.storage.home import Home
from engine.storage.keys import create_key, revoke_key
from engine.storage.ledger import opened_ledger
from engine.storage.online import connect_live, connect_stream
from serving.gate import OPEN, OPEN_BELOW
from tests.bundles import AS_OF, toy_bundle
from tests.serving.conftest import eventually, publish, storefront
from tests.stores import SHOP, settings_of

PAGE = "https://shop.example"
SCOPES = ("ingest", "recommend", "redeem", "marketing", "approve", "admin")


@pytest.fixture
def shop(stores, ledger_url, tmp_path):
    for connect, url in ((connect_live, stores.live_url), (connect_stream, stores.stream_url)):
        with connect(url) as client:
            client.flushall()
    home = Home(tmp_path / "home")
    publish(home, toy_bundle())
    settings = settings_of(
        home.root,
        HAWKER_LEAST_FREE_MIB="0",
        HAWKER_STREAM_URL=stores.stream_url,
        HAWKER_REDIS_URL=stores.live_url,
        HAWKER_POSTGRES_URL=ledger_url,
        HAWKER_ORIGINS=f"{PAGE}, http://localhost:3000",
    )
    with opened_ledger(ledger_url, SHOP) as ledger:
        secrets = {each: create_key(ledger, f"the {each}", [each], now=AS_OF)[1] for each in SCOPES}
        secrets["browser"] = create_key(ledger, "the page", ["browser"], [PAGE], now=AS_OF)[1]
    with storefront(home, now=AS_OF + 60, settings=settings) as running:
        running.secrets = secrets
        yield running


def asked(shop, scope, method, path, **more):
    headers = {"Authorization": f"Bearer {shop.secrets[scope]}"} | more.pop("headers", {})
    if scope == "browser":
        headers.setdefault("Origin", PAGE)
    return shop.client.request(method, path, headers=headers, **more)


def code_of(answer):
    return answer.status_code, answer.json()["code"]


def view(**more):
    return {"events": [{"event_id": f"e{len(str(more))}", "type": "view", "session_id": "s", "item_id": "i1", **more}]}


def test_without_a_key_nothing_but_what_is_open_answers(shop):
    for path, methods in shop.get("/openapi.json").json()["paths"].items():
        for method in methods:
            answer = shop.client.request(method, path.replace("{", "").replace("}", ""))
            is_open = path in OPEN or path.startswith(OPEN_BELOW)
            assert (answer.status_code == 401) != is_open, (method, path)
    assert code_of(shop.get("/v1/trending")) == (401, "not_authenticated")
    assert shop.get("/v1/trending").headers["www-authenticate"] == "Bearer"
    assert code_of(shop.get("/no/such/path")) == (401, "not_authenticated")
    assert {shop.get(path).status_code for path in ("/docs", "/openapi.json", "/health/live", "/health/ready")} == {200}


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer", "Basic !", "Digest x", "Basic /w=="])
def test_a_key_that_is_none_is_refused(shop, header):
    assert code_of(shop.client.get("/v1/trending", headers={"Authorization": header})) == (401, "not_authenticated")


def test_a_key_does_what_its_scope_says_and_no_more(shop):
    allowed = {
        ("GET", "/v1/trending"): {"recommend", "browser"},
        ("GET", "/v1/users/u1/recommendations"): {"recommend"},
        ("POST", "/v1/recommendations"): {"recommend", "browser"},
        ("POST", "/v1/events"): {"ingest", "browser"},
        ("PUT", "/v1/items/new"): {"ingest"},
        ("GET", "/v1/items/new"): {"ingest", "recommend", "marketing"},
        ("PATCH", "/v1/items/new"): {"ingest"},
        ("PUT", "/v1/users/new"): {"ingest"},
        ("GET", "/v1/users/new"): {"ingest", "marketing"},
        ("POST", "/v1/users/new/merge"): {"ingest"},
        ("GET", "/metrics"): set(SCOPES),
        ("DELETE", "/v1/items/new"): {"ingest"},
    }
    bodies = {"/v1/events": view(), "/v1/users/new/merge": {"session_id": "x"}, "/v1/recommendations": {}}
    for (method, path), scopes in allowed.items():
        for scope in (*SCOPES, "browser"):
            body = {"json": bodies.get(path, {})} if method not in ("GET", "DELETE") else {}
            answer = asked(shop, scope, method, path, **body)
            assert (answer.status_code == 403) == (scope not in scopes | {"admin"}), (scope, method, path, answer.text)


def test_segment_clients_send_the_key_as_a_user_name(shop):
    given = base64.b64encode(f"{shop.secrets['recommend']}:".encode()).decode()
    assert shop.client.get("/v1/trending", headers={"Authorization": f"Basic {given}"}).status_code == 200


@pytest.mark.parametrize(
    ("event", "field"),
    [({"user_id": "u1"}, "user_id"), ({"type": "purchase"}, "type"), ({"type": "dismiss"}, "type")],
)
def test_a_page_speaks_for_its_visit_only(shop, event, field):
    answer = asked(shop, "browser", "POST", "/v1/events", json=view(**event))
    assert (answer.status_code, answer.json()["field"], answer.json()["position"]) == (403, field, 0)
    assert asked(shop, "browser", "POST", "/v1/events", json=view()).json()["accepted"] == 1
    named = asked(shop, "browser", "POST", "/v1/recommendations", json={"user_id": "u1"})
    assert code_of(named) == (403, "user_named")
    assert asked(shop, "browser", "POST", "/v1/recommendations", json={"session_id": "s"}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://shop.example", ""])
def test_a_public_key_is_good_for_its_pages_only(shop, origin):
    answer = asked(shop, "browser", "POST", "/v1/recommendations", json={}, headers={"Origin": origin})
    assert code_of(answer) == (403, "wrong_origin")


def test_pages_of_the_named_origins_may_ask_and_others_may_not(shop):
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    allowed = shop.client.options("/v1/events", headers={"Origin": PAGE, **asking})
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, PAGE)
    denied = shop.client.options("/v1/events", headers={"Origin": "https://evil.example", **asking})
    assert "access-control-allow-origin" not in denied.headers
    refused = shop.client.post("/v1/events", json=view(), headers={"Origin": PAGE})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (
        401,
        PAGE,
    )


def test_a_revoked_key_ends_within_seconds_and_a_new_one_begins(shop, ledger_url):
    with opened_ledger(ledger_url, SHOP) as ledger:
        key, secret = create_key(ledger, "new", ["recommend"], now=AS_OF)
        shop.secrets["new"] = secret
        eventually(lambda: asked(shop, "new", "GET", "/v1/trending").status_code == 200)
        revoke_key(ledger, key.id, now=AS_OF)
    eventually(lambda: asked(shop, "new", "GET", "/v1/trending").status_code == 401)
    assert code_of(asked(shop, "new", "GET", "/v1/trending")) == (401, "key_revoked")


def test_keys_hold_while_the_ledger_is_away(shop):
    """A process that starts then knows them from the file that the last look left."""
    settings = settings_of(shop.home.root, HAWKER_POSTGRES_URL="postgresql://nobody@127.0.0.1:9/none")
    with storefront(shop.home, now=AS_OF + 60, settings=settings) as second:
        second.secrets = shop.secrets
        assert code_of(second.get("/v1/trending")) == (401, "not_authenticated")
        assert asked(second, "recommend", "GET", "/v1/trending").status_code == 200


def test_a_process_that_never_knew_the_keys_stays_closed(shop, tmp_path):
    home = Home(tmp_path / "other")
    publish(home, toy_bundle())
    settings = settings_of(home.root, HAWKER_POSTGRES_URL="postgresql://nobody@127.0.0.1:9/none")
    with storefront(home, now=AS_OF + 60, settings=settings) as second:
        assert code_of(second.get("/v1/trending")) == (503, "keys_unknown")
        assert second.get("/health/live").status_code == 200


def test_the_name_of_the_key_stands_on_a_change(shop, stores):
    asked(shop, "ingest", "PUT", "/v1/items/named", json={"price": 5})
    with connect_stream(stores.stream_url) as client:
        last = [fields for _, fields in client.xrange("default:stream") if fields[b"kind"] == b"items"][-1]
    assert b'"updated_by":"the ingest"' in last[b"rows"]
