"""Guard: who asks. It knows the shop's keys, without asking the ledger within a request."""

from __future__ import annotations

import base64
import binascii
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.access import AccessKey, fingerprint
from engine.errors import HawkerError, NotAuthenticated, NotPermitted, StoreUnavailable
from engine.settings import Settings
from engine.storage.home import Home
from engine.storage.keys import Keys, read_keys, remember, remembered
from engine.storage.ledger import LedgerPool, open_ledger

log = logging.getLogger("hawker.guard")

LOOK_EVERY = 1.0  # seconds: how long a revoked key goes on at most


class Guard:
    """The keys of one process. A shop that never made one is open, which `serve` allows on localhost only."""

    def __init__(self, settings: Settings, home: Home) -> None:
        """Reads the keys; where the ledger does not answer, those it gave last count."""
        self._url = settings.postgres_url
        self._shop = settings.shop
        self._file = home.shop_folder / "keys.json"
        self._ledger: LedgerPool | None = None
        self._keys: Keys | None = None if self._url else {}
        self._said = ""
        #: What else of the ledger is looked at in the same turn.
        self.also: list[Callable[[LedgerPool], None]] = []
        self.look()
        if self._keys is None:
            self._keys = remembered(self._file)

    def look(self) -> None:
        """Read the keys anew; what was known stays while the ledger is away."""
        if not self._url:
            return
        try:
            self._ledger = self._ledger or open_ledger(self._url, self._shop)
            found = read_keys(self._ledger)
            if found != self._keys:
                remember(self._file, found)
                self._keys = found
            for look in self.also:
                look(self._ledger)
            self._said = ""
        except (HawkerError, OSError) as problem:
            if str(problem) != self._said:
                self._said = str(problem)
                log.warning("what is known of the ledger is that of the last look: %s", problem)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look again and again, in a thread: a ledger that hangs must not hold up requests."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(LOOK_EVERY):
                self.look()

        thread = threading.Thread(target=watch, name="keys", daemon=True)
        if self._url:
            thread.start()
        try:
            yield
        finally:
            over.set()
            if self._url:
                thread.join(LOOK_EVERY)
            if self._ledger is not None:
                self._ledger.dispose()

    def admit(self, authorization: str | None, origin: str | None) -> AccessKey | None:
        """The key that a request brings, None in a shop that is open.

        Raises NotAuthenticated, NotPermitted for a page that the key is not bound to, StoreUnavailable while no keys
        could be read.
        """
        if self._keys is None:
            raise StoreUnavailable("the keys cannot be read yet; try again in a moment", code="keys_unknown")
        if not self._keys:
            return None
        secret = _secret(authorization)
        if secret is None:
            raise NotAuthenticated("name your key: Authorization: Bearer hk_...", field="Authorization")
        key = self._keys.get(fingerprint(secret))
        if key is None:
            raise NotAuthenticated("nobody knows this key; `hawker keys create` makes one", field="Authorization")
        if key.revoked_at is not None:
            raise NotAuthenticated(f"the key {key.id} was revoked", code="key_revoked", field="Authorization")
        if key.origins and origin not in key.origins:
            raise NotPermitted(
                f"the key {key.id} is for pages of {', '.join(key.origins)}", code="wrong_origin", field="Origin"
            )
        return key


def _secret(authorization: str | None) -> str | None:
    """Of `Bearer SECRET`, or of `Basic` with the secret as the user name, as Segment's clients send it."""
    kind, _, given = (authorization or "").partition(" ")
    given = given.strip()
    if kind.lower() == "bearer":
        return given or None
    if kind.lower() == "basic":
        try:
            return base64.b64decode(given, validate=True).decode().partition(":")[0] or None
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None
