"""Hostile cases: for each route that the OpenAPI document names, requests that are wrong in one known way."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

from experiments.hostile.bodies import JSON_TYPE, MOST_BODY, WHOLE, Whole
from experiments.hostile.routes import Document, Route, writes

#: Ids in a path that no store can hold.
_NO_IDS = ("%00", "a%00b", "%FF", "%C3", "%ED%A0%80", "a%ED%BF%BFb", "%F5%80%80%80")


@dataclass(frozen=True, slots=True)
class Hostile:
    """One request, the statuses that are right, and the fields of which the answer must name one; `*`: any."""

    method: str
    path: str
    body: bytes
    right: frozenset[int]
    names: frozenset[str] = frozenset()
    headers: Mapping[str, str] = field(default_factory=lambda: JSON_TYPE)
    chunked: bool = False

    @property
    def sameness(self) -> tuple[object, ...]:
        return self.method, self.path, self.body, tuple(self.headers.items()), self.chunked


def hostile(document: Document, number: int, seed: int) -> Iterator[Hostile]:
    """So many different cases, for the routes in turn. The same document and seed make the same cases."""
    draw = Random(seed)
    seen: set[int] = set()
    routes = [each for each in writes(document) if each.fields or not each.template.endswith("}")]
    place = 0
    while len(seen) < number:
        case = _drawn(draw, routes[place % len(routes)])
        place += 1
        if hash(case.sameness) not in seen:
            seen.add(hash(case.sameness))
            yield case


def _drawn(draw: Random, route: Route) -> Hostile:
    chance = draw.random()
    if chance < 0.05 and "{" in route.template:
        return _path_case(draw, route)
    if chance < 0.6 and route.fields:
        return _field_case(draw, route)
    make = draw.choices([each for each, _ in WHOLE], [often for _, often in WHOLE])[0]
    return _whole_case(route, make(draw))


def _path_case(draw: Random, route: Route) -> Hostile:
    head, _, rest = route.template.partition("{")
    name = draw.choice((*_NO_IDS, draw.choice("xyz") * draw.randint(513, 3_000)))
    # A PUT would make what is called so; elsewhere it may as well be somebody whom nobody knows.
    right = frozenset({400, 422} if route.method == "PUT" else {400, 404, 422})
    return Hostile(route.method, f"{head}{name}{rest.partition('}')[2]}", b"{}", right)


def _field_case(draw: Random, route: Route) -> Hostile:
    chosen = draw.choice(route.fields)
    body = json.dumps(chosen.around(chosen.wrong(draw))).encode()
    if len(body) > MOST_BODY:
        return Hostile(route.method, route.path, body, frozenset({413}))
    headers, chunked = JSON_TYPE, draw.random() < 0.1
    if draw.random() < 0.1:
        body, headers = gzip.compress(body, mtime=0), {**JSON_TYPE, "Content-Encoding": "gzip"}
    return Hostile(route.method, route.path, body, chosen.right, chosen.names, headers, chunked)


def _whole_case(route: Route, whole: Whole) -> Hostile:
    right = whole.right
    if 200 in right:  # only Segment's calls may say what nobody knows, and their batches end earlier
        right = right | {413} if route.template.startswith("/segment/") else right - {200}
    return Hostile(route.method, route.path, whole.body, right, whole.names, whole.headers, whole.chunked)
