"""The marketing interface, asked with what its document allows and with what it does not."""

from __future__ import annotations

import re

import pytest

from engine.storage.customer_refresh import refresh_customers
from engine.storage.keys import create_key
from engine.storage.ledger import opened_ledger
from engine.storage.live_segments import live_rules
from experiments.fuzz import fuzz, operations_of
from experiments.hostile.cases import hostile
from experiments.hostile.judge import judge
from tests.bundles import AS_OF, toy_bundle
from tests.engine.storage import campaigns
from tests.engine.storage.shoppers import Shoppers
from tests.serving.conftest import publish
from tests.stores import SHOP

# The bench asks with all phases and many more examples.
EXAMPLES, PHASES = 4, "fuzzing"
#: Of an uploaded list each line is judged, which no document says.
ASKED = r"^/v1/(?!segments/[^/]+/members)"


@pytest.fixture
def shop(office, ledger_url):
    """With a key, a bundle, customers that were computed, and a campaign that runs."""
    publish(office.home, toy_bundle())
    Shoppers(office.home).knows(**{f"u{number}": {} for number in range(30)})
    with opened_ledger(ledger_url, SHOP) as ledger:
        _, office.key = create_key(ledger, "fuzz", ["admin"], now=AS_OF)
        campaigns.offered(ledger)
        members = [(f"u{number}", "treatment" if number % 2 else "holdout", {}) for number in range(30)]
        campaigns.launched(ledger, members, campaign_id="fuzz", at=campaigns.moment(AS_OF - 86_400))
        refresh_customers(office.home, now=AS_OF, zone="UTC", rules=live_rules(office.runtime.settings, ledger).rules)
    return office


def asked_of(shop):
    """The document without those that are not asked."""
    document = shop.client.get("/openapi.json").json()
    return {**document, "paths": {path: each for path, each in document["paths"].items() if re.search(ASKED, path)}}


def test_operations_do_what_their_document_says(shop, tmp_path):
    document = asked_of(shop)  # made once, before schemathesis waits for it
    found = fuzz(
        str(shop.client.base_url).rstrip("/"), shop.key, tmp_path, examples=EXAMPLES, seed=7, phases=PHASES, only=ASKED
    )
    assert found.failures == ()
    assert found.operations == operations_of(document)


def test_hostile_bodies_are_refused_by_name(shop):
    cases = list(hostile(asked_of(shop), 300, seed=5))
    judged = judge(shop.client.base_url.port, cases, key=shop.key)
    assert judged.faults == []
    assert judged.sent == 300
    headers = {"Authorization": f"Bearer {shop.key}"}
    for path, kind in (("segments", "segments"), ("classes", "classifications"), ("webhooks", "webhooks")):
        assert shop.client.get(f"/v1/{path}", headers=headers).json()[kind] == []
    kept = shop.client.get("/v1/campaigns", headers=headers).json()["campaigns"]
    assert [(each["campaign_id"], each["revision"], each["state"]) for each in kept] == [("fuzz", 1, "running")]
    assert {each["origin"] for each in shop.client.get("/v1/placements", headers=headers).json()["placements"]} == {
        "built-in"
    }
    assert shop.client.get("/v1/users/i1/consents", headers=headers).json()["history"] == []
