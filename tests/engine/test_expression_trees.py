"""Random trees: they say the same of columns as of documents, and are the same again in text and in JSON."""

from __future__ import annotations

import json
import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import BadInput
from engine.expression_forms import parse, to_json, to_text
from engine.expression_kinds import kind_of_field
from engine.expression_row import matches
from engine.item_table import Changes
from engine.recommend.rules import Scope, bound, holds
from engine.recommend.wishes import FIELDS
from engine.shop_documents import CONDITION_FIELDS

NOW = 1_775_000_000.0
#: What both uses have: a list's item and a document. Whether an item is sold is not what the shop said of it once.
ITEM = {name: kind for name, kind in CONDITION_FIELDS["items"].items() if name in FIELDS and name != "available"}
SCOPE = Scope(
    NOW,
    {"price": 110.0, "brand": "A", "categories": ("Milk", "Dairy"), "attributes.colour": "red"},
    {"region": "north", "orders": 3, "attributes.likes": ("red", "blue"), "attributes.vip": True},
)
WORDS = ("A", "b", "Milk", "Dairy", "red", "blue", "north", "1", "ÄÖ", "2026-01-01T00:00:00Z")
NUMBERS = (-2, -1, 0, 1, 2, 3, 100, 110, 120, 0.5, 1.5, 1e9)
TIMES = ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-03-31T23:13:20+00:00")

words = st.sampled_from(WORDS)
times = st.sampled_from(TIMES)
numbers = st.sampled_from(NUMBERS)


def _documents(n):
    """Items with every sort of value, and without."""
    chance = random.Random(7)

    def some():
        return chance.sample(WORDS, chance.randint(1, 2))

    def attribute():
        return chance.choice([chance.choice(WORDS), chance.choice(NUMBERS), chance.random() < 0.5, some()])

    def document():
        whole = {
            "name": chance.choice(WORDS),
            "brand": chance.choice(WORDS),
            "categories": some(),
            "tags": some(),
            "price": chance.choice([0, 1, 100, 110, 120]),
            "list_price": chance.choice([0, 1, 100, 120]),
            "cost": chance.choice([0, 1, 50]),
            "stock": chance.choice([0, 1, 3]),
            "available_from": chance.choice(TIMES),
            "available_until": chance.choice(TIMES),
            "attributes": {"colour": attribute(), "size": attribute(), "box": {"in": attribute()}},
        }
        told = {name: value for name, value in whole.items() if chance.random() < 0.8}
        return {"item_id": chance.choice(WORDS), **told}

    return [document() for _ in range(n)]


DOCUMENTS = _documents(60)
SOME = np.array([7, 3, 59, 0, 21, 22], np.int32)
TABLE = Changes(
    np.arange(len(DOCUMENTS), dtype=np.int32),
    DOCUMENTS,
    np.ones(len(DOCUMENTS), bool),
    np.zeros(len(DOCUMENTS), np.float32),
    int(NOW),
).table
OWN = [*ITEM, "attributes.colour", "attributes.size", "attributes.box.in"]
OWN.remove("attributes.*")
OTHERS = ["context.price", "context.brand", "context.attributes.colour", "context.cost", "user.orders", "user.region"]
OTHERS += ["user.attributes.vip", "user.attributes.likes", "now()"]
calls = st.sampled_from(["days(3)", "hours(0.1)", "minutes(7)", "days(-1)"])
PLAIN = {
    "text": words.map(json.dumps),
    "number": numbers.map(json.dumps),
    "flag": st.sampled_from(["true", "false"]),
    "time": times.map(json.dumps),
    "span": calls,
    "texts": st.nothing(),
    "any": st.nothing(),
}


def _of_kind(names, kinds):
    """Names and values that may stand beside each other."""
    fitting = [each for each in names if kind_of_field(each, FIELDS) in kinds]
    return st.one_of(st.sampled_from(fitting) if fitting else st.nothing(), *(PLAIN[each] for each in kinds))


def _computed(value, names):
    number = st.sampled_from([each for each in names if kind_of_field(each, FIELDS) in ("number", "any")])
    return st.recursive(
        value,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from("+-*/"), inner).map(" ".join),
            inner.map("-{}".format),
            inner.map("({})".format),
            st.tuples(number, numbers, inner, inner).map(lambda of: "(if {} > {} then {} else {})".format(*of)),
        ),
        max_leaves=4,
    )


def _pairs(names):
    """What is held against each other: of kinds that go together, and sometimes whatever there is."""
    sides = [_of_kind(names, kinds) for kinds in (("text", "any"), ("flag", "any"), ("time", "any"), tuple(PLAIN))]
    reckoned = [_computed(_of_kind(names, kinds), names) for kinds in (("number", "any"), ("time", "span"), ("span",))]
    return st.one_of(*(st.tuples(each, each, each) for each in (*sides, *reckoned, *reckoned)))


def _texts(names):
    """Texts of the grammar; what is put together so that it means nothing is left out."""
    name, three = st.sampled_from(names), _pairs(names)
    values = st.lists(st.one_of(words, numbers, st.booleans()).map(json.dumps), min_size=1, max_size=3)
    term = st.one_of(
        st.tuples(three, st.sampled_from(["=", "!=", "<", "<=", ">", ">="])).map("{0[0][0]} {0[1]} {0[0][1]}".format),
        st.tuples(name, st.sampled_from(["has", "contains", "not has"]), words.map(json.dumps)).map(" ".join),
        st.tuples(name, st.sampled_from(["in", "not in"]), values.map(", ".join)).map("{0[0]} {0[1]} ({0[2]})".format),
        st.tuples(three, st.sampled_from(["is null", "is not null"])).map("{0[0][0]} {0[1]}".format),
        three.map("{0[0]} between {0[1]} and {0[2]}".format),
        st.tuples(name, st.sampled_from(["context.categories"])).map(" in ".join),
    )
    return st.recursive(
        term,
        lambda inner: st.one_of(
            inner.map("not {}".format),
            inner.map("({})".format),
            st.lists(inner, min_size=2, max_size=3).map(" and ".join),
            st.lists(inner, min_size=2, max_size=3).map(" or ".join),
            st.tuples(inner, inner).map("({0[0]}) = ({0[1]})".format),
        ),
        max_leaves=5,
    )


def _read(text, fields):
    try:
        return parse(text, fields)
    except BadInput:
        return None


def _trees(names, fields):
    return _texts(names).map(lambda text: _read(text, fields)).filter(lambda tree: tree is not None)


@settings(max_examples=400)
@given(_trees([*OWN, *OTHERS], FIELDS))
def test_a_tree_says_the_same_of_columns_and_of_documents(tree):
    asked = bound(tree, SCOPE)
    one_by_one = [matches(asked, each) for each in DOCUMENTS]
    assert holds(asked, TABLE).tolist() == one_by_one, to_text(tree)
    assert holds(asked, TABLE, SOME).tolist() == [one_by_one[row] for row in SOME], to_text(tree)


@settings(max_examples=400)
@given(_trees([*OWN, *OTHERS], FIELDS))
def test_a_tree_is_the_same_again_in_text_and_json(tree):
    assert parse(to_text(tree), FIELDS) == tree
    assert parse(json.loads(json.dumps(to_json(tree))), FIELDS) == tree
