"""The runner of jobs: `python -m serving.jobs_process`, started by the supervisor; one is active for a shop.

Beside them it keeps the coupons' promises in order: what was redeemed is told to the stream, wallets follow, and
reservations whose time is over are given back although nobody asks.
The senders of webhooks and of campaigns and the campaigns' clock live in it, too, as do the watch over the served
bundle's age and the routine that trains it anew: all of them wait for the ledger.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Sequence

from engine.errors import HawkerError, StoreUnavailable
from engine.settings import Settings
from engine.storage import clock
from engine.storage.coupon_ledger import tidy_coupons
from engine.storage.home import Home
from engine.storage.jobs import Job, end_job, next_job, put_back
from engine.storage.ledger import LedgerPool, open_ledger
from serving.actions.keep_wallets import Wallets
from serving.actions.send_outbox import MOST_AT_ONCE, send_outbox
from serving.campaign_clock import keeping_campaigns
from serving.campaign_sender import sending_campaigns
from serving.campaign_triggers import pulling_triggers
from serving.child import run_duty
from serving.doors import Doors
from serving.job_kinds import JobShop, Running, work_on
from serving.metrics import TrainingMetrics
from serving.retraining import retraining
from serving.staleness import watching_staleness
from serving.webhook_sender import sending_webhooks

log = logging.getLogger("hawker.jobs")

GRACE = 7.0  # seconds for the batch in hand
_PAUSE = 0.5  # seconds between two looks at an empty queue
_PATIENCE = 1.0  # seconds before a store that was away is asked again
_TIDY_EVERY = 60.0  # seconds
# Nobody waits for an answer here, and the storefront comes first.
_LIVE_SECONDS = 5.0


def main(arguments: Sequence[str]) -> int:
    """Work until told to stop; the next runner goes on with a job that is cut."""
    # The storefront comes first.
    return run_duty("jobs", arguments, _both, nice=10, grace=GRACE)


def _both(settings: Settings, home: Home, stopping: threading.Event) -> None:
    async def together() -> None:
        await asyncio.gather(work(settings, home, stopping), keep_promises(settings, home, stopping))

    figures = TrainingMetrics()
    with (
        sending_webhooks(settings, stopping),
        sending_campaigns(settings, home, stopping),
        pulling_triggers(settings, home, stopping),
        keeping_campaigns(settings, home, stopping),
        watching_staleness(settings, home, figures, stopping),
        retraining(settings, home, figures, stopping),
    ):
        asyncio.run(together())


async def keep_promises(settings: Settings, home: Home, stopping: threading.Event) -> None:
    """Send the outbox, keep wallets, tidy the coupons, again and again; stores that are away are waited for."""
    doors, said, tidied = Doors(settings, home.root, live_seconds=_LIVE_SECONDS), "", time.monotonic()
    wallets = Wallets(doors, settings.shop)
    try:
        while not stopping.is_set():
            try:
                sent = await send_outbox(doors) if doors.stream is not None else 0
                sent += await wallets.keep(now=clock.now(home))
                if time.monotonic() - tidied > _TIDY_EVERY:
                    await doors.ledger.ask(lambda ledger: tidy_coupons(ledger, now=clock.now(home)))
                    tidied = time.monotonic()
                said = ""
                # What came meanwhile goes together: each round waits for the disk that redemptions wait for, too.
                await asyncio.sleep(0 if sent >= MOST_AT_ONCE else _PAUSE)
            except (HawkerError, OSError) as problem:
                if str(problem) != said:
                    said = str(problem)
                    log.warning("what was redeemed waits in the outbox: %s", said)
                await asyncio.sleep(_PATIENCE)
    finally:
        await doors.close()


async def work(settings: Settings, home: Home, stopping: threading.Event) -> None:
    """One job after another. A store that is away is waited for: the job goes on where it can."""
    shop, ledger, said = JobShop(settings, Doors(settings, home.root, live_seconds=_LIVE_SECONDS)), None, ""
    try:
        while not stopping.is_set():
            try:
                ledger = ledger or open_ledger(settings.postgres_url, settings.shop)
                job = next_job(ledger, now=clock.now(home))
                if job is not None:
                    await _run(shop, ledger, job, home, stopping)
                said = ""
                await asyncio.sleep(0 if job else _PAUSE)
            except (HawkerError, OSError) as problem:
                if str(problem) != said:
                    said = str(problem)
                    log.warning("the jobs wait: %s", said)
                await asyncio.sleep(_PATIENCE)
    finally:
        await shop.doors.close()
        if ledger is not None:
            ledger.dispose()


async def _run(shop: JobShop, ledger: LedgerPool, job: Job, home: Home, stopping: threading.Event) -> None:
    """One job to its end. What it cannot do is its failure: the jobs behind it must not wait for it."""
    try:
        outcome = await work_on(Running(job, shop, ledger, home, stopping))
    except StoreUnavailable:
        raise
    except Exception as error:
        log.exception("job %s failed", job.id)
        told = error.message if isinstance(error, HawkerError) else f"{type(error).__name__}: {error}"
        end_job(ledger, job.id, "failed", now=clock.now(home), error=told)
        return
    if outcome is None:
        put_back(ledger, job.id)
        return
    state = "cancelled" if outcome.cancelled else "done"
    end_job(ledger, job.id, state, now=clock.now(home), result=outcome.result)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
