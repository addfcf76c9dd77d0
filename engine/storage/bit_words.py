"""Bit words: many yes-or-no answers about a person, each a bit of one of a few whole numbers.

Answer number i is bit i % BITS of the column w(i // BITS). A million people with a hundred answers take four columns,
and whether any of them changed is one comparison a column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: Bits of one word; half of what its type UBIGINT has, so that no shift leaves it.
BITS = 32


def names(number: int) -> list[str]:
    """The columns that hold so many answers."""
    return [f"w{word}" for word in range(-(-number // BITS))]


def bit(number: int, *, of: str = "") -> str:
    """The SQL of answer `number`, from the row `of`."""
    column = f"{of}.w{number // BITS}" if of else f"w{number // BITS}"
    return f"({column} & {1 << number % BITS}) <> 0"


def words(answers: Mapping[int, str], number: int) -> str:
    """The columns of `number` answers as SQL: `answers` are conditions by their places, the others are no."""
    columns = []
    for word, name in enumerate(names(number)):
        mine = [
            f"CASE WHEN {condition} THEN {1 << place % BITS}::UBIGINT ELSE 0 END"
            for place, condition in answers.items()
            if place // BITS == word
        ]
        columns.append(f"({' | '.join(['0::UBIGINT', *mine])}) AS {name}")
    return ", ".join(columns)


def moved(places: Sequence[int | None], *, of: str) -> str:
    """The columns of answers that stood at `places` of the row `of`, None for no, in their new order."""
    if list(places) == list(range(len(places))):
        # As it was, but for what stood behind.
        last = len(places) % BITS
        kept = [f"{of}.{name}" for name in names(len(places))]
        if last:
            kept[-1] = f"({kept[-1]} & {(1 << last) - 1})"
        return ", ".join(f"coalesce({each}, 0) AS {name}" for each, name in zip(kept, names(len(places)), strict=True))
    return words({new: bit(old, of=of) for new, old in enumerate(places) if old is not None}, len(places))


def joined(table: str, number: int) -> str:
    """One row a person of a table where each may have several, each with some of the answers."""
    columns = ", ".join(f"bit_or({name}) AS {name}" for name in names(number))
    return f"SELECT person, {columns} FROM {table} GROUP BY person"
