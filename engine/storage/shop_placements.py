"""Shop placements: the lists that a command knows, as storefronts do: built in, of the shop's file, of the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from engine.bundle import Bundle
from engine.errors import UnknownThing
from engine.expression import nearest
from engine.learned import Sales
from engine.recommend.answer import Told
from engine.recommend.placement_reader import read_placement
from engine.recommend.placement_text import read_placements
from engine.recommend.placements import PLACEMENTS, Placement
from engine.recommend.windows import window_of
from engine.storage.customer_files import CustomerFiles
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.placements import Definitions, placement_file, remembered
from engine.storage.rebuild import documents_of
from engine.storage.sellers import EVERYBODY, sales_of
from engine.storage.sellers_count import Counter


def shop_placement(home: Home, name: str, ask_ledger: Callable[[], Definitions]) -> Placement:
    """The list of that name: the ledger's wins over the file's, and that over the one built in.

    What the ledger says is kept in the shop's folder by whoever changes or serves it; it is asked itself only for a
    name that nothing there knows. Raises UnknownThing that names the nearest, BadInput for a file that is wrong.
    """
    file = placement_file(home)
    of_file = read_placements(file.read_text(encoding="utf-8", errors="replace"), file.name) if file.is_file() else {}
    defined = remembered(home)
    if name not in {**PLACEMENTS, **of_file, **defined}:
        defined = ask_ledger()
    if name in defined:
        return read_placement(name, defined[name])
    known: Mapping[str, Placement] = {**PLACEMENTS, **of_file}
    if name not in known:
        told = f"no placement is called {name!a}{nearest(name, {**known, **dict.fromkeys(defined)})}"
        raise UnknownThing(told, code="unknown_placement", field="placement")
    return known[name]


def told_of(
    home: Home, bundle: Bundle, lake: Lake, placement: Placement, user_ids: Sequence[str], *, now: float
) -> Callable[[str], Told]:
    """What the lake says beside ids, as far as the placement asks: the users' documents, what sold in a window."""
    asked = window_of(placement, None, None)
    sales = None if asked is None else _sales(home, bundle, *asked, now=now)
    users = {}
    if placement.control.asks_user:
        wanted = set(user_ids)
        users = {each["user_id"]: each for each in documents_of(lake, "users") if each["user_id"] in wanted}
    return lambda user: Told(user={} if (found := users.get(user, {})).get("deleted") else found, sales=sales)


def _sales(home: Home, bundle: Bundle, window: str, segment: str | None, *, now: float) -> Sales:
    """Raises NotEnoughData where the customers were not computed yet, UnknownThing for a segment that nobody counts."""
    files = CustomerFiles(home)
    with files.reading(now) as sql:
        state = files.state()
        if segment is not None and (state is None or segment not in state.segments):
            told = f"no published segment is called {segment!a}; a new one counts after `hawker user refresh`"
            raise UnknownThing(f"segment: {told}", code="unknown_segment", field="segment")
        lines = Counter(sql, now)(segment or EVERYBODY)[window]
    return sales_of(lines, bundle, window, segment)
