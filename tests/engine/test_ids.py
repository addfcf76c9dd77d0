from __future__ import annotations

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


def test_ids_whose_hashes_collide_are_told_apart(monkeypatch):
    monkeypatch.setattr(ids, "_hash", lambda raw: len(raw) % 2)
    texts = [f"id{number}" for number in range(25)]
    known = IdMap.of(texts)
    assert [known.row(text) for text in texts] == list(range(25))
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
