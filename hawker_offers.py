"""`hawker offer`: offers, their versions and their codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import BadInput
from terminal import AsJson, answer, here

if TYPE_CHECKING:
    from engine.storage.ledger import LedgerPool
    from engine.storage.offer_ledger import StoredOffer

offer = typer.Typer(help="Make offers, issue their codes, see what became of them.", no_args_is_help=True)
OfferId = Annotated[str, typer.Argument(help="The offer's id.")]


@offer.command()
def create(
    file: Annotated[Path, typer.Argument(help="The offer as JSON; REFERENCE.md shows its fields.")],
    as_json: AsJson = False,
) -> None:
    """Make an offer, or a new version of one that is there; issued coupons keep their terms."""
    from engine.storage.offer_documents import put_offer

    document = _read(file)
    with _ledger() as (ledger, now, zone):
        stored = put_offer(ledger, document, actor="cli", now=now, zone=zone)
    answer(_shown(stored), as_json, f"{stored.offer_id} is at version {stored.version}")


@offer.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show all offers with their newest versions."""
    from engine.storage.offer_ledger import list_offers

    found: list[StoredOffer] = []
    with _ledger() as (ledger, _, _zone):
        while page := list_offers(ledger, after=found[-1].offer_id if found else ""):
            found += page
    lines = [f"{each.offer_id}  version {each.version}  {each.state}" for each in found]
    answer({"offers": [_shown(each) for each in found]}, as_json, "\n".join(lines) or "no offers")


@offer.command()
def show(id: OfferId, as_json: AsJson = False) -> None:  # noqa: A002
    """Show an offer's terms and wording."""
    from engine.storage.offer_ledger import find_offer

    with _ledger() as (ledger, _, _zone):
        stored = find_offer(ledger, id)
    answer(_shown(stored), as_json, json.dumps(_shown(stored), indent=1, ensure_ascii=False))


@offer.command()
def versions(id: OfferId, as_json: AsJson = False) -> None:  # noqa: A002
    """Show all versions of an offer, the newest first."""
    from engine.storage.offer_ledger import list_versions

    with _ledger() as (ledger, _, _zone):
        found = [_shown(each) for each in list_versions(ledger, id)]
    answer({"versions": found}, as_json, json.dumps(found, indent=1, ensure_ascii=False))


@offer.command()
def disable(id: OfferId, as_json: AsJson = False) -> None:  # noqa: A002
    """End an offer: from now on none of its coupons can be used."""
    from engine.storage.offer_ledger import disable_offer

    with _ledger() as (ledger, _, _zone):
        stored = disable_offer(ledger, id)
    answer(_shown(stored), as_json, f"{id} is disabled")


@offer.command()
def codes(
    id: OfferId,  # noqa: A002
    count: Annotated[int, typer.Option(help="How many, up to a million.")] = 1000,
    pattern: Annotated[str, typer.Option(help="Each # becomes a character of chance.")] = "#############",
    as_json: AsJson = False,
) -> None:
    """Make codes for one use each, which wait to be given out."""
    from engine.storage.coupon_issue import generate_codes

    with _ledger() as (ledger, now, _):
        made = generate_codes(ledger, id, count, pattern, now=now)
    answer({"offer_id": id, "made": made}, as_json, f"{made:,} codes wait")


@offer.command("import-codes")
def import_codes(
    id: OfferId,  # noqa: A002
    file: Annotated[Path, typer.Argument(help="Codes made elsewhere, one a line.")],
    generic: Annotated[
        bool, typer.Option("--generic", help="Codes for everybody, held by the offer's limits.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take over codes made elsewhere; again changes nothing."""
    from engine.storage import coupon_issue

    try:
        lines = [line for line in file.read_text("utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise BadInput(f"{file}: is not UTF-8 text", field="file") from error
    with _ledger() as (ledger, now, _):
        new, known = coupon_issue.import_codes(ledger, id, lines, max_uses=None if generic else 1, now=now)
    answer({"offer_id": id, "new": new, "known": known}, as_json, f"{new:,} new codes, {known:,} known before")


@offer.command()
def publish(
    id: OfferId,  # noqa: A002
    user: Annotated[str, typer.Option(help="Who gets it.")],
    source: Annotated[str | None, typer.Option(help="What it is for; the same one always gets the same code.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Another one although the user has one.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give a user a coupon of the offer."""
    from engine.storage import coupon_issue
    from engine.storage.offer_documents import expiry_of
    from engine.storage.offer_ledger import find_offer

    with _ledger() as (ledger, now, _):
        given = coupon_issue.publish(ledger, id, user, source, join_once=not again, expiry=expiry_of, now=now)
        wording = find_offer(ledger, id, given.version).wording
    found = {
        "code": given.code,
        "offer_id": id,
        "version": given.version,
        "user_id": user,
        "expires_at": given.expires_at and _iso(given.expires_at),
        "fresh": given.fresh,
        "wording": wording,
    }
    answer(found, as_json, given.code)


@offer.command()
def stats(id: OfferId, as_json: AsJson = False) -> None:  # noqa: A002
    """Show what became of an offer: codes, orders, customers, money."""
    from engine.storage.offer_ledger import offer_stats

    with _ledger() as (ledger, _, _zone):
        found = offer_stats(ledger, id).as_json()
    lines = (f"{name.replace('_', ' ')}: {value:,}" for name, value in found.items())
    answer({"offer_id": id, **found}, as_json, "\n".join(lines))


@offer.command("adopt-past")
def adopt_past(
    currency: Annotated[str, typer.Option(help="What the past counted in, ISO 4217.")],
    as_json: AsJson = False,
) -> None:
    """Bring imported campaigns of the past, their coupons and redemptions among the offers, all disabled."""
    from engine.storage.past_offers import adopt_past_offers

    with _ledger() as (ledger, _, _zone):
        found = adopt_past_offers(ledger, currency=currency)
    answer(dict(found), as_json, ", ".join(f"{number:,} {name}" for name, number in found.items()))


@contextmanager
def _ledger() -> Iterator[tuple[LedgerPool, float, str]]:
    from engine.storage import clock
    from engine.storage.embedded import open_stores
    from engine.storage.ledger import opened_ledger
    from engine.storage.migrate import migrate

    settings, home = here()
    with open_stores(settings, {"ledger"}) as stores:
        migrate(stores.ledger_url, settings.shop)
        with opened_ledger(stores.ledger_url, settings.shop) as ledger:
            yield ledger, clock.now(home), settings.zone


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise BadInput(f"{file}: is not JSON: {error}", field="file") from error
    if type(found) is not dict:
        raise BadInput(f"{file}: must hold one JSON object", field="file")
    return found


def _shown(stored: StoredOffer) -> dict[str, Any]:
    return {
        "offer_id": stored.offer_id,
        "campaign_id": stored.campaign_id,
        "version": stored.version,
        "state": stored.state,
        "terms": stored.terms,
        "wording": stored.wording,
        "actor": stored.actor,
        "created_at": _iso(stored.created_at),
        "version_at": _iso(stored.version_at),
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()
