"""The demo's customers: how many are in each ready-made group, and one household seen from all sides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from engine.settings import Settings
from engine.storage.clock import now
from engine.storage.customer_refresh import refresh_customers
from engine.storage.embedded import open_stores
from engine.storage.group_sizes import group_sizes
from engine.storage.home import Home
from engine.storage.ledger import opened_ledger
from engine.storage.live_segments import live_rules
from engine.storage.migrate import migrate
from engine.storage.portrait import portrait
from engine.targeting.groups import groups

_TRAITS_SHOWN = 8  # of each part of the portrait


def show_customers(home: Home, settings: Settings, household: str, *, say: Callable[[str], None]) -> dict[str, Any]:
    """Bring traits and groups up to the lake; returns `customers`, `groups` and `interests` with sizes,
    one `portrait`.
    """
    moment = now(home)
    say("customers: traits and groups")
    with open_stores(settings, {"ledger"}) as stores:
        migrate(stores.ledger_url, settings.shop)
        with opened_ledger(stores.ledger_url, settings.shop) as ledger:
            rules = live_rules(settings, ledger).rules
    refresh_customers(home, now=moment, zone=settings.zone, rules=rules)
    sizes = group_sizes(home, moment)
    return {
        "customers": sizes.customers,
        "groups": [
            {"id": each.id, "name": each.name, "size": sizes.segments.get(each.id, 0)}
            for each in groups(settings.groups)
        ],
        "interests": sizes.interests,
        "portrait": portrait(home, household, now=moment, thresholds=settings.groups),
    }


def customer_tables(found: dict[str, Any]) -> Iterator[RenderableType]:
    """What `show_customers` found, for people."""
    yield Text(f"\nReady-made groups of {found['customers']:,} customers", style="bold")
    table = Table(show_header=False, box=None)
    for each in found["groups"]:
        table.add_row(f"{each['size']:,}", each["name"]["en"], each["name"]["zh"], each["id"])
    yield table
    seen = found["portrait"]
    yield Text(f"\nPortrait of household {seen['user_id']}", style="bold")
    for part, traits in seen["traits"].items():
        told = [f"{name} {_short(value)}" for name, value in traits.items() if value not in (None, 0, [], "")]
        if told:
            yield Text(f"{part}: {', '.join(told[:_TRAITS_SHOWN])}")
    yield Text(f"groups: {', '.join(each['segment'] for each in seen['segments'])}")


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    return ", ".join(str(each) for each in value) if isinstance(value, list) else str(value)
