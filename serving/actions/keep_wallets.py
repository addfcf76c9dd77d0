"""Keep wallets: what the ledger says of users' coupons becomes what lists read, within about a second."""

from __future__ import annotations

from engine.errors import StoreUnavailable
from engine.storage.live_wallets import (
    SWEPT_SECONDS,
    read_wallets,
    swept_key,
    users_with_wallets,
    write_wallets,
)
from engine.storage.online import AsyncClient, StoreError
from engine.storage.outbox import forget_notes, read_notes
from serving.doors import Doors

MOST_AT_ONCE = 500


class Wallets:
    """The wallets of a shop, as far as this process has swept through them."""

    def __init__(self, doors: Doors, shop: str) -> None:
        self._doors = doors
        self._shop = shop
        self._swept_to = ""

    async def keep(self, *, now: float) -> int:
        """Write the wallets of some users who are noted, and go on with a sweep that is due; how many were written.

        A note is dropped once it is followed. `now` is the shop's time. Raises StoreUnavailable, and then notes wait.
        """
        notes = await self._doors.ledger.ask(lambda ledger: read_notes(ledger, MOST_AT_ONCE))
        written = 0
        if self._doors.live is not None:
            try:
                written = await self._write(self._doors.live, list(dict.fromkeys(notes.values())), now)
                written += await self._sweep(self._doors.live, now)
            except (StoreError, OSError) as error:
                raise StoreUnavailable(f"the live store does not answer: {error}") from error
        if notes:
            await self._doors.ledger.ask(lambda ledger: forget_notes(ledger, list(notes)))
        return written

    async def _sweep(self, client: AsyncClient, now: float) -> int:
        """The next users of all; after an upgrade, and once a day, nobody's wallet is left as it is."""
        if await client.exists(swept_key(self._shop)):
            self._swept_to = ""
            return 0
        after = self._swept_to
        users = await self._doors.ledger.ask(lambda ledger: users_with_wallets(ledger, after=after, limit=MOST_AT_ONCE))
        await self._write(client, users, now)
        if users:
            self._swept_to = users[-1]
        else:
            await client.set(swept_key(self._shop), b"1", ex=SWEPT_SECONDS)
        return len(users)

    async def _write(self, client: AsyncClient, users: list[str], now: float) -> int:
        if users:
            found = await self._doors.ledger.ask(lambda ledger: read_wallets(ledger, users, now=now))
            await write_wallets(client, self._shop, found)
        return len(users)
