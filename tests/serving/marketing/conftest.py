"""The marketing interface for tests: the real server on a free port, in a thread, over a fresh ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import pytest

from engine.storage.home import Home
from engine.storage.online import connect_live, connect_stream
from serving.marketing_app import create_marketing_app
from serving.marketing_runtime import MarketingRuntime
from tests.bundles import AS_OF
from tests.serving.in_thread import in_thread
from tests.stores import settings_of


@dataclass
class Marketing:
    home: Home
    runtime: MarketingRuntime
    client: httpx.Client

    def get(self, path, **parameters):
        return self.client.get(path, params=parameters)

    def post(self, path, **body):
        return self.client.post(path, json=body)

    def patch(self, path, **body):
        return self.client.patch(path, json=body)

    def delete(self, path):
        return self.client.delete(path)


@contextmanager
def marketing_interface(home, settings, now: float = AS_OF) -> Iterator[Marketing]:
    runtime = MarketingRuntime(home, settings, real_time=lambda: float(now))
    with (
        in_thread(create_marketing_app(runtime)) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        yield Marketing(home, runtime, client)


@pytest.fixture
def office(stores, ledger_url, tmp_path):
    """A running marketing interface with all stores, which are empty."""
    for connect, url in ((connect_live, stores.live_url), (connect_stream, stores.stream_url)):
        with connect(url) as client:
            client.flushall()
    home = Home(tmp_path / "home")
    urls = {
        "HAWKER_STREAM_URL": stores.stream_url,
        "HAWKER_REDIS_URL": stores.live_url,
        "HAWKER_POSTGRES_URL": ledger_url,
    }
    with marketing_interface(home, settings_of(home.root, HAWKER_LEAST_FREE_MIB="0", **urls)) as running:
        yield running
