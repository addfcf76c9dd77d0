"""Customer facts: what a storefront process knows of a customer that offers ask for, without asking the ledger."""

from __future__ import annotations

from collections.abc import Callable, Collection

from engine.bundle import Bundle
from engine.storage.offered_segments import known_of
from engine.storage.online import StoreError
from engine.targeting.known_customer import KnownCustomer
from serving.doors import Doors


class CustomerFacts:
    """Segments from the live store, orders from it and from the bundle's history."""

    def __init__(self, doors: Doors, shop: str, bundle: Callable[[], Bundle | None]) -> None:
        self._client = doors.live
        self._profiles = doors.profiles
        self._shop = shop
        self._bundle = bundle

    async def known(self, user_id: str, segments: Collection[str]) -> KnownCustomer:
        """Raises StoreUnavailable where segments are asked for and the live store does not answer."""
        is_in: dict[str, bool] = {}
        if segments and self._client is not None:
            is_in = await known_of(self._client, self._shop, user_id, segments)
        return KnownCustomer(is_in, await self._ordered(user_id))

    async def _ordered(self, user_id: str) -> bool | None:
        """Whether any order is known. None where there might be one: without a bundle, or without the live store."""
        bundle, name, complete = self._bundle(), user_id, False
        if self._profiles is not None:
            try:
                view = await self._profiles.read(user_id, None)
            except (StoreError, OSError):
                pass
            else:
                if any(each.purchases for each in view.persons):
                    return True
                name, complete = view.user_id or user_id, True
        if bundle is None:
            return None
        for each in {name, user_id}:
            history = bundle.profile(each)
            if history is not None and history.purchases.any():
                return True
        return False if complete else None
