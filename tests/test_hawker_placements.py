"""The verbs for placements: what lists earned, what others would have earned, and the end of an experiment."""

from __future__ import annotations

import json
import time

import pytest
from typer.testing import CliRunner

from engine.errors import BadInput, NotAllowed, NotEnoughData, UnknownThing
from engine.storage.clock import set_offset
from engine.storage.home import Home
from engine.storage.ledger import opened_ledger
from engine.storage.placements import put_placement
from hawker_placements import placement
from tests.engine.storage.served_lists import NOW, ServedLists, click, explored_lists
from tests.stores import SHOP

RUNNING = {"name": "e", "variants": {"control": {"weight": 0.5}, "b": {"weight": 0.5, "diversity": 0.4}}}


@pytest.fixture
def shop(tmp_path, monkeypatch):
    home = Home(tmp_path / "home")
    monkeypatch.setenv("HAWKER_HOME", str(home.root))
    set_offset(home, NOW.timestamp() - time.time())
    return ServedLists(home)


def run(*given):
    done = CliRunner().invoke(placement, [*map(str, given)])
    return done, json.loads(done.output.splitlines()[-1]) if "--json" in given and not done.exception else None


def test_a_report_is_told_to_programs_and_to_people(shop):
    explored_lists(shop, 100)
    shop.serve({"recommendation_id": "x", "user_id": "z", "variant": "b"})
    shop.tell(click("x", user="z"))
    done, told = run("report", "home", "--json")
    assert (done.exit_code, told["experiment"]) == (0, "e")
    assert [(each["variant"], each["people"]) for each in told["variants"]] == [("control", 50), ("b", 1)]
    text = run("report", "home", "--days", 28, "--experiment", "e")[0].output
    assert "home, experiment e, 2026-02-20 to 2026-03-20" in text
    assert "of 200 places explored; clicks lost a list" in text
    assert "列表" in run("report", "home", "--language", "zh")[0].output
    for given, error in (
        (("report", "nowhere"), UnknownThing), (("report", "no\ud800"), UnknownThing),
        (("report", "home", "--experiment", "f"), UnknownThing),
        (("report", "home", "--experiment", "F!"), UnknownThing),
        (("report", "home", "--days", 0), BadInput), (("report", "home", "--language", "de"), BadInput),
    ):  # fmt: skip
        assert isinstance(run(*given)[0].exception, error)


def test_other_lists_are_estimated_from_a_file(shop, tmp_path):
    explored_lists(shop, 400)
    lists = tmp_path / "lists.csv"
    rows = [f"u{user},{rank},{item}" for user in range(50) for rank, item in ((2, "y"), (1, "a"))]
    lists.write_text("\n".join(["user_id,rank,item_id", *rows]))
    done, told = run("estimate", "home", "--lists", lists, "--json")
    assert (done.exit_code, told["lists"], told["by"]) == (0, 400, "place")
    assert told["ips"]["value"] == pytest.approx(0.9, abs=0.3)
    text = run("estimate", "home", "--lists", lists, "--by", "item", "--reward", "revenue")[0].output
    assert "doubly robust" in text
    assert "of the wanted places could have been shown; 400 lists" in text
    for words, error in (
        (("--by", "luck"), BadInput), (("--reward", "fame"), BadInput), (("--experiment", "f"), NotEnoughData),
    ):  # fmt: skip
        assert isinstance(run("estimate", "home", "--lists", lists, *words)[0].exception, error)
    for content in ("user_id,rank,item_id\nu1,0,a", "user_id,rank,item_id\nu1,x,a", "user_id,item_id\nu1,a"):
        lists.write_text(content)
        assert isinstance(run("estimate", "home", "--lists", lists)[0].exception, BadInput)
    assert isinstance(run("estimate", "home", "--lists", tmp_path / "none.csv")[0].exception, BadInput)
    lists.write_text("user_id,rank,item_id\nu1,1,never")
    assert isinstance(run("estimate", "home", "--lists", lists)[0].exception, NotEnoughData)


def test_an_experiment_ends_with_the_variant_that_is_kept(shop, ledger_url, monkeypatch):
    monkeypatch.setenv("HAWKER_POSTGRES_URL", ledger_url)
    with opened_ledger(ledger_url, SHOP) as ledger:
        put_placement(ledger, "home", {"experiment": RUNNING}, actor=None, now=NOW.timestamp())
    done, told = run("keep", "home", "b", "--by", "anna", "--json")
    assert (done.exit_code, told["definition"]) == (0, {"diversity": 0.4})
    assert isinstance(run("keep", "home", "b")[0].exception, NotAllowed)
    assert isinstance(run("keep", "cart", "b")[0].exception, UnknownThing)
