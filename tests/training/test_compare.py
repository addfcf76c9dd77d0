"""Whether one stored version is better than another, from planted figures of each user."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from engine.errors import BadInput, NotEnoughData, UnknownThing
from engine.storage.home import Home
from tests.bundles import toy_bundle
from tests.training.runs import GOOD, outcome
from training.compare import compare_versions, comparison_table
from training.evaluate import Periods
from training.evidence import store

BETTER = GOOD | {"home/whole": 0.33}
LATER = Periods(1_692_000_000, 1_697_000_000, 1_702_000_000)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def compared(home, *, a=1, b=2):
    return compare_versions(home, a, b, period="validation")


def of(found, subject, kind, metric="ndcg@20"):
    return next(each for each in found.differences if (each.subject, each.kind, each.metric) == (subject, kind, metric))


def test_a_version_whose_lists_are_better_for_the_same_users_is_called_better(home):
    store(home, outcome(seed=1))
    store(home, outcome(BETTER, seed=2))
    found = compared(home)
    first = found.differences[0]
    assert (first.subject, first.kind, first.metric, first.verdict, first.users) == (
        "home", "whole", "ndcg@20", "better", 19
    )  # fmt: skip
    assert first.interval.mean == pytest.approx(first.mean_b - first.mean_a)
    assert first.interval.low == pytest.approx(0.03, abs=0.01)
    assert found.sentence.startswith("Version 2 is better than version 1: ndcg@20 of home +0.0")
    assert found.sentence.endswith("over the same 19 users of the validation period.")
    assert compared(home, a=2, b=1).sentence.startswith("Version 1 is worse than version 2: ndcg@20 of home -0.0")
    assert of(found, "popularity", "whole").is_served is False


def test_a_difference_within_its_interval_is_not_called_one(home):
    store(home, outcome(seed=1))
    store(home, outcome(seed=2))
    found = compared(home)
    assert found.differences[0].verdict == "not told apart"
    assert found.sentence.startswith("Whether version 2 is better than version 1 cannot be told: ")


def test_a_served_list_that_says_the_contrary_is_named(home):
    store(home, outcome(seed=1))
    store(home, outcome(BETTER | {"discover/new": 0.01, "popularity/new": 0.9}, seed=2))
    assert compared(home).sentence.endswith(". But discover of what was never bought is worse.")


def test_users_are_paired_by_their_ids_whatever_their_rows(home):
    """The second bundle has the users in another order, and one that the first lacks."""
    ids = [f"u{row}" for row in range(20)]
    store(home, outcome(seed=1, bundle=toy_bundle(user_ids=ids)))
    turned = ["stranger", *reversed(ids[1:])]
    again = outcome(seed=1, bundle=toy_bundle(user_ids=turned))
    first = {each.subject + each.kind: each for each in outcome(seed=1).scores}
    scores = tuple(
        dataclasses.replace(
            each, per_user={name: values[::-1] for name, values in first[each.subject + each.kind].per_user.items()}
        )
        for each in again.scores
    )
    store(home, dataclasses.replace(again, scores=scores))
    found = compared(home)
    assert all(each.interval.mean == pytest.approx(0.0, abs=1e-9) for each in found.differences)
    assert of(found, "home", "whole").users == 19


def test_versions_of_other_periods_are_compared_above_their_baselines(home):
    """The later period is easier for all: that is no merit of the version."""
    easier = {name: mean + 0.2 for name, mean in GOOD.items()}
    store(home, outcome(seed=1))
    store(home, outcome(easier, seed=2, periods=LATER))
    found = compared(home)
    assert found.is_paired is False
    assert found.differences[0].verdict == "not told apart"
    assert "two different validation periods, each above frequency" in found.sentence
    store(home, outcome(easier | {"home/whole": 0.6}, seed=3, periods=LATER))
    assert compared(home, b=3).differences[0].verdict == "better"


def test_intervals_hold_the_truth_as_often_as_they_say(tmp_path):
    """Twenty pairs without any difference: 95 % intervals miss about one of them."""
    missed = 0
    for seed in range(20):
        home = Home(tmp_path / str(seed))
        bundle = toy_bundle(n_users=60)
        store(home, outcome(seed=2 * seed + 1, bundle=bundle))
        store(home, outcome(seed=2 * seed + 2, bundle=bundle))
        missed += compared(home).differences[0].verdict != "not told apart"
    assert missed <= 5  # 3 in 10,000 of binomial(20, 0.05) lie above


def test_what_cannot_be_compared_is_refused_by_name(home):
    store(home, outcome(seed=1))
    with pytest.raises(UnknownThing, match="there is no trained version 2; there are: 1"):
        compared(home)
    with pytest.raises(BadInput, match="version 1 is version 1"):
        compared(home, b=1)
    with pytest.raises(BadInput, match="not on 'tset'"):
        compare_versions(home, 1, 2, period="tset")
    store(home, outcome(seed=2))
    with pytest.raises(NotEnoughData, match="no figures of users in common for the test period"):
        compare_versions(home, 1, 2)
    strangers = toy_bundle(user_ids=[f"other{row}" for row in range(20)])
    store(home, outcome(seed=2, bundle=strangers))
    with pytest.raises(NotEnoughData, match="train one of them anew"):
        compared(home, b=3)


def test_the_table_and_the_object_say_the_same(home):
    store(home, outcome(seed=1))
    store(home, outcome(BETTER, seed=2))
    found = compared(home)
    told = found.as_json()
    assert told["sentence"] == found.sentence
    assert {
        "subject": "home",
        "kind": "whole",
        "metric": "ndcg@20",
        "verdict": "better",
        "is_served": True,
    }.items() <= (told["differences"][0].items())
    table = comparison_table(found)
    assert table.row_count == len(found.differences)
    assert np.isfinite([each.interval.low for each in found.differences]).all()
