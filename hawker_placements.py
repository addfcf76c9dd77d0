"""`hawker placement`: what became of a placement's lists, and the end of an experiment on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from terminal import AsJson, answer, here

placement = typer.Typer(help="See what a placement's lists earn, and end experiments.", no_args_is_help=True)

#: Below so many an estimate is further off than its error says; the benchmark shows it.
_FEW = 30

Name = Annotated[str, typer.Argument(help="The placement's name.")]
Days = Annotated[float, typer.Option(help="Lists served within so many days.")]
Experiment = Annotated[str | None, typer.Option(help="Which experiment; default: the one that ran last.")]


@placement.command()
def report(
    name: Name,
    days: Days = 28.0,
    experiment: Experiment = None,
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
    as_json: AsJson = False,
) -> None:
    """Tell clicks, conversions and revenue by variant and bundle, with intervals that hold at all looks."""
    from engine.storage import clock
    from engine.storage.lake import Lake
    from serving.actions.report_placement import report_placement

    _, home = here()
    found = report_placement(Lake(home), name, now=clock.now(home), days=days, experiment=experiment, language=language)
    answer(found, as_json, _report_text(found))


@placement.command()
def estimate(
    name: Name,
    lists: Annotated[Path, typer.Option(help="File of lists, as `hawker recommend` writes it.")],
    reward: Annotated[str, typer.Option(help="clicks or revenue.")] = "clicks",
    by: Annotated[str, typer.Option(help="place: what stands where counts; item: only what is shown.")] = "place",
    days: Days = 28.0,
    experiment: Experiment = None,
    as_json: AsJson = False,
) -> None:
    """Estimate what other lists would have earned, from lists that left something to chance."""
    from engine.recommend.what_if import lists_worth
    from engine.storage import clock
    from engine.storage.batch import read_lists
    from engine.storage.lake import Lake
    from engine.storage.placement_results import period_before, places_of
    from serving.actions.report_placement import MOST_LISTS

    _, home = here()
    wanted = read_lists(lists)
    shown = places_of(Lake(home), name, period_before(clock.now(home), days), experiment, most=MOST_LISTS)
    found = lists_worth(shown, wanted, reward=reward, by=by)
    rows = [("as shown", found["as_shown"])]
    rows += [(word.replace("_", " "), found[word]) for word in ("ips", "snips", "doubly_robust")]
    lines = [f"{each:>14}  {_number(value)}" for each, value in rows]
    lines.append(f"{found['covered']:.1%} of the wanted places could have been shown; {found['lists']:,} lists")
    if found["rewarded_places"] < _FEW:
        lines.append(f"This rests on {found['rewarded_places']} places that brought anything: errors are too small.")
    answer(found, as_json, "\n".join(lines))


@placement.command()
def keep(
    name: Name,
    variant: Annotated[str, typer.Argument(help="What everybody sees from now on; control for the list as it was.")],
    by: Annotated[str | None, typer.Option(help="Who does it: the name that stands on the change.")] = None,
    as_json: AsJson = False,
) -> None:
    """End the experiment of a placement that was defined over HTTP: everybody sees this variant."""
    from engine.storage import clock
    from engine.storage.embedded import open_stores
    from engine.storage.ledger import opened_ledger
    from engine.storage.migrate import migrate
    from engine.storage.placements import keep_variant

    settings, home = here()
    with open_stores(settings, {"ledger"}) as stores:
        migrate(stores.ledger_url, settings.shop)
        with opened_ledger(stores.ledger_url, settings.shop) as ledger:
            made = keep_variant(ledger, name, variant, actor=by, now=clock.now(home))
    found = {"name": name, "variant": variant, "definition": dict(made.definition)}
    answer(found, as_json, f"{name}: everybody sees {variant}")


def _report_text(found: dict[str, Any]) -> str:
    what = f", experiment {found['experiment']}" if found["experiment"] else ""
    lines = [f"{found['placement']}{what}, {found['since'][:10]} to {found['until'][:10]}"]
    lines += [f"- {each}" for each in found["sentences"]]
    head = ("variant", "bundle", "people", "lists", "shown", "clicks", "CTR", "conversion", "revenue each")
    lines.append("  ".join(f"{each:>12}" for each in head))
    for each in found["variants"]:
        for row in ({**each, "bundle_version": "all"}, *each["versions"]):
            cells = (each["variant"] or "-", row["bundle_version"], f"{row['people']:,}",
                     *(f"{row[name]:,.0f}" for name in ("lists", "shown", "clicks")),
                     _part(row["click_through"]), _part(row["conversion"]),
                     "-" if row["revenue_each"] is None else f"{row['revenue_each']:,.1f}")  # fmt: skip
            lines.append("  ".join(f"{cell:>12}" for cell in cells))
    if explored := found["exploration"]:
        lost = explored["clicks"]["lost_by_exploring"]
        lines.append(
            f"{explored['explored']:,} of {explored['places']:,} places explored; clicks lost a list: {_number(lost)}"
        )
    return "\n".join(lines)


def _part(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _number(found: dict[str, Any]) -> str:
    if found["value"] is None:
        return "-"
    return f"{found['value']:.4g} ({found['low']:.4g} to {found['high']:.4g})"
