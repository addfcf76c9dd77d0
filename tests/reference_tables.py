"""The tables of REFERENCE.md, as the code has them: `python -m tests.reference_tables` writes them anew."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import typer
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from engine import errors
from engine.events import EVENT_TYPES
from engine.recommend.placements import PLACEMENTS
from engine.segment_words import EVENT_NAMES
from engine.settings import SETTINGS, read_settings
from engine.storage.home import Home
from engine.storage.lake_tables import CAMPAIGN_OUTCOMES, PREDICTIONS, LakeTable
from engine.targeting.arbitration import REASONS as MESSAGE_REASONS
from engine.targeting.campaign import SAFE_EDITS, Campaign
from engine.targeting.campaign_fields import FIELDS
from engine.targeting.campaign_templates import templates_listed
from engine.targeting.fairness import FORBIDDEN_INPUTS, REASON_CLASSES
from engine.targeting.groups import ACTIONS, groups
from engine.targeting.suggestion_goals import GOALS, PRIORS
from engine.targeting.traits import TRAITS
from engine.targeting.triggers import KINDS
from engine.thresholds import THRESHOLDS, read_thresholds
from experiments.bench import BENCHES
from hawker import app as command_line
from serving.app import create_app
from serving.marketing_app import create_marketing_app
from serving.marketing_runtime import MarketingRuntime
from serving.metrics import TrainingMetrics, WorkerMetrics
from serving.runtime import Runtime
from serving.wire import STATUSES
from tests.bundles import toy_bundle
from tests.serving.conftest import publish
from training.models import MODELS
from training.predictions.recipe import PredictionRecipe
from training.recipe import Recipe
from training.response.recipe import ResponseRecipe

REFERENCE = Path(__file__).resolve().parents[1] / "REFERENCE.md"
Row = tuple[str, ...]


def settings() -> Iterator[Row]:
    yield ("Name", "Default", "Meaning")
    for each in SETTINGS:
        yield (code(each.name), code(each.default) if each.default else "", each.meaning)


def traits() -> Iterator[Row]:
    yield ("Trait", "Kind", "Meaning", "Formula")
    for each in TRAITS:
        unit = f"{each.kind}, {each.unit}" if each.unit else each.kind
        yield (code(each.name), unit, each.meaning, each.formula)


def campaign_fields() -> Iterator[Row]:
    yield ("Field", "Default", "While it runs", "Meaning")
    for each in dataclasses.fields(Campaign):
        default = "" if each.default is dataclasses.MISSING else code(_plain(each.default))
        yield (code(each.name), default, "may change" if each.name in SAFE_EDITS else "", FIELDS.get(each.name, ""))


def _plain(value: Any) -> str:
    return {None: "null", (): "[]"}.get(value, str(value))


def ready_made_groups() -> Iterator[Row]:
    yield ("Group", "Name", "Means", "Usual actions")
    for each in groups(read_thresholds("")):
        why = "; ask first why" if each.ask_why else ""
        told = ", ".join(ACTIONS[name]["en"] for name in each.actions)
        yield (code(each.id), f"{each.name['en']} {each.name['zh']}", each.meaning, f"{told}{why}" or "none")


def thresholds() -> Iterator[Row]:
    yield ("Threshold", "Default", "Unit", "Meaning")
    for each in THRESHOLDS:
        yield (code(each.name), f"{each.default:g}", each.unit, each.meaning)


def verbs() -> Iterator[Row]:
    yield ("Command", "What it does")
    for name, command in commands().items():
        given = "".join(f" {argument_text(each)}" for each in command.params if each.param_type_name == "argument")
        yield (code(f"hawker {name}{given}"), first_line(command.help))


def options() -> Iterator[Row]:
    yield ("Command", "Option", "Default", "Meaning")
    for name, command in commands().items():
        for each in command.params:
            if each.param_type_name == "option" and not {"--help", "--json"} & set(each.opts):
                default = (
                    "" if each.default is None or each.default is False or each.required else code(str(each.default))
                )
                yield (code(name), code(each.opts[0]), "required" if each.required else default, each.help or "")


def routes() -> Iterator[Row]:
    yield ("Request", "Meaning")
    for path, methods in interface()["paths"].items():
        for method, operation in methods.items():
            yield (code(f"{method.upper()} {path}"), first_line(operation["description"]))


def marketing_routes() -> Iterator[Row]:
    yield ("Request", "Meaning")
    for path, methods in marketing_interface()["paths"].items():
        for method, operation in methods.items():
            yield (code(f"{method.upper()} {path}"), first_line(operation["description"]))


def body_fields() -> Iterator[Row]:
    yield ("Field", "Default", "Meaning")
    yield from fields_of("RecommendationRequest")


def answer_fields() -> Iterator[Row]:
    yield ("Field", "Meaning")
    for schema, before in (("RecommendationAnswer", ""), ("RecommendedItem", "items[].")):
        for name, _, meaning in fields_of(schema, before):
            yield (name, meaning)


def statuses() -> Iterator[Row]:
    yield ("Refusal", "Means", "HTTP", "Exit code")
    drawing = (line.lstrip("├└─ ").split(maxsplit=1) for line in errors.__doc__.splitlines())
    meanings = {words[0]: words[1] for words in drawing if len(words) == 2}
    for kind, status in STATUSES:
        wrong_use = kind in (errors.BadInput, errors.UnknownThing)
        yield (code(kind.code), meanings[kind.__name__], str(int(status)), "2" if wrong_use else "1")


def metrics() -> Iterator[Row]:
    yield ("Metric", "Kind", "Labels", "Meaning")
    with runtime() as running:
        running.metrics.requests.labels("", "", "")
        running.metrics.seconds.labels("", "")
        running.metrics.stages.labels("", "")
        running.metrics.lost.labels("")
        running.metrics.asked.labels("", "")
        worker, training = WorkerMetrics(), TrainingMetrics()
        training.drift.labels("")
        training.ended.labels("")
        pages = (running.metrics.page(), *(generate_latest(each.registry) for each in (worker, training)))
        for family in (each for page in pages for each in text_string_to_metric_families(page.decode())):
            if family.samples and not family.name.endswith("_created"):
                labels = [name for name in family.samples[0].labels if name != "le"]
                name = f"{family.name}_total" if family.type == "counter" else family.name
                yield (code(name), family.type, ", ".join(labels), family.documentation)


def event_types() -> Iterator[Row]:
    yield ("Type", "Weight", "Half-life in days", "Meaning")
    for each in EVENT_TYPES.values():
        yield (code(each.name), f"{each.weight:g}", f"{each.half_life_days:g}", each.meaning)


def segment_events() -> Iterator[Row]:
    yield ("Segment's name", "Becomes")
    for name, kind in EVENT_NAMES.items():
        yield (name, code(kind))


def placements() -> Iterator[Row]:
    yield ("Name", "Shows", "Sources", "When these give too little")
    for each in PLACEMENTS.values():
        yield (
            code(each.name),
            each.meaning,
            ", ".join(each.sources),
            ", ".join(each.fallback) or "the list stays short",
        )


def recipe_keys() -> Iterator[Row]:
    """The meanings are written in the document; the keys and their defaults come from the code."""
    yield ("Key", "Default", "Meaning")
    written = rows_of(REFERENCE.read_text(), "Recipes")
    meanings = {row[0]: row[-1] for row in written}
    defaults = Recipe()
    for each in dataclasses.fields(Recipe):
        value = getattr(defaults, each.name)
        shown = ", ".join(value) if isinstance(value, tuple) else "" if value == {} else str(value)
        yield (code(each.name), code(shown) if shown else "", meanings.get(code(each.name), ""))


def prediction_keys() -> Iterator[Row]:
    """As `recipe_keys`."""
    yield ("Key", "Default", "Meaning")
    meanings = {row[0]: row[-1] for row in rows_of(REFERENCE.read_text(), "Recipes of predictions")}
    defaults = PredictionRecipe()
    for each in dataclasses.fields(PredictionRecipe):
        value = getattr(defaults, each.name)
        shown = ", ".join(value) if isinstance(value, tuple) else str(value)
        if each.name != "name":
            yield (code(each.name), code(shown) if shown else "", meanings.get(code(each.name), ""))


def response_keys() -> Iterator[Row]:
    """As `recipe_keys`."""
    yield ("Key", "Default", "Meaning")
    meanings = {row[0]: row[-1] for row in rows_of(REFERENCE.read_text(), "Recipes of responses")}
    defaults = ResponseRecipe()
    for each in dataclasses.fields(ResponseRecipe):
        value = getattr(defaults, each.name)
        shown = ", ".join(value) if isinstance(value, tuple) else str(value)
        yield (code(each.name), code(shown), meanings.get(code(each.name), ""))


def prediction_columns() -> Iterator[Row]:
    yield from columns_of(PREDICTIONS, "Predictions")


def outcome_columns() -> Iterator[Row]:
    yield from columns_of(CAMPAIGN_OUTCOMES, "Outcomes of campaigns")


def columns_of(table: LakeTable, heading: str) -> Iterator[Row]:
    """As `recipe_keys`; the traits of outcomes are those of the table of traits."""
    yield ("Column", "Type", "Meaning")
    meanings = {row[0]: row[-1] for row in rows_of(REFERENCE.read_text(), heading)}
    for each in table.schema:
        trait = f"The trait `{each.name[2:]}` at launch, null where not known." if each.name.startswith("x_") else ""
        yield (code(each.name), str(each.type), meanings.get(code(each.name), trait))


def families() -> Iterator[Row]:
    yield ("Name", "What it learns", "Parameters")
    for each in MODELS.values():
        yield (
            code(each.name),
            each.meaning,
            ", ".join(code(f"{name} = {value}") for name, value in each.defaults.items()),
        )


def goals() -> Iterator[Row]:
    yield ("Goal", "Means", "Usual groups", "Orders more a hundred contacted, assumed")
    for name, each in GOALS.items():
        middle, low, high = (f"{100 * value:g}" for value in each.uplift)
        names = each.needs and f", name the {each.needs}"
        yield (code(name), f"{each.meaning}", f"{', '.join(each.groups)}{names or ''}", f"{middle} ({low} to {high})")


def assumptions() -> Iterator[Row]:
    yield ("Name", "Value", "Means")
    for name, (value, meaning) in PRIORS.items():
        yield (code(name), f"{value:g}", meaning)


def forbidden_inputs() -> Iterator[Row]:
    yield ("Input", "Why not")
    for name, reason in FORBIDDEN_INPUTS.items():
        yield (code(name), reason)


def reason_classes() -> Iterator[Row]:
    yield ("Class", "Why somebody gets the discount")
    for name, meaning in REASON_CLASSES.items():
        yield (code(name), meaning)


def triggers() -> Iterator[Row]:
    yield ("Trigger", "Words beside `on` and `again_after`", "What makes somebody a member")
    for name, each in KINDS.items():
        words = "; ".join(f"{code(word)}: {told}" for word, told in {**each.needs, **each.may}.items())
        yield (code(name), words, each.meaning)


def message_reasons() -> Iterator[Row]:
    yield ("Reason", "Means")
    for name, meaning in MESSAGE_REASONS.items():
        yield (code(name), f"{meaning[0].upper()}{meaning[1:]}.")


def campaign_templates() -> Iterator[Row]:
    yield ("Template", "Name", "Usual for", "What it does")
    for each in templates_listed():
        told = f"{each['meaning']} {each['advice']}".strip()
        name = f"{each['name']['en']}, {each['name']['zh']}"
        yield (code(each["template"]), name, ", ".join(each["groups"]), told)


def benches() -> Iterator[Row]:
    yield ("Name", "What it shows")
    for name, each in BENCHES.items():
        yield (code(name), each.meaning)


#: Heading in REFERENCE.md: the rows of the table below it.
TABLES: dict[str, Callable[[], Iterable[Row]]] = {
    "Settings": settings,
    "Commands": verbs,
    "Options of the commands": options,
    "Requests": routes,
    "Requests of marketers": marketing_routes,
    "What can be asked for": body_fields,
    "What is answered": answer_fields,
    "Refusals": statuses,
    "Metrics": metrics,
    "Event types": event_types,
    "Segment": segment_events,
    "Traits": traits,
    "Ready-made groups": ready_made_groups,
    "Thresholds of the groups": thresholds,
    "Placements": placements,
    "Recipes": recipe_keys,
    "Recipes of predictions": prediction_keys,
    "Recipes of responses": response_keys,
    "Predictions": prediction_columns,
    "Outcomes of campaigns": outcome_columns,
    "Model families": families,
    "Goals of suggestions": goals,
    "What suggestions assume": assumptions,
    "What may not decide about a discount": forbidden_inputs,
    "Reason classes": reason_classes,
    "Fields of a campaign": campaign_fields,
    "Triggers": triggers,
    "Why a message waits or never leaves": message_reasons,
    "Templates of campaigns": campaign_templates,
    "Benchmarks": benches,
}


def table(rows: Iterable[Row]) -> str:
    """A table in Markdown; the first row is its head."""
    head, *body = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def tables_of(text: str) -> dict[str, str]:
    """The first table below each heading of a Markdown text."""
    found: dict[str, str] = {}
    heading = ""
    for block in text.split("\n\n"):
        if block.startswith("#"):
            heading = block.splitlines()[0].lstrip("#").strip()
        elif block.startswith("| "):
            found.setdefault(heading, block.strip())
    return found


def rows_of(text: str, heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    lines = tables_of(text)[heading].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def commands() -> dict[str, Any]:
    """By what is typed; of a group, its commands."""
    found = {}
    for name, command in typer.main.get_command(command_line).commands.items():
        if getattr(command, "invoke_without_command", False):
            found[name] = command
        for below, inner in getattr(command, "commands", {"": command}).items():
            found[f"{name} {below}".strip()] = inner
    return found


@cache
def interface() -> dict[str, Any]:
    with runtime() as running:
        return create_app(running).openapi()


@cache
def marketing_interface() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="hawker-reference-") as folder:
        running = MarketingRuntime(Home(Path(folder)), read_settings({}))
        return create_marketing_app(running).openapi()


class runtime:
    """What a storefront process answers from, over a toy bundle."""

    def __enter__(self) -> Runtime:
        self._folder = tempfile.TemporaryDirectory(prefix="hawker-reference-")
        home = Home(Path(self._folder.name))
        publish(home, toy_bundle())
        return Runtime(home)

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def fields_of(schema: str, before: str = "") -> Iterator[Row]:
    properties = interface()["components"]["schemas"][schema]["properties"]
    for name, each in properties.items():
        default = each.get("default")
        shown = "" if default in (None, [], {}) else code(str(default).lower() if default is False else str(default))
        yield (code(f"{before}{name}"), shown, each.get("description", "") + bounds(each))


def bounds(field: dict[str, Any]) -> str:
    if "minimum" in field:
        return f"{field['minimum']:g} to {field['maximum']:g}."
    return f" At most {field['maxItems']:,}." if "maxItems" in field else ""


def argument_text(argument: Any) -> str:
    name = argument.name.upper()
    return name if argument.required else f"[{name}]"


def first_line(text: str | None) -> str:
    return (text or "").strip().splitlines()[0]


def code(text: str) -> str:
    return f"`{text}`"


def main() -> None:
    text = REFERENCE.read_text()
    old = tables_of(text)
    for heading, rows in TABLES.items():
        text = text.replace(old[heading], table(rows()))
    REFERENCE.write_text(text)


if __name__ == "__main__":
    main()
