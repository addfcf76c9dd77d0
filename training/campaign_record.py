"""Record of campaigns: each completed one is a run in MLflow, with what was planned, on what grounds, and what came.

The ledger is the truth, the run a record made from it. Recording again makes no second run unless the figures changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from engine.storage.campaign_closing import keep_figures
from engine.storage.campaigns import StoredCampaign, find_campaign
from engine.storage.home import Home
from engine.storage.ledger import Ledger, connection_of, rows_of
from training.tracking import Tracker

_LONGEST = 500  # characters of a parameter


def record_campaign(tracker: Tracker, home: Home, ledger: Ledger, campaign_id: str, *, now: float, zone: str) -> str:
    """Keep the figures and outcomes of a completed campaign, record them as a run, and note its id; the id.

    What `keep_figures` raises, and StoreUnavailable when MLflow does not do its part: the figures are kept then.
    """
    figures = keep_figures(home, ledger, campaign_id, now=now, zone=zone)
    campaign = find_campaign(ledger, campaign_id)
    digest = hashlib.sha256(json.dumps(figures, sort_keys=True).encode()).hexdigest()
    with tracker.opened() as client:
        experiment = tracker.experiment(client, f"{tracker.name}.campaigns")
        known = client.search_runs([experiment], f"tags.campaign_key = '{_key(campaign_id)}'")
        run_id = next((each.info.run_id for each in known if _is_whole(each, digest)), None)
        for run in known:
            if run.info.status == "RUNNING":  # cut short
                client.set_terminated(run.info.run_id, "FAILED")
        if run_id is None:
            run_id = _recorded(client, experiment, campaign, figures, digest)
    with connection_of(ledger) as connection:
        rows_of(
            connection,
            "UPDATE campaigns SET run_id = :run WHERE campaign_id = :id",
            run=run_id,
            id=campaign_id,
        )
    return str(run_id)


def _is_whole(run: Any, digest: str) -> bool:
    return bool(run.info.status == "FINISHED" and run.data.tags.get("figures_sha256") == digest)


def _recorded(client: Any, experiment: str, campaign: StoredCampaign, figures: Mapping[str, Any], digest: str) -> str:
    tags = {
        "campaign_id": campaign.id,
        "campaign_key": _key(campaign.id),
        "figures_sha256": digest,
        "as_of": str(figures["as_of"]),
        "sample_ratio_alarm": str(figures["sample_ratio"]["alarm"]).lower(),
    }
    name = str(campaign.document["name"])[:200]
    run_id = str(client.create_run(experiment, tags=tags, run_name=name).info.run_id)
    for key, text in _params(campaign):
        client.log_param(run_id, key, text)
    for key, value in _metrics(figures):
        client.log_metric(run_id, key, value)
    for file, told in (("document", campaign.document), ("plan", campaign.plan or {}), ("figures", figures)):
        client.log_dict(run_id, dict(told), f"{file}.json")
    client.set_terminated(run_id, "FINISHED")
    return run_id


def _params(campaign: StoredCampaign) -> Iterator[tuple[str, str]]:
    """What was planned, and what the plan rests on: evidence, models and their versions as the plan tells them."""
    yield "launched_at", str(campaign.launched_at)
    yield "completed_at", str(campaign.completed_at)
    for begin, told in (("campaign", campaign.document), ("plan", campaign.plan or {})):
        for key, value in told.items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield f"{begin}.{key}", text[:_LONGEST]


def _metrics(figures: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """(name, value): such as `treatment/orders`, `incremental/margin/low` and `roi/value`."""
    yield "windows_over", figures["windows_over"]
    yield "sample_ratio/chance", figures["sample_ratio"]["chance"]
    for arm, totals in figures["totals"].items():
        yield from ((f"{arm}/{name}", value) for name, value in totals.items())
    estimates = {f"incremental/{each['measure']}": each["total"] for each in figures["effects"]}
    if figures["roi"]:
        estimates["roi"] = figures["roi"]
    for name, found in estimates.items():
        if found["value"] is not None:
            low, high, chance = found["fixed"]
            told = {"value": found["value"], "low": low, "high": high, "p": chance}
            yield from ((f"{name}/{part}", value) for part, value in told.items())


def _key(campaign_id: str) -> str:
    """The id as a search can name it, whatever characters it has."""
    return hashlib.sha256(campaign_id.encode()).hexdigest()[:32]
