"""`hawker user`: customers from all sides, and the groups that they are in."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from terminal import AsJson, answer, here, progress

user = typer.Typer(help="Look at customers: portraits, consents, groups, clusters.", no_args_is_help=True)
_User = Annotated[str, typer.Argument(help="Whom.")]


@user.command()
def refresh(
    whole: Annotated[bool, typer.Option("--whole", help="Compute everything anew from the lake.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring traits and ready-made groups up to the lake; a served shop does it by itself."""
    from engine.storage import clock
    from engine.storage.customer_reach import Reach
    from engine.storage.customer_refresh import refresh_customers
    from engine.storage.embedded import open_stores
    from engine.storage.ledger import opened_ledger
    from engine.storage.live_segments import live_rules
    from engine.storage.migrate import migrate
    from engine.storage.shop_secrets import HOLDOUT_SALT, shop_secret

    settings, home = here()
    now = clock.now(home)
    with progress() as say, open_stores(settings, {"ledger"}) as stores:
        migrate(stores.ledger_url, settings.shop)
        with opened_ledger(stores.ledger_url, settings.shop) as ledger:
            live = live_rules(settings, ledger)
            reach = Reach(ledger, shop_secret(ledger, HOLDOUT_SALT), settings.global_holdout)
            say("traits, groups and segments")
            done = refresh_customers(home, now=now, zone=settings.zone, rules=live.rules, whole=whole, reach=reach)
    text = f"{done.people:,} people, {done.events:,} events, as of {_iso(done.as_of)}"
    aside = [f"{name} is set aside: {reason}" for name, reason in sorted(live.set_aside.items())]
    answer({**done.as_json(), "set_aside": live.set_aside}, as_json, "\n".join([text, *aside]))


@user.command()
def show(user_id: Annotated[str, typer.Argument(help="Whom.")], as_json: AsJson = False) -> None:
    """The 360-degree view of one customer."""
    from engine.storage import clock
    from engine.storage.portrait import portrait

    settings, home = here()
    found = portrait(home, user_id, now=clock.now(home), thresholds=settings.groups)
    answer(found, as_json, _portrait_text(found))


@user.command()
def groups(as_json: AsJson = False) -> None:
    """The ready-made groups and their sizes, in English and Chinese."""
    from engine.storage import clock
    from engine.storage.group_sizes import group_sizes
    from engine.targeting.groups import groups as ready_made

    settings, home = here()
    sizes = group_sizes(home, clock.now(home))
    rows: list[dict[str, Any]] = [
        {"id": each.id, "name": each.name, "size": sizes.segments.get(each.id, 0)}
        for each in ready_made(settings.groups)
    ]
    lines = [f"{each['size']:>9,}  {each['id']:<24} {each['name']['en']}  {each['name']['zh']}" for each in rows]
    found = {"as_of": sizes.as_of, "customers": sizes.customers, "groups": rows, "clusters": sizes.clusters}
    answer(found, as_json, "\n".join([f"{sizes.customers:>9,}  customers", *lines, *_cluster_lines(sizes.clusters)]))


@user.command()
def clusters(as_json: AsJson = False) -> None:
    """Learn clusters of customers from their traits, anew, and say what sets each apart."""
    from engine.storage import clock
    from engine.storage.customer_clusters import cluster_sizes, learn
    from engine.storage.customer_files import CustomerFiles

    _, home = here()
    now = clock.now(home)
    found = learn(home, now)
    with CustomerFiles(home).reading(now) as sql:
        sizes = cluster_sizes(sql, home)
    tried = {str(k): round(value, 4) for k, value in found.silhouettes.items()}
    answer({"clusters": sizes, "silhouettes": tried}, as_json, "\n".join(_cluster_lines(sizes)))


@user.command()
def moves(
    dimension: Annotated[str, typer.Argument(help="rfm, lifecycle, aipl, frequency, ...")],
    since: Annotated[str, typer.Option(help="From this moment, such as 2017-06-01.")],
    until: Annotated[str | None, typer.Option(help="Up to this moment; now where it is not told.")] = None,
    as_json: AsJson = False,
) -> None:
    """How many customers went from which group of a dimension to which."""
    from engine.storage import clock
    from engine.storage.batch import read_moment
    from engine.storage.group_sizes import group_moves

    settings, home = here()
    with progress() as say:
        say("the traits of both moments")
        found = group_moves(
            home,
            dimension,
            since=read_moment(since),
            until=read_moment(until) if until else None,
            now=clock.now(home),
            zone=settings.zone,
            thresholds=settings.groups,
        )
    lines = [f"{each['customers']:>9,}  {each['from'] or '-'} -> {each['to'] or '-'}" for each in found["moves"]]
    answer(found, as_json, "\n".join(lines) or "nobody was there")


@user.command("for-item")
def for_item(
    item_id: Annotated[str, typer.Argument(help="Which item.")],
    out_file: Annotated[Path, typer.Option("--out", help="Where to write: .parquet, .csv or .jsonl.")],
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many users.")] = 1_000,
    new_only: Annotated[bool, typer.Option("--new-only", help="Leave out who bought it already.")] = False,
    version: Annotated[int | None, typer.Option(help="A trained version; default: the published one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write the users who would want an item, the likeliest first, with the place that each source gives them."""
    from engine.storage import clock
    from engine.storage.batch import check_ending, write_lists
    from engine.storage.item_audiences import who_wants
    from engine.storage.releases import open_bundle

    _, home = here()
    check_ending(out_file)
    found = who_wants(home, open_bundle(home, version), item_id, limit=limit, now=clock.now(home), new_only=new_only)
    write_lists(out_file, found.users)
    told = {"item_id": item_id, "users": found.users.num_rows, "prediction": found.prediction, "out": str(out_file)}
    by = f", with {found.prediction}" if found.prediction else ""
    answer(told, as_json, f"{out_file}: {found.users.num_rows:,} users{by}")


@user.command()
def consents(user_id: _User, as_json: AsJson = False) -> None:
    """What a customer agreed to or refused, and all that they ever said of it."""
    from engine.storage.consents import consents_of, state_of
    from engine.storage.embedded import open_stores
    from engine.storage.ledger import opened_ledger
    from engine.storage.migrate import migrate

    settings, _ = here()
    with open_stores(settings, {"ledger"}) as stores:
        migrate(stores.ledger_url, settings.shop)
        with opened_ledger(stores.ledger_url, settings.shop) as ledger:
            said = consents_of(ledger, user_id)
    found = {"user_id": user_id, "consents": state_of(said), "history": [each.as_json() for each in said]}
    lines = [
        f"{each.at.isoformat()}  {'granted' if each.granted else 'refused'}  {each.purpose} by {each.channel}"
        for each in said
    ]
    answer(found, as_json, "\n".join(lines) or f"{user_id} never said anything")


@user.command()
def consent(
    user_id: _User,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="They take it back; else they agree.")] = False,
    purpose: Annotated[str, typer.Option(help="For what: marketing, service, or your own.")] = "marketing",
    channel: Annotated[str, typer.Option(help="all, storefront, email, webhook or file.")] = "all",
    text_version: Annotated[str | None, typer.Option(help="Which text they agreed to.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put on record that a customer agrees to be talked to, or takes it back."""
    from engine.storage import clock
    from engine.storage.consents import Word, say_consent
    from engine.storage.embedded import open_stores
    from engine.storage.ledger import opened_ledger
    from engine.storage.migrate import migrate

    settings, home = here()
    word = Word(purpose, channel, granted=not withdraw, source="command line", text_version=text_version)
    with open_stores(settings, {"ledger"}) as stores:
        migrate(stores.ledger_url, settings.shop)
        with opened_ledger(stores.ledger_url, settings.shop) as ledger:
            said = say_consent(ledger, user_id, word, now=clock.now(home))
    told = "agreed to" if said.granted else "refused"
    answer({"user_id": user_id, **said.as_json()}, as_json, f"{user_id} {told} {said.purpose} by {said.channel}")


def _portrait_text(found: dict[str, Any]) -> str:
    lines = [f"{found['user_id']}, as of {found['as_of']}"]
    for part, traits in found["traits"].items():
        told = [f"{name} {_short(value)}" for name, value in traits.items() if value not in (None, 0, [])]
        if told:
            lines.append(f"{part:>10}  {', '.join(told)}")
    if found["segments"]:
        lines.append(f"{'segments':>10}  {', '.join(each['segment'] for each in found['segments'])}")
    lines += [f"{'':>10}  {each['time'][:19]} {each['type']} {each.get('item_id', '')}" for each in found["events"][:5]]
    return "\n".join(lines)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    return ", ".join(value) if isinstance(value, list) else str(value)


def _cluster_lines(sizes: list[dict[str, Any]]) -> list[str]:
    return [f"{each['size']:>9,}  cluster {each['cluster']}: {each['words']['en']}" for each in sizes]


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()
