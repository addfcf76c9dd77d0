"""What every request passes: ids, sizes, methods, broken JSON, documents, figures, the log."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import re

import pytest

from serving.edge import MOST_BODY, Edge
from serving.metrics import Metrics
from tests.serving.conftest import eventually

JSON = {"content-type": "application/json"}


def problem_of(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == {"type", "title", "status", "code", "detail", "field", "position", "request_id"}
    assert (body["status"], body["request_id"]) == (answer.status_code, answer.headers["x-request-id"])
    return body["status"], body["code"]


def test_a_request_id_comes_back_and_a_missing_or_odd_one_is_made_up(shop):
    given = shop.client.get("/v1/trending", headers={"X-Request-ID": "abc-1"})
    assert given.headers.get_list("x-request-id") == ["abc-1"]
    odd = shop.client.get("/v1/trending", headers={"X-Request-ID": "a b"}).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", odd)
    assert shop.client.get("/v1/trending").headers["x-request-id"] != odd


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"nonsense",
        b"[" * 100_000,
        b'{"limit": ' + b"9" * 9_000 + b"}",
        b'{"user_id": "\xff"}',
        b"\x00",
        b'{"limit": NaN}',
    ],
)
def test_a_body_that_is_no_json_is_refused(shop, content):
    answer = shop.client.post("/v1/recommendations", content=content, headers=JSON)
    assert problem_of(answer)[0] in (400, 422)


def test_the_place_of_a_mistake_in_json_is_told(shop):
    answer = shop.client.post("/v1/recommendations", content=b'{"limit" 3}', headers=JSON)
    assert problem_of(answer) == (400, "bad_json")
    assert answer.json()["position"] == 9


@pytest.mark.parametrize("content", [b"[]", b"3", b"null", b'"x"', b'{"\\ud800": 1}'])
def test_json_that_is_no_request_is_refused(shop, content):
    answer = shop.client.post("/v1/recommendations", content=content, headers=JSON)
    assert problem_of(answer)[0] == 422


def test_a_body_without_its_content_type_is_told_what_is_missing(shop):
    answer = shop.client.post("/v1/recommendations", content=b"{}")
    assert problem_of(answer)[0] == 415
    assert "application/json" in answer.json()["detail"]


def test_a_huge_body_is_refused_whether_announced_or_not(shop):
    announced = shop.client.post("/v1/recommendations", content=b" " * (MOST_BODY + 1), headers=JSON)
    assert problem_of(announced) == (413, "body_too_large")
    unannounced = shop.client.post(
        "/v1/recommendations", content=(b" " * 100_000 for _ in range(MOST_BODY // 100_000 + 1)), headers=JSON
    )
    assert problem_of(unannounced) == (413, "body_too_large")


def test_head_answers_like_get_without_a_body(shop):
    head, get = shop.client.head("/v1/trending"), shop.client.get("/v1/trending")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/trending", "GET"),
        ("HEAD", "/v1/recommendations", "POST"),
        ("PUT", "/v1/recommendations", "POST"),
    ],
)
def test_a_method_that_is_not_there_names_the_one_that_is(shop, method, path, allowed):
    answer = shop.client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ["/", "/nope", "/v1/trending/", "/v1//trending", "/v1/items//similar"])
def test_a_path_that_is_not_there_is_a_problem_too(shop, path):
    assert problem_of(shop.client.get(path)) == (404, "no_such_path")


@pytest.mark.parametrize("path", ["/v1/items/%FF/similar", "/v1/items/%C3/similar"])
def test_an_id_that_cannot_be_one_is_refused(shop, path):
    assert problem_of(shop.client.get(path)) == (422, "bad_input")


def test_health_tells_what_is_served_and_which_time_it_is(shop):
    assert shop.get("/health/live").json() == {"status": "alive"}
    ready = shop.get("/health/ready").json()
    assert ready == {
        "status": "ready",
        "shop": "default",
        "bundle_version": 1,
        "as_of": "2023-11-14T22:13:20+00:00",
        "now": "2023-11-14T22:13:20+00:00",
        "clock_offset_seconds": 0.0,
        "problem": None,
    }


def test_the_documentation_loads_nothing_from_elsewhere(shop):
    page = shop.get("/docs")
    assert page.status_code == 200
    linked = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert linked
    for link in linked:
        assert link.startswith("/")
        assert shop.get(link).status_code == 200
    assert "http://" not in page.text and "https://" not in page.text


def test_every_route_is_documented(shop):
    document = shop.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/v1/events",
        *(
            f"/segment/v1/{call}"
            for call in ("batch", "import", "track", "identify", "page", "screen", "alias", "group")
        ),
        "/v1/recommendations",
        "/v1/users/{user_id}/recommendations",
        "/v1/users/{user_id}/buy-again",
        "/v1/users/{user_id}/merge",
        "/v1/items/{item_id}/similar",
        "/v1/items/{item_id}/bought-together",
        "/v1/recommendations/batch",
        "/v1/recommendations/{recommendation_id}/next",
        "/v1/rank",
        "/v1/users/{user_id}/recently-viewed",
        "/v1/users/{user_id}/categories",
        "/v1/users/{user_id}/brands",
        "/v1/best-sellers",
        "/v1/unsubscribe/{token}",
        "/v1/trending",
        "/v1/users/{user_id}/offers",
        *(f"/v1/coupons/{each}" for each in ("validations", "reservations", "redemptions")),
        "/v1/coupons/redemptions/{id}/rollbacks",
        "/v1/jobs/{job_id}",
        "/v1/jobs/{job_id}/cancel",
        *(f"/v1/{kind}/{verb}-by-filter" for kind in ("items", "users") for verb in ("update", "delete")),
        "/v1/items/{id}",
        "/v1/items/bulk",
        "/v1/users/{id}",
        "/v1/users/bulk",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/hawker.js",
    }
    body = document["components"]["schemas"]["RecommendationRequest"]
    assert body["additionalProperties"] is False
    assert body["properties"]["item_ids"]["items"] == {"type": "string", "minLength": 1, "maxLength": 512}


def test_requests_are_counted_by_route_and_placement_and_never_by_path(shop):
    shop.get("/v1/users/secret-person/recommendations", placement="discover")
    shop.client.get("/secret-person")
    eventually(lambda: 'route="unmatched",status="404"' in shop.get("/metrics").text)
    page = shop.get("/metrics").text
    assert 'hawker_requests_total{method="GET",route="/v1/users/{user_id}/recommendations",status="200"}' in page
    assert 'placement="discover",route="/v1/users/{user_id}/recommendations"' in page
    assert "hawker_bundle_version 1.0" in page
    assert "secret-person" not in page


def test_the_log_has_one_line_a_request_without_the_path(shop, caplog):
    with caplog.at_level(logging.INFO, logger="hawker.access"):
        shop.client.get("/v1/users/secret-person/recommendations", headers={"X-Request-ID": "r1"})
        eventually(lambda: "request_id=r1" in caplog.text)  # written after the answer left
    lines = [line for line in caplog.messages if "request_id=r1" in line]
    assert len(lines) == 1
    assert "request_id=r1 method=GET route=/v1/users/{user_id}/recommendations status=200" in lines[0]
    assert "placement=home bundle=1" in lines[0]


def test_a_failure_nobody_foresaw_is_a_problem_and_goes_to_the_log(caplog):
    async def broken(scope, receive, send):
        raise ZeroDivisionError("the secret inside")

    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "headers": []}
    asyncio.run(Edge(broken, metrics=Metrics())(scope, receive, send))
    assert sent[0]["status"] == 500
    assert b"secret" not in sent[1]["body"]
    assert "the secret inside" in caplog.text


def test_more_requests_than_can_be_in_work_are_turned_away_and_told_when_to_come_back():
    async def inside():
        go, told = asyncio.Event(), []

        async def slow(scope, receive, send):
            await go.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})

        async def send(message):
            told.append(message)

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        edge = Edge(slow, metrics=Metrics(), most_at_once=2)
        paths = ("/v1/a", "/v1/b", "/v1/c", "/health/live")
        scopes = [
            {"type": "http", "method": "GET", "path": each, "raw_path": each.encode(), "headers": []} for each in paths
        ]
        tasks = [asyncio.create_task(edge(each, receive, send)) for each in scopes]
        await asyncio.sleep(0)
        refused = list(told)
        go.set()
        await asyncio.gather(*tasks)
        return refused, [each["status"] for each in told if "status" in each]

    refused, statuses = asyncio.run(inside())
    assert refused[0]["status"] == 503 and (b"retry-after", b"1") in refused[0]["headers"]
    assert json.loads(refused[1]["body"])["code"] == "overloaded"
    assert sorted(statuses) == [200, 200, 200, 503], "health is always told"


def zipped(shop, body, encoding="gzip"):
    return shop.client.post("/v1/recommendations", content=body, headers=JSON | {"content-encoding": encoding})


def test_a_zipped_body_is_read_and_a_bomb_is_not_inflated(shop):
    assert zipped(shop, gzip.compress(b"{}")).status_code == 200
    assert zipped(shop, b"{}", "identity").status_code == 200
    full = b"{" + b" " * (MOST_BODY - 2) + b"}"
    assert zipped(shop, gzip.compress(full)).status_code == 200
    assert problem_of(zipped(shop, gzip.compress(full + b" "))) == (413, "body_too_large")
    bomb = gzip.compress(b" " * (64 * MOST_BODY))
    assert len(bomb) < MOST_BODY
    assert problem_of(zipped(shop, bomb)) == (413, "body_too_large")


# Without its time: two test processes must find the same cases.
ZIPPED = gzip.compress(b"{}", mtime=0)


@pytest.mark.parametrize("body", [b"", b"{}", ZIPPED[:-3], ZIPPED + b"x", ZIPPED * 2])
def test_a_damaged_zipped_body_is_refused(shop, body):
    assert problem_of(zipped(shop, body)) == (400, "bad_gzip")


def test_an_encoding_that_nobody_reads_is_refused_by_name(shop):
    answer = zipped(shop, b"{}", "br")
    assert problem_of(answer) == (415, "bad_encoding")
    assert answer.headers["accept-encoding"] == "gzip"
