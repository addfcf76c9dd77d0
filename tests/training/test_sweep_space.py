"""What a recipe lets a sweep try, the search over it, and recipes as text."""

from __future__ import annotations

import math
import re
import tomllib
from pathlib import Path

import pytest

from engine.errors import BadInput
from training.recipe import parse_recipe, space_of
from training.recipe_text import recipe_text
from training.search import Search
from training.sweep_space import Knob, with_values

#: Where most of what is refused stands, and how it is named.
ALS, AT = "[sweep.space.models.als]\n", "sweep.space.models.als."
WIDE = """
name = "wide"
compare = []
[sweep]
objective = "als/new"
trials = 7
timeout_minutes = 2.5
[sweep.space]
factors = ["als", "bpr"]
windows = { low = 2, high = 4 }
[sweep.space.models.als]
factors = { low = 16, high = 100, step = 32 }
regularization = { low = 0.01, high = 10.0, log = true }
[sweep.space.half_lives]
purchase = { low = 20.0, high = 100.0, step = 7.0 }
"""


def space(text):
    return space_of(parse_recipe({"name": "x", **tomllib.loads(text)}))


def test_the_documented_table_is_one_that_is_accepted():
    text = (Path(__file__).resolve().parents[2] / "REFERENCE.md").read_text()
    found = space(re.search(r"^### Sweeps$.*?```toml\n(.*?)```", text, re.DOTALL | re.MULTILINE)[1])
    assert len(found.knobs) == 4


def test_each_range_and_choice_becomes_a_knob_at_its_place():
    found = space(WIDE)
    assert (found.objective, found.trials, found.timeout_minutes) == ("als/new", 7, 2.5)
    assert found.knobs == (
        Knob("factors", choices=("als", "bpr")),
        Knob("windows", low=2, high=4),
        Knob("models.als.factors", low=16, high=100, step=32),
        Knob("models.als.regularization", low=0.01, high=10.0, log=True),
        Knob("half_lives.purchase", low=20.0, high=100.0, step=7.0),
    )


@pytest.mark.parametrize(
    ("table", "field", "told"),
    [
        ("trails = 3", "sweep.trails", "one of objective, trials, timeout_minutes, space"),
        ("trials = 0\n[sweep.space]\nfactors = ['als', 'bpr']", "sweep.trials", "1 or more"),
        ("trials = 3", "sweep.space", "a table of what to try"),
        ("[sweep.space]", "sweep.space", "a table of what to try"),
        ("objective = 'home'\n[sweep.space]\nfactors = ['als', 'bpr']", "sweep.objective", "such as home/whole"),
        ("objective = 'basement/new'\n[sweep.space]\nfactors = ['als', 'bpr']", "sweep.objective", "home, discover"),
        ("[sweep.space]\nhorizon_days = [7, 28]", "sweep.space.horizon_days", "one of factors, windows"),
        ("[sweep.space]\nseed = [1, 2]", "sweep.space.seed", "one of factors"),
        ("[sweep.space]\nfactors = ['als']", "sweep.space.factors", "two or more"),
        ("[sweep.space]\nfactors = 'als'", "sweep.space.factors", "a list of choices, or a table with low and high"),
        (ALS + "factors = { low = 9, high = 9 }", AT + "factors", "low below high"),
        (ALS + "factors = { low = 9 }", AT + "factors", "low and high"),
        (ALS + "factors = { low = 9, hihg = 10 }", AT + "factors.hihg", "low, high"),
        (ALS + "alpha = { low = 0.0, high = 1.0, log = true }", AT + "alpha", "above 0"),
        (ALS + "factors = { low = 8, high = 16, step = 0.5 }", AT + "factors.step",
         "whole"),
        (ALS + "factors = { low = 8, high = 16, step = 9 }", AT + "factors.step",
         "within low and high"),
    ],
)  # fmt: skip
def test_a_space_that_says_nothing_sensible_is_refused_by_its_place(table, field, told):
    with pytest.raises(BadInput) as refused:
        space(f"[sweep]\n{table}")
    assert refused.value.field == field
    assert told in refused.value.message


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("[sweep.space.models.als]\nfactros = { low = 8, high = 16 }", "did you mean 'factors'"),
        ("[sweep.space.models.asl]\nfactors = { low = 8, high = 16 }", "did you mean als"),
        ("[sweep.space.models.als]\nfactors = { low = 8.5, high = 16.5 }", "must be a whole number"),
        ("[sweep.space]\nfactors = ['als', 'popularity']", "did you mean"),
        ("[sweep.space]\nwindows = { low = 1, high = 3 }", "windows must be 2 or more"),
        ("[sweep.space.half_lives]\nprchase = { low = 8, high = 16 }", "did you mean purchase"),
        ("[sweep.space.half_lives]\npurchase = { low = -1.0, high = 16.0 }", "above 0"),
    ],
)
def test_what_the_recipe_would_refuse_is_refused_before_the_first_trial(table, told):
    with pytest.raises(BadInput, match=told):
        space(f"[sweep]\n{table}")


def test_a_recipe_without_a_space_cannot_be_swept():
    with pytest.raises(BadInput, match=r"has no table \[sweep\]"):
        space("windows = 2")


def score(values):
    """Best at bpr, 80 factors and a regularization of 1."""
    off = abs(math.log(values["models.als.regularization"])) + abs(values["models.als.factors"] - 80) / 50
    return (values["factors"] == "bpr") - off


def searched(trials, *, stop_at=None):
    knobs, found = space(WIDE).knobs, []
    search = Search(knobs, 3)
    for number in range(trials):
        if number == stop_at:
            search = Search(knobs, 3)
            for each in found:
                search.told(each, score(each))
        found.append(search.ask(number))
        search.told(found[-1], score(found[-1]))
    return found


def test_a_search_asks_for_values_of_the_space_only_and_gets_better():
    found = searched(30)
    assert {each["models.als.factors"] for each in found} <= {16, 48, 80}
    assert all(0.01 <= each["models.als.regularization"] <= 10 for each in found)
    assert all((each["half_lives.purchase"] - 20) % 7 < 1e-9 for each in found)
    assert sum(map(score, found[20:])) > sum(map(score, found[:10]))


def test_a_search_that_was_interrupted_goes_on_as_if_it_had_not_been():
    assert searched(16, stop_at=11) == searched(16)


def test_values_outside_of_the_space_teach_nothing_and_do_no_harm():
    knobs = space(WIDE).knobs
    search, plain = Search(knobs, 3), Search(knobs, 3)
    inside = plain.ask(0)
    for values in ({}, {**inside, "factors": "hybrid"}, {**inside, "models.als.factors": 17}):
        search.told(values, 99.0)
    assert search.ask(1) == plain.ask(1)


def test_values_go_to_their_places_and_the_sweep_is_gone():
    document = {"name": "x", "models": {"als": {"alpha": 2.0}}, "sweep": {"trials": 3}}
    found = with_values(document, {"models.als.factors": 32, "half_lives.purchase": 30.0, "factors": "bpr"})
    assert found == {
        "name": "x",
        "models": {"als": {"alpha": 2.0, "factors": 32}},
        "half_lives": {"purchase": 30.0},
        "factors": "bpr",
    }
    assert document["models"] == {"als": {"alpha": 2.0}}


def test_a_recipes_text_reads_back_as_the_recipe():
    document = {
        "name": 'odd "name" \\ \x7f 日本\n', "windows": 3, "compare": ["bpr", "hybrid"], "peers": 0.5,
        "half_lives": {"purchase": math.inf, "view": 1e-07}, "weights": {},
        "models": {"als": {"factors": 32, "regularization": 1e22}, "graph_filter": {"binary": True}},
        "odd key": {"": 1},
    }  # fmt: skip
    assert tomllib.loads(recipe_text(document, "two\nlines")) == document
    assert recipe_text(document, "two\nlines").startswith("# two\n# lines\n")
