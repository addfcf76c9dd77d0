"""The record of a campaign: one run in MLflow, however often it is recorded, with plan, grounds and outcome."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import typer
from typer.testing import CliRunner

from engine.errors import NotAllowed
from engine.storage.campaigns import find_campaign
from engine.storage.home import Home
from engine.storage.ledger import connection_of, rows_of
from hawker_campaign_report import record, report
from tests.engine.storage.campaigns import launched, offered
from tests.engine.storage.shoppers import NOW, Shoppers, order
from tests.trained import close_mlflow, with_mlflow
from tests.training.runs import settings
from training.campaign_record import record_campaign
from training.tracking import Tracker

LAUNCH = NOW - timedelta(days=40)


@pytest.fixture
def shop(tmp_path, mlflow_store, ledger):
    home = with_mlflow(Home(tmp_path / "home"), mlflow_store)
    shop = Shoppers(home)
    offered(ledger, now=LAUNCH.timestamp())
    users = [f"u{number}" for number in range(40)]
    shop.happened(*(order(user, 30, 5_000) for user in users[::3]))
    shop.refreshed()
    members = [(user, "treatment" if place % 2 else "holdout", {}) for place, user in enumerate(users)]
    launched(ledger, members, at=LAUNCH, state="completed", budget=5_000)
    yield shop
    close_mlflow(home)


def test_a_campaign_is_one_run_with_its_plan_and_what_came_of_it(shop, ledger):
    with connection_of(ledger) as connection:
        rows_of(connection, 'UPDATE campaigns SET plan = \'{"evidence": "uplift", "models": {"response": 3}}\'')
    tracker = Tracker(shop.home, settings(shop.home))
    run_id = record_campaign(tracker, shop.home, ledger, "spring", now=NOW.timestamp(), zone="UTC")
    assert record_campaign(tracker, shop.home, ledger, "spring", now=NOW.timestamp(), zone="UTC") == run_id
    assert find_campaign(ledger, "spring").run_id == run_id
    with tracker.opened() as client:
        run = client.get_run(run_id)
        files = {each.path for each in client.list_artifacts(run_id)}
        runs = client.search_runs([run.info.experiment_id])
    assert [run.info.status, len(runs)] == ["FINISHED", 1]
    assert files == {"document.json", "plan.json", "figures.json"}
    params, metrics = run.data.params, run.data.metrics
    assert (params["campaign.budget"], params["plan.evidence"]) == ("5000", "uplift")
    assert json.loads(params["plan.models"]) == {"response": 3}
    assert metrics["treatment/members"] == 20
    assert metrics["incremental/orders/low"] < metrics["incremental/orders/value"]


def test_a_run_that_was_cut_short_is_marked_and_a_running_campaign_is_refused(shop, ledger):
    tracker = Tracker(shop.home, settings(shop.home))
    run_id = record_campaign(tracker, shop.home, ledger, "spring", now=NOW.timestamp(), zone="UTC")
    with tracker.opened() as client:
        client.update_run(run_id, status="RUNNING")
    again = record_campaign(tracker, shop.home, ledger, "spring", now=NOW.timestamp(), zone="UTC")
    with tracker.opened() as client:
        assert [client.get_run(each).info.status for each in (run_id, again)] == ["FAILED", "FINISHED"]
    launched(ledger, [], at=LAUNCH, campaign_id="running")
    with pytest.raises(NotAllowed):
        record_campaign(tracker, shop.home, ledger, "running", now=NOW.timestamp(), zone="UTC")


def test_the_verbs_tell_people_and_programs_and_write_the_page(shop, ledger_url, monkeypatch, tmp_path):
    monkeypatch.setenv("HAWKER_HOME", str(shop.home.root))
    monkeypatch.setenv("HAWKER_POSTGRES_URL", ledger_url)
    app = typer.Typer()
    app.command()(report)
    app.command()(record)
    run = CliRunner().invoke
    page = tmp_path / "page.html"
    said = run(app, ["report", "spring", "--html", str(page), "--language", "zh", "--json"])
    assert said.exit_code == 0, said.output
    assert json.loads(said.output.splitlines()[-1])["members"]["holdout"] == 20
    assert '<html lang="zh">' in page.read_text(encoding="utf-8")
    assert "held" not in run(app, ["report", "none"]).output
    kept = run(app, ["record", "spring", "--json"])
    assert kept.exit_code == 0, kept.output
    assert json.loads(kept.output.splitlines()[-1])["run_id"]
    told = run(app, ["report", "spring"])
    assert "Spring (completed): treatment 20" in told.output
    refused = run(app, ["report", "spring", "--html", str(tmp_path / "no" / "page.html")])
    assert "cannot be written" in str(refused.exception)
