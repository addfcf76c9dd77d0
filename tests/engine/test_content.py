"""What items are, in words, and how alike that makes them."""

from __future__ import annotations

import numpy as np

from engine.content import Content, alike, codes_of, words_of


def test_an_item_is_told_by_its_categories_brand_tags_plain_attributes_and_name():
    item = {
        "name": "Whole Milk 牛奶 1l",
        "brand": "Farm",
        "categories": ["DAIRY", "MILK"],
        "tags": ["fresh"],
        "attributes": {"fat": "3.5", "bio": True, "size": 1, "nested": {"a": 1}, "none": None},
        "price": 129,
    }
    assert words_of(item) == [
        *("category=DAIRY", "category=DAIRY / MILK", "brand=Farm", "tag=fresh", "fat=3.5", "bio=True", "size=1"),
        *("word=whole", "word=milk", "word=牛", "word=奶"),
    ]
    assert words_of({}) == []
    assert words_of({"name": None, "categories": None, "attributes": None, "tags": None}) == []


def test_whoever_shares_the_rarer_words_is_more_alike():
    items = [["a", "x"], ["a", "rare"], ["a", "x"], ["rare", "y"], ["b", "y"], ["b"], ["b"], ["b"], ["b"], ["b"]]
    found = alike(Content.of(items), [codes_of(["a", "rare"]), codes_of(["never seen"]), codes_of([])], 3)
    rows, weights = found.of(0)
    assert rows[0] == 1
    assert weights[0] > weights[-1] > 0
    assert [len(found.of(row)[0]) for row in (1, 2)] == [0, 0]


def test_words_that_everybody_has_say_nothing_and_most_bounds_the_list():
    content = Content.of([["all", f"own {row}"] for row in range(50)])
    found = alike(content, [codes_of(["all"]), codes_of(["all", "own 7"])], 5)
    assert len(found.of(0)[0]) == 0
    assert found.of(1)[0].tolist() == [7]


def test_an_empty_catalogue_resembles_nothing():
    found = alike(Content.of([]), [codes_of(["a"])], 5)
    assert found.indptr.tolist() == [0, 0]
    assert Content.of([[], ["b"]]).indptr.tolist() == [0, 0, 1]


def test_lone_surrogates_are_words_too():
    assert len(codes_of(["\ud800", "\ud800", "x"])) == 2
    assert codes_of([]).dtype == np.uint32
