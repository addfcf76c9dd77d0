"""A storefront for tests: the real server on a free port, in a thread, over a home of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import pytest

from engine.storage import releases
from engine.storage.home import Home
from engine.storage.ledger import opened_ledger
from serving.app import create_app
from serving.runtime import Runtime
from tests.bundles import AS_OF, toy_bundle
from tests.serving.campaign_shop import CampaignShop
from tests.serving.in_thread import in_thread
from tests.stores import SHOP, settings_of

#: Ids that a shop may well have and a path or a JSON text may well break on.
ODD_IDS = ["a/b", "x%2Fy", "\ud800", "né\n", "similar", "x/similar", "..", "?q#", " ", "\x00", "日本語", "😀"]


@dataclass
class Storefront:
    home: Home
    runtime: Runtime
    client: httpx.Client

    def get(self, path, **parameters):
        return self.client.get(path, params=parameters)

    def ask(self, **body):
        return self.client.post("/v1/recommendations", json=body)


def eventually(condition, *, within=15.0):
    """Wait for what another thread or process does soon: `condition` until it is true."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def publish(home, bundle) -> int:
    with releases.new_version_folder(home) as reserved:
        bundle.save(reserved.folder)
    releases.point_to(home, reserved.version, AS_OF)
    return reserved.version


@contextmanager
def storefront(home, now: float = AS_OF, settings=None, real_time=None, patience=10.0) -> Iterator[Storefront]:
    """`patience`, seconds, of requests with the live store: a busy test machine is no late store."""
    runtime = Runtime(home, real_time=real_time or (lambda: float(now)), settings=settings, patience=patience)
    with (
        in_thread(create_app(runtime)) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client,
    ):
        yield Storefront(home, runtime, client)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A running storefront that no test of the module changes; the last items of its catalogue have odd ids."""
    home = Home(tmp_path_factory.mktemp("home"))
    publish(home, toy_bundle(item_ids=[f"i{row}" for row in range(80 - len(ODD_IDS))] + ODD_IDS))
    with storefront(home) as running:
        yield running


@pytest.fixture
def whole_shop(stores, live, stream, ledger_url, tmp_path):
    """A storefront with all its stores, in real time; each item costs 1000, as its shop says."""
    home = Home(tmp_path / "home")
    publish(home, toy_bundle())
    urls = {"HAWKER_STREAM_URL": stores.stream_url, "HAWKER_REDIS_URL": stores.live_url}
    settings = settings_of(home.root, HAWKER_LEAST_FREE_MIB="0", HAWKER_POSTGRES_URL=ledger_url, **urls)
    with (
        opened_ledger(ledger_url, SHOP) as ledger,
        storefront(home, settings=settings, real_time=time.time) as running,
    ):
        items = [{"item_id": f"i{row}", "name": "A", "price": 1_000, "brand": f"b{row // 4 % 2}"} for row in range(80)]
        # The first command may find a busy machine's store slower than a request may wait.
        eventually(lambda: running.client.post("/v1/items/bulk", json={"items": items}).status_code == 200)
        running.ledger, running.settings, running.live = ledger, settings, live
        yield running


@pytest.fixture
def campaign_shop(stores, ledger, ledger_url, live, tmp_path):
    """A shop without customers or campaigns yet, over all stores."""
    urls = {"HAWKER_POSTGRES_URL": ledger_url, "HAWKER_REDIS_URL": stores.live_url}
    shop = CampaignShop(tmp_path / "home", ledger, live, urls)
    yield shop
    shop.close()
