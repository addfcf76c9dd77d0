"""The verbs for audiences and classes: users for an item, lookalikes, scorecards; as files and for programs."""

from __future__ import annotations

import json

import pyarrow.parquet as parquet
import pytest
from typer.testing import CliRunner

from engine.errors import BadInput, UnknownThing
from engine.storage.classes import create_classification, put_class
from engine.storage.home import Home
from engine.storage.ledger import opened_ledger
from engine.targeting.definition import read_definition
from engine.targeting.segments import Words
from engine.targeting.traits import TRAIT_FIELDS
from hawker_segments import segment
from hawker_users import user
from tests.bundles import toy_bundle
from tests.engine.storage.shoppers import NOW, Shoppers, order
from tests.serving.conftest import publish
from tests.stores import SHOP


@pytest.fixture
def home(ledger_url, tmp_path, monkeypatch):
    """Forty users, of whom twenty-five ordered twice, and a classification of two classes."""
    home = Home(tmp_path / "home")
    monkeypatch.setenv("HAWKER_HOME", str(home.root))
    monkeypatch.setenv("HAWKER_POSTGRES_URL", ledger_url)
    Shoppers(home).happened(*(order(f"u{n}", ago, 5_000) for n in range(40) for ago in (2, 5)[: 1 + (n < 25)]))
    publish(home, toy_bundle())
    with opened_ledger(ledger_url, SHOP) as ledger:
        create_classification(ledger, "Tier", actor=None, now=NOW.timestamp())
        for name, text in (("twice", "orders >= 2"), ("never", "orders >= 9")):
            rule = read_definition(text, Words(TRAIT_FIELDS))
            put_class(ledger, "tier", name, names=name, definition=rule, actor=None, now=NOW.timestamp())
    return home


def run(app, *given):
    done = CliRunner().invoke(app, [*map(str, given)])
    return done, json.loads(done.output.splitlines()[-1]) if "--json" in given and not done.exception else None


def test_the_users_for_an_item_are_written_to_a_file(home, tmp_path):
    out = tmp_path / "users.parquet"
    done, told = run(user, "for-item", "i6", "--out", out, "--limit", 5, "--json")
    assert (done.exit_code, told["users"], told["prediction"]) == (0, 5, None)
    rows = parquet.read_table(out).to_pylist()
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5]
    bought = {row["user_id"] for row in rows if row["own_rank"]}
    assert bought
    run(user, "for-item", "i6", "--out", out, "--new-only")
    assert not bought & set(parquet.read_table(out)["user_id"].to_pylist())
    for given, error in ((("none", "--out", out), UnknownThing), (("i6", "--out", tmp_path / "x.pdf"), BadInput)):
        assert isinstance(run(user, "for-item", *given)[0].exception, error)


def test_a_lookalike_becomes_a_segment_or_a_file(home, tmp_path):
    assert run(user, "refresh")[0].exit_code == 0
    out, many = tmp_path / "alike.csv", ("lookalike", "class:tier:twice", "--size", 5)
    assert isinstance(run(segment, *many)[0].exception, BadInput)
    _, told = run(segment, *many, "--name", "Nearly", "--out", out, "--json")
    assert (told["members"], told["size"], told["segment"]["members"]) == (25, 5, 5)
    assert out.read_text().startswith('"user_id","likeness"')
    assert "nearly  Nearly" in run(segment, "list")[0].output


def test_a_scorecard_is_told_with_the_thresholds_to_change(home):
    run(user, "refresh")
    done, told = run(segment, "scorecard", "tier", "--json")
    assert done.exit_code == 0, done.output
    assert [each["size"] for each in told["classes"]] == [25, 0]
    text = run(segment, "scorecard", "tier", "--since", "2026-01-01")[0].output
    assert "25  twice  62.5%" in text
    assert "it holds 0.0% of the customers: orders >= 1" in text
    assert "no record of it that far back" in text
