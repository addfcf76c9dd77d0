"""Benches `diginetica` and `beauty`, small, on visits of the same shape that are made here."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import BadInput
from experiments import beauty_bench, diginetica_bench
from experiments.beauty import read_beauty
from experiments.bench import run_bench
from experiments.diginetica import read_diginetica
from tests.experiments.visit_shapes import GROUPS, WIDTH, write_beauty, write_diginetica


def test_the_quick_bench_finds_where_visits_go_on_and_stands_beside_the_published(tmp_path):
    result = run_bench("diginetica", quick=True, data=write_diginetica(tmp_path))
    found = result.findings.figures
    # Three of four go on to the next item of ten; the published methods see 43,097 items.
    assert found["test"]["mrr@20"]["mean"] > 0.6
    assert found["test"]["mrr@20"]["mean"] > found["test, ranks fused"]["mrr@20"]
    assert set(diginetica_bench.PUBLISHED) < set(found["table"])
    json.dumps(result.as_json(), allow_nan=False)


def test_the_quick_bench_finds_the_next_item_of_a_history_and_never_one_of_its_own(tmp_path):
    found = run_bench("beauty", quick=True, data=write_beauty(tmp_path)).findings.figures
    assert found["test"]["hit_rate@10"]["mean"] > 0.9  # the rest of a group of ten is never more than ten
    assert found["test"]["ndcg@10"]["mean"] > 0.5
    assert set(beauty_bench.PUBLISHED) < set(found["table"])


def test_beauty_is_read_as_histories_and_attributes(tmp_path):
    histories, features = read_beauty(write_beauty(tmp_path, users=300) / "beauty")
    assert histories.n_items == GROUPS * WIDTH
    assert min(len(histories[user]) for user in range(len(histories))) >= 5
    assert features is not None and features.matrix.shape[0] == histories.n_items
    assert "attribute=1" in features.names


@pytest.mark.parametrize("name", ["beauty", "diginetica"])
def test_a_data_set_that_is_not_there_is_named(tmp_path, name):
    with pytest.raises(BadInput, match=name) as caught:
        run_bench(name, quick=True, data=tmp_path)
    assert caught.value.field == "data"
    (tmp_path / name).mkdir()
    with pytest.raises(BadInput, match="not complete"):
        run_bench(name, quick=True, data=tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [("", "must name 4 items"), ("1 2 3 x 5", "lines of numbers"), ("1 2 3 0 5", "from 1 on"), ("1 2 3", "4 items")],
)
def test_histories_that_are_not_as_described_are_refused(tmp_path, text, told):
    (tmp_path / "Beauty.txt").write_text(text)
    (tmp_path / "Beauty_item2attributes.json").write_text("{}")
    with pytest.raises(BadInput, match=told):
        read_beauty(tmp_path)


@pytest.mark.parametrize(
    ("items", "seen", "told"),
    [
        ([[1, 2]], [[3]], "names items that"),
        ([[0, 2]], [[1]], "from 1 on"),
        ([[1, 2], None], [[1]], "from 1 on"),
        ([1, 2], [[1]], "must hold lists"),
        ([[1, 2]], [[]], "from 1 on"),
    ],
)
def test_visits_that_are_not_as_described_are_refused(tmp_path, items, seen, told):
    pq.write_table(pa.table({"items": items}), tmp_path / "diginetica_train.parquet")
    pq.write_table(pa.table({"items": seen, "label": [1]}), tmp_path / "diginetica_test.parquet")
    with pytest.raises(BadInput, match=told):
        read_diginetica(tmp_path)
