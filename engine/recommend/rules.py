"""Rules: what a formula says of items, computed on columns; of a request's own things, once before that."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.catalog import Catalog
from engine.expression import (
    Choice,
    Comparison,
    Computed,
    Constant,
    Expression,
    Joined,
    Name,
    Not,
    kind_of,
    moment_of,
)
from engine.expression_row import COMPARE, matches
from engine.expression_row import holds as holds_of_one
from engine.ids import TextTable
from engine.item_facts import FLAG, MEMBER, NUMBER, TEXT
from engine.item_table import ItemTable
from engine.learned import NEVER
from engine.text_search import containing, ending_with, equal_to

DAY = 86_400.0
Rows = NDArray[np.int32]
Numbers = NDArray[np.float64]  # NaN: not there
Flags = NDArray[np.bool_]
_COMPUTE: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}


@dataclass(frozen=True, slots=True)
class Scope:
    """What a request brings: the clock (epoch seconds), and of the item in view and the user each field's value."""

    now: float
    context: Mapping[str, Any]
    user: Mapping[str, Any]

    def value(self, name: Name) -> Any:
        if name.whose == "clock":
            return self.now
        return (self.context if name.whose == "context" else self.user).get(name.field)


def bound(node: Expression, scope: Scope) -> Expression:
    """The formula with the request's own values in place of names, so that it speaks of items only."""
    if isinstance(node, Name) and node.whose != "item":
        return Constant(node.kind, _plain(scope.value(node)))
    if isinstance(node, Joined):
        return Joined(node.how, tuple(bound(each, scope) for each in node.parts))
    if isinstance(node, Not):
        return Not(bound(node.part, scope))
    if isinstance(node, Computed | Comparison):
        return replace(node, left=bound(node.left, scope), right=bound(node.right, scope))
    if isinstance(node, Choice):
        condition, then, otherwise = (bound(each, scope) for each in (node.condition, node.then, node.otherwise))
        return Choice(condition, then, otherwise, node.kind)
    return node


def _plain(value: Any) -> Hashable:
    """What a cache may be keyed by; objects are nothing to compare with."""
    if isinstance(value, list | tuple):
        return tuple(each for each in value if isinstance(each, str))
    return value if isinstance(value, str | int | float | bool) else None


def holds(node: Expression, table: ItemTable, rows: Rows | None = None) -> Flags:
    """[n] whether the bound condition holds, of these rows or of all."""
    with np.errstate(all="ignore"):
        return _Judge(table, rows).flags(node)


def numbers(node: Expression, table: ItemTable, rows: Rows | None = None) -> Numbers:
    """[n] the bound formula's number, NaN where it has none."""
    with np.errstate(all="ignore"):
        return _Judge(table, rows).numbers(node)


class _Judge:
    """One table and some of its rows."""

    def __init__(self, table: ItemTable, rows: Rows | None) -> None:
        self._table = table
        self._rows: Any = slice(len(table)) if rows is None else rows
        self._n = len(table) if rows is None else len(rows)

    def flags(self, node: Expression) -> Flags:
        if isinstance(node, Joined):
            join = np.logical_and if node.how == "all" else np.logical_or
            found = self.flags(node.parts[0])
            for each in node.parts[1:]:
                found = join(found, self.flags(each))
            return found
        if isinstance(node, Not):
            return ~self.flags(node.part)
        if isinstance(node, Comparison):
            return self._compared(node)
        return np.asarray(self.numbers(node) == 1.0)

    def numbers(self, node: Expression) -> Numbers:
        if isinstance(node, Constant):
            moment = moment_of(node.value) if node.kind == "time" else None
            value = node.value if moment is None else moment.timestamp()
            told = node.kind == "flag" or not isinstance(value, bool)
            return np.full(self._n, _as_number(value) if told else np.nan)
        if isinstance(node, Name):
            return self._column(node)
        if isinstance(node, Computed):
            found = _COMPUTE[node.op](self.numbers(node.left), self.numbers(node.right))
            return np.where(np.isfinite(found), found, np.nan)
        if isinstance(node, Choice):
            return np.where(self.flags(node.condition), self.numbers(node.then), self.numbers(node.otherwise))
        return self.flags(node).astype(np.float64)

    def _compared(self, node: Comparison) -> Flags:
        left, right = node.left, node.right
        if node.op == "is null":
            return ~self._there(left)
        if isinstance(right, Constant) and right.value is None:
            return np.zeros(self._n, bool)
        if isinstance(left, Constant) and isinstance(right, Constant):  # both are the request's own
            return np.full(self._n, matches(node, {}))
        is_text = isinstance(right, Constant) and isinstance(right.value, str) and right.kind != "time"
        if is_text or node.op in ("in", "has", "contains"):
            return self._asked(left, node.op, right)
        one, other = self._numbers_like(left, right), self._numbers_like(right, left)
        return np.asarray(COMPARE[node.op](one, other) & ~np.isnan(one) & ~np.isnan(other))

    def _numbers_like(self, node: Expression, other: Expression) -> Numbers:
        """Of what may be of any kind only the values of the other side's kind: true is not 1."""
        if kind_of(node) != "any":
            return self.numbers(node)
        flags = kind_of(other) == "flag" or isinstance(getattr(other, "value", None), bool)
        if isinstance(node, Name):
            return self._attribute(node.field, FLAG if flags else NUMBER)
        assert isinstance(node, Constant)  # the request's own
        fits = kind_of(other) == "any" or isinstance(node.value, bool) == flags
        return np.full(self._n, _as_number(node.value) if fits else np.nan)

    def _asked(self, left: Expression, op: str, right: Expression) -> Flags:
        """What texts are asked, and `in`."""
        assert isinstance(right, Constant)
        values = right.value if isinstance(right.value, tuple) else (right.value,)
        if op == "in" and kind_of(left) == "number":
            return np.isin(self.numbers(left), np.array(values, np.float64))
        if isinstance(left, Name) and left.kind == "any":
            return self._attribute_asked(left.field, op, values)
        if not isinstance(left, Name) or left.kind not in ("text", "texts"):
            return np.zeros(self._n, bool)
        if op == "!=":
            return self._there(left) & ~self._texts(left, "in", values)
        return self._texts(left, op if op == "contains" else "in", values)

    def _texts(self, name: Name, op: str, values: tuple[Any, ...]) -> Flags:
        table, rows = self._table, self._rows
        if name.field == "item_id":
            return _of_own_text(table.ids, op, values, rows, self._n)
        if name.field == "name":
            # What has no name is not called "".
            values = values if op == "contains" else tuple(filter(None, values))
            return _of_own_text(table.catalog.names, op, values, rows, self._n)
        if name.field == "brand":
            return _of_codes(table.catalog.brand[rows], _hits(table.catalog.brand_names, op, values))
        if name.field in ("category", "categories"):
            hits = _category_hits(table.catalog, op, values)
            levels = table.catalog.levels[rows]
            return _of_codes(levels[:, -1] if name.field == "category" else levels, hits)
        tags = table.facts.tags
        hits = _hits(tags.names, op, values)
        owners = np.searchsorted(tags.indptr, np.flatnonzero(hits[tags.codes]), side="right") - 1
        found = np.zeros(len(table), bool)
        found[owners] = True
        return np.asarray(found[rows])

    def _attribute_asked(self, field: str, op: str, values: tuple[Any, ...]) -> Flags:
        attributes = self._table.facts.attributes
        at = attributes.of(field)
        kinds, rows = attributes.kinds[at], attributes.rows[at]
        texts = tuple(each for each in values if isinstance(each, str))
        codes = attributes.texts[at]
        if op in ("=", "!=", "in", "has", "contains"):
            hits = _hits(attributes.words, op, texts)[codes]
        else:  # moments in order, each text that is asked for is read once
            asked = np.flatnonzero(np.isin(rows, np.arange(len(self._table))[self._rows]))
            different, places = np.unique(codes[asked], return_inverse=True)
            words = (attributes.words[int(code)] for code in different)
            hits = np.zeros(len(codes), bool)
            hits[asked] = np.fromiter((holds_of_one(each, op, texts[0]) for each in words), bool, len(different))[
                places
            ]
        of_kind = kinds == (MEMBER if op == "has" else TEXT)
        good = of_kind & (~hits if op == "!=" else hits)
        if op == "in":
            plain = [float(each) for each in values if type(each) in (int, float)]
            flags = [float(each) for each in values if isinstance(each, bool)]
            good |= (kinds == NUMBER) & np.isin(attributes.numbers[at], plain)
            good |= (kinds == FLAG) & np.isin(attributes.numbers[at], flags)
        return self._scattered(rows[good])

    def _there(self, node: Expression) -> Flags:
        if isinstance(node, Constant):
            return np.full(self._n, node.value is not None)
        if not isinstance(node, Name):
            return ~np.isnan(self.numbers(node)) if kind_of(node) != "flag" else np.ones(self._n, bool)
        table, rows = self._table, self._rows
        if node.kind == "any":
            return self._scattered(table.facts.attributes.rows[table.facts.attributes.of(node.field)])
        if node.field == "item_id":
            return np.ones(self._n, bool)
        if node.field == "name":
            return np.asarray((np.diff(table.catalog.names.offsets) > 0)[rows])
        if node.field == "brand":
            return np.asarray(table.catalog.brand[rows] >= 0)
        if node.field in ("category", "categories"):
            return np.asarray(table.catalog.levels[rows, -1] >= 0)
        if node.field == "tags":
            return np.asarray((np.diff(table.facts.tags.indptr) > 0)[rows])
        return ~np.isnan(self._column(node))

    def _column(self, name: Name) -> Numbers:
        table, rows, field = self._table, self._rows, name.field
        if name.kind == "any":
            return self._attribute(field, NUMBER)
        if field in ("price", "stock"):
            return _known(getattr(table.catalog, field)[rows])
        if field in ("list_price", "cost", "available_from", "available_until"):
            return _known(getattr(table.facts, field)[rows])
        if field == "margin":
            return _known(table.catalog.price[rows]) - _known(table.facts.cost[rows])
        if field == "available":
            return np.asarray(table.catalog.available[rows], np.float64)
        if field == "first_sold_at":
            ages = table.ages[rows].astype(np.float64)
            return np.where(ages < NEVER, table.as_of - ages * DAY, np.nan)
        return np.full(self._n, np.nan)

    def _attribute(self, field: str, kind: int) -> Numbers:
        attributes = self._table.facts.attributes
        at = attributes.of(field)
        good = attributes.kinds[at] == kind
        found = np.full(len(self._table), np.nan)
        found[attributes.rows[at][good]] = attributes.numbers[at][good]
        return np.asarray(found[self._rows])

    def _scattered(self, rows: Rows) -> Flags:
        found = np.zeros(len(self._table), bool)
        found[rows] = True
        return np.asarray(found[self._rows])


def _as_number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else np.nan


def _known(column: NDArray[np.int64]) -> Numbers:
    return np.where(column >= 0, column, np.nan)


def _of_codes(codes: NDArray[np.int32], hits: Flags) -> Flags:
    """Whether a code, or one of each row's codes, is among the hits; code -1 never is."""
    found = np.append(hits, False)[codes]  # -1 is the last
    return np.asarray(found if found.ndim == 1 else found.any(axis=1))


def _of_own_text(names: TextTable, op: str, values: tuple[Any, ...], rows: Any, n: int) -> Flags:
    """Of a text that each item has for itself: few rows are looked at one by one."""
    if not isinstance(rows, slice) and n < len(names) // 50:
        wanted = values[0] if op == "contains" else values
        return np.fromiter((holds_of_one(names[int(row)], op, wanted) for row in rows), bool, n)
    return np.asarray(_hits(names, op, values)[rows])


def _hits(names: TextTable, op: str, values: tuple[Any, ...]) -> Flags:
    """[len(names)] which texts are meant."""
    texts = [each for each in values if isinstance(each, str)]
    return containing(names, texts[0]) if op == "contains" else equal_to(names, texts)


def _category_hits(catalog: Catalog, op: str, values: tuple[Any, ...]) -> Flags:
    """A category is meant by its whole path, "Dairy / Milk", or by its last part, "Milk"."""
    hits = _hits(catalog.category_names, op, values)
    if op != "contains":
        for value in values:
            hits |= ending_with(catalog.category_names, f" / {value}")
    return hits
