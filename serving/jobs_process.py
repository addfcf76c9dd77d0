"""The runner of jobs: `python -m serving.jobs_process`, started by the supervisor; one is active for a shop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import HawkerError
from engine.settings import Settings, read_settings
from engine.storage import clock
from engine.storage.durable import locked
from engine.storage.home import Home, home_of
from engine.storage.jobs import Job, end_job, next_job, tell_progress
from engine.storage.ledger import LedgerPool, open_ledger
from serving.actions.change_by_filter import change_by_filter, checked_wish
from serving.child import end_with_supervisor, start_logging
from serving.doors import Doors

log = logging.getLogger("hawker.jobs")

GRACE = 7.0  # seconds for the batch in hand
_PAUSE = 0.5  # seconds between two looks at an empty queue
_PATIENCE = 1.0  # seconds before a store that was away is asked again


@dataclass(frozen=True, slots=True)
class JobShop:
    """The shop's stores, as actions want them."""

    settings: Settings
    doors: Doors


def main(arguments: Sequence[str]) -> int:
    """Work until told to stop; a job that is cut is begun again by the next runner."""
    options = _options(arguments)
    os.nice(10)  # the storefront comes first
    stopping = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stopping.set())
    threading.Thread(target=end_with_supervisor, args=(options.lifeline, GRACE), daemon=True).start()
    settings = read_settings(os.environ)
    start_logging(access_log=False)
    home = home_of(settings)
    os.write(options.status, b'{"ready": true}')
    with locked(home.shop_folder / "jobs.lock"):
        asyncio.run(work(settings, home, stopping))
    return 0


async def work(settings: Settings, home: Home, stopping: threading.Event) -> None:
    """One job after another. A store that is away is waited for: the job goes on where it can."""
    shop, ledger, said = JobShop(settings, Doors(settings, home.root)), None, ""
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
    async def tell(done: int) -> bool:
        if shop.doors.pressure is not None:
            await shop.doors.pressure.look()
        return tell_progress(ledger, job.id, done) and not stopping.is_set()

    now = clock.now(home)
    try:
        wanted = checked_wish(job.arguments)
        outcome = await change_by_filter(shop, wanted, now=now, actor=job.actor, tell=tell)
    except (KeyError, TypeError, ValueError) as error:
        end_job(ledger, job.id, "failed", now=clock.now(home), error=f"{type(error).__name__}: {error}")
        log.exception("job %s failed", job.id)
        return
    if stopping.is_set():
        return  # the next runner begins it again
    state = "cancelled" if outcome.cancelled else "done"
    end_job(ledger, job.id, state, now=clock.now(home), result=outcome.as_json())


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="jobs", description="The runner of the shop's jobs.")
    parser.add_argument("--lifeline", type=int, required=True, help="descriptor that ends with the supervisor")
    parser.add_argument("--status", type=int, required=True, help="descriptor to report the start on")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
