"""Mail address: one that a message can be sent to, and nothing that would send it to somebody else, too."""

from __future__ import annotations

import re

_LONGEST = 254
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")


def mail_address(text: str | None) -> str | None:
    """The address as servers take it, its domain in ASCII; None for what is none.

    Quoted names before the @ and such with letters beyond ASCII are left out: few servers take them.
    """
    name, sign, domain = (text or "").strip().rpartition("@")
    try:
        domain = domain.encode("idna").decode()
    except UnicodeError:
        return None
    labels = domain.split(".")
    sound = sign and _LOCAL.fullmatch(name) and all(map(_LABEL.fullmatch, labels)) and len(name) <= 64
    found = f"{name}@{domain}"
    return found if sound and len(found) <= _LONGEST and (len(labels) > 1 or domain == "localhost") else None
