"""Benefits of single pieces: the n-th piece cheaper, and some more with some bought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.expression import Expression
from engine.targeting.gains import BenefitKind, Gain, Reach, Speech
from engine.targeting.money_benefits import off_text
from engine.targeting.scope import scope
from engine.targeting.terms_reader import Part, flag, percent, whole

_MOST = 1_000


@dataclass(frozen=True, slots=True)
class NthPiece:
    """Each n-th piece, counted from the dearest, is cheaper; at most `times`; counted per item if `same_item`."""

    n: int
    percent: float
    same_item: bool = False
    times: int | None = None


@dataclass(frozen=True, slots=True)
class BuyXGetY:
    """With each `buy` pieces of the scope, `get` more are cheaper.

    Those are of `of`, the cheapest, or of the offer's scope where that is not said: then each set of buy + get pieces,
    counted from the dearest, has its cheapest ones cheaper.
    """

    buy: int
    get: int
    percent: float = 100.0
    of: Expression | None = None
    same_item: bool = False
    times: int | None = None


def _sets_off(reach: Reach, size: int, cheaper: int, rate: float, same_item: bool, times: int | None) -> Gain:
    """In each set of `size` pieces, from the dearest, the last `cheaper` ones cost `rate` percent less."""
    off = [0] * len(reach.pieces)
    places = reach.dearest_first(reach.inside)
    for run in _by_item(reach, places) if same_item else [places]:
        total = sum(reach.pieces[place].quantity for place in run)
        sets = total // size if times is None else min(total // size, times)
        before = 0
        for place in run:
            after = before + reach.pieces[place].quantity
            some = _cheaper_before(after, size, cheaper, sets) - _cheaper_before(before, size, cheaper, sets)
            off[place] = reach.part(place, some, rate)
            before = after
    return Gain(tuple(off))


def _by_item(reach: Reach, places: Sequence[int]) -> list[list[int]]:
    found: dict[str, list[int]] = {}
    for place in places:
        found.setdefault(reach.pieces[place].item_id, []).append(place)
    return list(found.values())


def _cheaper_before(count: int, size: int, cheaper: int, sets: int) -> int:
    """How many of the first `count` pieces are cheaper."""
    full, rest = divmod(min(count, sets * size), size)
    return full * cheaper + max(0, rest - (size - cheaper))


def _get_others(terms: BuyXGetY, reach: Reach) -> Gain:
    """The cheapest pieces of another scope, as many as the bought ones of the offer's allow."""
    got = reach.within(terms.of)
    sizes = [each.quantity for each in reach.pieces]
    only_bought = sum(n for n, buy, get in zip(sizes, reach.inside, got, strict=True) if buy and not get)
    only_got = sum(n for n, buy, get in zip(sizes, reach.inside, got, strict=True) if get and not buy)
    both = sum(n for n, buy, get in zip(sizes, reach.inside, got, strict=True) if buy and get)
    # A piece is bought or got, never both: all sets together fit into both, and each half into its own.
    sets = min(
        (only_bought + both) // terms.buy,
        (only_got + both) // terms.get,
        (only_bought + both + only_got) // (terms.buy + terms.get),
        *([] if terms.times is None else [terms.times]),
    )
    pieces, of_both = sets * terms.get, only_bought + both - sets * terms.buy
    off = [0] * len(sizes)
    for place in reversed(reach.dearest_first(got)):
        some = min(sizes[place], pieces)
        if reach.inside[place]:
            some = min(some, of_both)
            of_both -= some
        off[place] = reach.part(place, some, terms.percent)
        pieces -= some
    return Gain(tuple(off))


def _buy_x_get_y(terms: BuyXGetY, reach: Reach) -> Gain:
    if terms.of is not None:
        return _get_others(terms, reach)
    return _sets_off(reach, terms.buy + terms.get, terms.get, terms.percent, terms.same_item, terms.times)


def _read_buy_x_get_y(part: Part) -> BuyXGetY:
    return BuyXGetY(
        part.need("buy", whole(1, _MOST)),
        part.need("get", whole(1, _MOST)),
        part.may("percent", percent, 100.0),
        part.may("of", scope, None),
        part.may("same_item", flag, False),
        part.may("times", whole(1, _MOST), None),
    )


def _tell_nth(terms: NthPiece, speech: Speech) -> str:
    given = off_text(terms.percent, speech)
    if speech.is_chinese:
        return f"每第{terms.n}件{given}"
    return f"every {_ordinal(terms.n)} piece {given}"


def _tell_buy_x_get_y(terms: BuyXGetY, speech: Speech) -> str:
    if speech.is_chinese:
        return (
            f"买{terms.buy}送{terms.get}"
            if terms.percent == 100
            else (f"买{terms.buy}件，另{terms.get}件{off_text(terms.percent, speech)}")
        )
    return f"buy {terms.buy}, get {terms.get} {off_text(terms.percent, speech)}"


def _ordinal(n: int) -> str:
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


PIECE_BENEFITS: Mapping[str, BenefitKind] = {
    "nth_piece": BenefitKind(
        read=lambda part: NthPiece(
            part.need("n", whole(2, _MOST)),
            part.need("percent", percent),
            part.may("same_item", flag, False),
            part.may("times", whole(1, _MOST), None),
        ),
        compute=lambda terms, reach: _sets_off(reach, terms.n, 1, terms.percent, terms.same_item, terms.times),
        told=_tell_nth,
        phase=20,
    ),
    "buy_x_get_y": BenefitKind(
        read=_read_buy_x_get_y,
        compute=_buy_x_get_y,
        told=_tell_buy_x_get_y,
        phase=20,
    ),
}
