"""Retrainings over HTTP."""

from __future__ import annotations

import pytest

from engine.storage.jobs import RETRAIN, create_job, end_job, next_job, tell_progress
from engine.storage.ledger import opened_ledger
from tests.bundles import AS_OF, toy_bundle
from tests.serving.conftest import publish
from tests.stores import SHOP


@pytest.fixture
def ledger(office):
    with opened_ledger(office.runtime.settings.postgres_url, SHOP) as opened:
        yield opened


def listed(office):
    answer = office.get("/v1/retrainings")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_shop_without_anything_says_so(office):
    assert listed(office) == {
        "schedule": None, "events": 0, "recipe": "default", "next_at": None, "bundle_version": None, "as_of": None,
        "age_seconds": None, "events_since": 0, "retrainings": [],
    }  # fmt: skip


def test_what_is_served_is_told_with_its_age(office):
    publish(office.home, toy_bundle())
    found = listed(office)
    assert (found["bundle_version"], found["as_of"]) == (1, "2023-11-14T22:13:20+00:00")
    assert found["age_seconds"] == pytest.approx(office.runtime.now() - AS_OF, abs=60)


def test_one_that_is_asked_for_waits_and_asking_again_gives_the_same(office):
    first = office.post("/v1/retrainings")
    assert first.status_code == 202
    told = first.json()
    assert (told["state"], told["because"], told["outcome"]) == ("queued", "asked", None)
    assert first.headers["location"] == f"/v1/retrainings/{told['job_id']}"
    assert office.post("/v1/retrainings").json()["job_id"] == told["job_id"]
    assert office.get(first.headers["location"]).json() == told
    assert office.post(f"/v1/retrainings/{told['job_id']}/cancel").json()["outcome"] == "cancelled"
    assert office.post("/v1/retrainings").json()["job_id"] != told["job_id"]


def test_how_far_it_is_and_which_gate_refused_it(office, ledger):
    job = office.post("/v1/retrainings").json()["job_id"]
    next_job(ledger, now=AS_OF, kinds=(RETRAIN,))
    tell_progress(ledger, job, 12, {"stage": "fit als"})
    running = listed(office)["retrainings"][0]
    assert (running["state"], running["stage"], running["outcome"]) == ("running", "fit als", None)
    gate = {"name": "coverage_floor", "asked": "more", "measured": "less", "passed": False}
    result = {"outcome": "refused", "version": 7, "gates": [gate], "failed_gates": ["coverage_floor"], "seconds": 9.5}
    end_job(ledger, job, "done", now=AS_OF, result=result)
    found = listed(office)["retrainings"][0]
    assert (found["outcome"], found["version"], found["failed_gates"]) == ("refused", 7, ["coverage_floor"])
    assert (found["gates"], found["seconds"], found["stage"]) == ([gate], 9.5, None)


@pytest.mark.parametrize("name", ["%00", "never", "0" * 32])
def test_a_name_that_no_retraining_has_is_unknown(office, name):
    assert office.get(f"/v1/retrainings/{name}").status_code == 404
    assert office.post(f"/v1/retrainings/{name}/cancel").status_code == 404


def test_a_job_of_another_kind_is_no_retraining(office, ledger):
    other = create_job(ledger, "change_by_filter", {}, actor=None, now=AS_OF)
    assert office.get(f"/v1/retrainings/{other.id}").status_code == 404
    assert office.post(f"/v1/retrainings/{other.id}/cancel").status_code == 404
