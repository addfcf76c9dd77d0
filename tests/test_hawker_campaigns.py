"""Campaigns at the command line: from a suggestion to the end, with names that stand on what was done."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from engine.errors import BadInput, NotAllowed
from engine.storage import clock
from engine.storage.customer_refresh import refresh_customers
from engine.storage.home import Home
from engine.storage.ledger import opened_ledger
from engine.storage.offer_documents import put_offer
from hawker_campaigns import campaign
from tests.engine.storage.shoppers import NOW, Shoppers, order


@pytest.fixture
def run(ledger_url, tmp_path, monkeypatch):
    """Forty who left and may be written to; `run` answers the last line as an object, or raises the refusal."""
    monkeypatch.setenv("HAWKER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HAWKER_POSTGRES_URL", ledger_url)
    shop = Shoppers(Home(tmp_path / "home"))
    shop.happened(*(order(f"u{number}", 200, 5_000) for number in range(40)))
    shop.happened(*((f"u{number}", "subscribe", 200, {}) for number in range(40)))
    refresh_customers(shop.home, now=NOW.timestamp(), zone="UTC")
    with opened_ledger(ledger_url, "default") as ledger:
        terms = {"offer_id": "five", "name": "f", "benefit": {"kind": "amount", "amount": 500}, "currency": "EUR"}
        put_offer(ledger, terms, actor="anna", now=NOW.timestamp(), zone="UTC")
    clock.set_offset(shop.home, 0.0)

    def run(*given):
        done = CliRunner().invoke(campaign, [*given, "--json"])
        if done.exception is not None:
            raise done.exception
        assert CliRunner().invoke(campaign, ["list"]).exit_code == 0
        return json.loads(done.stdout.splitlines()[-1])

    return run


def written(tmp_path, **document):
    path = tmp_path / "campaign.json"
    path.write_text(json.dumps(document))
    return str(path)


PLAIN = {"name": "Back", "audience": {"rule": "orders >= 1"}, "channel": "email", "offers": ["five"], "budget": 9_000}


def test_a_suggestion_is_drafted_planned_launched_and_ended(run):
    found = run("suggest", "--goal", "win-back", "--budget", "5000", "--draft", "1", "--actor", "anna")
    draft = found["draft"]
    assert draft["campaign"]["audience"] == found["proposals"][0]["campaign"]["audience"]
    assert (draft["state"], draft["created_by"]) == ("draft", "anna")
    name = draft["campaign_id"]
    plan = run("plan", name)
    assert (plan["size"], plan["reachable"], plan["stops"]) == (40, 40, [])
    assert CliRunner().invoke(campaign, ["plan", name]).stdout.startswith("40 of 40 can be reached")
    launched = run("launch", name, "--actor", "anna")
    assert (launched["state"], launched["plan"]["treated"]) == ("running", plan["treated"])
    assert run("pause", name, "--reason", "rain")["state"] == "paused"
    assert run("resume", name)["state"] == "running"
    assert run("complete", name)["state"] == "completed"
    shown = run("show", name)
    assert [each["change"] for each in shown["changes"]][-1] == "completed"
    assert shown["changes"][3]["detail"] == {"reason": "rain"}
    assert [each["campaign_id"] for each in run("list", "--state", "completed")["campaigns"]] == [name]


def test_somebody_else_approves_a_large_budget(run, tmp_path):
    file = written(tmp_path, **{**PLAIN, "budget": 200_000})
    assert run("create", file, "--id", "big", "--actor", "anna")["campaign_id"] == "big"
    for refused in (("launch", "big"), ("approve", "big", "--actor", "anna")):
        with pytest.raises(NotAllowed):
            run(*refused)
    assert run("approve", "big", "--actor", "bert")["approved_by"] == "bert"
    changes = written(tmp_path, holdout=0.3)
    assert run("edit", "big", changes, "--actor", "carl")["state"] == "draft"
    assert run("delete", "big")["campaign_id"] == "big"
    assert run("list")["campaigns"] == []


def test_a_launch_for_later_is_scheduled_and_taken_back(run, tmp_path):
    run("create", written(tmp_path, **PLAIN, starts_at="2100-01-01T00:00:00Z"), "--id", "later")
    assert run("launch", "later")["state"] == "scheduled"
    assert run("unschedule", "later")["state"] == "approved"


def test_what_cannot_be_is_refused_by_its_field(run, tmp_path):
    unread = {"subject": "{{", "text": "x"}
    for change, field in (({"channel": "fax"}, "channel"), ({"template": unread}, "template.subject")):
        with pytest.raises(BadInput) as refused:
            run("create", written(tmp_path, **{**PLAIN, **change}))
        assert refused.value.field == field
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(BadInput, match="no JSON"):
        run("create", str(tmp_path / "broken.json"))
    with pytest.raises(BadInput, match="draft"):
        run("suggest", "--goal", "win-back", "--budget", "5000", "--draft", "99")
