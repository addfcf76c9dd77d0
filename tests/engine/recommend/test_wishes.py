"""Wishes: what they mean is tested in test_rules; here, what is read of filters and boosts and what is refused."""

from __future__ import annotations

import pytest

from engine.errors import BadInput
from engine.expression import DEEPEST, LONGEST_TEXT, is_fixed, names_in
from engine.recommend.wishes import parse_condition, parse_number


@pytest.mark.parametrize(
    ("text", "position", "told"),
    [
        ("price / 0 > 1", 6, "divides by zero"),
        ("stock < 5 and prise > 1", 14, "did you mean price?"),
        ('price > "much"', 0, "compares number with text"),
        ("name > 3", 0, "compares text with number"),
        ('brand < "b"', 0, "compares numbers"),
        ("price + name > 3", 0, "number + text means nothing"),
        ("price", 0, "must be a condition"),
        ("price and available", 0, "expected a condition"),
        ("not price", 0, "expected a condition"),
        ("price > 1 price", 10, "expected and, or, or the end"),
        ("brand = name", 0, "two texts of the same item"),
        ("context.prize > 1", 0, "did you mean context.price?"),
        ("user.price > 1", 0, "there is no field 'user.price'"),
        ("attributes. = 1", 0, "there is no field"),
        ('categories = "Milk"', 0, "compares texts with text"),
        ("price has 3", 0, "has asks a field of texts"),
        ("price in (1, true)", 0, "in needs a list of numbers"),
        ("price in ()", 10, "expected a text in quotes"),
        ('available_from > "yesterday"', 0, "needs a time with its zone"),
        ("foo() = 1", 0, "there is no function"),
        ("days(price) > days(1)", 5, "expected a text in quotes"),
        ("now() = 3", 0, "compares time with number"),
        ("1e999 > price", 0, "needs a text, a number"),
        ("", 0, "expected a field or a value"),
        ("price > §", 8, "cannot read"),
        ("(" * 40 + "price > 1" + ")" * 40, 32, "32 deep"),
        ("not " * 40 + "price > 1", 128, "32 deep"),
        ("1" + "+1" * 40 + " = price", 63, "at most 32 values"),
        ("if available then 1 else 2 = 1", 0, "then and else must both be numbers"),
    ],
)
def test_what_means_nothing_is_refused_with_its_place(text, position, told):
    with pytest.raises(BadInput) as refused:
        parse_condition(text)
    assert (refused.value.field, refused.value.position) == ("filter", position)
    assert told in refused.value.message


def test_what_is_too_long_is_refused():
    for text in ("x" * (LONGEST_TEXT + 1), "price = 1 or " * 600 + "price = 1"):
        with pytest.raises(BadInput):
            parse_condition(text)


@pytest.mark.parametrize(
    "given",
    [
        3,
        [],
        {},
        {"all": []},
        {"field": "prise", "op": "=", "value": 1},
        {"field": "price", "op": "~", "value": 1},
        {"field": "price", "op": "=", "value": "1"},
        {"field": "price", "op": "in", "value": []},
        {"field": "price", "op": "=", "value": None},
        {"field": "price", "op": "<", "value": {"formula": "price / 0"}},
        {"field": "name", "op": "=", "value": "a\0"},
    ],
)
def test_json_that_means_nothing_is_refused_by_name(given):
    with pytest.raises(BadInput) as refused:
        parse_condition(given, "hide")
    assert refused.value.field == "hide"


def test_json_too_deep_is_refused():
    deep = {"field": "price", "op": "=", "value": 1}
    for _ in range(DEEPEST):
        deep = {"not": deep}
    with pytest.raises(BadInput):
        parse_condition(deep)


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("price < 5", {"field": "price", "op": "<", "value": 5}),
        ('brand in ("A", "B")', {"field": "brand", "op": "in", "value": ["A", "B"]}),
        ("price < context.price * 2", {"field": "price", "op": "<", "value": {"formula": "context.price * 2"}}),
        (
            "not (cost is null or available = true)",
            {"not": {"any": [{"field": "cost", "op": "is null"}, {"field": "available", "op": "=", "value": True}]}},
        ),
    ],
)
def test_text_and_json_are_one_language(text, given):
    assert parse_condition(text) == parse_condition(given)


def test_a_formula_knows_whose_fields_it_asks_and_whether_it_says_the_same_to_all():
    assert names_in(parse_condition("price < context.price and user.region = brand")) == {
        ("item", "price"),
        ("item", "brand"),
        ("context", "price"),
        ("user", "region"),
    }
    assert is_fixed(parse_condition("price < 3 or brand is null"))
    assert not is_fixed(parse_condition("available_from < now()"))
    assert not is_fixed(parse_number("if context.price > price then 2 else 1"))


def test_a_number_may_be_a_condition_no_text():
    with pytest.raises(BadInput):
        parse_number("brand")
    with pytest.raises(BadInput):
        parse_number("available")
    assert parse_number("-price * -2 + 1 / 3")
