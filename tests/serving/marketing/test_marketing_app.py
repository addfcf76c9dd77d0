"""The marketing interface as a whole: who may ask, what is open, what it is made of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.storage.home import Home
from engine.storage.keys import create_key
from engine.storage.ledger import opened_ledger
from serving.gate import OPEN
from tests.bundles import AS_OF
from tests.serving.marketing.conftest import marketing_interface
from tests.stores import SHOP, settings_of

ROOT = Path(__file__).resolve().parents[3]
EVERYBODY = {"/health/live", "/health/ready", "/metrics"}


@pytest.fixture
def closed(ledger_url, tmp_path):
    """The same in a shop that has keys."""
    home = Home(tmp_path / "home")
    with opened_ledger(ledger_url, SHOP) as ledger:
        secrets = {
            each: create_key(ledger, f"the {each}", [each], now=AS_OF)[1] for each in ("marketing", "ingest", "admin")
        }
    with marketing_interface(home, settings_of(home.root, HAWKER_POSTGRES_URL=ledger_url)) as running:
        running.secrets = secrets
        yield running


def asked(office, scope, method, path):
    headers = {"Authorization": f"Bearer {office.secrets[scope]}"}
    return office.client.request(method, path, headers=headers, **({} if method == "get" else {"json": {}}))


def test_it_tells_whether_it_is_ready_and_says_when_the_ledger_is_away(office, tmp_path):
    assert office.get("/health/live").json() == {"status": "alive"}
    ready = office.get("/health/ready").json()
    assert (ready["status"], ready["problem"], ready["now"]) == ("ready", None, "2023-11-14T22:13:20+00:00")
    home = Home(tmp_path / "other")
    away = settings_of(home.root, HAWKER_POSTGRES_URL="postgresql://nobody@127.0.0.1:9/none")
    with marketing_interface(home, away) as second:
        ready = second.get("/health/ready").json()
    assert ready["status"] == "waiting"
    assert "does not answer" in ready["problem"]


def test_every_route_needs_a_key_of_its_scope(closed):
    paths = closed.get("/openapi.json").json()["paths"]
    for path, methods in paths.items():
        for method in methods:
            plain = path.replace("{", "").replace("}", "")
            assert (closed.client.request(method, plain).status_code == 401) == (path not in OPEN), (method, path)
            if path not in EVERYBODY:
                assert asked(closed, "ingest", method, plain).status_code == 403, (method, path)
                for scope in ("marketing", "admin"):
                    assert asked(closed, scope, method, plain).status_code not in (401, 403), (method, path)


def test_every_route_is_documented_and_described(office):
    document = office.get("/openapi.json").json()
    assert {"/health/live", "/health/ready", "/metrics"} <= set(document["paths"])
    told = [operation.get("description") for methods in document["paths"].values() for operation in methods.values()]
    assert all(told)


def test_the_documentation_needs_no_network_and_unknown_paths_are_problems(office):
    page = office.get("/docs").text
    assert "http://" not in page and "https://" not in page
    answer = office.get("/v1/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_requests_are_counted_without_touching_the_storefronts_figures(office):
    office.get("/health/live")
    page = office.get("/metrics").text
    assert 'hawker_requests_total{method="GET",route="/health/live",status="200"} 1.0' in page
    assert "hawker_bundle_version" not in page


def test_the_marketing_process_loads_no_library_of_training(tmp_path):
    code = (
        "import sys; from pathlib import Path; from engine.settings import read_settings;"
        "from engine.storage.home import Home; import serving.marketing_process;"
        "from serving.marketing_app import create_marketing_app;"
        "from serving.marketing_runtime import MarketingRuntime;"
        f"create_marketing_app(MarketingRuntime(Home(Path({str(tmp_path)!r})), read_settings({{}}))).openapi();"
        "print(*sorted({m.split('.')[0] for m in sys.modules}))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    banned = {"mlflow", "implicit", "lightgbm", "pandas", "sklearn", "training"}
    assert not set(ran.stdout.split()) & banned
