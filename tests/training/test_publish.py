"""Publish and roll back without MLflow: gates, pointer, refusals."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.errors import NotAllowed, NotEnoughData, UnknownThing
from engine.learned import Leaders
from engine.storage.home import Home
from engine.storage.releases import current, open_bundle, version_folder, versions
from tests.bundles import toy_bundle
from tests.training.runs import GOOD, PERIODS, outcome
from training.evaluate import Periods
from training.evidence import read_evidence, store
from training.gates import judge
from training.publish import publish, rollback

ROOT = Path(__file__).parents[2]
NOW = 1_700_000_100.0


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def failed(home: Home, version: int) -> set[str]:
    return {gate.name for gate in judge(home, version) if not gate.passed}


def test_a_stored_run_reads_back_with_all_its_evidence(home: Home) -> None:
    run = outcome()
    version = store(home, run)
    found = read_evidence(version_folder(home, version))
    assert (found.version, found.data_versions, found.recipe["name"]) == (1, {"events": 7}, "toy")
    assert found.periods == dataclasses.asdict(PERIODS)
    assert found.chosen == {"weights": {"view": 0.25}, "half_lives": {"purchase": None}}
    assert found.curves == {"weights: view @ 20": [0.1, 0.2, 0.15]}
    assert found.seconds == {"fit als": 2.5}
    home_score = run.find("home", "validation", "whole")
    assert found.scores["validation/home/whole"]["ndcg@20"]["mean"] == pytest.approx(
        home_score.per_user["ndcg@20"].mean()
    )
    np.testing.assert_array_equal(found.arrays["validation/home/whole/users"], home_score.users)
    np.testing.assert_allclose(found.arrays["validation/home/whole/ndcg@20"], home_score.per_user["ndcg@20"], rtol=1e-6)
    manifest = open_bundle(home, version).manifest
    assert (manifest.version, manifest.shop) == (1, "default")


def test_a_good_bundle_passes_every_gate_and_is_served(home: Home) -> None:
    store(home, outcome())
    shown = []
    published = publish(home, now=NOW, registry=None, show=shown.append)
    assert (published.version, published.former, published.warning) == (1, None, "")
    assert [gate.passed for gate in published.gates] == [True] * 8
    assert shown == [published.gates]
    assert open_bundle(home).manifest.version == 1


@pytest.mark.parametrize(
    ("changed", "gate"),
    [
        ({"home/whole": 0.099}, "home_beats_popularity"),
        ({"home/whole": 0.199}, "home_beats_frequency"),
        ({"discover/new": 0.019}, "discover_beats_popularity"),
    ],
)
def test_a_list_below_its_baseline_is_refused_by_name_and_figure(
    home: Home, changed: dict[str, float], gate: str
) -> None:
    store(home, outcome(GOOD | changed))
    with pytest.raises(NotAllowed, match=rf"{gate}: -0\.\d+ .* users .*--force") as refused:
        publish(home, now=NOW, registry=None)
    assert refused.value.code == "gate_failed"
    assert current(home) is None


def test_a_difference_within_its_interval_is_not_enough(home: Home) -> None:
    store(home, outcome(GOOD | {"home/whole": 0.2005}, seed=2))
    gate = next(gate for gate in judge(home, 1) if gate.name == "home_beats_frequency")
    assert not gate.passed
    assert re.match(r"\+0\.\d+ \(-0\.", gate.measured)  # above 0, but its interval is not


def test_force_overrules_the_gates_of_quality(home: Home) -> None:
    store(home, outcome(GOOD | {"home/whole": 0.05}))
    published = publish(home, now=NOW, registry=None, force=True)
    assert published.version == 1
    assert not all(gate.passed for gate in published.gates)


def test_an_altered_bundle_is_never_published_not_even_by_force(home: Home) -> None:
    store(home, outcome())
    publish(home, now=NOW, registry=None)
    store(home, outcome())
    prices = version_folder(home, 2) / "catalog.price.npy"
    raw = bytearray(prices.read_bytes())
    raw[-1] ^= 1
    prices.write_bytes(raw)
    with pytest.raises(NotAllowed, match=r"answers: catalog\.price\.npy of bundle v000002 was truncated or altered"):
        publish(home, now=NOW, registry=None, force=True)
    assert open_bundle(home).manifest.version == 1


@pytest.mark.parametrize(
    ("part", "broken", "told"),
    [
        ("popular", Leaders(np.array([999], np.int32), np.ones(1, np.float32)), "popular names rows beyond the 80"),
        ("type_weights", np.zeros(1, np.float32), "history.types names rows beyond the 1"),
        ("half_lives", np.zeros(3, np.float32), "cannot answer"),
    ],
)
def test_a_bundle_that_cannot_answer_is_never_published(home: Home, part: str, broken: object, told: str) -> None:
    store(home, outcome(bundle=dataclasses.replace(toy_bundle(), **{part: broken})))
    with pytest.raises(NotAllowed, match=rf"answers: .*{told}"):
        publish(home, now=NOW, registry=None, force=True)


def test_a_shop_that_sells_nothing_is_never_published(home: Home) -> None:
    bundle = toy_bundle()
    closed = dataclasses.replace(bundle.catalog, available=np.zeros(len(bundle.items), bool))
    store(home, outcome(bundle=dataclasses.replace(bundle, catalog=closed)))
    with pytest.raises(NotAllowed, match=r"answers: home for .* is empty"):
        publish(home, now=NOW, registry=None, force=True)


def test_one_list_for_everybody_fails_the_coverage_floor(home: Home) -> None:
    bundle = toy_bundle(n_users=500, n_items=5000)
    store(home, outcome(bundle=bundle, coverage=20 / 5000))
    assert failed(home, 1) == {"coverage_floor"}


def test_a_bundle_worse_than_the_champion_is_refused_on_the_same_users(home: Home) -> None:
    store(home, outcome())
    publish(home, now=NOW, registry=None)
    store(home, outcome(GOOD | {"home/whole": 0.27}, seed=2))
    assert failed(home, 2) == {"not_worse_than_champion"}
    store(home, outcome(GOOD | {"home/whole": 0.2995}, seed=3))
    assert publish(home, now=NOW, registry=None).version == 3


def test_champion_and_challenger_are_paired_by_user_id_not_by_row(home: Home) -> None:
    """Each user's own figure is the same in both bundles, only the rows differ: the difference is 0 for everyone."""
    run = outcome()
    store(home, run)
    publish(home, now=NOW, registry=None)
    n = len(run.bundle.users)
    turned = toy_bundle(user_ids=[f"u{row}" for row in reversed(range(n))])
    scores = tuple(dataclasses.replace(score, users=n - 1 - score.users) for score in run.scores)
    again = outcome(bundle=turned)
    store(home, dataclasses.replace(again, scores=scores))
    gate = next(gate for gate in judge(home, 2) if gate.name == "not_worse_than_champion")
    assert gate.passed
    assert gate.measured.startswith("+0.0000 (+0.0000 to +0.0000), 19 users, same period")


def test_on_another_period_the_margin_over_fading_frequency_is_compared(home: Home) -> None:
    later = Periods(*(moment + 604_800 for moment in dataclasses.astuple(PERIODS)))
    store(home, outcome())
    publish(home, now=NOW, registry=None)
    harder = {name: mean / 2 for name, mean in GOOD.items()} | {"home/whole": 0.21}
    store(home, outcome(harder, periods=later, seed=2))
    assert failed(home, 2) == set()
    store(home, outcome(harder | {"home/whole": 0.15}, periods=later, seed=3))
    gate = next(gate for gate in judge(home, 3) if gate.name == "not_worse_than_champion")
    assert not gate.passed
    assert "other period" in gate.measured


def test_half_the_catalogue_or_coverage_gone_is_refused(home: Home) -> None:
    store(home, outcome(bundle=toy_bundle(n_items=200)))
    publish(home, now=NOW, registry=None)
    store(home, outcome(bundle=toy_bundle(n_items=80), coverage=0.2))
    assert failed(home, 2) == {"coverage_of_champion", "items_of_champion"}


def test_a_broken_champion_does_not_stop_its_replacement(home: Home) -> None:
    store(home, outcome())
    publish(home, now=NOW, registry=None)
    (version_folder(home, 1) / "manifest.json").write_text("{")
    store(home, outcome())
    published = publish(home, now=NOW, registry=None)
    gate = next(gate for gate in published.gates if gate.name == "not_worse_than_champion")
    assert "the champion cannot be read" in gate.measured


def test_a_bundle_without_evidence_is_refused_for_what_was_not_measured(home: Home) -> None:
    store(home, outcome({}))
    assert failed(home, 1) == {
        "home_beats_popularity",
        "home_beats_frequency",
        "discover_beats_popularity",
        "coverage_floor",
    }


def test_nothing_trained_and_unknown_versions_are_said_plainly(home: Home) -> None:
    with pytest.raises(NotEnoughData, match="hawker train"):
        publish(home, now=NOW, registry=None)
    store(home, outcome())
    with pytest.raises(UnknownThing, match="no bundle version 9"):
        publish(home, 9, now=NOW, registry=None)


def test_rollback_returns_to_what_was_served_before(home: Home) -> None:
    for _ in range(2):
        store(home, outcome())
        publish(home, now=NOW, registry=None)
    back = rollback(home, now=NOW, registry=None)
    assert (back.version, back.former) == (1, 2)
    assert open_bundle(home).manifest.version == 1
    with pytest.raises(NotAllowed, match="no earlier bundle"):
        rollback(home, now=NOW, registry=None)


def test_rollback_refuses_a_bundle_that_no_longer_loads(home: Home) -> None:
    for _ in range(2):
        store(home, outcome())
        publish(home, now=NOW, registry=None)
    (version_folder(home, 1) / "users.ids.blob.npy").unlink()
    with pytest.raises(NotAllowed, match="answers"):
        rollback(home, now=NOW, registry=None)
    assert open_bundle(home).manifest.version == 2


def test_publishing_what_is_served_changes_nothing(home: Home) -> None:
    store(home, outcome())
    publish(home, now=NOW, registry=None)
    before = current(home)
    assert publish(home, now=NOW + 5, registry=None).former is None
    assert current(home) == before


def test_two_trainings_at_once_get_two_versions(home: Home) -> None:
    command = [sys.executable, "-m", "tests.training.publish_driver", "store", str(home.root)]
    both = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    assert [each.wait(120) for each in both] == [0, 0]
    assert versions(home) == [1, 2, 3, 4, 5, 6]
    assert [open_bundle(home, version).manifest.version for version in versions(home)] == versions(home)


def test_a_training_killed_while_it_stores_leaves_no_version(home: Home) -> None:
    store(home, outcome())
    publish(home, now=NOW, registry=None)
    command = [sys.executable, "-m", "tests.training.publish_driver", "store-killed", str(home.root)]
    assert subprocess.run(command, cwd=ROOT, timeout=120).returncode == -9
    assert versions(home) == [1]
    left = [path for path in home.bundles.iterdir() if path.name.startswith(".building")]
    assert len(left) == 1
    assert len(list(left[0].rglob("*.npy"))) > 10
    assert store(home, outcome()) == 2
    assert not [path for path in home.bundles.iterdir() if path.name.startswith(".building")]
    assert open_bundle(home).manifest.version == 1
