"""`hawker keys`: who may use the interfaces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.access import SCOPES, AccessKey
from terminal import AsJson, answer, here

if TYPE_CHECKING:
    from engine.storage.ledger import LedgerPool

keys = typer.Typer(help="Make, list and revoke the keys of the HTTP interfaces.", no_args_is_help=True)


@keys.command()
def create(
    actor: Annotated[str, typer.Option(help="Who uses it: the name that stands on every change.")],
    scope: Annotated[list[str], typer.Option(help=f"What it is good for, repeatable: {', '.join(SCOPES)}.")],
    origin: Annotated[list[str] | None, typer.Option(help="A page's origin, for scope browser; repeatable.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and show its secret, once. The first key closes the shop to all who have none."""
    from engine.storage import keys as stored

    with _ledger() as (ledger, now):
        key, secret = stored.create_key(ledger, actor, scope, origin or [], now=now)
    answer({**_shown(key), "key": secret}, as_json, f"{secret}\nnobody can look it up again; its id is {key.id}")


@keys.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show all keys without their secrets."""
    from engine.storage import keys as stored

    with _ledger() as (ledger, _):
        found = [_shown(key) for key in stored.read_keys(ledger).values()]
    lines = [
        f"{each['id']}  {each['actor']}  {', '.join([*each['scopes'], *each['origins']])}"
        + (f"  revoked {each['revoked_at']}" if each["revoked_at"] else "")
        for each in found
    ]
    answer({"keys": found}, as_json, "\n".join(lines) or "no keys: the shop is open, on localhost only")


@keys.command()
def revoke(id: Annotated[str, typer.Argument(help="The key's id.")], as_json: AsJson = False) -> None:  # noqa: A002
    """End a key; storefronts refuse it within seconds."""
    from engine.storage import keys as stored

    with _ledger() as (ledger, now):
        key = stored.revoke_key(ledger, id, now=now)
    answer(_shown(key), as_json, f"the key {key.id} of {key.actor} is revoked")


@contextmanager
def _ledger() -> Iterator[tuple[LedgerPool, float]]:
    from engine.storage import clock
    from engine.storage import keys as stored
    from engine.storage.embedded import open_stores
    from engine.storage.ledger import opened_ledger
    from engine.storage.migrate import migrate

    settings, home = here()
    with open_stores(settings, {"ledger"}) as stores:
        migrate(stores.ledger_url, settings.shop)
        with opened_ledger(stores.ledger_url, settings.shop) as ledger:
            yield ledger, clock.now(home)
            # Storefronts that start before the ledger does go by this.
            home.shop_folder.mkdir(parents=True, exist_ok=True)
            stored.remember(home.shop_folder / "keys.json", stored.read_keys(ledger))


def _shown(key: AccessKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "actor": key.actor,
        "scopes": sorted(key.scopes),
        "origins": list(key.origins),
        "created_at": _iso(key.created_at),
        "revoked_at": None if key.revoked_at is None else _iso(key.revoked_at),
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()
