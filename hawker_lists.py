"""`hawker recommend` and `hawker similar`: the lists that would be served, as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.settings import Settings
from engine.storage.home import Home
from terminal import AsJson, answer, err, here

if TYPE_CHECKING:
    from engine.recommend.placements import Placement


def recommend(
    users: Annotated[Path, typer.Option(help="File of user ids (Parquet, CSV, JSONL: column user_id; or one a line).")],
    out_file: Annotated[Path, typer.Option("--out", help="Where to write: .parquet, .csv or .jsonl.")],
    placement: Annotated[str, typer.Option(help="Which list: a built-in one, or the shop's own.")] = "home",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How long the lists are.")] = 20,
    as_of: Annotated[str | None, typer.Option(help="Stand at this time: profiles hold nothing later.")] = None,
    version: Annotated[int | None, typer.Option(help="A trained version; default: the published one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write the lists that these users would be served."""
    from engine.storage.batch import check_ending, lists_for_users, read_ids, read_moment, unfairness, write_lists
    from engine.storage.clock import now
    from engine.storage.lake import Lake
    from engine.storage.releases import open_bundle
    from engine.storage.shop_placements import told_of

    settings, home = here()
    check_ending(out_file)
    bundle, moment = open_bundle(home, version), None if as_of is None else read_moment(as_of)
    if moment is not None and (unfair := unfairness(bundle, moment)):
        err.print(unfair, markup=False, soft_wrap=True)
    ids = read_ids(users, "user_id")
    asked, lake = _placement(settings, home, placement), Lake(home)
    clock = now(home) if moment is None else moment.timestamp()
    told = told_of(home, bundle, lake, asked, ids, now=clock)
    lists = lists_for_users(bundle, lake, ids, asked, limit=limit, now=clock, as_of=moment, told=told)
    write_lists(out_file, lists)
    found = {"users": len(ids), "rows": lists.num_rows, "out": str(out_file)}
    answer(found, as_json, f"{out_file}: {lists.num_rows:,} rows")


def similar(
    items: Annotated[Path, typer.Option(help="File of item ids (Parquet, CSV, JSONL: column item_id; or one a line).")],
    out_file: Annotated[Path, typer.Option("--out", help="Where to write: .parquet, .csv or .jsonl.")],
    placement: Annotated[str, typer.Option(help="similar, bought-together, or the shop's own.")] = "similar",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How long the lists are.")] = 20,
    version: Annotated[int | None, typer.Option(help="A trained version; default: the published one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write what would be shown beside these items."""
    from engine.storage.batch import check_ending, lists_for_items, read_ids, write_lists
    from engine.storage.clock import now
    from engine.storage.releases import open_bundle

    settings, home = here()
    check_ending(out_file)
    ids = read_ids(items, "item_id")
    asked = _placement(settings, home, placement)
    lists = lists_for_items(open_bundle(home, version), ids, asked, limit=limit, now=now(home))
    write_lists(out_file, lists)
    found = {"items": len(ids), "rows": lists.num_rows, "out": str(out_file)}
    answer(found, as_json, f"{out_file}: {lists.num_rows:,} rows")


def _placement(settings: Settings, home: Home, name: str) -> Placement:
    from engine.storage.embedded import open_stores
    from engine.storage.ledger import opened_ledger
    from engine.storage.migrate import migrate
    from engine.storage.placements import Definitions, definitions_of, remembered
    from engine.storage.shop_placements import shop_placement

    def ask_ledger() -> Definitions:
        # Whoever changes the embedded one keeps its placements in the shop's folder.
        if not settings.postgres_url:
            return remembered(home)
        with open_stores(settings, {"ledger"}) as stores:
            migrate(stores.ledger_url, settings.shop)
            with opened_ledger(stores.ledger_url, settings.shop) as ledger:
                return definitions_of(ledger)

    return shop_placement(home, name, ask_ledger)
