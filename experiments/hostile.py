"""Hostile bodies: what a broken or ill-meaning client may send, each with what must come of it.

Every case is wrong in one known way, so that the answer can be judged: refused (4xx, or a verdict on the only event),
with the field named where one field is wrong. The same seed makes the same cases.
"""

from __future__ import annotations

import gzip
import http.client
import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_JSON = {"Content-Type": "application/json"}
_NO_JSON_NUMBERS = ("NaN", "Infinity", "-Infinity", "1" * 5_000, "1e999999")


@dataclass(frozen=True, slots=True)
class Hostile:
    """One request; `wrong` is the field that the answer must name, None where the whole body is wrong."""

    method: str
    path: str
    body: bytes
    wrong: str | None
    headers: Mapping[str, str] = field(default_factory=lambda: _JSON)


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of the cases: how often each status was answered, and what was not as it must be."""

    statuses: Mapping[int, int]
    faults: Sequence[str]


_NO_TEXT: tuple[Any, ...] = (3, 1.5, True, [], {}, ["a"], {"a": "b"}, "\0", "a\0b", "\ud800", "\udfff!")
_NO_ID: tuple[Any, ...] = (*_NO_TEXT, "", "x" * 513, "界" * 171)
_NO_MONEY: tuple[Any, ...] = (-1, 1.5, "12", True, [], {}, 2**63, -(2**63), 10**16, 1e300, "NaN")
_NO_TIME: tuple[Any, ...] = (
    *("", "yesterday", "2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z"),
    *(5, 1.7e9, True, [], {}, "T", "\0", "\ud800", "2026-01-01T25:00:00Z", "2026-01-01T00:00:00+99:00"),
)
_NO_EVENT_TIME = (*_NO_TIME, "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z")
_NO_FLAG: tuple[Any, ...] = (0, 1, "true", "", [], {}, 0.0)
_NO_TEXTS: tuple[Any, ...] = ("a", 3, {}, [3], [None], [[]], ["a"] * 101, ["\0"], ["\ud800"], True)
_NO_CURRENCY: tuple[Any, ...] = ("", "eur", "EURO", "E", 3, [], {}, "€€€", "EU1", True)
_NO_OBJECT: tuple[Any, ...] = ([], "x", 3, True, [{}])


def _nested(depth: int) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = {"d": value}
    return value


_EVENT = {"event_id": "hostile", "type": "view", "user_id": "u", "item_id": "i"}
_EVENT_FIELDS: Mapping[str, tuple[Any, ...]] = {
    **dict.fromkeys(("user_id", "session_id", "item_id", "order_id", "recommendation_id", "coupon_code"), _NO_ID),
    "event_id": (*_NO_ID, None),
    "type": (*_NO_TEXT, "", "VIEW", "buy", None),
    "time": _NO_EVENT_TIME,
    "quantity": (0, -1, "1", True, [], {}, 1e10, -1e308),
    **dict.fromkeys(("amount", "list_amount"), _NO_MONEY),
    "currency": _NO_CURRENCY,
    "source": (*_NO_TEXT, "", "google"),
    "properties": (*_NO_OBJECT, {"colour": "red"}, {"position": -1}, {"url": 3}, {"custom": []}, {"position": 2**63}),
    "colour": ("red", None, {}),
}
_DOCUMENT_FIELDS: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "items": {
        **dict.fromkeys(("name", "brand", "url", "image_url", "description"), (*_NO_TEXT, "x" * 4_001)),
        "parent_id": _NO_ID,
        **dict.fromkeys(("categories", "tags"), _NO_TEXTS),
        **dict.fromkeys(("price", "list_price", "cost"), _NO_MONEY),
        "stock": (-1, 1.5, "3", True, [], {}, 2**63, 1e300),
        "currency": _NO_CURRENCY,
        "available": _NO_FLAG,
        **dict.fromkeys(("available_from", "available_until"), _NO_TIME),
        "attributes": (*_NO_OBJECT, _nested(9), {"a": "\ud800"}, {"\0": 1}, {"a": ["\0"]}),
        "colour": ("red", None),
    },
    "users": {
        **dict.fromkeys(("region", "gender", "age_band"), _NO_TEXT),
        "zone": ("", "Mars/Olympus", 3, [], {}, True, "\0"),
        "birthday": ("", "1990", "1990-02-30", "30-01-01", 3, [], {}, True, "--13-01", "0000-01-01"),
        "attributes": (*_NO_OBJECT, _nested(9), {"a": "\udc00"}),
        "email": ("a@b.example",),
    },
}
_ASKED_FIELDS: Mapping[str, tuple[Any, ...]] = {
    "limit": (0, -1, 101, "5", 1.5, True, [], {}, 2**63, None),
    "fields": ("price", [3], {}, ["colour"], ["name"] * 21, None),
    "item_ids": ("i1", [3], [""], {}, ["i"] * 101, None),
    "exclude": ("i1", [3], {}, ["i"] * 1_001),
    "explain": (*_NO_FLAG, None),
    **dict.fromkeys(("user_id", "session_id"), (3, True, [], {}, "")),
    "placement": (3, True, [], {}, None),
    "colour": ("red",),
}
_MERGE_FIELDS: Mapping[str, tuple[Any, ...]] = dict.fromkeys(("session_id", "from_user_id"), _NO_ID)


def hostile(number: int, seed: int) -> Iterator[Hostile]:
    """So many cases: each kind of wrongness at each route in turn, with values drawn by the seed."""
    draw = random.Random(seed)
    for place in range(number):
        kind = place % 8
        if kind == 0:
            yield _ambiguous(draw)
        elif kind == 1:
            yield _whole(draw)
        elif kind in (2, 3, 4):
            name, value = _drawn(draw, _EVENT_FIELDS)
            yield _case("POST", "/v1/events", {"events": [_EVENT | {name: value}]}, name)
        elif kind == 5:
            what = draw.choice(("items", "users"))
            name, value = _drawn(draw, _DOCUMENT_FIELDS[what])
            if draw.random() < 0.7:
                yield _case(draw.choice(("PUT", "PATCH")), f"/v1/{what}/i1", {name: value}, name)
            else:
                document = {f"{what[:-1]}_id": "i1", name: value}
                yield _case("POST", f"/v1/{what}/bulk", {what: [document]}, name)
        elif kind == 6:
            name, value = _drawn(draw, _ASKED_FIELDS)
            yield _case("POST", "/v1/recommendations", {name: value}, name)
        else:
            name, value = _drawn(draw, _MERGE_FIELDS)
            yield _case("POST", "/v1/users/u/merge", {name: value}, name)


def judge(port: int, cases: Iterator[Hostile], *, key: str | None = None) -> Judged:
    """Send each case and hold the answer against what must come of it."""
    statuses: Counter[int] = Counter()
    faults = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for case in cases:
        headers = dict(case.headers) | ({"Authorization": f"Bearer {key}"} if key else {})
        connection.request(case.method, case.path, case.body, headers)
        answer = connection.getresponse()
        text = answer.read()
        statuses[answer.status] += 1
        if fault := _fault(case, answer.status, text):
            faults.append(f"{case.method} {case.path} {case.body[:120]!r}: {fault}")
    connection.close()
    return Judged(dict(statuses), faults)


def _fault(case: Hostile, status: int, text: bytes) -> str | None:
    try:
        said = json.loads(text)
    except ValueError:
        return f"{status} with an answer that is no JSON"
    if status == 200 and isinstance(said.get("rejected"), list):
        if said.get("accepted") or not said["rejected"]:
            return "accepted"
        said = said["rejected"][0]
    elif not 400 <= status < 500:
        return f"status {status}"
    named = str(said.get("field") or "")
    if case.wrong is not None and named.split(".")[0] != case.wrong:
        return f"{status} names {named!r} instead of {case.wrong!r}"
    return None


def _drawn(draw: random.Random, fields: Mapping[str, tuple[Any, ...]]) -> tuple[str, Any]:
    name = draw.choice(sorted(fields))
    return name, draw.choice(fields[name])


def _case(method: str, path: str, body: Any, wrong: str) -> Hostile:
    return Hostile(method, path, json.dumps(body).encode(), wrong)


def _ambiguous(draw: random.Random) -> Hostile:
    """JSON that two readers could understand differently, or that is none, in a place that is otherwise sound."""
    path, before, after = draw.choice(
        (
            ("/v1/events", '{"events": [{"event_id": "h", "type": "view", "user_id": "u", "item_id": "i", ', "}]}"),
            ("/v1/recommendations", "{", "}"),
            ("/v1/users/u/merge", "{", "}"),
            ("/v1/items/bulk", '{"items": [{"item_id": "i1", ', "}]}"),
            ("/segment/v1/track", '{"event": "Product Viewed", "userId": "u", ', "}"),
        )
    )
    wrong = draw.choice(
        (
            '"user_id": "a", "user_id": "b"',
            '"user_id" : "a", "user_id"\n: "b"',
            *(f'"quantity": {number}' for number in _NO_JSON_NUMBERS[:3]),
            f'"quantity": {"9" * 5_000}',
            '"a": 01',
            '"a": +1',
            '"a": .5',
            '"a": 1,',
            "'a': 1",
            '"a": "\x01"',
            '"a": "\\x41"',
            '"a": tru',
            '"a"',
        )
    )
    return Hostile("POST", path, f"{before}{wrong}{after}".encode(), None)


def _whole(draw: random.Random) -> Hostile:
    """Bodies that are wrong as a whole: size, depth, encoding, type."""
    path = draw.choice(
        ("/v1/events", "/v1/recommendations", "/v1/users/u/merge", "/v1/items/bulk", "/segment/v1/batch")
    )
    body, headers = draw.choice(_WHOLE)
    return Hostile("POST", path, body, None, dict(headers))


_GZIP = _JSON | {"Content-Encoding": "gzip"}
_WHOLE: tuple[tuple[bytes, Mapping[str, str]], ...] = (
    (b"", _JSON),
    (b"null", _JSON),
    (b"[]", _JSON),
    (b"3", _JSON),
    (b'"text"', _JSON),
    (b"{", _JSON),
    (b"{}{}", _JSON),
    (b"\x00", _JSON),
    (b"\xff\xfe{}", _JSON),
    (b'{"events": "\xff"}', _JSON),
    (b'{"events": "\xed\xa0\x80"}', _JSON),
    (b"[" * 10_000, _JSON),
    (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, _JSON),
    (b'{"events": "' + b"x" * 2**20 + b'"}', _JSON),
    (b'{"events": [' + b'{"event_id": "x"},' * 1_000 + b"{}]}", _JSON),
    (gzip.compress(b" " * 2**24), _GZIP),
    (gzip.compress(b'{"events": []}')[:-4], _GZIP),
    (b"not gzip", _GZIP),
    (b"{}", _JSON | {"Content-Encoding": "br"}),
    (b"{}", {"Content-Type": "text/plain"}),
    (b"a=1", {"Content-Type": "application/x-www-form-urlencoded"}),
)
