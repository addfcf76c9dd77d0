"""`hawker campaign`: from a suggestion to a draft, a plan, an approval, a launch and an end."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import BadInput
from hawker_campaign_report import record, report
from hawker_suggest import suggest
from terminal import AsJson, answer, here, progress

if TYPE_CHECKING:
    from engine.settings import Settings
    from engine.storage.campaigns import StoredCampaign
    from engine.storage.home import Home
    from engine.storage.ledger import LedgerPool

campaign = typer.Typer(help="Suggest, draft, plan, approve, launch and end campaigns.", no_args_is_help=True)
campaign.command()(suggest)
campaign.command()(report)
campaign.command()(record)

CampaignId = Annotated[str, typer.Argument(help="The campaign's id.")]
Document = Annotated[Path, typer.Argument(help="The campaign as JSON; REFERENCE.md shows its fields.")]
Actor = Annotated[str | None, typer.Option(help="Who does it; default: the user of this machine.")]
Reason = Annotated[str | None, typer.Option(help="Why, for the record.")]


@campaign.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help="Only those of this state.")] = None, as_json: AsJson = False
) -> None:
    """Show campaigns and how far they are."""
    from engine.storage.campaigns import list_campaigns

    with _ledger() as (ledger, *_):
        found = list_campaigns(ledger, state=state, limit=100_000)
    text = "\n".join(map(_line, found)) or "no campaigns"
    answer({"campaigns": [each.as_json() for each in found]}, as_json, text)


@campaign.command()
def templates(as_json: AsJson = False) -> None:
    """Show the templates of campaigns and the groups that each is usual for."""
    from engine.targeting.campaign_templates import templates_listed

    found = templates_listed()
    lines = [f"{each['template']:<16} {each['name']['zh']}  {each['meaning']} {each['advice']}" for each in found]
    answer({"templates": found}, as_json, "\n".join(lines))


@campaign.command()
def show(campaign_id: CampaignId, as_json: AsJson = False) -> None:
    """Show a campaign, its document, and all that was done to it."""
    from engine.storage.campaigns import campaign_changes, find_campaign

    with _ledger() as (ledger, *_):
        found, changes = find_campaign(ledger, campaign_id), campaign_changes(ledger, campaign_id)
    told = [each.as_json() for each in changes]
    lines = [_line(found), json.dumps(found.document, indent=1, ensure_ascii=False)]
    lines += [f"{each['at']}  {each['actor'] or 'the shop'}  {each['change']}  {each['detail']}" for each in told]
    answer({**found.as_json(), "changes": told}, as_json, "\n".join(lines))


@campaign.command()
def create(
    file: Annotated[Path | None, typer.Argument(help="The campaign as JSON; with --template what it changes.")] = None,
    template: Annotated[
        str | None, typer.Option(help="A template or ready-made group; see campaign templates.")
    ] = None,
    language: Annotated[str, typer.Option(help="en or zh, of a template.")] = "en",
    id: Annotated[str | None, typer.Option(help="Its id; default: made.")] = None,  # noqa: A002
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Make a draft of a document, or of a template."""
    from engine.storage.campaigns import create_campaign
    from engine.storage.live_segments import words_of
    from serving.actions.draft_campaign import checked_draft, draft_of_template

    if file is None and template is None:
        raise BadInput("name a file, or a template with --template; `hawker campaign templates` lists them")
    given = {} if file is None else _read(file)
    with _ledger() as (ledger, now, settings, _):
        if template is None:
            draft = checked_draft(given, words_of(settings))
        else:
            draft = draft_of_template(template, {"language": language, **given}, words_of(settings))
        made = create_campaign(ledger, draft, campaign_id=id, actor=_who(actor), now=now)
    answer(made.as_json(), as_json, _line(made))


@campaign.command()
def edit(campaign_id: CampaignId, file: Document, actor: Actor = None, as_json: AsJson = False) -> None:
    """Change the fields that a document names; an approval is taken back."""
    from engine.storage.campaign_moves import edit_campaign
    from engine.storage.campaigns import find_campaign
    from engine.storage.live_segments import words_of
    from serving.actions.draft_campaign import changed_draft

    with _ledger() as (ledger, now, settings, _):
        found = find_campaign(ledger, campaign_id)
        draft = changed_draft(found.document, _read(file), words_of(settings))
        done = edit_campaign(
            ledger, campaign_id, draft, revision=found.revision, approval_budget=settings.approval_budget,
            actor=_who(actor), now=now,
        )  # fmt: skip
    answer(done.as_json(), as_json, _line(done))


@campaign.command()
def delete(campaign_id: CampaignId, as_json: AsJson = False) -> None:
    """Remove a campaign that was never launched."""
    from engine.storage.campaigns import delete_campaign

    with _ledger() as (ledger, *_):
        gone = delete_campaign(ledger, campaign_id)
    answer(gone.as_json(), as_json, f"{campaign_id} is gone")


@campaign.command()
def plan(campaign_id: CampaignId, as_json: AsJson = False) -> None:
    """Show who would get what if it were launched now; nothing is stored or sent."""
    from engine.storage.campaign_plan import plan_campaign
    from engine.storage.campaigns import find_campaign

    with _ledger() as (ledger, now, settings, home), progress():
        found = plan_campaign(home, ledger, find_campaign(ledger, campaign_id), settings, now=now).as_json()
    answer(found, as_json, _plan_text(found))


@campaign.command()
def approve(campaign_id: CampaignId, actor: Actor = None, as_json: AsJson = False) -> None:
    """Let a campaign be launched as it stands; neither its author nor who changed it last may."""
    from engine.storage.campaign_moves import approve_campaign

    with _ledger() as (ledger, now, *_):
        done = approve_campaign(ledger, campaign_id, actor=_who(actor), now=now)
    answer(done.as_json(), as_json, _line(done))


@campaign.command()
def launch(campaign_id: CampaignId, actor: Actor = None, as_json: AsJson = False) -> None:
    """Freeze the audience, fill the outbox and start, or schedule it where it starts later."""
    from engine.storage.campaign_launch import launch_campaign

    with _ledger() as (ledger, now, settings, home), progress() as say:

        def goes_on(stage: str) -> bool:
            say(stage)
            return True

        done = launch_campaign(home, ledger, campaign_id, settings, actor=_who(actor), now=now, goes_on=goes_on)
    answer(done.as_json(), as_json, _line(done))


@campaign.command()
def pause(campaign_id: CampaignId, reason: Reason = None, actor: Actor = None, as_json: AsJson = False) -> None:
    """Send nothing more until it is resumed."""
    from engine.storage.campaign_moves import pause_campaign

    _move(pause_campaign, campaign_id, reason, actor, as_json)


@campaign.command()
def resume(campaign_id: CampaignId, reason: Reason = None, actor: Actor = None, as_json: AsJson = False) -> None:
    """Go on where it was paused."""
    from engine.storage.campaign_moves import resume_campaign

    _move(resume_campaign, campaign_id, reason, actor, as_json)


@campaign.command()
def complete(campaign_id: CampaignId, reason: Reason = None, actor: Actor = None, as_json: AsJson = False) -> None:
    """End it for good: what waits is not sent any more."""
    from engine.storage.campaign_moves import complete_campaign

    _move(complete_campaign, campaign_id, reason, actor, as_json)


@campaign.command()
def unschedule(campaign_id: CampaignId, reason: Reason = None, actor: Actor = None, as_json: AsJson = False) -> None:
    """Take a scheduled launch back; the campaign stays approved."""
    from engine.storage.campaign_moves import unschedule_campaign

    _move(unschedule_campaign, campaign_id, reason, actor, as_json)


def _move(
    move: Callable[..., StoredCampaign], campaign_id: str, reason: str | None, actor: str | None, as_json: bool
) -> None:
    with _ledger() as (ledger, now, *_):
        done = move(ledger, campaign_id, reason=reason, actor=_who(actor), now=now)
    answer(done.as_json(), as_json, _line(done))


@contextmanager
def _ledger() -> Iterator[tuple[LedgerPool, float, Settings, Home]]:
    from engine.storage import clock
    from engine.storage.embedded import open_stores
    from engine.storage.ledger import opened_ledger
    from engine.storage.migrate import migrate

    settings, home = here()
    with open_stores(settings, {"ledger"}) as stores:
        migrate(stores.ledger_url, settings.shop)
        with opened_ledger(stores.ledger_url, settings.shop) as ledger:
            yield ledger, clock.now(home), settings, home


def _who(actor: str | None) -> str:
    return actor or getpass.getuser()


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{file} is no JSON: {error}", field="file") from error


def _line(found: StoredCampaign) -> str:
    planned = found.plan or {}
    members = f"  {planned['customers']:,} members, {planned['treated']:,} treated" if "customers" in planned else ""
    return f"{found.id}  {found.document['name']}  {found.state}  revision {found.revision}{members}"


def _plan_text(found: dict[str, Any]) -> str:
    lines = [f"{found['reachable']:,} of {found['size']:,} can be reached, as of {found['as_of']}"]
    lines += [f"  not {number:,}: {reason}" for reason, number in found["unreachable_by"].items() if number]
    if "customers" in found:
        held = found["holdout_arm"] + found["global_holdout_arm"]
        lines.append(f"{found['treated']:,} are treated, {held:,} held out")
        lines.append(f"expected cost {_money(found['cost'])}, expected profit {_money(found['profit'])}")
        lines.append(found["evidence_says"])
    if found.get("gap") is not None:
        lines.append(f"{found['gap']:.4%} below the bound; one more unit of budget earns {found['one_more_unit']:.3f}")
    if found.get("price_of_simplicity") is not None:
        lines.append(f"one offer a segment gives away {_money(found['price_of_simplicity'])}")
    for part in ("by_segment", "by_offer"):
        lines += [
            f"  {each['name'] or '-'}: {each['treated']:,} treated, cost {_money(each['cost'])},"
            f" profit {_money(each['profit'])}"
            for each in found.get(part, [])
        ]
    lines += [f"would be refused: {each['message']}" for each in found["stops"]]
    return "\n".join(lines)


def _money(told: float | None) -> str:
    return "unknown" if told is None else f"{told:,.0f}"
