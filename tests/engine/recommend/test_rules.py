"""What formulas mean, on the toy shop; and that the catalogue's column and the row by row way agree."""

from __future__ import annotations

import numpy as np
import pytest

from engine.learned import Neighbours
from engine.newcomers import with_newcomers
from engine.overlay import overlaid
from engine.recommend.allowed import Allowed, factors_of
from engine.recommend.item_values import current_values
from engine.recommend.rules import Scope, holds
from engine.recommend.wishes import parse_condition, parse_number
from tests.bundles import AS_OF, toy_bundle

N_ITEMS = 80
ALL = np.arange(N_ITEMS, dtype=np.int32)
SCOPE = Scope(
    float(AS_OF),
    {"price": 110, "brand": "brand 1", "categories": ("taste 1", "everything")},
    {"region": "north", "attributes.likes": "red"},
)
COLOURS = [None if row % 7 == 0 else ("red", "green", "blue")[row % 3] for row in range(N_ITEMS)]


def nobody_near(n):
    return Neighbours(np.zeros(n + 1, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32))


@pytest.fixture(scope="module")
def bundle():
    return toy_bundle(n_items=N_ITEMS)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("price < 104", lambda row: row < 4),
        ("price between 104 and context.price", lambda row: 4 <= row <= 10),
        ("price in (100, 102, 999)", lambda row: row in (0, 2)),
        ("price not in (100, 102)", lambda row: row not in (0, 2)),
        ('categories has "taste 1"', lambda row: row % 4 == 1),
        ('categories has "everything"', lambda row: True),
        ('category = "taste 1"', lambda row: row % 4 == 1),
        ('category = "everything"', lambda row: False),
        ('categories in ("taste 1", "taste 2")', lambda row: row % 4 in (1, 2)),
        ("category in context.categories", lambda row: row % 4 == 1),
        ("brand = context.brand", lambda row: row % 4 == 1),
        ("context.brand = brand", lambda row: row % 4 == 1),
        ("brand != context.brand", lambda row: row % 4 != 1),
        ('attributes.colour = "red"', lambda row: COLOURS[row] == "red"),
        ('attributes.colour != "red"', lambda row: COLOURS[row] in ("green", "blue")),
        ('not attributes.colour = "red"', lambda row: COLOURS[row] != "red"),
        ("attributes.colour = user.attributes.likes", lambda row: COLOURS[row] == "red"),
        ('attributes.colour contains "E"', lambda row: COLOURS[row] is not None),
        ("attributes.colour is null", lambda row: COLOURS[row] is None),
        ("attributes.colour = 3", lambda row: False),
        ("attributes.size > 8", lambda row: row % 10 == 9),
        ("attributes.size * 2 + 1 = 5", lambda row: row % 10 == 2),
        ("attributes.size in (1, 2)", lambda row: row % 10 in (1, 2)),
        ("attributes.bio = true", lambda row: row % 2 == 0),
        ("attributes.bio = 1", lambda row: False),
        ("attributes.bio in (true)", lambda row: row % 2 == 0),
        ("attributes.bio in (1)", lambda row: False),
        ('attributes.for.ages has "adult"', lambda row: row % 3 == 2),
        ("attributes.nobody = 1", lambda row: False),
        ("attributes.nobody is null", lambda row: True),
        ("cost is null", lambda row: row % 5 == 0),
        ("margin > 60", lambda row: row % 5 != 0 and row > 10),
        ("not margin > 60", lambda row: row % 5 == 0 or row <= 10),
        ("list_price - price = 20", lambda row: True),
        ("price / (price - 100) > 50", lambda row: row in (1, 2)),
        ('name contains "ITEM 7"', lambda row: row == 7 or row >= 70),
        ('name in ("item 7", "item 12")', lambda row: row in (7, 12)),
        ('item_id = "i3"', lambda row: row == 3),
        ('tags has "t3"', lambda row: row % 8 == 3),
        ("available", lambda row: True),
        ("available = false", lambda row: False),
        ("stock is null", lambda row: True),
        ("stock > 0", lambda row: False),
        ("first_sold_at > now() - days(201)", lambda row: True),
        ("first_sold_at > now() - days(199)", lambda row: False),
        ("available_from is not null", lambda row: False),
        ('user.region = "north" and price < 101', lambda row: row == 0),
        ("user.orders > 3", lambda row: False),
        ('user.gender != "f"', lambda row: False),
        ("1 < 2", lambda row: True),
        ("price < 104 or price > 178 and not available", lambda row: row < 4),
        ("(price < 104 or price > 178) and brand is not null", lambda row: row < 4 or row == 79),
    ],
)
def test_a_condition_passes_what_it_says(bundle, text, wanted):
    allowed = Allowed(parse_condition(text), SCOPE, bundle)
    right = [row for row in range(N_ITEMS) if wanted(row)]
    assert np.flatnonzero(allowed.keeps(ALL)).tolist() == right
    assert np.flatnonzero(allowed.whole.kept).tolist() == right
    some = np.array([5, 3, 79, 12], np.int32)
    assert allowed.keeps(some).tolist() == [row in right for row in some]


def test_the_best_of_what_passes_are_its_best_sellers(bundle):
    allowed = Allowed(parse_condition("price > 170"), SCOPE, bundle)
    assert allowed.best().tolist() == list(range(71, 80))
    assert allowed.few is not None and allowed.few.tolist() == list(range(71, 80))


def test_a_number_that_cannot_be_computed_is_none(bundle):
    found = factors_of(parse_number("margin / (price - 101)"), SCOPE, bundle, ALL)
    assert np.isnan(found[[0, 1, 5]]).all()
    assert found[2] == (102 - 50) / 1
    assert factors_of(parse_number("if price < 102 then 1 else 0"), SCOPE, bundle, ALL[:3]).tolist() == [1.0, 1.0, 0.0]


def test_rules_speak_of_items_as_the_shop_does_now(bundle):
    text = 'brand = "new" or tags has "fresh" or attributes.size = 77'
    condition = parse_condition(text)
    assert not Allowed(condition, SCOPE, bundle).whole.kept.any()
    changed = overlaid(
        bundle, [{"item_id": "i4", "brand": "new", "price": 7}, {"item_id": "i9", "tags": ["fresh"]}], AS_OF
    )
    assert np.flatnonzero(Allowed(condition, SCOPE, changed).whole.kept).tolist() == [4, 9]
    more = overlaid(changed, [{"item_id": "i4", "brand": "old"}, {"item_id": "i5", "attributes": {"size": 77}}], AS_OF)
    assert np.flatnonzero(Allowed(condition, SCOPE, more).whole.kept).tolist() == [5, 9]
    by_rows = parse_condition(f"({text}) and now() > first_sold_at")
    assert np.flatnonzero(Allowed(by_rows, SCOPE, more).keeps(ALL)).tolist() == [5, 9]
    assert not Allowed(condition, SCOPE, bundle).whole.kept.any()
    assert current_values("brand", np.array([4, 6], np.int32), more) == ["old", "brand 2"]


def test_many_changes_stay_few_tables(bundle):
    changed = bundle
    for row in range(60):
        changed = overlaid(changed, [{"item_id": f"i{row}", "attributes": {"turn": row}}], AS_OF)
        kept = Allowed(parse_condition("attributes.turn >= 0"), SCOPE, changed).whole.kept
        assert np.flatnonzero(kept).tolist() == list(range(row + 1))
    assert len(changed.changes) <= 7


def test_rules_know_newcomers(bundle):
    documents = [{"item_id": "n0", "price": 5, "brand": "new"}, {"item_id": "n1", "price": 500}]
    condition = parse_condition("price < 102")
    assert Allowed(condition, SCOPE, bundle).whole.kept.sum() == 2
    grown = with_newcomers(bundle, documents, nobody_near(2), AS_OF)
    assert np.flatnonzero(Allowed(condition, SCOPE, grown).whole.kept).tolist() == [0, 1, 80]
    other = with_newcomers(bundle, documents[1:], nobody_near(1), AS_OF)
    assert np.flatnonzero(Allowed(condition, SCOPE, other).whole.kept).tolist() == [0, 1]


def test_letters_of_other_languages_are_found_whole(bundle):
    names = {2: "Käse ÄÖ", 3: "牛奶", 4: "abc", 5: "bca"}
    changed = overlaid(bundle, [{"item_id": f"i{row}", "name": name} for row, name in names.items()], AS_OF)
    table = changed.changes[-1].table
    for part, rows in (("äö", [0]), ("奶", [1]), ("cb", []), ("BC", [2, 3]), ("KÄSE", [0])):
        assert np.flatnonzero(holds(parse_condition(f'name contains "{part}"'), table)).tolist() == rows
