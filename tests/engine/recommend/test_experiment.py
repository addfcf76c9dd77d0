"""Experiments on placements: who sees what, what a variant may change, and what is refused with its place."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import BadInput, NotAllowed, UnknownThing
from engine.recommend.experiment_reader import settled
from engine.recommend.placement_reader import read_placement
from engine.recommend.placement_text import place_of, read_placements
from engine.recommend.placements import PLACEMENTS, Seen, seen_by
from engine.trials.draws import fraction, fractions
from engine.trials.sample_ratio import sample_ratio, sequential_ratio

HOME = """
[home]
diversity = 0.2
explore = { share = 0.1, by = "results" }

[home.experiment]
name = "more-variety"

[home.experiment.variants.control]
weight = 0.5

[home.experiment.variants.varied]
weight = 0.3
diversity = 0.6
sources = ["own", "popular"]
ranking = ""

[home.experiment.variants.alone]
weight = 0.2
explore = 0
boost = "2"
"""


def test_a_variant_says_only_what_differs_and_the_control_is_the_placement():
    home = read_placements(HOME, "placements.toml")["home"]
    names = [name for name, _ in home.experiment.shares]
    assert names == ["control", "alone", "varied"]
    control, alone, varied = home.variants
    assert (control.control, control.sources, control.exploration) == (home.control, home.sources, home.exploration)
    assert (control.experiment, control.variants) == (None, ())
    assert (varied.sources, varied.ranking, varied.control.mmr) == (("own", "popular"), None, 0.6)
    assert varied.exploration == home.exploration
    assert (alone.exploration, alone.control.mmr, len(alone.control.boosts)) == (None, 0.2, 1)
    assert {each.name for each in home.variants} == {"home"}


def test_the_same_person_sees_the_same_variant_at_every_visit_and_after_a_new_load():
    one, other = (read_placements(HOME, "placements.toml")["home"] for _ in range(2))
    for user in ("1228", "é\n", "\ud800", "x" * 500):
        seen = seen_by(one, user, "s1")
        assert seen == seen_by(other, user, "another session")
        assert (seen.experiment, seen.share) == ("more-variety", dict(one.experiment.shares)[seen.variant])
        assert seen.placement == one.variants[[name for name, _ in one.experiment.shares].index(seen.variant)]
    assert len({seen_by(one, None, f"s{each}").variant for each in range(100)}) == 3


def test_nobody_known_and_a_placement_without_experiment_see_the_placement_itself():
    home = read_placements(HOME, "placements.toml")["home"]
    assert seen_by(home, None, None) == Seen(home)
    assert seen_by(PLACEMENTS["home"], "u", None) == Seen(PLACEMENTS["home"])


def test_the_draw_keeps_the_weights_and_two_experiments_draw_anew():
    home = read_placements(HOME, "placements.toml")["home"]
    other = read_placements(HOME.replace("more-variety", "again"), "placements.toml")["home"]
    drawn = np.array([home.experiment.place_of(f"u:{each}") for each in range(20_000)])
    again = np.array([other.experiment.place_of(f"u:{each}") for each in range(20_000)])
    shares = [share for _, share in home.experiment.shares]
    assert sample_ratio(np.bincount(drawn).tolist(), shares).chance > 0.001
    both = np.bincount(drawn * 3 + again, minlength=9)
    assert sample_ratio(both.tolist(), np.outer(shares, shares).ravel().tolist()).chance > 0.001
    salted = [read_placements(text.replace('name = "', 'salt = "one"\nname = "', 1), "x")["home"] for text in
              (HOME, HOME.replace("more-variety", "again"))]  # fmt: skip
    assert [each.experiment.place_of("u:7") for each in salted] == [salted[0].experiment.place_of("u:7")] * 2


def test_one_number_and_many_are_drawn_alike():
    units = ["a", "é", "\ud800", ""]
    assert [fraction("salt", each, b"x") for each in units] == fractions("salt", units, b"x").tolist()


def variants(**more):
    return {"control": {"weight": 0.5}, "b": {"weight": 0.5}, **more}


def experiment(**words):
    return {"experiment": {"name": "e", "variants": variants(), **words}}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"experiment": 3}, "experiment"),
        ({"experiment": {}}, "experiment.name"),
        (experiment(name="E 1"), "experiment.name"),
        (experiment(salt=""), "experiment.salt"),
        (experiment(weight=1), "experiment.weight"),
        (experiment(variants={}), "experiment.variants"),
        (experiment(variants=None), "experiment.variants"),
        (experiment(variants={"control": {"weight": 1}}), "experiment.variants"),
        (experiment(variants={"a": {"weight": 0.5}, "b": {"weight": 0.5}}), "experiment.variants"),
        (experiment(variants=variants(b={"weight": 0.4})), "experiment.variants"),
        (experiment(variants=variants(b={"weight": 0.6})), "experiment.variants"),
        (experiment(variants=variants(b={})), "experiment.variants.b.weight"),
        (experiment(variants=variants(b={"weight": 0})), "experiment.variants.b.weight"),
        (experiment(variants=variants(b={"weight": True})), "experiment.variants.b.weight"),
        (experiment(variants=variants(b={"weight": float("nan")})), "experiment.variants.b.weight"),
        (experiment(variants=variants(b=0.5)), "experiment.variants.b"),
        (experiment(variants=variants(**{"B!": {"weight": 0.5}})), "experiment.variants"),
        (experiment(variants=variants(control={"weight": 0.5, "most": 5})), "experiment.variants.control.most"),
        (experiment(variants=variants(b={"weight": 0.5, "sources": ["poplar"]})), "experiment.variants.b.sources"),
        (experiment(variants=variants(b={"weight": 0.5, "like": "hom"})), "experiment.variants.b.like"),
        (experiment(variants=variants(b={"weight": 0.5, "like": "similar"})), "experiment.variants.b.like"),
        (experiment(variants=variants(b={"weight": 0.5, "filter": "prise > 1"})), "experiment.variants.b.filter"),
        (experiment(variants=variants(b={"weight": 0.5, "experiment": {}})), "experiment.variants.b.experiment"),
        (experiment(variants=variants(b={"weight": 0.5, "hue": 1})), "experiment.variants.b.hue"),
        (experiment(variants={f"v{n}": {"weight": 0.1} for n in range(10)} | {"control": {"weight": 0.1}}),
         "experiment.variants"),
    ],
)  # fmt: skip
def test_an_experiment_that_means_nothing_is_refused_by_name(given, field):
    with pytest.raises(BadInput) as refused:
        read_placement("home", given)
    assert refused.value.field == field


def test_weights_are_read_to_the_digits_that_people_write():
    third = {name: {"weight": 0.333} for name in ("control", "b", "c")}
    read = read_placement("home", experiment(variants=third))
    assert sum(share for _, share in read.experiment.shares) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('"own", "popular"', '"own", "poplar"', "15:1"),
        ("weight = 0.3", "weight = 0.4", "9:1"),  # the sum is wrong: the first of the variants
        ("weight = 0.3", "weight = 3", "13:1"),
        ('name = "more-variety"', 'nam = "more-variety"', "7:1"),
        ('name = "more-variety"', "", "6:1"),
        ("diversity = 0.6", 'filter = "prise > 1"', "14:1"),
        ('share = 0.1, by = "results"', 'share = 0.9, by = "results"', "4:1"),
        ("[home.experiment.variants.control]\nweight = 0.5", "", "11:1"),
        ("explore = 0\n", 'like = "nobody"\n', "20:1"),
    ],
)
def test_a_wrong_word_of_an_experiment_is_told_with_its_line(old, new, place):
    assert old in HOME
    with pytest.raises(BadInput) as refused:
        read_placements(HOME.replace(old, new), "placements.toml")
    assert refused.value.position == place
    assert f"placements.toml:{place}" in refused.value.message


@pytest.mark.parametrize(
    ("text", "path", "place"),
    [
        ("[a]\nexperiment = { name = 3 }", ["a", "experiment", "name"], "2:1"),
        ("[a]\nexperiment.name = 3", ["a", "experiment", "name"], "2:1"),
        ('["a"]\n  experiment.variants.b . weight = 3', ["a", "experiment", "variants", "b", "weight"], "2:3"),
        ("[[a.pin]]\nposition = 0\n[a]", ["a", "pin", "position"], "1:1"),
        ("", ["a", "like"], "1:1"),
        ("a.like = 3", ["a", "like"], "1:1"),
        ("[b]\nlike = 3\n[a]\nlike = 4", ["a", "like"], "4:1"),
    ],
)
def test_places_are_found_however_toml_is_written(text, path, place):
    assert place_of(text, path) == place


def test_keeping_a_variant_is_an_edit_of_the_placement():
    given = {"filter": "price > 1", "diversity": 0.2,
             **experiment(variants=variants(b={"weight": 0.5, "diversity": 0.6, "filter": None}))}  # fmt: skip
    assert settled(given, "control") == {"filter": "price > 1", "diversity": 0.2}
    assert settled(given, "b") == {"diversity": 0.6}
    with pytest.raises(UnknownThing) as refused:
        settled(given, "c")
    assert refused.value.field == "variant"
    with pytest.raises(NotAllowed):
        settled({"like": "home"}, "control")


def test_the_alarm_rings_on_what_was_lost_and_not_on_what_was_drawn():
    assert sequential_ratio([102_000, 98_000], [0.5, 0.5]).alarm
    assert sequential_ratio([100, 0], [0.5, 0.5]).alarm
    assert sequential_ratio([5, 5, 1], [0.5, 0.5, 0.0]).alarm
    for sizes in ([100_000, 100_300], [3, 1], [0, 0], [1]):
        assert not sequential_ratio(sizes, [0.5, 0.5][: len(sizes)]).alarm
    draw = np.random.default_rng(1)
    rang = 0
    for _ in range(2_000):
        counts = np.cumsum(draw.multinomial(300, [0.7, 0.3], 28), axis=0)
        rang += any(sequential_ratio(each, [0.7, 0.3]).alarm for each in counts.tolist())
    assert rang <= 8  # two are expected at most; more than eight come once in a thousand
