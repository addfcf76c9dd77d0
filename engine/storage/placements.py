"""Placements in the ledger, and the file in which storefronts remember them, since they go on without the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.errors import BadInput, NotAllowed, UnknownThing
from engine.recommend.experiment_reader import settled
from engine.recommend.placement_reader import MOST_PLACEMENTS, read_placement
from engine.storage.durable import locked, replace_file
from engine.storage.home import Home
from engine.storage.ledger import Ledger, connection_of, rows_of
from engine.storage.segments import is_storable, moment

#: Definitions by name, as they were given.
Definitions = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class StoredPlacement:
    name: str
    definition: Mapping[str, Any]
    updated_at: datetime
    updated_by: str | None


def put_placement(
    ledger: Ledger, name: str, definition: Mapping[str, Any], *, actor: str | None, now: float
) -> StoredPlacement:
    """Define a list, or define it anew. Raises BadInput, NotAllowed for an experiment that is drawn anew in secret."""
    read_placement(name, definition)
    with connection_of(ledger) as connection:
        _check_same_draw(name, connection, definition)
        others = rows_of(connection, "SELECT count(*) FROM placements WHERE name <> :name", name=name)
        if others[0][0] >= MOST_PLACEMENTS:
            raise BadInput(f"a shop has at most {MOST_PLACEMENTS} placements", code="too_many", field="name")
        rows_of(
            connection,
            "INSERT INTO placements (name, definition, created_at, created_by, updated_at, updated_by)"
            " VALUES (:name, CAST(:definition AS JSONB), :at, :actor, :at, :actor)"
            " ON CONFLICT (name) DO UPDATE SET definition = excluded.definition,"
            " updated_at = excluded.updated_at, updated_by = excluded.updated_by",
            name=name,
            definition=json.dumps(dict(definition)),
            at=moment(now),
            actor=actor,
        )
        return find_placement(connection, name)


def _check_same_draw(name: str, ledger: Ledger, definition: Mapping[str, Any]) -> None:
    """An experiment that goes on under its name keeps its variants: else people change sides and no report knows."""
    now = definition.get("experiment")
    for each in list_placements(ledger):
        before = each.definition.get("experiment")
        if each.name == name and now and before and before.get("name") == now.get("name") and before != now:
            raise NotAllowed(
                f"experiment: {now['name']!a} runs with other variants; give the new ones another name",
                code="experiment_runs",
                field="experiment.name",
            )


def keep_variant(ledger: Ledger, name: str, variant: str, *, actor: str | None, now: float) -> StoredPlacement:
    """End a placement's experiment: from now on everybody sees this variant. Raises UnknownThing, NotAllowed."""
    with connection_of(ledger) as connection:
        definition = settled(find_placement(connection, name).definition, variant)
        return put_placement(connection, name, definition, actor=actor, now=now)


def find_placement(ledger: Ledger, name: str) -> StoredPlacement:
    """Raises UnknownThing."""
    found = [each for each in list_placements(ledger) if each.name == name] if is_storable(name) else []
    if not found:
        raise UnknownThing(f"no placement {name!a} is defined here", code="unknown_placement", field="name")
    return found[0]


def list_placements(ledger: Ledger) -> list[StoredPlacement]:
    """By name."""
    with connection_of(ledger) as connection:
        rows = rows_of(connection, "SELECT name, definition, updated_at, updated_by FROM placements ORDER BY name")
    return [StoredPlacement(*row) for row in rows]


def delete_placement(ledger: Ledger, name: str) -> None:
    """Storefronts forget it within seconds; one that is built in, or in the file, is as it was. Raises UnknownThing."""
    with connection_of(ledger) as connection:
        find_placement(connection, name)
        rows_of(connection, "DELETE FROM placements WHERE name = :name", name=name)


def definitions_of(ledger: Ledger) -> Definitions:
    return {each.name: dict(each.definition) for each in list_placements(ledger)}


def placement_file(home: Home) -> Path:
    """What a shop writes itself."""
    return home.shop_folder / "placements.toml"


def remember(home: Home, definitions: Definitions) -> None:
    """Keep the ledger's definitions in a file, replaced whole; nothing is written where it says the same already."""
    path, content = _remembered_in(home), json.dumps(definitions, indent=1).encode()
    with locked(path.with_suffix(".lock")):
        with suppress(FileNotFoundError):
            if path.read_bytes() == content:
                return
        replace_file(path, content)


def remembered(home: Home) -> Definitions:
    """The definitions of the file, none where there is none that can be read."""
    try:
        told = json.loads(_remembered_in(home).read_bytes())
        return {str(name): dict(each) for name, each in told.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _remembered_in(home: Home) -> Path:
    return home.shop_folder / "placements.json"
