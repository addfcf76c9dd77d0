"""Item values: what items have in a field, one by one, for what a request brings and for groups within a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.bundle import Bundle
from engine.expression import Name, names_in
from engine.item_facts import FLAG, MEMBER, NUMBER, TEXT
from engine.item_table import ItemTable
from engine.profile import Profile
from engine.recommend.control import Control
from engine.recommend.rules import DAY, Rows, numbers


def current_values(field: str, rows: Rows, bundle: Bundle) -> list[Any]:
    """What each of these items has in a field, as the shop speaks of it now.

    A text, a number, a flag or a tuple of texts; None stands for nothing.
    """
    found: list[Any] = [None] * len(rows)
    known = np.flatnonzero(rows < len(bundle.facts))
    told = [(known, _values(field, bundle.table, rows[known]))]
    for each in bundle.changes:
        _, at, places = np.intersect1d(each.rows, rows, return_indices=True)
        if len(at):
            told.append((places, _values(field, each.table, at.astype(np.int32))))
    for places, values in told:
        for place, value in zip(places.tolist(), values, strict=True):
            found[place] = value
    return found


def group_values(field: str, rows: Rows, bundle: Bundle) -> list[Any]:
    """What tells items of one group: their values in a field, or codes that are equal where those are."""
    codes = {"category": bundle.catalog.category, "brand": bundle.catalog.brand}.get(field)
    if codes is None or any(np.isin(each.rows, rows).any() for each in bundle.changes):
        return current_values(field, rows, bundle)
    return [None if code < 0 else code for code in codes[rows].tolist()]


def in_view(control: Control, items: Rows, bundle: Bundle) -> dict[str, Any]:
    """What the wishes ask of the item in view, which is the first of several."""
    fields = {field for each in control.formulas() for whose, field in names_in(each) if whose == "context"}
    return {field: current_values(field, items[:1], bundle)[0] for field in fields} if len(items) else {}


def of_user(document: Mapping[str, Any], profile: Profile, now: float) -> Mapping[str, Any]:
    """What rules may ask of a user: what the shop said, flat, and what the profile tells."""
    orders = profile.orders
    since = {"days_since_order": max(now - int(orders[-1]), 0.0) / DAY} if len(orders) else {}
    return {**_flat(document, ""), "orders": len(orders), **since}


def _flat(value: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, each in value.items():
        found |= _flat(each, f"{prefix}{name}.") if isinstance(each, Mapping) else {f"{prefix}{name}": each}
    return found


def _values(field: str, table: ItemTable, rows: Rows) -> list[Any]:
    catalog, facts = table.catalog, table.facts
    if field.startswith("attributes."):
        return _attribute_values(field, table, rows)
    if field == "item_id":
        return [table.ids[int(row)] for row in rows]
    if field == "name":
        return [catalog.names[int(row)] or None for row in rows]
    if field == "brand":
        return [catalog.brand_names[int(code)] if code >= 0 else None for code in catalog.brand[rows]]
    if field == "category":
        return [catalog.category_names[int(code)] if code >= 0 else None for code in catalog.levels[rows, -1]]
    if field == "categories":
        return [
            tuple(catalog.category_names[int(code)].rpartition(" / ")[2] for code in dict.fromkeys(path) if code >= 0)
            for path in catalog.levels[rows].tolist()
        ]
    if field == "tags":
        parts = ((int(facts.tags.indptr[row]), int(facts.tags.indptr[row + 1])) for row in rows)
        return [tuple(facts.tags.names[int(code)] for code in facts.tags.codes[slice(*part)]) for part in parts]
    found = numbers(Name("flag" if field == "available" else "number", "item", field), table, rows).tolist()
    told = [None if each != each else each for each in found]
    return [None if each is None else bool(each) for each in told] if field == "available" else told


def _attribute_values(field: str, table: ItemTable, rows: Rows) -> list[Any]:
    attributes = table.facts.attributes
    at = attributes.of(field)
    owners = attributes.rows[at]
    found: list[Any] = []
    for row in rows:
        mine = range(
            at.start + int(np.searchsorted(owners, row)), at.start + int(np.searchsorted(owners, row, "right"))
        )
        texts = tuple(attributes.words[int(attributes.texts[each])] for each in mine)
        kind = int(attributes.kinds[mine[0]]) if len(mine) else 0
        number = float(attributes.numbers[mine[0]]) if len(mine) else 0.0
        plain = {0: None, NUMBER: number, FLAG: bool(number), TEXT: texts[0] if texts else None}
        found.append(texts if kind == MEMBER else plain[kind])
    return found
