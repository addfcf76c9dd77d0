"""Bench `gowalla`, small, on people and places of the same shape that are made here."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import BadInput
from experiments.bench import run_bench
from experiments.gowalla import read_gowalla
from experiments.gowalla_bench import PUBLISHED, RECALL
from tests.experiments.public_shapes import write_gowalla


def test_the_quick_bench_finds_the_places_of_the_own_group_and_stands_beside_the_published(tmp_path):
    found = run_bench("gowalla", quick=True, data=write_gowalla(tmp_path)).findings.figures
    for family in ("graph_filter", "als", "graph_and_factors"):
        assert found[family]["test"][RECALL] > 0.3  # twenty of 160 places by chance: 0.14
        best = max(each[RECALL] for each in found[family]["validation"])
        assert (
            next(each for each in found[family]["validation"] if each[RECALL] == best)["params"]
            == (found[family]["chosen"])
        )
    assert set(PUBLISHED) < set(found["table"])
    recalls = [row[RECALL] for row in found["table"].values()]
    assert recalls == sorted(recalls, reverse=True)


def test_validation_is_a_tenth_of_what_was_seen_and_leaves_the_test_part_out(tmp_path):
    split = read_gowalla(write_gowalla(tmp_path) / "gowalla")
    part = split.validation(0.1, seed=5)
    seen = set(zip(split.users.tolist(), split.items.tolist(), strict=True))
    rest = set(zip(part.users.tolist(), part.items.tolist(), strict=True))
    later = set(zip(part.later_users.tolist(), part.later_items.tolist(), strict=True))
    assert rest | later == seen and not rest & later
    sizes = np.bincount(split.users)
    assert np.bincount(part.later_users).tolist() == np.maximum(1, np.round(0.1 * sizes)).astype(int).tolist()
    assert np.array_equal(part.items, split.validation(0.1, seed=5).items)
    assert not np.array_equal(part.items, split.validation(0.1, seed=6).items)


def test_a_missing_or_unlike_file_is_refused_by_name(tmp_path):
    with pytest.raises(BadInput, match="gowalla") as caught:
        run_bench("gowalla", quick=True, data=tmp_path)
    assert caught.value.field == "data"
    folder = tmp_path / "gowalla"
    folder.mkdir()
    with pytest.raises(BadInput, match="not complete"):
        read_gowalla(folder)
    file = folder / "gowalla.parquet"
    for columns, told in (
        ({"user": [1], "item": [2]}, "no column split"),
        ({"user": [1], "item": [2], "split": ["valid"]}, "must hold train and test"),
        ({"user": [-1, 0], "item": [2, 2], "split": ["train", "test"]}, "below 0"),
    ):
        pq.write_table(pa.table(columns), file)
        with pytest.raises(BadInput, match=told):
            read_gowalla(folder)
    file.write_bytes(b"PAR0")
    with pytest.raises(BadInput, match="cannot be read"):
        read_gowalla(folder)
