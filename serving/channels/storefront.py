"""Storefront: nothing is sent. The coupon is the customer's from now on, and their offers show it."""

from __future__ import annotations

from collections.abc import Sequence

from engine.storage.campaign_outbox import Note
from engine.storage.campaign_round import Leaving


def leave(leaving: Sequence[Leaving]) -> list[Note]:
    return [Note(each.row, "sent", attempts=each.row.attempts + 1, counted_on=each.day) for each in leaving]
