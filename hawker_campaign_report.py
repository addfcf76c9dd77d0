"""`hawker campaign report` and `hawker campaign record`: what a campaign earned, and keeping it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.errors import BadInput
from engine.storage.home import Home
from terminal import AsJson, answer, here

Id = Annotated[str, typer.Argument(help="The campaign's id.")]


def report(
    campaign_id: Id,
    html: Annotated[Path | None, typer.Option(help="Write one printable page into this file.")] = None,
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
    sequential: Annotated[bool, typer.Option("--sequential", help="Intervals that hold at all looks.")] = False,
    as_json: AsJson = False,
) -> None:
    """Tell what a campaign truly earned against those held out, with intervals, and what cannot be said of it."""
    from engine.targeting.campaign_members import ARMS
    from serving.actions.report_campaign import report_campaign
    from serving.report_page import report_page

    with _open() as (settings, home, ledger, now):
        found = report_campaign(
            home, ledger, campaign_id, now=now, zone=settings.zone, sequential=sequential, language=language
        )
    if html is not None:
        try:
            html.write_text(report_page(found), encoding="utf-8")
        except OSError as error:
            raise BadInput(f"--html: {html} cannot be written: {error.strerror}", field="html") from error
    members = ", ".join(f"{name.replace('_', ' ')} {number:,}" for name in ARMS if (number := found["members"][name]))
    lines = [f"{found['name']} ({found['state']}): {members}", *(f"- {each}" for each in found["sentences"])]
    answer(found, as_json, "\n".join(lines))


def record(campaign_id: Id, as_json: AsJson = False) -> None:
    """Keep a completed campaign's figures, hand its outcomes to training, and record it as a run in MLflow."""
    from training.campaign_record import record_campaign
    from training.tracking import Tracker

    with _open() as (settings, home, ledger, now):
        done = record_campaign(Tracker(home, settings), home, ledger, campaign_id, now=now, zone=settings.zone)
    answer({"campaign_id": campaign_id, "run_id": done}, as_json, f"{campaign_id}: recorded as run {done}")


@contextmanager
def _open() -> Iterator[tuple[Any, Home, Any, float]]:
    from engine.storage import clock
    from engine.storage.embedded import open_stores
    from engine.storage.ledger import opened_ledger
    from engine.storage.migrate import migrate

    settings, home = here()
    with open_stores(settings, {"ledger"}) as stores:
        migrate(stores.ledger_url, settings.shop)
        with opened_ledger(stores.ledger_url, settings.shop) as ledger:
            yield settings, home, ledger, clock.now(home)
