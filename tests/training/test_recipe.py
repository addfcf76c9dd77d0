"""Recipes: what they may say, and the one line that refuses the rest."""

from __future__ import annotations

import dataclasses

import pytest

from engine.errors import BadInput
from training.recipe import Recipe, parse_recipe, read_recipe


def test_the_shipped_recipe_is_read_by_name():
    """What it says of a sweep concerns no other training."""
    assert dataclasses.replace(read_recipe("default"), sweep={}) == Recipe()


def test_a_file_says_only_what_differs(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'windows = 2\ncompare = ["bpr"]\n[weights]\nview = 0\n[half_lives]\npurchase = inf\n[models.als]\nfactors = 8\n'
    )
    found = read_recipe(str(path))
    assert (found.name, found.windows, found.compare, found.factors) == ("mine", 2, ("bpr",), "als")
    assert (dict(found.weights), dict(found.half_lives)) == ({"view": 0}, {"purchase": float("inf")})
    assert found.models == {"als": {"factors": 8}}


@pytest.mark.parametrize(
    ("said", "field", "words"),
    [
        ("windos = 3", "windos", "did you mean windows?"),
        ("[weights]\nveiw = 1.0", "weights.veiw", "did you mean view?"),
        ("[half_lives]\npurchases = 9", "half_lives.purchases", "did you mean purchase?"),
        ("[models.asl]\nfactors = 9", "models.asl", "did you mean als?"),
        ("[models.als]\nfactor = 9", "factor", "did you mean 'factors'?"),
        ("[models.basket]\nx = 9", "x", "has no parameter 'x'"),
        ('compare = ["bprr"]', "compare: bprr", "did you mean bpr?"),
        ("compare = [3]", "compare: 3", "unknown key"),
        ('compare = "bpr"', "compare", "a list of names"),
        ('factors = "popularity"', "factors: popularity", "unknown key"),
        ('windows = "3"', "windows", "a whole number, not '3'"),
        ("windows = true", "windows", "a whole number, not True"),
        ("windows = 2.5", "windows", "a whole number, not 2.5"),
        ("windows = 1", "windows", "2 or more, not 1"),
        ("horizon_days = -1", "horizon_days", "0 or more"),
        ("seed = -1", "seed", "0 or more"),
        ("seed = 99999999999999999999", "seed", "4294967295 or less"),
        ("weights = 3", "weights", "a table"),
        ('[weights]\nview = "much"', "weights.view", "a finite number, not 'much'"),
        ("[weights]\nview = nan", "weights.view", "a finite number"),
        ("[weights]\nview = true", "weights.view", "a finite number"),
        ("[half_lives]\npurchase = 0", "half_lives.purchase", "above 0"),
        ("[half_lives]\npurchase = nan", "half_lives.purchase", "above 0"),
        ('[half_lives]\npurchase = "none"', "half_lives.purchase", "inf never fades"),
        ("[models]\nals = 3", "models.als", "a table"),
        ('[models.als]\nfactors = "many"', "factors", "a whole number, 0 or more, not 'many'"),
        ("[models.als]\nfactors = 1.5", "factors", "a whole number"),
        ("[models.als]\nfactors = -4", "factors", "a whole number, 0 or more"),
        ("[models.als]\nalpha = nan", "alpha", "a number, 0 or more"),
        ("[models.bpr]\nhalf_life_days = [3]", "half_life_days", "a number, 0 or more"),
        ("[models.graph_filter]\nbinary = 1", "binary", "true or false"),
        ("windows 3", "recipe", "cannot be read"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_by_the_key(tmp_path, said, field, words):
    path = tmp_path / "mine.toml"
    path.write_text(said)
    with pytest.raises(BadInput) as refused:
        read_recipe(str(path))
    assert refused.value.field == field
    assert words in refused.value.message
    assert "\n" not in refused.value.message


def test_a_recipe_that_is_not_there_or_is_no_text_is_refused(tmp_path):
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "folder.toml").mkdir()
    for name in ("binary", "folder", "nothing"):
        with pytest.raises(BadInput, match="cannot be read"):
            read_recipe(str(tmp_path / f"{name}.toml"))
    with pytest.raises(BadInput, match="no recipe is called 'dfault'; there are category, churn, default"):
        read_recipe("dfault")


@pytest.mark.parametrize("document", [{}, {"threads": 1}, {"models": {"hybrid": {"half_life_days": 30}}}])
def test_a_table_is_read_as_a_file_is(document):
    assert isinstance(parse_recipe(document), Recipe)
