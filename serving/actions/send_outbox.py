"""Send the outbox: redemptions and their rollbacks become events, as durable as those of shoppers."""

from __future__ import annotations

from typing import Any

import orjson

from engine.errors import StoreUnavailable
from engine.storage.outbox import forget_outbox, read_outbox
from serving.doors import Doors

MOST_AT_ONCE = 500


async def send_outbox(doors: Doors) -> int:
    """Move what waits into the stream; how many.

    Killed in between it tells them again, which changes nothing: each keeps its event id. Raises StoreUnavailable, and
    then they wait on.
    """
    if doors.stream is None:
        raise StoreUnavailable("there is no event stream; start it with `hawker serve`")
    waiting = await doors.ledger.ask(lambda ledger: read_outbox(ledger, MOST_AT_ONCE))
    if waiting:
        rows: list[dict[str, Any]] = [row for _, row in waiting]
        await doors.stream.append_events([row["event_id"] for row in rows], [orjson.dumps(row) for row in rows])
        await doors.ledger.ask(lambda ledger: forget_outbox(ledger, [place for place, _ in waiting]))
    return len(waiting)
