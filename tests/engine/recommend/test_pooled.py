"""What sources propose and filters let pass becomes one table; held against the plain way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.events import TYPE_CODES
from engine.profile import Profile
from engine.recommend.filters import FILTERS, drops
from engine.recommend.marked import among
from engine.recommend.placements import PLACEMENTS
from engine.recommend.pooled import NO_DROPS, Drops, Proposals
from engine.recommend.query import Query
from tests.bundles import AS_OF, toy_bundle

LINES = np.array([4, 0, 2, 5], np.int64)


def plainly(lists, kept):
    """{row: {line: share of the source's best}} of what is kept."""
    table = {}
    for line, (rows, scores) in zip(LINES.tolist(), lists, strict=True):
        for row, score in zip(rows.tolist(), scores.tolist(), strict=True):
            if row in kept:
                table.setdefault(row, {})[line] = max(score / max(scores[0], 1e-30), 1e-30)
    return table


@pytest.mark.parametrize("seed", range(6))
def test_each_row_that_is_kept_is_there_once_with_what_each_source_says_of_it(seed):
    random = np.random.default_rng(seed)
    lists = []
    for n in (30, 0, 1, 60):
        rows = random.choice(90, n, replace=False).astype(np.int32)
        lists.append((rows, -np.sort(-random.random(n, np.float32)) * np.float32(10.0 ** random.integers(-35, 3))))
    starts = np.cumsum([0, *(len(rows) for rows, _ in lists)])
    found = Proposals(*(np.concatenate(each) for each in zip(*lists, strict=True)), starts, LINES)
    assert found.pooled(NO_DROPS, 7)[0].tolist() == sorted({row for rows, _ in lists for row in rows.tolist()})
    sold, named = random.random(90) < 0.8, random.choice(90, 9).astype(np.int32)
    rows, table = found.pooled(Drops(named, sold, lambda rows: rows % 7 > 0), 7)
    kept = {row for row in np.flatnonzero(sold).tolist() if row % 7}
    wanted = plainly(lists, kept - set(named.tolist()))
    assert rows.tolist() == sorted(wanted)
    dense = np.array([[wanted[row].get(line, 0.0) for row in rows.tolist()] for line in range(7)]).reshape(7, -1)
    np.testing.assert_allclose(table, dense, rtol=1e-6)


def test_of_nothing_the_table_is_empty():
    none = np.zeros(0, np.int32), np.zeros(0, np.float32)
    rows, table = Proposals(*none, np.zeros(2, np.int64), LINES[:1]).pooled(NO_DROPS, 7)
    assert (len(rows), table.shape) == (0, (7, 0))


@pytest.mark.parametrize("row", [-1, 90])
def test_a_proposal_that_is_no_item_is_refused(row):
    found = Proposals(np.array([3, row], np.int32), np.ones(2, np.float32), np.array([0, 2]), LINES[:1])
    with pytest.raises(IndexError, match="an item that the bundle does not have"):
        found.pooled(Drops(NO_DROPS.named, np.ones(90, bool)), 7)


@pytest.mark.parametrize("n", [0, 1, 30, 2_000])
def test_values_are_told_from_others_that_end_in_the_same_bits(n):
    random = np.random.default_rng(n)
    some = random.integers(-1, 5_000, n).astype(np.int32)
    values = np.r_[random.integers(-1, 5_000, 700), some[:9] + 512, some[:9] + 2**20, some].astype(np.int32)
    np.testing.assert_array_equal(among(values, some), np.isin(values, some))


@pytest.mark.parametrize("in_view", [[], [5, 6]])
@pytest.mark.parametrize("seed", range(4))
def test_all_filters_in_one_pass_drop_what_each_of_them_drops(in_view, seed):
    random = np.random.default_rng(seed)
    bundle = toy_bundle()
    catalog = replace(
        bundle.catalog,
        available=random.random(80) < 0.8,
        family=random.integers(-1, 20, 80).astype(np.int32),
    )
    bundle = replace(bundle, catalog=catalog)
    types = np.array([TYPE_CODES[each] for each in random.choice(["purchase", "view", "dismiss"], 12)], np.uint8)
    items, times = random.integers(0, 80, 12).astype(np.int32), AS_OF - np.arange(12)[::-1]
    query = Query(
        PLACEMENTS["discover"],
        Profile(-1, items, types, times, np.ones(12, np.float32)),
        AS_OF,
        items=np.array(in_view, np.int32),
        exclude=random.integers(0, 80, 5).astype(np.int32),
    )
    rows = np.sort(random.choice(80, 60, replace=False)).astype(np.int32)
    for names in (*((name,) for name in FILTERS), tuple(FILTERS), ()):
        each = [FILTERS[name](query, bundle, rows) for name in names]
        proposed = Proposals(rows, np.ones(60, np.float32), np.array([0, 60]), LINES[:1])
        left, _ = proposed.pooled(drops(names, query, bundle), 7)
        np.testing.assert_array_equal(left, rows[np.all([np.ones(60, bool), *each], axis=0)])
