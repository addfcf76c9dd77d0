"""Ta-Feng's files: what is read of them, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import BadInput
from experiments.tafeng import read_tafeng
from tests.experiments.public_shapes import write_tafeng

#: User 7: baskets {0, 1}, {1}, then {2}; user 9: {3}, then {3, 1}.
LINES = {
    "user_id": [7, 7, 7, 7, 9, 9, 9],
    "order_number": [1, 1, 2, 3, 1, 2, 2],
    "product_id": [0, 1, 1, 2, 3, 3, 1],
    "part": ["history", "history", "history", "future", "history", "future", "future"],
}
KEYSET = {"item_num": 4, "train": ["7"], "val": ["9"], "test": []}


@pytest.fixture
def folder(tmp_path):
    pq.write_table(pa.table(LINES), tmp_path / "tafeng_baskets.parquet")
    for number in range(5):
        (tmp_path / f"tafeng_keyset_{number}.json").write_text(json.dumps(KEYSET))
    return tmp_path


def test_lines_stand_so_many_baskets_before_the_last_known_one_and_the_future_is_apart(folder):
    found = read_tafeng(folder).baskets
    assert (found.n_users, found.n_items) == (2, 4)
    lines = list(zip(found.user.tolist(), found.item.tolist(), found.back.tolist(), strict=True))
    assert lines == [(0, 0, 1), (0, 1, 1), (0, 1, 0), (1, 3, 0)]
    assert (found.future.indptr.tolist(), found.future.items.tolist()) == ([0, 1, 3], [2, 1, 3])


def test_keysets_name_rows_of_customers(folder):
    keysets = read_tafeng(folder).keysets
    assert len(keysets) == 5
    assert {part: rows.tolist() for part, rows in keysets[4].items()} == {"train": [0], "val": [1], "test": []}


@pytest.mark.parametrize(
    ("keyset", "told"),
    [
        ({"train": ["7"], "val": ["9"]}, "list of user numbers called test"),
        ({"train": ["7"], "val": ["x"], "test": []}, "list of user numbers called val"),
        ({"train": ["7"], "val": ["8"], "test": []}, "val of tafeng_keyset_3.json names a user who is not"),
        ({"train": ["7"], "val": ["7"], "test": ["9"]}, "a user in two parts"),
        ([], "holds no JSON object"),
    ],
)
def test_a_keyset_that_does_not_fit_is_refused_by_name(folder, keyset, told):
    (folder / "tafeng_keyset_3.json").write_text(json.dumps(keyset))
    with pytest.raises(BadInput, match=told) as caught:
        read_tafeng(folder)
    assert caught.value.field == "data"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"part": ["future"] * 7}, "a user without history"),
        ({"order_number": [1, 1, 3, 2, 1, 2, 2]}, "a future basket before it"),
        ({"product_id": [-1, 1, 1, 2, 3, 3, 1]}, "below 0"),
    ],
)
def test_baskets_that_contradict_themselves_are_refused(folder, change, told):
    pq.write_table(pa.table(LINES | change), folder / "tafeng_baskets.parquet")
    with pytest.raises(BadInput, match=told):
        read_tafeng(folder)


def test_a_missing_keyset_is_named(folder):
    (folder / "tafeng_keyset_2.json").unlink()
    with pytest.raises(BadInput, match=r"tafeng_keyset_2\.json"):
        read_tafeng(folder)


def test_the_small_data_set_of_the_same_shape_is_read(tmp_path):
    found = read_tafeng(write_tafeng(tmp_path) / "tafeng_nextbasket")
    assert found.baskets.n_users == 400
    assert (found.baskets.future.sizes > 0).all()
    assert np.bincount(found.baskets.user[found.baskets.back == 0], minlength=400).all()
