"""Segments over HTTP."""

from __future__ import annotations

import json

import pytest

from engine.storage.online import connect_live

RULE = {"all": [{"trait": "orders_90d", "op": ">=", "value": 2}]}


@pytest.fixture
def people(stores):
    """Users u0 to u9, as the shop sent them; u9 is deleted again."""
    with connect_live(stores.live_url) as client:
        for number in range(10):
            document = {"user_id": f"u{number}"} | ({"deleted": True} if number == 9 else {})
            client.set(f"default:user:u{number}", json.dumps(document))


def upload(office, content, segment="vips", **query):
    return office.client.post(
        f"/v1/segments/{segment}/members",
        params=query,
        content=content.encode() if isinstance(content, str) else content,
        headers={"content-type": "text/csv"},
    )


def test_a_segment_is_defined_read_changed_archived_and_deleted(office):
    made = office.post("/v1/segments", names={"en": "Regulars", "zh": "常客"}, definition=RULE)
    assert (made.status_code, made.headers["location"]) == (201, "/v1/segments/regulars")
    body = made.json()
    assert (body["kind"], body["version"], body["members"]) == ("rule", 1, None)
    assert body["definition"] == office.get("/v1/segments/regulars").json()["definition"]
    changed = office.patch("/v1/segments/regulars", definition={"any": RULE["all"] * 2}, version=1).json()
    assert changed["version"] == 2
    again = office.patch("/v1/segments/regulars", definition=RULE, version=1)
    assert (again.status_code, again.json()["code"]) == (409, "changed_meanwhile")
    versions = office.get("/v1/segments/regulars/versions").json()["versions"]
    assert [each["version"] for each in versions] == [2, 1]
    assert office.post("/v1/segments/regulars/archive").json()["archived_at"]
    assert office.get("/v1/segments").json()["segments"] == []
    assert [each["segment_id"] for each in office.get("/v1/segments", archived=True).json()["segments"]] == ["regulars"]
    assert office.post("/v1/segments/regulars/restore").json()["archived_at"] is None
    assert office.delete("/v1/segments/regulars").json() == {"deleted": True}
    gone = office.get("/v1/segments/regulars")
    assert (gone.status_code, gone.json()["code"]) == (404, "unknown_segment")


def test_a_segment_that_others_name_tells_them_and_stays(office):
    office.post("/v1/segments", names="base", definition=RULE)
    office.post("/v1/segments", names="above", definition={"all": [{"segment": "base"}, *RULE["all"]]})
    assert office.get("/v1/segments/base").json()["dependents"] == ["above"]
    for answer in (office.delete("/v1/segments/base"), office.post("/v1/segments/base/archive")):
        assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
        assert "above" in answer.json()["detail"]
    circle = office.patch("/v1/segments/base", definition={"segment": "above"})
    assert (circle.status_code, circle.json()["code"]) == (422, "circle")


def test_segments_are_listed_page_by_page(office):
    for number in range(5):
        office.post("/v1/segments", names=f"s{number}", kind="static")
    seen, after = [], ""
    while after is not None:
        page = office.get("/v1/segments", limit=2, after=after).json()
        seen += [each["segment_id"] for each in page["segments"]]
        after = page["next"]
    assert seen == [f"s{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"definition": RULE}, "names"),
        ({"names": "x"}, "definition"),
        ({"names": "x", "kind": "static", "definition": RULE}, "definition"),
        ({"names": "x", "kind": "other", "definition": RULE}, "kind"),
        ({"names": "x", "definition": RULE, "text": "orders_90d >= 2"}, "definition"),
        ({"names": "x", "definition": RULE, "segment_id": "No!"}, "segment_id"),
        ({"names": "x", "definition": {"segment": "nobody"}}, "definition"),
        ({"names": "x", "definition": RULE, "more": 1}, "more"),
    ],
)
def test_what_is_no_segment_is_refused_by_its_field(office, body, field):
    answer = office.client.post("/v1/segments", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    assert office.get("/v1/segments").json()["segments"] == []


def test_a_list_is_uploaded_whole_or_not_at_all(office, people):
    office.post("/v1/segments", names="vips", kind="static")
    taken = upload(office, "user_id\nu1\nu2\n").json()
    assert (taken["users"], taken["segment"]["members"], taken["segment"]["version"]) == (2, 2, 2)
    refused = upload(office, "user_id\nu3\nnobody\nu3\n=cmd()\nu9\n")
    body = refused.json()
    assert (refused.status_code, body["code"], body["position"], body["refused_lines"]) == (422, "lines_refused", 3, 4)
    assert [(each["line"], each["code"]) for each in body["refused"]] == [
        (3, "unknown_user"),
        (4, "doubled"),
        (5, "formula"),
        (6, "unknown_user"),
    ]
    assert office.get("/v1/segments/vips").json()["members"] == 2
    some = upload(office, "user_id\nu3\nnobody\n", skip="unknown_user").json()
    assert (some["users"], some["skipped"], some["segment"]["members"]) == (1, 1, 3)
    assert upload(office, "user_id\nu1\n", mode="remove").json()["segment"]["members"] == 2
    assert upload(office, "user_id\nu1\n", mode="replace").json()["segment"]["members"] == 1
    assert upload(office, "user_id\nu1\n", mode="swap").json()["field"] == "mode"
    assert upload(office, "user_id\nu1\n", version=1).status_code == 409


def test_a_list_longer_than_other_bodies_is_taken(office, stores):
    with connect_live(stores.live_url) as client:
        client.mset({f"default:user:customer-{number:09}": b'{"user_id": "x"}' for number in range(60_000)})
    office.post("/v1/segments", names="vips", kind="static")
    content = "user_id\n" + "".join(f"customer-{number:09}\n" for number in range(60_000))
    assert len(content) > 2**20
    assert upload(office, content).json()["segment"]["members"] == 60_000
    long = office.client.post("/v1/segments", content=b" " * (2**20 + 1), headers={"content-type": "application/json"})
    assert long.status_code == 413


def test_an_upload_needs_its_content_type_and_its_segment(office, people):
    office.post("/v1/segments", names="rule", definition=RULE)
    assert office.post("/v1/segments/rule/members").status_code == 415
    assert upload(office, "user_id\nu1\n", "never").status_code == 404
    assert upload(office, "user_id\nu1\n", "rule").json()["code"] == "is_rule"


@pytest.mark.parametrize(
    ("said", "field", "position"),
    [
        ({"text": "ordres > 1"}, "text", 0),
        ({"text": "bought(0d)"}, "text", 7),
        ({"text": "bought(3650d)"}, "text", 7),
        ({"text": "not " * 200 + "orders > 1"}, "text", 128),
        ({"text": 'orders > "many"'}, "text", 0),
        ({"definition": {"trait": "ordres", "op": ">", "value": 1}}, "definition.trait", None),
        ({"definition": {"event": {"type": "purchase", "within": "P10Y"}}}, "definition.event.within", None),
        ({"definition": {"any": [{"trait": "region", "op": "=", "value": 5}] * 2}}, "definition.any[0].trait", None),
        ({"definition": json.loads('{"not":' * 200 + '{"trait":"x"}' + "}" * 200)}, "definition", None),
    ],
)
def test_a_faulty_rule_is_refused_with_its_place_in_what_was_sent(office, said, field, position):
    for path in ("/v1/segments", "/v1/segments/preview"):
        refused = office.post(path, **said, **({"names": "x"} if path == "/v1/segments" else {}))
        told = refused.json()
        assert (refused.status_code, told["field"], told["position"]) == (422, field, position), told
    assert office.get("/v1/segments").json()["segments"] == []
