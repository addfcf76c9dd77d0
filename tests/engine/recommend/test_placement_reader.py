"""Placements of a shop's own, read from TOML: what they may say, and where a wrong one is told to stand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.errors import BadInput
from engine.profile import unknown
from engine.recommend.answer import answer
from engine.recommend.placement_reader import WORDS, read_placement
from engine.recommend.placement_text import read_placements
from engine.recommend.placements import PLACEMENTS
from tests.bundles import AS_OF, taste, toy_bundle

CART = """
[cart]
like = "bought-together"
meaning = "Beside the cart."
filter = "price < 150"
fallback = ["popular"]
diversity = { max = { brand = 2 } }

[[cart.pin]]
item_id = "i9"
position = 2

[best]
sources = ["popular"]
"""


def test_a_definition_says_only_what_differs():
    made = read_placements(CART, "placements.toml")
    assert list(made) == ["cart", "best"]
    cart, like = made["cart"], PLACEMENTS["bought-together"]
    assert (cart.sources, cart.needs_items, cart.filters) == (like.sources, like.needs_items, like.filters)
    assert (cart.fallback, cart.control.most, cart.control.pins[0].item_id) == (("popular",), (("brand", 2),), "i9")
    assert (made["best"].ranking, made["best"].fallback, made["best"].needs_items) == (None, (), False)


def test_a_defined_list_is_answered_like_one_that_is_built_in():
    made = read_placements(CART, "placements.toml")
    bundle = toy_bundle()
    found = answer(bundle, made["cart"], unknown(), AS_OF, item_ids=["i3"], limit=5)
    rows = [bundle.items.row(each.id) for each in found.items]
    assert (rows[0], rows[1], len(rows)) == (4, 9, 5)
    assert max(map(list(map(taste, rows)).count, map(taste, rows))) == 2
    assert all(row < 50 for row in rows)
    assert len(answer(bundle, made["best"], bundle.profile("u5"), AS_OF, limit=7).items) == 7


def test_a_basket_is_complemented_without_substitutes_unless_the_shop_wants_them():
    bundle = toy_bundle()
    made = read_placement("cart", {"like": "bought-together", "fallback": ["popular"]})
    found = answer(bundle, made, unknown(), AS_OF, item_ids=["i3", "i2"], limit=8)
    assert {taste(bundle.items.row(each.id)) for each in found.items} == {0, 1}
    plain = read_placement("cart", {"like": "bought-together", "filters": list(PLACEMENTS["home"].filters)})
    found = answer(bundle, plain, unknown(), AS_OF, item_ids=["i3", "i2"], limit=80)
    assert {taste(bundle.items.row(each.id)) for each in found.items} >= {2, 3}


def test_a_shelf_of_most_of_the_shop_tells_no_substitutes():
    bundle = toy_bundle()
    levels = np.zeros_like(bundle.catalog.levels)
    levels[70:, 1] = 1
    broad = replace(bundle, catalog=replace(bundle.catalog, levels=levels))
    found = answer(broad, "bought-together", unknown(), AS_OF, item_ids=["i3"], limit=1)
    assert [each.id for each in found.items] == ["i4"]
    assert answer(broad, "bought-together", unknown(), AS_OF, item_ids=["i75"], limit=5).items == ()


def test_a_name_that_is_built_in_may_be_defined_anew():
    made = read_placement("home", {"boost": "2", "newcomers": "", "ranking": ""})
    assert made.sources == PLACEMENTS["home"].sources
    assert (made.newcomers, made.ranking, len(made.control.boosts)) == (None, None, 1)


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ('[cart]\nlike = "bougt-together"', "2:1", "there is no 'bougt-together'"),
        ('[a]\nlike = "home"\n[b]\n  sources = ["popular", "poplar"]', "4:3", "did you mean popular?"),
        ('[b]\nlike = "home"\nfallbak = []', "3:1", "did you mean fallback?"),
        ('[b]\nlike = "home"\nfilters = ["unsellable"]', "3:1", "excluded always holds"),
        ('[b]\nlike = "home"\nfilter = "prise > 3"', "3:1", "(character 0)"),
        ('[b]\nlike = "home"\n\n[[b.pin]]\nitem_id = "a"\nposition = 0', "4:1", "position must be 1 to 100"),
        ('[b]\nlike = "similar"\nranking = "home"', "3:1", "was learned without similar_items"),
        ('[b]\nlike = "home"\nranking = "house"', "3:1", "did you mean home?"),
        ('[b]\nmeaning = "nothing else"', "1:1", "name the placement that it is like"),
        ('[b]\nlike = "home"\nmost = 0', "3:1", "most: must be 1 to 300"),
        ('[b]\nlike = "trending"\nwindow = "8d"', "3:1", "did you mean 7d?"),
        ('[b]\nlike = "home"\nwindow = "7d"', "3:1", "is not about what sells"),
        ('[b]\nlike = "home"\nranking = "buy-again"', "3:1", "was learned without own"),
        ("[b]\nsources = []", "2:1", "name at least one"),
        ("[B b]\nlike = 3", "1:4", "Expected ']'"),
        ('["B"]\nlike = "home"', "1:1", "small letters"),
        ("b = 3", "1:1", "must be a table"),
        ('[b]\nlike = "home"\nneeds_items = 1', "3:1", "needs_items: must be true or false"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_column(text, place, told):
    with pytest.raises(BadInput) as refused:
        read_placements(text, "placements.toml")
    assert refused.value.position == place
    assert told in refused.value.message


@pytest.mark.parametrize("word", WORDS)
def test_no_word_takes_a_number_that_means_nothing(word):
    with pytest.raises(BadInput) as refused:
        read_placement("b", {"like": "home", word: -7.5})
    assert (refused.value.field or "").startswith(word)


@pytest.mark.parametrize("word, wrong", [("explore", "much"), ("experiment", 3), ("diversity", 2)])
def test_what_is_wrong_in_itself_is_told_before_what_is_lacking(word, wrong):
    with pytest.raises(BadInput) as refused:
        read_placement("mine", {word: wrong})  # it says neither what it is like nor its sources
    assert str(refused.value.field).split(".")[0] == word
