"""The demo: The Complete Journey from purchases to lists, in one run; what is there already is used again."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from engine.bundle import Bundle
from engine.bundle_files import read_manifest
from engine.errors import BundleUnusable
from engine.profile import unknown
from engine.recommend.answer import answer
from engine.settings import Settings
from engine.storage.clock import now, set_offset
from engine.storage.home import Home
from engine.storage.imports.past import record_in_ledger
from engine.storage.imports.run import ImportRequest, run_import
from engine.storage.lake import Lake
from engine.storage.releases import current, open_bundle, version_folder, versions
from experiments.demo_campaign import campaign_tables, show_campaign
from experiments.demo_customers import customer_tables, show_customers
from training.outcome import K
from training.produce import produce
from training.publish import publish
from training.recipe import read_recipe
from training.report import evaluation_of, evaluation_table
from training.tracking import Tracker

_SHOWN = 5  # places of each list that the demo prints
_HOUSEHOLDS = (0.25, 0.5, 0.75)  # by the length of their history


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo did: the object for programs, and the tables for people."""

    found: dict[str, Any]
    text: RenderableType

    def as_json(self) -> dict[str, Any]:
        return self.found


def run_demo(home: Home, settings: Settings, *, say: Callable[[str], None]) -> Demo:
    """Import, train, publish and show; the second run finds all of it done."""
    seconds: dict[str, float] = {}
    with _timed(seconds, "import"):
        imported = _import(home, settings, say)
    with _timed(seconds, "train"):
        version, stages = _train(home, settings, say)
    with _timed(seconds, "publish"):
        pointer = current(home)
        if pointer is None or pointer.version != version:
            say("publish")
            publish(home, version, now=time.time(), registry=Tracker(home, settings))
    bundle = open_bundle(home)
    # The demo shop's clock stands at its last event: a log of 2017 would be stale by today's.
    set_offset(home, bundle.manifest.as_of - time.time())
    evaluation = evaluation_of(home, version)
    with _timed(seconds, "show"):
        households, items = _households(bundle, now(home)), _products(bundle, now(home))
    with _timed(seconds, "customers"):
        customers = show_customers(home, settings, households[-1]["user_id"], say=say)
    with _timed(seconds, "campaign"):
        liked = customers["interests"][0]["value"]
        campaign = show_campaign(home, settings, category=liked, version=version, say=say)
    found = {
        **{name: _figures(evaluation, name, kind) for name, kind in {"home": "whole", "discover": "new"}.items()},
        "version": version,
        "imported": imported,
        "seconds": {name: round(value, 2) for name, value in seconds.items()} | {"stages of train": stages},
        "peak_mib": _peak_mib(),
        "households": households,
        "due": evaluation["due"],
        "similar": items,
        "segments": customers,
        "campaign": campaign,
    }
    tables = [*_tables(households, items), *customer_tables(customers), *campaign_tables(campaign)]
    return Demo(found, Group(evaluation_table(evaluation["scores"], evaluation["due"]), *tables))


def _import(home: Home, settings: Settings, say: Callable[[str], None]) -> dict[str, Any]:
    report = run_import(
        home,
        ImportRequest(preset="complete-journey"),
        now=datetime.now(UTC),
        progress=lambda stage, done, total: say(f"import: {stage} {done:,}"),
        record_past_campaigns=lambda past: record_in_ledger(settings, past),
    )
    return report.as_json()


def _train(home: Home, settings: Settings, say: Callable[[str], None]) -> tuple[int, dict[str, float]]:
    version = trained_on_everything(home, read_recipe("default").name)
    if version is not None:
        return version, {}
    made = produce(home, settings, "default", until=None, say=say)
    return made.version, made.seconds


def trained_on_everything(home: Home, recipe: str) -> int | None:
    """The newest version made by this recipe of the lake as it stands, up to its last event; None without one.

    A version trained `--until` an earlier time read the same tables, but is not it; nor is one in a form of before.
    """
    lake = Lake(home)
    wanted = _told(lake.versions())
    last = lake.query("SELECT epoch(max(time)) AS last FROM events")["last"][0].as_py()
    for version in reversed(versions(home)):
        try:
            manifest = read_manifest(version_folder(home, version))
        except BundleUnusable:  # of an older form, or damaged: another one is made
            continue
        is_whole = last is not None and manifest["as_of"] > last
        if is_whole and _told(manifest["data_versions"]) == wanted and manifest["recipe"]["name"] == recipe:
            return version
    return None


def _told(versions: Mapping[str, int]) -> dict[str, int]:
    """The versions of the tables that training reads; what is served or predicted changes nothing."""
    return {name: versions.get(name, -1) for name in ("events", "items", "users", "merges")}


def _figures(evaluation: dict[str, Any], placement: str, kind: str) -> dict[str, float]:
    row = next(
        row for row in evaluation["scores"] if (row["subject"], row["period"], row["kind"]) == (placement, "test", kind)
    )
    return {name: row[name]["mean"] for name in (f"recall@{K}", f"ndcg@{K}")}


def _households(bundle: Bundle, moment: float) -> list[dict[str, Any]]:
    """Three households with a short, a middling and a long history, and what they would see."""
    by_length = np.argsort(np.diff(bundle.history.indptr), kind="stable")
    shown = []
    for share in _HOUSEHOLDS:
        row = int(by_length[int(share * (len(by_length) - 1))])
        profile = bundle.history.profile(row)
        lists = {
            name: _list(answer(bundle, name, profile, moment, limit=_SHOWN, explain=True, fields=("name",)).items)
            for name in ("home", "discover", "buy-again")
        }
        shown.append({"user_id": bundle.users.ids[row], "events": len(profile), **lists})
    return shown


def _products(bundle: Bundle, moment: float) -> list[dict[str, Any]]:
    """The best seller and the best seller of another section, with what is shown beside them."""
    best = bundle.popular.items
    section = bundle.catalog.levels[best, 0]
    other = best[section != section[0]]
    shown = []
    for row in (int(best[0]), int(other[0]) if len(other) else int(best[-1])):
        item_id = bundle.items.ids[row]
        lists = {
            name: _list(
                answer(
                    bundle, name, unknown(), moment, item_ids=[item_id], limit=_SHOWN, explain=True, fields=("name",)
                ).items
            )
            for name in ("similar", "bought-together")
        }
        shown.append({"item_id": item_id, "name": bundle.catalog.names[row], **lists})
    return shown


def _list(items: Any) -> list[dict[str, Any]]:
    return [
        {"id": each.id, "name": each.fields["name"], "source": each.source, "reason": each.reason} for each in items
    ]


def _tables(households: list[dict[str, Any]], items: list[dict[str, Any]]) -> Iterator[RenderableType]:
    for each in households:
        yield Text(f"\nHousehold {each['user_id']} ({each['events']:,} purchases)", style="bold")
        for name in ("home", "discover", "buy-again"):
            yield _table(name, each[name])
    for each in items:
        yield Text(f"\nProduct {each['item_id']} {each['name']}", style="bold")
        for name in ("similar", "bought-together"):
            yield _table(name, each[name])


def _table(name: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(title=name, title_justify="left", show_header=False, box=None)
    for row in rows:
        table.add_row(row["id"], row["name"] or "", row["reason"])
    return table


def _peak_mib() -> int:
    """Of this process or the largest of its children."""
    usage = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(usage) // 1024


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - start
