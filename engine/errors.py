"""Everything that Hawker refuses, drawn once.

HawkerError               never raised itself
├─ BadInput               the caller can fix it; the message says how
├─ UnknownThing           the id names nothing we have
├─ NotAllowed             understood, but the rules say no (a publish gate, a second server)
├─ CouponRefused          a coupon does not apply or is used up; `reasons` say why, one by one
├─ TooManyTries           codes that cannot be used were tried too often; try again later
├─ NotAuthenticated       no key, or one that is not known
├─ NotPermitted           the key is known and may not do this
├─ NotEnoughData          the shop has too little history for what was asked
├─ BundleUnusable         checksum, version or shape is wrong; the old bundle stays live
└─ StoreUnavailable       a store is down, unsafe or refuses writes; trying again may help
   └─ Overloaded          more arrives than can be kept; trying again later will help

The command line turns BadInput and UnknownThing into exit code 2, the rest into 1;
serving maps them to HTTP statuses. The engine knows neither.
"""

from collections.abc import Mapping, Sequence
from typing import Any


class HawkerError(Exception):
    """One clear line for a person, and the same facts for a program.

    `code` is a stable snake_case word, `field` names the offending input, `position` is its
    place there: a row or character number, counted from 0, or a "line:column" text.
    """

    code = "error"

    def __init__(
        self, message: str, *, code: str | None = None, field: str | None = None, position: int | str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.field = field
        self.position = position


class BadInput(HawkerError):
    code = "bad_input"


class UnknownThing(HawkerError):
    code = "unknown"


class NotAllowed(HawkerError):
    code = "not_allowed"


class CouponRefused(HawkerError):
    """`reasons` are for programs: each has a `code`, a `message` and what it is about."""

    code = "coupon_refused"

    def __init__(self, message: str, reasons: Sequence[Mapping[str, Any]], *, field: str | None = "codes") -> None:
        super().__init__(message, field=field)
        self.reasons = tuple(reasons)


class TooManyTries(HawkerError):
    """`seconds` are to be waited."""

    code = "too_many_tries"

    def __init__(self, message: str, *, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class NotAuthenticated(HawkerError):
    code = "not_authenticated"


class NotPermitted(HawkerError):
    code = "not_permitted"


class NotEnoughData(HawkerError):
    code = "not_enough_data"


class BundleUnusable(HawkerError):
    code = "bundle_unusable"


class StoreUnavailable(HawkerError):
    code = "store_unavailable"


class Overloaded(StoreUnavailable):
    code = "overloaded"
