"""The frame of `hawker bench`: names, what was asked, and the object that is printed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from engine.errors import BadInput
from experiments import bench
from experiments.bench import Bench, Result, describe_machine, run_bench
from experiments.findings import Asked, Conditions, Findings
from experiments.shop import ShopSize


@pytest.mark.parametrize(
    ("row", "text", "met"),
    [
        (Asked("recall", 0.36, at_least=0.362), ">= 0.362", False),
        (Asked("recall", 0.362, at_least=0.362), ">= 0.362", True),
        (Asked("seconds", 61.0, at_most=60), "<= 60", False),
        (Asked("coverage", 0.95, at_least=0.94, at_most=0.96), ">= 0.94 and <= 0.96", True),
        (Asked("unmeasured", float("nan"), at_least=0), ">= 0", False),
    ],
)
def test_what_was_asked_is_said_and_judged(row, text, met):
    assert (row.asked, row.met) == (text, met)


def _run(monkeypatch, *rows: Asked, figures=None) -> Result:
    findings = Findings(figures or {}, rows)
    monkeypatch.setattr(bench, "BENCHES", {"small": Bench("Nothing much.", lambda conditions: findings)})
    return run_bench("small", quick=True)


def test_the_exit_code_is_1_when_something_asked_is_not_met(monkeypatch):
    good, bad = Asked("a", 1.0, at_least=1), Asked("b", 2.0, at_most=1)
    assert _run(monkeypatch, good).exit_code == 0
    assert _run(monkeypatch, good, bad).exit_code == 1
    assert _run(monkeypatch).exit_code == 0


def test_the_result_has_exactly_the_documented_members_and_is_plain_json(monkeypatch):
    figures = {"ndcg": np.float32(0.5), "rows": np.int64(3), "none": float("nan"), "list": [np.float64(1), "x", True]}
    row = Asked("ndcg", np.float64(0.5), at_least=0.4)
    found = json.loads(json.dumps(_run(monkeypatch, row, figures=figures).as_json(), allow_nan=False))
    assert list(found) == ["name", "figures", "asked", "machine", "versions", "seconds"]
    assert found["figures"] == {"ndcg": 0.5, "rows": 3, "none": None, "list": [1.0, "x", True]}
    assert found["asked"] == [{"what": "ndcg", "asked": ">= 0.4", "measured": 0.5, "met": True}]
    assert found["versions"]["numpy"] == np.__version__


def test_the_machine_is_described_without_names_and_paths():
    import getpass
    import socket

    machine = describe_machine()
    assert machine.keys() == {"cores", "memory_gib", "python", "platform"}
    text = json.dumps(machine)
    assert socket.gethostname() not in text
    assert "/" not in text
    assert getpass.getuser() not in text


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(BadInput, match="did you mean 'shop'") as caught:
        run_bench("shpo")
    assert caught.value.field == "name"


def test_a_missing_data_set_is_named(tmp_path):
    (tmp_path / "gowalla").mkdir()
    conditions = Conditions(quick=True, data=tmp_path, scratch=tmp_path)
    assert conditions.data_set("gowalla") == tmp_path / "gowalla"
    with pytest.raises(BadInput, match="tafeng") as caught:
        conditions.data_set("tafeng")
    assert caught.value.field == "data"


def test_the_scratch_folder_is_gone_afterwards(monkeypatch):
    seen: list[Path] = []

    def keep(conditions: Conditions) -> Findings:
        seen.append(conditions.scratch)
        (conditions.scratch / "large").write_text("x")
        return Findings({})

    monkeypatch.setattr(bench, "BENCHES", {"small": Bench("Writes.", keep)})
    run_bench("small")
    assert not seen[0].exists()


def test_every_bench_says_what_it_shows():
    for name, each in bench.BENCHES.items():
        assert name.isidentifier()
        assert each.meaning.endswith(".")


def test_the_shop_bench_finds_what_is_planted(monkeypatch):
    from experiments import shop_bench

    monkeypatch.setattr(shop_bench, "_QUICK", ShopSize(users=1_000, items=500, days=90))
    result = run_bench("shop", quick=True)
    assert result.findings.figures["events"] > 50_000
    # Speed is for the bench itself: a busy test machine proves nothing.
    missed = [each.what for each in result.findings.asked if not each.met and "a second" not in each.what]
    assert missed == []


def test_the_import_bench_counts_what_it_stored_doubled_and_spoiled(monkeypatch):
    from experiments import import_bench

    monkeypatch.setattr(import_bench, "_QUICK", ShopSize(users=60, items=50, days=40))
    result = run_bench("import", quick=True)
    assert result.exit_code == 0
    second = result.findings.figures["second_import"]
    assert second["read"] > result.findings.figures["events"] > 500
    assert second["quarantined"] > 3
