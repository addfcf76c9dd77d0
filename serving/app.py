"""App: the storefront's HTTP interface, put together from its resources."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from serving import health
from serving.interface import PROBLEMS, Lifespan, guarded, needs, new_interface
from serving.runtime import Runtime
from serving.storefront import (
    browser,
    coupons,
    documents,
    events,
    jobs,
    more_lists,
    offers,
    pages,
    people,
    readiness,
    recommendations,
    segment_spec,
    unsubscribe,
)
from serving.storefront.quick import Quick


def create_app(runtime: Runtime) -> FastAPI:
    """The storefront's application; it follows newly published bundles while it runs."""
    app = new_interface("Hawker storefront", "Recommendations for a shop's pages.", _following(runtime))
    app.include_router(events.routes(runtime), responses=PROBLEMS, dependencies=[needs("ingest", "browser")])
    app.include_router(
        recommendations.routes(runtime), responses=PROBLEMS, dependencies=[needs("recommend", "browser")]
    )
    app.include_router(more_lists.routes(runtime), responses=PROBLEMS, dependencies=[needs("recommend", "browser")])
    app.include_router(pages.routes(runtime), responses=PROBLEMS, dependencies=[needs("recommend", "browser")])
    app.include_router(segment_spec.routes(runtime), responses=PROBLEMS, dependencies=[needs("ingest")])
    app.include_router(jobs.routes(runtime), responses=PROBLEMS)
    app.include_router(people.routes(runtime), responses=PROBLEMS, dependencies=[needs("ingest")])
    app.include_router(coupons.routes(runtime), responses=PROBLEMS)
    app.include_router(offers.routes(runtime), responses=PROBLEMS)
    app.include_router(unsubscribe.routes(runtime))
    # After the recommendations, whose paths are longer: an item's id may hold slashes.
    app.include_router(documents.routes(runtime, "items"), responses=PROBLEMS)
    app.include_router(documents.routes(runtime, "users"), responses=PROBLEMS)
    app.include_router(readiness.routes(runtime))
    app.include_router(health.routes(runtime.metrics))
    app.include_router(browser.routes())
    app.add_middleware(Quick, runtime=runtime)
    return guarded(app, guard=runtime.guard, metrics=runtime.metrics, origins=runtime.settings.origins)


def _following(runtime: Runtime) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with runtime.guard.watching():
            work = (runtime.follow, runtime.tend, runtime.offers.follow)
            tasks = {asyncio.create_task(each()) for each in work}
            try:
                yield
            finally:
                while tasks:  # a library in between may take the first cancellation for a time-out of its own
                    for task in tasks:
                        task.cancel()
                    _, tasks = await asyncio.wait(tasks, timeout=1)
                await runtime.served.flush()
                await runtime.doors.close()

    return lifespan
