"""Live offers: the active offers as a storefront process has them at hand, and what one more look at the stores tells.

The ledger is asked beside the requests, about once a second. While it is away no list shows an offer: what cannot be
promised is not shown.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from engine.errors import HawkerError
from engine.storage.shown_offers import ShownOffers, read_shown_offers
from serving.ledger_door import LedgerDoor

log = logging.getLogger("hawker.offers")

_EVERY = 1.0  # seconds between two looks
_PATIENCE = 3.0  # seconds, where the ledger is away
#: What was seen longer ago is not shown any more: an offer that ended vanishes within this time, whatever happens.
FRESH_SECONDS = 6.0


class LiveOffers:
    """The offers of one process."""

    def __init__(self, ledger: LedgerDoor, zone: str, now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._zone = zone
        self._now = now
        self._shown = ShownOffers({})
        self._until = 0.0

    def shown(self) -> ShownOffers:
        """What may be shown now; nothing while the ledger is away."""
        return self._shown if time.monotonic() < self._until else ShownOffers({})

    async def follow(self) -> None:
        """Look again and again until cancelled."""
        said = ""
        while self._ledger.is_there:
            try:
                await self.refresh()
                said = ""
                await asyncio.sleep(_EVERY)
            except HawkerError as problem:
                if problem.message != said:
                    said = problem.message
                    log.warning("no list shows an offer: %s", said)
                await asyncio.sleep(_PATIENCE)
            except Exception:
                log.exception("the look at the offers failed")
                await asyncio.sleep(_PATIENCE)

    async def refresh(self) -> None:
        """Look once. Raises StoreUnavailable."""
        asked, known, now = time.monotonic(), self._shown.versions, self._now()
        self._shown = await self._ledger.ask(lambda ledger: read_shown_offers(ledger, known, now=now, zone=self._zone))
        self._until = asked + FRESH_SECONDS
