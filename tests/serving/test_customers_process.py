"""The customers' process: what it finds out of segments reaches the till."""

from __future__ import annotations

import threading

from engine.storage.home import Home
from engine.storage.offer_documents import put_offer
from serving.customers_process import work
from tests.engine.storage.shoppers import Shoppers, order
from tests.serving.conftest import eventually
from tests.stores import settings_of


def test_who_is_in_the_segments_that_offers_name_is_told_to_the_live_store(stores, live, ledger, ledger_url, tmp_path):
    shoppers = Shoppers(Home(tmp_path))
    shoppers.happened(order("once", 1, 100), order("twice", 1, 100), order("twice", 2, 100))
    terms = {"name": "New", "benefit": {"kind": "percent", "percent": 5}}
    named = {"segments": ["value.new", "a label of the shop"]}
    put_offer(ledger, {"offer_id": "new", "eligible": named, **terms}, actor="test", now=1.0, zone="UTC")
    settings = settings_of(tmp_path, HAWKER_POSTGRES_URL=ledger_url, HAWKER_REDIS_URL=stores.live_url)
    stopping = threading.Event()
    thread = threading.Thread(target=work, args=(settings, Home(tmp_path), stopping))
    thread.start()
    try:
        eventually(lambda: live.hexists("default:offered", "value.new"), within=60)
        eventually(lambda: float(live.hget("default:sellers", "value.new") or 0) > 0, within=60)
    finally:
        stopping.set()
        thread.join(30)
    assert live.smembers("default:offered:value.new") == {b"once"}
    assert live.hkeys("default:offered") == [b"value.new"]
