"""Arrivals: items that the bundle does not know, on their way to be recommended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.bundle import Bundle
from engine.content import alike, codes_of, words_of
from engine.learned import Neighbours

Document = Mapping[str, Any]

#: More than these would rather be trained; the latest to come are kept.
MOST = 10_000
#: Looked for likenesses in one round, so that a whole catalogue coming at once does not stop a process.
_A_ROUND = 400
_NEIGHBOURS_EACH = 40


class Arrivals:
    """The items of one process that are newer than its bundle; `changed` until somebody was introduced to them."""

    def __init__(self) -> None:
        self.changed = False
        self._documents: dict[str, Document] = {}
        self._near: dict[str, tuple[Any, Any]] = {}

    def meet(self, documents: Sequence[Document]) -> None:
        """Note items that the bundle lacks, as the shop last spoke of them; deleted ones leave."""
        for each in documents:
            name = str(each["item_id"])
            before = self._documents.pop(name, None)
            if before is None or words_of(before) != words_of(each):
                self._near.pop(name, None)
            if not each.get("deleted"):
                self._documents[name] = each
            self.changed = True
        while len(self._documents) > MOST:
            self._near.pop(name := next(iter(self._documents)), None)
            del self._documents[name]

    def introduced(self, bundle: Bundle) -> tuple[list[Document], Neighbours]:
        """Those whose likenesses in `bundle` are known by now, and these; looks for some more at each call."""
        waiting = [name for name in self._documents if name not in self._near][:_A_ROUND]
        found = alike(bundle.content, [codes_of(words_of(self._documents[name])) for name in waiting], _NEIGHBOURS_EACH)
        self._near |= {name: found.of(row) for row, name in enumerate(waiting)}
        names = [name for name in self._documents if name in self._near]
        self.changed = len(names) < len(self._documents)
        lists = [self._near[name] for name in names]
        indptr = np.zeros(len(lists) + 1, np.int32)
        np.cumsum([len(rows) for rows, _ in lists], out=indptr[1:])
        near = Neighbours(
            indptr,
            np.concatenate([rows for rows, _ in lists]) if lists else np.zeros(0, np.int32),
            np.concatenate([weights for _, weights in lists]) if lists else np.zeros(0, np.float32),
        )
        return [self._documents[name] for name in names], near
