"""A small random shop for rules: people, random rules in JSON, and the tables that SQL reads."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from engine.targeting.segment_one import Happening, Person, Thing
from engine.targeting.segments import Words

NOW = datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)
WORDS = Words(
    {"recency_days": "number", "region": "text", "tier": "text", "tags": "texts", "vip": "flag", "joined": "time"},
    {"churn": "number", "buys": "number"},
)
TYPES = ("purchase", "view", "cart_add", "rating")
REGIONS = ("Hubei", "Zürich", "ÉVRY", "İzmir", "ΟΔΟΣ", "it's", "")
PLAIN = ("=", "!=", "<", "<=", ">", ">=")
WINDOWS = ("PT1M", "PT12H", "P1D", "P7D", "P30D", "P90D", "P1DT12H", "P2W")
MOMENTS = [NOW - timedelta(days=each) for each in (0, 1, 7, 30, 90)]  # on the edges of the windows
THINGS = [
    Thing("i0", ["FOOD", "PASTRY"], "Acme", ["new"], 250),
    Thing("i1", ["FOOD", "MILK"], None, ["new", "bio"], 120),
    Thing("i2", ["TOYS"], "Bolt", [], None),
    Thing("i3", None, "Acme", None, 990),
    Thing("i4", [], "it's", ["bio"], 0),
]
PROPERTIES = [
    {},
    {"stars": 5, "ok": True},
    {"stars": 4.5, "topic": "late", "box": {"size": 2}},
    {"stars": "5", "topic": None, "box.size": 3},
    {"stars": 5.0, "topic": "Spät\n", "list": ["a", 1, "é"], "ok": False},
    {"stars": 1, "box": {"size": "2"}, "list": "a", "topic": {"x": 1}},
]


def some_person(random, number):
    def maybe(value):
        return None if random.random() < 0.2 else value

    traits = {
        "recency_days": maybe(random.choice((0, 3, 30, 30.5))),
        "region": maybe(random.choice(REGIONS)),
        "tier": maybe(random.choice(("gold", "silver"))),
        "tags": maybe(random.sample(("a", "b", "c"), random.randint(0, 3))),
        "vip": maybe(random.random() < 0.5),
        "joined": maybe(random.choice(MOMENTS)),
    }
    return Person(
        f"u{number}",
        traits if random.random() < 0.8 else {},
        {name: maybe(random.choice((0.1, 0.5, 0.7, 1.0))) for name in ("churn", "buys") if random.random() < 0.7},
        {each for each in ("s1", "s2") if random.random() < 0.4},
        [some_happening(random, maybe) for _ in range(random.choice((0, 1, 5, 12, 25)))],
    )


def some_happening(random, maybe):
    ago = timedelta(days=random.expovariate(1 / 20)) if random.random() < 0.7 else timedelta()
    time = random.choice(MOMENTS) if not ago else NOW - ago
    if random.random() < 0.05:
        time = NOW + timedelta(days=1)
    return Happening(
        random.choice(TYPES),
        time,
        maybe(random.choice(THINGS)),
        maybe(random.choice((1.0, 2.0, 0.1, 0.25))),
        maybe(random.choice((0, 100, 250, 9_999))),
        maybe(random.choice((100, 300))),
        *(maybe(random.choice(each)) for each in (("o1", "o2", "o3"), ("x", "y"), ("paid", "direct"), ("C1", "C2"))),
        random.choice(PROPERTIES),
    )


def some_rule(random, depth=3):
    if depth and random.random() < 0.6:
        how = random.choice(("all", "any", "not"))
        if how == "not":
            return {"not": some_rule(random, depth - 1)}
        return {how: [some_rule(random, depth - 1) for _ in range(random.randint(2, 3))]}
    leaf = random.choice((*[some_event] * 5, some_sequence, some_sequence, some_trait, some_trait, some_other))
    return leaf(random)


def some_trait(random):
    name, op, value = random.choice(
        (
            ("recency_days", random.choice(PLAIN), random.choice((3, 30, 30.5))),
            ("recency_days", "in", [3, 30.5]),
            ("region", random.choice(("=", "!=", "contains")), random.choice(REGIONS)),
            ("region", "contains", random.choice(("é", "IZ", "σ", "'"))),
            ("tier", "in", ["gold", "none"]),
            ("tier", "is null", None),
            ("tags", "has", random.choice("abc")),
            ("vip", random.choice(("=", "!=")), random.choice((True, False))),
            ("joined", random.choice(PLAIN), random.choice(MOMENTS).isoformat()),
        )
    )
    return {"trait": name, "op": op, **({} if op == "is null" else {"value": value})}


def some_other(random):
    return random.choice(
        (
            {"segment": random.choice(("s1", "s2", "none"))},
            {"prediction": "churn", "op": random.choice(PLAIN), "value": random.choice((0.5, 0.7))},
            {"prediction": "buys", "op": "is null"},
            {"bucket": {"salt": random.choice("xyz'"), "from": random.choice((0, 0.2)), "to": random.uniform(0.3, 1)}},
        )
        if random.random() < 0.9
        else ({"bucket": {"salt": "all", "from": 0, "to": 1}},)
    )


def some_where(random, depth=2):
    if depth and random.random() < 0.4:
        how = random.choice(("all", "any", "not"))
        inner = [some_where(random, depth - 1) for _ in range(2)]
        return {"not": inner[0]} if how == "not" else {how: inner}
    name, op, value = random.choice(
        (
            ("category", random.choice(("=", "!=")), random.choice(("FOOD", "PASTRY", "TOYS"))),
            ("category", "in", ["MILK", "TOYS"]),
            (random.choice(("category", "brand", "amount", "tags", "properties.topic", "item_id")), "is null", None),
            ("brand", random.choice(("=", "!=", "contains")), random.choice(("Acme", "it's", "acme"))),
            ("tags", "has", "bio"),
            ("price", random.choice(PLAIN), random.choice((120, 250, 200.5))),
            ("amount", random.choice(PLAIN), random.choice((100, 250))),
            ("quantity", random.choice(PLAIN), random.choice((1, 0.25))),
            ("source", "in", ["paid", "organic"]),
            ("properties.stars", random.choice(PLAIN), random.choice((5, 4.5))),
            ("properties.stars", random.choice(("=", "!=")), "5"),
            ("properties.stars", "in", [5, "5", 1]),
            ("properties.topic", random.choice(("=", "contains")), random.choice(("late", "Spät\n", "SPÄ"))),
            ("properties.box.size", random.choice(PLAIN), random.choice((2, 3))),
            ("properties.list", "has", random.choice(("a", "é", "1"))),
            ("properties.ok", random.choice(("=", "!=")), True),
        )
    )
    return {"field": name, "op": op, **({} if op == "is null" else {"value": value})}


def some_events(random, windowed=True):
    found = {"type": random.choice(TYPES)}
    if random.random() < 0.5:
        found["where"] = some_where(random)
    span = random.random()
    if windowed and span < 0.6:
        found["within"] = random.choice(WINDOWS)
    elif windowed and span < 0.8:
        times = sorted(random.sample(MOMENTS, 2))
        found |= {"since": times[0].isoformat(), "until": times[1].isoformat()}
    return found


def some_event(random):
    found = some_events(random)
    if random.random() < 0.1:
        return {"event": {**found, "first": True, **({} if {"within", "since"} & found.keys() else {"within": "P30D"})}}
    measure, of, op, value = random.choice(
        (
            ("count", None, random.choice(PLAIN), random.choice((0, 1, 2, 2.5))),
            ("sum", "amount", random.choice(PLAIN), random.choice((0, 250, 350.5, 10_099))),
            ("sum", "quantity", random.choice(PLAIN), random.choice((0.3, 1, 2.25))),
            ("sum", "properties.stars", random.choice(PLAIN), random.choice((5, 9.5))),
            ("avg", random.choice(("amount", "price")), random.choice(PLAIN), random.choice((100, 175, 250.5))),
            ("avg", random.choice(("quantity", "properties.stars")), random.choice(PLAIN), random.choice((1, 4.75))),
            (random.choice(("min", "max")), "list_amount", random.choice(PLAIN), random.choice((100, 300))),
            (random.choice(("min", "max")), "properties.stars", random.choice(PLAIN), random.choice((5, 4.5))),
            ("last", "amount", random.choice(PLAIN), 100),
            ("last", random.choice(("source", "brand")), random.choice(("=", "!=")), random.choice(("paid", "Acme"))),
            ("last", "properties.stars", "=", random.choice((5, "5"))),
            ("last", "properties.ok", random.choice(("=", "!=")), random.choice((True, False))),
            (
                "distinct",
                random.choice(("order_id", "item_id", "brand")),
                random.choice(PLAIN),
                random.choice((0, 1, 2)),
            ),
            ("distinct", random.choice(("properties.stars", "amount")), random.choice(PLAIN), random.choice((1, 2))),
            ("days_since", None, random.choice(PLAIN[2:]), random.choice((0, 1, 7, 30))),
        )
    )
    return {"event": {**found, "measure": measure, **({"of": of} if of else {}), "op": op, "value": value}}


def some_sequence(random):
    found = {"did": some_events(random), "then": some_events(random, windowed=False), "absent": random.random() < 0.5}
    if random.random() < 0.7:
        found["within"] = random.choice(WINDOWS)
    return {"sequence": found}


def lay_out(sql, people):
    """Make the tables of these people."""
    numbers = {each.user_id: number for number, each in enumerate(people)}
    items = {each.item_id: number for number, each in enumerate(THINGS)}
    happenings = sorted(
        ((each.time, who.user_id, each) for who in people for each in who.happenings), key=lambda x: x[0]
    )
    moment, words = pa.timestamp("us", tz="UTC"), pa.list_(pa.string())
    users = pa.array(numbers.values(), pa.uint32())
    make(sql, "people", {"person": users, "user_id": pa.array(list(numbers), pa.string())})
    columns = {
        "person": pa.array([numbers[who] for _, who, _ in happenings], pa.uint32()),
        "type": pa.array([each.type for *_, each in happenings], pa.string()),
        "time": pa.array([time for time, *_ in happenings], moment),
        "item": pa.array([items[each.item.item_id] if each.item else None for *_, each in happenings], pa.uint32()),
        "properties": pa.array([json.dumps(each.properties) if each.properties else None for *_, each in happenings]),
    }
    kinds = {"quantity": pa.float64(), "amount": pa.int64(), "list_amount": pa.int64()}
    for name in ("quantity", "amount", "list_amount", "order_id", "session_id", "source", "coupon_code"):
        columns[name] = pa.array([getattr(each, name) for *_, each in happenings], kinds.get(name, pa.string()))
    for name in ("order", "session"):
        numbered = [None if each is None else zlib.crc32(each.encode()) for each in columns[f"{name}_id"].to_pylist()]
        columns[f"{name}_number"] = pa.array(numbered, pa.uint64())
    make(sql, "happenings", columns)
    things = {
        "item": pa.array(items.values(), pa.uint32()),
        "item_id": pa.array(list(items), pa.string()),
        "categories": pa.array([each.category for each in THINGS], words),
        "brand": pa.array([each.brand for each in THINGS], pa.string()),
        "tags": pa.array([each.tags for each in THINGS], words),
        "price": pa.array([each.price for each in THINGS], pa.int64()),
    }
    make(sql, "things", things)
    known = [each for each in people if each.traits]
    kinds = {"number": pa.float64(), "text": pa.string(), "texts": words, "flag": pa.bool_(), "time": moment}
    traits = {name: pa.array([who.traits[name] for who in known], kinds[k]) for name, k in WORDS.traits.items()}
    make(sql, "traits", {"person": pa.array([numbers[each.user_id] for each in known], pa.uint32()), **traits})
    scores = [(numbers[who.user_id], name, score) for who in people for name, score in who.predictions.items()]
    make(
        sql,
        "predictions",
        columns_of(scores, (("person", pa.uint32()), ("name", pa.string()), ("score", pa.float64()))),
    )
    members = [(each, numbers[who.user_id]) for who in people for each in who.memberships]
    make(sql, "memberships", columns_of(members, (("segment", pa.string()), ("person", pa.uint32()))))


def columns_of(rows, schema):
    return {name: pa.array([row[at] for row in rows], kind) for at, (name, kind) in enumerate(schema)}


def make(sql, name, columns):
    sql.register("arriving", pa.table(columns))
    sql.execute(f"CREATE TABLE {name} AS FROM arriving")
    sql.unregister("arriving")
