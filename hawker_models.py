"""`hawker models` and `hawker retrain`: trained versions beside each other, and the routine that makes new ones."""

from __future__ import annotations

import threading
from typing import Annotated

import typer

from terminal import AsJson, answer, here, progress

models = typer.Typer(help="List the trained versions, or compare two of them.", invoke_without_command=True)

_LANDING = 5.0  # seconds for what is in hand when whoever started us is gone


@models.callback()
def list_models(context: typer.Context, as_json: AsJson = False) -> None:
    """List the trained versions and which one is served."""
    if context.invoked_subcommand is not None:
        return
    from training.report import models_table, trained_versions

    _, home = here()
    found = trained_versions(home)
    answer({"models": found}, as_json, models_table(found))


@models.command()
def compare(
    one: Annotated[int, typer.Argument(metavar="A", help="A trained version.")],
    other: Annotated[int, typer.Argument(metavar="B", help="Another one: is it better?")],
    period: Annotated[str, typer.Option(help="test, or validation, which is the one to choose by.")] = "test",
    as_json: AsJson = False,
) -> None:
    """Say whether version B is better than version A, list by list, over the users that both were measured on."""
    from training.compare import compare_versions, comparison_table

    _, home = here()
    found = compare_versions(home, one, other, period=period)
    answer(found.as_json(), as_json, comparison_table(found))


def retrain(
    recipe: Annotated[str | None, typer.Argument(help="A recipe; default: that of HAWKER_RETRAIN_RECIPE.")] = None,
    lifeline: Annotated[
        int | None, typer.Option(hidden=True, help="Descriptor that ends with the process that started this one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train, judge at the gates, publish what passes: one round of what HAWKER_RETRAIN does by itself."""
    if lifeline is not None:
        from serving.child import end_with_supervisor

        threading.Thread(target=end_with_supervisor, args=(lifeline, _LANDING), daemon=True).start()
    from training.retrain import retrain as train_anew

    settings, home = here()
    with progress() as say:
        done = train_anew(home, settings, recipe or settings.retrain_recipe, say=say)
    answer(done.as_json(), as_json, done.text())
    raise typer.Exit(0 if done.outcome == "published" else 1)
