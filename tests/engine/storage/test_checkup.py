from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from engine.storage.checkup import Finding, examine
from engine.storage.embedded import Machine, open_stores
from engine.storage.home import Home
from engine.storage.ledger import connect
from engine.storage.migrate import migrate, missing_tables
from engine.storage.run_as import UserNamespaces
from engine.storage.segment_edits import create_segment
from engine.targeting.definition import Definition
from tests.bundles import toy_bundle
from tests.engine.storage.homes import AS_ROOT, postgres_of, public_folder, running
from tests.serving.conftest import publish
from tests.stores import SHOP, settings_of


def test_a_migrated_home_is_found_well_and_left_as_it_was(home: Path) -> None:
    with open_stores(settings_of(home), {"ledger"}) as stores:
        migrate(stores.ledger_url, SHOP)
    findings = _examined(home)
    assert [finding.name for finding in findings.values() if not finding.ok and finding.name != "disk"] == []
    assert set(findings) == {
        *("home", "disk", "live", "stream", "ledger", "durability", "migrations", "segments", "retraining"),
        "ledger_place",
        *("mlflow", "bundle"),
    }
    assert running(home) == set()


def test_a_ledger_without_the_shops_tables_is_said_and_is_no_fault(home: Path) -> None:
    """A shop that has no campaigns yet has no tables for them: nothing keeps Hawker from working."""
    findings = _examined(home)
    assert findings["ledger"].ok
    assert findings["migrations"].ok
    assert "migrates" in findings["migrations"].sentence
    for table in ("past_campaigns", "jobs", "counted_scopes"):
        assert table in findings["migrations"].sentence


def test_a_table_that_is_gone_from_a_migrated_ledger_is_a_fault_and_named(home: Path) -> None:
    with open_stores(settings_of(home), {"ledger"}) as stores:
        migrate(stores.ledger_url, SHOP)
        engine = connect(stores.ledger_url, SHOP, pooled=False)
        with engine.begin() as connection:
            assert missing_tables(connection, SHOP) == []
            connection.execute(text("DROP TABLE past_redemptions"))
        engine.dispose()
    found = _examined(home)["migrations"]
    assert not found.ok
    assert "past_redemptions" in found.sentence


def test_a_rule_that_cannot_be_evaluated_is_a_fault_and_named(home: Path) -> None:
    with open_stores(settings_of(home), {"ledger"}) as stores:
        migrate(stores.ledger_url, SHOP)
        engine = connect(stores.ledger_url, SHOP, pooled=False)
        with engine.begin() as connection:
            made = create_segment(
                connection, "Odd", definition=Definition({"trait": "gone_trait", "op": ">=", "value": 1}, "gone"),
                actor=None, now=1.0,
            )  # fmt: skip
        engine.dispose()
    found = _examined(home)["segments"]
    assert not found.ok
    assert f"{made.id}: definition.trait: " in found.sentence
    assert "gone_trait" in found.sentence


def test_a_store_that_does_not_start_says_nothing_about_the_others(home: Path) -> None:
    if not postgres_of(home).data.exists():
        home.mkdir(exist_ok=True)
        pytest.skip("the ledger of this home lies elsewhere")
    (postgres_of(home).data / "PG_VERSION").write_text("9.6\n")
    findings = _examined(home)
    assert not findings["ledger"].ok
    assert str(postgres_of(home).log) in findings["ledger"].sentence
    assert findings["live"].ok
    assert findings["stream"].ok


@pytest.mark.skipif(not AS_ROOT, reason="only root's ledger can lie outside of its home")
def test_a_ledger_outside_of_the_home_is_said(new_home: Path) -> None:
    with public_folder() as outside:
        findings = _examined(new_home, Machine(outside=outside, namespaces=UserNamespaces.REFUSED))
        assert findings["ledger"].ok
        assert "refuses user namespaces" in findings["ledger_place"].sentence
        assert str(outside) in findings["ledger_place"].sentence


def test_a_home_that_cannot_be_written_to_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    findings = _examined(tmp_path / "home")
    assert not findings["home"].ok
    assert "live" not in findings


def test_a_published_bundle_is_named_and_one_that_is_altered_or_gone_is_a_finding(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, HAWKER_POSTGRES_URL="x", HAWKER_REDIS_URL="x", HAWKER_STREAM_URL="x")
    bundles = Home(tmp_path).bundles

    def bundle() -> Finding:
        return {finding.name: finding for finding in examine(settings)}["bundle"]

    assert bundle() == Finding("bundle", True, "No bundle is published yet: hawker train, then hawker publish.")
    publish(Home(tmp_path), toy_bundle())
    assert bundle() == Finding("bundle", True, "Version 1 is published, and whole.")
    altered = bundles / "v000001" / "factors.items.npy"
    altered.write_bytes(altered.read_bytes()[:-1])
    assert not bundle().ok
    assert "factors.items.npy of bundle v000001 was truncated or altered" in bundle().sentence
    shutil.rmtree(altered.parent)
    assert not bundle().ok
    (bundles / "current").write_text("{")
    assert "hawker publish" in bundle().sentence


def _examined(home: Path, machine: Machine | None = None) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(settings_of(home), machine=machine)}
