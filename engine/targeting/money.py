"""Money: whole minor units, and the few sums with them that could lose or make a cent."""

from __future__ import annotations

from collections.abc import Sequence

from engine.currencies import minor_per_major

LARGEST_MONEY = 10**15
WHOLE = 10_000  # hundredths of a percent in all of something


def hundredths(percent: float) -> int:
    """A percentage as hundredths of a percent, which sums are made with."""
    return round(percent * 100)


def percent_of(amount: int, percent: float) -> int:
    """A part of an amount; half a minor unit counts as a whole one."""
    return (2 * amount * hundredths(percent) + WHOLE) // (2 * WHOLE)


def part_of(amount: int, percent: float, *, pieces: int, of: int) -> int:
    """A percentage of what `pieces` of the `of` pieces cost that cost `amount` together, rounded once."""
    whole = WHOLE * of
    return (2 * amount * pieces * hundredths(percent) + whole) // (2 * whole)


def shares(amount: int, weights: Sequence[int]) -> tuple[int, ...]:
    """The amount split by weights that are not all 0, to the cent: the largest remainders get what rounding left.

    Of equal remainders the first gets it. No share of an amount up to the sum of the weights is above its weight.
    """
    total = sum(weights)
    split = [amount * each // total for each in weights]
    by_remainder = sorted(range(len(weights)), key=lambda place: -(amount * weights[place] % total))
    for place in by_remainder[: amount - sum(split)]:
        split[place] += 1
    return tuple(split)


def spread(amount: int, weights: Sequence[int], room: Sequence[int]) -> tuple[int, ...]:
    """The amount split by weights, none above its room: what finds no room goes to the others, or nowhere."""
    given = [0] * len(weights)
    still = [weight if free > 0 else 0 for weight, free in zip(weights, room, strict=True)]
    rest = amount
    while rest > 0 and any(still):
        wanted = shares(rest, still)
        full = [place for place, share in enumerate(wanted) if share >= room[place] and still[place]]
        for place in full or [place for place, weight in enumerate(still) if weight]:
            given[place] = min(wanted[place], room[place])
            rest -= given[place]
            still[place] = 0
    return tuple(given)


def dealt(units: int, pieces: int, first: int) -> int:
    """How many of `units` the first `first` of `pieces` alike get when units are dealt out one by one in a circle."""
    return units // pieces * first + min(units % pieces, first)


def money_text(amount: int, currency: str | None, language: str) -> str:
    """An amount as people read it: 50 EUR, 12.50 EUR, 50元."""
    unit = minor_per_major(currency)
    whole, rest = divmod(amount, unit)
    text = f"{whole}.{rest:0{len(str(unit)) - 1}}" if rest else str(whole)
    if language == "zh" and currency in (None, "CNY"):
        return f"{text}元"
    return f"{text} {currency}" if currency else text
