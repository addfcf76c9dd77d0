"""Bench `customers`, small: every prediction is judged and none is sold for more than it is."""

from __future__ import annotations

from experiments.bench import run_bench


def test_the_quick_bench_judges_every_prediction_on_a_generated_shop():
    found = run_bench("customers", quick=True)
    assert found.exit_code == 0
    for name in ("purchase", "churn", "category"):
        figures = found.findings.figures[name]
        assert {"model", "recency", "difference", "ece", "lift_at_10_percent"} <= figures["test"].keys()
        assert 0 < figures["mean_score"] < 1
        assert figures["written"] in (figures["chosen"], "recency")
