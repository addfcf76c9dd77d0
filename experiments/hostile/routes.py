"""The routes of an OpenAPI document that take a JSON body, and what is wrong in each field of theirs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from experiments.hostile import wrong
from experiments.hostile.marketing import MARKETING
from experiments.hostile.wrong import Draw

Document = Mapping[str, Any]
_SHAPES: Mapping[str, Draw] = {
    "string": wrong.word,
    "number": wrong.number,
    "boolean": wrong.flag,
    "null": wrong.one_of(None),
    "array": wrong.array,
    "object": wrong.mapping,
}


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that can be wrong: a body with it in it, and the names of which one must be told."""

    wrong: Draw
    around: Callable[[Any], Any]
    names: frozenset[str]
    right: frozenset[int] = frozenset({422})


@dataclass(frozen=True, slots=True)
class Route:
    """`fields` is empty where the document says nothing of its body."""

    method: str
    template: str
    fields: tuple[Field, ...]

    @property
    def path(self) -> str:
        return re.sub(r"\{\w+\}", "i1", self.template)


def writes(document: Document) -> Iterator[Route]:
    """Every operation with a JSON body: what its schema excludes, and what experience adds where the route is known."""
    for template, operations in sorted(document["paths"].items()):
        for method, operation in sorted(operations.items()):
            content = operation.get("requestBody", {}).get("content", {})
            if "application/json" in content:
                schema = _resolved(content["application/json"].get("schema", {}), document)
                fields = (*_excluded(schema, document), *_known(template, method.upper()))
                yield Route(method.upper(), template, fields)


def _excluded(schema: Document, document: Document) -> Iterator[Field]:
    """Values of another kind for each property, and a property that is none."""
    required = frozenset(schema.get("required", ()))
    for name, inner in schema.get("properties", {}).items():
        kinds = _kinds(inner, document)
        draws = [draw for kind, draw in _SHAPES.items() if kind not in kinds]
        if draws:
            yield Field(wrong.either(*draws), _under(name), required | {name})
    if schema.get("additionalProperties") is False:
        known = frozenset(schema.get("properties", ()))
        unknown = wrong.either(lambda draw: f"{wrong.word(draw)}?", lambda draw: f"{draw.choice(sorted(known))} ")
        yield Field(lambda draw: {unknown(draw): wrong.number(draw)}, lambda value: value, required | {"*"})


def _under(name: str) -> Callable[[Any], Any]:
    return lambda value: {name: value}


def _kinds(schema: Any, document: Document) -> set[str]:
    """The kinds of JSON that a schema lets through; all where it does not say."""
    schema = _resolved(schema, document)
    for joint in ("anyOf", "oneOf"):
        if joint in schema:
            return set().union(*(_kinds(each, document) for each in schema[joint]))
    if "enum" in schema:
        return {_kind(each) for each in schema["enum"]}
    said = schema.get("type", list(_SHAPES))
    kinds = {said} if isinstance(said, str) else set(said)
    return {"number" if kind == "integer" else kind for kind in kinds}


def _kind(value: Any) -> str:
    named = {str: "string", bool: "boolean", type(None): "null", list: "array", dict: "object"}
    return named.get(type(value), "number")


def _resolved(schema: Any, document: Document) -> Mapping[str, Any]:
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return dict(schema)


def _known(template: str, method: str) -> Iterator[Field]:
    """What only experience knows: ranges, times, ids, and fields within lists."""
    if template == "/v1/events":
        yield from _events()
    elif template == "/v1/recommendations":
        yield from _fields(_ASKED, _under, frozenset({404, 422}))
    elif template.endswith("/merge"):
        yield from _fields(_MERGED, _under)
    elif template.startswith("/segment/v1/"):
        yield from _segment(template.rpartition("/")[2])
    elif template.endswith("-by-filter"):
        names = frozenset({"filter"})
        patch = {"patch": {"attributes": {"a": 1}}} if "update" in template else {}
        yield Field(wrong.no_filter, lambda value: {"filter": value, **patch}, names)
    elif (method, template) in MARKETING:
        wrongs = MARKETING[method, template]
        yield from _fields(wrongs.fields, lambda name: partial(wrongs.body, name))
    else:
        yield from _documents(template, method)


def _fields(
    table: Mapping[str, Draw],
    around: Callable[[str], Callable[[Any], Any]],
    right: frozenset[int] = frozenset({422}),
) -> Iterator[Field]:
    for name, draw in table.items():
        yield Field(draw, around(name), frozenset({name}), right)


_ASKED: Mapping[str, Draw] = {
    "limit": wrong.either(wrong.no_whole, lambda draw: draw.randint(101, 10**9), wrong.one_of(0, None)),
    "fields": wrong.either(wrong.no_texts, lambda draw: [wrong.word(draw)], wrong.one_of(None, ["name"] * 21)),
    "item_ids": wrong.either(
        lambda draw: ["i"] * draw.randint(101, 999), lambda draw: [wrong.array(draw)], wrong.one_of([""])
    ),
    "exclude": wrong.either(lambda draw: ["i"] * draw.randint(1_001, 2_000), lambda draw: [wrong.number(draw)]),
    "user_id": wrong.either(wrong.number, wrong.array, wrong.one_of(""), lambda draw: "x" * draw.randint(513, 900)),
    "session_id": wrong.either(wrong.mapping, wrong.long_text),
    **dict.fromkeys(("filter", "hide"), wrong.no_filter),
    "boost": wrong.either(wrong.no_filter, lambda draw: [{"factor": -draw.random()}], wrong.one_of([{}], [1], "price")),
    "pin": wrong.either(wrong.mapping, wrong.one_of([{"item_id": "i", "position": 0}], [{}], [{"item_id": 1}])),
    "promote": wrong.either(wrong.mapping, lambda draw: [{"filter": wrong.no_filter(draw), "share": 0.1}]),
    "diversity": wrong.either(wrong.one_of(2, -1, {"max": {"price": 1}}, {"max": {"brand": 0}}), wrong.word),
    "rotation": wrong.either(wrong.one_of(2, -1), wrong.word, wrong.array),
    "placement": wrong.either(wrong.long_text, lambda draw: f"{wrong.word(draw)}?", wrong.spoiled),
}
_MERGED: Mapping[str, Draw] = dict.fromkeys(("session_id", "from_user_id"), wrong.no_id)
_EVENT = {"event_id": "hostile", "type": "view", "user_id": "u", "item_id": "i"}
_EVENT_FIELDS: Mapping[str, Draw] = {
    **dict.fromkeys(("user_id", "session_id", "item_id", "order_id", "recommendation_id", "coupon_code"), wrong.no_id),
    "event_id": wrong.either(wrong.no_id, wrong.one_of(None)),
    "type": wrong.either(wrong.no_text, wrong.long_text, lambda draw: f"{wrong.word(draw)}?", wrong.one_of(None, "")),
    "time": wrong.no_recent_time,
    "quantity": wrong.either(
        *(wrong.flag, wrong.array, wrong.mapping, wrong.word, wrong.beyond),
        lambda draw: -draw.random(),
        lambda draw: 1e9 + draw.randint(1, 10**9),
        wrong.one_of(0, -0.0, 1e300),
    ),
    **dict.fromkeys(("amount", "list_amount"), wrong.no_money),
    "currency": wrong.no_currency,
    "source": wrong.either(wrong.no_text, wrong.long_text, lambda draw: f"{wrong.word(draw)}?"),
    "properties": wrong.either(
        wrong.no_object,
        lambda draw: {f"{wrong.word(draw)}?": 1},
        lambda draw: {"position": wrong.no_whole(draw)},
        lambda draw: {draw.choice(("url", "campaign", "device", "placement")): wrong.no_text(draw)},
        lambda draw: {"custom": wrong.no_object(draw)},
        lambda draw: {"custom": {wrong.word(draw): wrong.spoiled(draw)}},
        lambda draw: {"custom": {wrong.spoiled(draw): [1]}},
        lambda draw: {"custom": wrong.nested(draw, 300, 900)},
        lambda draw: {"custom": {wrong.word(draw): "x" * draw.randint(32_769, wrong.LARGE)}},
    ),
}
#: What a type cannot do without, or bounds: type, field, what is wrong there.
_EVENT_TYPES: tuple[tuple[str, str, Draw], ...] = (
    ("search", "properties", wrong.one_of(None, {}, {"query": None}, {"query": 3}, {"query": "a", "results": -1})),
    ("rating", "properties", lambda draw: {"value": draw.choice((None, "5", True, [], 1e7, -1e7, wrong.beyond(draw)))}),
    ("review", "properties", lambda draw: {"sentiment": draw.choice((1.01, -2, "good", True, wrong.beyond(draw)))}),
    ("review", "properties", lambda draw: {"aspects": draw.choice(([], {"a": "b"}, {"a": True}, {"\0": 1}, 3))}),
    ("survey", "properties", lambda draw: {"score": 3, "aspect": wrong.no_text(draw)}),
    ("delivered", "properties", lambda draw: {"promised_at": wrong.no_time(draw)}),
    ("delivered", "order_id", wrong.one_of(None, "")),
    ("coupon_redeem", "coupon_code", wrong.one_of(None, "")),
    ("purchase", "item_id", wrong.one_of(None, "")),
)


def _events() -> Iterator[Field]:
    right = frozenset({200})
    yield from _fields(_EVENT_FIELDS, partial(_event_with, _EVENT), right)
    for kind, name, draw in _EVENT_TYPES:
        base = _EVENT | {"type": kind} | ({"order_id": "o"} if kind == "delivered" else {})
        yield Field(draw, _event_with(base, name), frozenset({name}), right)
    unknown = Field(lambda draw: {f"{wrong.word(draw)}?": 1}, lambda value: {"events": [_EVENT | value]}, _ANY, right)
    yield unknown
    yield Field(wrong.no_object, lambda value: {"events": [value]}, frozenset(), right)
    yield Field(
        lambda draw: [_EVENT] * draw.randint(1_001, 9_000), lambda value: {"events": value}, frozenset({"events"})
    )


def _event_with(base: Mapping[str, Any], name: str) -> Callable[[Any], Any]:
    return lambda value: {"events": [{**base, name: value}]}


_ANY = frozenset({"*"})
_TEXTS = wrong.either(wrong.no_text, wrong.long_text)
_DOCUMENT_FIELDS: Mapping[str, Mapping[str, Draw]] = {
    "items": {
        **dict.fromkeys(("name", "brand", "url", "image_url", "description"), _TEXTS),
        "parent_id": wrong.no_id,
        **dict.fromkeys(("categories", "tags"), wrong.no_texts),
        **dict.fromkeys(("price", "list_price", "cost"), wrong.no_money),
        "stock": wrong.either(wrong.no_whole, wrong.one_of(1e300)),
        "currency": wrong.no_currency,
        "available": wrong.no_flag,
        **dict.fromkeys(("available_from", "available_until"), wrong.no_time),
        "attributes": wrong.no_attributes,
    },
    "users": {
        **dict.fromkeys(("region", "gender", "age_band"), _TEXTS),
        "zone": wrong.either(wrong.no_text, wrong.long_text, lambda draw: f"{wrong.word(draw)}/?"),
        "birthday": wrong.no_birthday,
        "attributes": wrong.no_attributes,
    },
}


def _documents(template: str, method: str) -> Iterator[Field]:
    kind = next((each for each in _DOCUMENT_FIELDS if template.startswith(f"/v1/{each}/")), None)
    if kind is None:
        return
    one, table = f"{kind[:-1]}_id", _DOCUMENT_FIELDS[kind]
    if not template.endswith("/bulk"):
        yield from _fields(table, _under)
        yield Field(lambda draw: f"{wrong.word(draw)}?", lambda value: {one: value}, frozenset({one}))
        return
    listed = frozenset({200})
    yield from _fields(table, lambda name: lambda value: {kind: [{one: "i1", name: value}]}, listed)
    yield Field(wrong.no_id, lambda value: {kind: [{one: value}]}, frozenset({one}), listed)
    yield Field(wrong.no_object, lambda value: {kind: [value]}, frozenset({one}), listed)
    yield Field(lambda draw: {f"{wrong.word(draw)}?": 1}, lambda value: {kind: [{one: "i1", **value}]}, _ANY, listed)
    yield Field(lambda draw: [{one: "i1"}] * draw.randint(1_001, 9_000), lambda value: {kind: value}, frozenset({kind}))
    yield Field(lambda draw: f"{wrong.word(draw)}?", lambda value: {kind: [], "mode": value}, frozenset({"mode"}))


def _large_text(draw: Random) -> str:
    return draw.choice("xyz") * draw.randint(40_000, wrong.LARGE)


def _segment(call: str) -> Iterator[Field]:
    """Clients are many and old: only who nobody is, and what cannot be stored, is refused."""
    right = frozenset({200})
    if call in ("batch", "import"):
        yield Field(wrong.no_object, lambda value: {"batch": [value]}, frozenset(), right)
        return
    nobody = wrong.either(wrong.mapping, lambda draw: {"event": wrong.word(draw), "userId": wrong.array(draw)})
    yield Field(nobody, lambda value: value, frozenset({"userId", "previousId"}), right)
    whose = wrong.either(wrong.spoiled, lambda draw: draw.choice("xyz") * draw.randint(513, 9_000))
    names = frozenset({"user_id", "userId", "from_user_id", "session_id", "previousId"})
    if call == "track":
        base = {"event": "Product Viewed", "messageId": "hostile", "properties": {"product_id": "i"}}
        yield Field(whose, lambda value: {**base, "userId": value}, names, right)
        # A call and a batch have lengths of their own, which no field is to blame for.
        yield Field(_large_text, lambda value: {**base, "userId": value}, frozenset(), right | {413})
        times = wrong.one_of("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2999-01-01T00:00:00Z")
        told = frozenset({"time", "timestamp"})
        yield Field(times, lambda value: {**base, "userId": "u", "timestamp": value}, told, right)
    elif call == "identify":
        yield Field(whose, lambda value: {"userId": value, "traits": {"gender": "f"}}, names, right)
    elif call == "alias":
        yield Field(whose, lambda value: {"userId": "u", "previousId": value}, names, right)
