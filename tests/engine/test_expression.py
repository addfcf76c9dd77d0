"""Conditions: what they mean, that text and JSON are the same, and where a mistake is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadInput
from engine.expression import DEEPEST, Comparison, Joined, Not, matches, parse_json, to_json
from engine.expression_text import parse, parse_text, to_text

FIELDS = {
    "name": "text",
    "price": "number",
    "tags": "texts",
    "available": "flag",
    "available_from": "time",
    "attributes.*": "any",
}
MILK = {
    "name": "Bio Milk",
    "price": 129,
    "tags": ["fresh", "new"],
    "available": True,
    "available_from": "2026-01-01T00:00:00+01:00",
    "attributes": {"fat": 3.5, "bio": True, "colour": "white", "box": {"size": 2}, "odd name": "x"},
}


@pytest.mark.parametrize(
    "text",
    [
        'name = "Bio Milk"',
        'name contains "milk" and price < 130',
        "price >= 129 and price <= 129 and price != 130",
        'tags has "new"',
        "available = true",
        'available_from < "2026-01-01T00:00:00Z"',
        "attributes.fat > 3 and attributes.bio = TRUE",
        "attributes.box.size = 2",
        '`attributes.odd name` = "x"',
        "attributes.none is null and not (price is null) and price is not null",
        'name in ("x", "Bio Milk") and name not in ("x")',
        'price > 500 or price < 200 and tags has "fresh"',
        'NOT price > 500 AND (price = 1 OR name contains "BIO")',
    ],
)
def test_what_is_true_of_the_milk(text):
    assert matches(parse(text, FIELDS), MILK)


@pytest.mark.parametrize(
    "text",
    [
        "attributes.none != 3",
        "attributes.none = 3",
        'attributes.fat = "3.5"',
        "attributes.bio = 1",
        "attributes.colour > 3",
        'tags has "old"',
        'not name contains "milk"',
        '(price = 129 or price = 1) and name = "x"',
        'attributes.colour < "2026-01-01T00:00:00Z"',
        'attributes.colour has "white"',
    ],
)
def test_what_is_false_of_the_milk(text):
    assert not matches(parse(text, FIELDS), MILK)


def test_and_binds_stronger_than_or():
    found = parse_text("price = 1 or price = 2 and price = 3", FIELDS)
    one, two, three = (Comparison("price", "=", number) for number in (1, 2, 3))
    assert found == Joined("any", (one, Joined("all", (two, three))))


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("price", 5),
        ("price <", 7),
        ("price < x", 8),
        ('price < "5"', 0),
        ("colour = 3", 0),
        ("price = 3 price = 4", 10),
        ("(price = 3", 10),
        ("price = 3)", 9),
        ("price in (1, )", 13),
        ("price in ()", 10),
        ("price = 3 and", 13),
        ('name = "a', 7),
        ("price # 3", 6),
        ("tags = 3", 0),
        ("and = 3", 0),
        ('name = "\\q"', 7),
        ("not " * 40 + "price = 3", 128),
        ("price not = 3", 10),
        ('name = "\\u0000"', 0),
        ("price = 3 and `attributes.\0` = 3", 14),
        ('available_from < "yesterday"', 0),
    ],
)
def test_a_mistake_is_told_with_its_place(text, position):
    with pytest.raises(BadInput) as refused:
        parse_text(text, FIELDS)
    assert (refused.value.field, refused.value.position) == ("filter", position), refused.value.message


def test_an_unknown_field_is_told_with_the_nearest():
    with pytest.raises(BadInput, match="did you mean price"):
        parse_text("prise = 3", FIELDS)


@pytest.mark.parametrize(
    "given",
    [
        None,
        3,
        [],
        {},
        {"all": []},
        {"all": 3},
        {"any": [3]},
        {"not": None},
        {"field": "price"},
        {"field": "price", "op": "=", "value": "x"},
        {"field": "price", "op": "=", "value": float("nan")},
        {"field": "price", "op": "in", "value": 3},
        {"field": "price", "op": "in", "value": []},
        {"field": 3, "op": "=", "value": 3},
        {"field": "name", "op": "=", "value": "a\0"},
        {"field": "name", "op": "in", "value": ["a", "\ud800"]},
        {"field": "attributes.\udfff", "op": "=", "value": 3},
        {"field": "name", "op": "is null", "value": "\0"},
        {"field": "price", "op": ["="], "value": 3},
        {"field": "price", "op": "=", "value": 3, "more": 1},
        {"all": [{"field": "price", "op": "=", "value": 1}] * 501},
    ],
)
def test_json_that_is_no_condition_is_refused(given):
    with pytest.raises(BadInput):
        parse_json(given, FIELDS)


def test_a_long_text_and_a_deep_tree_are_refused():
    with pytest.raises(BadInput):
        parse_text("price = 1 and " * 2_000 + "price = 1", FIELDS)
    deep = {"field": "price", "op": "=", "value": 1}
    for _ in range(40):
        deep = {"not": deep}
    with pytest.raises(BadInput):
        parse_json(deep, FIELDS)


def test_the_deepest_tree_can_be_written_and_read():
    tree = Comparison("price", "=", 1)
    for _ in range(DEEPEST - 1):
        tree = Not(tree)
    assert parse_text(to_text(tree), FIELDS) == tree == parse_json(to_json(tree), FIELDS)


def _terms():
    texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
    numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False, width=32)
    return st.one_of(
        st.builds(Comparison, st.just("name"), st.sampled_from(["=", "!=", "contains"]), texts),
        st.builds(Comparison, st.just("name"), st.just("in"), st.lists(texts, min_size=1, max_size=3)),
        st.builds(Comparison, st.just("price"), st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), numbers),
        st.builds(Comparison, st.just("tags"), st.just("has"), texts),
        st.builds(
            Comparison, st.sampled_from(["price", "attributes.in", "attributes.a b"]), st.just("is null"), st.none()
        ),
        st.builds(Comparison, st.just("available"), st.just("="), st.booleans()),
    )


def _trees():
    return st.recursive(
        _terms(),
        lambda inner: st.one_of(
            st.builds(Not, inner),
            st.builds(
                lambda how, parts: Joined(how, tuple(parts)),
                st.sampled_from(["all", "any"]),
                st.lists(inner, min_size=2, max_size=3),
            ),
        ),
        max_leaves=8,
    )


@given(_trees())
def test_text_and_json_are_the_same_tree(tree):
    assert parse_json(to_json(tree), FIELDS) == tree
    assert parse_text(to_text(tree), FIELDS) == tree
    assert matches(parse_text(to_text(tree), FIELDS), MILK) == matches(tree, MILK)
