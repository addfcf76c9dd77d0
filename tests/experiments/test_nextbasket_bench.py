"""Bench `nextbasket`, small, on customers of the same shape that are made here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.errors import BadInput
from engine.recommend.placements import PLACEMENTS
from experiments.basket_shop import NEXT, NOW, knowing, next_baskets, open_shop
from experiments.bench import run_bench
from experiments.nextbasket_bench import PUBLISHED, RECALL, TRIED, Way, learn
from experiments.tafeng import read_tafeng
from tests.experiments.public_shapes import write_tafeng
from training.evaluate import Truth
from training.interactions import DAY
from training.lists import served


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return read_tafeng(write_tafeng(tmp_path_factory.mktemp("data")) / "tafeng_nextbasket")


@pytest.fixture(scope="module")
def shop(data, tmp_path_factory):
    return open_shop(data.baskets, tmp_path_factory.mktemp("shop") / "it")


def test_the_quick_bench_finds_favourites_and_fashion_and_stands_beside_the_published(tmp_path):
    found = run_bench("nextbasket", quick=True, data=write_tafeng(tmp_path, users=300)).findings.figures
    assert set(PUBLISHED) < set(found["table"])
    assert len(found["keysets"]) == 5
    assert [each.get("same_as") for each in found["keysets"].values()] == [None, None, 0, 1, 0]
    tests = [each["test"][RECALL] for each in found["keysets"].values()]
    assert found["table"]["Hawker home"][RECALL] == pytest.approx(np.mean(tests))
    assert min(tests) > 0.3  # three favourites and the fashion of nearly everybody; ten of 120 by chance: 0.08
    assert found["keysets"]["0"]["chosen"] in TRIED


def test_a_customers_baskets_are_weeks_apart_up_to_the_next_one(data, shop):
    mine = shop.log.user == 0
    back = np.unique(data.baskets.back[data.baskets.user == 0])
    known = np.unique(shop.log.time[mine & (shop.log.time != NEXT)])
    assert known.tolist() == sorted((NOW - 7 * DAY * (back + 1)).tolist())
    truth = next_baskets(shop, np.array([0]))
    assert truth.sizes[0] == data.baskets.future.sizes[0] and not truth.sizes[1:].any()


def test_no_list_changes_with_the_next_baskets_of_those_who_choose_or_are_tested(data, shop, tmp_path):
    parts = data.keysets[0]
    asked = np.sort(np.r_[parts["val"], parts["test"]])
    future = data.baskets.future
    items = future.items.copy()
    others = np.repeat(np.isin(np.arange(len(future.sizes)), asked), future.sizes)
    items[others] = (items[others] + 17) % data.baskets.n_items
    changed = open_shop(replace(data.baskets, future=Truth(future.indptr, items)), tmp_path / "changed")
    for way in (Way(), Way(next_teaches="ranking alone")):
        bundles = [learn(each, parts["train"], way, threads=1) for each in (shop, changed)]
        one, two = (served(bundle, PLACEMENTS["home"], asked, 10) for bundle in bundles)
        assert np.array_equal(one, two)


def test_the_next_baskets_of_the_train_customers_do_teach(data, shop):
    parts = data.keysets[0]
    known = knowing(shop, parts["train"])
    assert (known.log.time == NEXT).sum() == data.baskets.future.sizes[parts["train"]].sum()
    assert (known.log.time != NEXT).sum() == len(data.baskets.user)


def test_without_the_data_the_bench_says_so(tmp_path):
    with pytest.raises(BadInput, match="tafeng_nextbasket") as caught:
        run_bench("nextbasket", quick=True, data=tmp_path)
    assert caught.value.field == "data"
