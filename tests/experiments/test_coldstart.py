"""Bench `coldstart`: what it measures is what it says."""

from __future__ import annotations

import numpy as np
import pytest

from engine.storage.lake import Lake
from experiments import coldstart_bench
from experiments.cold_items import cold_items_of
from experiments.coldstart_bench import _at_cut, _bought_after, _treated_as_new, _without, measure_coldstart
from experiments.findings import Conditions


@pytest.fixture(scope="module")
def at_cut(trained_home):
    lake = Lake(trained_home)
    return _at_cut(lake, coldstart_bench.read_shop(lake), seed=0)


def test_who_is_treated_as_new_has_no_say_in_the_own_list(at_cut):
    """Without a customer the best sellers and what their words mean are those of the others."""
    users = np.arange(0, at_cut.data.log.n_users, 3)
    without = _without(at_cut, users)
    purchases = at_cut.seen.log.of_type("purchase")
    ages = (at_cut.cuts.test - purchases.time) / 86_400
    others = ~np.isin(purchases.user, users)
    by_hand = np.bincount(purchases.item[others], 0.5 ** (ages[others] / 14), minlength=at_cut.data.log.n_items)
    assert without.statistics.recent == pytest.approx(by_hand, rel=1e-4)
    assert without.popular.items[0] == np.argmax(by_hand)
    assert (without.statistics.recent <= at_cut.bundle.statistics.recent + 1e-4).all()


def test_what_counts_is_bought_after_the_cut_of_items_known_before_it(at_cut):
    users = np.arange(at_cut.data.log.n_users)
    truth = _bought_after(at_cut, users)
    log = at_cut.data.log
    for user in users[truth.sizes > 0][:20]:
        mine = (log.user == user) & (log.time >= at_cut.cuts.test) & (log.time < at_cut.cuts.end)
        bought = set(log.where(mine).of_type("purchase").item.tolist())
        assert set(truth.items[truth.indptr[user] : truth.indptr[user + 1]].tolist()) <= bought


def test_popularity_is_what_somebody_unknown_is_served(at_cut):
    found = _treated_as_new(at_cut, 0)
    assert found["users"] > 50
    for kind, row in found.items():
        if kind not in ("users", "popularity"):
            assert row["over popularity"]["mean"] == pytest.approx(
                row["ndcg@20"]["mean"] - found["popularity"]["ndcg@20"]["mean"], abs=1e-9
            )


def test_cold_items_were_never_sold_before_and_are_in_nobodys_list_before_they_are_introduced(at_cut):
    cold = cold_items_of(at_cut.data, at_cut.seen, at_cut.cuts.test, at_cut.cuts.end)
    sold = at_cut.seen.log.of_type("purchase").item
    assert not np.isin(cold.rows, sold).any()
    assert not at_cut.bundle.statistics.recent[cold.rows].any()


def test_the_small_version_runs_through(tmp_path):
    found = measure_coldstart(Conditions(quick=True, data=tmp_path, scratch=tmp_path, seed=1))
    assert found.asked == ()
    generated = found.figures["generated"]
    assert set(generated) >= {"arrivals", "new users", "new items", "strength chosen on validation"}
    assert generated["new users"]["users"] > generated["arrivals"]["users"] > 0
