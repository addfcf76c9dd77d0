"""Placement text: the TOML file of a shop's lists, and where in it a wrong word stands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence

from engine.errors import BadInput
from engine.recommend.placement_reader import MOST_PLACEMENTS, read_placement
from engine.recommend.placements import Placement

_KEY = r"(?:[\w-]+|\"[^\"]*\"|'[^']*')"
_KEYS = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADING = re.compile(rf"\s*(\[\[?)\s*({_KEYS})\s*\]")
_WORD = re.compile(rf"\s*({_KEYS})\s*=")


def read_placements(text: str, source: str) -> dict[str, Placement]:
    """All placements of a TOML text. Raises BadInput with the place, as "line:column", of the first thing wrong."""
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        found = re.search(r"line (\d+), column (\d+)", str(problem))
        place = f"{found[1]}:{found[2]}" if found else None
        raise BadInput(f"{source}: {problem}", field=source, position=place) from problem
    if len(told) > MOST_PLACEMENTS:
        raise BadInput(f"{source}: at most {MOST_PLACEMENTS} placements", field=source)
    made = {}
    for name, given in told.items():
        try:
            made[name] = read_placement(name, given)
        except BadInput as problem:
            place = place_of(text, [name, *(problem.field or "").split(".")])
            inside = f" (character {problem.position})" if isinstance(problem.position, int) else ""
            told_where = f"{source}:{place}: [{name}] {problem.message}{inside}"
            raise BadInput(told_where, field=problem.field, position=place) from problem
    return made


def place_of(text: str, path: Sequence[str]) -> str:
    """Where the word of this path stands, else the nearest that it lies in, as "line:column" from 1."""
    best, place = 0, "1:1"
    for number, column, keys in _keys(text):
        depth = min(len(keys), len(path))
        if depth > best and keys[:depth] == list(path[:depth]):
            best, place = depth, f"{number}:{column}"
    return place


def _keys(text: str) -> Iterator[tuple[int, int, list[str]]]:
    """Line, column and whole path of each heading and word. Of a list of tables only the heading counts."""
    inside: list[str] | None = []
    for number, line in enumerate(text.splitlines(), start=1):
        column = len(line) - len(line.lstrip()) + 1
        if heading := _HEADING.match(line):
            keys = _split(heading[2])
            inside = keys if heading[1] == "[" else None
            yield number, column, keys
        elif inside is not None and (word := _WORD.match(line)):
            yield number, column, inside + _split(word[1])


def _split(keys: str) -> list[str]:
    return [each.strip("\"'") for each in re.findall(_KEY, keys)]
