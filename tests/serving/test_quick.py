"""The quick way of a recommendation says what its route says, in every case."""

from __future__ import annotations

import json
import socket
from dataclasses import replace

import numpy as np
import pytest
from starlette.exceptions import HTTPException

from engine.errors import HawkerError
from engine.storage.home import Home
from serving.storefront.known_bodies import KnownBodies
from tests.bundles import toy_bundle
from tests.serving.conftest import publish, storefront
from tests.stores import settings_of

PLAIN, ROUTE = "application/json", "application/json; charset=utf8"  # the second one is left to the route

BODIES = [
    {},
    {"user_id": "u5"},
    {"user_id": "u5", "placement": "discover", "limit": 7, "explain": True, "fields": ["name", "price"]},
    {"session_id": "s1", "limit": 5.0},
    {"placement": "similar", "item_ids": ["i6", "nothing"], "limit": 3},
    {"user_id": "u5", "exclude": ["i1", "i5"], "filter": "price < 140", "boost": "2"},
    {"user_id": "u5", "diversity": {"max": {"category": 2}}, "pin": [{"item_id": "i3", "position": 1}]},
    {"placement": "similar"},
    {"placement": "none"},
    {"limit": 0},
    {"limit": "5"},
    {"limit": 5.5},
    {"user_id": ""},
    {"user_id": 5},
    {"surprise": 1},
    {"filter": "price <"},
    {"fields": ["cost"]},
    {"fill": 1},
    [],
    None,
    "u5",
]
TEXTS = [b"", b"{", b"{} {}", b'{"user_id":"a","user_id":"b"}', b'{"limit":NaN}', b"\xff", b'{"user_id":"\\ud800"}']


def told(answer):
    """Without what differs between any two answers."""
    if not answer.content:
        return answer.status_code, None
    body = {name: each for name, each in answer.json().items() if name not in ("recommendation_id", "request_id")}
    return answer.status_code, answer.headers["content-type"], body


def post(shop, content, kind):
    return shop.client.post("/v1/recommendations", content=content, headers={"Content-Type": kind})


@pytest.mark.parametrize("content", [*(json.dumps(each).encode() for each in BODIES), *TEXTS])
def test_a_body_is_answered_or_refused_as_by_the_route(shop, content):
    assert told(post(shop, content, PLAIN)) == told(post(shop, content, ROUTE))


PATHS = [
    "/v1/users/u5/recommendations",
    "/v1/users/nobody/recommendations",
    "/v1/users/a%2Fb/recommendations",
    "/v1/users/%FF/recommendations",
    "/v1/users/u5/buy-again",
    "/v1/items/i5/similar",
    "/v1/items/nothing/bought-together",
    "/v1/items/i5/recommendations",
    "/v1/users/u5/similar",
]
OPTIONS = [
    {},
    {"limit": "3", "explain": "true", "fields": "name,price"},
    {"filter": "price < 140"},
    {"limit": "0"},
    {"limit": "x"},
    {"filter": ""},
    {"filter": "price <"},
    {"surprise": "1"},
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("options", OPTIONS)
def test_a_short_form_is_answered_or_refused_as_by_the_route(shop, path, options):
    quick = shop.client.get(path, params=options)
    # A parameter that comes twice is left to the route, for which the last one counts.
    twice = [*options.items(), ("explain", "false"), ("explain", options.get("explain", "false"))]
    assert told(quick) == told(shop.client.get(path, params=twice))


def test_another_method_and_another_content_type_are_the_routes_affair(shop):
    assert shop.client.put("/v1/recommendations", json={}).status_code == 405
    assert post(shop, b"{}", "text/plain").status_code == 415
    head = shop.client.head("/v1/users/u5/recommendations")
    assert head.status_code == 200 and head.content == b""


def test_the_route_stays_documented_and_is_counted_under_its_own_name(shop):
    paths = shop.client.get("/openapi.json").json()["paths"]
    for path in ("/v1/recommendations", "/v1/users/{user_id}/recommendations", "/v1/items/{item_id}/similar"):
        assert path in paths
    shop.ask(user_id="u5")
    shop.get("/v1/items/i5/similar")
    page = shop.client.get("/metrics").text
    assert 'route="/v1/recommendations",status="200"' in page
    assert 'route="/v1/items/{item_id}/similar",status="200"' in page


def test_every_stage_of_a_recommendation_is_told_to_prometheus(shop):
    for _ in range(8):
        shop.ask(user_id="u5")
    page = shop.client.get("/metrics").text
    for stage in ("parse", "profile", "sources", "index", "filters", "features", "ranking", "answer", "log", "encode"):
        assert f'stage="{stage}"' in page
    assert "hawker_index_recall 1.0" in page


def test_an_answer_whose_making_fails_is_the_last_resort_and_says_that_it_is_degraded(tmp_path):
    bundle = toy_bundle()
    home = Home(tmp_path / "home")
    publish(home, bundle)
    with storefront(home) as shop:
        live = shop.runtime.live
        nothing = np.zeros(0, np.int32)
        shop.runtime.live = replace(live, bundle=replace(live.bundle, catalog=replace(bundle.catalog, family=nothing)))
        answer = shop.ask(user_id="u5", limit=3, exclude=["i0"])
        assert answer.status_code == 200
        body = answer.json()
        assert [item["id"] for item in body["items"]] == ["i1", "i2", "i3"]
        assert body["degraded"] and not body["personalized"]
        assert 'hawker_answers_without_total{what="answer"} 1.0' in shop.client.get("/metrics").text
        assert shop.ask(placement="nowhere").status_code == 404, "what the caller did wrong is told as before"


def test_a_live_store_that_says_nothing_is_answered_without(tmp_path):
    home = Home(tmp_path / "home")
    publish(home, toy_bundle())
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and never a byte
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        with storefront(home, settings=settings_of(home.root, HAWKER_REDIS_URL=url), patience=0.05) as shop:
            answer = shop.ask(user_id="u5")
            assert (answer.status_code, answer.json()["degraded"]) == (200, True)
            assert answer.json()["personalized"], "the history of the bundle still speaks"


@pytest.mark.parametrize(
    "content",
    [
        b'{"user_id":"u5","limit":4}',
        b'{"limit":4,"user_id":null}',
        b'{"user_id":"","limit":4}',
        b'{"user_id":5,"limit":4}',
        b'{"user_id":"u5","user_id":"u6","limit":4}',
        b'{"user_id" :"u5","limit":4}',
        b'{"user_id":"a\\":b","limit":4}',
        b'{"limit":4,"limit":4}',
        b'{"session_id":"s","user_id":"' + b"u" * 600 + b'","limit":4}',
    ],
)
def test_a_body_that_is_known_already_is_answered_or_refused_as_by_the_route(shop, content):
    for _ in range(2):
        shop.ask(limit=4)
        assert told(post(shop, content, PLAIN)) == told(post(shop, content, ROUTE))


NAMES = [b"u1", b"u-2", b"u:3@4.5", b"", b"a\\u0062", b'a\\"', "ü".encode(), b"u" * 64, b"u" * 65, b"u" * 600, b"a b"]
AROUND = [
    (b'{"user_id":"', b'"}'),
    (b'{"limit":3,"user_id":"', b'","placement":"discover"}'),
    (b'{"session_id":"s","user_id":"', b'"}'),
    (b'{"user_id":"', b'","user_id":"u9"}'),
    (b'{"user_id":"', b'","filter":"user_id"}'),
    (b'{"user\\u005fid":"u1","user_id":"', b'"}'),
    (b'{"item_ids":["\\"user_id":"', b'"]}'),
    (b'{"item_ids":["a"],"user_id":"', b'" , "fields": []}'),
    (b'[{"user_id":"', b'"}]'),
    (b'{"user_id":"', b'"'),
    (b'{"user_id":"', b'"} x'),
]


@pytest.mark.parametrize("around", AROUND)
def test_a_body_means_the_same_whoever_was_named_in_it_before(around):
    def meant(known, name):
        try:
            return known.read(name.join(around))
        except (ValueError, HawkerError, HTTPException):
            return None  # the route says what is wrong

    known = KnownBodies()
    for name in (*NAMES, *NAMES):
        assert meant(known, name) == meant(KnownBodies(), name), name


def test_bodies_are_kept_within_bounds():
    known = KnownBodies()
    for number in range(2_000):
        known.read(b'{"exclude":["%d"],"user_id":"u"}' % number)
    assert len(known._asks) == len(known._around) == 512
    known.read(json.dumps({"exclude": ["x" * 400] * 5, "user_id": "u"}).encode())
    known.read(b'{"exclude":["%b"],"user_id":"u"}' % (b'","'.join([b"x" * 400] * 5)))
    assert max(map(len, known._asks)) < 1_000
    assert max(len(before + behind) for before, behind in known._around) < 1_000
