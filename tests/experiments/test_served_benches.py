"""The benches of serving over a tiny shop: they ask, break and swap what they say, and count it.

Times are for the benches themselves: a busy test machine proves nothing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from experiments import (
    faults_bench,
    growth_bench,
    large_bundle,
    served_million,
    serving_bench,
    soak_bench,
    swap_bench,
)
from experiments.findings import Conditions, plain
from experiments.shop import ShopSize

_SIZE = ShopSize(users=300, items=300, days=20)
_FIELDS = {"requests", "not_200", "p50_ms", "p90_ms", "p99_ms", "p99.9_ms", "sent_late_p99_ms"}


@pytest.fixture(scope="module")
def conditions(tmp_path_factory):
    """All benches share the home that the first of them makes."""
    folder = tmp_path_factory.mktemp("served")
    return Conditions(True, folder, folder / str(_SIZE.items))


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr(served_million, "QUICK", _SIZE)
    monkeypatch.setattr(served_million, "QUICKER", 0.2)
    monkeypatch.setattr(large_bundle, "_SMALL", ShopSize(users=150, items=80, days=45))
    monkeypatch.setattr(growth_bench, "_QUICK_SIZES", (_SIZE,))
    for each in (faults_bench, swap_bench):
        monkeypatch.setattr(each, "_PACE", 20)
    monkeypatch.setattr(faults_bench, "_BACK", 1.0)
    monkeypatch.setattr(soak_bench, "_QUICK_PACE", 20)
    monkeypatch.setattr(swap_bench, "_SWAPS", 4)


def test_serving_measures_pages_beside_an_empty_route(conditions):
    found = serving_bench.measure_serving(conditions)
    figures = found.figures
    assert set(figures["closed_loop_a_second"]) == {"page", "empty_route", "empty_route_with_a_read"}
    assert all(rate > 0 for rate in figures["closed_loop_a_second"].values())
    assert {"parse", "profile", "answer", "encode"} <= set(figures["stages_microseconds"])
    assert set(figures["open_loop_500"]) == _FIELDS
    assert plain(figures)


def test_swap_sees_every_bundle_taken_up_and_none_mixed(conditions):
    figures = swap_bench.measure_swap(conditions).figures
    assert (figures["taken_up"], figures["mixed"], figures["with_swaps"]["not_200"]) == (4, 0, 0)
    assert len(figures["answers_by_version"]) == 2
    assert figures["private_mib_most"] >= figures["private_mib_before"] > 0


def test_faults_cost_no_answer_and_all_is_whole_again(conditions):
    figures = faults_bench.measure_faults(conditions).figures
    for fault in ("live_store_frozen", "live_store_killed", "ledger_killed"):
        assert set(figures[fault]) == {*_FIELDS, "degraded", "seconds_until_whole"}
        assert figures[fault]["not_200"] == 0, fault
    assert figures["live_store_frozen"]["degraded"] > 0
    overload = figures["overload"]
    assert overload["neither"] == 0
    assert overload["turned_away"] + round(overload["accepted_a_second"]) > 0


def test_soak_answers_all_and_looks_at_every_process(conditions):
    found = soak_bench.measure_soak(conditions)
    assert found.figures["not_200"] == 0
    assert len(found.figures["own_mib"]) == 2
    assert all(each["first"] > 0 and each["last"] > 0 for each in found.figures["own_mib"].values())
    assert [each.met for each in found.asked if "processes" in each.what] == [True]


def test_growth_tells_for_each_size_and_number_of_processes_what_bounds_it(conditions):
    rows = growth_bench.measure_growth(replace(conditions, scratch=conditions.data)).figures["rows"]
    assert [(row["items"], row["workers"]) for row in rows] == [(300, 1), (300, 2)]
    for row in rows:
        assert row["not_200"] == 0 and row["closed_loop_a_second"] > 0 and row["seconds_until_ready"] > 0
        assert set(row["busy"]) == {"storefront", "store", "load"}
        assert row["bound_by"] in {"storefront", "store", "load", "the machine", "waiting"}
    assert rows[1]["own_mib_each"] > 0


@pytest.mark.parametrize(
    ("storefront", "store", "load", "workers", "bound"),
    [
        (0.97, 0.2, 0.5, 1, "storefront"),
        (0.5, 0.95, 0.3, 1, "store"),
        (0.4, 0.1, 0.99, 1, "load"),
        (0.7, 0.1, 0.4, 2, "the machine"),
        (0.3, 0.1, 0.2, 2, "waiting"),
    ],
)
def test_who_had_no_time_left_is_told_by_what_each_computed(storefront, store, load, workers, bound):
    shares = {"storefront": storefront, "store": store, "load": load}
    assert growth_bench.bound_by(shares, workers, 2) == bound


def test_growth_of_memory_is_told_from_the_first_looks_to_the_last():
    found = soak_bench.grown([100.0] * 20 + list(np.linspace(100, 110, 60)) + [110.0] * 20)
    assert (found["first"], found["last"], found["most"]) == (100.0, 110.0, 110.0)
    assert found["growth"] == pytest.approx(0.1)
