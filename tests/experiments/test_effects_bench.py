"""The benchmark of reports' intervals, in small: it finds what was planted, and nothing where nothing was."""

from experiments.effects_bench import SMALL, measured


def test_a_small_run_holds_the_truth_about_as_often_as_the_intervals_say():
    found = measured(SMALL, seed=1)
    assert found.figures["alone"]["held"] >= 0.9
    assert found.figures["loops"]["held"]["orders"] >= 0.5  # of four
    assert found.figures["nothing"]["fixed"] <= 0.2
    assert found.figures["nothing"]["sequential_looked_at_daily"] <= 0.1
    assert found.figures["sample_ratio"]["exact_false_alarm"] <= 0.001
    assert found.figures["sample_ratio"]["rings_at_50_5"]
    assert len(found.asked) == 9
