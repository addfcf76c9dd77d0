"""The bench of the index at a small size: the same questions, without its times."""

from __future__ import annotations

from engine.index_kinds import KINDS
from experiments import index_bench
from experiments.bench import run_bench
from experiments.shop import ShopSize


def test_the_index_bench_holds_every_kind_against_comparing_all(monkeypatch):
    monkeypatch.setattr(index_bench, "_QUICK", ShopSize(users=800, items=900, days=20))
    monkeypatch.setattr(index_bench, "_ASKING", 100)
    result = run_bench("index", quick=True)
    figures = result.findings.figures
    assert figures["served"]["kind"] in KINDS
    assert figures["events"] > 5_000
    kinds = {row["asked_kind"] for row in figures["kinds"]}
    assert kinds == {"exact", *KINDS}
    assert all(row["recall"] == 1 for row in figures["kinds"] if row["asked_kind"] == "exact")
    # Speed is for the bench itself: a busy test machine proves nothing.
    assert [each.what for each in result.findings.asked if not each.met and "ms" not in each.what] == []
