from __future__ import annotations

import hashlib

import numpy as np
import pytest

from engine import ids
from engine.ids import IdMap, TextTable

ODD = ["", "a", "a/b", "\ud800", "\udfff", "é", "e\u0301", "\x00", "a\x00", "日本", "😀", " ", "x" * 10_000, "\r\n"]


def test_every_text_finds_its_row_and_comes_back():
    known = IdMap.of(ODD)
    assert [known.row(text) for text in ODD] == list(range(len(ODD)))
    assert list(known.ids) == ODD
    assert known.row("nobody") == known.row("A") == -1


def test_a_hash_is_that_of_hashlib():
    rng = np.random.default_rng(0)
    for size in (*range(20), *range(120, 140), 255, 256, 257, 512, 10_000):
        raw = rng.integers(0, 256, size).astype(np.uint8)
        (found,) = ids._hashes(raw, np.array([0, size]))
        assert int(found) == int.from_bytes(hashlib.blake2b(raw.tobytes(), digest_size=8).digest(), "little"), size


def test_each_of_many_ids_is_found_and_no_other():
    known = IdMap.of([f"i{3 * number}" for number in range(20_000)])
    asked = range(60_003)
    expected = [number // 3 if number % 3 == 0 and number < 60_000 else -1 for number in asked]
    assert known.rows(f"i{number}" for number in asked).tolist() == expected


def test_ids_whose_hashes_collide_are_told_apart(monkeypatch):
    for name in ("_row", "_rows", "_hashes", "row_of", "_first"):  # the same code, with another hash
        monkeypatch.setattr(ids, name, getattr(ids, name).py_func)
    monkeypatch.setattr(ids, "hash_of", lambda blob, begin, end: np.uint64((end - begin) % 2))
    texts = [f"id{number}" for number in range(25)]
    known = IdMap.of(texts)
    assert [known.row(text) for text in texts] == list(range(25))
    assert known.rows(texts).tolist() == list(range(25))
    assert known.row("none") == known.row("odd") == -1


def test_an_empty_map_knows_nobody():
    known = IdMap.of([])
    assert len(known) == 0
    assert known.row("a") == -1
    assert known.rows([]).tolist() == []
    np.testing.assert_array_equal(known.rows(["a", "b"]), [-1, -1])


def test_a_table_has_no_row_beyond_its_end():
    table = TextTable.of(["a", "bc"])
    assert table[1] == "bc"
    with pytest.raises(IndexError):
        table[2]
