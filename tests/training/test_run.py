"""The whole run on a tiny shop: its evidence, what it may not know, and what it refuses."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from engine.bundle import Bundle
from engine.errors import NotEnoughData
from engine.recommend.answer import answer
from engine.recommend.soundness import check_sound
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.releases import current, versions
from tests.trained import TINY, fill, settings_of
from training.interactions import DAY
from training.produce import produce
from training.run import train
from training.shop_data import moment, read_shop


@pytest.fixture(scope="module")
def outcome(tiny_data):
    return train(tiny_data, TINY)


def arrays(bundle: Bundle, folder) -> dict[str, bytes]:
    """Every file of the saved bundle but its manifest, which says when it was made."""
    bundle.save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}


def different(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    assert one.keys() == other.keys()
    return [name for name in one if one[name] != other[name]]


def lake_with(folder, shop, events: pa.Table) -> Lake:
    home = Home(folder)
    fill(home, dataclasses.replace(shop, events=events))
    return Lake(home)


def test_baselines_models_and_placements_are_judged_on_validation_and_the_served_lists_on_test(outcome):
    found = {(each.subject, each.period, each.kind) for each in outcome.scores}
    kinds = ("whole", "repeat", "new")
    families = ("popularity", "frequency", "bpr", "als", "item_neighbours", "user_neighbours")
    wanted = {(name, "validation", kind) for name in families for kind in kinds}
    wanted |= {(name, "test", kind) for name in ("popularity", "frequency") for kind in kinds}
    wanted |= {("home", period, kind) for period in ("validation", "test") for kind in kinds}
    wanted |= {("discover", period, "new") for period in ("validation", "test")}
    assert found == wanted
    assert {each.subject for each in outcome.scores if each.is_placement} == {"home", "discover"}
    for each in outcome.scores:
        row = each.row(seed=1)
        assert row["users"] == len(each.users) > 0
        for metric in ("ndcg@20", "recall@20"):
            assert 0 <= row[metric]["low"] <= row[metric]["mean"] <= row[metric]["high"] <= 1


def test_the_periods_are_whole_days_and_the_last_of_the_history(outcome, tiny_data):
    cuts = outcome.periods
    # 59.9 days of history in six pieces: two windows, the test period, and as much again before them.
    assert cuts.test - cuts.validation == cuts.end - cuts.test == 9 * DAY
    assert cuts.end % DAY == 0
    assert 0 <= tiny_data.until - cuts.end < DAY
    assert outcome.bundle.manifest.as_of == tiny_data.until


def test_what_was_learned_beats_chance_and_nothing_is_perfect(outcome):
    home, popular = (outcome.find(name, "test", "whole").per_user["ndcg@20"].mean() for name in ("home", "popularity"))
    assert popular * 1.2 < home < 0.95


def test_the_bundle_says_what_made_it(outcome, tiny_data):
    manifest = outcome.bundle.manifest
    assert manifest.recipe["name"] == "tiny"
    assert manifest.data_versions == tiny_data.versions
    assert len(manifest.metrics["scores"]) == len(outcome.scores)
    assert outcome.chosen["weights"] == dict(outcome.recipe.weights)
    assert outcome.bundle.rankings.keys() == {"home", "discover", "onward"}


def test_what_is_due_again_is_learned_calibrated_and_judged_where_there_is_enough_of_it(tiny_data, monkeypatch):
    monkeypatch.setattr("training.due._LEAST_OF_EACH", 5)
    made = train(tiny_data, TINY)
    assert made.bundle.rankings.keys() == {"home", "discover", "buy-again", "onward"}
    assert made.bundle.chances.keys() == {"buy-again"}
    assert made.due["calibration"] == made.chosen["due"] in ("line", "steps")
    told = made.due["test"]["called due"]
    assert told["items"] >= made.due["test"]["first 20"]["items"] > 0
    assert 0 <= told["calibration error"] < 0.5
    assert made.bundle.manifest.metrics["due"] == made.due
    check_sound(made.bundle)
    profiles = (made.bundle.history.profile(row) for row in range(len(made.bundle.users)))
    lists = [answer(made.bundle, "buy-again", each, made.bundle.manifest.as_of).items for each in profiles]
    assert any(lists)
    assert all(0 <= item.chance <= 1 for items in lists for item in items)


def test_a_horizon_shorter_than_a_week_teaches_nothing_of_what_is_due(tiny_data, monkeypatch):
    """What is looked ahead at would reach into the next period."""
    monkeypatch.setattr("training.due._LEAST_OF_EACH", 5)
    made = train(tiny_data, dataclasses.replace(TINY, horizon_days=6))
    assert (made.due, made.chosen["due"], dict(made.bundle.chances)) == ({}, None, {})
    assert made.bundle.rankings.keys() == {"home", "discover", "onward"}


def test_the_same_data_and_recipe_give_the_same_arrays_and_scores(outcome, tiny_data, tmp_path):
    again = train(tiny_data, TINY)
    assert different(arrays(outcome.bundle, tmp_path / "1"), arrays(again.bundle, tmp_path / "2")) == []
    for one, other in zip(outcome.scores, again.scores, strict=True):
        assert (one.subject, one.period, one.kind) == (other.subject, other.period, other.kind)
        np.testing.assert_array_equal(one.per_user["ndcg@20"], other.per_user["ndcg@20"])


def test_nothing_later_than_until_is_used(tiny_shop, tmp_path):
    """Neither in what is learned nor in what is measured: later events change no array and no score."""
    until = datetime(2025, 2, 20, tzinfo=UTC)
    events = tiny_shop.events
    before = events.filter(pc.less(events["time"], pa.scalar(until, events["time"].type)))
    assert 0 < before.num_rows < events.num_rows
    with_later = train(read_shop(lake_with(tmp_path / "all", tiny_shop, events), until), TINY)
    without = train(read_shop(lake_with(tmp_path / "before", tiny_shop, before), until), TINY)
    assert different(arrays(with_later.bundle, tmp_path / "1"), arrays(without.bundle, tmp_path / "2")) == []
    assert [each.row(1) for each in with_later.scores] == [each.row(1) for each in without.scores]
    assert with_later.bundle.manifest.as_of == int(until.timestamp())
    assert with_later.bundle.history.times.max() < until.timestamp()


def test_the_test_period_decides_nothing(outcome, tiny_data):
    """Another test period leaves every validation score and every choice as they are."""
    log = tiny_data.log
    quiet = (log.time < outcome.periods.test) | (log.time >= outcome.periods.end - DAY)
    other = train(
        dataclasses.replace(tiny_data, log=log.where(quiet), list_amounts=tiny_data.list_amounts[quiet]), TINY
    )
    assert other.periods == outcome.periods
    assert other.chosen == outcome.chosen

    def validation(of):
        return [each.row(1) for each in of.scores if each.period == "validation"]

    assert validation(other) == validation(outcome)


def of_type(events: pa.Table, kind: str) -> pa.Table:
    return events.filter(pc.equal(events["type"], kind))


def of_twenty_users(events: pa.Table) -> pa.Table:
    return events.filter(pc.is_in(events["user_id"], value_set=pa.array([f"u{row}" for row in range(20)])))


@pytest.mark.parametrize(
    ("cut", "words"),
    [
        (lambda events: events.slice(0, 0), "no events of known users and items"),
        (lambda events: of_type(events, "search"), "no events of known users and items"),
        (lambda events: of_type(events, "view"), "is a purchase; training predicts purchases"),
        (lambda events: of_type(events, "purchase").slice(0, 40), "the shop's history has 2 days"),
        (of_twenty_users, "a ranking needs 30 users with a history"),
    ],
)
def test_an_empty_too_short_or_too_thin_shop_is_told_what_is_missing(tiny_shop, tmp_path, cut, words):
    lake = lake_with(tmp_path, tiny_shop, cut(tiny_shop.events))
    with pytest.raises(NotEnoughData) as refused:
        train(read_shop(lake), TINY)
    assert words in refused.value.message
    assert "\n" not in refused.value.message


def test_a_shop_of_events_alone_with_a_user_of_one_purchase_is_trained_and_serves(tiny_shop, tmp_path):
    events = tiny_shop.events
    bought = of_type(events, "purchase")
    once = bought.filter(pc.equal(bought["user_id"], "u1")).slice(0, 1)
    others = events.filter(pc.not_equal(events["user_id"], "u1"))
    bare = dataclasses.replace(tiny_shop, items=tiny_shop.items.slice(0, 0), users=tiny_shop.users.slice(0, 0))
    bundle = train(read_shop(lake_with(tmp_path, bare, pa.concat_tables([others, once]))), TINY).bundle
    assert len(bundle.items) == len(pc.unique(events["item_id"].drop_null()))
    assert set(bundle.catalog.price.tolist()) == {-1}
    profile = bundle.profile("u1")
    assert profile is not None
    assert [bundle.items.ids[row] for row in profile.items] == once["item_id"].to_pylist()
    assert len(answer(bundle, "home", profile, bundle.manifest.as_of).items) == 20


def test_a_shop_where_nobody_buys_a_thing_twice_is_trained_and_judged(tiny_shop, tmp_path):
    events = tiny_shop.events
    bought = of_type(events, "purchase").to_pandas().drop_duplicates(["user_id", "item_id"])["event_id"]
    other = pc.not_equal(events["type"], "purchase")
    once = events.filter(pc.or_(other, pc.is_in(events["event_id"], value_set=pa.array(bought))))
    outcome = train(read_shop(lake_with(tmp_path, tiny_shop, once)), TINY)
    assert {(each.subject, each.period) for each in outcome.scores if each.kind == "repeat"} == set()
    assert len(outcome.find("home", "test", "whole").users) > 30
    assert outcome.bundle.manifest.metrics["scores"]


def test_a_refused_training_leaves_the_served_version_and_no_other(own_home):
    before = current(own_home)
    with pytest.raises(NotEnoughData, match="days"):
        produce(own_home, settings_of(own_home), TINY, until=datetime(2025, 1, 5, tzinfo=UTC))
    assert versions(own_home) == [1]
    assert current(own_home) == before
    assert [path.name for path in own_home.bundles.iterdir() if path.name.startswith(".building")] == []


def test_a_produced_version_stands_beside_the_served_one_until_it_is_published(own_home):
    before = current(own_home)
    made = produce(own_home, settings_of(own_home), TINY, until=moment(1_740_000_000))
    assert (made.version, made.warning) == (2, "")
    assert versions(own_home) == [1, 2]
    assert current(own_home) == before
    assert made.seconds.keys() >= {"read", "snapshots", "compare", "replay", "rankings", "judge", "record"}
