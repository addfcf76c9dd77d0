"""The demo uses again what is there, and only what is it."""

from __future__ import annotations

import json
from datetime import timedelta

from rich.console import Console

from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.lake_predictions import replace_predictions
from engine.storage.lake_tables import PREDICTIONS
from engine.storage.releases import version_folder
from experiments.demo import trained_on_everything
from experiments.demo_customers import customer_tables, show_customers
from experiments.rehearsal import rehearsal_of
from tests.trained import TINY, settings_of
from training.produce import produce
from training.shop_data import ShopData, moment


def test_the_version_of_the_whole_lake_is_used_again(trained_home: Home):
    assert trained_on_everything(trained_home, TINY.name) == 1
    assert trained_on_everything(trained_home, "another") is None


def test_a_newer_version_that_stopped_before_the_last_event_is_not_taken_for_it(own_home: Home, tiny_data: ShopData):
    until = moment(tiny_data.until) - timedelta(days=3)
    assert produce(own_home, settings_of(own_home), TINY, until=until).version == 2
    assert trained_on_everything(own_home, TINY.name) == 1


def test_predictions_in_the_lake_make_no_version_stale(own_home: Home):
    replace_predictions(own_home, "churn", PREDICTIONS.schema.remove(1).empty_table())
    assert Lake(own_home).versions()["predictions"] == 0
    assert trained_on_everything(own_home, TINY.name) == 1


def test_new_events_make_the_old_version_stale(own_home: Home):
    lake = Lake(own_home)
    lake.append_events(lake.events().slice(0, 1).set_column(0, "event_id", [["a new one"]]))
    assert trained_on_everything(own_home, TINY.name) is None


def test_a_version_in_a_form_of_before_is_not_taken_for_it(own_home: Home):
    manifest = version_folder(own_home, 1) / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 1}))
    assert trained_on_everything(own_home, TINY.name) is None


def test_what_is_rehearsed_on_a_copy_of_a_shop_stays_there(own_home: Home):
    settings = settings_of(own_home)
    customer = Lake(own_home).query("SELECT min(user_id) AS customer FROM events")["customer"][0].as_py()
    show_customers(own_home, settings, customer, say=lambda said: None)
    before = Lake(own_home).versions(), len(Lake(own_home).events())
    for _ in range(2):  # the second one begins anew
        copy = rehearsal_of(own_home, settings)
        lake = Lake(copy)
        assert len(lake.events()) == before[1]
        lake.append_events(lake.events().slice(0, 1).set_column(0, "event_id", [["a rehearsed one"]]))
        assert len(lake.events()) == before[1] + 1
        assert (Lake(own_home).versions(), len(Lake(own_home).events())) == before


def test_the_demo_shows_every_ready_made_group_and_one_household_from_all_sides(own_home: Home):
    customer = Lake(own_home).query("SELECT min(user_id) AS customer FROM events")["customer"][0].as_py()
    said: list[str] = []
    found = show_customers(own_home, settings_of(own_home), customer, say=said.append)
    assert found["customers"] > 0
    assert sum(each["size"] for each in found["groups"]) > 0
    assert found["portrait"]["user_id"] == customer
    assert said == ["customers: traits and groups"]
    console = Console(record=True, width=200)
    console.print(*customer_tables(found))
    shown = console.export_text()
    assert customer in shown
    assert "高频" in shown
