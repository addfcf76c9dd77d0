"""Report a placement: what became of its lists, by variant and bundle, and what exploring found."""

from __future__ import annotations

from typing import Any

from engine.errors import BadInput, UnknownThing
from engine.recommend.placement_report import figures_of
from engine.recommend.placement_words import sentences
from engine.recommend.what_if import exploration_figures
from engine.storage.lake import Lake
from engine.storage.placement_results import (
    ATTRIBUTION_DAYS,
    experiment_of,
    outcomes_of,
    period_before,
    places_of,
)
from engine.targeting.labels import LANGUAGES

DAYS, MOST_DAYS = 28.0, 366.0
#: Lists from which it is told what exploring found: a sample of so many.
MOST_LISTS = 100_000


def report_placement(
    lake: Lake, name: str, *, now: float, days: float = DAYS, experiment: str | None = None, language: str = "en"
) -> dict[str, Any]:
    """The report of the lists that were served within `days` before `now` (epoch seconds).

    Of the experiment of that name, else of the one that ran last, else of all lists. UnknownThing where none was
    served, BadInput for words that are none.
    """
    if language not in LANGUAGES:
        raise BadInput(f"language: one of {', '.join(LANGUAGES)}, not {language[:20]!a}", field="language")
    if not 0 < days <= MOST_DAYS:
        raise BadInput(f"days: more than 0 and at most {MOST_DAYS:g}", field="days")
    period = period_before(now, days)
    last = experiment_of(lake, name, period)
    chosen = experiment or last
    outcomes = outcomes_of(lake, name, period, chosen)
    if experiment is not None and not outcomes.variants:
        told = f"no list was served by an experiment {experiment!a} in this time"
        raise UnknownThing(told, code="unknown_experiment", field="experiment")
    figures = figures_of(outcomes)
    return {
        "placement": name,
        "experiment": chosen,
        "since": period.since.isoformat(),
        "until": period.until.isoformat(),
        "attribution_days": ATTRIBUTION_DAYS,
        "language": language,
        "sentences": sentences(figures, language),
        **figures,
        "exploration": exploration_figures(places_of(lake, name, period, chosen, most=MOST_LISTS)),
    }
