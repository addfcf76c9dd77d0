"""The rooms of the benchmarks, each entered only when it is run, so that naming them all costs no import."""

from __future__ import annotations

from experiments.findings import Conditions, Findings


def shop(conditions: Conditions) -> Findings:
    from experiments.shop_bench import measure_shop

    return measure_shop(conditions)


def journey(conditions: Conditions) -> Findings:
    from experiments.journey_bench import measure_journey

    return measure_journey(conditions)


def beauty(conditions: Conditions) -> Findings:
    from experiments.beauty_bench import measure_beauty

    return measure_beauty(conditions)


def diginetica(conditions: Conditions) -> Findings:
    from experiments.diginetica_bench import measure_diginetica

    return measure_diginetica(conditions)


def coldstart(conditions: Conditions) -> Findings:
    from experiments.coldstart_bench import measure_coldstart

    return measure_coldstart(conditions)


def browse(conditions: Conditions) -> Findings:
    from experiments.browse_bench import measure_browse

    return measure_browse(conditions)


def ingest(conditions: Conditions) -> Findings:
    from experiments.ingest_bench import measure_ingest

    return measure_ingest(conditions)


def freshness(conditions: Conditions) -> Findings:
    from experiments.freshness_bench import measure_freshness

    return measure_freshness(conditions)


def import_events(conditions: Conditions) -> Findings:
    from experiments.import_bench import measure_import

    return measure_import(conditions)


def customers(conditions: Conditions) -> Findings:
    from experiments.customers_bench import measure_customers

    return measure_customers(conditions)


def traits(conditions: Conditions) -> Findings:
    from experiments.traits_bench import measure_traits

    return measure_traits(conditions)


def segments(conditions: Conditions) -> Findings:
    from experiments.segments_bench import measure_segments

    return measure_segments(conditions)


def crashes(conditions: Conditions) -> Findings:
    from experiments.crash_bench import measure_crashes

    return measure_crashes(conditions)


def fuzz(conditions: Conditions) -> Findings:
    from experiments.fuzz_bench import measure_fuzz

    return measure_fuzz(conditions)


def redemptions(conditions: Conditions) -> Findings:
    from experiments.redemptions_bench import measure_redemptions

    return measure_redemptions(conditions)


def uplift(conditions: Conditions) -> Findings:
    from experiments.uplift_bench import measure_uplift

    return measure_uplift(conditions)


def allocation(conditions: Conditions) -> Findings:
    from experiments.allocation_bench import measure_allocation

    return measure_allocation(conditions)


def effects(conditions: Conditions) -> Findings:
    from experiments.effects_bench import measure_effects

    return measure_effects(conditions)


def nextbasket(conditions: Conditions) -> Findings:
    from experiments.nextbasket_bench import measure_nextbasket

    return measure_nextbasket(conditions)


def gowalla(conditions: Conditions) -> Findings:
    from experiments.gowalla_bench import measure_gowalla

    return measure_gowalla(conditions)


def experiments(conditions: Conditions) -> Findings:
    from experiments.experiments_bench import measure_experiments

    return measure_experiments(conditions)


def launch(conditions: Conditions) -> Findings:
    from experiments.launch_bench import measure_launch

    return measure_launch(conditions)


def index(conditions: Conditions) -> Findings:
    from experiments.index_bench import measure_index

    return measure_index(conditions)


def serving(conditions: Conditions) -> Findings:
    from experiments.serving_bench import measure_serving

    return measure_serving(conditions)


def swap(conditions: Conditions) -> Findings:
    from experiments.swap_bench import measure_swap

    return measure_swap(conditions)


def faults(conditions: Conditions) -> Findings:
    from experiments.faults_bench import measure_faults

    return measure_faults(conditions)


def soak(conditions: Conditions) -> Findings:
    from experiments.soak_bench import measure_soak

    return measure_soak(conditions)


def growth(conditions: Conditions) -> Findings:
    from experiments.growth_bench import measure_growth

    return measure_growth(conditions)


def filters(conditions: Conditions) -> Findings:
    from experiments.filter_bench import measure_filters

    return measure_filters(conditions)
