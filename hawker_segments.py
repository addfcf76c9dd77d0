"""`hawker segment`: the groups of customers that people define."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import BadInput
from terminal import AsJson, answer, here

if TYPE_CHECKING:
    from engine.settings import Settings
    from engine.storage.home import Home
    from engine.storage.ledger import LedgerPool
    from engine.storage.segments import Segment
    from engine.targeting.definition import Definition

segment = typer.Typer(help="Define, list, change and archive segments.", no_args_is_help=True)

Name = Annotated[str | None, typer.Option(help="What people call it, in English.")]
NameZh = Annotated[str | None, typer.Option(help="What people call it, in Chinese.")]
Rule = Annotated[str | None, typer.Option(help="The rule: spend_90d >= 20000, its JSON, or @FILE that holds one.")]
By = Annotated[str | None, typer.Option(help="Who does it: the name that stands on the change.")]
SegmentId = Annotated[str, typer.Argument(help="The segment's id.")]


@segment.command("list")
def list_(
    archived: Annotated[bool, typer.Option("--archived", help="Show archived ones too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the segments that people defined."""
    from engine.storage.segments import list_segments

    with _ledger() as (ledger, _):
        found = _told(ledger, *list_segments(ledger, archived=archived, limit=100_000))
    answer({"segments": found}, as_json, "\n".join(map(_line, found)) or "no segments yet")


@segment.command()
def show(segment_id: SegmentId, as_json: AsJson = False) -> None:
    """Show a segment, its versions, and what names it."""
    from engine.storage.segments import dependents, find_segment, segment_versions

    with _ledger() as (ledger, _):
        (found,) = _told(ledger, find_segment(ledger, segment_id))
        named_by = dependents(ledger, segment_id)
        versions = [each.as_json() for each in segment_versions(ledger, segment_id)]
    told = {**found, "dependents": named_by, "versions": versions}
    lines = [_line(told), *(f"named by {name}" for name in named_by)]
    lines += [
        f"version {each['version']}  {each['created_at']}  {each['text'] or each['members']}" for each in versions
    ]
    answer(told, as_json, "\n".join(lines))


@segment.command()
def create(
    name: Name = None,
    name_zh: NameZh = None,
    id: Annotated[str | None, typer.Option(help="Its id; default: made of the English name.")] = None,  # noqa: A002
    rule: Rule = None,
    static: Annotated[bool, typer.Option("--static", help="A list of users instead of a rule.")] = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Define a segment by a rule, or an empty list."""
    from engine.storage.segment_edits import create_segment

    if static == (rule is not None):
        raise BadInput("rule: say the rule with --rule, or that it is a list with --static", field="rule")
    with _ledger() as (ledger, now):
        definition = _rule(rule)
        made = create_segment(
            ledger, _names(name, name_zh), definition=definition, segment_id=id, actor=by, now=now
        ).as_json()
    answer(made, as_json, _line(made))


@segment.command()
def edit(
    segment_id: SegmentId,
    name: Name = None,
    name_zh: NameZh = None,
    rule: Rule = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Rename a segment, or give it another rule, which becomes its next version."""
    from engine.storage.segment_edits import edit_segment
    from engine.storage.segments import find_segment

    with _ledger() as (ledger, now):
        names = {**find_segment(ledger, segment_id).names, **_names(name, name_zh)}
        done = edit_segment(ledger, segment_id, names=names, definition=_rule(rule), actor=by, now=now).as_json()
    answer(done, as_json, _line(done))


@segment.command()
def archive(
    segment_id: SegmentId,
    restore: Annotated[bool, typer.Option("--restore", help="Use it again instead.")] = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Take a segment out of use; refused while others name it."""
    from engine.storage.segment_edits import archive_segment

    with _ledger() as (ledger, now):
        done = archive_segment(ledger, segment_id, archived=not restore, actor=by, now=now).as_json()
    answer(done, as_json, _line(done))


@segment.command()
def upload(
    segment_id: SegmentId,
    file: Annotated[Path, typer.Argument(help="A CSV with a column user_id.")],
    mode: Annotated[str, typer.Option(help="add, remove or replace.")] = "add",
    skip: Annotated[str, typer.Option(help="Why lines may be left out, by commas: unknown_user, doubled, ...")] = "",
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Change the list of a static segment; all of the file is taken or nothing."""
    from engine.storage.known_users import known_users
    from engine.storage.member_upload import UploadRefused, read_upload
    from engine.storage.segment_members import change_members, checked_mode
    from terminal import err

    chosen, left_out = checked_mode(mode), [each.strip() for each in skip.split(",") if each.strip()]
    with _stores("ledger", "live") as (ledger, now, settings, home):
        try:
            read = read_upload(file.read_bytes(), lambda ids: known_users(home, settings.redis_url, ids), skip=left_out)
        except UploadRefused as refused:
            for each in refused.refused[1:21]:
                err.print(f"line {each.line}: {each.user_id[:100]!a}: {each.message}", markup=False, soft_wrap=True)
            raise
        done = change_members(ledger, segment_id, read.user_ids, mode=chosen, actor=by, now=now).as_json()
    told = {"segment": done, "users": len(read.user_ids), "skipped": len(read.refused)}
    answer(
        told, as_json, f"{_line(done)}\n{len(read.user_ids):,} users of the file, {len(read.refused):,} lines skipped"
    )


@segment.command()
def lookalike(
    segment_id: Annotated[str, typer.Argument(help="Whose members: a segment, ready-made group or class.")],
    size: Annotated[int, typer.Option(help="How many customers.")] = 1_000,
    name: Name = None,
    name_zh: NameZh = None,
    id: Annotated[str | None, typer.Option(help="Its id; default: made of the English name.")] = None,  # noqa: A002
    out_file: Annotated[Path | None, typer.Option("--out", help="Where to write: .parquet, .csv or .jsonl.")] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Find the customers who resemble a segment's members most: as a static segment of that name, a file, or both."""
    from engine.storage.batch import check_ending, write_lists
    from engine.storage.lookalikes import find_lookalikes, keep_lookalikes
    from engine.targeting.labels import checked_names

    names = _names(name, name_zh)
    if not names and (out_file is None or id is not None):
        raise BadInput("name: say what the segment is called with --name, or where to write with --out", field="name")
    if names:
        checked_names(names)
    if out_file is not None:
        check_ending(out_file)
    with _ledger() as (ledger, now):
        found = find_lookalikes(here()[1], segment_id, size=size, now=now)
        made = keep_lookalikes(ledger, found, names, segment_id=id, actor=by, now=now).as_json() if names else None
    if out_file is not None:
        write_lists(out_file, found.found)
    told = {"source": segment_id, "members": found.members, "size": found.found.num_rows, "segment": made}
    lines = [f"{found.found.num_rows:,} customers resemble the {found.members:,} of {segment_id}"]
    answer(told, as_json, "\n".join([*lines, *([_line(made)] if made else []), *([str(out_file)] if out_file else [])]))


@segment.command()
def scorecard(
    classification_id: Annotated[str, typer.Argument(help="The classification.")],
    since: Annotated[str | None, typer.Option(help="Compare with this moment; 30 days ago by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """How the classes of a classification do: size, drift, revenue, repeats, response, and thresholds to change."""
    from engine.storage.batch import read_moment
    from engine.storage.class_scorecard import scorecard as score
    from engine.storage.live_segments import words_of

    start = read_moment(since) if since else None
    with _stores("ledger") as (ledger, now, settings, home):
        words, groups = words_of(settings), settings.groups
        found = score(home, ledger, classification_id, words=words, thresholds=groups, now=now, since=start)
    index = found["stability_index"]
    moved = "no record of it that far back" if index is None else f"stability index {index:.3f}"
    lines = [f"{found['unclassified']:>9,}  in no class; since {found['since'][:10]}: {moved}"]
    answer(found, as_json, "\n".join([*map(_score_line, found["classes"]), *lines]))


@contextmanager
def _ledger() -> Iterator[tuple[LedgerPool, float]]:
    with _stores("ledger") as (ledger, now, _, _home):
        yield ledger, now


@contextmanager
def _stores(*need: str) -> Iterator[tuple[LedgerPool, float, Settings, Home]]:
    """The ledger, the shop's time, and the settings with the addresses of the stores in `need`."""
    from dataclasses import replace

    from engine.storage import clock
    from engine.storage.embedded import open_stores
    from engine.storage.ledger import opened_ledger
    from engine.storage.migrate import migrate

    settings, home = here()
    with open_stores(settings, need) as stores:
        migrate(stores.ledger_url, settings.shop)
        if "live" in need:
            settings = replace(settings, redis_url=stores.live_url)
        with opened_ledger(stores.ledger_url, settings.shop) as ledger:
            yield ledger, clock.now(home), settings, home


def _told(ledger: LedgerPool, *segments: Segment) -> list[dict[str, Any]]:
    from engine.storage.live_segments import words_of
    from engine.storage.set_aside import with_reasons

    return with_reasons(ledger, words_of(here()[0]), [each.as_json() for each in segments])


def _rule(given: str | None) -> Definition | None:
    from engine.storage.live_segments import words_of
    from engine.targeting.definition import read_definition

    if given is None:
        return None
    text = Path(given[1:]).read_text(encoding="utf-8") if given.startswith("@") else given
    settings, _ = here()
    rule: Any = text
    if text.lstrip().startswith("{"):
        try:
            rule = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise BadInput(f"rule: is no JSON: {error}", field="rule") from error
    return read_definition(rule, words_of(settings))


def _names(name: str | None, name_zh: str | None) -> dict[str, str]:
    return {language: each for language, each in (("en", name), ("zh", name_zh)) if each is not None}


def _score_line(told: dict[str, Any]) -> str:
    advice = told["suggestion"]
    repeats = "-" if told["repeat_rate_365d"] is None else f"{told['repeat_rate_365d']:.0%}"
    drift = "" if told["drift"] is None else f", {told['drift']['size_then']:,} then"
    response = "" if told["response"] is None else f", {told['response']['responded']:,} answers to campaigns"
    if (trial := told["against_holdout"]) is not None:
        response += f", {trial['difference']:+.1%} bought by them ({trial['low']:+.1%} to {trial['high']:+.1%})"
    better = "" if advice is None else f"\n           {advice['why']}: {advice['text'] or advice['reason']}"
    return (
        f"{told['size']:>9,}  {told['class_id']}  {told['share'] or 0:.1%}{drift}, revenue {told['revenue_365d']:,},"
        f" {repeats} buy again{response}{better}"
    )


def _line(told: dict[str, Any]) -> str:
    what = told["text"] if told["kind"] == "rule" else f"{told['members']:,} users"
    ended = "  archived" if told["archived_at"] else ""
    ended += f"  SET ASIDE, {told['set_aside']}" if told.get("set_aside") else ""
    return f"{told['segment_id']}  {' '.join(told['names'].values())}  version {told['version']}  {what}{ended}"
