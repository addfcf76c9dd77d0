"""Recipes of predictions: the shipped ones, and the one line that refuses the rest."""

from __future__ import annotations

import pytest

from engine.errors import BadInput
from training.predictions.recipe import PREDICTS, PredictionRecipe, is_prediction, parse_prediction
from training.recipe import read_document, read_recipe


@pytest.mark.parametrize("name", PREDICTS)
def test_each_kind_has_a_shipped_recipe_of_its_name(name):
    found = parse_prediction(read_document(name))
    assert (found.name, found.predicts) == (name, name)


def test_churn_is_a_hazard_of_six_steps_for_customers_of_the_last_90_days():
    found = parse_prediction(read_document("churn"))
    assert (found.horizon_days, found.steps, found.active) == (90, 6, 90)
    assert parse_prediction(read_document("purchase")).active == 365


def test_a_recipe_of_the_storefront_is_told_apart_and_refused_for_a_prediction():
    assert not is_prediction(read_document("default"))
    with pytest.raises(BadInput, match="of a prediction"):
        read_recipe("churn")


def test_no_key_has_to_be_said():
    assert parse_prediction({"name": "purchase", "prediction": {}}) == PredictionRecipe()


@pytest.mark.parametrize(
    ("said", "field", "words"),
    [
        ({"horizon": 3}, "prediction.horizon", "did you mean horizon_days?"),
        ({"predicts": "chrun"}, "prediction.predicts: chrun", "did you mean churn?"),
        ({"candidates": ["tree"]}, "prediction.candidates: tree", "did you mean trees?"),
        ({"candidates": []}, "prediction.candidates", "at least one"),
        ({"candidates": [1]}, "prediction.candidates", "a list of texts"),
        ({"horizon_days": "30"}, "prediction.horizon_days", "a whole number, not '30'"),
        ({"horizon_days": True}, "prediction.horizon_days", "a whole number"),
        ({"horizon_days": 0}, "prediction.horizon_days", "from 1 to 730"),
        ({"horizon_days": 30, "step_days": 7}, "prediction.step_days", "divide horizon_days"),
        ({"horizon_days": 90, "step_days": 1}, "prediction.step_days", "at most 24 steps"),
        ({"least_buyers": 5}, "prediction.least_buyers", "from 100"),
        ({"refits": 3}, "prediction.refits", "from 10"),
        ({"subjects": ["tea"]}, "prediction.subjects", "left out"),
        (3, "prediction", "a table"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(said, field, words):
    with pytest.raises(BadInput) as refused:
        parse_prediction({"name": "mine", "prediction": said})
    assert refused.value.field == field
    assert words in refused.value.message


def test_beside_its_table_a_recipe_says_nothing():
    with pytest.raises(BadInput, match="unknown key windows"):
        parse_prediction({"name": "mine", "prediction": {}, "windows": 3})


@pytest.mark.parametrize("name", ["Mine", "1st", "a b", "a/b", "", "x" * 64])
def test_a_name_fits_into_rules_and_files(name):
    with pytest.raises(BadInput) as refused:
        parse_prediction({"name": name, "prediction": {}})
    assert refused.value.field == "name"
