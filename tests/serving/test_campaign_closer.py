"""The end of campaigns: figures are kept without anybody asking, and recorded by a process of their own."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

import pytest

from engine.storage.campaigns import find_campaign
from engine.storage.home import Home
from serving.campaign_closer import Closer
from tests.engine.storage.campaigns import launched
from tests.engine.storage.shoppers import NOW, Shoppers, order
from tests.stores import settings_of
from tests.trained import close_mlflow, with_mlflow

LAUNCH = NOW - timedelta(days=40)


@pytest.fixture
def shop(tmp_path, mlflow_store, ledger, ledger_url, monkeypatch):
    home = with_mlflow(Home(tmp_path / "home"), mlflow_store)
    shop = Shoppers(home)
    shop.happened(*(order(f"u{number}", 30, 5_000) for number in range(6)))
    shop.refreshed()
    members = [(f"u{number}", "treatment" if number % 2 else "holdout", {}) for number in range(10)]
    launched(ledger, members, at=LAUNCH, state="completed", offers=[])
    monkeypatch.setenv("HAWKER_HOME", str(home.root))
    monkeypatch.setenv("HAWKER_POSTGRES_URL", ledger_url)
    yield shop
    close_mlflow(home)


def closer_of(shop, ledger_url, **more):
    settings = settings_of(shop.home.root, HAWKER_POSTGRES_URL=ledger_url)
    return Closer(shop.home, settings, threading.Event(), **more)


def test_figures_are_kept_first_and_then_recorded_in_mlflow(shop, ledger, ledger_url):
    closer = closer_of(shop, ledger_url)
    closer.look(ledger)
    kept = find_campaign(ledger, "spring")
    assert (kept.figures["members"]["treatment"], kept.run_id) == (5, None)
    closer.look(ledger)
    assert find_campaign(ledger, "spring").run_id
    closer.look(ledger)  # nothing is left to do
    assert find_campaign(ledger, "spring").figures == kept.figures


def test_one_that_cannot_be_closed_is_told_once_and_recorded_once_mlflow_is_back(
    shop, ledger, ledger_url, caplog, monkeypatch
):
    seconds = [0.0]
    closer = closer_of(shop, ledger_url, monotonic=lambda: seconds[0])
    with monkeypatch.context() as away, caplog.at_level(logging.WARNING, "hawker.campaigns"):
        away.setenv("HAWKER_MLFLOW_URL", "http://127.0.0.1:1")
        for seconds[0] in (0.0, 1.0, 59.0):
            closer.look(ledger)
    assert [each.getMessage().startswith("campaign spring: could not record") for each in caplog.records] == [True]
    kept = find_campaign(ledger, "spring")
    assert (kept.figures is not None, kept.run_id) == (True, None)
    seconds[0] = 62.0  # the pause is over, and so is the failure
    closer.look(ledger)
    assert find_campaign(ledger, "spring").run_id


def test_what_fails_again_rests_longer_each_time_and_holds_up_nobody(shop, ledger_url, caplog):
    seconds, tried = [0.0], []

    def broken():
        tried.append(seconds[0])
        raise OSError("no")

    closer = closer_of(shop, ledger_url, monotonic=lambda: seconds[0])
    with caplog.at_level(logging.WARNING, "hawker.campaigns"):
        for seconds[0] in range(0, 20_000, 10):
            closer._try("record", "spring", broken)
            closer._try("keep", "autumn", lambda: None)
    assert tried == [0, 60, 180, 420, 900, 1860, 3780, 7380, 10980, 14580, 18180]
    assert len(caplog.records) == 1
