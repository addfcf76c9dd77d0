"""Sales memory: the lists of what sold within a window, as the live store holds them, in the rows of the bundle.

A list of a thousand ids takes milliseconds to look up, and is the same for all who ask within some minutes.
"""

from __future__ import annotations

from collections import OrderedDict

from engine.bundle import Bundle
from engine.ids import IdMap
from engine.learned import Sales
from engine.storage.sellers import EVERYBODY, read_lines, sales_of, sellers_key

_MOST_KEPT = 200


class SalesMemory:
    """Of one process and shop."""

    def __init__(self, shop: str) -> None:
        self._shop = shop
        self._kept: OrderedDict[str, tuple[bytes, IdMap, Sales | None]] = OrderedDict()

    def key(self, window: str, segment: str | None) -> str:
        """What has to be read for a window."""
        return sellers_key(self._shop, window, segment or EVERYBODY)

    def read(self, raw: bytes, bundle: Bundle, window: str, segment: str | None) -> Sales | None:
        """The list that stood under the key; None where it was not counted yet."""
        key = self.key(window, segment)
        kept = self._kept.get(key)
        if kept is not None and kept[0] == raw and kept[1] is bundle.items:
            self._kept.move_to_end(key)
            return kept[2]
        as_of, lines = read_lines(raw)
        found = sales_of(lines, bundle, window, segment) if as_of else None
        self._kept[key] = raw, bundle.items, found
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return found
