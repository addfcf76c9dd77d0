"""The bench of filters, small: lists are whole whatever passes; how long they take is for the bench itself."""

from __future__ import annotations

import numpy as np

from engine.recommend.soundness import check_sound
from experiments import filter_bench
from experiments.bench import run_bench
from experiments.filter_shop import large_bundle


def test_a_filter_that_keeps_one_in_a_hundred_fills_the_list(monkeypatch):
    monkeypatch.setattr(filter_bench, "QUICK_ITEMS", 12_000)
    monkeypatch.setattr(filter_bench, "QUICK_ROUNDS", 15)
    found = run_bench("filters", quick=True).findings
    assert 0.005 < found.figures["kept by the filter"] < 0.02
    filled = [each for each in found.asked if "places" in each.what]
    assert len(filled) == 2 and all(each.met for each in filled)
    over = [each for each in found.asked if "median" in each.what]
    assert len(over) == 2 and all(np.isfinite(each.measured) and each.measured > 0 for each in over)


def test_the_large_shop_is_one_that_a_storefront_would_serve():
    check_sound(large_bundle(3_000, 20, seed=1))
