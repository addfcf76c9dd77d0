"""Access: who may do what: keys, each with the name of its actor, and their scopes."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from engine.errors import BadInput

#: What a key may be good for.
SCOPES: Mapping[str, str] = {
    "ingest": "send events, items and users",
    "recommend": "ask for recommendations and read items",
    "redeem": "validate and redeem coupons",
    "marketing": "look at customers, plan campaigns",
    "approve": "approve what others planned",
    "admin": "everything",
    "browser": "public, for pages of the named origins: what a visitor does there, and lists by session",
}
#: What a page may say by itself.
BROWSER_EVENTS = frozenset({"view", "click", "search", "cart_add", "cart_remove", "exposure"})
_LONGEST_ACTOR = 100
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]+|\[[0-9a-f:.]+\])(:(?P<port>\d{1,5}))?/?")


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A key without its secret. Times are epoch seconds; `origins` bind a key for browsers to pages."""

    id: str
    actor: str
    scopes: frozenset[str]
    origins: tuple[str, ...] = ()
    created_at: float = 0.0
    revoked_at: float | None = None

    def may(self, *scopes: str) -> bool:
        """Whether the key has one of these scopes."""
        return "admin" in self.scopes or not self.scopes.isdisjoint(scopes)

    @property
    def is_public(self) -> bool:
        """Whether everybody who reads a page's source has it."""
        return "browser" in self.scopes


def fingerprint(secret: str) -> str:
    """What is stored of a key. It is 192 random bits, so that a plain hash cannot be guessed back."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def checked_key(key_id: str, actor: str, scopes: Collection[str], origins: Collection[str], now: float) -> AccessKey:
    """A new key; BadInput names what is wrong with it."""
    if not actor.strip() or len(actor) > _LONGEST_ACTOR or not actor.isprintable():
        raise BadInput(f"actor: name who uses the key, in up to {_LONGEST_ACTOR} printable characters", field="actor")
    if not scopes:
        raise BadInput(f"scope: name at least one of {', '.join(SCOPES)}", field="scope")
    for scope in scopes:
        if scope not in SCOPES:
            nearest = difflib.get_close_matches(scope, SCOPES, n=1, cutoff=0.0)[0]
            raise BadInput(f"scope: there is no {scope!r}; did you mean {nearest!r}?", field="scope")
    if "browser" in scopes and len(set(scopes)) > 1:
        raise BadInput("scope: a key for browsers is public, so it has no other scope", field="scope")
    if "browser" in scopes and not origins:
        raise BadInput("origin: a key for browsers needs the origins of its pages", field="origin")
    if origins and "browser" not in scopes:
        raise BadInput("origin: only a key for browsers is bound to origins", field="origin")
    return AccessKey(key_id, actor.strip(), frozenset(scopes), tuple(map(checked_origin, origins)), now)


def checked_origin(text: str) -> str:
    """An origin as a browser sends it: scheme, host and a port where it is not the scheme's own."""
    found = _ORIGIN.fullmatch(text.strip().lower())
    port = int(found["port"] or 0) if found else 0
    if found is None or port > 65_535:
        raise BadInput(f"origin: {text!r} is none; write it like https://shop.example", field="origin")
    shown = f":{port}" if port and port != {"http": 80, "https": 443}[found["scheme"]] else ""
    return f"{found['scheme']}://{found['host']}{shown}"
