"""Conditions: what they mean, that text and JSON are the same, and where a mistake is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadInput
from engine.expression import DEEPEST, Asked, Joined, Not
from engine.expression_forms import parse, to_json, to_text
from engine.expression_kinds import checked, refuser
from engine.expression_row import matches

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
    "attributes": {
        "fat": 3.5,
        "bio": True,
        "colour": "white",
        "box": {"size": 2},
        "odd name": "x",
        "since": "2025-12-31T23:59:59Z",
    },
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
        "available",
        "(" * 31 + "price not in (1)" + ")" * 31,
        "price between 100 and attributes.fat * 40 and price not between 1 and 2",
        "price * 2 - 1 > 250 and -price < 0",
        "price / (attributes.fat - 3.5) is null and not price / (attributes.fat - 3.5) = 1",
        "(if attributes.bio = true then price else 0) = 129",
        'tags in ("old", "new") and attributes.colour in ("white", 3)',
        'available_from = "2025-12-31T23:00:00Z" and available_from - days(1) < "2025-12-31T00:00:00Z"',
        'attributes.since < "2026-01-01T00:00:00Z" and not attributes.colour < "white"',
        "attributes.fat * 2 = 7 and (price > 1) = available",
        "not attributes.colour + 1 = 1 and price not = 130",
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
        "attributes.bio + 1 = 2",
        'attributes.colour in (1, true, "red")',
        "1e307 * price * 10 > 1",
        "attributes.bio > 0",
        "attributes.none - 1 < 5",
    ],
)
def test_what_is_false_of_the_milk(text):
    assert not matches(parse(text, FIELDS), MILK)


def test_and_binds_stronger_than_or():
    found = parse("price = 1 or price = 2 and price = 3", FIELDS)
    one, two, three = (comparison("price", "=", number) for number in (1, 2, 3))
    assert found == Joined("any", (one, Joined("all", (two, three))))


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("price", 0),
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
        ("price not 3", 10),
        ('name = "\\u0000"', 7),
        ("price = 3 and `attributes.\0` = 3", 14),
        ('available_from < "yesterday"', 0),
    ],
)
def test_a_mistake_is_told_with_its_place(text, position):
    with pytest.raises(BadInput) as refused:
        parse(text, FIELDS)
    assert (refused.value.field, refused.value.position) == ("filter", position), refused.value.message


@pytest.mark.parametrize(
    ("text", "position", "told"),
    [
        ("price < context.price", 8, "only be asked in wishes of a list"),
        ('price < 5 and user.region = "north"', 14, "only be asked in wishes of a list"),
        ("available_from < now()", 17, "only be asked in wishes of a list"),
        ("price + 1", 0, "must be a condition, and is number"),
        ("price * 2 > name", 0, "compares number with text"),
        ("price / 0 > 1", 6, "divides by zero"),
        ("name = attributes.colour", 0, "two texts of the same item"),
        ("name < attributes.colour", 0, "compares numbers, times"),
        ("tags in (1)", 0, "in needs a list of texts"),
        ("price in price", 0, "in needs a list in brackets"),
        ("not " * 31 + "price not in (1)", None, "at most 500 terms, 32 deep"),
    ],
)
def test_a_use_that_has_no_request_refuses_what_asks_for_one(text, position, told):
    with pytest.raises(BadInput, match=re.escape(told)) as refused:
        parse(text, FIELDS, word="scope")
    assert (refused.value.field, refused.value.position) == ("scope", position)


def test_computations_in_each_other_have_a_limit_that_can_be_walked():
    def nested(steps):
        text = "price"
        for _ in range(steps):
            text = f"({text}{' + 1' * 24})"
        return f"{text} > 3"

    tree = parse(nested(7), FIELDS)
    assert matches(tree, MILK)
    assert parse(to_text(tree), FIELDS) == tree == parse(to_json(tree), FIELDS)
    with pytest.raises(BadInput, match="at most 192 computations in each other"):
        parse(nested(10), FIELDS)


def test_long_sums_are_written_with_the_brackets_that_reading_asks_for():
    text = f"(({' + '.join(['price'] * 32)}) - {' - '.join(['price'] * 30)}) * 2 > -(price - 1) * -price"
    tree = parse(text, FIELDS)
    assert parse(to_text(tree), FIELDS) == tree
    assert to_text(parse("2 - (price - 3) > (price + 1) * -(2 * price)", FIELDS)) == (
        "2 - (price - 3) > (price + 1) * -(2 * price)"
    )


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"formula": "price * 2 > 100"}, "price * 2 > 100"),
        ({"not": {"formula": "available"}}, "not available"),
        ({"field": "price", "op": ">=", "value": {"formula": "attributes.fat * 2"}}, "price >= attributes.fat * 2"),
        (
            {"field": "available_from", "op": "<", "value": "2026-01-01T00:00:00Z"},
            'available_from < "2026-01-01T00:00:00Z"',
        ),
    ],
)
def test_json_may_hold_a_text_where_it_has_no_other_form(given, text):
    assert to_text(parse(given, FIELDS)) == text
    assert to_json(parse(text, FIELDS)) == given


def test_an_unknown_field_is_told_with_the_nearest():
    with pytest.raises(BadInput, match="did you mean price"):
        parse("prise = 3", FIELDS)


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
        {"formula": "price"},
        {"formula": 3},
        {"formula": "price > 1", "op": "="},
        {"field": "price", "op": "=", "value": {"formula": 3}},
        {"field": "price", "op": "is null", "value": {"formula": "1"}},
        {"field": "price", "op": "in", "value": {"formula": "price"}},
        {"field": "price", "op": "<", "value": {"formula": "now()"}},
        {"field": "price", "op": None, "value": 3},
    ],
)
def test_json_that_is_no_condition_is_refused(given):
    with pytest.raises(BadInput):
        parse(given, FIELDS)


def test_a_long_text_and_a_deep_tree_are_refused():
    with pytest.raises(BadInput):
        parse("price = 1 and " * 2_000 + "price = 1", FIELDS)
    deep = {"field": "price", "op": "=", "value": 1}
    for _ in range(40):
        deep = {"not": deep}
    with pytest.raises(BadInput):
        parse(deep, FIELDS)


def test_the_deepest_tree_can_be_written_and_read():
    tree = comparison("price", "=", 1)
    for _ in range(DEEPEST - 1):
        tree = Not(tree)
    assert parse(to_text(tree), FIELDS) == tree == parse(to_json(tree), FIELDS)


def comparison(field, op, value):
    return checked(Asked(field, op, value), FIELDS, refuser("filter"))


def _terms():
    texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
    numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False, width=32)
    return st.one_of(
        st.builds(comparison, st.just("name"), st.sampled_from(["=", "!=", "contains"]), texts),
        st.builds(comparison, st.just("name"), st.just("in"), st.lists(texts, min_size=1, max_size=3)),
        st.builds(comparison, st.just("price"), st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), numbers),
        st.builds(comparison, st.just("tags"), st.just("has"), texts),
        st.builds(
            comparison, st.sampled_from(["price", "attributes.in", "attributes.a b"]), st.just("is null"), st.none()
        ),
        st.builds(comparison, st.just("available"), st.just("="), st.booleans()),
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
    assert parse(to_json(tree), FIELDS) == tree
    assert parse(to_text(tree), FIELDS) == tree
    assert matches(parse(to_text(tree), FIELDS), MILK) == matches(tree, MILK)
