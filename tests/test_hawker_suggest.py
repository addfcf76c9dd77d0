"""The verb that suggests campaigns, as the door of the campaigns will carry it."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from engine.errors import BadInput
from engine.storage.customer_refresh import refresh_customers
from engine.storage.home import Home
from hawker_suggest import suggest
from tests.engine.storage.shoppers import NOW, Shoppers, order


@pytest.fixture
def run(ledger_url, tmp_path, monkeypatch):
    monkeypatch.setenv("HAWKER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HAWKER_POSTGRES_URL", ledger_url)
    shop = Shoppers(Home(tmp_path / "home"))
    shop.happened(*(order(f"u{number}", 200, 5_000) for number in range(40)))
    shop.happened(*((f"u{number}", "subscribe", 200, {}) for number in range(40)))
    refresh_customers(shop.home, now=NOW.timestamp(), zone="UTC")
    app = typer.Typer()
    app.command()(suggest)
    return lambda *given: CliRunner().invoke(app, given)


def test_proposals_are_told_to_programs_and_to_people(run):
    said = run("--goal", "win-back", "--budget", "5000", "--json")
    assert said.exit_code == 0, said.output
    (first, *_) = json.loads(said.output.splitlines()[-1])["proposals"]
    assert (first["size"], first["reachable"], first["contacted"]) == (40, 40, 32)
    assert first["profit"] > 0
    assert run("--goal", "win-back", "--budget", "5000").exit_code == 0


def test_a_goal_that_is_none_is_refused(run):
    refused = run("--goal", "fame", "--budget", "1")
    assert isinstance(refused.exception, BadInput)
    assert refused.exception.field == "goal"
