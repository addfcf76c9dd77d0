"""Placement reader: lists that a shop defines, in a TOML file or over HTTP, in the same words.

    [cart]
    like = "bought-together"
    filter = "price < 2000"
    diversity = { max = { brand = 2 } }

What a definition does not say is that of the placement it is `like`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, NoReturn

from engine.errors import BadInput
from engine.expression import nearest
from engine.recommend.control import control_of
from engine.recommend.experiment_reader import NAME_PATTERN, read_experiment
from engine.recommend.exploration import exploration_of
from engine.recommend.filters import FILTERS
from engine.recommend.placements import PLACEMENTS, Placement
from engine.recommend.sources import RANKED, SOURCES
from engine.recommend.windows import WINDOWS, window_of

WISHES = ("filter", "hide", "boost", "pin", "promote", "diversity", "rotation", "fill")
_PLAIN = ("like", "meaning", "sources", "most", "filters", "ranking", "fallback", "needs_items", "newcomers")
WORDS = (*_PLAIN, "window", "segment", "explore", *WISHES, "experiment")
RANKINGS = tuple(sorted({each.ranking for each in PLACEMENTS.values() if each.ranking}))
NEWCOMERS = tuple(sorted({each.newcomers for each in PLACEMENTS.values() if each.newcomers}))
#: The sources that a ranking was learned with, where these are not `RANKED`.
LEARNED_WITH = {"buy-again": ("due",)}
#: What always holds: a definition adds filters, and takes none of these away.
_ALWAYS = ("unsellable", "excluded", "dismissed")
#: What a variant of an experiment may say.
CHANGES = tuple(word for word in WORDS if word not in ("meaning", "needs_items", "experiment"))
MOST_PLACEMENTS, MOST_CANDIDATES, LONGEST_MEANING = 200, 300, 500


def read_placement(name: str, given: Any) -> Placement:
    """The placement of a definition. Raises BadInput whose field names the word within it."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise BadInput(f"name: {name!a} is none; write small letters, digits and dashes", field="name")
    if not isinstance(given, Mapping):
        raise BadInput(f"{name}: must be a table of words", field=name)
    for word in given:
        if word not in WORDS:
            raise BadInput(f"{word!a}: no placement has this word{nearest(str(word), WORDS)}", field=str(word))
    if given.get("experiment") is None:
        return _one(name, given)
    drawn, changes = read_experiment(name, given["experiment"])
    made = _one(name, given)
    variants = tuple(_variant(made, given, variant, changes[variant]) for variant, _ in drawn.shares)
    return replace(made, experiment=drawn, variants=variants)


def _variant(control: Placement, given: Mapping[str, Any], variant: str, changes: Mapping[str, Any]) -> Placement:
    """The placement as a variant has it: what the variant does not say is the placement's own."""
    where = f"experiment.variants.{variant}"
    try:
        for word in changes:
            if word not in CHANGES:
                raise BadInput(f"{word!a}: no variant has this word{nearest(str(word), CHANGES)}", field=str(word))
        made = _one(control.name, {**given, **changes})
        if made.needs_items != control.needs_items:
            raise BadInput("like: a variant asks for items in view if the placement does", field="like")
    except BadInput as problem:
        field = f"{where}.{problem.field}" if problem.field else where
        raise BadInput(f"{where}: {problem.message}", field=field, position=problem.position) from problem
    return replace(made, meaning=control.meaning)


def _one(name: str, given: Mapping[str, Any]) -> Placement:
    # First what is wrong in itself, then what it lacks.
    control = control_of({word: given.get(word) for word in WISHES if word in given})
    exploration = None if given.get("explore") is None else exploration_of(given["explore"])
    base = _base(name, given)
    made = replace(
        base,
        name=name,
        meaning=_text(given, "meaning", base.meaning),
        sources=_names(given, "sources", base.sources, SOURCES),
        most=_most(given, base.most),
        filters=_names(given, "filters", base.filters, FILTERS),
        ranking=_one_of(given, "ranking", base.ranking, RANKINGS),
        fallback=_names(given, "fallback", base.fallback, SOURCES),
        needs_items=given.get("needs_items", base.needs_items),
        newcomers=_one_of(given, "newcomers", base.newcomers, NEWCOMERS),
        window=_one_of(given, "window", base.window, tuple(WINDOWS)),
        segment=_text(given, "segment", base.segment or "") or None,
        control=control,
        exploration=exploration,
    )
    _check_whole(made)
    return made


def _base(name: str, given: Mapping[str, Any]) -> Placement:
    like = given.get("like", name if name in PLACEMENTS else None)
    if like is None and "sources" in given:
        return Placement(name, "", (), 100, filters=("unsellable", "excluded", "context", "dismissed"))
    if like not in PLACEMENTS:
        told = "name the placement that it is like, or its sources" if like is None else f"there is no {like!a}"
        raise BadInput(f"like: {told}; there are {', '.join(PLACEMENTS)}", field="like")
    return PLACEMENTS[like]


def _check_whole(made: Placement) -> None:
    if not made.sources:
        raise BadInput(f"sources: name at least one of {', '.join(SOURCES)}", field="sources")
    if missing := [each for each in _ALWAYS if each not in made.filters]:
        raise BadInput(f"filters: {missing[0]} always holds; name it too", field="filters")
    learned_with = LEARNED_WITH.get(made.ranking or "", RANKED)
    if made.ranking and (odd := [each for each in made.sources if each not in learned_with]):
        raise BadInput(
            f"ranking: {made.ranking} was learned without {odd[0]}; leave the ranking out (an empty text)",
            field="ranking",
        )
    window_of(made, None, None)
    if not isinstance(made.needs_items, bool):
        raise BadInput("needs_items: must be true or false", field="needs_items")


def _names(given: Mapping[str, Any], word: str, default: tuple[str, ...], known: Collection[str]) -> tuple[str, ...]:
    if word not in given:
        return default
    names = given[word]
    if type(names) is not list or len(names) > len(known) or len(set(map(str, names))) < len(names):
        raise BadInput(f"{word}: must be a list of different names, of {', '.join(known)}", field=word)
    for name in names:
        if not isinstance(name, str) or name not in known:
            _unknown(word, name, known)
    return tuple(names)


def _one_of(given: Mapping[str, Any], word: str, default: str | None, known: Collection[str]) -> str | None:
    value = given.get(word, default)
    if value is not None and value != "" and value not in known:
        _unknown(word, value, known)
    return value or None


def _unknown(word: str, value: Any, known: Collection[str]) -> NoReturn:
    raise BadInput(f"{word}: there is no {value!a}{nearest(str(value), known)}", field=word)


def _text(given: Mapping[str, Any], word: str, default: str) -> str:
    value = given.get(word, default)
    if not isinstance(value, str) or len(value) > LONGEST_MEANING:
        raise BadInput(f"{word}: must be a text of at most {LONGEST_MEANING} characters", field=word)
    return value


def _most(given: Mapping[str, Any], default: int) -> int:
    value = given.get("most", default)
    if type(value) is not int or not 1 <= value <= MOST_CANDIDATES:
        raise BadInput(f"most: must be 1 to {MOST_CANDIDATES}", field="most")
    return value
