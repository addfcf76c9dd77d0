"""Predictions in the lake: a name's rows come and go together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from engine.errors import BadInput
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.lake_predictions import replace_predictions

NOW = datetime(2025, 3, 1, tzinfo=UTC)


def rows(users, *, score=0.5, run="r1", subject=None, **more):
    n = len(users)
    columns = {
        "user_id": list(users),
        "subject": pa.array([subject] * n, pa.string()),
        "score": pa.array([score] * n, pa.float64()),
        "low": pa.array([0.1] * n, pa.float64()),
        "high": pa.array([0.9] * n, pa.float64()),
        "baseline": pa.array([0.4] * n, pa.float64()),
        "model": ["trees"] * n,
        "as_of": [NOW] * n,
        "run_id": [run] * n,
        "written_at": [NOW] * n,
    }
    return pa.table(columns | {name: pa.array(values) for name, values in more.items()})


def stored(home):
    found = Lake(home).query("SELECT name, user_id, subject, run_id FROM predictions ORDER BY ALL").to_pylist()
    return [tuple(row.values()) for row in found]


def test_a_shop_without_predictions_reads_as_an_empty_table(tmp_path):
    assert Lake(Home(tmp_path)).query("SELECT count(*) AS n FROM predictions")["n"].to_pylist() == [0]


def test_a_name_is_replaced_whole_and_others_stay(tmp_path):
    home = Home(tmp_path)
    replace_predictions(home, "churn", rows(["a", "b", "c"]))
    replace_predictions(home, "purchase", rows(["a"]))
    pinned = Lake(home).at(Lake(home).versions())
    replace_predictions(home, "churn", rows(["b"], run="r2", subject="tea"))
    assert stored(home) == [("churn", "b", "tea", "r2"), ("purchase", "a", None, "r1")]
    assert pinned.query("SELECT count(*) AS n FROM predictions")["n"].to_pylist() == [4]


def test_a_prediction_may_have_no_interval(tmp_path):
    nothing = pa.nulls(1, pa.float64())
    replace_predictions(Home(tmp_path), "response", rows(["a"], low=nothing, high=nothing))
    assert Lake(Home(tmp_path)).query("SELECT score, low, high FROM predictions").to_pylist() == [
        {"score": 0.5, "low": None, "high": None}
    ]


def test_no_rows_take_a_prediction_away(tmp_path):
    home = Home(tmp_path)
    replace_predictions(home, "churn", rows(["a"]))
    replace_predictions(home, "churn", rows([]))
    assert stored(home) == []


def test_who_reads_while_others_write_sees_one_run_only(tmp_path):
    home = Home(tmp_path)
    replace_predictions(home, "churn", rows([f"u{number}" for number in range(500)], run="r0"))

    def write(number):
        replace_predictions(home, "churn", rows([f"u{each}" for each in range(500)], run=f"r{number}"))

    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(write, number) for number in range(1, 9)]
        seen = []
        while not all(each.done() for each in writing):
            seen.append({(row[3], row[0]) for row in stored(home)})
            assert len(stored(home)) == 500
        for each in writing:
            each.result()
    assert all(len(each) == 1 for each in seen)


@pytest.mark.parametrize(
    ("name", "table", "field"),
    [
        ("Churn!", rows(["a"]), "name"),
        ("a' OR true --", rows(["a"]), "name"),
        ("churn", rows(["a"]).drop_columns(["score"]), "score"),
        ("churn", rows(["a"], score=1.5), "score"),
        ("churn", rows(["a"], score=float("nan")), "score"),
        ("churn", rows(["a"], low=[0.6]), "score"),
        ("churn", rows(["a"], low=pa.array([None], pa.float64())), "score"),
        ("churn", rows([None]), "user_id"),
        ("churn", rows(["a", "a"]), "user_id"),
        ("churn", rows(["a"], as_of=["yesterday"]), None),
    ],
)
def test_what_is_no_prediction_is_refused_and_nothing_is_written(tmp_path, name, table, field):
    home = Home(tmp_path)
    with pytest.raises(BadInput) as refused:
        replace_predictions(home, name, table)
    assert refused.value.field == field
    assert stored(home) == []
